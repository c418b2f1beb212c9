//! Chunked bodies (RFC 9112 §7.1): where the data lies in what has arrived, cut wherever it was cut.
//!
//! Holds a few numbers and never a byte of the body. Chunk extensions and trailers are checked, then thrown
//! away.

use std::ops::Range;

use crate::error::{Code, Refusal};
use crate::limits::{CHUNK_LINE_BYTES_MAX, TRAILER_BYTES_MAX};
use crate::percent::hex_value;
use crate::request::is_token_byte;

/// What one call found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Bytes of the input that are done with; the rest belongs to the next call, or to the next request.
    pub consumed: usize,
    /// Where in the input the body's bytes lie; they end where `consumed` does, or are none.
    pub data: Range<usize>,
    /// The body is complete.
    pub done: bool,
}

/// Finds the data in a chunked body.
#[derive(Clone, Debug, Default)]
pub struct ChunkedDecoder {
    state: State,
    /// Bytes of the current chunk line, or of the trailer section.
    line_bytes: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before a chunk size's first digit.
    #[default]
    SizeStart,
    Size(u64),
    /// Blanks after the size, which only an extension may follow.
    SizeBlank(u64),
    Extension(u64),
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    /// At the beginning of a trailer line, which may be the empty one.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Done,
}

impl ChunkedDecoder {
    /// A decoder before the first chunk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at `input` up to the end of the first run of data in it. Takes at least one byte unless the
    /// input is empty or the body done.
    ///
    /// 400 for what RFC 9112 does not allow, 431 for a trailer section over its limit; the connection is of
    /// no use then.
    pub fn decode(&mut self, input: &[u8]) -> Result<Step, Refusal> {
        let mut at = 0;
        while at < input.len() && self.state != State::Done {
            if let State::Data(left) = self.state {
                let taken = left.min((input.len() - at) as u64);
                let end = at + taken as usize;
                self.state = if taken == left { State::DataCr } else { State::Data(left - taken) };
                return Ok(Step { consumed: end, data: at..end, done: false });
            }
            self.state = self.advance(input[at])?;
            at += 1;
        }
        Ok(Step { consumed: at, data: at..at, done: self.state == State::Done })
    }

    /// Whether the body is complete.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    fn advance(&mut self, byte: u8) -> Result<State, Refusal> {
        use State::*;
        self.line_bytes += 1;
        let next = match self.state {
            SizeStart => hex_value(byte).map(|digit| Size(digit.into())),
            Size(size) => size_byte(size, byte),
            SizeBlank(size) => match byte {
                b' ' | b'\t' => Some(SizeBlank(size)),
                b';' => Some(Extension(size)),
                _ => None,
            },
            Extension(size) => value_byte(byte, Extension(size), SizeLf(size)),
            SizeLf(0) => self.line_end(byte, TrailerStart),
            SizeLf(size) => self.line_end(byte, Data(size)),
            DataCr => (byte == b'\r').then_some(DataLf),
            DataLf => self.line_end(byte, SizeStart),
            TrailerStart if byte == b'\r' => Some(EndLf),
            TrailerStart => is_token_byte(byte).then_some(TrailerName),
            TrailerName if byte == b':' => Some(TrailerValue),
            TrailerName => is_token_byte(byte).then_some(TrailerName),
            TrailerValue => value_byte(byte, TrailerValue, TrailerLf),
            TrailerLf => (byte == b'\n').then_some(TrailerStart),
            EndLf => (byte == b'\n').then_some(Done),
            Data(_) | Done => None,
        };
        self.check_length(next)?;
        next.ok_or_else(|| Refusal::because(Code::BadRequest, "The chunked body is malformed."))
    }

    fn line_end(&mut self, byte: u8, next: State) -> Option<State> {
        self.line_bytes = 0;
        (byte == b'\n').then_some(next)
    }

    fn check_length(&self, next: Option<State>) -> Result<(), Refusal> {
        use State::*;
        match next {
            Some(Size(_) | SizeBlank(_) | Extension(_)) if self.line_bytes > CHUNK_LINE_BYTES_MAX => {
                Err(Refusal::because(Code::BadRequest, "A chunk's extensions are too long."))
            }
            Some(TrailerName | TrailerValue | TrailerLf) if self.line_bytes > TRAILER_BYTES_MAX => {
                Err(Refusal::because(Code::HeadTooLarge, "The trailer section is too long."))
            }
            _ => Ok(()),
        }
    }
}

/// A byte after the first digit of a chunk size.
fn size_byte(size: u64, byte: u8) -> Option<State> {
    match byte {
        b'\r' => Some(State::SizeLf(size)),
        b';' => Some(State::Extension(size)),
        b' ' | b'\t' => Some(State::SizeBlank(size)),
        _ => {
            let digit = hex_value(byte)?;
            size.checked_mul(16).map(|size| State::Size(size + u64::from(digit)))
        }
    }
}

/// A byte of a text that a CR ends: no other control character but a tab may be in it.
fn value_byte(byte: u8, same: State, after_cr: State) -> Option<State> {
    match byte {
        b'\r' => Some(after_cr),
        b'\t' | b' '..=b'~' | 0x80.. => Some(same),
        _ => None,
    }
}
