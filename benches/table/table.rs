//! Markdown. Knows no row.

use crate::measure::{Figure, Outcome};

/// All contenders of a row, measured.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) ours: Outcome,
    pub(crate) bare: Option<Outcome>,
    pub(crate) peer: Option<Outcome>,
}

/// Which cost and which speed a table of rows shows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// CPU time and speed by bytes.
    Bytes,
    /// The same by requests.
    Requests,
}

impl Kind {
    fn cost(self) -> (Figure, &'static str) {
        match self {
            Kind::Bytes => (Figure::CpuPerGb, "CPU s/GB"),
            Kind::Requests => (Figure::CpuUsPerRequest, "CPU µs/request"),
        }
    }

    fn speed(self) -> (Figure, &'static str) {
        match self {
            Kind::Bytes => (Figure::MbPerS, "MB/s"),
            Kind::Requests => (Figure::RequestsPerS, "requests/s"),
        }
    }

    /// The first two lines of a table.
    pub(crate) fn head(self) -> String {
        let (cost, speed) = (self.cost().1, self.speed().1);
        format!(
            "| | {cost} | bare | ours/bare | peer | ours/peer | {speed} | bare | peer \
             | p50 / p99 / p99.9 µs | bare | peak MiB |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
        )
    }

    /// The line of a row.
    pub(crate) fn line(self, row: &Row) -> String {
        let (cost, speed) = (self.cost().0, self.speed().0);
        let (bare, peer) = (row.bare.as_ref(), row.peer.as_ref());
        let ratio = |other: Option<&Outcome>| cell(other.and_then(|other| row.ours.ratio(other, cost)), 2);
        let figure =
            |one: Option<&Outcome>, figure, digits| cell(one.and_then(|one| one.median(figure)), digits);
        let cells = [
            row.name.clone(),
            figure(Some(&row.ours), cost, 3),
            figure(bare, cost, 3),
            ratio(bare),
            peer.map_or(String::new(), |peer| format!("{} {}", peer.name, figure(Some(peer), cost, 3))),
            ratio(peer),
            figure(Some(&row.ours), speed, 0),
            figure(bare, speed, 0),
            figure(peer, speed, 0),
            percentiles(Some(&row.ours)),
            percentiles(bare),
            cell(row.ours.peak_kib.map(|kib| kib as f64 / 1024.0), 1),
        ];
        format!("| {} |", cells.join(" | "))
    }
}

/// The same row by the best round of each contender, for a comment.
pub(crate) fn best_rounds(kind: Kind, row: &Row) -> String {
    let figure = kind.cost().0;
    let best = |outcome: &Outcome| cell(outcome.best(figure), 3);
    let others = [row.bare.as_ref(), row.peer.as_ref()];
    let others = others.into_iter().flatten().map(|other| format!(", {} {}", other.name, best(other)));
    format!(
        "{}: best rounds, {}: ours {}{}",
        row.name,
        kind.cost().1,
        best(&row.ours),
        others.collect::<String>()
    )
}

/// A number with so many digits behind the point; nothing where there is none.
pub(crate) fn cell(value: Option<f64>, digits: usize) -> String {
    value.map_or(String::new(), |value| format!("{value:.digits$}"))
}

fn percentiles(outcome: Option<&Outcome>) -> String {
    let Some(latencies) = outcome.map(Outcome::latencies) else { return String::new() };
    let shares = [0.5, 0.99, 0.999].map(|share| latencies.percentile_us(share));
    match shares {
        [Some(half), Some(most), Some(nearly_all)] => format!("{half:.0} / {most:.0} / {nearly_all:.0}"),
        _ => String::new(),
    }
}
