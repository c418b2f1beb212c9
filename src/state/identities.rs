//! Who gets which slot: connections are named before they are made, so that what is written down about one that is
//! about to be born (its id on the wire, notes to it) needs no second name. Holds no connection.

use crate::ids::ConnId;

/// The slots and their present serials.
#[derive(Debug, Default)]
pub struct Identities {
    serials: Vec<u32>,
    vacant: Vec<u32>,
}

impl Identities {
    /// An identity that nobody has or had.
    pub fn reserve(&mut self) -> ConnId {
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.serials.push(0);
            (self.serials.len() - 1) as u32
        });
        let serial = &mut self.serials[slot as usize];
        *serial = serial.wrapping_add(1);
        ConnId { slot, serial: *serial }
    }

    /// Whoever had it has gone: the slot is for another.
    pub fn free(&mut self, id: ConnId) {
        self.vacant.push(id.slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_comes_back_with_another_serial() {
        let mut identities = Identities::default();
        let (first, second) = (identities.reserve(), identities.reserve());
        assert_ne!(first.slot, second.slot);
        identities.free(first);
        let third = identities.reserve();
        assert_eq!(third.slot, first.slot);
        assert_ne!(third, first);
    }
}
