//! Runs the contenders of a row in turns and keeps what each cost. Knows nothing of what they do.

use crate::Result;
use crate::process::Process;
use crate::stats::{Latencies, median};
use std::time::Duration;

/// What one run did, as who drove it saw it.
#[derive(Debug, Default)]
pub(crate) struct Load {
    pub(crate) bytes: u64,
    pub(crate) requests: u64,
    pub(crate) wall: Duration,
    pub(crate) latencies: Latencies,
    /// CPU time, where the driver knows it better than the process's clock.
    pub(crate) cpu: Option<Duration>,
}

/// One who does the work of a row.
pub(crate) struct Contender<'a> {
    /// What it is called where it is the peer.
    pub(crate) name: String,
    pub(crate) process: Option<Process>,
    pub(crate) run: Box<dyn FnMut() -> Result<Load> + 'a>,
}

impl<'a> Contender<'a> {
    pub(crate) fn new(
        name: impl Into<String>,
        process: Process,
        run: impl FnMut() -> Result<Load> + 'a,
    ) -> Contender<'a> {
        Contender { name: name.into(), process: Some(process), run: Box::new(run) }
    }

    fn sample(&mut self) -> Result<Sample> {
        let before = self.process.map(Process::cpu).transpose()?;
        let load = (self.run)()?;
        let after = self.process.map(Process::cpu).transpose()?;
        let clocked = after.zip(before).map(|(after, before)| after.saturating_sub(before));
        let cpu_s = load.cpu.or(clocked).map_or(f64::NAN, |cpu| cpu.as_secs_f64());
        let wall_s = load.wall.as_secs_f64();
        Ok(Sample {
            cpu_per_gb: cpu_s / load.bytes as f64 * 1e9,
            cpu_us_per_request: cpu_s / load.requests as f64 * 1e6,
            mb_per_s: load.bytes as f64 / wall_s / 1e6,
            requests_per_s: load.requests as f64 / wall_s,
            latencies: load.latencies,
        })
    }
}

#[derive(Debug)]
struct Sample {
    cpu_per_gb: f64,
    cpu_us_per_request: f64,
    mb_per_s: f64,
    requests_per_s: f64,
    latencies: Latencies,
}

/// All rounds of one contender.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    samples: Vec<Sample>,
    /// The most memory that its process held, in KiB.
    pub(crate) peak_kib: Option<u64>,
}

/// A figure of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    CpuPerGb,
    CpuUsPerRequest,
    MbPerS,
    RequestsPerS,
}

impl Sample {
    fn figure(&self, figure: Figure) -> f64 {
        match figure {
            Figure::CpuPerGb => self.cpu_per_gb,
            Figure::CpuUsPerRequest => self.cpu_us_per_request,
            Figure::MbPerS => self.mb_per_s,
            Figure::RequestsPerS => self.requests_per_s,
        }
    }
}

impl Outcome {
    pub(crate) fn median(&self, figure: Figure) -> Option<f64> {
        median(self.samples.iter().map(|sample| sample.figure(figure)).collect())
    }

    /// The figure of the round that went best: on a machine that others use, nearest to what it would be without them.
    pub(crate) fn best(&self, figure: Figure) -> Option<f64> {
        let figures = self.samples.iter().map(|sample| sample.figure(figure));
        match figure {
            Figure::CpuPerGb | Figure::CpuUsPerRequest => figures.min_by(f64::total_cmp),
            Figure::MbPerS | Figure::RequestsPerS => figures.max_by(f64::total_cmp),
        }
    }

    /// The median over the rounds of this one's figure as a multiple of the other's.
    pub(crate) fn ratio(&self, other: &Outcome, figure: Figure) -> Option<f64> {
        let pairs = self.samples.iter().zip(&other.samples);
        median(pairs.map(|(ours, theirs)| ours.figure(figure) / theirs.figure(figure)).collect())
    }

    /// All rounds' latencies.
    pub(crate) fn latencies(&self) -> Latencies {
        let mut all = Latencies::default();
        self.samples.iter().for_each(|sample| all.extend(&sample.latencies));
        all
    }
}

/// Runs all contenders once to warm up, then `rounds` times in turns.
pub(crate) fn alternate(contenders: Vec<Contender<'_>>, rounds: usize) -> Result<Vec<Outcome>> {
    let mut contenders = contenders;
    for contender in &mut contenders {
        contender.sample()?;
        contender.process.map(Process::reset_peak).transpose()?;
    }
    let mut samples: Vec<Vec<Sample>> = contenders.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (contender, samples) in contenders.iter_mut().zip(&mut samples) {
            samples.push(contender.sample()?);
        }
    }
    let outcomes = contenders.into_iter().zip(samples).map(|(contender, samples)| {
        let peak_kib = contender.process.map(Process::peak_kib).transpose()?;
        Ok(Outcome { name: contender.name, samples, peak_kib })
    });
    outcomes.collect()
}
