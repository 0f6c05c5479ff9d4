//! When the next tick of a rate is due: one absolute schedule, no drift.

use crate::profile::{Arrivals, Profile, TICK};
use dispatch::Instant;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Ticks of a profile from a common start.
///
/// Even ticks and jittered ones are shared out: worker k of W takes every W-th from the k-th, so that
/// together they are the exact comb. Under [`Arrivals::Poisson`] each worker draws gaps of its own, W
/// times as long: what is independent adds up to Poisson arrivals at the whole rate. All this is in
/// positions, which the profile takes to instants: ramps bend the comb and the gaps alike.
#[derive(Clone, Debug)]
pub struct Pacer {
    start: Instant,
    profile: Profile,
    arrivals: Arrivals,
    /// The tick; under [`Arrivals::Poisson`] only how many there were.
    tick: u64,
    step: u64,
    /// Where the tick is, in parts of [`TICK`]: drawn gaps add up without rounding.
    position: u128,
    /// Where the profile looks first.
    hint: usize,
    due: Instant,
    random: Xoshiro256PlusPlus,
}

impl Pacer {
    /// Worker `index` of `workers`, from `start` on; what is drawn is drawn from `seed`, which is the
    /// worker's own.
    pub fn new(
        start: Instant,
        profile: Profile,
        arrivals: Arrivals,
        index: u32,
        workers: u32,
        seed: u64,
    ) -> Self {
        let mut pacer = Self {
            start,
            profile,
            arrivals,
            tick: u64::from(index),
            step: u64::from(workers.max(1)),
            position: 0,
            hint: 0,
            due: start,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
        };
        pacer.find();
        pacer
    }

    /// Worker `index` of `workers` at an even rate from `start` on.
    ///
    /// # Panics
    /// If the rate is out of the bounds that configuration holds it to.
    pub fn even(start: Instant, rate_per_s: u64, index: u32, workers: u32) -> Self {
        Self::new(start, Profile::even(rate_per_s), Arrivals::Constant, index, workers, 0)
    }

    /// The rate over time, of all workers together.
    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The ticks of a worker that joins at `at`, when `gone` of its slot are accounted for: from there on
    /// they are those that the one before would have had. What is drawn without memory goes on from `at`.
    #[must_use]
    pub fn joined(mut self, gone: u64, at: Instant) -> Self {
        self.tick = self.tick.saturating_add(self.step.saturating_mul(gone));
        self.position = self.profile.position(at.nanos_since(self.start));
        self.find();
        self
    }

    /// When the next tick is due, whatever came before; [`Instant::FAR_FUTURE`] where there is none.
    pub const fn due(&self) -> Instant {
        self.due
    }

    /// Takes the next tick, and no other: for what is sent late rather than not at all.
    pub fn advance(&mut self) {
        self.tick = self.tick.saturating_add(self.step);
        self.find();
    }

    /// Takes the tick that is due, for something that happens at `now`: ticks that went by unused
    /// are not made up for.
    pub fn take(&mut self, now: Instant) -> Instant {
        let due = self.due;
        if self.arrivals == Arrivals::Constant {
            let elapsed = now.nanos_since(self.start).saturating_add(1);
            let gone = self.profile.count_before(elapsed);
            let behind = gone.saturating_sub(self.tick.saturating_add(1)) / self.step;
            self.tick = self.tick.saturating_add(self.step.saturating_mul(behind));
            self.advance();
        } else {
            self.advance();
            while self.due <= now {
                self.advance();
            }
        }
        due.max(now)
    }

    /// Where the tick is, and when.
    fn find(&mut self) {
        let even = u128::from(self.tick) * TICK;
        self.position = match self.arrivals {
            Arrivals::Constant => even,
            Arrivals::Jitter => (even + self.random_part()).saturating_sub(TICK / 2),
            Arrivals::Poisson => self.position + self.random_gap(),
        };
        let nanos = self.profile.nanos_at(self.position, &mut self.hint);
        let nanos = nanos.and_then(|nanos| u64::try_from(nanos).ok()).unwrap_or(u64::MAX);
        self.due = Instant::from_nanos(self.start.as_nanos().saturating_add(nanos));
    }

    /// Anything from nothing to less than a tick.
    fn random_part(&mut self) -> u128 {
        u128::from(self.random.next_u64()) % TICK
    }

    /// `-ln(1 - u)` ticks of all workers, with u of 53 bits from 0 to less than 1.
    fn random_gap(&mut self) -> u128 {
        let u = (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        let ticks = -(-u).ln_1p() * self.step as f64;
        (ticks * TICK as f64).round() as u128
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Rate, Segment};
    use stats::poisson::PoissonCheck;
    use std::time::Duration;

    const START: Instant = Instant::from_nanos(1_000_000_000);
    const S: u64 = 1_000_000_000;

    #[test]
    fn ticks_of_all_workers_make_one_even_comb() {
        let mut ticks: Vec<u64> = Vec::new();
        for index in 0..3 {
            let mut pacer = Pacer::even(START, 700, index, 3);
            ticks.extend((0..100).map(|_| pacer.take(START).nanos_since(START)));
        }
        ticks.sort_unstable();
        let exact: Vec<u64> = (0..300).map(|n| n * 1_000_000_000 / 700).collect();
        assert_eq!(ticks, exact);
    }

    #[test]
    fn ticks_that_went_by_are_not_made_up_for() {
        let mut pacer = Pacer::even(START, 10, 0, 1);
        let late = START + Duration::from_secs(5);
        assert_eq!(pacer.take(late), late);
        assert_eq!(pacer.due(), START + Duration::from_millis(5100));
        for arrivals in [Arrivals::Poisson, Arrivals::Jitter] {
            let mut pacer = Pacer::new(START, steady(10), arrivals, 0, 1, 7);
            assert_eq!(pacer.take(late), late);
            assert!(pacer.due() > late && pacer.due() < late + Duration::from_secs(5));
        }
    }

    #[test]
    fn a_successor_takes_the_ticks_that_are_left_and_no_other() {
        for (arrivals, profile) in shapes().into_iter().map(|shape| (Arrivals::Constant, shape)) {
            for workers in [1, 3] {
                let ticks = |index| Pacer::new(START, profile.clone(), arrivals, index, workers, 7);
                for index in 0..workers {
                    let at = START + Duration::from_millis(1_234);
                    let gone = profile.count_of(index, workers, at.nanos_since(START));
                    let (mut all, mut left) = (ticks(index), ticks(index).joined(gone, at));
                    while all.due() < at {
                        all.advance();
                    }
                    for _ in 0..100 {
                        assert_eq!(all.due(), left.due());
                        all.advance();
                        left.advance();
                    }
                }
            }
        }
    }

    #[test]
    fn drawn_ticks_go_on_after_a_successor_joins() {
        let at = START + Duration::from_secs(5);
        for arrivals in [Arrivals::Poisson, Arrivals::Jitter] {
            let pacer = Pacer::new(START, steady(1_000), arrivals, 0, 2, 7).joined(2_500, at);
            let off = pacer.due().nanos_since(at).max(at.nanos_since(pacer.due()));
            assert!(off < 50_000_000, "{arrivals:?} is {off} ns off");
        }
    }

    #[test]
    fn a_late_tick_is_taken_all_the_same() {
        let mut pacer = Pacer::even(START, 10, 0, 1);
        pacer.advance();
        assert_eq!(pacer.due(), START + Duration::from_millis(100));
    }

    fn steady(rate: u64) -> Profile {
        Profile::constant(Rate::per_second(rate)).unwrap()
    }

    fn ramp(from: u64, to: u64, seconds: u64) -> Segment {
        Segment { from: Rate::per_second(from), to: Rate::per_second(to), nanos: seconds * S }
    }

    fn shapes() -> [Profile; 4] {
        [
            steady(700_001),
            Profile::new(vec![ramp(0, 1_000, 10)]).unwrap(),
            Profile::new(vec![ramp(100, 100, 3), ramp(0, 0, 1), ramp(700, 700, 3)]).unwrap(),
            Profile::new(vec![ramp(500, 0, 5), ramp(0, 300, 7), ramp(300, 1_000, 2)]).unwrap(),
        ]
    }

    /// What is due within the first so many seconds, of all workers together.
    fn dues(profile: &Profile, arrivals: Arrivals, workers: u32, seconds: u64) -> Vec<u64> {
        let mut dues = Vec::new();
        for index in 0..workers {
            let seed = 11 + u64::from(index);
            let mut pacer = Pacer::new(START, profile.clone(), arrivals, index, workers, seed);
            while pacer.due() < START + Duration::from_secs(seconds) {
                dues.push(pacer.due().nanos_since(START));
                pacer.advance();
            }
        }
        dues.sort_unstable();
        dues
    }

    #[test]
    fn workers_together_keep_the_comb_of_any_profile() {
        for profile in shapes() {
            let count = profile.count_before(2 * S);
            let exact: Vec<u64> = (0..count).map(|n| profile.arrival(n).unwrap() as u64).collect();
            for workers in [1, 2, 4, 8] {
                assert!(dues(&profile, Arrivals::Constant, workers, 2) == exact, "{workers}");
            }
        }
    }

    #[test]
    fn jittered_ticks_keep_to_their_period_and_their_order() {
        for workers in [1, 4] {
            let dues = dues(&steady(1_000), Arrivals::Jitter, workers, 10);
            for (n, due) in dues.iter().enumerate() {
                let even = n as i64 * 1_000_000;
                assert!((*due as i64 - even).abs() <= 500_000, "tick {n} of {workers}");
            }
            assert!((9_999..=10_001).contains(&dues.len()));
        }
        let mut pacer = Pacer::new(START, steady(1_000), Arrivals::Jitter, 0, 1, 3);
        let mut last = pacer.due();
        for _ in 0..10_000 {
            pacer.advance();
            assert!(pacer.due() >= last);
            last = pacer.due();
        }
    }

    #[test]
    fn poisson_workers_add_up_to_the_rate() {
        for profile in shapes() {
            let planned = profile.count_before(7 * S) as f64;
            for workers in [1, 8] {
                let drawn = dues(&profile, Arrivals::Poisson, workers, 7).len() as f64;
                assert!((drawn - planned).abs() < 4.0 * planned.sqrt(), "{drawn} for {planned}");
            }
        }
    }

    fn poisson(seed: u64, profile: &Profile, count: usize) -> Vec<u64> {
        let workers = 4;
        let end = profile.arrival(count as u64).unwrap() as u64;
        let mut dues = Vec::new();
        for index in 0..workers {
            let seed = seed * 1_000 + u64::from(index);
            let profile = profile.clone();
            let mut pacer = Pacer::new(START, profile, Arrivals::Poisson, index, workers, seed);
            while pacer.due().nanos_since(START) < end {
                dues.push(pacer.due().nanos_since(START));
                pacer.advance();
            }
        }
        dues.sort_unstable();
        dues
    }

    #[test]
    fn nineteen_of_twenty_poisson_runs_pass_as_such() {
        let passed = |stamps: &dyn Fn(u64) -> Vec<u64>| {
            (0..200).filter(|seed| PoissonCheck::of(&stamps(*seed)).unwrap().passes()).count()
        };
        let even = steady(1_000);
        let of_steady = passed(&|seed| poisson(seed, &even, 5_000));
        let up = Profile::new(vec![ramp(0, 1_000, 10)]).unwrap();
        let own_time = |stamp: u64| up.position(stamp) as u64;
        let of_ramp = passed(&|seed| poisson(seed, &up, 5_000).into_iter().map(own_time).collect());
        for passed in [of_steady, of_ramp] {
            assert!((184..=196).contains(&passed), "{passed} of 200");
        }
        let untaken = passed(&|seed| poisson(seed, &up, 5_000));
        assert_eq!(untaken, 0, "a ramp is no steady rate");
    }

    #[test]
    fn bursts_of_two_per_cent_duty_are_no_poisson_arrivals() {
        let even = steady(1_000);
        let burst = |stamp: u64| stamp / 100_000_000 * 100_000_000 + stamp % 100_000_000 / 50;
        let passed = (0..200).filter(|seed| {
            let stamps: Vec<u64> = poisson(*seed, &even, 5_000).into_iter().map(burst).collect();
            PoissonCheck::of(&stamps).unwrap().passes()
        });
        assert_eq!(passed.count(), 0);
    }

    #[test]
    fn a_seed_repeats_what_is_drawn() {
        for arrivals in [Arrivals::Poisson, Arrivals::Jitter] {
            let drawn = |seed| {
                let mut pacer = Pacer::new(START, steady(1_000), arrivals, 0, 1, seed);
                (0..100).map(|_| pacer.take(START)).collect::<Vec<_>>()
            };
            assert_eq!(drawn(1), drawn(1));
            assert_ne!(drawn(1), drawn(2));
        }
    }
}
