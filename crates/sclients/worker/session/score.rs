//! What was counted of sessions and their requests since it was last reported.

use super::judge::Verdict;
use super::program::Program;
use stats::{SessionCounts, StepCounts, Tally};

/// What an answer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// All checks hold.
    Fine,
    /// Some do not.
    Failed,
    /// What was to be taken out of it is not there: the session ends.
    EmptyHanded,
}

/// What was counted of one request.
#[derive(Debug)]
pub struct StepScore {
    /// All but its latency.
    pub counts: StepCounts,
    /// That.
    pub latency: Tally,
}

impl Program {
    /// What was counted since the last cut; nothing where there was nothing.
    pub fn cut(&mut self) -> Vec<SessionCounts> {
        if self.sessions.iter().all(|session| session.counts.is_empty())
            && self.requests.iter().all(|request| request.score.counts.is_empty())
        {
            return Vec::new();
        }
        let mut steps = self.requests.iter_mut().map(|request| request.score.cut());
        let sessions = self.sessions.iter_mut().map(|session| {
            let steps = steps.by_ref().take(session.requests).collect();
            SessionCounts { steps, ..std::mem::take(&mut session.counts) }
        });
        sessions.collect()
    }
}

impl StepScore {
    /// Nothing yet of a request with so many checks.
    pub fn new(checks: usize) -> Self {
        Self { counts: nothing(checks), latency: Tally::default() }
    }

    /// Counts what an answer was found to be.
    #[inline]
    pub fn judged(&mut self, verdict: Verdict) -> Worth {
        if verdict == Verdict::default() { Worth::Fine } else { self.found_wanting(verdict) }
    }

    #[cold]
    fn found_wanting(&mut self, verdict: Verdict) -> Worth {
        for (index, count) in self.counts.checks_failed.iter_mut().enumerate() {
            *count += u64::from(verdict.failed >> index & 1);
        }
        self.counts.extract_failed += u64::from(verdict.empty_handed);
        if verdict.empty_handed { Worth::EmptyHanded } else { Worth::Failed }
    }

    fn cut(&mut self) -> StepCounts {
        let next = nothing(self.counts.checks_failed.len());
        let counts = std::mem::replace(&mut self.counts, next);
        StepCounts { latency: self.latency.take(), ..counts }
    }
}

fn nothing(checks: usize) -> StepCounts {
    StepCounts { checks_failed: vec![0; checks], ..StepCounts::default() }
}
