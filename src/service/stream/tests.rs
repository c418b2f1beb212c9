//! What a stream of a deferred file sends, asks and cancels, with a clock in the hand and an `/io` connection that is
//! played by the test.

use super::supply::Supply;
use super::*;
use crate::conn::http::outbound::{Segment, Span};
use crate::ids::RootNumber;
use crate::job::{FileIdentity, Root};
use crate::limits::Limits;
use crate::state::Settings;
use crate::state::availability::Availability;
use crate::state::files::{Deferred, OpenFile};
use crate::state::notes::Note;
use crate::state::random::Random;
use crate::state::ranges::RangeId;
use jstorrent_io_proto::limits::{STREAM_ORPHAN_MS_MAX, STREAM_WINDOW_BYTES};
use jstorrent_io_proto::path::RelPath;
use jstorrent_io_proto::token::Token;
use std::collections::BTreeMap;

const MIB: u64 = 1 << 20;
const WINDOW: u64 = STREAM_WINDOW_BYTES;
const SIZE: u64 = 100 * MIB;

fn conn(slot: u32) -> ConnId {
    ConnId { slot, serial: 1 }
}

fn settings() -> Settings {
    Settings {
        token: Token::from_random(&[7; 32]),
        install_id: None,
        rpc_info_path: None,
        extra_origins: Vec::new(),
        idle_timeout_ms: 0,
        session_ms: 600_000,
        port: 1,
        stream_port: 2,
        epoch_ms: 0,
    }
}

/// What an `/io` connection was given to say.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// Channel, request, first byte, bytes.
    Request(u32, u64, u64, u64),
    Cancel(u32, u64),
    /// The stream is told to look again, or is cut.
    Look(u32),
    Cut(u32),
}

/// One deferred file of one session.
struct World {
    state: State,
    session: SessionId,
    file: FileId,
    handle: Arc<FileHandle>,
}

impl World {
    fn new() -> World {
        let mut state = State::new(Limits::default(), settings(), Random::Seeded(1));
        let session = session::used(&mut state, "s").unwrap();
        let root = Arc::new(Root { number: RootNumber(1), key: "main".into(), path: "/".into() });
        let path = RelPath::parse("film.mp4", false).unwrap();
        let identity = FileIdentity { device: 1, inode: 1, born_ns: 0 };
        let handle = Arc::new(FileHandle::new(1, root, path, false, identity));
        let file = OpenFile {
            session,
            handle: handle.clone(),
            deferred: Some(new_deferred(&state)),
            mtime_ms: 0,
            tag: 1,
            in_use: 0,
            closing: None,
            streams: BTreeMap::new(),
            tickets: Vec::new(),
        };
        let file = state.files.add(file);
        World { state, session, file, handle }
    }

    fn with_channel() -> World {
        let mut world = World::new();
        world.open_channel(90);
        world
    }

    fn open_channel(&mut self, slot: u32) {
        self.state.sessions.get_mut(self.session).unwrap().channels.push(conn(slot));
        channel_opened(&mut self.state, self.session, conn(slot));
    }

    fn close_channel(&mut self, slot: u32) {
        self.state.sessions.get_mut(self.session).unwrap().channels.retain(|other| *other != conn(slot));
        channel_closed(&mut self.state, self.session, conn(slot));
    }

    fn stream(&mut self, slot: u32, ranges: &[(u64, u64)]) -> Player {
        let mut out = Outbound::default();
        for &(offset, end) in ranges {
            let mut span = Span::new(&self.state, self.handle.clone(), Some(self.file), offset, end);
            span.open_until = offset;
            out.push(Segment::File(span));
        }
        let supply = Supply::new(&mut self.state, conn(slot), self.session, self.file);
        Player { slot, supply, out }
    }

    fn available(&mut self, offset: u64, length: u64) {
        available(&mut self.state, self.session, self.file.0, offset, length);
    }

    fn wait(&mut self, ms: u64) {
        self.state.now = self.state.now.plus_ms(ms);
    }

    /// All notes, as whoever gets them would act on them.
    fn said(&mut self) -> Vec<Said> {
        let mut said = Vec::new();
        while let Some((to, note)) = self.state.notes.take() {
            said.push(match note {
                Note::RangeRequest(id) => match told(&mut self.state, to, id) {
                    Some(range) => Said::Request(to.slot, id.0, range.offset, range.length),
                    None => continue,
                },
                Note::RangeCancel(RangeId(id)) => Said::Cancel(to.slot, id),
                Note::Look => Said::Look(to.slot),
                Note::Cut => Said::Cut(to.slot),
                _ => continue,
            });
        }
        said
    }
}

/// A stream and its answer.
struct Player {
    slot: u32,
    supply: Supply,
    out: Outbound,
}

impl Player {
    /// Lets it go on; what the `/io` connections then say.
    fn go(&mut self, world: &mut World) -> Vec<Said> {
        let step = self.supply.advance(&mut world.state, &mut self.out);
        assert!(matches!(step, Step::Wait), "{step:?}");
        world.said()
    }

    fn is_cut(&mut self, world: &mut World) -> bool {
        matches!(self.supply.advance(&mut world.state, &mut self.out), Step::Cut)
    }

    /// Behind the last byte that may be sent.
    fn open_until(&mut self) -> u64 {
        self.out.first_span_mut().unwrap().open_until
    }

    /// The socket took what there was, up to `bytes`.
    fn take(&mut self, bytes: u64) {
        let span = self.out.first_span_mut().unwrap();
        span.offset = span.open_until.min(span.offset + bytes);
    }

    fn leave(mut self, world: &mut World) -> Vec<Said> {
        self.supply.release(&mut world.state);
        world.state.files.any_mut(world.file).unwrap().streams.remove(&conn(self.slot));
        world.said()
    }
}

#[test]
fn what_is_missing_is_asked_for_a_window_at_a_time() {
    let mut world = World::with_channel();
    let mut player = world.stream(1, &[(10, SIZE)]);
    assert_eq!(player.go(&mut world), [Said::Request(90, 1, 10, WINDOW)]);
    assert_eq!(player.open_until(), 10);
    world.available(10, MIB);
    assert_eq!(world.said(), [Said::Look(1)]);
    assert_eq!(player.go(&mut world), [], "it stays open until all of it is there");
    assert_eq!(player.open_until(), 10 + MIB);
    // What comes out of order wakes nobody.
    world.available(10 + 2 * MIB, WINDOW - 2 * MIB);
    assert_eq!(world.said(), []);
    world.available(10 + MIB, MIB);
    assert_eq!(world.said(), [Said::Look(1)]);
    assert_eq!(
        player.go(&mut world),
        [Said::Request(90, 2, 10 + WINDOW, WINDOW)],
        "before the last is used up"
    );
}

#[test]
fn no_more_than_a_window_is_asked_for_ahead() {
    let mut world = World::with_channel();
    world.available(0, WINDOW + 1);
    let mut player = world.stream(1, &[(0, SIZE)]);
    assert_eq!(player.go(&mut world), []);
    player.take(1);
    assert_eq!(player.go(&mut world), [Said::Request(90, 1, WINDOW + 1, WINDOW)]);
}

#[test]
fn a_request_is_for_the_missing_run_within_the_range() {
    let mut world = World::with_channel();
    world.available(5 * MIB, MIB);
    world.available(7 * MIB, MIB);
    let mut player = world.stream(1, &[(4 * MIB, 8 * MIB + 5)]);
    assert_eq!(player.go(&mut world), [Said::Request(90, 1, 4 * MIB, MIB)]);
    world.available(4 * MIB, MIB);
    world.said();
    assert_eq!(player.go(&mut world), [Said::Request(90, 2, 6 * MIB, MIB)]);
    world.available(6 * MIB, MIB);
    world.said();
    assert_eq!(player.go(&mut world), [Said::Request(90, 3, 8 * MIB, 5)]);
    world.available(0, SIZE);
    world.said();
    assert_eq!(player.go(&mut world), []);
    assert_eq!(player.open_until(), 8 * MIB + 5);
    assert_eq!((world.state.ranges.len(), world.state.ranges.runs), (0, 1));
}

#[test]
fn several_ranges_are_supplied_in_their_order() {
    let mut world = World::with_channel();
    let mut player = world.stream(1, &[(50 * MIB, 50 * MIB + 10), (0, 10)]);
    assert_eq!(player.go(&mut world), [Said::Request(90, 1, 50 * MIB, 10)]);
    world.available(50 * MIB, 10);
    world.said();
    assert_eq!(player.go(&mut world), [Said::Request(90, 2, 0, 10)]);
    world.available(0, 10);
    assert_eq!(world.said(), [Said::Look(1)]);
    assert_eq!(player.go(&mut world), []);
}

#[test]
fn who_leaves_cancels_and_who_has_all_does_not() {
    let mut world = World::with_channel();
    let mut player = world.stream(1, &[(0, SIZE)]);
    player.go(&mut world);
    assert_eq!(player.leave(&mut world), [Said::Cancel(90, 1)]);
    world.available(0, SIZE);
    let mut player = world.stream(1, &[(0, SIZE)]);
    player.go(&mut world);
    assert_eq!(player.leave(&mut world), []);
}

#[test]
fn a_request_that_was_never_told_is_never_cancelled() {
    let mut world = World::with_channel();
    let mut player = world.stream(1, &[(0, SIZE)]);
    // It leaves within the same step.
    assert!(matches!(player.supply.advance(&mut world.state, &mut player.out), Step::Wait));
    assert_eq!(player.leave(&mut world), []);
}

#[test]
fn a_storm_of_abandoned_requests_asks_once_at_its_start_and_once_at_its_end() {
    let mut world = World::with_channel();
    let mut asked = 0;
    for request in 0..38_u64 {
        let mut player = world.stream(1, &[(request * MIB, SIZE)]);
        asked += player.go(&mut world).len();
        world.wait(4);
        player.leave(&mut world);
    }
    assert_eq!(asked, 1);
    let mut last = world.stream(1, &[(60 * MIB, SIZE)]);
    assert_eq!(last.go(&mut world), []);
    let wait = world.state.now.until(last.supply.deadline());
    assert!((1..=25).contains(&wait.as_millis()), "{wait:?}");
    world.state.now = last.supply.deadline();
    assert_eq!(last.go(&mut world), [Said::Request(90, 2, 60 * MIB, WINDOW)]);
    assert_eq!(last.supply.deadline(), Time::NEVER, "no timer while it waits");
    last.leave(&mut world);
    world.wait(1000);
    let mut later = world.stream(1, &[(0, SIZE)]);
    assert_eq!(later.go(&mut world), [Said::Request(90, 3, 0, WINDOW)], "once it is calm, at once");
}

#[test]
fn the_newest_channel_is_asked_and_a_new_one_anew() {
    let mut world = World::with_channel();
    let mut player = world.stream(1, &[(0, SIZE)]);
    assert_eq!(player.go(&mut world), [Said::Request(90, 1, 0, WINDOW)]);
    world.open_channel(91);
    assert_eq!(world.said(), [Said::Look(1)]);
    assert_eq!(player.go(&mut world), [Said::Cancel(90, 1), Said::Request(91, 2, 0, WINDOW)]);
    world.close_channel(91);
    assert_eq!(world.said(), [Said::Look(1)]);
    assert_eq!(player.go(&mut world), [Said::Request(90, 3, 0, WINDOW)]);
    world.close_channel(90);
    world.said();
    assert_eq!(player.go(&mut world), []);
    world.wait(STREAM_ORPHAN_MS_MAX - 1);
    assert_eq!(player.go(&mut world), []);
    world.open_channel(92);
    world.said();
    assert_eq!(player.go(&mut world), [Said::Request(92, 4, 0, WINDOW)]);
    assert_eq!(world.state.ranges.len(), 1);
}

#[test]
fn without_a_channel_it_is_cut_in_the_end() {
    let mut world = World::new();
    world.wait(5000);
    let mut player = world.stream(1, &[(0, SIZE)]);
    assert_eq!(player.go(&mut world), []);
    world.wait(STREAM_ORPHAN_MS_MAX - 1);
    assert!(!player.is_cut(&mut world));
    world.state.now = player.supply.deadline();
    assert!(player.is_cut(&mut world));
}

#[test]
fn a_channel_that_cannot_be_asked_still_keeps_streams_waiting() {
    let mut world = World::new();
    let mut player = world.stream(1, &[(0, SIZE)]);
    player.go(&mut world);
    world.state.sessions.get_mut(world.session).unwrap().channels.push(conn(80));
    world.wait(STREAM_ORPHAN_MS_MAX);
    assert!(!player.is_cut(&mut world));
    assert_eq!(player.supply.deadline(), Time::NEVER);
    world.close_channel(80);
    assert_eq!(world.said(), [Said::Look(1)]);
    player.go(&mut world);
    world.wait(STREAM_ORPHAN_MS_MAX - 1);
    assert!(!player.is_cut(&mut world));
    world.wait(1);
    assert!(player.is_cut(&mut world));
}

#[test]
fn unavailability_cuts_the_stream_that_asked_and_no_other() {
    let mut world = World::with_channel();
    let (mut one, mut two) = (world.stream(1, &[(0, SIZE)]), world.stream(2, &[(0, SIZE)]));
    assert_eq!(one.go(&mut world), [Said::Request(90, 1, 0, WINDOW)]);
    assert_eq!(two.go(&mut world), [Said::Request(90, 2, 0, WINDOW)]);
    let stranger = session::used(&mut world.state, "other").unwrap();
    assert!(!unavailable(&mut world.state, stranger, 1));
    assert!(!unavailable(&mut world.state, world.session, 77));
    assert_eq!(world.said(), []);
    assert!(unavailable(&mut world.state, world.session, 1));
    assert_eq!(world.said(), [Said::Cut(1)]);
    assert!(one.is_cut(&mut world));
    assert_eq!(one.leave(&mut world), [], "what was refused is not cancelled");
    assert!(!unavailable(&mut world.state, world.session, 1));
    assert_eq!(world.said(), []);
    assert_eq!(two.go(&mut world), []);
}

#[test]
fn what_is_said_of_no_deferred_file_changes_nothing() {
    let mut world = World::with_channel();
    let stranger = session::used(&mut world.state, "other").unwrap();
    assert!(!available(&mut world.state, stranger, world.file.0, 0, 5));
    assert!(!available(&mut world.state, world.session, 999, 0, 5));
    assert_eq!(world.state.ranges.runs, 0);
}

#[test]
fn bytes_that_were_forgotten_are_asked_for_again() {
    let mut world = World::with_channel();
    world.state.files.any_mut(world.file).unwrap().deferred =
        Some(Deferred { available: Availability::new(2), unsettled_until: Time::default() });
    let mut player = world.stream(1, &[(0, SIZE)]);
    world.available(0, MIB);
    assert_eq!(player.go(&mut world), [Said::Request(90, 1, MIB, WINDOW)]);
    // Two runs elsewhere drive out the one at the stream's place.
    world.available(50 * MIB, MIB);
    world.available(60 * MIB, MIB);
    world.said();
    assert_eq!(player.go(&mut world), [Said::Cancel(90, 1), Said::Request(90, 2, 0, WINDOW)]);
    world.available(0, WINDOW);
    assert_eq!(world.said(), [Said::Look(1)]);
    player.go(&mut world);
    assert_eq!(player.open_until(), WINDOW);
    assert!(world.state.ranges.runs <= 2);
}

#[test]
fn all_files_together_remember_so_much() {
    let mut world = World::with_channel();
    world.state.limits.runs_max = 10;
    for run in 0..1000 {
        world.available(run * 2 * MIB, 1);
    }
    assert_eq!(world.state.ranges.runs, 10);
}
