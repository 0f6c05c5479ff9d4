//! What was counted of sessions since it was last reported.

use super::judge::Verdict;
use super::program::Program;
use stats::{SessionCounts, StepCounts, Tally};

/// Counts of all sessions of a worker, and a tally of latencies for each request.
#[derive(Debug)]
pub struct Score {
    sessions: Vec<SessionCounts>,
    tallies: Vec<Vec<Tally>>,
    any: bool,
}

impl Score {
    /// Nothing yet.
    pub fn new(program: &Program) -> Self {
        let tallies = |session: &super::program::SessionPlay| {
            session.requests.iter().map(|_| Tally::default()).collect()
        };
        let mut score = Self {
            sessions: Vec::new(),
            tallies: program.sessions.iter().map(tallies).collect(),
            any: false,
        };
        score.sessions = empty(program);
        score
    }

    /// What is counted of session `session`.
    pub fn session(&mut self, session: u16) -> &mut SessionCounts {
        self.any = true;
        &mut self.sessions[usize::from(session)]
    }

    /// What is counted of a request of it.
    pub fn step(&mut self, session: u16, request: u16) -> &mut StepCounts {
        self.any = true;
        &mut self.sessions[usize::from(session)].steps[usize::from(request)]
    }

    /// A request of it was answered after `nanos`.
    pub fn record(&mut self, session: u16, request: u16, nanos: u64) {
        self.tallies[usize::from(session)][usize::from(request)].record(nanos);
    }

    /// What an answer is worth.
    pub fn judged(&mut self, session: u16, request: u16, verdict: Verdict) {
        let step = self.step(session, request);
        for (index, count) in step.checks_failed.iter_mut().enumerate() {
            *count += u64::from(verdict.failed >> index & 1);
        }
        step.extract_failed += u64::from(verdict.empty_handed);
    }

    /// What was counted since the last cut; nothing where there was nothing.
    pub fn cut(&mut self) -> Vec<SessionCounts> {
        if !std::mem::take(&mut self.any) {
            return Vec::new();
        }
        for (session, tallies) in self.sessions.iter_mut().zip(&mut self.tallies) {
            for (step, tally) in session.steps.iter_mut().zip(tallies) {
                step.latency = tally.take();
            }
        }
        let counted = self.sessions.clone();
        self.sessions.iter_mut().for_each(clear);
        counted
    }
}

fn empty(program: &Program) -> Vec<SessionCounts> {
    let sessions = program.sessions.iter().map(|session| {
        let step = |request: &super::program::RequestPlay| StepCounts {
            checks_failed: vec![0; request.checks.len()],
            ..StepCounts::default()
        };
        let steps = session.requests.iter().map(step).collect();
        SessionCounts { steps, ..SessionCounts::default() }
    });
    sessions.collect()
}

fn clear(session: &mut SessionCounts) {
    let clear = |step: &mut StepCounts| {
        let checks = vec![0; step.checks_failed.len()];
        *step = StepCounts { checks_failed: checks, ..StepCounts::default() };
    };
    session.steps.iter_mut().for_each(clear);
    let steps = std::mem::take(&mut session.steps);
    *session = SessionCounts { steps, ..SessionCounts::default() };
}
