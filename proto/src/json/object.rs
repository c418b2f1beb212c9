//! A flat JSON object whose known members were found. Owns finding them and reading one as a number, a text or bytes;
//! unknown members are scanned and left alone.

use std::borrow::Cow;
use std::ops::Range;

use super::in_place::unescape_in_place;
use super::scan::{NotJson, Scanner};
use crate::codec::Fault;
use crate::field::Field;
use crate::limits::JSON_TEXT_BYTES_MAX;

/// A longer name, escapes included, is no field's: the longest has 13 characters, and an escape six bytes.
const NAME_BYTES_MAX: usize = 13 * 6;

/// Where the known members of an object lie in its text, without the text.
#[derive(Debug, Clone)]
pub(crate) struct Members {
    /// By field; a value is never at 0, so that an empty range there is "absent".
    ranges: [(u32, u32); Field::ALL.len()],
    /// One that is there twice. It is told apart from what is no JSON: the request's number can be read.
    repeated: Option<Field>,
}

impl Members {
    pub(crate) const NONE: Self = Self { ranges: [(0, 0); Field::ALL.len()], repeated: None };

    /// Scans a whole text, which must be one object.
    pub(crate) fn find(text: &[u8]) -> Result<Self, Fault> {
        if u32::try_from(text.len()).is_err() || std::str::from_utf8(text).is_err() {
            return Err(Fault::from("the JSON must be UTF-8"));
        }
        let mut members = Self::NONE;
        let mut scanner = Scanner::new(text);
        if !scanner.eat(b'{') {
            return Err(Fault::from("the JSON must be an object"));
        }
        let mut more = !scanner.eat(b'}');
        while more {
            members.add(text, &mut scanner)?;
            more = scanner.eat(b',');
            if !more && !scanner.eat(b'}') {
                return Err(NotJson.into());
            }
        }
        scanner.expect_end()?;
        Ok(members)
    }

    fn add(&mut self, text: &[u8], scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        let name = &text[scanner.string()?];
        if !scanner.eat(b':') {
            return Err(NotJson.into());
        }
        let value = scanner.value()?;
        let Some(field) = field_named(name) else { return Ok(()) };
        let range = &mut self.ranges[field as usize];
        if *range == (0, 0) {
            // The text's length fits, so each place in it does.
            *range = (value.start as u32, value.end as u32);
        } else {
            self.repeated.get_or_insert(field);
        }
        Ok(())
    }

    /// Whether a member is there more than once.
    pub(crate) fn repeats(&self, field: Field) -> bool {
        self.repeated == Some(field)
    }

    /// Whether each member is there once at most.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        self.repeated.map_or(Ok(()), |field| Err(Fault::field(field, "must not be there twice")))
    }

    /// The range of a member's value; one that is `null` counts as absent.
    pub(crate) fn range(&self, field: Field, text: &[u8]) -> Option<Range<usize>> {
        let (start, end) = self.ranges[field as usize];
        let range = start as usize..end as usize;
        (!range.is_empty() && text.get(range.clone()) != Some(b"null")).then_some(range)
    }
}

/// An object and its text.
#[derive(Debug, Clone)]
pub(crate) struct JsonObject<'a> {
    text: &'a [u8],
    members: Members,
    /// What stood as base64 in `data`, decoded.
    data: Option<&'a [u8]>,
}

impl<'a> JsonObject<'a> {
    /// An object with no member.
    pub(crate) const EMPTY: Self = Self { text: &[], members: Members::NONE, data: None };

    pub(crate) const fn new(text: &'a [u8], members: Members, data: Option<&'a [u8]>) -> Self {
        Self { text, members, data }
    }

    /// Reads a payload that is JSON inside a binary message.
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, Fault> {
        let members = Members::find(text)?;
        members.check()?;
        Ok(Self { text, members, data: None })
    }

    pub(crate) const fn decoded_data(&self) -> Option<&'a [u8]> {
        self.data
    }

    pub(crate) fn has(&self, field: Field) -> bool {
        self.members.range(field, self.text).is_some()
    }

    /// A member's value as it stands.
    pub(crate) fn raw(&self, field: Field) -> Result<&'a str, Fault> {
        self.optional_raw(field).ok_or_else(|| Fault::field(field, "is missing"))
    }

    pub(crate) fn optional_raw(&self, field: Field) -> Option<&'a str> {
        let range = self.members.range(field, self.text)?;
        // find() saw to it that the text is UTF-8; data is decoded where it lay, and read through decoded_data().
        std::str::from_utf8(&self.text[range]).ok()
    }

    /// What `read` makes of the member, if it is there.
    pub(crate) fn optional<T>(
        &self,
        field: Field,
        read: impl FnOnce(&Self, Field) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        self.has(field).then(|| read(self, field)).transpose()
    }

    /// A whole number from 0 to `max`.
    pub(crate) fn number(&self, field: Field, max: u64) -> Result<u64, Fault> {
        let value = self.raw(field)?.parse::<u64>().ok().filter(|value| *value <= max);
        value.ok_or_else(|| Fault::field(field, format_args!("must be a whole number from 0 to {max}")))
    }

    pub(crate) fn boolean(&self, field: Field) -> Result<bool, Fault> {
        match self.raw(field)? {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Fault::field(field, "must be true or false")),
        }
    }

    pub(crate) fn text(&self, field: Field) -> Result<Cow<'a, str>, Fault> {
        let raw = self.raw(field)?.as_bytes();
        match raw {
            [b'"', inner @ .., b'"'] if inner.len() > JSON_TEXT_BYTES_MAX => {
                Err(Fault::field(field, format_args!("must not be over {JSON_TEXT_BYTES_MAX} bytes")))
            }
            [b'"', inner @ .., b'"'] => string(inner)
                .ok_or_else(|| Fault::field(field, "must be whole characters, no half surrogate pair")),
            _ => Err(Fault::field(field, "must be a string")),
        }
    }
}

/// The field of that name, which may be written with escapes.
fn field_named(name: &[u8]) -> Option<Field> {
    if name.len() > NAME_BYTES_MAX { None } else { Field::from_name(&string(name)?) }
}

/// The text of a JSON string's inside; `None` where it holds half a surrogate pair.
pub(crate) fn string(inner: &[u8]) -> Option<Cow<'_, str>> {
    if !inner.contains(&b'\\') {
        return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
    }
    let mut owned = inner.to_vec();
    let len = unescape_in_place(&mut owned)?;
    owned.truncate(len);
    String::from_utf8(owned).ok().map(Cow::Owned)
}
