//! The limits of a run, judged by its own report.

use super::watch::Watched;
use super::{Check, Figures, Judged, Limit, LimitError, Misfit, State, Watch, judge};
use crate::plan::Plan;
use crate::report;
use crate::summary::Summary;
use crate::supervisor::StoppedFor;
use humantime::format_duration;
use serde_json::Value;

/// The checks of `plan`'s limits, in their order.
///
/// # Errors
/// One means no figure of such a run or phase, or has another unit.
pub fn checks(plan: &Plan) -> Result<Vec<Check>, Misfit> {
    if all(plan).is_empty() {
        return Ok(Vec::new());
    }
    let shape = report::shape(plan);
    let mut checks = Vec::new();
    for part in parts(plan) {
        let figures = Figures::of(part.object(&shape));
        for limit in part.limits {
            let check = figures.check(&limit.expression);
            let why = |why| match why {
                LimitError::Unknown { name, .. } if Figures::of(&shape).have(&name) => {
                    LimitError::OfRun(name)
                }
                why => why,
            };
            checks.push(check.map_err(|unmeant| Misfit::new(limit, why(unmeant)))?);
        }
    }
    Ok(checks)
}

/// What has limits: the run, and each of its phases.
struct Part<'a> {
    limits: &'a [Limit],
    /// Its place among the phases, and its name.
    phase: Option<(usize, &'a str)>,
}

impl Part<'_> {
    /// What it is called; none is the run.
    fn name(&self) -> Option<&str> {
        self.phase.map(|(_, name)| name)
    }

    /// Its object in the run's.
    fn object<'o>(&self, run: &'o Value) -> &'o Value {
        self.phase.map_or(run, |(index, _)| object_of(run, index))
    }
}

/// The object of a phase in the run's.
pub fn object_of(run: &Value, phase: usize) -> &Value {
    &run["scenario"]["phases"][phase]
}

/// Those that have any, in the order in which their limits are counted.
fn parts(plan: &Plan) -> impl Iterator<Item = Part<'_>> {
    let run = Part { limits: &plan.config.limits, phase: None };
    let phases = plan.crews.iter().enumerate().map(|(index, crew)| Part {
        limits: &crew.config.limits,
        phase: Some((index, &crew.name)),
    });
    std::iter::once(run).chain(phases).filter(|part| !part.limits.is_empty())
}

/// Every limit in the order in which they are counted, with the place of its phase.
fn all(plan: &Plan) -> Vec<(Option<usize>, &Limit)> {
    let of_parts = parts(plan).flat_map(|part| {
        let place = part.phase.map(|(index, _)| index);
        part.limits.iter().map(move |limit| (place, limit))
    });
    of_parts.collect()
}

/// Limit number `index`, as it is told.
pub fn limit(plan: &Plan, index: u32) -> Option<String> {
    let (phase, limit) = *all(plan).get(index as usize)?;
    let name = phase.and_then(|phase| Some(format!("{}: ", plan.crews.get(phase)?.name)));
    Some(format!("{}{}", name.unwrap_or_default(), limit.expression))
}

/// Those of `plan` that may end it before its time.
pub fn watch(plan: &Plan) -> Watch {
    let all = all(plan);
    if all.iter().all(|(_, limit)| limit.abort.is_none()) {
        return Watch::default();
    }
    // What means no figure was refused before.
    let checks = checks(plan).unwrap_or_default();
    let limits = (0..).zip(all).zip(checks);
    Watch::new(limits.filter_map(|((index, (phase, limit)), check)| {
        Some(Watched::new(index, phase, check, limit.abort?))
    }))
}

/// What became of each limit of the run.
pub fn of_run(summary: &Summary) -> Vec<Judged> {
    if all(&summary.plan).is_empty() {
        return vec![];
    }
    of_object(summary, &report::figures(summary))
}

/// The same where the run's object is at hand.
pub fn of_object(summary: &Summary, object: &Value) -> Vec<Judged> {
    if all(&summary.plan).is_empty() {
        return vec![];
    }
    let shape = report::shape(&summary.plan);
    let mut judged = Vec::new();
    for part in parts(&summary.plan) {
        let figures = Figures::of(part.object(&shape));
        let limits = part.limits.iter().map(|limit| &limit.expression);
        let of_part = judge(limits, &figures, part.object(object));
        judged.extend(of_part.into_iter().map(|judged| match part.name() {
            Some(name) => Judged { limit: format!("{name}: {}", judged.limit), ..judged },
            None => judged,
        }));
    }
    if let Some(StoppedFor::Limit(index)) = summary.course.stopped
        && let Some(ended) = judged.get_mut(index as usize)
    {
        // It may hold by now: what was due after it was not asked for.
        ended.state = State::Broken;
        ended.why = Some(ending(summary, index));
    }
    judged
}

/// Why limit number `index` ended the run.
pub fn ending(summary: &Summary, index: u32) -> String {
    let limits = all(&summary.plan);
    let abort = limits.get(index as usize).and_then(|(_, limit)| limit.abort);
    match abort.filter(|delay| !delay.is_zero()) {
        Some(delay) => format!("it was broken for {}, which ended the run", format_duration(delay)),
        None => "it was broken, which ended the run".to_owned(),
    }
}
