//! What was counted of sessions, step by step.
//!
//! ```text
//! begun    = completed + broken + empty-handed (extract_failed) + unfinished: under way, or lost with a worker
//! requests = completed + failed + in flight
//! ```

use crate::histogram::Histogram;

/// The most sessions of a run, and requests of all of them, that are believed of another process.
pub const SESSIONS_MAX: usize = 64;
/// The most requests of one session that are believed.
pub const STEPS_MAX: usize = 128;
/// The most checks of one request that are believed.
pub const CHECKS_MAX: usize = 16;

/// What was counted of one request of a session.
#[derive(Clone, Debug, Default)]
pub struct StepCounts {
    /// Sent.
    pub requests: u64,
    /// Answered, whatever the status.
    pub completed: u64,
    /// Answered with a status that was not expected.
    pub unexpected: u64,
    /// Failed otherwise than by an answer.
    pub failed: u64,
    /// Not sent, since a value would have broken the request.
    pub bad_value: u64,
    /// Answers in which something that was to be extracted was not found.
    pub extract_failed: u64,
    /// Answers that failed each check, in their order.
    pub checks_failed: Vec<u64>,
    /// From send to the last byte; requests due in measurement.
    pub latency: Histogram,
}

/// What was counted of one session.
#[derive(Clone, Debug, Default)]
pub struct SessionCounts {
    /// Begun.
    pub begun: u64,
    /// Played to the end.
    pub completed: u64,
    /// Ended by a request that failed or could not be sent.
    pub broken: u64,
    /// Ended by an extraction that found nothing.
    pub extract_failed: u64,
    /// Its requests, in order.
    pub steps: Vec<StepCounts>,
}

impl StepCounts {
    /// Whether nothing was counted.
    pub const fn is_empty(&self) -> bool {
        self.requests + self.completed + self.failed + self.bad_value == 0
    }

    /// Adds what `other` counted.
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.completed += other.completed;
        self.unexpected += other.unexpected;
        self.failed += other.failed;
        self.bad_value += other.bad_value;
        self.extract_failed += other.extract_failed;
        self.checks_failed.resize(self.checks_failed.len().max(other.checks_failed.len()), 0);
        for (mine, theirs) in self.checks_failed.iter_mut().zip(&other.checks_failed) {
            *mine += theirs;
        }
        self.latency.merge_sparse(&other.latency);
    }
}

impl SessionCounts {
    /// Over, however.
    pub const fn ended(&self) -> u64 {
        self.completed + self.broken + self.extract_failed
    }

    /// Begun and not over: under way, or at the end cut by that, or lost with a worker.
    pub const fn unfinished(&self) -> u64 {
        self.begun.saturating_sub(self.ended())
    }

    /// Whether nothing was counted of the session itself.
    pub const fn is_empty(&self) -> bool {
        self.begun + self.ended() == 0
    }

    /// Adds what `other` counted.
    pub fn merge(&mut self, other: &Self) {
        self.begun += other.begun;
        self.completed += other.completed;
        self.broken += other.broken;
        self.extract_failed += other.extract_failed;
        let steps = self.steps.len().max(other.steps.len());
        self.steps.resize_with(steps, StepCounts::default);
        for (mine, theirs) in self.steps.iter_mut().zip(&other.steps) {
            mine.merge(theirs);
        }
    }

    /// Adds what was counted of several, in the same order.
    pub fn merge_all(all: &mut Vec<Self>, others: &[Self]) {
        all.resize_with(all.len().max(others.len()), Self::default);
        for (mine, theirs) in all.iter_mut().zip(others) {
            mine.merge(theirs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(scale: u64) -> SessionCounts {
        let mut step = StepCounts { requests: scale, completed: scale, ..StepCounts::default() };
        step.checks_failed = vec![0, scale];
        step.latency.record(1_000 * scale);
        SessionCounts {
            begun: scale,
            steps: vec![StepCounts::default(), step],
            ..Default::default()
        }
    }

    #[test]
    fn counts_of_any_order_add_up() {
        let told = |order: [u64; 3]| {
            let mut all = Vec::new();
            order.iter().for_each(|scale| SessionCounts::merge_all(&mut all, &[counts(*scale)]));
            let step = &all[0].steps[1];
            let checks = step.checks_failed.clone();
            (all[0].begun, step.requests, checks, step.latency.encode())
        };
        assert_eq!(told([1, 2, 3]), told([3, 1, 2]));
        assert_eq!(told([1, 2, 3]).2, [0, 6]);
    }
}
