//! A file as it must be: what was acknowledged, what was flushed, and what may be there or not. Knows no daemon.

use crate::pattern::piece;

/// Bytes that were sent to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    /// The pattern's key: no two writes have the same.
    pub(crate) key: u64,
    pub(crate) offset: usize,
    pub(crate) len: usize,
}

impl Write {
    pub(crate) fn bytes(&self) -> &'static [u8] {
        piece(self.key, self.offset as u64, self.len)
    }

    fn at(&self, index: usize) -> Option<u8> {
        (self.offset..self.offset + self.len).contains(&index).then(|| self.bytes()[index - self.offset])
    }

    pub(crate) fn overlaps(&self, other: &Write) -> bool {
        self.offset < other.offset + other.len && other.offset < self.offset + self.len
    }
}

/// What must have outlived an accident.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kept {
    /// All that was answered with success: the kernel lived on.
    Acknowledged,
    /// What was answered before a flush that was answered, too: the kernel died.
    Flushed,
}

/// One file.
#[derive(Default)]
pub(crate) struct Shadow {
    /// On the disk.
    flushed: Vec<u8>,
    /// Answered since, in order.
    answered: Vec<Write>,
    /// Sent and not answered.
    open: Vec<Write>,
}

impl Shadow {
    pub(crate) fn sent(&mut self, write: Write) {
        self.open.push(write);
    }

    /// The write with this key was answered with success. Overlapping writes must not be open together.
    pub(crate) fn answered(&mut self, key: u64) {
        let at = self.open.iter().position(|write| write.key == key).expect("a write that was sent");
        self.answered.push(self.open.remove(at));
    }

    /// The write with this key, which was not answered with success so far.
    pub(crate) fn open_write(&self, key: u64) -> Write {
        *self.open.iter().find(|write| write.key == key).expect("a write that was sent")
    }

    pub(crate) fn is_open(&self, write: &Write) -> bool {
        self.open.iter().any(|open| open.overlaps(write))
    }

    pub(crate) fn open_count(&self) -> usize {
        self.open.len()
    }

    /// What a flush that is sent now will cover.
    pub(crate) fn flush_begins(&self) -> usize {
        self.answered.len()
    }

    /// A flush that covers the first `count` answers was answered with success.
    pub(crate) fn flush_ended(&mut self, count: usize) {
        for write in self.answered.drain(..count) {
            put(&mut self.flushed, &write);
        }
    }

    /// Holds what was found after an accident against what must be there; from now on, what was found is what must be.
    pub(crate) fn outlived(&mut self, found: Vec<u8>, kept: Kept) -> Result<Findings, String> {
        let mut sure = std::mem::take(&mut self.flushed);
        let mut doubtful = std::mem::take(&mut self.open);
        match kept {
            Kept::Acknowledged => self.answered.drain(..).for_each(|write| put(&mut sure, &write)),
            Kept::Flushed => doubtful.append(&mut self.answered),
        }
        if found.len() < sure.len() {
            return Err(format!("{} bytes of {} are there", found.len(), sure.len()));
        }
        let mut findings = Findings { sure: sure.len() as u64, doubtful_new: 0 };
        sure.resize(found.len(), 0);
        for (index, (is, was)) in found.iter().zip(&sure).enumerate().filter(|(_, (is, was))| is != was) {
            if !doubtful.iter().any(|write| write.at(index) == Some(*is)) {
                return Err(format!("byte {index} is {is}, must be {was}; doubtful are {doubtful:?}"));
            }
            findings.doubtful_new += 1;
        }
        self.flushed = found;
        Ok(findings)
    }
}

/// What a comparison came to, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Findings {
    /// Had to be there, and are.
    pub(crate) sure: u64,
    /// Need not have been there, and are.
    pub(crate) doubtful_new: u64,
}

fn put(bytes: &mut Vec<u8>, write: &Write) {
    let end = write.offset + write.len;
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[write.offset..end].copy_from_slice(write.bytes());
}

#[test]
fn what_is_lost_is_found() {
    let write = |key, offset| Write { key, offset, len: 1000 };
    let mut shadow = Shadow::default();
    shadow.sent(write(1, 0));
    shadow.answered(1);
    shadow.flush_ended(shadow.flush_begins());
    shadow.sent(write(2, 500));
    shadow.answered(2);
    shadow.sent(write(3, 1500));
    let found = shadow.flushed.clone();
    let copy = |shadow: &Shadow| Shadow {
        flushed: shadow.flushed.clone(),
        answered: shadow.answered.clone(),
        open: shadow.open.clone(),
    };
    assert!(copy(&shadow).outlived(found.clone(), Kept::Flushed).is_ok());
    assert!(copy(&shadow).outlived(found[..999].to_vec(), Kept::Flushed).is_err());
    assert!(copy(&shadow).outlived(found.clone(), Kept::Acknowledged).is_err());
    let mut all = found;
    put(&mut all, &write(2, 500));
    assert!(copy(&shadow).outlived(all.clone(), Kept::Acknowledged).is_ok());
    all[1200] ^= 1;
    assert!(copy(&shadow).outlived(all, Kept::Acknowledged).is_err());
}
