//! Paths that try to climb, and paths that only look as if they did, against the rules of PROTOCOL §4 and §7.
//!
//! A fixed list with verdicts, and every combination of building blocks against a model that is written another way.

use std::collections::HashSet;

use jstorrent_io_proto::error::Code;
use jstorrent_io_proto::path::{NameRules, RelPath};

/// What is refused on every platform.
#[rustfmt::skip]
const REFUSED: &[&str] = &[
    "", ".", "/", "\\", "./.", "//", "///", "/./", "..", "../", "/..", "..\\", "a/..", "a/../b", "a\\..\\b", "a/b/../../..",
    "../../etc/passwd", "..\\..\\windows\\win.ini", "/../etc/passwd", "\\..\\x", "a/./../b", "./..", "a//..", "a/..//b",
    "\\\\server\\share\\x", "\\\\?\\C:\\x", "\\\\.\\pipe\\x", "\\\\.\\C:", "\\\\", "\\\\a", "\\\\?\\UNC\\server\\share",
    "C:", "c:", "C:\\x", "C:/x", "C:x", "z:x", "/C:/x", "\\C:\\x", "./C:/x", "//C:/x", "a:stream",
    "a\0b", "\0", "a/\0", "a/b\0.txt", "..\0", "a\0/../b",
];

/// What is fine on Unix, and what it comes to.
#[rustfmt::skip]
const ACCEPTED: &[(&str, &str)] = &[
    ("a", "a"), ("a..b", "a..b"), ("a..", "a.."), ("..a", "..a"), ("...", "..."), ("....", "...."), ("a/.../b", "a/.../b"),
    (".hidden", ".hidden"), ("/a", "a"), ("//a", "a"), ("/\\a", "a"), ("\\a", "a"), ("a/", "a"), ("a//b", "a/b"),
    ("a\\b", "a/b"), ("a\\/b", "a/b"), ("a/./b", "a/b"), ("./a", "a"), (".\\a", "a"), ("a/.", "a"), ("a\\\\b", "a/b"),
    (" ", " "), (" a ", " a "), (".. ", ".. "), (" ..", " .."), (". .", ". ."), ("~", "~"), ("~/x", "~/x"), ("-rf", "-rf"),
    ("$HOME", "$HOME"), ("%2e%2e", "%2e%2e"), ("..%2f", "..%2f"), ("%00", "%00"), ("1:b", "1:b"),
    ("ab:c", "ab:c"), ("x/C:", "x/C:"), ("é:x", "é:x"), ("CON", "CON"), ("nul.txt", "nul.txt"), ("a\nb", "a\nb"),
    ("\u{2025}", "\u{2025}"), ("\u{FF0E}\u{FF0E}", "\u{FF0E}\u{FF0E}"), ("a\u{2215}..", "a\u{2215}.."),
    ("\u{202E}txt.exe", "\u{202E}txt.exe"), ("\u{FEFF}..", "\u{FEFF}.."), ("a*b?c|d<e>\"", "a*b?c|d<e>\""),
    ("Ünïcödé/файл/文件.mkv", "Ünïcödé/файл/文件.mkv"),
];

/// What Windows refuses besides.
#[rustfmt::skip]
const REFUSED_ON_WINDOWS: &[&str] = &[
    "CON", "con", "Con.txt", "PRN", "AUX", "NUL", "nul.tar.gz", "NUL .txt", "a/NUL", "NUL/a", "COM0", "COM1", "com9.x", "LPT1",
    "lpt9", "COM¹", "LPT³.txt", "CONIN$", "conout$", "a.", "a ", "a. ", "a .", "a./b", "a /b", "...", ".. ", " . ", "x/a:b",
    "ab:c", "file.txt:stream", "file::$DATA", "a*", "a?", "a\"b", "a<b", "a>b", "a|b", "a\tb", "a\nb", "a\u{1}b",
];

/// What Windows takes although it looks like the above.
#[rustfmt::skip]
const ACCEPTED_ON_WINDOWS: &[&str] = &[
    "CONS", "console", "COM", "COM10", "LPT", "LPTX", "COMÉ", "aCON", "NULL", "a.CON", "x.nul", " a", ".a", "a..b", "COM⁴", "é", "日本",
];

fn unix(text: &str) -> Result<String, Code> {
    parse(text, NameRules::Unix)
}

fn parse(text: &str, rules: NameRules) -> Result<String, Code> {
    RelPath::parse_for(text, false, rules)
        .map(|path| path.as_str().to_owned())
        .map_err(|refusal| refusal.code)
}

#[test]
fn the_fixed_list() {
    for text in REFUSED {
        assert_eq!(unix(text), Err(Code::PathInvalid), "{text:?}");
        assert_eq!(parse(text, NameRules::Windows), Err(Code::PathInvalid), "{text:?} on Windows");
    }
    for (text, expected) in ACCEPTED {
        assert_eq!(unix(text).as_deref(), Ok(*expected), "{text:?}");
    }
    for text in REFUSED_ON_WINDOWS {
        assert_eq!(parse(text, NameRules::Windows), Err(Code::PathInvalid), "{text:?} on Windows");
    }
    for text in ACCEPTED_ON_WINDOWS {
        assert_eq!(parse(text, NameRules::Windows).as_deref(), Ok(*text), "{text:?} on Windows");
    }
}

#[test]
fn limits_are_broken_by_what_is_over_them() {
    assert_eq!(unix(&"a".repeat(255)).map(|path| path.len()), Ok(255));
    assert_eq!(unix(&"a".repeat(256)), Err(Code::PathInvalid));
    assert_eq!(unix(&format!("{}é", "a".repeat(254))), Err(Code::PathInvalid), "bytes, not characters");
    let longest = format!("{}{}", "aaaaaaa/".repeat(511), "a".repeat(8));
    assert_eq!(unix(&longest).map(|path| path.len()), Ok(4096));
    assert_eq!(unix(&format!("{longest}a")), Err(Code::PathInvalid));
    assert_eq!(unix(&"/".repeat(4097)), Err(Code::PathInvalid));
}

#[test]
fn the_empty_path_is_the_root_where_a_folder_is_meant() {
    for text in ["", ".", "/", "./", "//", "\\", "././."] {
        let root = RelPath::parse(text, true).unwrap();
        assert!(root.is_root() && root.parts().next().is_none() && root.file_name().is_none());
        assert_eq!(root.as_str(), "");
    }
    for text in ["..", "\\\\", "\0", "C:"] {
        assert!(RelPath::parse(text, true).is_err(), "{text:?}");
    }
}

/// The rules once more, as a list of complaints instead of a parser.
fn model(text: &str) -> Option<Vec<String>> {
    let parts: Vec<String> = text
        .replace('\\', "/")
        .split('/')
        .map(str::to_owned)
        .filter(|part| !part.is_empty() && part != ".")
        .collect();
    let drive = parts.first().is_some_and(|part| {
        part.chars().nth(1) == Some(':')
            && part.chars().next().is_some_and(|letter| letter.is_ascii_alphabetic())
    });
    let complaints = [
        parts.is_empty(),
        parts.iter().any(|part| part == ".."),
        parts.iter().any(|part| part.len() > 255),
        text.len() > 4096,
        text.contains('\0'),
        text.starts_with("\\\\"),
        drive,
    ];
    (!complaints.contains(&true)).then_some(parts)
}

/// Every way to put up to four of these one behind the other.
const BLOCKS: &[&str] = &["..", ".", "/", "\\", "a", "C:", "\0", "...", " ", "é", "%2e"];

#[test]
fn every_combination_agrees_with_the_model() {
    let mut hostile = HashSet::new();
    let mut texts = vec![String::new()];
    for _ in 0..5 {
        texts =
            texts.iter().flat_map(|text| BLOCKS.iter().map(move |block| format!("{text}{block}"))).collect();
        for text in &texts {
            check_against_model(text);
            if model(text).is_none() {
                hostile.insert(text.clone());
            }
        }
    }
    assert!(hostile.len() + REFUSED.len() > 300, "{} hostile paths", hostile.len());
}

fn check_against_model(text: &str) {
    match (RelPath::parse_for(text, false, NameRules::Unix), model(text)) {
        (Ok(path), Some(parts)) => {
            assert!(path.parts().eq(parts.iter().map(String::as_str)), "{text:?}");
            assert_eq!(path.as_str(), parts.join("/"));
            assert_eq!(path.file_name(), parts.last().map(String::as_str));
            // What came out goes in again unchanged.
            assert_eq!(RelPath::parse_for(path.as_str(), false, NameRules::Unix), Ok(path));
        }
        (Err(refusal), None) => assert_eq!(refusal.code, Code::PathInvalid),
        (got, expected) => panic!("{text:?}: {got:?}, but the model says {expected:?}"),
    }
}

#[test]
fn encodings_hide_nothing() {
    let percent =
        |raw| RelPath::parse_encoded(raw, false).map(|path| path.as_str().to_owned()).map_err(|r| r.code);
    assert_eq!(percent("a%2Fb%5Cc/d").as_deref(), Ok("a/b/c/d"));
    assert_eq!(percent("a+b").as_deref(), Ok("a+b"));
    assert_eq!(percent("%252e%252e").as_deref(), Ok("%2e%2e"), "decoded once");
    for raw in [
        "%2e%2e",
        "a/%2E%2e/b",
        "..%2f",
        "a%00",
        "%5C%5Cserver",
        "%zz",
        "%",
        "%c0%ae%c0%ae",
        "%ff",
        "",
        "%2f",
        "C%3A",
    ] {
        assert_eq!(percent(raw), Err(Code::PathInvalid), "{raw:?}");
    }
    let base64 = |value: &str| {
        RelPath::parse_base64(value.as_bytes(), false)
            .map(|path| path.as_str().to_owned())
            .map_err(|r| r.code)
    };
    assert_eq!(base64("YS9i").as_deref(), Ok("a/b"));
    for padded in ["w6k=", "w6k"] {
        assert_eq!(base64(padded).as_deref(), Ok("é"), "UTF-8");
    }
    assert_eq!(base64("6Q==").as_deref(), Ok("é"), "Latin-1, as btoa makes it");
    assert_eq!(base64("YVxi").as_deref(), Ok("a/b"));
    for value in [
        "Li4=",
        "Li4vYQ==",
        "AA==",
        "",
        "!!!!",
        "YQ=a",
        "YQ===",
        "YS9i=====",
        "YS 9i",
        "YS-_",
        "XFxzZXJ2ZXI=",
    ] {
        assert_eq!(base64(value), Err(Code::PathInvalid), "{value:?}");
    }
}
