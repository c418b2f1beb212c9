//! Byte ranges (RFC 9110 §14): what a `Range` field asks of a representation, and multipart/byteranges.
//!
//! Says which bytes are meant; whether they are there yet, or may be sent (`If-Range`), is decided elsewhere.

use std::cmp::Ordering;

use crate::limits::RANGES_MAX;
use crate::request::Head;
use crate::response::push_content_range;

/// Bytes `first` to `last`, both included, of a representation; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// Offset of the first byte.
    pub first: u64,
    /// Offset of the last byte, at least `first`.
    pub last: u64,
}

impl ByteRange {
    /// How many bytes it has.
    #[allow(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub fn len(&self) -> u64 {
        self.last - self.first + 1
    }

    fn overlaps(&self, other: &ByteRange) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// What a `Range` field comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeOutcome {
    /// Answer 200 with all: there is no range, or one that is to be ignored.
    Whole,
    /// Answer 206 with these, at least one; they don't overlap and are in the order in which they were asked
    /// for.
    Ranges(Vec<ByteRange>),
    /// Answer 416.
    Unsatisfiable,
}

/// Reads the `Range` of a head for a representation of `size` bytes. Lines that don't make one field are
/// ignored.
pub fn parse_head(head: &Head<'_>, size: u64) -> RangeOutcome {
    parse(head.list("range").as_deref(), size)
}

/// Reads a `Range` field for a representation of `size` bytes.
///
/// Ignored, as RFC 9110 §14.2 has it: other units, what is malformed, lists of more than [`RANGES_MAX`].
/// Ranges that
/// overlap are joined (RFC 9110 §15.3.7.2), so that no list makes an answer longer than the whole.
pub fn parse(field: Option<&str>, size: u64) -> RangeOutcome {
    let Some(set) = field.and_then(byte_set) else { return RangeOutcome::Whole };
    let mut ranges = Vec::new();
    let (mut specs, mut unanswerable) = (0, false);
    for member in
        set.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty())
    {
        specs += 1;
        match Spec::parse(member) {
            Some(spec) if specs <= RANGES_MAX => match spec.resolve(size) {
                Resolved::Range(range) => join(&mut ranges, range),
                Resolved::Nothing => {}
                Resolved::Empty => unanswerable = true,
            },
            _ => return RangeOutcome::Whole,
        }
    }
    match (specs, ranges.is_empty()) {
        (0, _) => RangeOutcome::Whole,
        // A suffix of nothing is all of nothing, which no 206 can express.
        (_, true) if unanswerable => RangeOutcome::Whole,
        (_, true) => RangeOutcome::Unsatisfiable,
        (_, false) => RangeOutcome::Ranges(ranges),
    }
}

/// What follows `bytes=`; unit names are case-insensitive (RFC 9110 §14.1).
fn byte_set(field: &str) -> Option<&str> {
    let (unit, set) = field.split_once('=')?;
    unit.eq_ignore_ascii_case("bytes").then_some(set)
}

/// A range as it is written, numbers of any length included.
enum Spec<'a> {
    FromTo(Number<'a>, Option<Number<'a>>),
    Suffix(Number<'a>),
}

/// What a range comes to for one size.
enum Resolved {
    Range(ByteRange),
    /// It lies beyond the end, or is a suffix of no bytes.
    Nothing,
    /// It asks for the end of nothing.
    Empty,
}

impl<'a> Spec<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        if first.is_empty() {
            return Some(Spec::Suffix(Number::parse(last)?));
        }
        let first = Number::parse(first)?;
        let last = if last.is_empty() { None } else { Some(Number::parse(last)?) };
        match &last {
            Some(last) if *last < first => None,
            _ => Some(Spec::FromTo(first, last)),
        }
    }

    fn resolve(&self, size: u64) -> Resolved {
        match self {
            Spec::Suffix(length) if length.value() == 0 => Resolved::Nothing,
            Spec::Suffix(_) if size == 0 => Resolved::Empty,
            Spec::Suffix(length) => {
                Resolved::Range(ByteRange { first: size.saturating_sub(length.value()), last: size - 1 })
            }
            Spec::FromTo(first, _) if first.value() >= size => Resolved::Nothing,
            Spec::FromTo(first, last) => {
                let last = last.as_ref().map_or(u64::MAX, Number::value).min(size - 1);
                Resolved::Range(ByteRange { first: first.value(), last })
            }
        }
    }
}

/// A decimal number of any length, as its digits without leading zeros.
#[derive(PartialEq, Eq)]
struct Number<'a>(&'a str);

impl<'a> Number<'a> {
    fn parse(digits: &'a str) -> Option<Self> {
        let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        valid.then(|| Number(digits.trim_start_matches('0')))
    }

    /// Its value, or the largest that there is.
    fn value(&self) -> u64 {
        if self.0.is_empty() { 0 } else { self.0.parse().unwrap_or(u64::MAX) }
    }
}

impl PartialOrd for Number<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(other.0)))
    }
}

/// Adds a range; where it overlaps others, all become one in the place of the first of them.
fn join(ranges: &mut Vec<ByteRange>, mut range: ByteRange) {
    let mut place = ranges.len();
    while let Some(at) = ranges.iter().position(|other| other.overlaps(&range)) {
        let other = ranges.remove(at);
        range = ByteRange { first: range.first.min(other.first), last: range.last.max(other.last) };
        place = place.min(at);
    }
    ranges.insert(place.min(ranges.len()), range);
}

/// A multipart/byteranges body (RFC 9110 §14.6): the bytes between the data, and how long it all is.
#[derive(Clone, Debug)]
pub struct Multipart<'a> {
    /// What separates the parts: up to 70 letters and digits that the data is not known to hold.
    pub boundary: &'a str,
    /// The type of each part.
    pub content_type: &'a str,
    /// The size of the whole representation.
    pub size: u64,
}

impl Multipart<'_> {
    /// The `Content-Type` of the answer.
    pub fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// Appends what stands before the data of one part.
    pub fn write_part_head(&self, range: ByteRange, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\r\n--");
        out.extend_from_slice(self.boundary.as_bytes());
        out.extend_from_slice(b"\r\nContent-Type: ");
        out.extend_from_slice(self.content_type.as_bytes());
        out.extend_from_slice(b"\r\nContent-Range: ");
        push_content_range(Some((range.first, range.last)), self.size, out);
        out.extend_from_slice(b"\r\n\r\n");
    }

    /// Appends what stands after the last part.
    pub fn write_end(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\r\n--");
        out.extend_from_slice(self.boundary.as_bytes());
        out.extend_from_slice(b"--\r\n");
    }

    /// The length of the whole body with these parts.
    pub fn content_length(&self, ranges: &[ByteRange]) -> u64 {
        let mut scratch = Vec::new();
        self.write_end(&mut scratch);
        let mut total = scratch.len() as u64;
        for &range in ranges {
            scratch.clear();
            self.write_part_head(range, &mut scratch);
            total = total.saturating_add(scratch.len() as u64).saturating_add(range.len());
        }
        total
    }
}
