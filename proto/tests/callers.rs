//! Who may call, and what one who may not can learn: nothing.

use jstorrent_io_proto::admission::{Gate, admit, origin_in};
use jstorrent_io_proto::error::Code;
use jstorrent_io_proto::request::parse_head;
use jstorrent_io_proto::response::{Context, write_refusal};
use jstorrent_io_proto::route::{AuthRule, PortKind, ROUTES, SessionRule, find};
use jstorrent_io_proto::token::Token;

fn gate(token: &Token) -> Gate<'_> {
    Gate { port: 49152, port_kind: PortKind::Main, token, extension_id: None, extra_origins: &[] }
}

/// The whole answer to a request that is not admitted, or `None`.
fn turned_away(head: &str, gate: &Gate<'_>) -> Option<String> {
    let head = parse_head(head.as_bytes()).unwrap();
    let rejected = admit(&head, gate).err()?;
    let mut out = Vec::new();
    let context = Context { origin: rejected.origin, ..Context::default() };
    write_refusal(&rejected.refusal, &context, false, &mut out);
    Some(String::from_utf8(out).unwrap())
}

/// Every endpoint's path and method, and some that are none.
fn targets() -> Vec<(String, &'static str)> {
    let nothing = ["/", "/nothing", "/files/7/nothing", "/stream", "/health/x", "/io/"];
    let mut targets: Vec<_> = nothing
        .iter()
        .flat_map(|path| ["GET", "POST", "PUT"].map(|method| ((*path).to_owned(), method)))
        .collect();
    for route in ROUTES {
        let path = route.pattern.replace("{id}", "7").replace("{key}", "k").replace("{rest}", "x");
        targets.extend(["GET", "HEAD", "POST", "PATCH", "DELETE"].map(|method| (path.clone(), method)));
    }
    targets
}

#[test]
fn what_may_not_call_gets_one_answer_whatever_it_asks_for() {
    let token = Token::from_random(&[7; 32]);
    let gate = gate(&token);
    let wrong_fields = [
        "Host: evil.example:49152\r\n",
        "Host: 127.0.0.1:49152\r\nOrigin: https://evil.example\r\n",
        "Host: 127.0.0.1:49152\r\nOrigin: null\r\n",
    ];
    for fields in wrong_fields {
        let mut answers: Vec<_> = targets()
            .iter()
            .map(|(path, method)| {
                turned_away(&format!("{method} {path} HTTP/1.1\r\n{fields}\r\n"), &gate).unwrap()
            })
            .collect();
        answers.dedup();
        assert_eq!(answers.len(), 1, "{fields:?}");
        assert!(!answers[0].contains("Access-Control"), "no CORS field for strangers");
    }
}

#[test]
fn without_the_token_all_is_the_same_but_what_needs_none() {
    let token = Token::from_random(&[7; 32]);
    let gate = gate(&token);
    let mut answers = Vec::new();
    for (path, method) in targets() {
        let open = ROUTES.iter().any(|route| {
            path == route.pattern
                && matches!(route.auth, AuthRule::Open | AuthRule::Upgrade)
                && route.allow().split(", ").any(|allowed| allowed == method)
        });
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost:49152\r\n");
        match turned_away(&format!("{head}\r\n"), &gate) {
            Some(answer) => answers.push(answer),
            None => assert!(open, "{method} {path} was let in"),
        }
        let with_token = format!("{head}X-JST-Auth: {}\r\n\r\n", token.reveal());
        assert_eq!(turned_away(&with_token, &gate), None);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    assert!(
        answers[0].starts_with("HTTP/1.1 401 Unauthorized\r\n")
            && answers[0].contains("\r\nWWW-Authenticate: Bearer\r\n")
    );
}

#[test]
fn an_allowed_page_may_read_why() {
    let token = Token::from_random(&[7; 32]);
    let answer = turned_away(
        "GET /stats HTTP/1.1\r\nHost: 127.0.0.1:49152\r\nOrigin: https://jstorrent.com\r\n\r\n",
        &gate(&token),
    );
    assert!(answer.unwrap().contains("\r\nAccess-Control-Allow-Origin: https://jstorrent.com\r\n"));
    let answer = turned_away(
        "GET /stats HTTP/1.1\r\nHost: 127.0.0.1:49153\r\nOrigin: https://jstorrent.com\r\n\r\n",
        &gate(&token),
    )
    .unwrap();
    assert!(answer.starts_with("HTTP/1.1 421 "));
    assert!(answer.contains("\r\nAccess-Control-Allow-Origin: https://jstorrent.com\r\n"));
}

#[test]
fn an_allowed_page_is_found_in_what_is_no_head_too() {
    let token = Token::from_random(&[7; 32]);
    let gate = gate(&token);
    let ours = "https://jstorrent.com";
    for (bytes, origin) in [
        ("GET / HTTP/9\r\nOrigin: https://jstorrent.com\r\n\r\n", Some(ours)),
        ("GET / HTTP/1.1\r\nA : b\r\norigin:https://jstorrent.com \r\nB: c", Some(ours)),
        ("\0\nORIGIN:\thttps://jstorrent.com", Some(ours)),
        ("GET / HTTP/1.1\r\nOrigin: https://evil.example\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nOrigin: null\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nOrigin: https://jstorrent.com\r\nOrigin: https://jstorrent.com\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nX-Origin: https://jstorrent.com\r\n\r\n", None),
        ("Origin", None),
        ("", None),
    ] {
        assert_eq!(origin_in(bytes.as_bytes(), &gate), origin, "{bytes:?}");
    }
}

#[test]
fn what_a_proof_says() {
    let token = Token::from_random(&[7; 32]);
    let gate = gate(&token);
    let admitted = |head: &str| {
        let head = format!("{head} HTTP/1.1\r\nHost: 127.0.0.1:49152\r\n");
        let with_token = format!("{head}X-JST-Session: s\r\nX-JST-Auth: {}\r\n\r\n", token.reveal());
        [format!("{head}\r\n"), with_token].map(|text| {
            let head = parse_head(text.as_bytes()).unwrap();
            admit(&head, &gate)
                .ok()
                .map(|it| (it.authenticated(), it.by_ticket(), it.session().map(str::to_owned)))
        })
    };
    let session = || Some("s".to_owned());
    assert_eq!(admitted("GET /health"), [Some((false, false, None)), Some((false, false, session()))]);
    assert_eq!(admitted("GET /io"), [Some((false, false, None)), Some((true, false, session()))]);
    assert_eq!(admitted("GET /stats"), [None, Some((true, false, session()))]);
    assert_eq!(
        admitted("GET /stream/7?ticket=x"),
        [Some((false, true, None)), Some((false, true, session()))]
    );
}

#[test]
fn the_rows_say_which_endpoints_need_a_session() {
    let token = Token::from_random(&[7; 32]);
    let needing: Vec<_> = ROUTES.iter().filter(|route| route.session == SessionRule::Required).collect();
    assert!(needing.iter().all(|route| {
        ["/files/", "/stream/", "/control/open_socket", "/control/close_socket", "/control/stream_ticket"]
            .iter()
            .any(|prefix| route.pattern.starts_with(prefix))
    }));
    for route in ROUTES {
        let path = route.pattern.replace("{id}", "7").replace("{key}", "k").replace("{rest}", "x");
        let text =
            format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:49152\r\nX-JST-Auth: {}\r\n\r\n", token.reveal());
        let head = parse_head(text.as_bytes()).unwrap();
        let found = find(route.methods[0], &path, PortKind::Main).unwrap();
        let verdict =
            admit(&head, &gate(&token)).unwrap().session_for(&found).map_err(|refusal| refusal.code);
        let required = needing.iter().any(|needs| needs.pattern == route.pattern);
        assert_eq!(verdict, if required { Err(Code::SessionRequired) } else { Ok(None) });
    }
}
