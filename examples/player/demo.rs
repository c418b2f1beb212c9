//! The demo client: plays the part of the extension. It opens the file that is "downloaded", answers each RANGE_REQUEST in
//! the order in which they were asked, writing the bytes through the daemon and saying that they are available, at the
//! pace of a swarm. A thread of its own does that until this value goes.

use super::Result;
use super::client::Client;
use super::daemon::Daemon;
use super::http::Http;
use super::shared::{Asked, Known, Shared};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Bytes that arrive at a time: a block of a torrent's piece or so.
const BLOCK_BYTES: u64 = 256 << 10;
/// How often a client that waits looks whether it was told to do otherwise.
const LOOK: Duration = Duration::from_millis(10);

/// How bytes arrive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// From a request to its first byte.
    pub(crate) delay: Duration,
    /// From then on.
    pub(crate) bytes_per_s: u64,
}

/// The running demo client.
pub(crate) struct Demo {
    pub(crate) shared: Shared,
    pub(crate) file_id: u64,
    /// Where players find the stream.
    pub(crate) url: String,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What a page may see of it.
pub(crate) struct View {
    shared: Shared,
    /// Of the main port, with token and session.
    http: Http,
    file_id: u64,
    url: String,
}

/// What its thread has.
struct Supplier {
    client: Client,
    http: Http,
    video: File,
    file_id: u64,
    pace: Pace,
    shared: Shared,
    ends: Arc<AtomicBool>,
}

impl Demo {
    /// Opens a deferred file of the size of `video`, and begins to answer for it.
    pub(crate) fn start(daemon: &Daemon, video: &Path, pace: Pace) -> Result<Demo> {
        let source = File::open(video)?;
        let size = source.metadata()?.len();
        let name = video.file_name().and_then(|name| name.to_str()).unwrap_or("film.mp4");
        let mut http = daemon.http()?;
        let body = json!({"root": "dev", "path": name, "write": true, "create": true, "size": size, "deferred": true});
        let file_id = http.json("POST", "/files/open", &body)?["fileId"].as_u64().ok_or("no fileId")?;
        let ticket = http.json("POST", "/control/stream_ticket", &json!({"fileId": file_id}))?;
        let url = ticket["url"].as_str().ok_or("no url")?.to_owned();
        let (shared, ends) = (Shared::new(size), Arc::new(AtomicBool::new(false)));
        let (client, writer) = (Client::connect(daemon)?, daemon.http()?);
        let supplier = Supplier {
            client,
            http: writer,
            video: source,
            file_id,
            pace,
            shared: shared.clone(),
            ends: ends.clone(),
        };
        let thread = Some(thread::spawn(move || supplier.run()));
        Ok(Demo { shared, file_id, url, ends, thread })
    }

    /// A view for a page.
    pub(crate) fn view(&self, daemon: &Daemon) -> Result<View> {
        let (shared, url) = (self.shared.clone(), self.url.clone());
        Ok(View { shared, http: daemon.http()?, file_id: self.file_id, url })
    }
}

impl View {
    /// What the page draws.
    pub(crate) fn json(&mut self) -> Result<Value> {
        let mut state = self.shared.lock().json();
        state["fileId"] = self.file_id.into();
        state["url"] = self.url.clone().into();
        state["stats"] = self.http.json("GET", "/stats", &Value::Null)?;
        Ok(state)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it had to say is in the log.
            let _ = thread.join();
        }
    }
}

impl Supplier {
    fn run(mut self) {
        while !self.ends.load(Ordering::Relaxed) {
            if let Err(error) = self.step() {
                self.note(|known| known.log(format!("the demo client failed: {error}")));
                return;
            }
        }
    }

    fn note(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.shared.lock());
        self.shared.changed();
    }

    /// Hears what there is to hear, then lets one block arrive, if one is due.
    fn step(&mut self) -> Result<()> {
        let block = self.due_block();
        let wait = if block.is_some() { Duration::ZERO } else { LOOK };
        self.client.set_wait(wait)?;
        while let Some(message) = self.client.hear()? {
            self.heard(&message);
            self.client.set_wait(Duration::ZERO)?;
        }
        match self.due_block() {
            Some((offset, length)) => self.arrive(offset, length),
            None => Ok(()),
        }
    }

    fn heard(&self, message: &Value) {
        let number = |name: &str| message[name].as_u64().unwrap_or(0);
        let range_id = number("rangeId");
        self.note(|known| match message["op"].as_str() {
            Some("range_request") => {
                let (stream_id, offset, length) = (number("streamId"), number("offset"), number("length"));
                let slow = known.slow.take_if(|(part, _)| part.contains(&offset));
                let delay = slow.map_or(self.pace.delay, |(_, delay)| delay);
                known.requests += 1;
                known.log(format!("RANGE_REQUEST {range_id} by stream {stream_id}: {length} bytes from {offset}, due in {delay:.1?}"));
                let due = Instant::now() + delay;
                known.open.push_back(Asked { range_id, stream_id, offset, length, due, arrived: 0 });
            }
            Some("range_cancel") => {
                known.cancels += 1;
                known.log(format!("RANGE_CANCEL {range_id}"));
                known.open.retain(|asked| asked.range_id != range_id);
            }
            _ => known.log(format!("heard {message}")),
        });
    }

    /// The next block of the oldest request whose delay is over.
    fn due_block(&self) -> Option<(u64, u64)> {
        let known = self.shared.lock();
        let now = Instant::now();
        let asked = known.open.iter().find(|asked| asked.due <= now).filter(|_| !known.is_held)?;
        let left = asked.length - asked.arrived;
        Some((asked.offset + asked.arrived, left.min(BLOCK_BYTES)))
    }

    /// A block arrives: it is written, then said to be there.
    fn arrive(&mut self, offset: u64, length: u64) -> Result<()> {
        let mut block = vec![0; usize::try_from(length)?];
        self.video.seek(SeekFrom::Start(offset))?;
        self.video.read_exact(&mut block)?;
        let target = format!("/files/{}/write?offset={offset}", self.file_id);
        let answer = self.http.call("PATCH", &target, &block)?;
        if answer.status != 200 {
            return Err(format!("{target}: {}", answer.status).into());
        }
        let said =
            json!({"op": "range_available", "fileId": self.file_id, "offset": offset, "length": length});
        self.client.say(&said)?;
        let pause = Duration::from_secs_f64(length as f64 / self.pace.bytes_per_s as f64);
        self.note(|known| known.arrived(offset, offset + length, pause));
        Ok(())
    }
}
