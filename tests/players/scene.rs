//! What every player finds: a video, the daemon, a demo client that lets its bytes arrive, and a relay in between.

use super::daemon::{Daemon, Program};
use super::demo::{Demo, Pace};
use super::relay::Relay;
use super::shared::{Known, Shared};
use super::{DEADLINE, Result, WAIT, video};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Length of the video.
pub(crate) const SECONDS: u32 = 100;
/// A place that is still missing when a player has begun.
pub(crate) const FAR_S: u32 = 75;

/// The video, made once.
static VIDEO: OnceLock<TempDir> = OnceLock::new();

/// Everything but the player.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) daemon: Daemon,
    pub(crate) demo: Demo,
    pub(crate) relay: Relay,
    root: TempDir,
}

/// Whether a program is there; a test without it tests nothing, and says so.
pub(crate) fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_ok() {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "{program} is not installed");
    println!("NOT TESTED: {program} is not installed");
    false
}

/// The video as it is when it has arrived.
pub(crate) fn film() -> PathBuf {
    let made = VIDEO.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a folder");
        video::make(&dir.path().join("film.mp4"), SECONDS).expect("a video");
        dir
    });
    made.path().join("film.mp4")
}

impl Scene {
    /// For a player of that name, and for pages of that origin.
    pub(crate) fn start(name: &'static str, origin: &str) -> Result<Scene> {
        let root = tempfile::tempdir()?;
        let program = Program { path: env!("CARGO_BIN_EXE_jstorrent-io-daemon").into(), args: Vec::new() };
        let daemon = Daemon::start(program, root.path(), origin)?;
        let pace = Pace { delay: Duration::from_millis(200), bytes_per_s: 6 << 20 };
        let mut demo = Demo::start(&daemon, &film(), pace)?;
        let relay = Relay::start(&demo.url)?;
        demo.url = relay.url().to_owned();
        Ok(Scene { name, daemon, demo, relay, root })
    }

    /// Where it is.
    pub(crate) fn folder(&self) -> &Path {
        self.root.path()
    }

    /// The next request for bytes far ahead keeps its player waiting.
    pub(crate) fn slow_down_far(&self) {
        let size = self.demo.shared.lock().size;
        self.demo.shared.lock().slow = Some((Scene::far(size), WAIT));
    }

    /// The part that a player asks for who jumps to [`FAR_S`].
    fn far(size: u64) -> Range<u64> {
        size / 10 * 6..size / 10 * 9
    }

    /// Checks what is the same for all players, and leaves the notes of who asked for what.
    pub(crate) fn finish(self, told: &str) {
        let notes =
            format!("{}: {told}\n\n{}\n{}\n", self.name, self.relay.notes(), lines(&self.demo.shared.lock()));
        println!("{notes}");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("players");
        std::fs::create_dir_all(&folder).expect("a folder for notes");
        std::fs::write(folder.join(format!("{}.txt", self.name)), &notes).expect("notes");
        let shared = self.demo.shared.lock();
        assert!(shared.slow.is_none(), "nothing far ahead was asked for");
        assert!(!notes.contains("the demo client failed"));
        for status in self.relay.statuses() {
            assert!(matches!(status, 200 | 206 | 304 | 416), "a player was answered {status}");
        }
    }
}

impl Shared {
    /// Waits until it is so.
    pub(crate) fn wait_for(&self, what: &str, met: impl Fn(&Known) -> bool) {
        let waited = self.0.1.wait_timeout_while(self.lock(), DEADLINE, |known| !met(known));
        let (known, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "{what} did not come:\n{}", lines(&known));
    }
}

/// What the demo client heard and did.
fn lines(known: &Known) -> String {
    known.lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Waits for what tells nobody when it happens: looks again and again.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "{what} did not come");
        thread::sleep(Duration::from_millis(50));
    }
}
