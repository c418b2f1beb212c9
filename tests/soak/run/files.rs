//! Clients of the HTTP half: files written, read, hashed and given up midway, roots that come and go, and what happens
//! where a client leaves in the middle of its own request.

use std::time::Instant;

use data_encoding::{BASE64, HEXLOWER};
use serde_json::json;
use sha1::{Digest, Sha1};
use sha2::Sha256;

use super::pattern;
use super::random::Random;
use super::support::daemon::Home;
use super::support::http::{Http, Request, Response};
use super::target::Target;

/// The longest file.
const LEN_MAX: u64 = 2 << 20;
const ROOTS: [&str; 2] = ["main", "second"];

/// Makes, checks and removes one file after another until the time has come.
pub(crate) fn run(target: &Target, random: &mut Random, number: u64, until: Instant) {
    let session = format!("files-{number}");
    let path = format!("files-{number}/one");
    let mut http = target.http();
    while Instant::now() < until {
        let mut work = Work::begin(target, random, &session, &path);
        work.write(&mut http);
        for _ in 0..work.random.below(8) {
            match work.random.below(6) {
                0 => work.read_back(&mut http),
                1 => work.hash(&mut http),
                2 => work.refuse_wrong_bytes(&mut http),
                3 => work.by_key(&mut http),
                4 => work.give_up_an_upload(),
                _ => work.give_up_a_stream(),
            }
        }
        work.read_back(&mut http);
        work.end(&mut http);
    }
}

/// Adds a root and takes it away again, and has the daemon read of it each time. At the end it is away.
pub(crate) fn refresh(target: &Target, home: &Home, random: &mut Random, until: Instant) {
    let mut http = target.http();
    while Instant::now() < until {
        set_roots(target, home, &mut http, random.percent(50));
        // Something to do meanwhile, of any length.
        let len = random.size(4 << 20);
        let body = pattern::whole(random.next(), len);
        let expected = Sha1::digest(&body).to_vec();
        let hash = target.call_on(&mut http, "refresh", Request::post("/hash/sha1").body(body)).expect(200);
        assert!(hash.body == expected, "another hash of {len} bytes");
    }
    set_roots(target, home, &mut http, false);
}

fn set_roots(target: &Target, home: &Home, http: &mut Http, with_third: bool) {
    let (main, second) = (home.root(), home.path("second"));
    let roots = [("main", &*main), ("second", &*second), ("third", &*second)];
    let roots = &roots[..if with_third { 3 } else { 2 }];
    home.write_roots(roots);
    let request = Request::post("/api/read-rpc-info-from-disk").json(&json!({}));
    target.call_on(http, "refresh", request).expect(200);
    let listed = target.call_on(http, "refresh", Request::get("/roots")).expect(200).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(roots.len()), "{listed}");
}

/// A file that is worked with.
struct Work<'a> {
    target: &'a Target,
    random: &'a mut Random,
    session: &'a str,
    root: &'static str,
    path: &'a str,
    id: u32,
    key: u64,
    len: u64,
}

impl<'a> Work<'a> {
    fn begin(target: &'a Target, random: &'a mut Random, session: &'a str, path: &'a str) -> Work<'a> {
        let root = ROOTS[random.below(2) as usize];
        let id = target.open_file(root, path, session);
        let (key, len) = (random.next(), random.size(LEN_MAX));
        Work { target, random, session, root, path, id, key, len }
    }

    fn call(&self, http: &mut Http, request: Request) -> Response {
        self.target.call_on(http, self.session, request)
    }

    fn patch(&self, offset: u64) -> Request {
        Request::new("PATCH", &format!("/files/{}/write?offset={offset}", self.id))
    }

    /// Writes all of it in pieces, some of them checked.
    fn write(&mut self, http: &mut Http) {
        let mut at = 0;
        while at < self.len {
            let n = self.random.size(pattern::PIECE_MAX as u64).min(self.len - at);
            let data = pattern::piece(self.key, at, n as usize);
            let request = self.patch(at).body(data);
            let request = match self.random.percent(30) {
                true => request.field("X-Expected-SHA256", &HEXLOWER.encode(&Sha256::digest(data))),
                false => request,
            };
            assert_eq!(self.call(http, request).expect(200).json(), json!({"written": n}));
            at += n;
        }
        self.target.count.bytes(self.len);
    }

    fn read_back(&mut self, http: &mut Http) {
        let offset = self.random.below(self.len);
        let request = Request::get(&format!("/files/{}/read?offset={offset}", self.id));
        let body = self.call(http, request).expect(200).body;
        let whole = body.len() as u64 == self.len - offset;
        assert!(whole && pattern::is_at(&body, self.key, offset), "read other bytes than were written");
        self.target.count.bytes(body.len() as u64);
    }

    fn hash(&mut self, http: &mut Http) {
        let range = json!({"fileId": self.id, "offset": 0, "length": self.len});
        let body = json!({"algorithm": "sha256", "fileRanges": [range]});
        let answer = self.call(http, Request::post("/hash/from-file").json(&body)).expect(200).json();
        let expected = HEXLOWER.encode(&Sha256::digest(pattern::whole(self.key, self.len)));
        assert_eq!(answer["hex"], expected, "{answer}");
    }

    fn refuse_wrong_bytes(&mut self, http: &mut Http) {
        let request = self.patch(0).field("X-Expected-SHA1", &"00".repeat(20)).body("wrong");
        self.call(http, request).refused(409, "hash_mismatch");
    }

    /// The same by root and path, as the shipping client does it.
    fn by_key(&mut self, http: &mut Http) {
        let path = BASE64.encode(self.path.as_bytes());
        let offset = self.random.below(self.len);
        let n = self.random.size(pattern::PIECE_MAX as u64).min(self.len - offset) as usize;
        let data = pattern::piece(self.key, offset, n);
        let write = Request::post(&format!("/write/{}", self.root))
            .field("X-Path-Base64", &path)
            .field("X-Offset", &offset.to_string())
            .field("X-Expected-SHA1", &HEXLOWER.encode(&Sha1::digest(data)))
            .body(data);
        self.call(http, write).expect(200);
        let read = Request::get(&format!("/read/{}", self.root))
            .field("X-Path-Base64", &path)
            .field("X-Offset", &offset.to_string())
            .field("X-Length", &n.to_string());
        assert!(self.call(http, read).expect(200).body == data, "read other bytes by key");
    }

    /// Announces more than it sends, then goes away. What it sends is what is there already.
    fn give_up_an_upload(&mut self) {
        let all = pattern::whole(self.key, self.len);
        let request = self.patch(0).body(all).token(&self.target.token).session(self.session);
        let bytes = request.bytes(self.target.port);
        let sent = self.random.below(bytes.len() as u64) as usize;
        self.target.http().try_send_bytes(&bytes[..sent]);
    }

    /// Asks for a stream, takes its first bytes, and goes away.
    fn give_up_a_stream(&mut self) {
        let mut http = self.target.http();
        let request = Request::get(&format!("/stream/{}/film.mkv", self.id));
        http.send(&request.token(&self.target.token).session(self.session));
        let (mut stream, read) = http.into_parts();
        assert!(read.is_empty());
        let mut start = [0; 12];
        std::io::Read::read_exact(&mut stream, &mut start).expect("the beginning of an answer");
        assert_eq!(&start, b"HTTP/1.1 200", "{:?}", String::from_utf8_lossy(&start));
    }

    fn end(self, http: &mut Http) {
        self.target.close_file(self.id, self.session);
        let body = json!({"root_key": self.root, "path": self.path});
        self.call(http, Request::post("/ops/delete").json(&body)).expect(200);
    }
}
