//! What was reported since it was last asked: the piece of a run that becomes an entry of its journal.
//!
//! Counts are kept child by child, distributions are put together over all workers. Memory is bounded
//! whatever the journal does: when nobody asks for long, a child's older intervals become one.

use crate::fold::Who;
use crate::levels::Levels;
use dispatch::Instant;
use stats::{Counters, Gaps, Histogram, Interval, Latency, Phase, Samples, SessionCounts};
use std::collections::BTreeMap;
use wire::Final;

/// Intervals that are kept apart; beyond, neighbours of one child become one.
const APART_MAX: usize = 16 * 1024;

/// What was reported since it was last asked.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    /// Counters, gauges and strains in the order in which they came, each with its end; the
    /// distributions and samples are empty.
    pub intervals: Vec<(Who, Interval, Instant)>,
    /// What is known to be lost with dead workers.
    pub lost: Vec<(Who, Phase, Counters)>,
    /// Histograms of all workers of a crew, by kind, for each interval of measurement.
    pub distributions: BTreeMap<(usize, u64), Vec<Histogram>>,
    /// What servers sent.
    pub samples: Samples,
    /// What was counted of sessions by all workers of a crew.
    pub sessions: BTreeMap<usize, Vec<SessionCounts>>,
    /// How requests came at targets.
    pub arrivals: Vec<(Who, Gaps)>,
    /// Last words.
    pub last_words: Vec<(Who, Final)>,
    /// Levels that the supervisor read.
    pub levels: Levels,
    /// The largest number of live connections of the run so far.
    pub peak_live: u64,
}

impl Recent {
    /// Adds an interval of `who`, which ended at `ended`.
    pub fn take(&mut self, who: Who, interval: &Interval, ended: Instant) {
        let counts = Interval {
            counters: interval.counters.clone(),
            gauges: interval.gauges,
            strain: interval.strain,
            ..Interval::new(interval.index, interval.phase)
        };
        self.intervals.push((who, counts, ended));
        if self.intervals.len() > APART_MAX {
            self.put_together();
        }
    }

    /// Adds what a worker of `crew` measured, in the interval of measurement to which it belongs.
    pub fn take_measured(&mut self, crew: usize, window: u64, interval: &Interval) {
        let empty = || vec![Histogram::default(); Latency::COUNT];
        let sums = self.distributions.entry((crew, window)).or_insert_with(empty);
        for (sum, histogram) in sums.iter_mut().zip(&interval.histograms) {
            sum.merge_sparse(histogram);
        }
        self.samples.merge(&interval.samples);
        if !interval.sessions.is_empty() {
            let sums = self.sessions.entry(crew).or_default();
            SessionCounts::merge_all(sums, &interval.sessions);
        }
    }

    /// Of each child one interval per phase.
    fn put_together(&mut self) {
        let mut kept: Vec<(Who, Interval, Instant)> = Vec::new();
        for (who, interval, ended) in std::mem::take(&mut self.intervals) {
            let last = kept.iter_mut().rev().find(|(of, ..)| *of == who);
            match last.filter(|(_, earlier, _)| earlier.phase == interval.phase) {
                Some((_, earlier, until)) => {
                    earlier.extend(&interval);
                    *until = ended;
                }
                None => kept.push((who, interval, ended)),
            }
        }
        self.intervals = kept;
    }
}
