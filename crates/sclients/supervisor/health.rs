//! Whether a child does anything: stopped by a signal, silent, or well.
//!
//! Pure: told what was seen of the child, and how much time the supervisor itself has spent awake.

use dispatch::Instant;
use std::time::Duration;

/// A child that was not heard of for so long hangs.
pub const SILENT_MAX: Duration = Duration::from_secs(10);
/// It is asked to leave a trace, and killed so much later.
const LAST_CHANCE: Duration = Duration::from_secs(2);

/// What is to be done with a child that hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// SIGABRT, for a core.
    Abort,
    /// SIGKILL.
    Kill,
}

/// What is known of one child.
#[derive(Clone, Copy, Debug, Default)]
pub struct Health {
    silent: Duration,
    aborted: bool,
    stopped: Option<Instant>,
    stopped_before: Duration,
}

impl Health {
    /// It was heard of.
    pub fn hear(&mut self) {
        self.silent = Duration::ZERO;
    }

    /// A signal stopped it.
    pub fn stop(&mut self, now: Instant) {
        self.stopped.get_or_insert(now);
    }

    /// It goes on, or it is over.
    pub fn go_on(&mut self, now: Instant) {
        if let Some(since) = self.stopped.take() {
            self.stopped_before += now.since(since);
            self.silent = Duration::ZERO;
        }
    }

    /// Whether it is stopped.
    pub const fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// For how long it was, until `now`.
    pub fn stopped_for(&self, now: Instant) -> Duration {
        self.stopped_before + self.stopped.map_or(Duration::ZERO, |since| now.since(since))
    }

    /// The supervisor was awake for `awake` more without hearing of it. One that somebody stopped does
    /// not hang: who stopped it may let it go on.
    pub fn wait(&mut self, awake: Duration) -> Option<Remedy> {
        if self.is_stopped() {
            return None;
        }
        self.silent += awake;
        if self.silent >= SILENT_MAX + LAST_CHANCE {
            return Some(Remedy::Kill);
        }
        let abort = self.silent >= SILENT_MAX && !self.aborted;
        self.aborted |= abort;
        abort.then_some(Remedy::Abort)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(500);

    fn remedies(health: &mut Health, steps: u32) -> Vec<(u32, Remedy)> {
        (1..=steps).filter_map(|step| Some((step, health.wait(STEP)?))).collect()
    }

    #[test]
    fn a_silent_child_is_aborted_once_and_then_killed() {
        let remedies = remedies(&mut Health::default(), 25);
        assert_eq!(remedies, [(20, Remedy::Abort), (24, Remedy::Kill), (25, Remedy::Kill)]);
    }

    #[test]
    fn one_that_is_heard_of_or_stopped_does_not_hang() {
        let mut health = Health::default();
        for _ in 0..10 {
            assert_eq!(remedies(&mut health, 19), []);
            health.hear();
        }
        let at = |seconds: u64| Instant::from_nanos(seconds * 1_000_000_000);
        health.stop(at(5));
        assert_eq!(remedies(&mut health, 100), []);
        assert_eq!(health.stopped_for(at(9)), Duration::from_secs(4));
        health.go_on(at(11));
        assert_eq!(remedies(&mut health, 19), []);
        assert_eq!(health.stopped_for(at(99)), Duration::from_secs(6));
    }
}
