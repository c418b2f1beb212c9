//! From a request for a stream, and the file's size, to the answer's head and the parts of the file that follow it
//! (RFC 9110 §13, §14): 200, 206 with one range or several, 304, 412, 416. Knows nothing of what is available.

use crate::conn::http::outbound::{Segment, Span};
use crate::ids::FileId;
use crate::job::{DiskError, FileHandle};
use crate::service::answer::{Answer, Content, Length};
use crate::service::refusals;
use crate::state::State;
use crate::state::files::OpenFile;
use data_encoding::HEXLOWER;
use jstorrent_io_proto::error::{Code, Refusal};
use jstorrent_io_proto::precondition::{self, Validators, Verdict};
use jstorrent_io_proto::range::{self, ByteRange, Multipart, RangeOutcome};
use jstorrent_io_proto::request::{Head, Method};
use jstorrent_io_proto::{disposition, http_date, mime};
use std::sync::Arc;

/// What is kept of a request until the file's size is known.
#[derive(Debug)]
pub(super) struct Plan {
    is_head: bool,
    verdict: Verdict,
    /// The `Range` field, where it counts.
    range: Option<Box<str>>,
    etag: String,
    last_modified_s: i64,
    is_deferred: bool,
    content_type: &'static str,
}

/// An answer, and whether something is still to be watched over.
pub(super) enum Made {
    /// All of it.
    Whole(Answer),
    /// Bytes of the file follow the head.
    Begun(Answer),
}

impl Plan {
    /// Judges the request's conditions by the validators of the file's opening. `called` is what the target calls the
    /// file.
    pub(super) fn new(head: &Head<'_>, called: &str, file: &OpenFile) -> Plan {
        let etag = format!("\"{:016x}\"", file.tag);
        let last_modified_s = i64::try_from(file.mtime_ms / 1000).unwrap_or(i64::MAX);
        let verdict = precondition::evaluate(head, &Validators { etag: &etag, last_modified_s });
        let is_head = head.method == Method::Head;
        // RFC 9110 §14.2: ranges are defined for GET alone.
        let counts = verdict == Verdict::Proceed { range_counts: true } && !is_head;
        let range = counts.then(|| head.list("range")).flatten().map(|field| Box::from(&*field));
        let content_type = content_type(&file.handle, called);
        let is_deferred = file.deferred.is_some();
        Plan { is_head, verdict, range, etag, last_modified_s, is_deferred, content_type }
    }

    /// Whether the file's bytes are there only when the client says so.
    pub(super) fn is_deferred(&self) -> bool {
        self.is_deferred
    }

    /// The answer for a file of that size.
    pub(super) fn answer(
        &self,
        state: &mut State,
        file: FileId,
        handle: &Arc<FileHandle>,
        size: &Result<u64, DiskError>,
    ) -> Made {
        let size = match (size, self.verdict) {
            (Err(error), _) => return Made::Whole(refusals::disk(error).into()),
            (Ok(_), Verdict::Failed) => return Made::Whole(Refusal::from(Code::PreconditionFailed).into()),
            (Ok(_), Verdict::NotModified) => return Made::Whole(Answer::Content(self.not_modified())),
            (Ok(size), Verdict::Proceed { .. }) => *size,
        };
        let mut parts = Parts { state, file, handle, deferred: self.is_deferred };
        let content = match range::parse(self.range.as_deref(), size) {
            RangeOutcome::Unsatisfiable => {
                let refusal = Refusal::from(Code::RangeNotSatisfiable).with_size(size);
                return Made::Whole(refusal.into());
            }
            RangeOutcome::Whole => self.whole(&mut parts, size),
            RangeOutcome::Ranges(ranges) => match ranges.as_slice() {
                [single] => self.single(&mut parts, *single, size),
                several => self.several(&mut parts, several, size),
            },
        };
        let answer = Answer::Content(content);
        if self.is_head || size == 0 { Made::Whole(answer) } else { Made::Begun(answer) }
    }

    fn not_modified(&self) -> Content {
        let mut content = Content::new(304, "", Vec::new());
        content.content_type = None;
        content.length = Length::NoBody;
        content.body = Vec::new();
        content.fields = self.validator_fields();
        content
    }

    fn whole(&self, parts: &mut Parts<'_>, size: u64) -> Content {
        let mut content = self.content(parts.handle, 200, size);
        if let Some(last) = size.checked_sub(1) {
            content.body.push(parts.span(ByteRange { first: 0, last }));
        }
        content
    }

    fn single(&self, parts: &mut Parts<'_>, range: ByteRange, size: u64) -> Content {
        let mut content = self.content(parts.handle, 206, range.len());
        content.fields.push(("Content-Range", format!("bytes {}-{}/{size}", range.first, range.last)));
        content.body.push(parts.span(range));
        content
    }

    fn several(&self, parts: &mut Parts<'_>, ranges: &[ByteRange], size: u64) -> Content {
        let boundary = HEXLOWER.encode(&parts.state.random.bytes::<16>());
        let multipart = Multipart { boundary: &boundary, content_type: self.content_type, size };
        let mut content = self.content(parts.handle, 206, multipart.content_length(ranges));
        content.content_type = Some(multipart.content_type().into());
        for &range in ranges {
            let mut head = Vec::new();
            multipart.write_part_head(range, &mut head);
            content.body.push(Segment::Bytes(head));
            content.body.push(parts.span(range));
        }
        let mut end = Vec::new();
        multipart.write_end(&mut end);
        content.body.push(Segment::Bytes(end));
        content
    }

    /// A head with everything that does not depend on the range, and no body as yet.
    fn content(&self, handle: &FileHandle, status: u16, length: u64) -> Content {
        let mut content = Content::new(status, self.content_type, Vec::new());
        content.length = Length::Bytes(length);
        content.body = Vec::new();
        content.fields = self.validator_fields();
        let name = handle.path.file_name().unwrap_or_default();
        content.fields.push(("Content-Disposition", disposition::inline(name)));
        content
    }

    fn validator_fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("Accept-Ranges", "bytes".to_owned()),
            ("ETag", self.etag.clone()),
            ("Last-Modified", http_date::format(self.last_modified_s)),
        ]
    }
}

/// By the file's own name, or, where that tells nothing, by what the target calls it.
fn content_type(handle: &FileHandle, called: &str) -> &'static str {
    match mime::from_name(handle.path.file_name().unwrap_or_default()) {
        mime::OCTET_STREAM => mime::from_name(called),
        known => known,
    }
}

/// What parts of the file are made of.
struct Parts<'a> {
    state: &'a mut State,
    file: FileId,
    handle: &'a Arc<FileHandle>,
    deferred: bool,
}

impl Parts<'_> {
    /// A part of the file; of a deferred one nothing is open before its availability was looked up.
    fn span(&mut self, range: ByteRange) -> Segment {
        let (offset, end) = (range.first, range.last + 1);
        let mut span = Span::new(self.state, self.handle.clone(), Some(self.file), offset, end);
        if self.deferred {
            span.open_until = offset;
        }
        Segment::File(span)
    }
}
