//! Whether the run's claims can be trusted, and the exit code that says so.
//!
//! The verdict judges claims, not machines. Whether times can be trusted is the business of
//! [`crate::audit`]; here is the claim that the counts are true. They are
//! invalid when the ledger does not close, a worker was lost, connections fell short of the plan, or
//! the supervisor stopped the run for its failures, and suspect when this host's own limits failed some of them.

use crate::audit::{self, Evidence};
use crate::config::Load;
use crate::exit::ExitCode;
use crate::limits::{Judged, of_run};
use crate::number::duration;
use crate::summary::{ChildRecord, Cut, Death, Summary};
use crate::supervisor::{Role, StoppedFor};
use stats::{Counter, Fault, Outcome, ledger};
use std::borrow::Cow;

/// How far the claims can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// What a reader should know and what changes nothing.
    pub notes: Vec<String>,
}

impl Verdict {
    /// Judges `summary`.
    pub fn of(summary: &Summary) -> Self {
        let mut reasons = untrue_counts(summary);
        let mut state = if reasons.is_empty() { State::Valid } else { State::Invalid };
        if let Some(doubt) = own_limits(summary) {
            reasons.push(doubt);
            state = state.max(State::Suspect);
        }
        if let Some(doubt) = own_target(summary) {
            reasons.push(doubt);
            state = state.max(State::Suspect);
        }
        if !summary.course.trouble.is_empty() {
            reasons.extend(summary.course.trouble.iter().cloned());
            state = state.max(State::Suspect);
        }
        if let Some(accepted) = accepted_losses(summary) {
            reasons.extend(accepted);
            state = state.max(State::Suspect);
        }
        let going_on = going_on(summary).into_iter();
        let notes = going_on.chain(ended_by_limit(summary)).chain(unanswered(summary)).collect();
        let mut verdict = Self { state, reasons, notes };
        parts(summary).iter().for_each(|(name, part)| verdict.audit(name, part));
        verdict
    }

    /// Judges what one phase of a run claims.
    pub fn of_phase(phase: &Summary) -> Self {
        // One that has not begun claims nothing.
        let short = shortfall(phase).filter(|_| phase.loaded().is_some());
        let mut reasons: Vec<String> = short.into_iter().collect();
        let accepted = accepted_losses(phase);
        if accepted.is_none() {
            reasons.extend(losses(phase));
        }
        let mut state = if reasons.is_empty() { State::Valid } else { State::Invalid };
        if let Some(accepted) = accepted {
            reasons.extend(accepted);
            state = state.max(State::Suspect);
        }
        let mut verdict = Self { state, reasons, notes: Vec::new() };
        verdict.audit("", phase);
        verdict
    }

    /// Adds what the audit finds of `part`, each with `name` before it.
    fn audit(&mut self, name: &str, part: &Summary) {
        for finding in audit::judge(&Evidence::of(part)) {
            let sound = finding.state == State::Valid;
            let list = if sound { &mut self.notes } else { &mut self.reasons };
            list.push(format!("{name}{}", finding.text));
            self.state = self.state.max(finding.state);
        }
    }
}

/// What makes claims of its own, and how they are called: the run, or those of its phases that had load.
fn parts(summary: &Summary) -> Vec<(String, Cow<'_, Summary>)> {
    if summary.plan.crews.is_empty() {
        return vec![(String::new(), Cow::Borrowed(summary))];
    }
    let loaded = summary.phases().into_iter().filter(|(_, phase)| phase.loaded().is_some());
    loaded.map(|(name, phase)| (format!("phase {name}: "), Cow::Owned(phase))).collect()
}

/// That a limit ended the run before its time, which takes nothing from what was counted.
fn ended_by_limit(summary: &Summary) -> Option<String> {
    let Some(StoppedFor::Limit(index)) = summary.course.stopped else { return None };
    let limit = of_run::limit(&summary.plan, index)?;
    Some(format!("limit {limit}: {}", of_run::ending(summary, index)))
}

/// That this is not all of a run that goes on, and how much of it.
fn going_on(summary: &Summary) -> Option<String> {
    if summary.course.cut != Some(Cut::GoingOn) {
        return None;
    }
    let elapsed = duration(summary.course.supervisor.elapsed.as_nanos() as f64);
    let (loaded, all) = summary.progress();
    let all =
        all.map_or_else(String::new, |all| format!(" of {}", duration(all.as_nanos() as f64)));
    let loaded = duration(loaded.as_nanos() as f64);
    Some(format!(
        "the run goes on: this is what was reported in its first {elapsed}, {loaded}{all} of load"
    ))
}

/// What speaks against the claim that the counts are true and whole.
pub fn untrue_counts(summary: &Summary) -> Vec<String> {
    let course = &summary.course;
    let mut reasons: Vec<String> = course.failed.iter().map(|(why, _)| why.clone()).collect();
    if accepted_losses(summary).is_none() {
        reasons.extend(resumptions(summary));
    }
    let cut_short = course.stopped.filter(|stopped| !matches!(stopped, StoppedFor::Limit(_)));
    reasons.extend(cut_short.map(|stopped| stopped.to_string()));
    reasons.extend(summary.course.faults.iter().cloned());
    reasons.extend(imbalance(summary));
    reasons.extend(lost_time(summary));
    if accepted_losses(summary).is_none() {
        reasons.extend(deaths(summary));
    }
    let short = |(name, part): &(String, Cow<'_, Summary>)| {
        shortfall(part).map(|short| format!("{name}{short}"))
    };
    reasons.extend(parts(summary).iter().filter_map(short));
    reasons
}

/// Failures that say nothing of the target: this host refused.
pub fn own_limits(summary: &Summary) -> Option<String> {
    let counters = summary.counters();
    let failed = |outcome: Outcome| {
        counters.connections_failed[outcome as usize] + counters.requests_failed[outcome as usize]
    };
    let ours = Outcome::ALL.iter().filter(|outcome| outcome.fault() == Fault::Tester);
    let ours = ours.filter(|outcome| failed(**outcome) > 0);
    let counted: Vec<String> =
        ours.map(|outcome| format!("{} {}", failed(*outcome), outcome.name())).collect();
    (!counted.is_empty())
        .then(|| format!("this host's own limits failed some: {}", counted.join(", ")))
}

/// Connections that our own target left waiting, since this host refused: what was late is not a server.
fn own_target(summary: &Summary) -> Option<String> {
    let refused = summary.fold.target_counters().connections_failed;
    let refused = Outcome::ALL.iter().filter(|outcome| refused[**outcome as usize] > 0);
    let named: Vec<&str> = refused.map(|outcome| outcome.name()).collect();
    let why = || format!("the embedded target could not always accept: {}", named.join(", "));
    (!named.is_empty()).then(why)
}

/// The ledger over all workers; what was lost counts as still open.
fn imbalance(summary: &Summary) -> Option<String> {
    let result = ledger::check(&summary.counters(), &summary.fold.gauges());
    result.err().map(|imbalance| format!("the ledger does not close: {imbalance}"))
}

/// Each worker's times, to the nanosecond.
fn lost_time(summary: &Summary) -> Option<String> {
    let times = summary.times();
    (!times.balance()).then(|| format!("the times of requests do not add up: {times:?}"))
}

/// What was lost with workers, where each loss is one that the user accepts.
fn accepted_losses(summary: &Summary) -> Option<Vec<String>> {
    let most = summary.plan.config.allow_lost?;
    let accepted = |(child, death): (&ChildRecord, &Death)| {
        child.role == Role::Worker && death.unknown <= most
    };
    let any = summary.deaths().next().is_some();
    (any && summary.deaths().all(accepted)).then(|| losses(summary))
}

/// What was lost: with supervisors, where workers died with them, and with workers alone.
fn losses(summary: &Summary) -> Vec<String> {
    let with_supervisor = summary.deaths().any(|(_, death)| death.with_supervisor);
    resumptions(summary).filter(|_| with_supervisor).chain(deaths(summary)).collect()
}

fn resumptions(summary: &Summary) -> impl Iterator<Item = String> + '_ {
    summary.course.resumed.iter().map(|resumed| {
        format!(
            "the supervisor died {:.1} s into the run, and the run was taken up {:.3} s later: nothing is known of what came between",
            resumed.after.as_secs_f64(),
            resumed.gap.as_secs_f64(),
        )
    })
}

fn deaths(summary: &Summary) -> impl Iterator<Item = String> + '_ {
    let alone = summary.deaths().filter(|(_, death)| !death.with_supervisor);
    alone.map(|(child, death)| {
        let (role, slot, pid) = (child.role.name(), child.slot, child.pid);
        let exit = child.exit.map_or_else(|| "without a trace".to_owned(), |exit| exit.to_string());
        let how = death.why.as_ref().map_or_else(|| exit.clone(), |why| format!("{exit}, {why}"));
        let after = death.after.as_secs_f64();
        match child.role {
            Role::Worker => format!(
                "{role} {slot} (process {pid}) was lost {after:.3} s into the run: {how}; its last {} ms are unknown, and {}",
                death.unknown.as_millis(),
                gap(death),
            ),
            Role::Target => {
                format!("{role} {slot} (process {pid}) died {after:.3} s into the run: {how}")
            }
        }
    })
}

/// For how long nobody had the slot of a dead worker, in words.
fn gap(death: &Death) -> String {
    let gap = death.gap.as_millis();
    match death.replaced_after {
        Some(after) => {
            format!("its slot made no load for {gap} ms (replaced after {} ms)", after.as_millis())
        }
        None => format!("its slot made no load for {gap} ms, to the end"),
    }
}

/// That fewer connections were live than were planned.
pub fn shortfall(summary: &Summary) -> Option<String> {
    let (planned, peak) = (summary.plan.connections, summary.fold.peak_live());
    if planned == 0 {
        return None;
    }
    let interrupted = summary.course.signal.is_some() && summary.measured_seconds() == 0.0;
    (peak < planned && !interrupted && has_begun(summary))
        .then(|| format!("{peak} connections of the {planned} planned were live at one time"))
}

/// The exit code of a run that was reported: the first that applies.
pub fn exit_code(summary: &Summary, verdict: &Verdict) -> ExitCode {
    if let Some((_, code)) = summary.course.failed {
        return code;
    }
    if let Some(signal) = summary.course.signal {
        return ExitCode::ended_by(signal);
    }
    if verdict.state == State::Invalid {
        ExitCode::Invalid
    } else if unanswered(summary).is_empty() && of_run::of_run(summary).iter().all(Judged::held) {
        ExitCode::Success
    } else {
        ExitCode::NotAsExpected
    }
}

/// The run, or each of its phases, of which nothing was answered as expected, in words.
pub fn unanswered(summary: &Summary) -> Vec<String> {
    let without = |(name, part): (String, Cow<'_, Summary>)| {
        let nothing = has_begun(&part) && !answered_as_expected(&part);
        nothing.then(|| format!("{name}nothing was answered as expected"))
    };
    parts(summary).into_iter().filter_map(without).collect()
}

/// Whether there was load: a run that goes on may not be there yet.
fn has_begun(part: &Summary) -> bool {
    part.course.cut != Some(Cut::GoingOn) || part.loaded().is_some()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OnBusy;
    use crate::fold::{Fold, Who};
    use crate::limits::Limits;
    use crate::plan::samples::{config, plan_on_ample_host};
    use crate::profile::{Arrivals, Profile};
    use crate::summary::Course;
    use crate::supervisor::{Exit, StoppedFor};
    use dispatch::Instant;
    use dispatch::Signal;
    use stats::{Interval, Phase};
    use std::time::Duration;

    /// A run of one worker with `live` of its two connections, each answered with 200 once.
    fn run(live: u64, change: impl FnOnce(&mut Interval)) -> Summary {
        let mut interval = Interval::new(0, Phase::Measurement);
        let counters = &mut interval.counters;
        for counter in [
            Counter::ConnectionsAttempted,
            Counter::ConnectionsEstablished,
            Counter::RequestsDue,
            Counter::RequestsSent,
            Counter::RequestsCompleted,
        ] {
            counters.count_many(counter, live);
        }
        interval.gauges.live = live;
        change(&mut interval);
        let mut fold = Fold::default();
        let _ = fold.take(Who::Worker(0, 0), &interval, Instant::from_nanos(1));
        Summary { plan: plan_on_ample_host(config(1, 2), None), fold, course: Course::default() }
    }

    fn judged(summary: &Summary) -> (State, ExitCode) {
        let verdict = Verdict::of(summary);
        (verdict.state, exit_code(summary, &verdict))
    }

    #[test]
    fn a_run_as_planned_is_valid() {
        assert_eq!(judged(&run(2, |_| {})), (State::Valid, ExitCode::Success));
    }

    #[test]
    fn too_few_connections_are_invalid() {
        assert_eq!(judged(&run(1, |_| {})), (State::Invalid, ExitCode::Invalid));
    }

    /// A run of 10/s for a minute, as it was reported 3 s into its load.
    fn scheduled(due: u64) -> Summary {
        const SECOND: u64 = 1_000_000_000;
        let mut asked = config(1, 2).lasting(Duration::from_secs(60));
        asked.load = Load::Open {
            rate: Profile::even(10),
            arrivals: Arrivals::Constant,
            on_busy: OnBusy::Queue,
        };
        let mut summary = run(2, |interval| {
            for counter in [Counter::RequestsDue, Counter::RequestsSent, Counter::RequestsCompleted]
            {
                interval.counters.count_many(counter, due - 2);
            }
        });
        let _ = summary.fold.take(
            Who::Worker(0, 0),
            &Interval {
                gauges: stats::Gauges { live: 2, ..Default::default() },
                ..Interval::new(3, Phase::Measurement)
            },
            Instant::from_nanos(9 * SECOND),
        );
        summary.plan = plan_on_ample_host(asked, None);
        summary.course.children = vec![ChildRecord::unheard(0)];
        summary.course.clock = (5 * SECOND, Some(6 * SECOND));
        summary.course.crews = vec![(Some(5 * SECOND), Some(6 * SECOND))];
        summary.course.so_far = Duration::from_secs(3);
        summary
    }

    #[test]
    fn a_run_that_goes_on_is_judged_by_what_was_due_by_now() {
        assert_eq!(judged(&scheduled(30)).0, State::Invalid, "it ended and asked for 30 of 600");
        let going_on = scheduled(30).going_on();
        assert_eq!(judged(&going_on), (State::Valid, ExitCode::Success));
        let note = "the run goes on: this is what was reported in its first 0.00 ns, 3.00 s of 60.0 s of load";
        assert_eq!(Verdict::of(&going_on).notes, [note]);
        assert_eq!((going_on.planned_ticks(), going_on.measured_seconds()), (Some(600), 3.0));
        assert_eq!(judged(&scheduled(15).going_on()).0, State::Invalid, "it fell behind");
    }

    #[test]
    fn a_run_that_goes_on_and_has_not_begun_claims_nothing() {
        let mut opening = run(1, |interval| interval.counters = stats::Counters::default());
        assert_eq!(judged(&opening).0, State::Invalid);
        opening.course.cut = Some(Cut::GoingOn);
        opening.fold = Fold::default();
        assert_eq!(judged(&opening), (State::Valid, ExitCode::Success));
    }

    #[test]
    fn what_nothing_was_answered_in_is_named() {
        let mut silent = run(2, |interval| {
            interval.counters.count_many(Counter::RequestsUnexpected, 2);
        });
        assert_eq!(judged(&silent), (State::Valid, ExitCode::NotAsExpected));
        assert_eq!(Verdict::of(&silent).notes, ["nothing was answered as expected"]);
        silent.course.cut = Some(Cut::GoingOn);
        assert_eq!(judged(&silent).1, ExitCode::Success, "it has not begun");
    }

    #[test]
    fn a_run_that_was_stopped_for_its_failures_is_incomplete() {
        let mut stopped = run(2, |_| {});
        stopped.course.stopped = Some(StoppedFor::ErrorShare);
        assert_eq!(judged(&stopped), (State::Invalid, ExitCode::Invalid));
        let reasons = Verdict::of(&stopped).reasons;
        assert!(reasons[0].starts_with("stopped, since more than half"), "{reasons:?}");
    }

    /// The same run with limits.
    fn limited(limits: &str) -> Summary {
        let mut summary = run(2, |_| {});
        let Limits(limits) = limits.parse().unwrap();
        summary.plan.config.limits = limits;
        summary
    }

    #[test]
    fn a_limit_that_does_not_hold_is_exit_code_4_behind_all_else() {
        let held = "requests.completed == 2, failed == 0";
        assert_eq!(judged(&limited(held)), (State::Valid, ExitCode::Success));
        for broken in ["requests.completed > 2", "failed == 0, p99 < 1s"] {
            assert_eq!(judged(&limited(broken)), (State::Valid, ExitCode::NotAsExpected));
        }
        let mut invalid = limited("requests.completed > 2");
        invalid.course.faults.push("one".to_owned());
        assert_eq!(judged(&invalid).1, ExitCode::Invalid);
        invalid.course.signal = Some(Signal::SIGINT);
        assert_eq!(judged(&invalid).1, ExitCode::Interrupted);
    }

    #[test]
    fn a_run_that_a_limit_ended_is_valid_and_the_limit_broken_whatever_came_after() {
        let mut ended = limited("failed == 0, requests.completed == 2; abort after 10s");
        ended.course.stopped = Some(StoppedFor::Limit(1));
        assert_eq!(judged(&ended), (State::Valid, ExitCode::NotAsExpected));
        let note = "limit requests.completed == 2: it was broken for 10s, which ended the run";
        assert_eq!(Verdict::of(&ended).notes, [note]);
        let held: Vec<bool> = of_run::of_run(&ended).iter().map(Judged::held).collect();
        assert_eq!(held, [true, false]);
    }

    #[test]
    fn a_ledger_that_does_not_close_is_invalid() {
        let broken = run(2, |interval| interval.gauges.in_flight = 7);
        assert_eq!(judged(&broken), (State::Invalid, ExitCode::Invalid));
    }

    #[test]
    fn failures_of_this_hosts_own_are_suspect_and_no_failure() {
        let limited = run(2, |interval| {
            interval.counters.count(Counter::ConnectionsAttempted);
            interval.counters.connections_failed[Outcome::LocalPorts as usize] = 1;
        });
        assert_eq!(judged(&limited), (State::Suspect, ExitCode::Success));
        assert!(Verdict::of(&limited).reasons[0].contains("1 local.ports"));
    }

    #[test]
    fn a_lost_worker_is_invalid_and_named() {
        let mut summary = run(2, |_| {});
        summary.course.children.push(ChildRecord {
            role: Role::Worker,
            slot: 3,
            generation: 0,
            pid: 77,
            exit: Some(Exit::Signal(Signal::SIGKILL)),
            death: Some(Death {
                after: Duration::from_secs(2),
                unknown: Duration::from_millis(40),
                gap: Duration::from_millis(1_234),
                ..Death::default()
            }),
            stopped: Duration::ZERO,
        });
        assert_eq!(judged(&summary), (State::Invalid, ExitCode::Invalid));
        let reason = Verdict::of(&summary).reasons.concat();
        assert!(reason.contains("worker 3") && reason.contains("SIGKILL"), "{reason}");
        assert!(reason.contains("last 40 ms are unknown"), "{reason}");
    }

    #[test]
    fn a_loss_is_suspect_where_each_is_allowed() {
        let lost = |unknown| ChildRecord {
            role: Role::Worker,
            slot: 3,
            generation: 0,
            pid: 77,
            exit: None,
            death: Some(Death { unknown: Duration::from_millis(unknown), ..Death::default() }),
            stopped: Duration::ZERO,
        };
        for (losses, expected) in [
            (vec![1_000, 40], (State::Suspect, ExitCode::Success)),
            (vec![40, 1_001], (State::Invalid, ExitCode::Invalid)),
        ] {
            let mut summary = run(2, |_| {});
            summary.plan.config.allow_lost = Some(Duration::from_secs(1));
            summary.course.children.extend(losses.into_iter().map(lost));
            assert_eq!(judged(&summary), expected);
            assert_eq!(Verdict::of(&summary).reasons.len(), 2);
            let phase = Verdict::of_phase(&summary);
            assert_eq!((phase.state, phase.reasons.len()), (expected.0, 2), "as a phase is judged");
        }
        let mut target = run(2, |_| {});
        target.plan.config.allow_lost = Some(Duration::from_secs(1));
        target.course.children.push(ChildRecord { role: Role::Target, ..lost(1) });
        assert_eq!(judged(&target).0, State::Invalid, "a target's death is no loss of ours");
    }

    #[test]
    fn answers_of_which_none_is_expected_are_exit_code_4() {
        let refused = run(2, |interval| {
            interval.counters.count_many(Counter::RequestsUnexpected, 2);
        });
        assert_eq!(judged(&refused), (State::Valid, ExitCode::NotAsExpected));
    }

    #[test]
    fn a_signal_goes_before_the_verdict() {
        for (signal, code) in [
            (Signal::SIGINT, ExitCode::Interrupted),
            (Signal::SIGTERM, ExitCode::Terminated),
            (Signal::SIGHUP, ExitCode::Terminated),
        ] {
            let mut summary = run(1, |_| {});
            summary.course.signal = Some(signal);
            assert_eq!(judged(&summary).1, code);
        }
    }
}
