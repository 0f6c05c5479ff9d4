//! Trials: each a run of the supervisor's, judged by its own report and its own audit.

use super::seek::{Halt, Purpose, State, Tried};
use crate::audit::{self, Evidence};
use crate::config::{Config, Load, Over};
use crate::limits::{Check, Figures, LimitError, Slo, State as LimitState, Unit};
use crate::plan::{self, Plan};
use crate::profile::{Profile, Rate};
use crate::report;
use crate::summary::Summary;
use crate::supervisor;
use crate::verdict::{self, State as VerdictState};
use serde_json::Value;
use stats::{Counter, Phase, min_samples};
use std::thread;
use std::time::{Duration, Instant};

/// Less than this of what was due is not answered in its time by a target that keeps up.
const ANSWERED: f64 = 0.99;
/// The load before each measurement: as long as an answer may take, so that as many are answered in
/// measurement as are due in it.
const WARMUP: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// Requests that tell whether a target is as fast as before, and the pause between them.
const PROBES: u64 = 10;
const PROBE_PAUSE: Duration = Duration::from_millis(5);
/// Half of the pause before the first repeat of a trial that was spoiled; the next ones are longer.
const DISTURBED: Duration = Duration::from_millis(250);
/// As fast as before: not more than so many times, and so many microseconds, slower.
const AS_BEFORE: (f64, f64) = (2.0, 1_000.0);

/// What has to hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// Each of its expressions.
    pub checks: Vec<Check>,
    /// As it was typed.
    pub text: String,
    /// So many requests has a trial that its quantiles mean anything.
    pub samples: f64,
}

impl Objective {
    /// What `slo` means for runs such as `plan`'s.
    ///
    /// # Errors
    /// It means no figure of theirs, or one in another unit.
    pub fn new(slo: &Slo, plan: &Plan) -> Result<Self, LimitError> {
        let figures = Figures::of(&report::shape(plan));
        let checks = slo.0.iter().map(|expression| figures.check(expression));
        let checks = checks.collect::<Result<Vec<Check>, LimitError>>()?;
        let samples = checks.iter().filter_map(quantile).map(min_samples).max();
        Ok(Self { checks, text: slo.to_string(), samples: samples.unwrap_or(1) as f64 })
    }

    /// The latency limits, in microseconds.
    pub fn latencies_us(&self) -> impl Iterator<Item = f64> + '_ {
        self.checks.iter().filter_map(|check| match check.figure.unit {
            Unit::Time(nanos) if quantile(check).is_some() => Some(check.bound * nanos / 1e3),
            _ => None,
        })
    }
}

/// The quantile that is checked, 0 to 1.
fn quantile(check: &Check) -> Option<f64> {
    let digits = check.figure.keys.last()?.strip_prefix('p')?;
    let sound = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let quantile: f64 = sound.then(|| format!("0.{digits}").parse().ok())??;
    (0.0 < quantile && quantile < 1.0).then_some(quantile)
}

/// Trials one after the other.
#[derive(Debug)]
pub struct Trials<'a> {
    plan: &'a Plan,
    objective: Option<&'a Objective>,
    over: Over,
    cooldown: Duration,
    warmup: Duration,
    /// The median of the probes before the first trial, in microseconds.
    baseline_us: Option<f64>,
    made: u64,
    tired: bool,
    /// Trials that were spoiled one after the other.
    spoiled: u32,
    /// What a reader should know of the last trial.
    pub notes: Vec<String>,
}

impl<'a> Trials<'a> {
    /// Trials such as `plan`'s. Where they have a TARGET it is probed.
    ///
    /// # Errors
    /// The probe was ended, or could not begin.
    pub fn new(
        plan: &'a Plan,
        objective: Option<&'a Objective>,
        over: Over,
        cooldown: Duration,
    ) -> Result<Self, Halt> {
        let longest = objective.into_iter().flat_map(Objective::latencies_us).fold(0.0, f64::max);
        let wait = Duration::from_secs_f64((longest / 1e6).min(WARMUP.1.as_secs_f64()));
        let warmup = wait.max(WARMUP.0).max(plan.config.warmup);
        let (baseline_us, notes) = (None, Vec::new());
        let mut made = Self {
            plan,
            objective,
            over,
            cooldown,
            warmup,
            baseline_us,
            made: 0,
            tired: false,
            spoiled: 0,
            notes,
        };
        if plan.config.target.is_some() && !cooldown.is_zero() {
            made.baseline_us = made.probed()?;
        }
        Ok(made)
    }

    /// Makes a trial at `load` for `seconds`.
    ///
    /// # Errors
    /// It was ended, or could not begin.
    pub fn conduct(&mut self, load: f64, seconds: f64, purpose: Purpose) -> Result<Tried, Halt> {
        if self.tired {
            self.rest()?;
        }
        if self.spoiled > 0 {
            // What disturbed it is likely to go on for a while.
            thread::sleep(DISTURBED * (1 << self.spoiled.min(3)));
        }
        self.made += 1;
        let plan = self.planned(load, seconds);
        if let Some(finding) = plan.refusals().next() {
            return Ok(refused(load, purpose, finding.text.clone()));
        }
        let summary = conducted(plan)?;
        let tried = self.judged(&summary, load, seconds, purpose);
        self.tired = tried.state != State::Good;
        self.spoiled = if tried.state == State::Spoiled { self.spoiled + 1 } else { 0 };
        Ok(tried)
    }

    fn planned(&self, load: f64, seconds: f64) -> Plan {
        let length = Duration::from_secs_f64(seconds);
        let mut config = self.plan.config.clone().lasting(length);
        config.warmup = self.warmup;
        config.out = None;
        // Draws and addresses of its own.
        config.seed = config.seed.wrapping_add(self.made);
        match self.over {
            Over::Rate => {
                let rate = Rate::new((load * 1e3).round().max(1.0) as u64, 1_000);
                let rate = Profile::constant(rate.expect("not in no time"));
                config.load.set_rate(rate.expect("a rate of the range, to a thousandth"));
            }
            Over::Conns => config.conns = load as u32,
        }
        self.again(config)
    }

    /// The plan of `config`, for the address that consent was given for.
    fn again(&self, config: Config) -> Plan {
        let peer = config.target.as_ref().map(|_| self.plan.peers[0]);
        plan::planned(config, peer, self.plan.authorization.clone())
    }

    fn judged(&self, summary: &Summary, load: f64, seconds: f64, purpose: Purpose) -> Tried {
        let report = report::figures(summary);
        let measured = summary.fold.phase(Phase::Measurement);
        let completed = measured.of(Counter::RequestsCompleted);
        let good = completed.saturating_sub(measured.of(Counter::RequestsUnexpected));
        let due = measured.of(Counter::RequestsDue);
        let lost = match self.over {
            Over::Rate => 1.0 - good as f64 / due.max(1) as f64,
            Over::Conns => {
                let planned = summary.plan.connections.max(1) as f64;
                1.0 - served(summary) as f64 / planned
            }
        };
        let mut why = self.broken(&report);
        if purpose != Purpose::Scale {
            why.extend(match self.over {
                Over::Rate => behind(completed, due),
                Over::Conns => unserved(summary),
            });
        }
        let spoilt = spoilt(summary, !why.is_empty() || purpose == Purpose::Scale);
        let state = match (spoilt.is_empty(), why.is_empty()) {
            (false, _) => State::Spoiled,
            (true, false) => State::Bad,
            (true, true) => State::Good,
        };
        let number = |at: &str| report.pointer(at).and_then(Value::as_f64);
        Tried {
            load,
            seconds,
            purpose,
            state,
            why: if state == State::Spoiled { spoilt } else { why },
            loss_ratio: lost.clamp(0.0, 1.0),
            answers_per_s: good as f64 / summary.measured_seconds().max(1e-9),
            latency_us: ["p50", "p99"].map(|q| number(&format!("/latency_us/from_due/{q}"))),
            failed_share: number("/requests/failed_share"),
            refused: false,
        }
    }

    /// What does not hold, in words.
    fn broken(&self, report: &Value) -> Vec<String> {
        let checks = self.objective.into_iter().flat_map(|objective| &objective.checks);
        let broken = |check: &Check| {
            let judged = check.judge(report);
            let why = match (judged.state, judged.why) {
                (LimitState::Held, _) => too_few(check, report)?,
                (_, Some(why)) => why,
                (_, None) => return Some(format!("{} is broken", judged.limit)),
            };
            Some(format!("{}: {why}", judged.limit))
        };
        checks.filter_map(broken).collect()
    }

    /// Waits until the target is as fast as before, for the cool-down at most.
    fn rest(&mut self) -> Result<(), Halt> {
        self.tired = false;
        let Some(baseline) = self.baseline_us else { return Ok(()) };
        let (times, more) = AS_BEFORE;
        let began = Instant::now();
        while began.elapsed() < self.cooldown {
            if self.probed()?.is_some_and(|p50| p50 <= times * baseline + more) {
                return Ok(());
            }
        }
        self.notes.push(format!(
            "the target was not as fast as before {} s after trial {}; --cooldown gives it longer",
            self.cooldown.as_secs(),
            self.made
        ));
        Ok(())
    }

    /// The median of a few requests on one connection, in microseconds.
    fn probed(&self) -> Result<Option<f64>, Halt> {
        let mut config = self.plan.config.clone();
        (config.procs, config.conns, config.load) = (1, 1, Load::Closed);
        (config.requests, config.duration, config.warmup) = (Some(PROBES), None, Duration::ZERO);
        (config.think, config.heartbeat, config.out) = (PROBE_PAUSE, None, None);
        config.open_timeout = config.open_timeout.min(Duration::from_secs(1));
        config.seed = config.seed.wrapping_sub(1 + self.made);
        let summary = conducted(self.again(config))?;
        let report = report::figures(&summary);
        let completed = summary.counters().of(Counter::RequestsCompleted);
        let p50 = report.pointer("/latency_us/from_due/p50").and_then(Value::as_f64);
        Ok(p50.filter(|_| completed == PROBES))
    }
}

/// That a quantile is one of fewer requests than could tell it: a trial bears its load by what is known alone.
fn too_few(check: &Check, report: &Value) -> Option<String> {
    let needed = min_samples(quantile(check)?);
    let [of @ .., _] = &check.figure.keys[..] else { return None };
    let object = of.iter().try_fold(report, |value, key| value.get(key))?;
    let count = object.get("count")?.as_u64()?;
    (count < needed).then(|| format!("{count} requests are too few to tell, which takes {needed}"))
}

/// A run to its end, unless something ended it.
fn conducted(plan: Plan) -> Result<Summary, Halt> {
    let summary = supervisor::trial(plan).map_err(Halt::Supervisor)?;
    if let Some(signal) = summary.course.signal {
        return Err(Halt::Signal(signal));
    }
    match summary.course.stopped {
        Some(stopped) => Err(Halt::Stopped(stopped.to_string())),
        None => Ok(summary),
    }
}

/// A load for which this host has no room.
fn refused(load: f64, purpose: Purpose, why: String) -> Tried {
    Tried {
        load,
        seconds: 0.0,
        purpose,
        state: State::Spoiled,
        why: vec![why],
        loss_ratio: 0.0,
        answers_per_s: 0.0,
        latency_us: [None; 2],
        failed_share: None,
        refused: true,
    }
}

/// That answers did not come as fast as requests were due.
fn behind(completed: u64, due: u64) -> Option<String> {
    let share = completed as f64 / due.max(1) as f64;
    (share < ANSWERED).then(|| format!("{completed} of {due} requests were answered in their time"))
}

/// Connections that were there and got an answer; of a hold, that were there.
fn served(summary: &Summary) -> u64 {
    let unserved =
        if summary.plan.config.load == Load::Closed { summary.fold.gauges().unserved } else { 0 };
    summary.fold.peak_live().saturating_sub(unserved)
}

/// That connections were missing, or never got an answer.
fn unserved(summary: &Summary) -> Option<String> {
    let (served, planned) = (served(summary), summary.plan.connections);
    (served < planned).then(|| format!("{served} of {planned} connections were served"))
}

/// What speaks against taking the trial for the target's doing. One that `accuses` the target needs a
/// generator that is beyond doubt where its own limits, and not a schedule, say how fast it asks.
fn spoilt(summary: &Summary, accuses: bool) -> Vec<String> {
    let short = verdict::shortfall(summary);
    let mut why = verdict::untrue_counts(summary);
    // Connections that are missing are the target's, unless this host refused them.
    why.retain(|reason| Some(reason) != short.as_ref());
    if accuses {
        why.extend(verdict::own_limits(summary));
    }
    let closed = summary.plan.config.load == Load::Closed;
    let worst = if closed && accuses { VerdictState::Suspect } else { VerdictState::Invalid };
    let findings = audit::judge(&Evidence::of(summary)).into_iter();
    why.extend(findings.filter(|finding| finding.state >= worst).map(|finding| finding.text));
    why
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::samples::{config, plan_on_ample_host};

    fn objective(text: &str) -> Result<Objective, String> {
        let plan = plan_on_ample_host(config(1, 2), None);
        Objective::new(&text.parse().unwrap(), &plan).map_err(|error| error.to_string())
    }

    #[test]
    fn an_objective_knows_how_many_requests_its_quantiles_need() {
        assert_eq!(objective("failed < 0.1%").unwrap().samples, 1.0);
        assert_eq!(objective("p99 < 50ms, failed < 0.1%").unwrap().samples, 368.0);
        assert_eq!(objective("p50 < 1ms, p999 < 50ms").unwrap().samples, 3_688.0);
        let limits: Vec<f64> =
            objective("p50 < 1ms, p999 < 50ms, failed < 1%").unwrap().latencies_us().collect();
        assert_eq!(limits, [1_000.0, 50_000.0]);
    }

    #[test]
    fn an_objective_on_nothing_is_refused() {
        let error = objective("p98 < 50ms").unwrap_err();
        assert_eq!(error, "`p98` is no figure of this run; the nearest one is p90");
        assert!(objective("p99 < 50").is_err());
    }

    #[test]
    fn what_is_answered_in_its_time_keeps_up() {
        assert_eq!(behind(1_000, 1_000), None);
        assert_eq!(behind(991, 1_000), None);
        assert!(behind(989, 1_000).unwrap().starts_with("989 of 1000 requests"));
        assert!(behind(0, 0).is_some());
    }
}
