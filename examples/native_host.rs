//! A small native host: what a program that integrates the daemon has to do, from configuration to the end.
//!
//!     cargo run --example native_host               # does the tour, then dies; the daemon goes with it
//!     cargo run --example native_host -- --check    # runs the tour as a child, and checks that the daemon is gone
//!
//! A path as last argument names the daemon to start; otherwise it is the one that cargo built beside the example.
//! HTTP is written by hand here, so that nothing is hidden: a real host would use its own client.
#![allow(clippy::print_stdout, reason = "it tells what it does")]

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{env, fs};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Which entry of rpc-info.json is ours. A real host makes it once, when it is installed.
const INSTALL_ID: &str = "example-install";
/// Which extension may call. A real host is told by the browser who started it.
const EXTENSION_ID: &str = "dbokmlpefliilbjldladbimlcfgbolhk";
/// Names the owner of the files that are opened.
const SESSION: &str = "example-session";

fn main() -> ExitCode {
    let mut args: Vec<String> = env::args().skip(1).collect();
    let check = args.first().is_some_and(|arg| arg == "--check");
    if check {
        args.remove(0);
    }
    let daemon = args.pop().map_or_else(built_daemon, |path| Ok(path.into()));
    let done = daemon.and_then(|daemon| if check { check_end(&daemon) } else { tour(&daemon) });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `target/debug/jstorrent-io-daemon` for `target/debug/examples/native_host`.
fn built_daemon() -> Result<PathBuf> {
    let examples = env::current_exe()?.parent().map(Path::to_owned).ok_or("no directory")?;
    let name = format!("jstorrent-io-daemon{}", env::consts::EXE_SUFFIX);
    let path = examples.with_file_name(name);
    if path.exists() { Ok(path) } else { Err(format!("{} is not built: cargo build", path.display()).into()) }
}

/// Everything a host does, one step after another.
fn tour(daemon: &Path) -> Result<()> {
    let home = env::temp_dir().join(format!("jstorrent-native-host-{}", std::process::id()));
    let (config, downloads) = (home.join("config"), home.join("downloads"));
    fs::create_dir_all(&downloads)?;

    write_rpc_info(&config, &[])?;
    println!("wrote rpc-info.json without roots");

    let (mut child, stdout) = start(daemon, &config)?;
    let ready = read_ready_line(stdout)?;
    println!("daemon {} is ready: http on port {}, streams on {}", child.id(), ready.port, ready.stream_port);

    write_rpc_info(&config, &[("downloads", &downloads)])?;
    ready.call("POST", "/api/read-rpc-info-from-disk", b"")?;
    println!("added the root \"downloads\" and had it read: {}", ready.call("GET", "/roots", b"")?);

    write_and_hash(&ready)?;
    let written = fs::read(downloads.join("hello/world.bin"))?;
    println!("the file is there: {} bytes", written.len());

    fs::remove_dir_all(&home)?;
    if let Some(status) = child.try_wait()? {
        return Err(format!("the daemon ended too early: {status}").into());
    }
    println!("dying now; daemon {} goes with us", child.id());
    Ok(())
}

/// Writes rpc-info.json so that a reader sees the old file or the new one, never a part.
fn write_rpc_info(config: &Path, roots: &[(&str, &Path)]) -> Result<()> {
    let roots: Vec<Value> = roots
        .iter()
        .map(|(key, path)| {
            json!({"key": key, "path": path, "display_name": key, "removable": false, "last_stat_ok": true,
                   "last_checked": 0})
        })
        .collect();
    let profile = json!({"install_id": INSTALL_ID, "extension_id": EXTENSION_ID, "download_roots": roots});
    let dir = config.join("jstorrent-native");
    fs::create_dir_all(&dir)?;
    let new = dir.join("rpc-info.json.new");
    let mut file = fs::File::create(&new)?;
    file.write_all(json!({"version": 1, "profiles": [profile]}).to_string().as_bytes())?;
    // Without this, a crash of the machine could leave an empty file under the new name.
    file.sync_all()?;
    Ok(fs::rename(new, dir.join("rpc-info.json"))?)
}

/// Starts the daemon. It watches us by itself; its stdin must not be ours, which may be the browser's messages.
fn start(daemon: &Path, config: &Path) -> Result<(Child, ChildStdout)> {
    let mut child = Command::new(daemon)
        .args(["--install-id", INSTALL_ID, "--parent-pid", &std::process::id().to_string(), "--config-dir"])
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take().ok_or("no stdout")?;
    Ok((child, stdout))
}

/// What the ready line tells: all that a client needs.
struct Ready {
    port: u16,
    stream_port: u16,
    token: String,
}

/// Reads the one line that comes; an end instead means that the daemon's stderr and status say why.
fn read_ready_line(stdout: ChildStdout) -> Result<Ready> {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let ready: Value = serde_json::from_str(&line).map_err(|_| "the daemon ended before it was ready")?;
    let port = |name: &str| {
        ready[name].as_u64().and_then(|port| u16::try_from(port).ok()).ok_or("a port is missing")
    };
    let token = ready["token"].as_str().ok_or("the token is missing")?.to_owned();
    Ok(Ready { port: port("port")?, stream_port: port("streamPort")?, token })
}

/// Opens a file, writes a MiB, has it on the disk, and compares the daemon's hash with our own.
fn write_and_hash(daemon: &Ready) -> Result<()> {
    let open = json!({"root": "downloads", "path": "hello/world.bin", "write": true, "create": true});
    let opened: Value =
        serde_json::from_str(&daemon.call("POST", "/files/open", open.to_string().as_bytes())?)?;
    let file = opened["fileId"].as_u64().ok_or("no fileId")?;
    println!("opened hello/world.bin as file {file}");

    let data: Vec<u8> = (0..1u32 << 18).flat_map(u32::to_le_bytes).collect();
    println!("wrote: {}", daemon.call("PATCH", &format!("/files/{file}/write?offset=0"), &data)?);
    daemon.call("POST", &format!("/files/{file}/flush"), b"")?;

    let ranges = json!([{"fileId": file, "offset": 0, "length": data.len()}]);
    let hash = json!({"algorithm": "sha256", "fileRanges": ranges});
    let hashed: Value =
        serde_json::from_str(&daemon.call("POST", "/hash/from-file", hash.to_string().as_bytes())?)?;
    let ours: String = Sha256::digest(&data).iter().map(|byte| format!("{byte:02x}")).collect();
    if hashed["hex"] != ours.as_str() {
        return Err(format!("hashed {hashed}, but ours is {ours}").into());
    }
    println!("hashed: {ours}, the same as ours");
    daemon.call("POST", &format!("/files/{file}/close"), b"")?;
    Ok(())
}

impl Ready {
    /// One request with its own connection; the body of the answer, where that is good.
    fn call(&self, method: &str, target: &str, body: &[u8]) -> Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nX-JST-Auth: {}\r\nX-JST-Session: {SESSION}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.port,
            self.token,
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("half an answer")?;
        if head.starts_with("HTTP/1.1 2") {
            Ok(body.to_owned())
        } else {
            Err(format!("{method} {target}: {answer}").into())
        }
    }
}

/// Runs the tour in a process of its own, and waits for the daemon to follow it.
fn check_end(daemon: &Path) -> Result<()> {
    // Host and daemon share a stderr: its end says that both are gone.
    let mut host = Command::new(env::current_exe()?).arg(daemon).stderr(Stdio::piped()).spawn()?;
    let mut stderr = host.stderr.take().ok_or("no stderr")?;
    let (ended, both_gone) = mpsc::channel();
    std::thread::spawn(move || {
        let mut log = String::new();
        // A log that is no text ends the wait as well.
        let _ = stderr.read_to_string(&mut log);
        let _ = ended.send(log);
    });
    let status = host.wait()?;
    let died = Instant::now();
    let log = both_gone.recv_timeout(Duration::from_secs(5)).map_err(|_| "the daemon outlived its host")?;
    if !status.success() {
        return Err(format!("the host failed; the daemon's log:\n{log}").into());
    }
    println!("the daemon was gone {} ms after its host", died.elapsed().as_millis());
    Ok(())
}
