//! One answer at a time, first in, first out: a server whose capacity is one over its mean service
//! time.
//!
//! Instants are computed, never read: a service begins when the one before it was over or the
//! request came, whichever is later, so nothing that wakes up late adds up.

use super::stalls::Stop;
use dispatch::Instant;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::time::Duration;

/// The single server of one process.
#[derive(Debug)]
pub struct Service {
    mean: Duration,
    exponential: bool,
    free_at: Instant,
    random: Xoshiro256PlusPlus,
}

impl Service {
    /// Services of `mean` length, or drawn from the exponential distribution of that mean by `seed`.
    pub fn new(mean: Duration, exponential: bool, seed: u64) -> Self {
        let random = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self { mean, exponential, free_at: Instant::default(), random }
    }

    /// When the request that came at `at` has been served.
    pub fn served(&mut self, at: Instant) -> Instant {
        let time = if self.exponential { self.exponential_time() } else { self.mean };
        self.free_at = self.free_at.max(at) + time;
        self.free_at
    }

    /// The server stood still in `stop`: what was to be over later is over later by its length.
    pub fn stood_still(&mut self, stop: Stop) {
        self.free_at = moved(self.free_at, stop);
    }

    /// `-ln(1-u)·mean`, u uniform in [0, 1).
    fn exponential_time(&mut self) -> Duration {
        let u = (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        self.mean.mul_f64(-(1.0 - u).ln())
    }
}

/// When that is over which was due at `due`, where work stood still in `stop`.
pub fn moved(due: Instant, stop: Stop) -> Instant {
    if due > stop.from { due + stop.until.since(stop.from) } else { due }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    const fn ms(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn services_follow_each_other_without_a_gap() {
        let mut service = Service::new(2 * MS, false, 0);
        for (at, over) in [(10, 12), (10, 14), (11, 16), (16, 18), (30, 32)] {
            assert_eq!(service.served(ms(at)), ms(over), "at {at}");
        }
    }

    #[test]
    fn a_standstill_moves_what_is_not_over() {
        let mut service = Service::new(2 * MS, false, 0);
        let stop = Stop { from: ms(15), until: ms(115) };
        let dues = [10, 10, 10].map(|at| service.served(ms(at)));
        assert_eq!(dues.map(|due| moved(due, stop)), [ms(12), ms(14), ms(116)]);
        service.stood_still(stop);
        assert_eq!(service.served(ms(115)), ms(118));
        let mut idle = Service::new(2 * MS, false, 0);
        idle.served(ms(1));
        idle.stood_still(stop);
        assert_eq!(idle.served(ms(115)), ms(117));
    }

    #[test]
    fn the_seed_draws_the_services() {
        let draw = |seed| {
            let mut service = Service::new(MS, true, seed);
            (0..100).map(|_| service.served(ms(0))).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn exponential_services_have_their_mean_and_variation() {
        const COUNT: u32 = 1_000_000;
        let mut service = Service::new(MS, true, 1);
        let (mut over, mut squares) = (ms(0), 0.0);
        for _ in 0..COUNT {
            let next = service.served(ms(0));
            squares += next.since(over).as_secs_f64().powi(2);
            over = next;
        }
        let mean = over.since(ms(0)).as_secs_f64() / f64::from(COUNT);
        assert!((mean / 1e-3 - 1.0).abs() < 0.005, "mean {mean}");
        let variation = (squares / f64::from(COUNT) / mean.powi(2) - 1.0).sqrt();
        assert!((variation - 1.0).abs() < 0.01, "coefficient of variation {variation}");
    }

    #[test]
    fn poisson_arrivals_wait_as_an_m_m_1_queue_says() {
        // Mean time in the system: T/(1-rho), and for fixed service times T(1 + rho/(2(1-rho))).
        const COUNT: u32 = 4_000_000;
        for (exponential, rho, mean_ms) in [(true, 0.5, 2.0), (true, 0.8, 5.0), (false, 0.8, 3.0)] {
            let mut service = Service::new(MS, exponential, 3);
            let mut arrivals = Service::new(MS.mul_f64(1.0 / rho), true, 4);
            let mut total = 0.0;
            for _ in 0..COUNT {
                let at = arrivals.served(ms(0));
                total += service.served(at).since(at).as_secs_f64() * 1e3;
            }
            let mean = total / f64::from(COUNT);
            assert!((mean / mean_ms - 1.0).abs() < 0.02, "{exponential} {rho}: {mean} ms");
        }
    }
}
