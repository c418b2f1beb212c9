//! What connections share of themselves, by their identity. A name of someone who has gone finds nothing.

use crate::ids::{ConnId, give_back};

/// Values by connection.
#[derive(Debug)]
pub struct Shelf<T> {
    places: Vec<Option<(u32, Box<T>)>>,
    len: usize,
}

impl<T> Default for Shelf<T> {
    fn default() -> Shelf<T> {
        Shelf { places: Vec::new(), len: 0 }
    }
}

impl<T> Shelf<T> {
    /// Puts down the value of `id`, in place of one that lay there.
    pub fn put(&mut self, id: ConnId, value: T) {
        let slot = id.slot as usize;
        if slot >= self.places.len() {
            self.places.resize_with(slot + 1, || None);
        }
        let before = self.places[slot].replace((id.serial, Box::new(value)));
        self.len += usize::from(before.is_none());
    }

    /// The value of `id`.
    pub fn get(&self, id: ConnId) -> Option<&T> {
        let (serial, value) = self.places.get(id.slot as usize)?.as_ref()?;
        (*serial == id.serial).then_some(&**value)
    }

    /// The value of `id`, to change it.
    pub fn get_mut(&mut self, id: ConnId) -> Option<&mut T> {
        let (serial, value) = self.places.get_mut(id.slot as usize)?.as_mut()?;
        (*serial == id.serial).then_some(&mut **value)
    }

    /// Takes the value of `id` away.
    pub fn take(&mut self, id: ConnId) -> Option<T> {
        let slot = id.slot as usize;
        let place = self.places.get_mut(slot)?;
        let (_, value) = place.take_if(|(serial, _)| *serial == id.serial)?;
        self.len -= 1;
        if slot + 1 == self.places.len() {
            give_back(&mut self.places, Option::is_none);
        }
        Some(*value)
    }

    /// All values.
    pub fn iter(&self) -> impl Iterator<Item = (ConnId, &T)> {
        self.places.iter().enumerate().filter_map(|(slot, place)| {
            let (serial, value) = place.as_ref()?;
            Some((ConnId { slot: slot as u32, serial: *serial }, &**value))
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_name_finds_nothing() {
        let mut shelf = Shelf::default();
        let (old, new) = (ConnId { slot: 3, serial: 1 }, ConnId { slot: 3, serial: 2 });
        shelf.put(old, 'a');
        assert_eq!((shelf.get(old), shelf.get(new)), (Some(&'a'), None));
        assert_eq!(shelf.take(new), None);
        shelf.put(new, 'b');
        assert_eq!((shelf.get(old), shelf.len()), (None, 1));
        assert_eq!((shelf.take(new), shelf.is_empty()), (Some('b'), true));
    }
}
