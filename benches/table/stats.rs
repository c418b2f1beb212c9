//! Medians and percentiles.

use std::time::Duration;

/// The middle value; of an even number, the lower of the two.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}

/// How long requests took, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies {
    nanos: Vec<u64>,
}

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        self.nanos.push(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn extend(&mut self, other: &Latencies) {
        self.nanos.extend_from_slice(&other.nanos);
    }

    /// The latency in microseconds that `share` of all requests did not exceed.
    pub(crate) fn percentile_us(&self, share: f64) -> Option<f64> {
        let mut sorted = self.nanos.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        let index = (share * last as f64).round() as usize;
        Some(sorted[index.min(last)] as f64 / 1000.0)
    }
}
