//! Paths, in the three ways that clients write them.

use jstorrent_io_proto::disposition;
use jstorrent_io_proto::mime;
use jstorrent_io_proto::path::{NameRules, RelPath, decode_base64_text};
use jstorrent_io_proto::percent;

/// What passes is made of good parts, says the same when it is read again, and can't climb.
pub fn path(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for rules in [NameRules::Unix, NameRules::Windows] {
        for allow_empty in [false, true] {
            if let Ok(path) = RelPath::parse_for(&text, allow_empty, rules) {
                check(&path, allow_empty);
                assert_eq!(RelPath::parse_for(path.as_str(), true, rules).as_ref(), Ok(&path));
                let encoded = encoded(&path);
                assert_eq!(RelPath::parse_encoded(&encoded, true).is_ok(), rules_agree(&path));
            }
        }
    }
    if let Ok(path) = RelPath::parse_encoded(&text, true) {
        check(&path, true);
        let decoded = percent::decode(&text, percent::Plus::Literal).expect("it was decoded before");
        assert_eq!(RelPath::parse(&decoded, true), Ok(path));
    }
    if let Some(text) = decode_base64_text(data) {
        assert_eq!(RelPath::parse_base64(data, true).ok(), RelPath::parse(&text, true).ok());
    }
}

/// Whether the rules of this platform let it through as well.
fn rules_agree(path: &RelPath) -> bool {
    RelPath::parse(path.as_str(), true).is_ok()
}

fn encoded(path: &RelPath) -> String {
    let mut text = String::new();
    percent::encode_into(path.as_str(), &mut text);
    text
}

fn check(path: &RelPath, allow_empty: bool) {
    let text = path.as_str();
    assert!(text.len() <= 4096 && !text.contains(['\0', '\\']) && !text.starts_with('/'));
    assert_eq!(path.is_root(), text.is_empty());
    assert!(allow_empty || !path.is_root());
    let parts: Vec<_> = path.parts().collect();
    assert_eq!(parts.join("/"), text);
    for part in &parts {
        assert!(!part.is_empty() && part.len() <= 255 && !matches!(*part, "." | "..") && !part.contains('/'));
    }
    assert_eq!(path.file_name(), parts.last().copied());
    if let Some(name) = path.file_name() {
        assert!(disposition::inline(name).bytes().all(|byte| matches!(byte, b' '..=b'~')));
        assert!(mime::from_name(name).contains('/'));
    }
}
