//! Whether the run's claims can be trusted, and the exit code that says so.
//!
//! The verdict judges claims, not machines: here the claim that the counts are true. They are
//! invalid when the ledger does not close, a worker was lost, or connections fell short of the plan.

use crate::config::Load;
use crate::exit::ExitCode;
use crate::summary::Summary;
use crate::supervisor::Role;
use dispatch::Signal;
use stats::{Counter, ledger};

/// How far the claims can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// They can.
    Valid,
    /// They are true, but something speaks against reading much into them.
    Suspect,
    /// They cannot.
    Invalid,
}

impl State {
    /// The name in reports; stable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Suspect => "suspect",
            Self::Invalid => "invalid",
        }
    }
}

/// The verdict on a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The worst that any claim earns.
    pub state: State,
    /// Why, in words.
    pub reasons: Vec<String>,
}

impl Verdict {
    /// Judges `summary`.
    pub fn of(summary: &Summary) -> Self {
        let mut reasons = summary.faults.clone();
        reasons.extend(imbalance(summary));
        reasons.extend(deaths(summary));
        reasons.extend(shortfall(summary));
        let state = if reasons.is_empty() { State::Valid } else { State::Invalid };
        Self { state, reasons }
    }
}

/// The ledger over all workers; what was lost counts as still open.
fn imbalance(summary: &Summary) -> Option<String> {
    let result = ledger::check(&summary.counters(), &summary.fold.gauges());
    result.err().map(|imbalance| format!("the ledger does not close: {imbalance}"))
}

fn deaths(summary: &Summary) -> impl Iterator<Item = String> + '_ {
    summary.deaths().map(|(child, death)| {
        let (role, slot, pid) = (child.role.name(), child.slot, child.pid);
        let how = child.exit.map_or_else(|| "without a trace".to_owned(), |exit| exit.to_string());
        let after = death.after.as_secs_f64();
        let unknown = death.unknown.as_millis();
        match child.role {
            Role::Worker => format!(
                "{role} {slot} (process {pid}) was lost {after:.3} s into the run: {how}; its last {unknown} ms are unknown"
            ),
            Role::Target => {
                format!("{role} {slot} (process {pid}) died {after:.3} s into the run: {how}")
            }
        }
    })
}

fn shortfall(summary: &Summary) -> Option<String> {
    let (planned, peak) = (summary.plan.connections, summary.fold.peak_live());
    let interrupted = summary.signal.is_some() && summary.measured_seconds() == 0.0;
    (peak < planned && !interrupted)
        .then(|| format!("{peak} connections of the {planned} planned were live at one time"))
}

/// The exit code of a run that was reported: the first that applies.
pub fn exit_code(summary: &Summary, verdict: &Verdict) -> ExitCode {
    match summary.signal {
        Some(Signal::SIGINT) => return ExitCode::Interrupted,
        Some(_) => return ExitCode::Terminated,
        None => {}
    }
    if verdict.state == State::Invalid {
        ExitCode::Invalid
    } else if answered_as_expected(summary) {
        ExitCode::Success
    } else {
        ExitCode::NotAsExpected
    }
}

/// Whether anything was answered as expected; a hold without requests expects connections.
fn answered_as_expected(summary: &Summary) -> bool {
    let counters = summary.counters();
    let config = &summary.plan.config;
    if config.load == Load::Hold && config.heartbeat.is_none() {
        return counters.of(Counter::ConnectionsEstablished) > 0;
    }
    counters.of(Counter::RequestsCompleted) > counters.of(Counter::RequestsUnexpected)
}
