//! Writes the seeds of the fuzz targets to `seeds/`: one good input of each kind, and some that only just fail. Run
//! `cargo run --example seeds` in this folder after the protocol has changed.
#![allow(clippy::print_stdout)]

use jstorrent_io_proto::frame::{BINARY, CONTINUATION, PING, PONG, TEXT};
use jstorrent_io_proto::frame::{push_close, push_frame, push_masked_close, push_masked_frame};
use jstorrent_io_proto::message::{BatchWriter, ClientMessage, Packet, ServerMessage};
use std::fs;
use std::path::Path;

const KEY: [u8; 4] = [1, 2, 3, 4];

/// Heads are written with `¶` for CR LF, `{A}` for Host and token, `{S}` for the same and a session.
const REQUESTS: &[&str] = &[
    "GET /health HTTP/1.1¶Host: 127.0.0.1:49152¶¶",
    "GET /health HTTP/1.0¶Host: localhost:49152¶Connection: keep-alive¶¶",
    "¶¶HEAD http://LOCALHOST:49152/health?x HTTP/1.1¶Host: other¶¶",
    "OPTIONS * HTTP/1.1¶{A}¶",
    "CONNECT a.example:443 HTTP/1.1¶{A}¶",
    "OPTIONS /files/open HTTP/1.1¶Host: 127.0.0.1:49152¶Origin: https://jstorrent.com¶Access-Control-Request-Method: POST¶Access-Control-Request-Private-Network: true¶¶",
    "GET /stats HTTP/1.1¶Host: 127.0.0.1:49152¶Authorization: Bearer sesame¶Connection: close¶¶",
    "GET /stats HTTP/1.1¶Host: 127.0.0.1:49152¶X-JST-Auth: wrong¶¶",
    "GET /stats HTTP/1.1¶Host: evil.example:49152¶X-JST-Auth: sesame¶¶",
    "GET /stats HTTP/1.1¶{A}Origin: null¶¶",
    "GET /stats HTTP/1.1¶{A}Origin: chrome-extension://abcdefghijklmnopabcdefghijklmnop¶¶",
    "GET /stats HTTP/1.1¶{A}X-JST-Session: no blanks¶¶",
    "POST /files/open HTTP/1.1¶{S}Content-Type: application/json¶Content-Length: 26¶¶{\"root\":\"dev\",\"path\":\"a/b\"}",
    "POST /files/open HTTP/1.1¶{A}Content-Type: text/plain¶Content-Length: 2¶¶{}",
    "GET /files/7/read?offset=0&length=5 HTTP/1.1¶{S}¶GET /files/7 HTTP/1.1¶{S}¶",
    "PATCH /files/7/write?offset=0 HTTP/1.1¶{S}Content-Length: 3¶X-Expected-SHA1: a9993e364706816aba3e25717850c26c9cd0d89d¶¶abc",
    "PATCH /files/7/write?offset=0 HTTP/1.1¶{S}Transfer-Encoding: chunked¶Expect: 100-continue¶¶3;x=\"y\"¶abc¶0¶T: v¶¶",
    "POST /write/dev HTTP/1.1¶{A}X-Path-Base64: YS9i¶X-Offset: 0¶Content-Length: 0¶¶",
    "GET /hash/sha1/a%2Fb%20c?root_token=dev&offset=1&length=2 HTTP/1.1¶{A}¶",
    "GET /ops/list?path=&root_key=dev HTTP/1.1¶{A}¶",
    "POST /hash/from-file HTTP/1.1¶{A}Accept: application/x-ndjson, */*;q=0.1¶Content-Type: application/json;charset=utf-8¶Content-Length: 2¶¶{}",
    "GET /stream/7/film.mkv?ticket=abc HTTP/1.1¶Host: 127.0.0.1:49152¶Range: bytes=0-1,-5, 9-¶If-Range: \"e\"¶¶",
    "GET /stream/7 HTTP/1.1¶{S}Range: bytes=1000-¶¶",
    "GET /io HTTP/1.1¶Host: 127.0.0.1:49152¶Upgrade: websocket¶Connection: keep-alive, Upgrade¶Sec-WebSocket-Version: 13¶Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==¶Sec-WebSocket-Extensions: permessage-deflate¶¶",
    "GET /io HTTP/1.1¶{A}Upgrade: websocket¶Connection: Upgrade¶Sec-WebSocket-Version: 8¶Sec-WebSocket-Key: x¶¶",
    "POST /control/ping HTTP/1.1¶{A}Content-Length: 1¶Content-Length: 1¶¶x",
    "POST /control/ping HTTP/1.1¶{A}Content-Length: 1¶Transfer-Encoding: chunked¶¶0¶¶",
    "POST /control/ping HTTP/1.1¶{A}Transfer-Encoding: gzip, chunked¶¶0¶¶",
    "GET /health HTTP/1.1¶Host: 127.0.0.1:49152¶ folded¶¶",
    "GET /health HTTP/1.1¶Host : 127.0.0.1:49152¶¶",
    "GET /health HTTP/2.0¶Host: 127.0.0.1:49152¶¶",
    "GET /health HTTP/1.1\nHost: 127.0.0.1:49152\n\n",
    "PUT /nothing HTTP/1.1¶{A}¶",
];

const CHUNKED: &[&str] = &[
    "0¶¶",
    "3¶abc¶0¶¶GET",
    "a;name=value;q=\"x;\"¶0123456789¶0¶Trailer: v¶T2:¶¶",
    "00003¶abc¶000¶¶",
    "3 ;x¶abc¶0¶¶",
    "ffffffffffffffff¶",
    "10000000000000000¶",
    "3¶abcd",
    "3\nabc",
    "x¶",
];

const RANGES: &[&str] = &[
    "\x05bytes=0-1",
    "\x64bytes=0-",
    "\x64bytes=-5",
    "\x64bytes=-0",
    "\x00bytes=-1",
    "\x64bytes=5-4",
    "\x64bytes=0-1,4-5, 3-4 ,-2,,90-",
    "\x64BYTES=1-2",
    "\x0abytes=18446744073709551614-18446744073709551615",
    "\x64bytes=99999999999999999999999-",
    "\x64lines=1-2",
];

const CONDITIONS: &[&str] = &[
    "If-Match: \"e\"",
    "If-Match: W/\"e\", \"f\"",
    "If-Match: *",
    "If-None-Match: \"f\", \"e\"",
    "If-None-Match: \"a,b\", W/\"e\"",
    "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
    "If-Unmodified-Since: Sunday, 06-Nov-94 08:49:36 GMT",
    "If-Range: Sun Nov  6 08:49:37 1994",
    "If-Range: \"e\"¶If-Match: \"e\"¶If-None-Match: \"x\"",
];

const PATHS: &[&str] = &[
    "",
    ".",
    "a",
    "a/b\\c",
    "/a//b/./c/",
    "a..b/...",
    "..",
    "a/../b",
    "\\\\server\\share",
    "C:\\x",
    "c:x",
    "a\0b",
    "con",
    "COM1.txt",
    "aux ",
    "trailing.",
    "x:stream",
    "%2e%2e/a",
    "%2Fa%5Cb",
    "%",
    "bücher/é",
    "YS9iLmMxNg==",
    "Li4vYQ==",
    "6Q==",
];

const QUERIES: &[&str] = &[
    "path=a%2Fb&root_key=dev",
    "offset=0&offset=0",
    "offset=18446744073709551615",
    "offset=18446744073709551616",
    "offset=+1",
    "a=+%2B&b",
    "%61=x",
    "a=%zz",
    "a=%ff",
    "&&=&a",
];

const FIELDS: &[&str] = &[
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
    "Mon, 29 Feb 2100 00:00:00 GMT",
    "::1",
    "[::ffff:127.0.0.1]",
    "127.0.0.1",
    "tracker.example.com.",
    "session-1~!",
    "credit",
    "50% + é\u{1F600}",
];

const RPC_INFO: &[&str] = &[
    r#"{"version":1,"profiles":[{"install_id":"i","extension_id":"abcdefghijklmnopabcdefghijklmnop","download_roots":[{"key":"k","path":"/a","display_name":"A","removable":false,"last_stat_ok":true,"last_checked":0},{"key":"l","path":"/b"}]}]}"#,
    r#"{"profiles":[{"install_id":"x","download_roots":7},{"install_id":"i","extension_id":null,"download_roots":[{"key":"k","path":"/a","display_name":null}]}]}"#,
    "\u{FEFF}{\"profiles\":[{\"download_roots\":[],\"install_id\":\"i\"}]}",
    r#"{"profiles":[{"install_id":"i","download_roots":[{"key":"k","path":"relative"}]}]}"#,
    r#"{"profiles":[{"install_id":"i","download_roots":[{"key":"k","path":"/a"},{"key":"k","path":"/b"}]}]}"#,
    r#"{"profiles":[{"install_id":"\u0069","download_roots":[]}],"profiles":[]}"#,
    r#"{"profiles":{}}"#,
    "[]",
];

const CLIENT_OPS: &[&str] = &[
    r#"{"op":"hello","requestId":1}"#,
    r#"{"op":"hello","requestId":1,"client":"t","features":["credit","batch","range","keepalive","new"],"sessionId":"s","recvWindow":65536}"#,
    r#"{"op":"auth","requestId":2,"type":0,"token":"t","extensionId":"e","installId":"i","sessionId":"s"}"#,
    r#"{"op":"auth","requestId":2,"type":1,"token":"t"}"#,
    r#"{"op":"activity","requestId":0,"count":3}"#,
    r#"{"op":"keepalive","requestId":0}"#,
    r#"{"op":"tcp_connect","requestId":3,"socketId":1,"port":6881,"host":"::1"}"#,
    r#"{"op":"tcp_connect","requestId":3,"socketId":1,"port":80,"host":"peer.example","timeoutMs":5000,"noDelay":false,"localAddress":"10.0.0.1"}"#,
    r#"{"op":"tcp_send","requestId":0,"socketId":1,"data":"E0JpdFRvcnJlbnQ="}"#,
    r#"{"op":"tcp_close","requestId":0,"socketId":1}"#,
    r#"{"op":"tcp_listen","requestId":4,"serverId":2,"port":0,"bindAddr":"127.0.0.1"}"#,
    r#"{"op":"tcp_stop_listen","requestId":0,"serverId":2}"#,
    r#"{"op":"tcp_secure","requestId":5,"socketId":1,"flags":1,"hostname":"tls.example"}"#,
    r#"{"op":"tcp_credit","requestId":0,"socketId":1,"bytes":65536}"#,
    r#"{"op":"udp_bind","requestId":6,"socketId":3,"port":6881,"bindAddr":"::"}"#,
    r#"{"op":"udp_send","requestId":0,"socketId":3,"port":6969,"addr":"tracker.example","data":"AAA="}"#,
    r#"{"op":"udp_close","requestId":0,"socketId":3}"#,
    r#"{"op":"udp_join_multicast","requestId":0,"socketId":3,"group":"239.192.152.143"}"#,
    r#"{"op":"udp_leave_multicast","requestId":0,"socketId":3,"group":"239.192.152.143"}"#,
    r#"{"op":"range_available","requestId":0,"fileId":7,"offset":0,"length":1048576}"#,
    r#"{"op":"range_unavailable","requestId":0,"rangeId":1,"reason":"gone"}"#,
    r#"{"op":"file_read","requestId":7,"fileId":7,"offset":18446744073709551615,"length":16384}"#,
    r#"{"op":"file_write","requestId":8,"fileId":7,"offset":0,"check":0,"digest":"","data":"eA=="}"#,
    r#"{"op":"file_write","requestId":8,"fileId":7,"offset":0,"check":1,"digest":"qZk+NkcGgWq6PiVxeFDCbJzQ2J0=","data":"YWJj"}"#,
    r#"{"op":"error","requestId":9,"message":"no \"such\"\u00e9\ud83d\ude00\n"}"#,
];

const SERVER_OPS: &[&str] = &[
    r#"{"op":"server_hello","requestId":1,"server":"d/1","protocol":1,"features":["credit"],"limits":{"socketWindow":1048576,"messageBytes":67108864,"fileReadBytes":16777216},"authenticated":true}"#,
    r#"{"op":"auth_result","requestId":2,"status":1,"message":"no"}"#,
    r#"{"op":"tcp_connected","requestId":3,"socketId":1,"status":1,"errno":111}"#,
    r#"{"op":"tcp_recv","requestId":0,"socketId":1,"data":"AA=="}"#,
    r#"{"op":"tcp_close","requestId":0,"socketId":1,"hadError":true,"errno":104}"#,
    r#"{"op":"tcp_listen_result","requestId":4,"serverId":2,"status":0,"boundPort":6881,"errno":0}"#,
    r#"{"op":"tcp_accept","requestId":0,"serverId":2,"socketId":2147483649,"remotePort":5,"remoteAddr":"::1"}"#,
    r#"{"op":"tcp_secured","requestId":5,"socketId":1,"status":0}"#,
    r#"{"op":"udp_bound","requestId":6,"socketId":3,"status":0,"boundPort":6881,"errno":0}"#,
    r#"{"op":"udp_recv","requestId":0,"socketId":3,"port":1,"addr":"10.0.0.1","data":""}"#,
    r#"{"op":"range_request","requestId":0,"rangeId":1,"streamId":2,"fileId":7,"offset":0,"length":4194304}"#,
    r#"{"op":"range_cancel","requestId":0,"rangeId":1}"#,
    r#"{"op":"file_data","requestId":7,"fileId":7,"status":0,"errno":0,"data":"AAAA"}"#,
    r#"{"op":"file_written","requestId":8,"fileId":7,"status":2,"errno":0,"written":0}"#,
    r#"{"op":"roots_changed","requestId":0,"roots":[{"key":"k","displayName":"A","removable":false,"lastStatOk":true}]}"#,
    // JSON, though no f64.
    r#"{"op":"roots_changed","requestId":0,"roots":7e999}"#,
];

fn put(target: &str, seeds: impl IntoIterator<Item = Vec<u8>>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder for seeds");
    for (number, seed) in seeds.into_iter().enumerate() {
        fs::write(folder.join(format!("{number:02}")), seed).expect("a seed");
    }
    println!("{target}");
}

fn lines(texts: &[&str]) -> Vec<Vec<u8>> {
    let own = "Host: 127.0.0.1:49152¶X-JST-Auth: sesame¶";
    let session = "Host: 127.0.0.1:49152¶X-JST-Auth: sesame¶X-JST-Session: s¶";
    let expand =
        |text: &&str| text.replace("{A}", own).replace("{S}", session).replace('¶', "\r\n").into_bytes();
    texts.iter().map(expand).collect()
}

fn binary_of_client(text: &str) -> Vec<u8> {
    let mut text = text.as_bytes().to_vec();
    match ClientMessage::decode_json(&mut text) {
        Ok(Packet::Message { request_id, message }) => {
            let mut out = Vec::new();
            message.encode_binary(request_id, &mut out);
            out
        }
        other => panic!("{other:?}"),
    }
}

fn binary_of_server(text: &str) -> Vec<u8> {
    let mut json = text.as_bytes().to_vec();
    match ServerMessage::decode_json(&mut json) {
        Ok(Packet::Message { request_id, message }) => {
            let mut out = Vec::new();
            message.encode_binary(request_id, &mut out);
            out
        }
        other => panic!("{text}: {other:?}"),
    }
}

fn frames() -> Vec<Vec<u8>> {
    let made = |make: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        make(&mut out);
        out
    };
    vec![
        made(&|out| push_masked_frame(out, BINARY, true, KEY, b"whole")),
        made(&|out| {
            push_masked_frame(out, TEXT, false, KEY, "né".as_bytes());
            push_masked_frame(out, PING, true, KEY, b"between");
            push_masked_frame(out, CONTINUATION, true, KEY, b"end");
        }),
        made(&|out| push_masked_frame(out, BINARY, true, KEY, &[7; 126])),
        made(&|out| push_masked_frame(out, BINARY, true, KEY, &[7; 5000])),
        made(&|out| push_masked_frame(out, TEXT, true, KEY, b"\xff")),
        made(&|out| push_masked_frame(out, PONG, true, KEY, &[])),
        made(&|out| push_masked_close(out, KEY, Some(1000), "bye")),
        made(&|out| push_masked_close(out, KEY, None, "")),
        made(&|out| push_frame(out, BINARY, true, b"from a server")),
        made(&|out| push_close(out, Some(1001), "ending")),
        vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4],
        vec![0x82, 0xfe, 0, 1, 1, 2, 3, 4, 5],
        vec![0xc1, 0x80, 1, 2, 3, 4],
        vec![0x89, 0xfe, 0, 126, 1, 2, 3, 4],
    ]
}

fn main() {
    put("request_stream", lines(REQUESTS));
    put("chunked_body", lines(CHUNKED));
    // The first byte chooses the size, and may not be what UTF-8 makes of it.
    put("range", lines(RANGES));
    put("conditions", lines(CONDITIONS));
    put("path", lines(PATHS));
    put("query", lines(QUERIES));
    put("fields", lines(FIELDS));
    put("rpc_info", lines(RPC_INFO));
    put("ws_frames", frames());
    let client: Vec<_> = CLIENT_OPS.iter().map(|text| binary_of_client(text)).collect();
    put("ops_binary", client.iter().cloned().chain(SERVER_OPS.iter().map(|text| binary_of_server(text))));
    put("ops_json", lines(CLIENT_OPS).into_iter().chain(lines(SERVER_OPS)));
    let mut together = Vec::new();
    let mut writer = BatchWriter::new(7, &mut together);
    client.iter().take(8).for_each(|message| writer.push(|out| out.extend_from_slice(message)));
    let one = |message: &[u8]| [&(message.len() as u32).to_le_bytes()[..], message].concat();
    let json = CLIENT_OPS[..6].join(",").into_bytes();
    put(
        "batch",
        [
            vec![],
            together[8..].to_vec(),
            one(&client[4]),
            one(b"short"),
            vec![255; 4],
            json,
            b"1,[2],\"x\"".to_vec(),
        ],
    );
}
