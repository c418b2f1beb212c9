//! A root whose disk hangs holds up requests on that root alone (PROTOCOL §4): a real file system is frozen under it.
//! Needs root, a loop device, mkfs.ext4 and fsfreeze; says so where it can't have them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use crate::support::daemon::{Daemon, Home};
use crate::support::http::{Http, Request};

/// Writes that are stuck at a time.
const STUCK: usize = 2_000;
/// Bytes of each.
const WRITE_BYTES: usize = 16 << 10;
/// What the daemon may hold meanwhile, in KiB.
const RESIDENT_KIB_MAX: u64 = 64 << 10;

/// A small file system of its own, which can be frozen; thawed and unmounted at the end.
struct Frozen {
    mount: PathBuf,
}

fn run(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).output().is_ok_and(|output| output.status.success())
}

impl Frozen {
    fn mount(home: &Home) -> Option<Frozen> {
        let (image, mount) = (home.path("disk.img"), home.path("frozen"));
        std::fs::File::create(&image).ok()?.set_len(128 << 20).ok()?;
        std::fs::create_dir(&mount).ok()?;
        let text = |path: &Path| path.to_str().expect("a temporary path").to_owned();
        (run("mkfs.ext4", &["-q", "-F", &text(&image)])
            && run("mount", &["-o", "loop", &text(&image), &text(&mount)]))
        .then_some(Frozen { mount })
    }

    fn freeze(&self, how: &str) -> bool {
        run("fsfreeze", &[how, self.mount.to_str().expect("a temporary path")])
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.freeze("-u");
        run("umount", &["-l", self.mount.to_str().expect("a temporary path")]);
    }
}

/// Thaws the disk before the daemon is waited for: threads of a process that hang in a frozen disk can't be killed.
struct Thaw<'a>(&'a Frozen);

impl Drop for Thaw<'_> {
    fn drop(&mut self) {
        self.0.freeze("-u");
    }
}

/// A test with thousands of connections needs as many descriptors on both sides.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

fn open(http: &mut Http, daemon: &Daemon, root: &str) -> u64 {
    let body = json!({"root": root, "path": "file", "write": true, "create": true});
    let request = Request::post("/files/open").token(&daemon.token).session("s").json(&body);
    http.call(request).expect(201).json()["fileId"].as_u64().expect("a number")
}

#[test]
fn a_frozen_disk_holds_up_its_own_root_alone() {
    raise_descriptor_limit();
    let home = Home::new();
    let Some(disk) = Frozen::mount(&home) else {
        println!("skipped: needs root, mkfs.ext4 and a loop device");
        return;
    };
    home.write_roots(&[("main", &home.root()), ("frozen", &disk.mount)]);
    let daemon = Daemon::start_in(home, &[]);
    let mut http = daemon.http();
    let (good, stuck) = (open(&mut http, &daemon, "main"), open(&mut http, &daemon, "frozen"));
    let write = |id: u64, index: usize| {
        Request::new("PATCH", &format!("/files/{id}/write?offset={}", index * WRITE_BYTES))
            .token(&daemon.token)
            .session("s")
            .body(vec![index as u8; WRITE_BYTES])
    };
    http.call(write(good, 0)).expect(200);
    if !disk.freeze("-f") {
        println!("skipped: fsfreeze does not work here");
        return;
    }
    let _thaw = Thaw(&disk);
    let mut waiting: Vec<Http> = Vec::new();
    for index in 0..STUCK {
        let mut connection = daemon.http();
        connection.send(&write(stuck, index));
        waiting.push(connection);
    }
    let began = Instant::now();
    http.call(Request::get("/health")).expect(200);
    let read = Request::get(&format!("/files/{good}/read?offset=0&length={WRITE_BYTES}"));
    let bytes = http.call(read.token(&daemon.token).session("s")).expect(200).body;
    assert_eq!(bytes, vec![0; WRITE_BYTES]);
    http.call(write(good, 1)).expect(200);
    println!("another root and /health answered in {:?} with {STUCK} writes stuck", began.elapsed());
    let resident = daemon.process().status("VmHWM");
    assert!(resident <= RESIDENT_KIB_MAX, "{resident} KiB at its peak");
    assert!(disk.freeze("-u"));
    for connection in &mut waiting {
        connection.response().expect(200);
    }
    let all = std::fs::read(disk.mount.join("file")).expect("the file");
    assert_eq!(all.len(), STUCK * WRITE_BYTES);
    for (index, block) in all.chunks(WRITE_BYTES).enumerate() {
        assert!(block.iter().all(|byte| *byte == index as u8), "block {index}");
    }
}
