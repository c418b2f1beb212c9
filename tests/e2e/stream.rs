//! `/stream` and its tickets (PROTOCOL §5), over real sockets: forms of ranges with their exact answers, validators,
//! conditions, names, and what a ticket opens. Bytes that are missing yet are `stream_deferred`'s.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};

use serde_json::{Value, json};

use crate::support::daemon::Daemon;
use crate::support::http::{Http, Request, Response};

const SESSION: &str = "player";
const SIZE: usize = 1000;

/// A byte that tells where it stands.
fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn daemon_with(name: &str, bytes: &[u8]) -> Daemon {
    let daemon = Daemon::start(&[]);
    fs::write(daemon.home.root().join(name), bytes).unwrap();
    daemon
}

fn open(daemon: &Daemon, body: Value) -> u64 {
    let request = Request::post("/files/open").token(&daemon.token).session(SESSION).json(&body);
    daemon.http().call(request).json()["fileId"].as_u64().expect("an id")
}

fn get(daemon: &Daemon, target: &str) -> Request {
    Request::get(target).token(&daemon.token).session(SESSION)
}

/// Ranges of the file, `first-last` each, that a 206 is to have.
fn ranges(expected: &str) -> Vec<(usize, usize)> {
    let pair = |range: &str| {
        let (first, last) = range.split_once('-').unwrap();
        (first.parse().unwrap(), last.parse().unwrap())
    };
    expected.split(' ').map(pair).collect()
}

/// Checks an answer, head and body, against what it should be: `200`, `416`, or the ranges of a 206.
#[track_caller]
fn check(response: &Response, expected: &str, form: &str) {
    let all = content(SIZE);
    let content_type = response.field("Content-Type").unwrap_or_default().to_owned();
    let range = response.field("Content-Range");
    match expected {
        "200" => {
            assert_eq!((response.status, range), (200, None), "{form}");
            assert_eq!(content_type, "video/mp4", "{form}");
            assert_eq!(response.body, all, "{form}");
        }
        "416" => {
            assert_eq!((response.status, range), (416, Some("bytes */1000")), "{form}");
            assert_eq!(response.code(), "range_not_satisfiable", "{form}");
            return;
        }
        _ => {
            assert_eq!(response.status, 206, "{form}");
            check_ranges(response, &ranges(expected), &all, form);
        }
    }
    assert_eq!(response.field("Accept-Ranges"), Some("bytes"), "{form}");
    assert!(response.field("ETag").is_some_and(|tag| tag.starts_with('"')), "{form}");
    assert_eq!(response.field("Cross-Origin-Resource-Policy"), Some("cross-origin"), "{form}");
}

#[track_caller]
fn check_ranges(response: &Response, expected: &[(usize, usize)], all: &[u8], form: &str) {
    let content_type = response.field("Content-Type").unwrap();
    if let [(first, last)] = expected {
        assert_eq!(response.field("Content-Range"), Some(&*format!("bytes {first}-{last}/1000")), "{form}");
        assert_eq!(content_type, "video/mp4", "{form}");
        assert_eq!(response.body, all[*first..=*last], "{form}");
        return;
    }
    assert_eq!(response.field("Content-Range"), None, "{form}");
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").expect(form);
    let mut body = Vec::new();
    for (first, last) in expected {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: video/mp4\r\nContent-Range: bytes {first}-{last}/1000\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&all[*first..=*last]);
    }
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert_eq!(response.body, body, "{form}");
}

/// `Range` fields, `¶` between two of them, and the answers for a file of 1,000 bytes.
#[rustfmt::skip]
const FORMS: &[(&str, &str)] = &[
    // One range.
    ("bytes=0-499", "0-499"), ("bytes=500-999", "500-999"), ("bytes=0-0", "0-0"), ("bytes=999-999", "999-999"),
    ("bytes=0-1", "0-1"), ("bytes=0-", "0-999"), ("bytes=1-", "1-999"), ("bytes=999-", "999-999"), ("bytes=500-", "500-999"),
    ("bytes=-1", "999-999"), ("bytes=-500", "500-999"), ("bytes=-999", "1-999"), ("bytes=-1000", "0-999"),
    // Reaching beyond the end.
    ("bytes=-1001", "0-999"), ("bytes=-99999999999999999999999", "0-999"), ("bytes=0-1000", "0-999"),
    ("bytes=0-18446744073709551615", "0-999"), ("bytes=9-99999999999999999999999", "9-999"), ("bytes=990-5000", "990-999"),
    // Spelling.
    ("bytes=000-0009", "0-9"), ("BYTES=0-9", "0-9"), ("Bytes=5-9", "5-9"), ("bytes= 0-9", "0-9"), ("bytes=0-9 ", "0-9"),
    ("bytes=0-9,", "0-9"), ("bytes=,0-9", "0-9"), ("bytes=\t0-9", "0-9"), ("bytes=,,,5-5,,,", "5-5"),
    // Not satisfiable.
    ("bytes=1000-", "416"), ("bytes=1000-1000", "416"), ("bytes=1000-2000", "416"), ("bytes=-0", "416"), ("bytes=-000", "416"),
    ("bytes=18446744073709551615-", "416"), ("bytes=18446744073709551616-", "416"), ("bytes=1000-,-0", "416"),
    ("bytes=99999999999999999999-99999999999999999999", "416"), ("bytes=5000-6000,7000-", "416"),
    // Several.
    ("bytes=0-0,-1", "0-0 999-999"), ("bytes=0-9,20-29", "0-9 20-29"), ("bytes=500-600,700-799", "500-600 700-799"),
    ("bytes=700-799,500-600", "700-799 500-600"), ("bytes=0-9, 20-29 ,\t40-", "0-9 20-29 40-999"), ("bytes=0-9,10-19", "0-9 10-19"),
    ("bytes=-5,0-4", "995-999 0-4"), ("bytes=0-9¶bytes=20-29", "200"), ("bytes=0-9,,,990-", "0-9 990-999"),
    ("bytes=1-1,3-3,5-5,7-7", "1-1 3-3 5-5 7-7"),
    // Some of them can't be satisfied, or overlap.
    ("bytes=0-9,1000-", "0-9"), ("bytes=1000-,5-6", "5-6"), ("bytes=-0,5-6", "5-6"), ("bytes=0-9,9-19", "0-19"),
    ("bytes=0-,0-,0-", "0-999"), ("bytes=0-10,100-110,5-105", "0-110"), ("bytes=900-,0-9,-100", "900-999 0-9"),
    ("bytes=5-6,1-2,6-7,2-3", "5-7 1-3"), ("bytes=0-999,0-999", "0-999"),
    // Ignored: another unit, malformed, too many.
    ("items=0-9", "200"), ("seconds=0-9", "200"), ("bytes", "200"), ("bytes=", "200"), ("bytes=,", "200"), ("bytes=-", "200"),
    ("bytes=--1", "200"), ("bytes=a-b", "200"), ("bytes=0-b", "200"), ("bytes=5-2", "200"), ("bytes=0-9,5-2", "200"),
    ("bytes=0-9,x", "200"), ("bytes=0", "200"), ("bytes=+0-9", "200"), ("bytes=0-+9", "200"), ("bytes=0 - 9", "200"),
    ("bytes=0-9-", "200"), ("bytes=0-9;", "200"), ("bytes:0-9", "200"), ("bytes =0-9", "200"), ("=0-9", "200"), ("0-9", "200"),
    ("", "200"), ("bytes=0x0-0x9", "200"), ("bytes=0-9 20-29", "200"), ("bytes==0-9", "200"), ("bytes=1.0-2.0", "200"),
    ("bytes=0-9, bytes=20-29", "200"), ("none", "200"), ("bytes=*", "200"), ("bytes=0-9/1000", "200"),
    ("bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,30-30,32-32,34-34,36-36,38-38,40-40,42-42,44-44,46-46,48-48,50-50,52-52,54-54,56-56,58-58,60-60,62-62,64-64", "200"),
];

#[test]
fn every_form_of_a_range_has_its_exact_answer() {
    let daemon = daemon_with("film.mp4", &content(SIZE));
    let id = open(&daemon, json!({"root": "main", "path": "film.mp4"}));
    for port in [daemon.port, daemon.stream_port] {
        let mut http = Http::connect(port);
        for (form, expected) in FORMS {
            let with = |method| {
                let fields = form.split('¶').filter(|_| !form.is_empty());
                let request = Request::new(method, &format!("/stream/{id}/any-name.txt"));
                fields.fold(request, |request, range| request.field("Range", range))
            };
            let response = http.call(with("GET").token(&daemon.token).session(SESSION));
            check(&response, expected, form);
            // RFC 9110 §14.2: ranges are for GET.
            let head = http.call(with("HEAD").token(&daemon.token).session(SESSION));
            assert_eq!((head.status, head.field("Content-Range")), (200, None), "HEAD with {form}");
            assert_eq!(head.field("Content-Length"), Some("1000"), "HEAD with {form}");
        }
    }
}

#[test]
fn an_empty_file_has_no_ranges() {
    let daemon = daemon_with("empty.mkv", b"");
    let id = open(&daemon, json!({"root": "main", "path": "empty.mkv"}));
    let mut http = daemon.http();
    for (form, status) in
        [("bytes=0-", 416), ("bytes=0-0", 416), ("bytes=-0", 416), ("bytes=-1", 200), ("x", 200)]
    {
        let response = http.call(get(&daemon, &format!("/stream/{id}")).field("Range", form)).expect(status);
        match status {
            416 => assert_eq!(response.field("Content-Range"), Some("bytes */0"), "{form}"),
            _ => assert_eq!(response.field("Content-Length"), Some("0"), "{form}"),
        }
    }
}

#[test]
fn head_is_the_head_of_get() {
    let daemon = daemon_with("film.mp4", &content(SIZE));
    let id = open(&daemon, json!({"root": "main", "path": "film.mp4"}));
    let mut http = daemon.http();
    let target = format!("/stream/{id}");
    let by_get = http.call(get(&daemon, &target)).expect(200);
    let by_head = http.call(Request::new("HEAD", &target).token(&daemon.token).session(SESSION)).expect(200);
    assert_eq!(by_get.fields, by_head.fields);
    assert_eq!(
        http.call(Request::post(&target).token(&daemon.token))
            .refused(405, "method_not_allowed")
            .field("Allow"),
        Some("GET, HEAD")
    );
}

#[test]
fn validators_stay_the_same_while_the_file_is_written() {
    let daemon = daemon_with("film.mp4", &content(SIZE));
    let id = open(&daemon, json!({"root": "main", "path": "film.mp4", "write": true}));
    let target = format!("/stream/{id}");
    let mut http = daemon.http();
    let validators = |response: &Response| {
        let field = |name| response.field(name).expect(name).to_owned();
        (field("ETag"), field("Last-Modified"))
    };
    let before = validators(&http.call(get(&daemon, &target)).expect(200));
    let write = Request::new("PATCH", &format!("/files/{id}/write?offset=2000"))
        .token(&daemon.token)
        .session(SESSION);
    http.call(write.body("x".repeat(500))).expect(200);
    let times = fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
    fs::File::options()
        .write(true)
        .open(daemon.home.root().join("film.mp4"))
        .unwrap()
        .set_times(times)
        .unwrap();
    let seek = get(&daemon, &target).field("Range", "bytes=2000-").field("If-Match", &before.0);
    let after = http.call(seek).expect(206);
    assert_eq!(validators(&after), before);
    assert_eq!(after.field("Content-Range"), Some("bytes 2000-2499/2500"));
    let again = open(&daemon, json!({"root": "main", "path": "film.mp4"}));
    let other = validators(&http.call(get(&daemon, &format!("/stream/{again}"))).expect(200));
    assert_ne!(other.0, before.0, "another opening is another representation");
    assert_eq!(other.1, "Thu, 01 Jan 1970 00:00:00 GMT");
}

#[test]
fn conditions_count_in_their_order() {
    let daemon = daemon_with("film.mp4", &content(SIZE));
    let id = open(&daemon, json!({"root": "main", "path": "film.mp4"}));
    let target = format!("/stream/{id}");
    let mut http = daemon.http();
    let first = http.call(get(&daemon, &target)).expect(200);
    let (tag, date) = (first.field("ETag").unwrap(), first.field("Last-Modified").unwrap());
    let weak = format!("W/{tag}");
    let past = "Thu, 01 Jan 1970 00:00:00 GMT";
    let range = ("Range", "bytes=1-2");
    let table: &[(&[(&str, &str)], u16)] = &[
        (&[("If-Match", tag)], 200),
        (&[("If-Match", "*")], 200),
        (&[("If-Match", tag), range], 206),
        (&[("If-Match", "\"other\""), range], 412),
        (&[("If-Match", &weak), range], 412),
        (&[("If-Match", tag), ("If-Unmodified-Since", past), range], 206),
        (&[("If-Unmodified-Since", date), range], 206),
        (&[("If-Unmodified-Since", past), range], 412),
        (&[("If-None-Match", tag)], 304),
        (&[("If-None-Match", &weak), range], 304),
        (&[("If-None-Match", "\"other\""), range], 206),
        (&[("If-Modified-Since", date)], 304),
        (&[("If-Modified-Since", past)], 200),
        (&[("If-None-Match", "\"other\""), ("If-Modified-Since", date)], 200),
        (&[("If-Range", tag), range], 206),
        (&[("If-Range", date), range], 206),
        (&[("If-Range", &weak), range], 200),
        (&[("If-Range", "\"other\""), range], 200),
        (&[("If-Range", past), range], 200),
        (&[("If-Range", "\"other\""), ("Range", "bytes=5000-")], 200),
        (&[("If-Match", "\"other\""), ("Range", "bytes=5000-")], 412),
        (&[("If-Match", tag), ("Range", "bytes=5000-")], 416),
    ];
    for (fields, status) in table {
        let request =
            fields.iter().fold(get(&daemon, &target), |request, (name, value)| request.field(name, value));
        let response = http.call(request);
        assert_eq!(response.status, *status, "{fields:?}");
        match status {
            304 => {
                assert_eq!(response.field("ETag"), Some(tag), "{fields:?}");
                assert_eq!((response.field("Content-Length"), response.field("Content-Type")), (None, None));
            }
            412 => assert_eq!(response.code(), "precondition_failed"),
            _ => {}
        }
    }
}

#[test]
fn names_and_types_are_those_of_the_opened_file() {
    let daemon = Daemon::start(&[]);
    for (name, content_type, disposition) in [
        ("a b.mkv", "video/x-matroska", "inline; filename=\"a b.mkv\"; filename*=UTF-8''a%20b.mkv"),
        ("Ünï\"c.m4v", "video/mp4", "inline; filename=\"_n__c.m4v\"; filename*=UTF-8''%C3%9Cn%C3%AF%22c.m4v"),
        ("clip.TS", "video/mp2t", "inline; filename=\"clip.TS\"; filename*=UTF-8''clip.TS"),
        (
            "page.html",
            "text/plain; charset=utf-8",
            "inline; filename=\"page.html\"; filename*=UTF-8''page.html",
        ),
        ("noending", "video/x-msvideo", "inline; filename=\"noending\"; filename*=UTF-8''noending"),
    ] {
        fs::create_dir_all(daemon.home.root().join("dir.mp4")).unwrap();
        fs::write(daemon.home.root().join("dir.mp4").join(name), "x").unwrap();
        let id = open(&daemon, json!({"root": "main", "path": format!("dir.mp4/{name}")}));
        let response = daemon.http().call(get(&daemon, &format!("/stream/{id}/other.avi"))).expect(200);
        assert_eq!(response.field("Content-Type"), Some(content_type), "{name}");
        assert_eq!(response.field("Content-Disposition"), Some(disposition), "{name}");
    }
}

#[test]
fn a_file_whose_name_tells_nothing_has_the_type_of_what_it_is_called() {
    let daemon = daemon_with("payload.bin", b"x");
    let id = open(&daemon, json!({"root": "main", "path": "payload.bin"}));
    for (called, content_type) in [
        ("", "application/octet-stream"),
        ("/", "application/octet-stream"),
        ("/any-name.mkv", "video/x-matroska"),
        ("/a%20b/c.m4v", "video/mp4"),
        ("/page.html", "text/plain; charset=utf-8"),
        ("/any-name", "application/octet-stream"),
    ] {
        let response = daemon.http().call(get(&daemon, &format!("/stream/{id}{called}"))).expect(200);
        assert_eq!(response.field("Content-Type"), Some(content_type), "{called}");
    }
}

#[test]
fn large_files_and_large_parts_come_whole() {
    let bytes = content(9 << 20);
    let daemon = daemon_with("film.mp4", &bytes);
    let id = open(&daemon, json!({"root": "main", "path": "film.mp4"}));
    for port in [daemon.port, daemon.stream_port] {
        let mut http = Http::connect(port);
        let target = format!("/stream/{id}");
        assert!(http.call(get(&daemon, &target)).expect(200).body == bytes);
        let suffix = http.call(get(&daemon, &target).field("Range", "bytes=-5000000")).expect(206);
        assert!(suffix.body == bytes[bytes.len() - 5_000_000..]);
        let parts =
            http.call(get(&daemon, &target).field("Range", "bytes=0-3000000,4000000-8000000,-1")).expect(206);
        let length: usize = parts.field("Content-Length").unwrap().parse().unwrap();
        assert_eq!(parts.body.len(), length);
        let at = parts.body.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        assert!(parts.body[at..at + 3_000_001] == bytes[..3_000_001]);
    }
}

#[test]
fn what_is_not_there_or_not_ones_own_is_refused() {
    let daemon = daemon_with("film.mp4", &content(SIZE));
    let id = open(&daemon, json!({"root": "main", "path": "film.mp4"}));
    let target = format!("/stream/{id}");
    let mut http = daemon.http();
    http.call(Request::get(&target)).refused(401, "token_invalid");
    http.call(Request::get(&target).token(&daemon.token)).refused(400, "session_required");
    http.call(Request::get(&target).token(&daemon.token).session("other")).refused(404, "no_such_file");
    http.call(get(&daemon, "/stream/999")).refused(404, "no_such_file");
    fs::remove_file(daemon.home.root().join("film.mp4")).unwrap();
    http.call(get(&daemon, &target)).refused(404, "not_found");
    let close = Request::post(&format!("/files/{id}/close")).token(&daemon.token).session(SESSION);
    http.call(close).expect(200);
    http.call(get(&daemon, &target)).refused(404, "no_such_file");
}

/// Asks for a ticket; the answer's `url`, split into port and target.
fn ticket(daemon: &Daemon, body: Value) -> (u16, String) {
    let request = Request::post("/control/stream_ticket").token(&daemon.token).session(SESSION).json(&body);
    let answer = daemon.http().call(request).expect(200).json();
    assert!(answer["expiresAtMs"].as_u64().is_some(), "{answer}");
    let url = answer["url"].as_str().unwrap().strip_prefix("http://127.0.0.1:").unwrap().to_owned();
    let (port, target) = url.split_once('/').unwrap();
    (port.parse().unwrap(), format!("/{target}"))
}

#[test]
fn a_ticket_opens_one_stream_and_nothing_else() {
    let daemon = daemon_with("a film.mp4", &content(SIZE));
    let id = open(&daemon, json!({"root": "main", "path": "a film.mp4"}));
    let other = open(&daemon, json!({"root": "main", "path": "a film.mp4"}));
    let (port, target) = ticket(&daemon, json!({"fileId": id, "ttlSeconds": 3600}));
    assert_eq!(port, daemon.stream_port);
    let (path, secret) = target.split_once("?ticket=").unwrap();
    assert_eq!(path, format!("/stream/{id}/a%20film.mp4"));
    assert_eq!(secret.len(), 22, "128 bits");
    for port in [daemon.port, daemon.stream_port] {
        let mut http = Http::connect(port);
        check(&http.call(Request::get(&target).field("Range", "bytes=5-9")), "5-9", "with a ticket");
        check(
            &http.call(Request::get(&format!("/stream/{id}?x=y&ticket={secret}"))),
            "200",
            "under another name",
        );
        http.call(Request::new("HEAD", &target)).expect(200);
        http.call(Request::get(&format!("/stream/{other}?ticket={secret}"))).refused(401, "ticket_invalid");
        http.call(Request::get(&format!("/stream/999?ticket={secret}"))).refused(401, "ticket_invalid");
        for bad in ["", "x", &secret[..21], &format!("{secret}A"), &daemon.token, &"A".repeat(22)] {
            let refused = http.call(Request::get(&format!("/stream/{id}?ticket={bad}")).token(&daemon.token));
            refused.refused(401, "ticket_invalid");
        }
        let twice = http.call(Request::get(&format!("{target}&ticket={secret}")));
        twice.refused(401, "ticket_invalid");
    }
    let mut http = daemon.http();
    for target in ["/files/1", "/files/1/read", "/roots", "/control/stream_ticket"] {
        http.call(Request::get(&format!("{target}?ticket={secret}"))).refused(401, "token_invalid");
    }
    http.call(Request::post(&target)).refused(401, "token_invalid");
}

#[test]
fn tickets_end_with_their_time_and_their_file() {
    let daemon = daemon_with("film.mp4", &content(SIZE));
    let id = open(&daemon, json!({"root": "main", "path": "film.mp4"}));
    let mut http = Http::connect(daemon.stream_port);
    let (_, brief) = ticket(&daemon, json!({"fileId": id, "ttlSeconds": 0}));
    http.call(Request::get(&brief)).refused(401, "ticket_invalid");
    let (_, lasting) = ticket(&daemon, json!({"fileId": id}));
    http.call(Request::get(&lasting)).expect(200);
    let close = Request::post(&format!("/files/{id}/close")).token(&daemon.token).session(SESSION);
    daemon.http().call(close).expect(200);
    http.call(Request::get(&lasting)).refused(401, "ticket_invalid");
}

#[test]
fn requests_for_tickets_are_checked() {
    let daemon = daemon_with("film.mp4", &content(SIZE));
    let id = open(&daemon, json!({"root": "main", "path": "film.mp4"}));
    let mut http = daemon.http();
    let mut ask = |body: Value| {
        http.call(Request::post("/control/stream_ticket").token(&daemon.token).session(SESSION).json(&body))
    };
    ask(json!({"fileId": 999})).refused(404, "no_such_file");
    ask(json!({"fileId": u64::from(u32::MAX) + 1 + id})).refused(404, "no_such_file");
    ask(json!([id, 60])).refused(400, "bad_json");
    ask(json!({"fileId": id, "ttlSeconds": 86_401})).refused(400, "bad_parameter");
    ask(json!({"fileId": id, "ttlSeconds": 86_400})).expect(200);
    ask(json!({"fileId": id, "ttlSeconds": -1})).refused(400, "bad_json");
    ask(json!({"ttlSeconds": 1})).refused(400, "bad_json");
    let other = Request::post("/control/stream_ticket").token(&daemon.token).session("other");
    daemon.http().call(other.json(&json!({"fileId": id}))).refused(404, "no_such_file");
}

#[test]
fn a_file_that_shrinks_under_its_stream_cuts_the_connection() {
    let bytes = content(40 << 20);
    let daemon = daemon_with("film.mp4", &bytes);
    let id = open(&daemon, json!({"root": "main", "path": "film.mp4"}));
    let mut http = Http::connect(daemon.stream_port);
    http.send(&get(&daemon, &format!("/stream/{id}")));
    let (mut stream, mut got) = http.into_parts();
    got.resize(1, 0);
    stream.read_exact(&mut got).unwrap();
    let mut file = fs::File::options().write(true).open(daemon.home.root().join("film.mp4")).unwrap();
    file.set_len(100).unwrap();
    // What takes its place is longer than what was promised, and still not what was streamed.
    file.seek(SeekFrom::Start(100)).unwrap();
    file.write_all(b"x").unwrap();
    let ended = stream.read_to_end(&mut got);
    assert!(
        ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset),
        "a reset, no plain end"
    );
    assert!(got.len() < bytes.len());
}
