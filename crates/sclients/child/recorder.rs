//! What a child counts and records, and how it cuts that into intervals.

use dispatch::Instant;
use stats::{Counter, Counters, Gauges, Interval, Latency, Outcome, Phase, Samples, Tally, ledger};
use std::time::Duration;

/// Counters since the start, and what of them was reported.
#[derive(Debug)]
pub struct Recorder {
    /// Counted since the start.
    pub counters: Counters,
    reported: Counters,
    tallies: Vec<Tally>,
    samples: Samples,
    start: Instant,
    interval: Duration,
    index: u64,
}

impl Recorder {
    /// A recorder that cuts an interval every `interval` once it is started.
    pub fn new(interval: Duration) -> Self {
        let mut tallies = vec![Tally::default(); Latency::COUNT];
        tallies.iter_mut().for_each(Tally::settle);
        Self {
            counters: Counters::default(),
            reported: Counters::default(),
            tallies,
            samples: Samples::default(),
            start: Instant::FAR_FUTURE,
            interval,
            index: 0,
        }
    }

    /// Begins at `now` with the interval that is under way; they are numbered from `start`, which is the
    /// same instant for all workers.
    pub fn start(&mut self, start: Instant, now: Instant) {
        self.start = start;
        self.number(now);
    }

    /// When the interval ends that is under way.
    pub fn next_cut(&self) -> Instant {
        let intervals = u32::try_from(self.index + 1).unwrap_or(u32::MAX);
        self.start + self.interval.saturating_mul(intervals)
    }

    /// Counts one.
    pub fn count(&mut self, counter: Counter) {
        self.counters.count(counter);
    }

    /// Records one duration.
    pub fn record(&mut self, latency: Latency, nanos: u64) {
        self.tallies[latency as usize].record(nanos);
    }

    /// Keeps a sample of what a server sent that failed as `outcome`; where it only ended there is
    /// nothing to keep.
    #[cold]
    pub fn sample(&mut self, outcome: Outcome, sent: &[u8]) {
        if !sent.is_empty() {
            self.samples.record(outcome, sent);
        }
    }

    /// Ends the interval at `now`: what happened in it, with `gauges` as the state now.
    ///
    /// # Panics
    /// If the ledger does not balance: a number would be wrong, and nobody would know which.
    pub fn cut(&mut self, phase: Phase, gauges: Gauges, now: Instant) -> Interval {
        if let Err(imbalance) = ledger::check(&self.counters, &gauges) {
            panic!("the ledger does not balance: {imbalance}");
        }
        let mut interval = Interval::new(self.index, phase);
        interval.gauges = gauges;
        interval.counters = self.counters.clone();
        interval.counters.subtract(&self.reported);
        self.reported = self.counters.clone();
        interval.histograms = self.tallies.iter_mut().map(Tally::take).collect();
        interval.samples = std::mem::take(&mut self.samples);
        self.number(now);
        interval
    }

    /// The number of the interval that is under way at `now`.
    fn number(&mut self, now: Instant) {
        while self.next_cut() <= now {
            self.index += 1;
        }
    }
}
