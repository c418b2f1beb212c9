//! Who waits for a reading of rpc-info.json, and for which. At most one reading is under way; all who came while it
//! was share the next, so that each is answered by one that began after its request came in (PROTOCOL §3).

use crate::ids::ConnId;
use crate::state::notes::{Note, Notes};
use jstorrent_io_proto::error::Refusal;

/// Readings, by number from 1.
#[derive(Debug)]
pub struct Rereads {
    begun: u64,
    ended: u64,
    outcome: Result<(), Refusal>,
    waiting: Vec<(u64, ConnId)>,
}

impl Default for Rereads {
    fn default() -> Rereads {
        Rereads { begun: 0, ended: 0, outcome: Ok(()), waiting: Vec::new() }
    }
}

impl Rereads {
    /// `who` wants a reading that begins from now on: its number, and whether it is to be begun at once.
    pub fn want(&mut self, who: ConnId) -> (u64, bool) {
        let wanted = self.begun + 1;
        self.waiting.push((wanted, who));
        (wanted, self.begin_next())
    }

    /// The reading under way has ended: tells those who waited for it. Returns whether another is to be begun.
    pub fn ended(&mut self, outcome: Result<(), Refusal>, notes: &mut Notes) -> bool {
        self.ended = self.begun;
        self.outcome = outcome;
        for (_, who) in self.waiting.extract_if(.., |(wanted, _)| *wanted <= self.ended) {
            notes.send(who, Note::Look);
        }
        !self.waiting.is_empty() && self.begin_next()
    }

    /// What came of the reading of that number, or of a later one.
    pub fn outcome(&self, wanted: u64) -> Option<&Result<(), Refusal>> {
        (self.ended >= wanted).then_some(&self.outcome)
    }

    /// `who` waits no more. A reading that was begun goes on.
    pub fn forget(&mut self, who: ConnId) {
        self.waiting.retain(|(_, other)| *other != who);
    }

    fn begin_next(&mut self) -> bool {
        let may = self.begun == self.ended;
        self.begun += u64::from(may);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jstorrent_io_proto::error::Code;

    fn id(slot: u32) -> ConnId {
        ConnId { slot, serial: 0 }
    }

    #[test]
    fn who_comes_during_a_reading_waits_for_the_next() {
        let (mut rereads, mut notes) = (Rereads::default(), Notes::default());
        assert_eq!(rereads.want(id(1)), (1, true));
        assert_eq!(rereads.want(id(2)), (2, false));
        assert_eq!(rereads.want(id(3)), (2, false), "shares it");
        assert!(rereads.ended(Err(Code::RpcInfoUnreadable.into()), &mut notes), "another begins");
        assert_eq!((notes.take(), notes.take()), (Some((id(1), Note::Look)), None));
        assert!(rereads.outcome(1).is_some_and(Result::is_err));
        assert_eq!(rereads.outcome(2), None);
        assert!(!rereads.ended(Ok(()), &mut notes));
        assert_eq!(rereads.outcome(2), Some(&Ok(())));
        assert_eq!(rereads.want(id(4)), (3, true));
    }
}
