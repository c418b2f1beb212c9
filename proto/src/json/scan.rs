//! A strict scanner of JSON texts (RFC 8259): finds where values and members lie. Owns the grammar; never builds a
//! value, allocates nothing and doesn't recurse.

use std::ops::Range;

/// Deepest nesting that is read; a message of the protocol needs three levels. One bit each tells the kinds of brackets apart.
const DEPTH_MAX: u32 = u64::BITS;

/// The text is not JSON, or nested too deeply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotJson;

/// The brackets that are open, innermost last.
#[derive(Debug, Default)]
struct Open {
    /// One bit each: whether it is an object's. The innermost is the lowest.
    objects: u64,
    depth: u32,
}

impl Open {
    fn push(&mut self, object: bool) -> Result<(), NotJson> {
        if self.depth == DEPTH_MAX {
            return Err(NotJson);
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u64::from(object);
        Ok(())
    }

    const fn pop(&mut self) {
        self.depth -= 1;
        self.objects >>= 1;
    }

    const fn is_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

/// A place in a JSON text.
#[derive(Debug, Clone)]
pub(crate) struct Scanner<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Scanner<'t> {
    pub(crate) const fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The place, in bytes from the text's beginning.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    /// Skips white space and gives the byte that follows, without taking it.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.text.get(self.at) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// Takes `byte` if it is what follows.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.eat(byte) { Ok(()) } else { Err(NotJson) }
    }

    /// Only white space is left.
    pub(crate) fn expect_end(&mut self) -> Result<(), NotJson> {
        if self.peek().is_none() { Ok(()) } else { Err(NotJson) }
    }

    /// Takes one string and gives the range between its quotes.
    pub(crate) fn string(&mut self) -> Result<Range<usize>, NotJson> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            let rest = &self.text[self.at..];
            let plain =
                rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F)).ok_or(NotJson)?;
            self.at += plain;
            match self.text[self.at] {
                b'"' => break,
                b'\\' => self.escape()?,
                _ => return Err(NotJson),
            }
        }
        let range = start..self.at;
        self.at += 1;
        Ok(range)
    }

    fn escape(&mut self) -> Result<(), NotJson> {
        let len = match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => 6,
            _ => return Err(NotJson),
        };
        let digits = self.text.get(self.at + 2..self.at + len).ok_or(NotJson)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(NotJson);
        }
        self.at += len;
        Ok(())
    }

    /// Takes one value of any kind and gives its range.
    pub(crate) fn value(&mut self) -> Result<Range<usize>, NotJson> {
        self.peek();
        let start = self.at;
        let mut open = Open::default();
        loop {
            let fresh = self.begin_value(&mut open)?;
            if !self.next_inside(&mut open, fresh)? {
                return Ok(start..self.at);
            }
        }
    }

    /// Takes a scalar, or a bracket; says whether it was a bracket.
    fn begin_value(&mut self, open: &mut Open) -> Result<bool, NotJson> {
        match self.peek() {
            Some(bracket @ (b'{' | b'[')) => {
                self.at += 1;
                open.push(bracket == b'{').map(|()| true)
            }
            _ => self.scalar().map(|()| false),
        }
    }

    /// Goes on behind a value, or behind a bracket just opened (`fresh`), to the next value inside what is open; false
    /// when nothing is open any more.
    fn next_inside(&mut self, open: &mut Open, mut fresh: bool) -> Result<bool, NotJson> {
        while open.depth > 0 {
            let object = open.is_object();
            if self.eat(if object { b'}' } else { b']' }) {
                open.pop();
                fresh = false;
                continue;
            }
            if !fresh {
                self.expect(b',')?;
            }
            if object {
                self.string()?;
                self.expect(b':')?;
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn scalar(&mut self) -> Result<(), NotJson> {
        match self.peek().ok_or(NotJson)? {
            b'"' => self.string().map(drop),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            _ => self.number(),
        }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), NotJson> {
        if !self.text[self.at..].starts_with(word) {
            return Err(NotJson);
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), NotJson> {
        self.eat_one(b"-");
        if !self.eat_one(b"0") {
            self.digits()?;
        }
        if self.eat_one(b".") {
            self.digits()?;
        }
        if self.eat_one(b"eE") {
            self.eat_one(b"+-");
            self.digits()?;
        }
        Ok(())
    }

    fn eat_one(&mut self, set: &[u8]) -> bool {
        let found = self.text.get(self.at).is_some_and(|byte| set.contains(byte));
        self.at += usize::from(found);
        found
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        let count = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count > 0 { Ok(()) } else { Err(NotJson) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn accepts(text: &[u8]) -> bool {
        let mut scanner = Scanner::new(text);
        scanner.value().and_then(|_| scanner.expect_end()).is_ok()
    }

    #[test]
    fn takes_and_refuses_what_the_grammar_does() {
        for good in
            [" {} ", "[]", "[[],{}]", r#"{"a":[1,-0.5e+3,null],"b":"\u00e9\/"}"#, "0", r#""""#, "[{},[]]"]
        {
            assert!(accepts(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "{",
            "]",
            "[1,]",
            "[,1]",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{a:1}"#,
            r#"{"a":1,}"#,
            "01",
            "1.",
            "+1",
            "-",
            "1e",
            "tru",
            "nul",
            r#""\x""#,
            r#""\u12g4""#,
            "\"\n\"",
            "[1}",
            "{]",
            r#"{"a":1 "b":2}"#,
            "1 2",
            r#"["#,
            r#"[1 2]"#,
        ] {
            assert!(!accepts(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        assert!(accepts(format!("{}{}", "[".repeat(64), "]".repeat(64)).as_bytes()));
        assert!(!accepts(format!("{}{}", "[".repeat(65), "]".repeat(65)).as_bytes()));
        assert!(!accepts("[".repeat(1 << 20).as_bytes()));
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(text in r#"[\[\]{}",:\\/a-fu0-9.+ \-eE]{0,24}|(\[|\{"a":)*(true|null|1|"x")?(\]|\})*"#) {
            // serde_json refuses a lone surrogate and a number beyond f64, which the grammar allows.
            if let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) {
                prop_assert!(accepts(text.as_bytes()), "{value}");
            } else if accepts(text.as_bytes()) {
                prop_assert!(text.contains("\\u") || text.contains(['e', 'E']), "{text}");
            }
        }
    }
}
