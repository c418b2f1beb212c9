//! Time as an argument: the engine never reads a clock, it is told. Monotonic, in microseconds from an origin that
//! the reactor (or the simulation) chose.

use std::ops::Add;
use std::time::Duration;

/// A point in monotonic time, in microseconds since the start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Time(pub u64);

impl Time {
    /// A point that never comes.
    pub const NEVER: Time = Time(u64::MAX);

    /// Milliseconds since the start.
    pub fn millis(self) -> u64 {
        self.0 / 1000
    }

    /// How long until `later`; zero where it has passed.
    pub fn until(self, later: Time) -> Duration {
        Duration::from_micros(later.0.saturating_sub(self.0))
    }

    /// This point, `ms` milliseconds later. Never wraps.
    pub fn plus_ms(self, ms: u64) -> Time {
        Time(self.0.saturating_add(ms.saturating_mul(1000)))
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    fn add(self, wait: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_wraps() {
        assert_eq!(Time::NEVER.plus_ms(5), Time::NEVER);
        assert_eq!(Time(5).until(Time(3)), Duration::ZERO);
        assert_eq!(Time(0).plus_ms(2).millis(), 2);
    }
}
