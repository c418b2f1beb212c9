//! Hashes of chunks, on all threads at once: as one JSON value in order, or as lines as they come. Neither what is under
//! way nor what waits to be sent grows with the number of chunks; the digests of a JSON value do, and are bounded.

use super::cutter::Cutter;
use super::parse::chunks_per_job;
use super::sources::Sources;
use crate::conn::http::outbound::Outbound;
use crate::job::{Algorithm, Ask, Chunk, Digest, DiskError, Lane};
use crate::limits::{HASH_DIGEST_BYTES_MAX, HASH_QUEUE_BYTES_MAX};
use crate::service::answer::{Answer, Content, Length};
use crate::service::{Cx, Step, refusals};
use crate::state::State;
use data_encoding::HEXLOWER;
use jstorrent_io_proto::error::{Code, Refusal};
use jstorrent_io_proto::response::JSON;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Digests that are written at a time.
const DIGESTS_PER_PIECE: usize = 512;

/// Chunks under way.
#[derive(Debug)]
pub(super) struct Chunks {
    algorithm: Algorithm,
    total: u64,
    chunk_bytes: u64,
    count: u64,
    cutter: Cutter,
    jobs: usize,
    finished: u64,
    output: Output,
    stop: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Output {
    /// Digests by their number, and the error of the first chunk that has one.
    Json { digests: Vec<u8>, failure: Option<(u64, DiskError)> },
    /// The JSON value is on its way: digests that have been written.
    Writing { digests: Vec<u8>, written: usize },
    /// Lines that have not been sent.
    Lines { begun: bool, lines: Vec<u8>, ended: bool },
}

impl Chunks {
    pub(super) fn new(
        algorithm: Algorithm,
        total: u64,
        chunk_bytes: u64,
        as_lines: bool,
    ) -> Result<Chunks, Refusal> {
        let count = total.div_ceil(chunk_bytes);
        let count_max = HASH_DIGEST_BYTES_MAX / algorithm.digest_len() as u64;
        if !as_lines && count > count_max {
            return Err(Refusal::because(
                Code::BadParameter,
                format!(
                    "These are {count} chunks. One JSON answer holds {count_max}: ask for application/x-ndjson."
                ),
            ));
        }
        let output = if as_lines {
            Output::Lines { begun: false, lines: Vec::new(), ended: false }
        } else {
            Output::Json { digests: Vec::new(), failure: None }
        };
        Ok(Chunks {
            algorithm,
            total,
            chunk_bytes,
            count,
            cutter: Cutter::new(total, chunk_bytes),
            jobs: 0,
            finished: 0,
            output,
            stop: Arc::default(),
        })
    }

    /// Memory that its digests take, in bytes.
    pub(super) fn digest_bytes(&self) -> u64 {
        match self.output {
            Output::Lines { .. } => 0,
            _ => self.count * self.algorithm.digest_len() as u64,
        }
    }

    /// Bytes that are still to be hashed.
    pub(super) fn left(&self) -> u64 {
        self.total - self.finished.saturating_mul(self.chunk_bytes).min(self.total)
    }

    /// Nobody waits for it any more.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn completed(&mut self, state: &mut State, results: Vec<(u64, Result<Digest, DiskError>)>) {
        self.jobs -= 1;
        for (index, result) in results {
            self.finished += 1;
            if result.is_ok() {
                let begin = index.saturating_mul(self.chunk_bytes);
                state.metrics.bytes_hashed += self.chunk_bytes.min(self.total - begin);
            }
            self.output.take(index, result);
        }
    }

    pub(super) fn advance(&mut self, cx: &mut Cx<'_>, sources: &Sources, out: &Outbound) -> Step {
        self.submit(cx, sources, out);
        let is_complete = self.finished == self.count;
        let room = out.queued_bytes() <= HASH_QUEUE_BYTES_MAX;
        match &mut self.output {
            Output::Json { failure: Some((_, error)), .. } => Step::Reply(refusals::disk(error).into()),
            Output::Json { digests, .. } if is_complete => {
                let digests = std::mem::take(digests);
                let answer = self.begin_json(digests.len());
                self.output = Output::Writing { digests, written: 0 };
                Step::Begin(answer)
            }
            Output::Json { .. } => Step::Wait,
            Output::Writing { digests, written } if room => {
                piece(self.algorithm, digests, written).map_or(Step::End, Step::More)
            }
            Output::Writing { .. } => Step::Wait,
            Output::Lines { begun, .. } if !*begun => {
                *begun = true;
                Step::Begin(lines_answer())
            }
            Output::Lines { lines, .. } if !lines.is_empty() => Step::More(std::mem::take(lines)),
            Output::Lines { ended: true, .. } => Step::End,
            Output::Lines { ended, .. } if is_complete => {
                *ended = true;
                Step::More(format!("{{\"done\":true,\"chunks\":{}}}\n", self.count).into_bytes())
            }
            Output::Lines { .. } => Step::Wait,
        }
    }

    /// Sends out as many jobs as may be under way.
    fn submit(&mut self, cx: &mut Cx<'_>, sources: &Sources, out: &Outbound) {
        let limits = &cx.state.limits;
        let per_job = chunks_per_job(limits, self.chunk_bytes, self.count);
        let jobs_max = limits.hash_jobs_max;
        if let Output::Json { digests, .. } = &mut self.output {
            digests.resize(self.count as usize * self.algorithm.digest_len(), 0);
        }
        while self.jobs < jobs_max && out.queued_bytes() <= HASH_QUEUE_BYTES_MAX && !self.output.has_failed()
        {
            let (mut chunks, mut uses) = (Vec::new(), None);
            while (chunks.len() as u64) < per_job
                && let Some((chunk, file)) = self.cutter.next(sources)
            {
                uses = uses.or(file);
                chunks.push(chunk);
            }
            if chunks.is_empty() {
                return;
            }
            let (algorithm, stop, lane) = (self.algorithm, self.stop.clone(), lane(&chunks));
            cx.state.submit(cx.me, lane, uses, Ask::HashChunks { algorithm, chunks, stop });
            self.jobs += 1;
        }
    }

    /// The head of the JSON value, with the part before the digests.
    fn begin_json(&self, digests_len: usize) -> Answer {
        let (algorithm, bytes, chunk_size) = (self.algorithm.name(), self.total, self.chunk_bytes);
        let start = format!(
            "{{\"algorithm\":\"{algorithm}\",\"bytes\":{bytes},\"chunkSize\":{chunk_size},\"hexes\":["
        );
        // Two quotes around each, a comma after all but the last, two brackets at the end.
        let quotes_and_commas = (self.count * 3).saturating_sub(1);
        let length = start.len() as u64 + digests_len as u64 * 2 + quotes_and_commas + 2;
        let content = Content::new(200, JSON, start.into_bytes());
        Answer::Content(Content { length: Length::Bytes(length), ..content })
    }
}

impl Output {
    fn has_failed(&self) -> bool {
        matches!(self, Output::Json { failure: Some(_), .. })
    }

    fn take(&mut self, index: u64, result: Result<Digest, DiskError>) {
        match (self, result) {
            (Output::Json { digests, .. }, Ok(digest)) => {
                let digest = digest.as_bytes();
                let at = index as usize * digest.len();
                if let Some(place) = digests.get_mut(at..at + digest.len()) {
                    place.copy_from_slice(digest);
                }
            }
            (Output::Json { failure, .. }, Err(error)) => {
                if failure.as_ref().is_none_or(|(first, _)| index < *first) {
                    *failure = Some((index, error));
                }
            }
            (Output::Lines { lines, .. }, result) => write_line(lines, index, result),
            (Output::Writing { .. }, _) => {}
        }
    }
}

fn write_line(lines: &mut Vec<u8>, index: u64, result: Result<Digest, DiskError>) {
    // Writing into memory does not fail.
    let _ = match result {
        Ok(digest) => {
            let hex = HEXLOWER.encode(digest.as_bytes());
            writeln!(lines, "{{\"chunk\":{index},\"hex\":\"{hex}\"}}")
        }
        Err(error) => {
            let code = refusals::disk(&error).code.as_str();
            writeln!(lines, "{{\"chunk\":{index},\"error\":\"{code}\"}}")
        }
    };
}

fn lines_answer() -> Answer {
    Answer::Content(Content {
        length: Length::Chunked,
        body: Vec::new(),
        ..Content::new(200, "application/x-ndjson", Vec::new())
    })
}

/// The next few digests as JSON strings, after the last of them the value's end; `None` after that.
fn piece(algorithm: Algorithm, digests: &[u8], written: &mut usize) -> Option<Vec<u8>> {
    let len = algorithm.digest_len();
    let count = digests.len() / len;
    if *written > count {
        return None;
    }
    let upto = count.min(*written + DIGESTS_PER_PIECE);
    let mut text = String::with_capacity((upto - *written) * (len * 2 + 3) + 2);
    for digest in digests[*written * len..upto * len].chunks_exact(len) {
        text.push('"');
        HEXLOWER.encode_append(digest, &mut text);
        text.push_str("\",");
    }
    *written = upto;
    if upto == count {
        text.pop();
        text.push_str("]}");
        *written = count + 1;
    }
    Some(text.into_bytes())
}

/// The lane of the one root that all parts are in, or the one for several.
fn lane(chunks: &[Chunk]) -> Lane {
    let mut roots =
        chunks.iter().flat_map(|chunk| chunk.parts.iter().flatten()).map(|part| part.file.root.number);
    match roots.next() {
        Some(first) if roots.all(|root| root == first) => Lane::DiskHash(first),
        _ => Lane::MixedHash,
    }
}
