//! The parent dies while files are being written: what was answered is in the files, and the end comes in time.

use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use serde_json::json;

use crate::support::DEADLINE;
use crate::support::daemon::{Daemon, Ended};
use crate::support::http::{Http, Request};

const WRITERS: usize = 8;
const BLOCK_BYTES: usize = 64 << 10;
/// Blocks that each writer has written before the parent is killed.
const WARM_UP_BLOCKS: usize = 4;

#[test]
fn writes_that_were_answered_are_in_the_files_after_the_parents_death() {
    let mut parent = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let mut daemon = Daemon::start(&["--parent-pid", &parent.id().to_string()]);
    let (warm, warmed) = channel();
    let writers: Vec<_> = (0..WRITERS)
        .map(|n| {
            let (port, token, warm) = (daemon.port, daemon.token.clone(), warm.clone());
            std::thread::spawn(move || write_until_the_end(port, &token, n, &warm))
        })
        .collect();
    for _ in 0..WRITERS {
        warmed.recv_timeout(DEADLINE).unwrap();
    }
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert_eq!(daemon.wait_for(Duration::from_secs(1)), Ended::Status(0));
    for (n, writer) in writers.into_iter().enumerate() {
        let answered = writer.join().unwrap();
        let written = std::fs::read(daemon.home.root().join(format!("file-{n}"))).unwrap();
        assert!(written.len() >= answered * BLOCK_BYTES, "{} < {answered} blocks", written.len());
        for (index, found) in written.chunks(BLOCK_BYTES).take(answered).enumerate() {
            assert!(found == block(n, index), "block {index} of file {n}");
        }
    }
}

/// Writes block after block until the daemon no longer answers; how many it answered.
fn write_until_the_end(port: u16, token: &str, n: usize, warm: &Sender<()>) -> usize {
    let mut http = Http::connect(port);
    let open = json!({"root": "main", "path": format!("file-{n}"), "write": true, "create": true});
    let opened = http.call(Request::post("/files/open").token(token).session("s").json(&open)).expect(201);
    let file = opened.json()["fileId"].as_u64().unwrap();
    for index in 0.. {
        let target = format!("/files/{file}/write?offset={}", index * BLOCK_BYTES);
        let request = Request::new("PATCH", &target).token(token).session("s").body(block(n, index));
        let answer = http.try_send_bytes(&request.bytes(port)).then(|| http.try_response(false)).flatten();
        match answer {
            Some(response) => assert_eq!(response.expect(200).json()["written"], BLOCK_BYTES),
            None => return index,
        }
        if index + 1 == WARM_UP_BLOCKS {
            warm.send(()).unwrap();
        }
    }
    unreachable!("the numbers don't end")
}

/// Bytes that no other block has.
fn block(n: usize, index: usize) -> Vec<u8> {
    (0..BLOCK_BYTES as u64 / 8)
        .flat_map(|at| ((n as u64) << 48 | (index as u64) << 24 | at).to_le_bytes())
        .collect()
}
