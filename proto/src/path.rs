//! A path that cannot climb: what a client may call a file below a root (PROTOCOL §4, §7).
//!
//! Judges the text alone. Links are another matter, and the disk's.

use std::fmt;

use data_encoding::BASE64_NOPAD;

use crate::error::{Code, Refusal};
use crate::limits::{PATH_BYTES_MAX, PATH_PART_BYTES_MAX};
use crate::percent::{Plus, decode};

/// Whose file names are meant. Windows gives some names a meaning of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRules {
    /// Every name without a separator or NUL.
    Unix,
    /// None of the reserved device names, no `:`, no trailing dot or space, none of the characters that Win32
    /// forbids.
    Windows,
}

impl NameRules {
    /// Those of the platform that this was built for.
    pub const NATIVE: Self = if cfg!(windows) { NameRules::Windows } else { NameRules::Unix };
}

/// A relative path of named parts: no `..`, `.`, empty part, NUL, drive or separator is in it. Empty for the
/// root itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelPath {
    /// The parts, with `/` between them.
    joined: String,
}

impl RelPath {
    /// Reads what a client sent, for this platform. `allow_empty`: the root itself may be meant. 400
    /// `path_invalid` otherwise.
    pub fn parse(text: &str, allow_empty: bool) -> Result<Self, Refusal> {
        Self::parse_for(text, allow_empty, NameRules::NATIVE)
    }

    /// As [`RelPath::parse`], for a platform of choice.
    pub fn parse_for(text: &str, allow_empty: bool, rules: NameRules) -> Result<Self, Refusal> {
        if text.len() > PATH_BYTES_MAX {
            return Err(invalid("The path has more than 4096 bytes."));
        }
        if text.contains('\0') {
            return Err(invalid("The path holds a NUL."));
        }
        if text.starts_with(r"\\") {
            return Err(invalid("The path begins with two backslashes, as a network path does."));
        }
        let mut joined = String::with_capacity(text.len());
        for part in text.split(['/', '\\']).filter(|part| !matches!(*part, "" | ".")) {
            check_part(part, joined.is_empty(), rules)?;
            if !joined.is_empty() {
                joined.push('/');
            }
            joined.push_str(part);
        }
        if joined.is_empty() && !allow_empty {
            return Err(invalid("The path is empty."));
        }
        Ok(RelPath { joined })
    }

    /// Reads a percent-encoded path of a target (`/hash/sha1/PATH`); an escaped separator separates.
    pub fn parse_encoded(raw: &str, allow_empty: bool) -> Result<Self, Refusal> {
        let text =
            decode(raw, Plus::Literal).ok_or_else(|| invalid("The path is not percent-encoded UTF-8."))?;
        Self::parse(&text, allow_empty)
    }

    /// Reads `X-Path-Base64`, as [`decode_base64_text`] decodes it.
    pub fn parse_base64(value: &[u8], allow_empty: bool) -> Result<Self, Refusal> {
        let text = decode_base64_text(value).ok_or_else(|| invalid("X-Path-Base64 is not base64."))?;
        Self::parse(&text, allow_empty)
    }

    /// Its parts, from the root down.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.joined.split('/').filter(|part| !part.is_empty())
    }

    /// Its first part, and the rest; `None` where it has fewer than two.
    pub fn split_first(&self) -> Option<(Self, Self)> {
        let (first, rest) = self.joined.split_once('/')?;
        Some((RelPath { joined: first.to_owned() }, RelPath { joined: rest.to_owned() }))
    }

    /// Its parts with `/` between them.
    pub fn as_str(&self) -> &str {
        &self.joined
    }

    /// Whether it is the root itself.
    pub fn is_root(&self) -> bool {
        self.joined.is_empty()
    }

    /// Its last part; `None` for the root itself.
    pub fn file_name(&self) -> Option<&str> {
        self.parts().next_back()
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.joined)
    }
}

fn invalid(detail: &'static str) -> Refusal {
    Refusal::because(Code::PathInvalid, detail)
}

fn check_part(part: &str, is_first: bool, rules: NameRules) -> Result<(), Refusal> {
    if part == ".." {
        return Err(invalid("The path has a '..' part."));
    }
    if part.len() > PATH_PART_BYTES_MAX {
        return Err(invalid("A part of the path has more than 255 bytes."));
    }
    if is_first && matches!(part.as_bytes(), [b'a'..=b'z' | b'A'..=b'Z', b':', ..]) {
        return Err(invalid("The path begins with a drive."));
    }
    if rules == NameRules::Windows && !is_windows_name(part) {
        return Err(invalid("A part of the path is no file name on Windows."));
    }
    Ok(())
}

fn is_windows_name(part: &str) -> bool {
    let forbidden = |byte: u8| byte < b' ' || br#":*?"<>|"#.contains(&byte);
    !part.bytes().any(forbidden) && !part.ends_with(['.', ' ']) && !is_reserved(part)
}

/// Device names, which Win32 sees whatever extension follows them.
fn is_reserved(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or_default().trim_end_matches(' ');
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].iter().any(|name| stem.eq_ignore_ascii_case(name)) {
        return true;
    }
    let is_port = |prefix: &str| stem.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let has_number =
        || matches!(&stem[3..], "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³");
    (is_port("COM") || is_port("LPT")) && has_number()
}

/// Base64 (standard alphabet, padded or not) of UTF-8, or of Latin-1 where it is not valid UTF-8, as `btoa`
/// makes it.
pub fn decode_base64_text(value: &[u8]) -> Option<String> {
    let digits = value.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last + 1);
    if value.len() - digits > 2 {
        return None;
    }
    let bytes = BASE64_NOPAD.decode(&value[..digits]).ok()?;
    Some(
        String::from_utf8(bytes)
            .unwrap_or_else(|error| error.as_bytes().iter().map(|&byte| char::from(byte)).collect()),
    )
}
