//! The files of a request, opened once each, and the ranges of them that make up its bytes.

use crate::ids::{FileId, JobId, RootNumber};
use crate::job::{Ask, DiskError, Done, FileHandle, FileRange, Lane, Root};
use crate::service::files::FILE_BYTES_MAX;
use crate::service::lease::Lease;
use crate::service::{Cx, refusals, salvage};
use crate::state::State;
use jstorrent_io_proto::error::{Code, Refusal};
use jstorrent_io_proto::path::RelPath;
use std::collections::HashMap;
use std::sync::Arc;

/// Stands for a length that is not given: to the end of the file.
const TO_THE_END: u64 = u64::MAX;

/// What a file is known by, so that it is opened once.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Key {
    Open(FileId),
    Named(RootNumber, RelPath),
}

#[derive(Debug)]
enum Source {
    /// Still to be opened.
    Named(Arc<Root>, RelPath),
    Open {
        lease: Lease,
        size: Size,
    },
    Failed(DiskError),
}

/// What is known of an open file's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    /// Nothing: the jobs will find out whether it suffices.
    Unneeded,
    Wanted,
    Known(u64),
}

/// A part of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    source: u32,
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// Files and ranges.
#[derive(Debug, Default)]
pub(super) struct Sources {
    known: HashMap<Key, u32>,
    sources: Vec<Source>,
    ranges: Vec<Range>,
    /// Sources that need work before the first byte is hashed, last first.
    to_open: Vec<u32>,
    jobs: HashMap<JobId, u32>,
    is_ordered: bool,
}

impl Sources {
    /// A range of an open file.
    pub(super) fn add_open(
        &mut self,
        state: &mut State,
        id: FileId,
        handle: Arc<FileHandle>,
        offset: u64,
        length: Option<u64>,
    ) -> Result<(), Refusal> {
        let next = self.sources.len() as u32;
        let source = *self.known.entry(Key::Open(id)).or_insert(next);
        if source == next {
            self.sources.push(Source::Open { lease: Lease::of(state, id, handle), size: Size::Unneeded });
        }
        // A range without bytes has no job that would find it beyond the end.
        if let (None | Some(0), Some(Source::Open { size, .. })) =
            (length, self.sources.get_mut(source as usize))
            && *size == Size::Unneeded
        {
            *size = Size::Wanted;
            self.to_open.push(source);
        }
        self.add(source, offset, length)
    }

    /// A range of a file that is to be opened for this request.
    pub(super) fn add_named(
        &mut self,
        root: Arc<Root>,
        path: RelPath,
        offset: u64,
        length: Option<u64>,
    ) -> Result<(), Refusal> {
        let next = self.sources.len() as u32;
        let source = *self.known.entry(Key::Named(root.number, path.clone())).or_insert(next);
        if source == next {
            self.sources.push(Source::Named(root, path));
            self.to_open.push(source);
        }
        self.add(source, offset, length)
    }

    fn add(&mut self, source: u32, offset: u64, length: Option<u64>) -> Result<(), Refusal> {
        let beyond_all = match length {
            None => offset > FILE_BYTES_MAX,
            Some(length) => offset.checked_add(length).is_none_or(|end| end > FILE_BYTES_MAX),
        };
        if beyond_all {
            return Err(Code::OffsetBeyondEnd.into());
        }
        self.ranges.push(Range { source, offset, length: length.unwrap_or(TO_THE_END) });
        Ok(())
    }

    /// Opens and sizes what needs it, a few files at a time. Returns whether all of it is done.
    pub(super) fn open(&mut self, cx: &mut Cx<'_>) -> bool {
        if !std::mem::replace(&mut self.is_ordered, true) {
            self.to_open.reverse();
            self.known = HashMap::new();
        }
        while self.jobs.len() < cx.state.limits.hash_jobs_max {
            let Some(number) = self.to_open.pop() else { break };
            let Some(source) = self.sources.get(number as usize) else { continue };
            let job = match source {
                Source::Named(root, path) => {
                    let (root, path, lane) = (root.clone(), path.clone(), Lane::Disk(root.number));
                    let ask = Ask::Open { root, path, write: false, create: false, size: None };
                    cx.state.submit(cx.me, lane, None, ask)
                }
                Source::Open { lease, .. } => {
                    let lane = Lane::Disk(lease.handle().root.number);
                    cx.state.submit(cx.me, lane, Some(lease.id()), Ask::Inspect(lease.handle().clone()))
                }
                Source::Failed(_) => continue,
            };
            self.jobs.insert(job, number);
        }
        self.jobs.is_empty()
    }

    /// A file has been opened or sized, or could not be.
    pub(super) fn completed(&mut self, state: &mut State, job: JobId, done: Done) {
        let number = self.jobs.remove(&job);
        let Some(source) = number.and_then(|number| self.sources.get_mut(number as usize)) else {
            return salvage::salvage(state, done);
        };
        match (source, done) {
            (source, Done::Open(Ok(opened))) => {
                let size = Size::Known(opened.size);
                *source = Source::Open { lease: Lease::transient(state, opened), size };
            }
            (source, Done::Open(Err(error))) => *source = Source::Failed(error),
            (Source::Open { size, .. }, Done::Inspect(Ok(stat))) => *size = Size::Known(stat.size),
            (source, Done::Inspect(Err(error))) => {
                if let Source::Open { lease, .. } = std::mem::replace(source, Source::Failed(error)) {
                    lease.end(state);
                }
            }
            (_, other) => salvage::salvage(state, other),
        }
    }

    /// Gives each range its length; returns the sum. Refuses where a length can't be known, or the sum can't be.
    pub(super) fn measure(&mut self) -> Result<u64, Refusal> {
        let mut total: u64 = 0;
        for range in &mut self.ranges {
            let size = match self.sources.get(range.source as usize) {
                Some(Source::Open { size: Size::Known(size), .. }) => Some(*size),
                Some(Source::Failed(error)) if range.length == TO_THE_END => {
                    return Err(refusals::disk(error));
                }
                _ => None,
            };
            match size {
                Some(size) if range.offset > size && range.length == TO_THE_END => {
                    return Err(refusals::beyond_end(size));
                }
                Some(size) if range.length == TO_THE_END => range.length = size - range.offset,
                _ => {}
            }
            total = total.checked_add(range.length).ok_or_else(|| {
                Refusal::because(Code::BadParameter, "The ranges have more than 2^64 bytes together.")
            })?;
        }
        Ok(total)
    }

    /// Refuses where a file could not be opened, or is known to be too short.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        for range in &self.ranges {
            match self.sources.get(range.source as usize) {
                Some(Source::Failed(error)) => return Err(refusals::disk(error)),
                Some(Source::Open { size: Size::Known(size), .. }) if range.offset + range.length > *size => {
                    return Err(refusals::beyond_end(*size));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A range by its number.
    pub(super) fn range(&self, number: usize) -> Option<Range> {
        self.ranges.get(number).copied()
    }

    /// `length` bytes of a range from `skip` on, as jobs know them, and the number that the file is in use by.
    pub(super) fn part(
        &self,
        range: Range,
        skip: u64,
        length: u64,
    ) -> Result<(FileRange, FileId), DiskError> {
        match self.sources.get(range.source as usize) {
            Some(Source::Open { lease, .. }) => {
                let part = FileRange { file: lease.handle().clone(), offset: range.offset + skip, length };
                Ok((part, lease.id()))
            }
            Some(Source::Failed(error)) => Err(error.clone()),
            Some(Source::Named(..)) | None => Err(DiskError::NotFound),
        }
    }

    /// Gives every file back.
    pub(super) fn release(&mut self, state: &mut State) {
        for source in std::mem::take(&mut self.sources) {
            if let Source::Open { lease, .. } = source {
                lease.end(state);
            }
        }
    }
}
