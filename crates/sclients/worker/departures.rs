//! Whether what a schedule asked for left as its law says: the run's own check of its arrivals.
//!
//! A sample is of neighbours that left freely: one that waited for a connection left when the target
//! let it. Instants are taken to the profile's own time, in which a ramp is even.

use crate::profile::{Arrivals, Profile};
use dispatch::Instant;
use stats::ArrivalChecks;

/// Departures of a sample: fewer tell little, and sorting and judging more is a longer turn. At most
/// one sample is judged in an interval.
const SAMPLE: usize = 500;

/// A profile's position has so many bits more than are needed to tell stamps apart, and too many for a
/// stamp.
const POSITION_BITS_SPARE: u32 = 12;

/// The departures of one worker.
#[derive(Debug)]
pub struct Departures {
    load: Instant,
    profile: Profile,
    arrivals: Arrivals,
    /// Nanoseconds from the beginning of load.
    sample: Vec<u64>,
    checks: ArrivalChecks,
}

impl Departures {
    /// None yet, under a schedule that began at `load`.
    pub fn new(load: Instant, profile: Profile, arrivals: Arrivals) -> Self {
        let sample = Vec::with_capacity(SAMPLE);
        Self { load, profile, arrivals, sample, checks: ArrivalChecks::default() }
    }

    /// Something left at `at`, later than all before.
    pub fn note(&mut self, at: Instant) {
        if self.sample.len() < SAMPLE {
            self.sample.push(at.nanos_since(self.load));
        }
    }

    /// Something did not leave when it would have: what comes next is no neighbour of what was before.
    pub fn miss(&mut self) {
        if self.sample.len() < SAMPLE {
            self.sample.clear();
        }
    }

    /// Judges the sample, if it is whole, and begins another.
    pub fn cut(&mut self) {
        if self.sample.len() < SAMPLE {
            return;
        }
        let span = self.sample[SAMPLE - 1] - self.sample[0];
        let own_time = |nanos: &u64| (self.profile.position(*nanos) >> POSITION_BITS_SPARE) as u64;
        let stamps: Vec<u64> = self.sample.iter().map(own_time).collect();
        match self.arrivals {
            Arrivals::Poisson => self.checks.poisson(&stamps, span),
            Arrivals::Constant | Arrivals::Jitter => self.checks.even(&stamps, span),
        }
        self.sample.clear();
    }

    /// What the samples said so far.
    pub const fn checks(&self) -> ArrivalChecks {
        self.checks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Rate, Segment};
    use crate::worker::pacer::Pacer;
    use std::time::Duration;

    const LOAD: Instant = Instant::from_nanos(77_000_000_000);

    /// Ten samples of worker 1 of 2, each instant as `left` changes it.
    fn checks(arrivals: Arrivals, left: impl Fn(u64) -> u64) -> ArrivalChecks {
        let ramp = Segment {
            from: Rate::per_second(100),
            to: Rate::per_second(2_000),
            nanos: 10_000_000_000,
        };
        let profile = Profile::new(vec![ramp]).unwrap();
        let mut pacer = Pacer::new(LOAD, profile.clone(), arrivals, 1, 2, 7);
        let mut departures = Departures::new(LOAD, profile, arrivals);
        for number in 0..10 * SAMPLE {
            let due = pacer.due().nanos_since(LOAD);
            departures.note(LOAD + Duration::from_nanos(left(due)));
            pacer.advance();
            if number % 100 == 99 {
                departures.cut();
            }
        }
        departures.checks()
    }

    #[test]
    fn what_leaves_when_it_is_due_passes_under_a_ramp_too() {
        for arrivals in [Arrivals::Constant, Arrivals::Jitter, Arrivals::Poisson] {
            let checks = checks(arrivals, |due| due + 20_000);
            assert_eq!(checks.samples, 10, "{arrivals:?}");
            assert!(checks.passed >= 8, "{arrivals:?}: {checks:?}");
            let cv = checks.gap_cv().unwrap();
            let expected = match arrivals {
                Arrivals::Constant => 0.0..0.01,
                // √⅙ of a tick, of which the worker has every second.
                Arrivals::Jitter => 0.15..0.25,
                Arrivals::Poisson => 0.9..1.1,
            };
            assert!(expected.contains(&cv), "{arrivals:?}: {cv}");
        }
    }

    #[test]
    fn what_leaves_in_bursts_fails() {
        for arrivals in [Arrivals::Constant, Arrivals::Jitter, Arrivals::Poisson] {
            let checks = checks(arrivals, |due| due / 100_000_000 * 100_000_000);
            assert!(checks.fail() && checks.passed == 0, "{arrivals:?}: {checks:?}");
        }
    }

    #[test]
    fn a_sample_is_of_neighbours() {
        let profile = Profile::constant(Rate::per_second(1)).unwrap();
        let mut departures = Departures::new(LOAD, profile, Arrivals::Constant);
        (1..SAMPLE).for_each(|_| departures.note(LOAD));
        departures.miss();
        departures.note(LOAD);
        departures.cut();
        assert_eq!((departures.checks().samples, departures.sample.len()), (0, 1));
        (0..SAMPLE).for_each(|_| departures.note(LOAD));
        departures.miss();
        departures.cut();
        assert_eq!(departures.checks().samples, 1, "what is whole stays so");
    }

    #[test]
    fn a_sample_is_no_more_than_it_may_be() {
        let profile = Profile::constant(Rate::per_second(1)).unwrap();
        let mut departures = Departures::new(LOAD, profile, Arrivals::Constant);
        (0..10 * SAMPLE).for_each(|_| departures.note(LOAD));
        assert_eq!(departures.sample.len(), SAMPLE);
        departures.cut();
        assert_eq!((departures.checks().samples, departures.sample.len()), (1, 0));
    }
}
