//! Response heads, byte for byte, and that no value can break out of its line.

use jstorrent_io_proto::content_type::accepts;
use jstorrent_io_proto::error::{Code, Refusal};
use jstorrent_io_proto::request::parse_head;
use jstorrent_io_proto::response::{Context, ResponseHead, write_preflight, write_refusal};
use jstorrent_io_proto::upgrade;
use proptest::prelude::*;

fn written(head: &ResponseHead<'_>, context: &Context<'_>) -> String {
    let mut out = Vec::new();
    head.write(context, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_plain_answer() {
    let head = ResponseHead::new(200).content_type("application/octet-stream").length(16384);
    assert_eq!(
        written(&head, &Context::default()),
        "HTTP/1.1 200 OK\r\nContent-Length: 16384\r\nContent-Type: application/octet-stream\r\n\
         X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nCross-Origin-Resource-Policy: same-origin\r\n\r\n"
    );
}

#[test]
fn an_answer_with_everything() {
    let head = ResponseHead::new(206)
        .content_type("video/mp4")
        .length(10)
        .content_range(0, 9, 1000)
        .field("Accept-Ranges", "bytes")
        .number("X-Count", u64::MAX);
    let context = Context {
        origin: Some("https://jstorrent.com"),
        close: true,
        stream: true,
        http10: false,
        date: Some("Sun, 06 Nov 1994 08:49:37 GMT"),
    };
    assert_eq!(
        written(&head, &context),
        "HTTP/1.1 206 Partial Content\r\nContent-Length: 10\r\nConnection: close\r\nContent-Type: video/mp4\r\n\
         X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nCross-Origin-Resource-Policy: cross-origin\r\n\
         Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nAccess-Control-Allow-Origin: https://jstorrent.com\r\n\
         Access-Control-Expose-Headers: Content-Range, Accept-Ranges, ETag, Content-Length\r\nVary: Origin\r\n\
         Content-Range: bytes 0-9/1000\r\nAccept-Ranges: bytes\r\nX-Count: 18446744073709551615\r\n\r\n"
    );
}

#[test]
fn http10_gets_no_chunks() {
    let head = ResponseHead::new(200).chunked();
    let new = written(&head, &Context::default());
    assert!(new.contains("\r\nTransfer-Encoding: chunked\r\n") && !new.contains("Connection"));
    let old = written(&head, &Context { http10: true, ..Context::default() });
    assert!(!old.contains("Transfer-Encoding") && old.contains("\r\nConnection: close\r\n"));
}

#[test]
fn refusals_bear_what_their_status_wants() {
    let answer = |refusal: Refusal, is_head| {
        let mut out = Vec::new();
        write_refusal(&refusal, &Context::default(), is_head, &mut out);
        String::from_utf8(out).unwrap()
    };
    for code in Code::all() {
        let (with_body, without) = (answer(code.into(), false), answer(code.into(), true));
        let (head, body) = with_body.split_once("\r\n\r\n").unwrap();
        assert_eq!(format!("{head}\r\n\r\n"), without, "HEAD gets the same head");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())));
        assert!(head.contains("\r\nContent-Type: application/problem+json\r\n"));
        assert!(head.starts_with(&format!("HTTP/1.1 {} {}\r\n", code.status(), code.title())));
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((&problem["code"], &problem["status"]), (&code.as_str().into(), &code.status().into()));
        assert_eq!(head.contains("WWW-Authenticate: Bearer"), code.status() == 401);
        assert_eq!(head.contains("Sec-WebSocket-Version: 13"), code == Code::UpgradeRequired);
        assert_eq!(head.contains("Connection: close"), Refusal::new(code).close);
    }
    assert!(
        answer(Refusal::new(Code::MethodNotAllowed).with_allow("POST"), false)
            .contains("\r\nAllow: POST\r\n")
    );
    let range = answer(Refusal::new(Code::RangeNotSatisfiable).with_size(1000), false);
    assert!(range.contains("\r\nContent-Range: bytes */1000\r\n"));
    assert!(answer(Refusal::new(Code::NotFound).closing(), false).contains("\r\nConnection: close\r\n"));
}

#[test]
fn preflights_name_methods_fields_and_age() {
    let answer = |extra: &str| {
        let text = format!("OPTIONS /x HTTP/1.1\r\nHost: a\r\nOrigin: https://jstorrent.com\r\n{extra}\r\n");
        let head = parse_head(text.as_bytes()).unwrap();
        let mut out = Vec::new();
        let context = Context { origin: Some("https://jstorrent.com"), ..Context::default() };
        write_preflight(&head, &context, &mut out);
        String::from_utf8(out).unwrap()
    };
    let plain = answer("");
    assert!(plain.starts_with("HTTP/1.1 204 No Content\r\n") && !plain.contains("\r\nContent-Length"));
    for field in [
        "Access-Control-Allow-Origin: https://jstorrent.com",
        "Vary: Origin",
        "Access-Control-Max-Age: 7200",
        "Access-Control-Allow-Methods: GET, HEAD, POST, PATCH, OPTIONS",
    ] {
        assert!(plain.contains(&format!("\r\n{field}\r\n")), "{field}");
    }
    for name in [
        "X-JST-Auth",
        "Authorization",
        "X-JST-Session",
        "X-JST-ExtensionId",
        "X-JST-InstallId",
        "Content-Type",
        "Range",
        "X-Path-Base64",
        "X-Offset",
        "X-Length",
        "X-Expected-SHA1",
        "X-Expected-SHA256",
        "Accept",
        "If-Range",
        "If-Match",
    ] {
        let allowed =
            plain.lines().find_map(|line| line.strip_prefix("Access-Control-Allow-Headers: ")).unwrap();
        assert!(allowed.split(", ").any(|listed| listed == name), "{name}");
    }
    assert!(!plain.contains("Private-Network"));
    let asked = answer("Access-Control-Request-Private-Network: true\r\n");
    assert!(asked.contains("\r\nAccess-Control-Allow-Private-Network: true\r\n"));
}

#[test]
fn the_handshake_of_rfc_6455() {
    let text = "GET /io HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut out = Vec::new();
    let context = Context { origin: Some("https://jstorrent.com"), ..Context::default() };
    upgrade::check(&parse_head(text.as_bytes()).unwrap()).unwrap().write(&context, &mut out);
    let answer = String::from_utf8(out).unwrap();
    assert!(answer.contains("\r\nX-Content-Type-Options: nosniff\r\n"));
    assert!(answer.contains("\r\nAccess-Control-Allow-Origin: https://jstorrent.com\r\n"));
    assert!(
        answer
            .starts_with("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
    );
    assert!(answer.ends_with("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"));
    assert!(!answer.contains("WebSocket-Extensions") && !answer.contains("WebSocket-Protocol"));
}

#[test]
fn a_form_of_answer_must_be_named_to_be_wished_for() {
    let wishes = |accept: &str| {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{accept}\r\n");
        accepts(&parse_head(text.as_bytes()).unwrap(), "application/json")
    };
    for accept in [
        "Accept: application/json\r\n",
        "Accept: text/html, Application/JSON;q=0.5\r\n",
        "Accept: text/html\r\nAccept: application/json\r\n",
        "Accept: application/json;q=0.001\r\n",
    ] {
        assert!(wishes(accept), "{accept}");
    }
    for accept in [
        "",
        "Accept: */*\r\n",
        "Accept: application/*\r\n",
        "Accept: application/json-seq\r\n",
        "Accept: application/json;q=0\r\n",
        "Accept: application/json; q=0.000\r\n",
    ] {
        assert!(!wishes(accept), "{accept}");
    }
}

proptest! {
    #[test]
    fn no_value_breaks_out_of_its_line(value in "[a\r\n\0é]{0,6}", origin in any::<String>(), date in "\r?\n?X: y") {
        let head = ResponseHead::new(200).content_type(&value).field("ETag", &value).length(1);
        let context = Context { origin: Some(&origin), date: Some(&date), ..Context::default() };
        let text = written(&head, &context);
        prop_assert_eq!(text.matches("\r\n").count(), 12, "{:?}", text);
        prop_assert_eq!(text.bytes().filter(|&byte| byte == b'\r' || byte == b'\n').count(), 24);
        prop_assert!(text.ends_with("\r\n\r\n"));
    }
}
