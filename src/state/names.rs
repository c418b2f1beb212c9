//! What names resolved to lately, so that a tracker's thousand datagrams are not a thousand look-ups. Looks nothing
//! up, and knows the time only as an argument.

use crate::time::Time;
use std::collections::HashMap;
use std::net::IpAddr;

/// What a name resolved to: addresses, or getaddrinfo's code (as [`crate::job::Done::Resolve`]).
pub type Outcome = Result<Vec<IpAddr>, i32>;

/// How many outcomes are kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct CacheLimits {
    /// Names at a time.
    pub names_max: usize,
    /// How long addresses are believed, in milliseconds. The system's resolver does not tell a record's own time.
    pub found_ms: u64,
    /// How long a failure is, in milliseconds: long enough to calm a client that tries again at once.
    pub failed_ms: u64,
}

impl Default for CacheLimits {
    fn default() -> CacheLimits {
        CacheLimits { names_max: 512, found_ms: 90_000, failed_ms: 3_000 }
    }
}

/// The outcomes.
#[derive(Debug, Default)]
pub struct NameCache {
    limits: CacheLimits,
    known: HashMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    outcome: Outcome,
    until: Time,
}

impl NameCache {
    /// A cache that knows nothing.
    pub fn new(limits: CacheLimits) -> NameCache {
        NameCache { limits, known: HashMap::new() }
    }

    /// What a name resolved to, if that is known and still believed.
    pub fn get(&self, name: &str, now: Time) -> Option<&Outcome> {
        let known = self.known.get(&key(name))?;
        (now < known.until).then_some(&known.outcome)
    }

    /// Notes what a name resolved to. Where there is no room, outcomes that are too old go, else the one that would
    /// go first.
    pub fn put(&mut self, name: &str, outcome: Outcome, now: Time) {
        let name = key(name);
        if self.known.len() >= self.limits.names_max && !self.known.contains_key(&name) {
            self.make_room(now);
        }
        let kept_ms = if outcome.is_ok() { self.limits.found_ms } else { self.limits.failed_ms };
        if self.limits.names_max > 0 {
            self.known.insert(name, Known { outcome, until: now.plus_ms(kept_ms) });
        }
    }

    /// Names that are kept now.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    fn make_room(&mut self, now: Time) {
        self.known.retain(|_, known| now < known.until);
        if self.known.len() >= self.limits.names_max {
            let first = self.known.iter().min_by_key(|(_, known)| known.until).map(|(name, _)| name.clone());
            first.map(|name| self.known.remove(&name));
        }
    }
}

/// Names are equal whatever the case of their ASCII letters, and with or without the final dot (RFC 4343). The dot
/// stays: without it the system may try its search list.
fn key(name: &str) -> String {
    name.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn found(last: u8) -> Outcome {
        Ok(vec![IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))])
    }

    #[test]
    fn believes_for_a_while() {
        let mut cache = NameCache::default();
        let CacheLimits { found_ms, failed_ms, .. } = CacheLimits::default();
        cache.put("Example.COM", found(1), Time(0));
        cache.put("bad", Err(2), Time(0));
        assert_eq!(cache.get("example.com", Time(0).plus_ms(found_ms - 1)), Some(&found(1)));
        assert_eq!(cache.get("example.com", Time(0).plus_ms(found_ms)), None);
        assert_eq!(cache.get("bad", Time(0).plus_ms(failed_ms - 1)), Some(&Err(2)));
        assert_eq!(cache.get("bad", Time(0).plus_ms(failed_ms)), None);
        cache.put("bad", found(2), Time(0));
        assert_eq!(cache.get("bad", Time(0)), Some(&found(2)));
        assert_eq!(cache.len(), 2);
    }

    #[test]
    fn keeps_no_more_than_it_may() {
        let mut cache = NameCache::new(CacheLimits { names_max: 2, found_ms: 10, failed_ms: 1 });
        cache.put("a", found(1), Time(0));
        cache.put("b", Err(3), Time(0));
        cache.put("c", found(3), Time(0));
        assert_eq!(cache.get("b", Time(0)), None, "the failure would have gone first");
        assert_eq!((cache.get("a", Time(0)), cache.get("c", Time(0))), (Some(&found(1)), Some(&found(3))));
        cache.put("a", found(4), Time(1));
        assert_eq!(cache.get("c", Time(1)), Some(&found(3)), "no room was needed");
        cache.put("d", found(5), Time::default().plus_ms(10));
        assert_eq!(cache.len(), 2, "c was too old");
        let mut none = NameCache::new(CacheLimits { names_max: 0, ..CacheLimits::default() });
        none.put("a", found(1), Time(0));
        assert!(none.is_empty());
    }
}
