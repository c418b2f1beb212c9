//! What the demo client knows, for the page to show and for tests to wait on.

use serde_json::{Value, json};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lines of the log that are kept.
const LINES_MAX: usize = 2000;

/// A request for bytes, by its number.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) range_id: u64,
    pub(crate) stream_id: u64,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    /// Nothing of it arrives before.
    pub(crate) due: Instant,
    /// Bytes of it that have arrived.
    pub(crate) arrived: u64,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) size: u64,
    /// Requests that are open, oldest first.
    pub(crate) open: VecDeque<Asked>,
    /// `offset..end` of what has arrived, merged.
    pub(crate) available: Vec<(u64, u64)>,
    /// Nothing arrives while this is set.
    pub(crate) is_held: bool,
    /// The next request for bytes in this part of the file waits so long, instead of the usual delay.
    pub(crate) slow: Option<(Range<u64>, Duration)>,
    pub(crate) requests: u64,
    pub(crate) cancels: u64,
    pub(crate) lines: VecDeque<String>,
    began: Instant,
}

/// Shared between the demo client, the page and tests.
#[derive(Clone, Debug)]
pub(crate) struct Shared(pub(crate) Arc<(Mutex<Known>, Condvar)>);

impl Known {
    /// Notes what happened, with the time since the start.
    pub(crate) fn log(&mut self, line: String) {
        let at = self.began.elapsed().as_secs_f64();
        self.lines.push_back(format!("{at:8.3} {line}"));
        if self.lines.len() > LINES_MAX {
            self.lines.pop_front();
        }
    }

    /// The bytes `offset..end` have arrived, for whoever asked for them; the next ones take a while.
    pub(crate) fn arrived(&mut self, offset: u64, end: u64, pause: Duration) {
        for asked in &mut self.open {
            if (offset..end).contains(&(asked.offset + asked.arrived)) {
                asked.arrived = asked.length.min(end - asked.offset);
                asked.due += pause;
            }
        }
        let is_answered = |asked: &Asked| asked.arrived == asked.length;
        while let Some(at) = self.open.iter().position(is_answered) {
            let range_id = self.open.remove(at).map_or(0, |asked| asked.range_id);
            self.log(format!("RANGE_AVAILABLE up to {end}: request {range_id} is answered"));
        }
        self.add(offset, end);
    }

    fn add(&mut self, offset: u64, end: u64) {
        self.available.push((offset, end));
        self.available.sort_unstable();
        self.available.dedup_by(|next, run| {
            let touches = next.0 <= run.1;
            if touches {
                run.1 = run.1.max(next.1);
            }
            touches
        });
    }

    /// What the page draws.
    pub(crate) fn json(&self) -> Value {
        let open = |asked: &Asked| {
            let Asked { range_id, stream_id, offset, length, arrived, .. } = asked;
            json!({"rangeId": range_id, "streamId": stream_id, "offset": offset, "length": length, "arrived": arrived})
        };
        json!({
            "size": self.size,
            "available": self.available,
            "open": self.open.iter().map(open).collect::<Vec<_>>(),
            "held": self.is_held,
            "requests": self.requests,
            "cancels": self.cancels,
            "log": self.lines.iter().rev().take(30).collect::<Vec<_>>(),
        })
    }
}

impl Shared {
    pub(crate) fn new(size: u64) -> Shared {
        let known = Known {
            size,
            open: VecDeque::new(),
            available: Vec::new(),
            is_held: false,
            slow: None,
            requests: 0,
            cancels: 0,
            lines: VecDeque::new(),
            began: Instant::now(),
        };
        Shared(Arc::new((Mutex::new(known), Condvar::new())))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something changed: whoever waits looks again.
    pub(crate) fn changed(&self) {
        self.0.1.notify_all();
    }
}
