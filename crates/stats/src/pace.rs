//! What goes on in a window of a run, as sums that can be put together in any order.

use crate::counters::{Counter, Counters};
use crate::interval::Interval;
use crate::windows::Addend;
use std::collections::BTreeMap;

/// What workers did in a while, and what it took them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Length of the intervals that were reported, in nanoseconds, over all workers.
    pub wall_nanos: u64,
    /// Processor time of the workers, in nanoseconds.
    pub cpu_nanos: u64,
    /// Requests that became due.
    pub due: u64,
    /// Sent.
    pub sent: u64,
    /// Answered.
    pub completed: u64,
    /// Not sent, failed, or answered otherwise than expected.
    pub failed: u64,
}

impl Pace {
    /// That of one interval of one worker.
    pub fn of(interval: &Interval) -> Self {
        let counters: &Counters = &interval.counters;
        let unexpected = counters.of(Counter::RequestsUnexpected);
        Self {
            wall_nanos: interval.strain.wall,
            cpu_nanos: interval.strain.cpu,
            due: counters.of(Counter::RequestsDue),
            sent: counters.of(Counter::RequestsSent),
            completed: counters.of(Counter::RequestsCompleted),
            failed: counters.not_sent() + counters.requests_failed() + unexpected,
        }
    }

    /// Answers per second of one worker.
    pub fn completed_per_s(&self) -> Option<f64> {
        ratio(self.completed as f64 * 1e9, self.wall_nanos)
    }

    /// The share of what was due that failed, at most 1.
    pub fn failed_share(&self) -> Option<f64> {
        // What fails now may have been due before.
        ratio(self.failed as f64, self.due.max(self.failed))
    }

    /// Processor time per request sent, in nanoseconds.
    pub fn cpu_nanos_per_request(&self) -> Option<f64> {
        ratio(self.cpu_nanos as f64, self.sent)
    }
}

fn ratio(one: f64, of: u64) -> Option<f64> {
    (of > 0).then(|| one / of as f64)
}

impl Addend for Pace {
    type Shelf = BTreeMap<u64, Self>;

    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    fn add(&mut self, other: &Self) {
        let Self { wall_nanos, cpu_nanos, due, sent, completed, failed } = *other;
        let pairs = [
            (&mut self.wall_nanos, wall_nanos),
            (&mut self.cpu_nanos, cpu_nanos),
            (&mut self.due, due),
            (&mut self.sent, sent),
            (&mut self.completed, completed),
            (&mut self.failed, failed),
        ];
        pairs.into_iter().for_each(|(mine, theirs)| *mine = mine.saturating_add(theirs));
    }
}

/// A level that was read now and then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    sum: u128,
    readings: u64,
}

impl Level {
    /// One reading of it.
    pub const fn of(reading: u64) -> Self {
        Self { sum: reading as u128, readings: 1 }
    }

    /// The sum of the readings, and how many they are.
    pub const fn parts(&self) -> (u128, u64) {
        (self.sum, self.readings)
    }

    /// Of a sum and a number of readings; none where no readings have that sum.
    pub fn of_parts(sum: u128, readings: u64) -> Option<Self> {
        let most = u128::from(u64::MAX) * u128::from(readings);
        (sum <= most).then_some(Self { sum, readings })
    }

    /// The mean of the readings.
    pub fn mean(&self) -> Option<f64> {
        ratio(self.sum as f64, self.readings)
    }
}

impl Addend for Level {
    type Shelf = BTreeMap<u64, Self>;

    fn is_nothing(&self) -> bool {
        self.readings == 0
    }

    fn add(&mut self, other: &Self) {
        self.sum += other.sum;
        self.readings += other.readings;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval::Phase;

    #[test]
    fn a_pace_is_of_its_interval() {
        let mut interval = Interval::new(3, Phase::Measurement);
        (interval.strain.wall, interval.strain.cpu) = (500_000_000, 40_000);
        for (counter, count) in [
            (Counter::RequestsDue, 9),
            (Counter::RequestsSent, 8),
            (Counter::RequestsCompleted, 6),
            (Counter::RequestsUnexpected, 1),
        ] {
            interval.counters.count_many(counter, count);
        }
        interval.counters.not_sent[0] = 1;
        interval.counters.requests_failed[0] = 1;
        let mut pace = Pace::of(&interval);
        assert_eq!(pace.completed_per_s(), Some(12.0));
        assert_eq!(pace.failed_share(), Some(3.0 / 9.0));
        assert_eq!(pace.cpu_nanos_per_request(), Some(5_000.0));
        let alone = pace;
        pace.add(&alone);
        assert_eq!((pace.due, pace.completed_per_s()), (18, Some(12.0)), "it is of one worker");
    }

    #[test]
    fn of_nothing_there_is_no_figure() {
        let nothing = Pace::default();
        assert!(nothing.is_nothing() && Level::default().is_nothing());
        assert_eq!((nothing.completed_per_s(), nothing.failed_share()), (None, None));
        assert_eq!((nothing.cpu_nanos_per_request(), Level::default().mean()), (None, None));
        let late = Pace { failed: 5, ..nothing };
        assert_eq!(late.failed_share(), Some(1.0));
    }

    #[test]
    fn a_level_is_the_mean_of_its_readings() {
        let mut level = Level::of(3);
        level.add(&Level::of(u64::MAX));
        level.add(&Level::default());
        assert!(!level.is_nothing() && level.mean() > Some(9.0e18));
        assert_eq!(Level::of(0).mean(), Some(0.0));
    }
}
