//! Which phase a worker is in, from the instants that the supervisor gave.

use dispatch::Instant;
use stats::Phase;
use std::time::Duration;

/// The phases of one worker in time.
///
/// ```text
/// ── start ── open ── load ── warm-up ── measurement ── stop ── drain ── over
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    warmup: Duration,
    duration: Option<Duration>,
    load: Instant,
    stop: Instant,
}

impl Schedule {
    /// The lengths that the plan gives; nothing has begun.
    pub const fn new(warmup: Duration, duration: Option<Duration>) -> Self {
        Self { warmup, duration, load: Instant::FAR_FUTURE, stop: Instant::FAR_FUTURE }
    }

    /// Load begins at `load`.
    pub fn load_from(&mut self, load: Instant) {
        self.load = load;
        if let Some(duration) = self.duration {
            self.stop = self.stop.min(self.measure_from() + duration);
        }
    }

    /// Nothing begins after `stop`; the earliest wish counts.
    pub fn stop_at(&mut self, stop: Instant) {
        self.stop = self.stop.min(stop);
    }

    /// When it stops or stopped.
    pub const fn stop(&self) -> Instant {
        self.stop
    }

    /// When measurement begins.
    pub fn measure_from(&self) -> Instant {
        self.load + self.warmup
    }

    /// The phase at `now`.
    pub fn phase(&self, now: Instant) -> Phase {
        if now >= self.stop {
            Phase::Drain
        } else if now < self.load {
            Phase::Open
        } else if now < self.measure_from() {
            Phase::WarmUp
        } else {
            Phase::Measurement
        }
    }

    /// The next instant after `now` at which the phase changes.
    pub fn next_change(&self, now: Instant) -> Instant {
        let changes = [self.load, self.measure_from(), self.stop];
        changes.into_iter().filter(|change| *change > now).min().unwrap_or(Instant::FAR_FUTURE)
    }

    /// Whether a request that was due at `due` is measured.
    pub fn measures(&self, due: Instant) -> bool {
        self.phase(due) == Phase::Measurement
    }

    /// The length of measurement, if it ended at `end`.
    pub fn measured(&self, end: Instant) -> Duration {
        if self.load == Instant::FAR_FUTURE {
            Duration::ZERO
        } else {
            end.since(self.measure_from())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn phases_follow_each_other() {
        let mut schedule = Schedule::new(Duration::from_secs(2), Some(Duration::from_secs(10)));
        assert_eq!(schedule.phase(s(50)), Phase::Open);
        schedule.load_from(s(100));
        let table = [
            (99, Phase::Open, 100),
            (100, Phase::WarmUp, 102),
            (102, Phase::Measurement, 112),
            (111, Phase::Measurement, 112),
            (112, Phase::Drain, u64::MAX),
        ];
        for (now, phase, change) in table {
            assert_eq!(schedule.phase(s(now)), phase, "at {now}");
            let expected = if change == u64::MAX { Instant::FAR_FUTURE } else { s(change) };
            assert_eq!(schedule.next_change(s(now)), expected, "at {now}");
        }
        assert_eq!(schedule.measured(schedule.stop()), Duration::from_secs(10));
    }

    #[test]
    fn a_stop_before_load_is_drain_at_once() {
        let mut schedule = Schedule::new(Duration::ZERO, None);
        schedule.stop_at(s(5));
        assert_eq!(schedule.phase(s(6)), Phase::Drain);
        assert_eq!(schedule.measured(s(6)), Duration::ZERO);
    }
}
