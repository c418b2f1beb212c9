//! The query of a target, read strictly and without copying what needs no decoding.
//!
//! Knows no endpoint: a parameter that nobody asks for is ignored, whatever it holds.

use std::borrow::Cow;

use crate::error::{Code, Refusal};
use crate::framing::decimal;
use crate::percent::{Plus, decode};

/// A raw query, looked into on demand.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    /// Wraps what follows the `?` of a target, if anything does.
    pub fn new(raw: Option<&'a str>) -> Self {
        Query(raw.unwrap_or_default())
    }

    /// The decoded value of `name`; 400 `bad_parameter` where it stands there twice or its escapes are
    /// malformed.
    pub fn get(&self, name: &str) -> Result<Option<Cow<'a, str>>, Refusal> {
        let mut found = None;
        for pair in self.0.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if decode(key, Plus::Space).as_deref() != Some(name) {
                continue;
            }
            if found.is_some() {
                return Err(bad(name, "stands there more than once"));
            }
            found =
                Some(decode(value, Plus::Space).ok_or_else(|| bad(name, "is not percent-encoded UTF-8"))?);
        }
        Ok(found)
    }

    /// As [`Query::get`]; 400 where it is not there.
    pub fn required(&self, name: &str) -> Result<Cow<'a, str>, Refusal> {
        self.get(name)?.ok_or_else(|| bad(name, "is missing"))
    }

    /// A decimal number that fits 64 bits.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        self.get(name)?.map(|text| parse_number(name, &text)).transpose()
    }

    /// As [`Query::number`]; 400 where it is not there.
    pub fn required_number(&self, name: &str) -> Result<u64, Refusal> {
        parse_number(name, &self.required(name)?)
    }

    /// Whether `name` is there at all, with whatever value.
    pub fn has(&self, name: &str) -> bool {
        self.0.split('&').any(|pair| {
            decode(pair.split_once('=').map_or(pair, |(key, _)| key), Plus::Space).as_deref() == Some(name)
        })
    }
}

/// A number in a parameter or a field (`X-Offset`): digits alone, within 64 bits; 400 `bad_parameter`
/// otherwise.
pub fn parse_number(name: &str, text: &str) -> Result<u64, Refusal> {
    decimal(text.as_bytes()).ok_or_else(|| bad(name, "is not a decimal number of 64 bits"))
}

fn bad(name: &str, what: &str) -> Refusal {
    Refusal::because(Code::BadParameter, format!("{name} {what}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_decodes_and_counts() {
        let query = Query::new(Some("path=a%2Fb+c&offset=007&x=%zz&&root_key=&flag&length=1&length=2"));
        assert_eq!(query.get("path").unwrap().as_deref(), Some("a/b c"));
        assert_eq!(query.number("offset").unwrap(), Some(7));
        assert_eq!(query.get("root_key").unwrap().as_deref(), Some(""));
        assert_eq!(query.get("flag").unwrap().as_deref(), Some(""));
        assert_eq!(query.get("none").unwrap(), None);
        assert!(query.has("flag") && query.has("x") && !query.has("none"));
        for name in ["x", "length"] {
            assert_eq!(query.get(name).unwrap_err().code, Code::BadParameter, "{name}");
        }
        assert_eq!(query.required("none").unwrap_err().code, Code::BadParameter);
        assert_eq!(Query::new(None).get("path").unwrap(), None);
    }

    #[test]
    fn numbers_are_strict() {
        for bad in ["", "-1", "+1", " 1", "1 ", "0x1", "1e3", "1.0", "18446744073709551616", "١"] {
            assert!(parse_number("offset", bad).is_err(), "{bad:?}");
        }
        assert_eq!(parse_number("offset", "18446744073709551615"), Ok(u64::MAX));
    }

    #[test]
    fn an_encoded_name_is_the_same_name() {
        assert!(Query::new(Some("len%67th=1&length=2")).get("length").is_err());
    }
}
