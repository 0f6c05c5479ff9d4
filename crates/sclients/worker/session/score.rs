//! What was counted of sessions since it was last reported.

use super::judge::Verdict;
use super::program::{Program, RequestPlay};
use stats::{SessionCounts, StepCounts, Tally};

/// Counts of all sessions of a worker, and of all requests of them.
#[derive(Debug)]
pub struct Score {
    /// Each without its steps, and how many it has.
    sessions: Vec<(SessionCounts, usize)>,
    steps: Vec<StepScore>,
}

/// What was counted of one request.
#[derive(Debug)]
pub struct StepScore {
    /// All but its latency.
    pub counts: StepCounts,
    /// That.
    pub latency: Tally,
}

impl Score {
    /// Nothing yet.
    pub fn new(program: &Program) -> Self {
        let step = |request: &RequestPlay| StepScore {
            counts: nothing(request.checks.len()),
            latency: Tally::default(),
        };
        let sessions = program.sessions.iter();
        Self {
            sessions: sessions.map(|it| (SessionCounts::default(), it.requests)).collect(),
            steps: program.requests.iter().map(step).collect(),
        }
    }

    /// What is counted of session `session`, but for its steps.
    #[inline]
    pub fn session(&mut self, session: u16) -> &mut SessionCounts {
        &mut self.sessions[usize::from(session)].0
    }

    /// What is counted of request `request`, by its number among all.
    #[inline]
    pub fn step(&mut self, request: u16) -> &mut StepScore {
        &mut self.steps[usize::from(request)]
    }

    /// What was counted since the last cut; nothing where there was nothing.
    pub fn cut(&mut self) -> Vec<SessionCounts> {
        if self.sessions.iter().all(|(session, _)| session.is_empty())
            && self.steps.iter().all(|step| step.counts.is_empty())
        {
            return Vec::new();
        }
        let mut steps = self.steps.iter_mut().map(StepScore::cut);
        let sessions = self.sessions.iter_mut().map(|(session, requests)| {
            let steps = steps.by_ref().take(*requests).collect();
            SessionCounts { steps, ..std::mem::take(session) }
        });
        sessions.collect()
    }
}

impl StepScore {
    /// What an answer is worth.
    pub fn judged(&mut self, verdict: Verdict) {
        for (index, count) in self.counts.checks_failed.iter_mut().enumerate() {
            *count += u64::from(verdict.failed >> index & 1);
        }
        self.counts.extract_failed += u64::from(verdict.empty_handed);
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
