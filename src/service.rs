//! What each endpoint does, with no socket in sight. A request becomes a [`Task`]: it is told what arrives (body,
//! completions, notes) and asked, after each, what is to happen next. It never blocks, does no I/O and knows nothing
//! of heads and framing, which are `conn::http`'s.

pub mod answer;
pub mod await_job;
pub mod checked;
pub mod collect;
pub mod common;
pub mod config;
pub mod control;
pub mod files;
pub mod hash_body;
pub mod hash_files;
pub mod interfaces;
pub mod io;
pub mod io_files;
pub mod key;
pub mod lease;
pub mod list;
pub mod names;
pub mod paths;
pub mod read;
pub mod refusals;
pub mod roots;
pub mod salvage;
pub mod session;
pub mod sockets;
pub mod stats;
pub mod stream;
pub mod ticket;
pub mod write;

use crate::buffer::Buffer;
use crate::conn::http::outbound::Outbound;
use crate::ids::{ConnId, JobId, SessionId};
use crate::job::Done;
use crate::state::State;
use crate::state::buffers::{Account, Reservation};
use crate::time::Time;
use answer::Answer;
use jstorrent_io_proto::admission::Admitted;
use jstorrent_io_proto::content_type;
use jstorrent_io_proto::error::{Code, Refusal};
use jstorrent_io_proto::query::Query;
use jstorrent_io_proto::request::{BodyFraming, Head};
use jstorrent_io_proto::route::{Endpoint, Match};
use jstorrent_io_proto::upgrade;

/// Whom a task works for, and with what.
#[derive(Debug)]
pub struct Cx<'a> {
    /// All that is shared.
    pub state: &'a mut State,
    /// The connection that the request came by: jobs come home to it.
    pub me: ConnId,
}

/// One admitted request, as long as its head is in memory.
#[derive(Debug)]
pub struct Call<'a> {
    /// The head.
    pub head: &'a Head<'a>,
    /// What was checked.
    pub admitted: &'a Admitted<'a>,
    /// What it is for.
    pub found: &'a Match<'a>,
    /// The session that it named.
    pub session: Option<SessionId>,
}

impl<'a> Call<'a> {
    /// The target's query.
    pub fn query(&self) -> Query<'a> {
        Query::new(self.head.query)
    }

    /// The session, where the endpoint needs one.
    pub fn owner(&self) -> Result<SessionId, Refusal> {
        self.session.ok_or_else(|| Code::SessionRequired.into())
    }

    /// Whether the client asks for answers of that media type by its name.
    pub fn accepts(&self, kind: &str) -> bool {
        content_type::accepts(self.head, kind)
    }

    /// Whether what the head says of the body is what the endpoint takes: 411, 413 or 415 otherwise.
    pub fn check_body(&self) -> Result<(), Refusal> {
        content_type::check_body(self.head, self.found.route.body)
    }

    /// The announced length of the body, where it is known.
    pub fn body_length(&self) -> Option<u64> {
        match self.head.body {
            BodyFraming::None => Some(0),
            BodyFraming::Length(length) => Some(length),
            BodyFraming::Chunked => None,
        }
    }
}

/// What a task does with the request's body at present.
#[derive(Debug)]
pub enum Intake<'a> {
    /// Nothing: what comes is read and dropped.
    Drop,
    /// Not now: it waits for something, and the connection is not read.
    Later,
    /// A few bytes, collected whole: they go to this vector, up to that many.
    Collect(&'a mut Vec<u8>, usize),
    /// Buffers of the pool, on this account.
    Buffers(Account),
    /// Buffers that were paid for beforehand.
    Paid(&'a mut Reservation),
}

/// What is to happen next.
#[derive(Debug)]
pub enum Step {
    /// Nothing, until something arrives.
    Wait,
    /// The task has become another.
    Become(Box<Task>),
    /// This is the answer, and all of it.
    Reply(Answer),
    /// This is the answer's beginning; the rest follows by [`Step::More`], or the task pushes it.
    Begin(Answer),
    /// More of the body of the answer that was begun.
    More(Vec<u8>),
    /// The answer that was begun is complete.
    End,
    /// The answer can't be completed: cut the connection.
    Cut,
}

/// A request under way.
#[derive(Debug)]
pub enum Task {
    /// Answered without further ado.
    Ready(Option<Answer>),
    /// Collects a small body whole, then goes on.
    Collect(collect::Collect),
    /// Waits for one job.
    Await(await_job::Await),
    /// Names in a folder.
    List(list::List),
    /// Sends bytes of a file.
    Read(read::Read),
    /// Writes the body to a file as it arrives.
    Write(write::Write),
    /// Holds the body until it is found right, then writes it.
    Checked(Box<checked::Checked>),
    /// Hashes the body as it arrives.
    HashBody(hash_body::HashBody),
    /// Streams a file.
    Stream(stream::Stream),
    /// Hashes ranges of files.
    HashFiles(Box<hash_files::HashFiles>),
    /// Waits for a reading of the configuration.
    Refresh(config::Refresh),
    /// Waits for the space below the roots.
    Roots(roots::Roots),
    /// Opens a socket on an `/io` connection.
    OpenSocket(Box<sockets::OpenSocket>),
    /// Waits for a look at the workers.
    Stats(stats::Stats),
}

impl Task {
    /// A task that has its answer.
    pub fn ready(answer: Answer) -> Task {
        Task::Ready(Some(answer))
    }

    /// What it does with the body at present.
    pub fn intake(&mut self, state: &State) -> Intake<'_> {
        match self {
            Task::Collect(task) => task.intake(),
            Task::Write(task) => task.intake(state),
            Task::Checked(task) => task.intake(),
            Task::HashBody(task) => task.intake(state),
            _ => Intake::Drop,
        }
    }

    /// A buffer has been filled, or the body came to a rest.
    pub fn feed(&mut self, cx: &mut Cx<'_>, buffer: Buffer) {
        match self {
            Task::Write(task) => task.feed(cx, buffer),
            Task::Checked(task) => task.feed(cx, buffer),
            Task::HashBody(task) => task.feed(cx, buffer),
            _ => cx.state.buffers.give(buffer),
        }
    }

    /// Whether it has work under way, so that a buffer that is not full may as well wait for more bytes.
    pub fn is_busy(&self) -> bool {
        match self {
            Task::Write(task) => task.is_busy(),
            // It has paid for full buffers only.
            Task::Checked(_) => true,
            Task::HashBody(task) => task.is_busy(),
            _ => false,
        }
    }

    /// No more of the body can come at present, for lack of bytes or of memory.
    pub fn hurry(&mut self, cx: &mut Cx<'_>) {
        if let Task::Write(task) = self {
            task.hurry(cx);
        }
    }

    /// The body is complete.
    pub fn body_ended(&mut self) {
        match self {
            Task::Collect(task) => task.body_ended(),
            Task::Write(task) => task.body_ended(),
            Task::Checked(task) => task.body_ended(),
            Task::HashBody(task) => task.body_ended(),
            _ => {}
        }
    }

    /// A job of its has come home.
    pub fn completed(&mut self, cx: &mut Cx<'_>, job: JobId, done: Done) {
        match self {
            Task::HashFiles(task) => task.completed(cx, job, done),
            Task::Await(task) => task.completed(done),
            Task::List(task) => task.completed(cx, done),
            Task::Read(task) => task.completed(cx, done),
            Task::Write(task) => task.completed(cx, done),
            Task::Checked(task) => task.completed(cx, done),
            Task::HashBody(task) => task.completed(cx, done),
            Task::Stream(task) => task.completed(cx, done),
            Task::Ready(_)
            | Task::OpenSocket(_)
            | Task::Collect(_)
            | Task::Refresh(_)
            | Task::Roots(_)
            | Task::Stats(_) => salvage::salvage(cx.state, done),
        }
    }

    /// What is to happen next. Called after everything that arrives, until it says `Wait` or ends.
    pub fn advance(&mut self, cx: &mut Cx<'_>, out: &mut Outbound) -> Step {
        match self {
            Task::Ready(answer) => answer.take().map_or(Step::Wait, Step::Reply),
            Task::Collect(task) => task.advance(cx),
            Task::Await(task) => task.advance(cx),
            Task::List(task) => task.advance(cx),
            Task::Read(task) => task.advance(cx),
            Task::Write(task) => task.advance(cx),
            Task::Checked(task) => task.advance(cx),
            Task::HashBody(task) => task.advance(cx),
            Task::Stream(task) => task.advance(cx, out),
            Task::HashFiles(task) => task.advance(cx, out),
            Task::Refresh(task) => task.advance(cx),
            Task::Roots(task) => task.advance(cx),
            Task::OpenSocket(task) => task.advance(cx, out),
            Task::Stats(task) => task.advance(cx),
        }
    }

    /// When it is to be asked again, whatever has arrived by then.
    pub fn deadline(&self) -> Time {
        match self {
            Task::Stream(task) => task.deadline(),
            Task::Roots(task) => task.deadline(),
            _ => Time::NEVER,
        }
    }

    /// The player, or client, has ended its side while the answer is under way: whether that ends the task.
    pub fn minds_hang_up(&self) -> bool {
        match self {
            Task::Stream(task) => task.minds_hang_up(),
            Task::HashFiles(task) => task.minds_hang_up(),
            _ => false,
        }
    }

    /// Whether it holds a reservation while its answer is under way.
    pub fn holds_reservation(&self) -> bool {
        matches!(self, Task::HashFiles(task) if task.holds_reservation())
    }

    /// Whether it may last for hours: it is cut when the daemon ends.
    pub fn is_stream(&self) -> bool {
        matches!(self, Task::Stream(_))
    }

    /// It is over, answered or not: gives back all that it holds.
    pub fn release(&mut self, state: &mut State) {
        match self {
            Task::Collect(task) => task.release(state),
            Task::List(task) => task.release(state),
            Task::Read(task) => task.release(state),
            Task::Write(task) => task.release(state),
            Task::Checked(task) => task.release(state),
            Task::HashBody(task) => task.release(state),
            Task::Stream(task) => task.release(state),
            Task::HashFiles(task) => task.release(state),
            Task::Refresh(task) => task.release(state),
            Task::Roots(task) => task.release(state),
            Task::OpenSocket(task) => task.release(state),
            Task::Ready(_) | Task::Await(_) | Task::Stats(_) => {}
        }
    }
}

/// Begins what an admitted request asks for.
pub fn begin(cx: &mut Cx<'_>, call: &Call<'_>) -> Result<Task, Refusal> {
    match call.found.endpoint() {
        Endpoint::Health => Ok(Task::ready(Answer::text("ok"))),
        Endpoint::Ping => Ok(Task::ready(Answer::text("pong"))),
        Endpoint::Shutdown => Ok(control::shutdown(cx)),
        Endpoint::ReadRpcInfo => Ok(config::refresh(cx)),
        Endpoint::Roots => Ok(roots::begin(cx)),
        Endpoint::Stats => Ok(stats::begin(cx)),
        Endpoint::Interfaces => Ok(interfaces::begin(cx)),
        Endpoint::FileOpen
        | Endpoint::OpenSocket
        | Endpoint::CloseSocket
        | Endpoint::StreamTicket
        | Endpoint::OpsDelete
        | Endpoint::OpsTruncate
        | Endpoint::EnsureDir
        | Endpoint::HashFiles => collect::json(call),
        Endpoint::FileInfo => files::info(cx, call),
        Endpoint::FileRead => read::by_id(cx, call),
        Endpoint::FileWrite => write::by_id(cx, call),
        Endpoint::FileFlush => files::flush(cx, call),
        Endpoint::FilePreallocate => files::preallocate(cx, call),
        Endpoint::FileTruncate => files::truncate(cx, call),
        Endpoint::FileClose => files::close(cx, call),
        Endpoint::KeyRead => read::by_key(cx, call),
        Endpoint::KeyWrite => write::by_key(cx, call),
        Endpoint::OpsStat => paths::stat(cx, call),
        Endpoint::OpsList => paths::list(cx, call),
        Endpoint::HashBodySha1 | Endpoint::HashBodySha256 => hash_body::begin(cx, call),
        Endpoint::HashPathSha1 | Endpoint::HashPathSha256 => hash_files::by_path(cx, call),
        Endpoint::Stream => stream::begin(cx, call),
        // What was in order has become a WebSocket before this.
        Endpoint::Io => match upgrade::check(call.head) {
            Err(refusal) => Err(refusal),
            Ok(_) => Err(Code::Internal.into()),
        },
    }
}
