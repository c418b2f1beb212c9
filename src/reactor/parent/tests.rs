//! Tests with real processes, which end when their stdin does.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mio::{Events, Poll};
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::*;

const PARENT: Token = Token(1);
const WAKE: Token = Token(2);

struct Loop {
    poll: Poll,
    waker: Arc<Waker>,
}

impl Loop {
    fn new() -> Loop {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), WAKE).unwrap());
        Loop { poll, waker }
    }

    fn watch(&self, parent: Parent) -> Start {
        ParentWatch::start(parent, self.poll.registry(), PARENT, &self.waker).unwrap()
    }

    /// The token of the next event, which must come.
    fn next_event(&mut self) -> Token {
        let mut events = Events::with_capacity(4);
        self.poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
        events.iter().next().expect("an event").token()
    }
}

fn process() -> Child {
    Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
}

/// Ends a process and leaves it unreaped.
fn make_zombie(child: &mut Child) {
    drop(child.stdin.take());
    let pid = family::pid(child.id()).unwrap();
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
}

/// Watching a process that we started, as if it had started us: by its id it is younger than this test.
fn watch_child(on: &Loop, child: &Child) -> Option<Process> {
    Process::watch(child.id(), on.poll.registry(), PARENT, &on.waker).unwrap()
}

#[test]
fn the_process_that_started_the_test_lives() {
    let on = Loop::new();
    let Start::Watching(mut watch) = on.watch(Parent::Starter) else { panic!("not watching") };
    assert!(!watch.is_dead());
}

/// Container runtimes start their first process in a session that has no number inside.
#[cfg(target_os = "linux")]
#[test]
fn the_starter_is_found_where_the_session_is_outside_our_namespace() {
    let test = "reactor::parent::tests::the_process_that_started_the_test_lives";
    let this = std::env::current_exe().unwrap();
    let run = "\"$0\" --exact \"$1\"; exit $?";
    let inside = ["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"];
    let command = |tail: &[&str]| Command::new("unshare").args(inside).args(tail).output();
    if !command(&["true"]).is_ok_and(|output| output.status.success()) {
        // No process namespaces can be made here.
        return;
    }
    let output = command(&["sh", "-c", run, this.to_str().unwrap(), test]).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn nobody_is_not_watched() {
    assert!(matches!(Loop::new().watch(Parent::Nobody), Start::Nobody));
}

#[test]
fn a_death_is_an_event_before_the_process_is_reaped() {
    let mut on = Loop::new();
    let mut child = process();
    let mut watched = watch_child(&on, &child).expect("a living process");
    assert!(!watched.is_dead());
    make_zombie(&mut child);
    assert_eq!(on.next_event(), PARENT);
    assert!(watched.is_dead());
    child.wait().unwrap();
    assert!(watched.is_dead());
}

#[test]
fn zombies_and_ids_of_nobody_count_as_dead() {
    let on = Loop::new();
    let mut child = process();
    make_zombie(&mut child);
    assert!(matches!(on.watch(Parent::Pid(child.id())), Start::AlreadyDead));
    child.wait().unwrap();
    assert!(matches!(on.watch(Parent::Pid(child.id())), Start::AlreadyDead));
    assert!(matches!(on.watch(Parent::Pid(i32::MAX as u32)), Start::AlreadyDead));
    assert!(matches!(on.watch(Parent::Pid(u32::MAX)), Start::AlreadyDead));
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_that_began_after_us_has_a_dead_ones_id() {
    let on = Loop::new();
    // The kernel's ticks are 10 ms: this test's process must be surely older than its child.
    let child = loop {
        let mut child = process();
        if watch_child(&on, &child).expect("alive").is_younger_than_us() {
            break child;
        }
        drop(child.stdin.take());
        child.wait().unwrap();
    };
    assert!(matches!(on.watch(Parent::Pid(child.id())), Start::AlreadyDead));
    let mut child = child;
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn without_pidfds_a_death_is_seen_by_polling() {
    let mut on = Loop::new();
    let mut child = process();
    let watch = polled::Poll::start(family::pid(child.id()).unwrap(), &on.waker).unwrap();
    assert!(!watch.is_dead());
    make_zombie(&mut child);
    assert_eq!(on.next_event(), WAKE);
    assert!(watch.is_dead());
    child.wait().unwrap();
}
