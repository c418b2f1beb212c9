//! Each call on a file that a scenario makes fails once: the first, the second, to the last. The method of SQLite and
//! libtorrent.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::calls::{Call, Calls, Wish};
use crate::quiet;
use crate::scenario::{self, Failure, Told};
use crate::support::daemon::{Daemon, Home};
use crate::support::http::{Http, Request};

/// What may fail and be made up for without a word: looks at what is in memory, at holes and at free space, and the quick
/// look at a size, which a slower one follows.
const MADE_UP_FOR: &[&str] = &["preadv2", "cachestat", "lseek", "statfs", "fstatfs", "statx"];

/// `RWF_NOWAIT` of linux/fs.h.
const RWF_NOWAIT: u64 = 8;

/// A call: the step that made it, its name, and which of that name it was in that step.
type Place = (&'static str, &'static str, usize);

/// A course of the scenario, as judge and test share it.
#[derive(Default)]
struct Course {
    step: &'static str,
    /// Calls of this course so far.
    seen: Vec<Place>,
    /// Places that had their turn, in this course or one before.
    done: BTreeSet<Place>,
    struck: Vec<Place>,
}

impl Course {
    /// Whether it is this call's turn: one in each step of a course.
    fn strikes(&mut self, call: &Call) -> bool {
        let before = self.seen.iter().filter(|(step, name, _)| (*step, *name) == (self.step, call.name));
        let place = (self.step, call.name, before.count());
        self.seen.push(place);
        let is_first = self.struck.last().is_none_or(|(step, ..)| *step != self.step);
        let strikes = is_first && self.done.insert(place);
        if strikes {
            self.struck.push(place);
        }
        strikes
    }
}

/// What the log's thread does has its own time, and a test of its own; whatever close returns, the descriptor is gone.
fn is_left_alone(call: &Call) -> bool {
    call.path.file_name().is_some_and(|name| name == "io-daemon.log") || call.name == "close"
}

/// Goes through the scenario until each call that is meant had its turn; holds what came of each, in its step, against
/// `judged`.
fn each(what: &str, wish: Wish, meant: fn(&Call) -> bool, judged: impl Fn(Place, &[Failure])) {
    if let Some((daemon, calls)) = Calls::start(Home::new(), &[]) {
        strike(&daemon, &calls, what, &wish, meant, judged);
    }
}

fn strike(
    daemon: &Daemon,
    calls: &Calls,
    what: &str,
    wish: &Wish,
    meant: impl Fn(&Call) -> bool + Send + 'static,
    judged: impl Fn(Place, &[Failure]),
) {
    let course = Arc::new(Mutex::new(Course::default()));
    let wish = wish.clone();
    let (shared, home) = (Arc::clone(&course), daemon.home.path(""));
    calls.judge(move |call| {
        let is_meant = call.path.starts_with(&home) && !is_left_alone(call) && meant(call);
        if is_meant && shared.lock().expect("a course").strikes(call) { wish.clone() } else { Wish::Pass }
    });
    let go = |number: usize| {
        let on_step = |step| course.lock().expect("a course").step = step;
        let failures = scenario::run(daemon, &format!("course-{number}"), &on_step);
        let mut course = course.lock().expect("a course");
        course.seen.clear();
        (std::mem::take(&mut course.struck), failures)
    };
    let (mut courses, mut struck, mut told) = (0, 0, 0);
    let mut descriptors = None;
    loop {
        let (places, failures) = go(courses);
        if places.is_empty() {
            break;
        }
        for place in &places {
            let of_its_step: Vec<_> =
                failures.iter().filter(|failure| failure.step == place.0).cloned().collect();
            judged(*place, &of_its_step);
        }
        (courses, struck, told) = (courses + 1, struck + places.len(), told + failures.len());
        // After the first course; a few come and go by themselves, many would add up.
        let most = descriptors.map_or(usize::MAX, |first| first + 4);
        descriptors.get_or_insert(quiet(daemon, most));
    }
    println!(
        "{what}: {struck} calls in {courses} courses; the client was told of {told}, {} were made up for",
        struck - told
    );
    assert!(struck > 10, "the scenario makes more calls than {struck}");
}

/// The one failure that there must be.
fn only(place: Place, failures: &[Failure]) -> &Told {
    match failures {
        [Failure { step, told }] if *step == place.0 => told,
        _ => panic!("{place:?} failed, and {failures:?} came of it"),
    }
}

fn is_told_as(told: &Told, code: &str, errno: u32) -> bool {
    match told {
        Told::Code(found) => found == code,
        Told::Errno(found) => *found == errno,
        Told::Cut => false,
    }
}

#[test]
fn each_call_fails_once_and_nothing_is_lost() {
    each(
        "EIO",
        Wish::Fail(libc::EIO),
        |_| true,
        |place, failures| {
            if failures.is_empty() {
                assert!(MADE_UP_FOR.contains(&place.1), "{place:?} failed and nobody was told");
                return;
            }
            match (only(place, failures), place) {
                // The head was sent before.
                (Told::Cut, (_, "sendfile" | "pread64", _)) => {}
                (Told::Code(code), ("refresh", ..)) => assert_eq!(code, "rpc_info_unreadable"),
                (told, _) => assert!(is_told_as(told, "io_error", libc::EIO as u32), "{place:?}: {told:?}"),
            }
        },
    );
}

#[test]
fn each_call_that_takes_room_finds_none_once() {
    let takes_room = |call: &Call| {
        let makes = call.name == "openat2" && call.makes();
        makes || matches!(call.name, "pwrite64" | "pwritev" | "fallocate" | "ftruncate" | "mkdirat")
    };
    each("ENOSPC", Wish::Fail(libc::ENOSPC), takes_room, |place, failures| {
        let told = only(place, failures);
        assert!(is_told_as(told, "disk_full", libc::ENOSPC as u32), "{place:?}: {told:?}");
    });
}

fn nobody_notices(place: Place, failures: &[Failure]) {
    assert!(failures.is_empty(), "{place:?} and {failures:?}");
}

#[test]
fn each_call_that_opens_finds_no_descriptor_once_and_nobody_notices() {
    let opens = |call: &Call| matches!(call.name, "openat" | "openat2");
    each("EMFILE", Wish::Fail(libc::EMFILE), opens, nobody_notices);
}

#[test]
fn each_call_is_interrupted_once_and_nobody_notices() {
    each("EINTR", Wish::Fail(libc::EINTR), |_| true, nobody_notices);
}

#[test]
fn each_transfer_is_short_once_and_nobody_notices() {
    let transfers = |call: &Call| {
        matches!(call.name, "read" | "pread64" | "preadv2" | "pwrite64" | "pwritev" | "sendfile")
    };
    each("half of it", Wish::Half, transfers, nobody_notices);
}

/// What a client of another root does meanwhile, every answer of which must come.
fn work_elsewhere(port: u16, token: &str) {
    let mut http = Http::connect(port);
    let mut call = |request: Request| http.call(request.token(token).session("elsewhere")).expect(200);
    let path = data_encoding::BASE64.encode(b"elsewhere");
    call(Request::get("/health"));
    call(Request::post("/write/other").field("X-Path-Base64", &path).body("well"));
    assert_eq!(call(Request::get("/read/other").field("X-Path-Base64", &path)).body, b"well");
    call(Request::get("/hash/sha1/elsewhere?root_token=other"));
    call(Request::get("/stats"));
}

#[test]
fn each_call_hangs_once_while_another_root_is_served() {
    let home = Home::new();
    std::fs::create_dir(home.path("other")).expect("a folder");
    home.write_roots(&[("main", &home.root()), ("other", &home.path("other"))]);
    let Some((daemon, calls)) = Calls::start(home, &[]) else { return };
    let (poll_thread, root) = (daemon.process().id(), daemon.home.root());
    let (port, token) = (daemon.port, daemon.token.clone());
    let hangs = Wish::After(Arc::new(move || work_elsewhere(port, &token)));
    let meant = move |call: &Call| call.thread != poll_thread && call.path.starts_with(&root);
    strike(&daemon, &calls, "hanging", &hangs, meant, nobody_notices);
}

#[test]
fn the_poll_thread_makes_no_call_that_may_wait_for_a_disk() {
    let Some((daemon, calls)) = Calls::start(Home::new(), &[]) else { return };
    let (poll_thread, root) = (daemon.process().id(), daemon.home.root());
    // Names of its calls, and with all they were told those that may wait.
    let seen: Arc<Mutex<(BTreeSet<&str>, Vec<String>)>> = Arc::default();
    let by_poll_thread = Arc::clone(&seen);
    calls.judge(move |call| {
        if call.thread == poll_thread && call.path.starts_with(&root) {
            let [.., flags_of_statx, _, _, flags_of_read] = call.args;
            let does_not_wait = match call.name {
                "preadv2" => flags_of_read & RWF_NOWAIT != 0,
                "statx" => flags_of_statx & libc::AT_STATX_DONT_SYNC as u64 != 0,
                // Of what was found to be in memory.
                "sendfile" | "cachestat" => true,
                _ => false,
            };
            let mut seen = by_poll_thread.lock().expect("names");
            seen.0.insert(call.name);
            if !does_not_wait {
                seen.1.push(format!("{call:?}"));
            }
        }
        Wish::Pass
    });
    assert_eq!(scenario::run(&daemon, "poll-thread", &|_| {}), []);
    quiet(&daemon, usize::MAX);
    let (names, waiting) = &*seen.lock().expect("names");
    println!("calls on files by the poll thread: {names:?}, none that may wait");
    assert!(names.contains("preadv2") && waiting.is_empty(), "{waiting:#?}");
}

#[test]
fn all_transfers_are_short_and_nobody_notices() {
    let Some((daemon, calls)) = Calls::start(Home::new(), &[]) else { return };
    let home = daemon.home.path("");
    calls.judge(move |call| if call.path.starts_with(&home) { Wish::Half } else { Wish::Pass });
    assert_eq!(scenario::run(&daemon, "all-short", &|_| {}), []);
    quiet(&daemon, usize::MAX);
}
