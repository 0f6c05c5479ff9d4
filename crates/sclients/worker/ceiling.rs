//! How many requests may leave at most: one in each period of a rate, from the first instant of load.

use super::pacer::Pacer;
use crate::profile::{Profile, TICK};
use dispatch::Instant;

/// A rate that requests stay below.
///
/// Load is cut into the periods of the rate, beginning with load itself; worker k of W has every W-th
/// from the k-th, and sends at most once in each of its own. A period that load ends within is nobody's:
/// D seconds at R per second hold at most ⌊R·D⌋ requests. A comb with another start would not do: its
/// periods lie across both ends of load, and such a run holds one more.
#[derive(Clone, Debug)]
pub struct Ceiling {
    pacer: Pacer,
    end: Instant,
}

impl Ceiling {
    /// Of `rate_per_s` for all workers together, for worker `index` of `workers` under load from `load`
    /// to `stop`.
    ///
    /// # Panics
    /// If the rate is out of the bounds that configuration holds it to.
    pub fn new(load: Instant, stop: Instant, rate_per_s: u64, index: u32, workers: u32) -> Self {
        let pacer = Pacer::even(load, rate_per_s, index, workers);
        Self { end: last_whole_period(load, stop, pacer.profile()), pacer }
    }

    /// When the next request may leave.
    pub const fn due(&self) -> Instant {
        self.pacer.due()
    }

    /// Takes the period for a request that would leave at `at`; when it may leave.
    pub fn take(&mut self, at: Instant) -> Instant {
        self.pacer.take(at)
    }

    /// From when on no request may leave.
    pub const fn end(&self) -> Instant {
        self.end
    }
}

/// When the last period is over that ends by `stop`.
fn last_whole_period(load: Instant, stop: Instant, profile: &Profile) -> Instant {
    if stop == Instant::FAR_FUTURE {
        return stop;
    }
    let periods = profile.position(stop.nanos_since(load)) / TICK;
    let nanos = u64::try_from(periods).ok().and_then(|periods| profile.arrival(periods));
    let nanos = nanos.and_then(|nanos| u64::try_from(nanos).ok()).unwrap_or(u64::MAX);
    Instant::from_nanos(load.as_nanos().saturating_add(nanos)).min(stop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const LOAD: Instant = Instant::from_nanos(77_503_219_871);

    /// What leaves where each worker would send all the time, or as soon again as `pause` is over.
    fn leaves(rate: u64, workers: u32, nanos: u64, pause: u64) -> Vec<u64> {
        let mut leaves = Vec::new();
        for index in 0..workers {
            let mut ceiling =
                Ceiling::new(LOAD, LOAD + Duration::from_nanos(nanos), rate, index, workers);
            let mut at = LOAD;
            loop {
                at = ceiling.take(at);
                if at >= ceiling.end() {
                    break;
                }
                leaves.push(at.nanos_since(LOAD));
                at = at + Duration::from_nanos(pause);
            }
        }
        leaves.sort_unstable();
        leaves
    }

    const S: u64 = 1_000_000_000;

    #[test]
    fn load_holds_no_more_than_rate_by_time() {
        for (rate, nanos) in [
            (100, S),
            (100, S + 5_000_000),
            (100, S - 1),
            (7, 10 * S),
            (1, S),
            (3, S),
            (700_001, S / 7),
            (10, S / 20),
        ] {
            let most = u128::from(rate) * u128::from(nanos) / u128::from(S);
            for workers in [1, 3, 8] {
                let count = leaves(rate, workers, nanos, 0).len() as u128;
                assert_eq!(count, most, "{rate}/s for {nanos} ns of {workers}");
            }
            let slow = leaves(rate, 2, nanos, S / rate * 7 / 5).len() as u128;
            assert!(slow <= most);
        }
    }

    #[test]
    fn every_second_of_load_holds_no_more_than_the_rate() {
        for pause in [0, 3_000_000, 11_000_000, 999_999_999] {
            let leaves = leaves(100, 3, 10 * S, pause);
            for second in 0..10 {
                let within = |at: &&u64| **at / S == second;
                assert!(leaves.iter().filter(within).count() <= 100, "second {second}, {pause}");
            }
        }
    }

    #[test]
    fn without_an_end_there_is_none() {
        let ceiling = Ceiling::new(LOAD, Instant::FAR_FUTURE, 10, 0, 1);
        assert_eq!((ceiling.due(), ceiling.end()), (LOAD, Instant::FAR_FUTURE));
    }
}
