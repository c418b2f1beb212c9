//! Names that are to be looked up, and who waits for them. The system's resolver blocks a thread for as long as it
//! likes, and nobody can call it back; so what matters is in which order, and how fast, names are handed to it. A few go
//! at once. Where as many are out already, they are taken for stuck, and one goes every [`NameLimits::pace_ms`]: the
//! threads are not used up before the first of them are free again, and a name that is asked for now goes with the next
//! beat. Whoever asked is served in turn, each with its youngest name first, since the oldest are the next that nobody
//! will wait for any more; and those are never looked up. Looks nothing up itself.

use crate::ids::{ConnId, JobId};
use crate::limits::NameLimits;
use crate::time::Time;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

/// Who asks: for which channel, and whether to send a datagram. Each has a turn of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The `/io` connection.
    pub channel: ConnId,
    /// For a datagram, not for a connect.
    pub datagram: bool,
}

/// A name, and who waits for it.
#[derive(Debug)]
struct Lookup {
    host: String,
    waiting: Vec<ConnId>,
    /// A worker has it.
    out: bool,
}

/// All of them.
#[derive(Debug)]
pub struct Lookups {
    limits: NameLimits,
    /// By their names in lower case.
    known: HashMap<String, Lookup>,
    jobs: HashMap<JobId, String>,
    /// Those that have names in line, and the names. One that nobody waits for any more may be among them.
    lines: VecDeque<(Asker, Vec<String>)>,
    next_at: Time,
}

impl Lookups {
    /// None.
    pub fn new(limits: NameLimits) -> Lookups {
        Lookups {
            limits,
            known: HashMap::new(),
            jobs: HashMap::new(),
            lines: VecDeque::new(),
            next_at: Time::default(),
        }
    }

    /// How many names there are, in line or out.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// How many are out.
    pub fn out(&self) -> usize {
        self.jobs.len()
    }

    /// `who` waits for a name. `false`: there are too many already; a connect is always let in, as sockets are bounded.
    pub fn ask(&mut self, host: &str, who: ConnId, asker: Asker) -> bool {
        let full = self.known.len() >= self.limits.datagram_names_max;
        let key = host.to_ascii_lowercase();
        match self.known.entry(key) {
            Entry::Occupied(mut lookup) => {
                let waiting = &mut lookup.get_mut().waiting;
                if !waiting.contains(&who) {
                    waiting.push(who);
                }
            }
            Entry::Vacant(_) if full && asker.datagram => return false,
            Entry::Vacant(place) => {
                let key = place.key().clone();
                place.insert(Lookup { host: host.to_owned(), waiting: vec![who], out: false });
                match self.lines.iter_mut().find(|(other, _)| *other == asker) {
                    Some((_, line)) => line.push(key),
                    None => self.lines.push_back((asker, vec![key])),
                }
            }
        }
        true
    }

    /// The name that is to be handed to a worker now, if one is. Where there is no memory for its thread (`fits`), it is
    /// asked for again at the next beat.
    pub fn next(&mut self, now: Time, fits: bool) -> Option<String> {
        let at_once = self.jobs.len() < self.limits.at_once_max;
        if self.jobs.len() >= self.limits.out_max || !at_once && now < self.next_at {
            return None;
        }
        if !fits {
            self.next_at = now.plus_ms(self.limits.pace_ms);
            return None;
        }
        let host = self.pick()?;
        self.next_at = now.plus_ms(self.limits.pace_ms);
        Some(host)
    }

    fn pick(&mut self) -> Option<String> {
        while let Some((asker, mut line)) = self.lines.pop_front() {
            while let Some(key) = line.pop() {
                let Some(lookup) = self.known.get_mut(&key).filter(|lookup| !lookup.out) else { continue };
                lookup.out = true;
                if !line.is_empty() {
                    self.lines.push_back((asker, line));
                }
                return Some(lookup.host.clone());
            }
        }
        None
    }

    /// A worker has the name, as that job.
    pub fn handed_out(&mut self, job: JobId, host: &str) {
        self.jobs.insert(job, host.to_ascii_lowercase());
    }

    /// A look-up has ended: the name, and who waits for it.
    pub fn ended(&mut self, job: JobId) -> Option<(String, Vec<ConnId>)> {
        let key = self.jobs.remove(&job)?;
        self.known.remove(&key).map(|lookup| (lookup.host, lookup.waiting))
    }

    /// `who` waits for the name no more. One that nobody waits for, and no worker has, is not looked up.
    pub fn forget(&mut self, host: &str, who: ConnId) {
        let key = host.to_ascii_lowercase();
        let Some(lookup) = self.known.get_mut(&key) else { return };
        lookup.waiting.retain(|other| *other != who);
        if lookup.waiting.is_empty() && !lookup.out {
            self.known.remove(&key);
            self.tidy();
        }
    }

    /// Where most of what stands in line is not wanted any more, it is taken out.
    fn tidy(&mut self) {
        let in_line: usize = self.lines.iter().map(|(_, line)| line.len()).sum();
        if in_line <= 2 * self.known.len() + 16 {
            return;
        }
        let known = &self.known;
        self.lines.retain_mut(|(_, line)| {
            line.retain(|key| known.get(key).is_some_and(|lookup| !lookup.out));
            line.sort_unstable();
            line.dedup();
            !line.is_empty()
        });
    }

    /// When [`next`](Lookups::next) is to be asked again, whatever ends until then.
    pub fn next_due(&self) -> Time {
        let waits = !self.lines.is_empty() && self.jobs.len() < self.limits.out_max;
        if waits { self.next_at } else { Time::NEVER }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookups() -> Lookups {
        Lookups::new(NameLimits { at_once_max: 2, out_max: 4, pace_ms: 10, ..NameLimits::default() })
    }

    fn id(slot: u32) -> ConnId {
        ConnId { slot, serial: 0 }
    }

    fn asker(slot: u32, datagram: bool) -> Asker {
        Asker { channel: id(slot), datagram }
    }

    fn hand_out(lookups: &mut Lookups, now: Time, job: u64) -> Option<String> {
        let host = lookups.next(now, true)?;
        lookups.handed_out(JobId(job), &host);
        Some(host)
    }

    #[test]
    fn a_few_go_at_once_and_then_one_a_beat_the_youngest_first() {
        let mut lookups = lookups();
        for (n, name) in ["a", "b"].into_iter().enumerate() {
            assert!(lookups.ask(name, id(9), asker(1, false)));
            assert_eq!(hand_out(&mut lookups, Time(0), n as u64).as_deref(), Some(name));
        }
        for name in ["c", "d", "e", "f", "g"] {
            lookups.ask(name, id(9), asker(1, false));
        }
        assert_eq!(hand_out(&mut lookups, Time(0), 3), None, "two are out");
        assert_eq!(lookups.next_due(), Time(0).plus_ms(10));
        assert_eq!(hand_out(&mut lookups, Time(0).plus_ms(10), 3).as_deref(), Some("g"));
        assert_eq!(hand_out(&mut lookups, Time(0).plus_ms(19), 4), None);
        assert_eq!(hand_out(&mut lookups, Time(0).plus_ms(20), 4).as_deref(), Some("f"));
        assert_eq!((hand_out(&mut lookups, Time(0).plus_ms(99), 5), lookups.next_due()), (None, Time::NEVER));
        assert_eq!(lookups.ended(JobId(0)), Some(("a".to_owned(), vec![id(9)])));
        assert_eq!(hand_out(&mut lookups, Time(0).plus_ms(99), 5).as_deref(), Some("e"));
    }

    #[test]
    fn whoever_asks_for_many_does_not_hold_up_others() {
        let mut lookups = lookups();
        for n in 0..100 {
            lookups.ask(&format!("bad{n}"), id(9), asker(1, false));
        }
        lookups.ask("tracker", id(9), asker(1, true));
        lookups.ask("good", id(8), asker(2, false));
        let first: Vec<_> =
            (0..4).filter_map(|n| hand_out(&mut lookups, Time(0).plus_ms(n * 10), n)).collect();
        assert_eq!(first, ["bad99", "tracker", "good", "bad98"]);
    }

    #[test]
    fn a_name_is_looked_up_once_for_all_who_wait_and_not_for_nobody() {
        let mut lookups = lookups();
        lookups.ask("Name", id(1), asker(1, false));
        lookups.ask("nAME", id(2), asker(2, true));
        lookups.ask("other", id(3), asker(1, false));
        lookups.forget("OTHER", id(3));
        assert_eq!(hand_out(&mut lookups, Time(0), 1).as_deref(), Some("Name"));
        assert_eq!(hand_out(&mut lookups, Time(0), 2), None);
        lookups.forget("name", id(1));
        assert_eq!(lookups.ended(JobId(1)), Some(("Name".to_owned(), vec![id(2)])));
        assert!(lookups.is_empty() && lookups.next_due() == Time::NEVER);
    }

    #[test]
    fn what_is_asked_for_and_given_up_leaves_nothing() {
        let mut lookups = lookups();
        for n in 0..1_000 {
            let name = format!("n{}", n % 7);
            lookups.ask(&name, id(1), asker(1, false));
            lookups.forget(&name, id(1));
        }
        assert!(lookups.lines.iter().map(|(_, line)| line.len()).sum::<usize>() <= 17);
        let max = NameLimits::default().datagram_names_max;
        let mut lookups = Lookups::new(NameLimits::default());
        assert!((0..max).all(|n| lookups.ask(&n.to_string(), id(1), asker(1, true))));
        assert!(!lookups.ask("one more", id(1), asker(1, true)));
        assert!(lookups.ask("one more", id(1), asker(1, false)), "a connect");
    }
}
