//! The fold: intervals of all workers and targets, added up. There is no second way to make a
//! number: the live view is the fold so far, the summary the fold at the end.
//!
//! Associative: the order in which reports of different children arrive changes nothing.

use dispatch::Instant;
use stats::ledger::{self, Imbalance};
use stats::{
    Counter, Counters, Gaps, Gauges, Histogram, Interval, Latency, Phase, Samples, Strains, Windows,
};
use std::collections::BTreeMap;
use wire::Final;

/// The distributions that are kept over time as well, by the interval in which requests ended. A stall is
/// seen where it is over, and not where those came that waited for it: by when they were due, workers would
/// have to keep a distribution for each interval that a request of theirs may still be of.
pub const OVER_TIME: [Latency; 2] = [Latency::FromDue, Latency::FromSend];

/// Interval ends that are remembered for late reports.
const PEAKS_KEPT: usize = 64;

/// Whose report it is. Counts are kept by slot and generation: a late word of a buried child never
/// changes another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// A worker: slot, generation.
    Worker(u32, u32),
    /// A target process: slot.
    Target(u32),
}

/// What one child has reported so far.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// Counted since its start.
    pub counters: Counters,
    /// State at its last report.
    pub gauges: Gauges,
    /// The last interval of its measurement.
    measured: u64,
    /// When its last report's interval ended.
    pub ended: Instant,
    /// How the requests came, at a target that told.
    pub arrivals: Option<Gaps>,
    /// Its last words.
    pub last_words: Option<Final>,
    /// How it fared in measurement.
    pub strains: Strains,
}

/// Everything that was reported so far.
#[derive(Clone, Debug)]
pub struct Fold {
    parts: BTreeMap<Who, Part>,
    phases: Vec<Counters>,
    histograms: Vec<Histogram>,
    /// Latencies of requests over time, by [`OVER_TIME`].
    windows: [Windows; OVER_TIME.len()],
    samples: Samples,
    live: BTreeMap<(u64, Phase), u64>,
    peak_live: u64,
}

impl Default for Fold {
    fn default() -> Self {
        Self {
            parts: BTreeMap::new(),
            phases: vec![Counters::default(); Phase::COUNT],
            histograms: vec![Histogram::default(); Latency::COUNT],
            windows: Default::default(),
            samples: Samples::default(),
            live: BTreeMap::new(),
            peak_live: 0,
        }
    }
}

impl Fold {
    /// Adds an interval of `who`, which ended at `ended`.
    ///
    /// # Errors
    /// The child's ledger does not balance; its counts are taken as they are.
    pub fn take(&mut self, who: Who, interval: &Interval, ended: Instant) -> Result<(), Imbalance> {
        let part = self.parts.entry(who).or_default();
        part.counters.merge(&interval.counters);
        part.gauges = interval.gauges;
        part.ended = ended;
        if interval.phase == Phase::Measurement {
            part.strains.add(&interval.strain);
            part.measured = interval.index;
        }
        // What was due in measurement and answered in drain belongs to the end of measurement.
        let window = part.measured;
        let balance = ledger::check(&part.counters, &part.gauges);
        if let Who::Worker(..) = who {
            self.phases[interval.phase as usize].merge(&interval.counters);
            for (mine, theirs) in self.histograms.iter_mut().zip(&interval.histograms) {
                mine.merge(theirs);
            }
            for (mine, latency) in self.windows.iter_mut().zip(OVER_TIME) {
                mine.add(window, &interval.histograms[latency as usize]);
            }
            self.samples.merge(&interval.samples);
            self.note_live(interval);
        }
        balance
    }

    /// Takes how the requests came at `who`, a target.
    pub fn take_arrivals(&mut self, who: Who, arrivals: Gaps) {
        self.parts.entry(who).or_default().arrivals = Some(arrivals);
    }

    /// Takes a child's last words.
    pub fn take_last_words(&mut self, who: Who, words: Final) {
        self.parts.entry(who).or_default().last_words = Some(words);
    }

    fn note_live(&mut self, interval: &Interval) {
        let live = self.live.entry((interval.index, interval.phase)).or_default();
        *live += interval.gauges.live;
        self.peak_live = self.peak_live.max(*live);
        while self.live.len() > PEAKS_KEPT {
            self.live.pop_first();
        }
    }

    /// What `who` has reported.
    pub fn part(&self, who: Who) -> Option<&Part> {
        self.parts.get(&who)
    }

    /// The workers' parts.
    pub fn workers(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|(who, _)| matches!(who, Who::Worker(..))).map(|(_, part)| part)
    }

    /// The targets' parts.
    pub fn targets(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|(who, _)| matches!(who, Who::Target(_))).map(|(_, part)| part)
    }

    /// How the requests came, by the slot of each target process that told.
    pub fn arrivals(&self) -> impl Iterator<Item = (u32, &Gaps)> {
        self.parts.iter().filter_map(|(who, part)| match who {
            Who::Target(slot) => Some((*slot, part.arrivals.as_ref()?)),
            Who::Worker(..) => None,
        })
    }

    /// Counters of all workers.
    pub fn counters(&self) -> Counters {
        sum(self.workers())
    }

    /// Counters of all targets.
    pub fn target_counters(&self) -> Counters {
        sum(self.targets())
    }

    /// State of all workers, each at its last report.
    pub fn gauges(&self) -> Gauges {
        let mut gauges = Gauges::default();
        self.workers().for_each(|part| gauges.add(&part.gauges));
        gauges
    }

    /// Counters of all workers in one phase.
    pub fn phase(&self, phase: Phase) -> &Counters {
        &self.phases[phase as usize]
    }

    /// A distribution over all workers.
    pub fn histogram(&self, latency: Latency) -> &Histogram {
        &self.histograms[latency as usize]
    }

    /// A latency of requests by the intervals in which they ended.
    ///
    /// # Panics
    /// If `latency` is none of [`OVER_TIME`].
    pub fn windows(&self, latency: Latency) -> &Windows {
        let index = OVER_TIME.iter().position(|kept| *kept == latency);
        &self.windows[index.expect("it is kept over time")]
    }

    /// What servers sent to all workers where it broke the protocol.
    pub const fn samples(&self) -> &Samples {
        &self.samples
    }

    /// The largest sum of live connections over all workers at the end of one interval.
    pub const fn peak_live(&self) -> u64 {
        self.peak_live
    }

    /// Connections established so far.
    pub fn established(&self) -> u64 {
        self.workers().map(|part| part.counters.of(Counter::ConnectionsEstablished)).sum()
    }
}

fn sum<'a>(parts: impl Iterator<Item = &'a Part>) -> Counters {
    let mut counters = Counters::default();
    parts.for_each(|part| counters.merge(&part.counters));
    counters
}

#[cfg(test)]
mod tests {
    use super::*;
    use stats::Outcome;

    fn interval(index: u64, live: u64, sent: u64) -> Interval {
        let mut interval = Interval::new(index, Phase::Measurement);
        interval.counters.count_many(Counter::RequestsDue, sent);
        interval.counters.count_many(Counter::RequestsSent, sent);
        interval.counters.count_many(Counter::RequestsCompleted, sent);
        interval.counters.count_many(Counter::ConnectionsAttempted, live);
        interval.counters.count_many(Counter::ConnectionsEstablished, live);
        interval.gauges.live = live;
        interval.histograms[Latency::FromDue as usize].record(1000 + sent);
        interval.samples.record(Outcome::HttpVersion, &[sent as u8]);
        interval
    }

    #[test]
    fn the_order_of_children_changes_nothing() {
        let reports = [(Who::Worker(0, 0), 3), (Who::Worker(1, 0), 5), (Who::Worker(1, 1), 7)];
        let fold = |order: &[usize]| {
            let mut fold = Fold::default();
            for index in order {
                let (who, sent) = reports[*index];
                fold.take(who, &interval(0, sent, sent), Instant::from_nanos(1)).unwrap();
            }
            (
                fold.counters(),
                fold.gauges(),
                fold.peak_live(),
                fold.histogram(Latency::FromDue).encode(),
                fold.samples().clone(),
            )
        };
        assert_eq!(fold(&[0, 1, 2]), fold(&[2, 0, 1]));
        assert_eq!(fold(&[0, 1, 2]).2, 15);
        assert_eq!(fold(&[0, 1, 2]).4.kept().count(), 3);
    }

    #[test]
    fn an_unbalanced_report_is_told() {
        let mut fold = Fold::default();
        let mut broken = interval(0, 1, 1);
        broken.gauges.in_flight = 9;
        let told = fold.take(Who::Worker(0, 0), &broken, Instant::from_nanos(1));
        assert!(told.is_err());
    }

    #[test]
    fn targets_are_kept_apart() {
        let mut fold = Fold::default();
        fold.take(Who::Target(0), &interval(0, 4, 9), Instant::from_nanos(1)).unwrap();
        assert_eq!(fold.counters().of(Counter::RequestsSent), 0);
        assert_eq!(fold.target_counters().of(Counter::RequestsSent), 9);
        assert_eq!(fold.peak_live(), 0);
    }
}
