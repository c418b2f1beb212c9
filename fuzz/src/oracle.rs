//! Who may call, told a second time and as plainly as can be: what `admission` lets in must pass here, too.

use jstorrent_io_proto::admission::Admitted;
use jstorrent_io_proto::request::{Head, Method};

pub(crate) const PORT: u16 = 49152;
pub(crate) const TOKEN: &str = "sesame";
pub(crate) const EXTENSION: &str = "abcdefghijklmnopabcdefghijklmnop";
pub(crate) const EXTRA_ORIGIN: &str = "https://dev.example";

const HOSTS: [&str; 2] = ["127.0.0.1:49152", "localhost:49152"];
const ORIGINS: [&str; 6] = [
    "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
    "http://127.0.0.1:49152",
    "http://localhost:49152",
    "https://jstorrent.com",
    "https://new.jstorrent.com",
    EXTRA_ORIGIN,
];

fn lower(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).to_ascii_lowercase()
}

/// Asserts that a caller who was let in had a right to.
pub(crate) fn check(head: &Head<'_>, admitted: &Admitted<'_>) {
    let host = head.authority.map(str::as_bytes).or_else(|| head.field("host")).expect("a host");
    assert!(HOSTS.contains(&lower(host).as_str()), "the host {:?} was let in", lower(host));
    let origins: Vec<_> = head.fields("origin").map(lower).collect();
    assert!(
        origins.len() <= 1 && origins.iter().all(|origin| ORIGINS.contains(&origin.as_str())),
        "{origins:?}"
    );
    assert_eq!(admitted.origin().map(str::to_ascii_lowercase), origins.into_iter().next());
    let shown = shows_token(head);
    if admitted.authenticated() {
        assert!(shown, "let in without the token");
    } else if !admitted.is_preflight() {
        let reads = matches!(head.method, Method::Get | Method::Head);
        let is_stream = head.path.starts_with("/stream/")
            && head.query.is_some_and(|q| q.contains("ticket") || q.contains('%'));
        assert!(reads && (matches!(head.path, "/health" | "/io") || is_stream), "{} is not open", head.path);
        assert_eq!(is_stream, admitted.by_ticket());
    } else {
        assert_eq!(head.method, Method::Options);
        assert!(admitted.origin().is_some() && head.field("access-control-request-method").is_some());
    }
    if let Some(session) = admitted.session() {
        assert!((1..=128).contains(&session.len()) && session.bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(head.fields("x-jst-session").next(), Some(session.as_bytes()));
    }
}

fn shows_token(head: &Head<'_>) -> bool {
    let own = head.fields("x-jst-auth").any(|value| value == TOKEN.as_bytes());
    let bearer = head.fields("authorization").any(|value| {
        let text = String::from_utf8_lossy(value);
        text.split_once(' ')
            .is_some_and(|(scheme, rest)| scheme.eq_ignore_ascii_case("bearer") && rest.trim() == TOKEN)
    });
    own || bearer
}

/// Asserts that an answer is one head that a plain parser reads, with the body that it announces.
pub(crate) fn check_answer(answer: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut fields);
    let parsed = response.parse(answer).expect("a well-formed answer");
    let httparse::Status::Complete(head_bytes) = parsed else { panic!("an answer without an end") };
    let lengths: Vec<_> = response
        .headers
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case("content-length"))
        .map(|field| std::str::from_utf8(field.value).expect("ASCII").parse::<usize>().expect("a number"))
        .collect();
    assert_eq!(lengths, [answer.len() - head_bytes]);
    serde_json::from_slice::<serde_json::Value>(&answer[head_bytes..]).expect("a problem in JSON");
}
