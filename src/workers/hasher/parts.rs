//! A chunk's bytes: parts of files, one after another. All that is promised must be there.

use super::Source;
use crate::job::{DiskError, FileRange};
use std::vec::IntoIter;

/// What is left to read of a chunk.
pub(super) struct Parts {
    rest: IntoIter<FileRange>,
    current: Option<FileRange>,
}

impl Parts {
    pub(super) fn new(parts: Vec<FileRange>) -> Parts {
        Parts { rest: parts.into_iter(), current: None }
    }

    /// Fills `into` from the front with what comes next; fewer bytes, or none, only at the end of the chunk.
    ///
    /// # Errors
    /// [`DiskError::BeyondEnd`] where a file ends before its part does, however it came to that.
    pub(super) fn read(&mut self, source: &impl Source, into: &mut [u8]) -> Result<usize, DiskError> {
        let mut count = 0;
        while count < into.len() {
            let Some(part) = self.unread(source)? else { break };
            let room = into.len() - count;
            let wanted = usize::try_from(part.length).map_or(room, |left| left.min(room));
            let got = match source.read_at(&part.file, part.offset, &mut into[count..count + wanted])? {
                0 => return Err(DiskError::BeyondEnd { size: source.size(&part.file)? }),
                got => got,
            };
            part.offset += got as u64;
            part.length -= got as u64;
            count += got;
        }
        Ok(count)
    }

    /// The part that is being read, if anything is left. A file is asked for its size when its turn comes, because
    /// that tells whether it was deleted.
    fn unread(&mut self, source: &impl Source) -> Result<Option<&mut FileRange>, DiskError> {
        while self.current.as_ref().is_none_or(|part| part.length == 0) {
            let Some(next) = self.rest.next() else { return Ok(None) };
            source.size(&next.file)?;
            self.current = Some(next);
        }
        Ok(self.current.as_mut())
    }
}
