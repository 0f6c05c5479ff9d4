//! What is added up over workers: all of a run's, or one phase's.

use crate::fold::OVER_TIME;
use stats::{Counters, Histogram, Latency, Pace, Phase, SessionCounts, Windows};

/// Our own lateness is kept over time too, that of requests and that of attempts.
const LAGS_OVER_TIME: [Latency; 2] = [Latency::SchedLag, Latency::AttemptLag];

/// Counters by phase of a worker's time, distributions, and some of them over time.
#[derive(Clone, Debug)]
pub struct Sums {
    /// By [`Phase`].
    pub phases: Vec<Counters>,
    /// By [`Latency`].
    pub histograms: Vec<Histogram>,
    /// Latencies of requests over time, by [`OVER_TIME`].
    pub windows: [Windows; OVER_TIME.len()],
    /// The same by [`LAGS_OVER_TIME`].
    lags: [Windows; LAGS_OVER_TIME.len()],
    /// What workers did in measurement, over time.
    pub paces: Windows<Pace>,
    /// What was counted of each session; empty where none was played.
    pub sessions: Vec<SessionCounts>,
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            phases: vec![Counters::default(); Phase::COUNT],
            histograms: vec![Histogram::default(); Latency::COUNT],
            windows: Default::default(),
            lags: Default::default(),
            paces: Windows::default(),
            sessions: Vec::new(),
        }
    }
}

impl Sums {
    /// Adds counters.
    pub fn count(&mut self, phase: Phase, counters: &Counters) {
        self.phases[phase as usize].merge(counters);
    }

    /// Adds what was measured, a histogram of each kind.
    pub fn measure(&mut self, histograms: &[Histogram]) {
        for (mine, theirs) in self.histograms.iter_mut().zip(histograms) {
            mine.merge(theirs);
        }
    }

    /// Adds what was measured in one interval to what is kept over time.
    pub fn measure_over_time(&mut self, window: u64, histograms: &[Histogram]) {
        for (mine, latency) in self.windows.iter_mut().zip(OVER_TIME) {
            mine.add(window, &histograms[latency as usize]);
        }
        for (mine, lag) in self.lags.iter_mut().zip(LAGS_OVER_TIME) {
            mine.add(window, &histograms[lag as usize]);
        }
    }

    /// A latency over time.
    ///
    /// # Panics
    /// If `latency` is none of [`OVER_TIME`] and no lateness of ours.
    pub fn windows(&self, latency: Latency) -> &Windows {
        let kept = OVER_TIME.iter().zip(&self.windows);
        let mut kept = kept.chain(LAGS_OVER_TIME.iter().zip(&self.lags));
        kept.find(|(kept, _)| **kept == latency).expect("it is kept over time").1
    }
}
