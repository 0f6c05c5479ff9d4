//! When the next tick of a rate is due: one absolute schedule, no drift.

use dispatch::Instant;

/// Ticks of `rate_per_s` from a common start, of which worker k of W takes every W-th from the k-th:
/// together the workers keep the rate exactly.
#[derive(Clone, Copy, Debug)]
pub struct Pacer {
    start: Instant,
    rate_per_s: u64,
    tick: u64,
    step: u64,
}

impl Pacer {
    /// Worker `index` of `workers`, from `start` on.
    ///
    /// # Panics
    /// If the rate is 0, which configuration refuses.
    pub fn new(start: Instant, rate_per_s: u64, index: u32, workers: u32) -> Self {
        assert!(rate_per_s > 0, "a rate of 0 is refused before");
        Self { start, rate_per_s, tick: u64::from(index), step: u64::from(workers.max(1)) }
    }

    /// When the next tick is due. Tick n is due at `start + ⌊n·10⁹ / rate⌋` ns, whatever came before.
    pub fn due(&self) -> Instant {
        let nanos = u128::from(self.tick) * 1_000_000_000 / u128::from(self.rate_per_s);
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        Instant::from_nanos(self.start.as_nanos().saturating_add(nanos))
    }

    /// Takes the tick that is due, for something that happens at `now`: ticks that went by unused
    /// are not made up for.
    pub fn take(&mut self, now: Instant) -> Instant {
        let due = self.due();
        let elapsed = u128::from(now.nanos_since(self.start));
        let passed = u64::try_from(elapsed * u128::from(self.rate_per_s) / 1_000_000_000);
        let behind = passed.unwrap_or(u64::MAX).saturating_sub(self.tick) / self.step;
        self.tick += self.step * (1 + behind);
        due.max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const START: Instant = Instant::from_nanos(1_000_000_000);

    #[test]
    fn ticks_of_all_workers_make_one_even_comb() {
        let mut ticks: Vec<u64> = Vec::new();
        for index in 0..3 {
            let mut pacer = Pacer::new(START, 700, index, 3);
            ticks.extend((0..100).map(|_| pacer.take(START).nanos_since(START)));
        }
        ticks.sort_unstable();
        let exact: Vec<u64> = (0..300).map(|n| n * 1_000_000_000 / 700).collect();
        assert_eq!(ticks, exact);
    }

    #[test]
    fn ticks_that_went_by_are_not_made_up_for() {
        let mut pacer = Pacer::new(START, 10, 0, 1);
        let late = START + Duration::from_secs(5);
        assert_eq!(pacer.take(late), late);
        assert_eq!(pacer.due(), START + Duration::from_millis(5100));
    }

    #[test]
    fn a_far_tick_is_exact() {
        let pacer = Pacer { start: START, rate_per_s: 3, tick: 3_000_000_001, step: 1 };
        assert_eq!(pacer.due().nanos_since(START), 1_000_000_000_333_333_333);
    }
}
