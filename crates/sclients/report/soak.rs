//! How a run went over time: for a program, all of it; for a person, what there is to say.

use crate::soak::{Judged, Soak, value};
use crate::summary::Watched;
use serde_json::{Map, Value, json};
use stats::{Drift, Steady};

/// A run that measured for less has no table, unless something drifts.
const TABLE_AFTER_SECONDS: f64 = 300.0;

/// Where the run settled.
pub(super) fn steady(soak: &Soak) -> Value {
    let (state, of, p) = match soak.steady {
        Steady::TooShort => ("too_short", None, None),
        Steady::Never(of) => ("none", Some(of.name()), None),
        Steady::Trend { of, p, .. } => ("trend", Some(of.name()), Some(p)),
        Steady::Backlog { .. } => ("backlog", None, None),
        Steady::From(_) => ("steady", None, None),
    };
    // As a number, for limits.
    let steady = (soak.steady != Steady::TooShort)
        .then(|| u64::from(matches!(soak.steady, Steady::From(_))));
    let grows = match soak.steady {
        Steady::Backlog { per_window, .. } => Some(per_window / soak.window_seconds),
        _ => None,
    };
    json!({
        "state": state,
        "steady": steady,
        "text": soak.steady_words(),
        "warmup_seconds": soak.steady.warm_from().map(|window| soak.seconds_to(window)),
        "of": of,
        "p": p,
        "backlog_per_s": grows,
    })
}

/// What drifts, each series under its key.
pub(super) fn drift(soak: &Soak) -> Value {
    let mut object = Map::new();
    object.insert("verdict".into(), soak.verdict().name().into());
    object.insert("drifting".into(), soak.count().into());
    object.insert("text".into(), soak.words().into());
    let (from, seconds) = soak.tested();
    object.insert("from_seconds".into(), from.into());
    object.insert("seconds".into(), seconds.into());
    object.insert("window_seconds".into(), soak.window_seconds.into());
    for judged in &soak.judged {
        object.insert(judged.series.key.clone(), series(soak, judged));
    }
    object.into()
}

/// All keys are there, whatever is known: limits may name them.
fn series(soak: &Soak, judged: &Judged) -> Value {
    let Judged { series, threshold, .. } = judged;
    let state = match judged {
        Judged { drifts: true, .. } => "drifts",
        _ if judged.is_told() => "none",
        _ => "too_short",
    };
    let drift = judged.drift.as_ref().filter(|_| judged.is_told());
    let per_hour = |slope: f64| slope * soak.per_hour();
    let hours = drift.and_then(|_| to_limit(soak, judged));
    let [at, soonest, latest] = hours.clone().unwrap_or_default();
    json!({
        "state": state,
        "unit": series.unit.name(),
        "median": drift.map(|drift| drift.median),
        "slope_per_hour": drift.map(|drift| per_hour(drift.trend.slope)),
        "slope_per_hour_ci": drift.map(|drift| drift.trend.slope_ci.map(per_hour)),
        "p": drift.filter(|drift| drift.tells).map(|drift| drift.trend.p),
        "change": drift.map(Drift::change),
        "threshold": drift.map(|_| threshold),
        "limit": series.limit,
        "hours_to_limit": at,
        "hours_to_limit_ci": hours.map(|_| [soonest, latest]),
        "blocks": drift.map(|drift| drift.blocks),
        "block_seconds": drift.map(|drift| drift.block as f64 * soak.window_seconds),
        "step": step(soak, drift),
    })
}

/// Hours until a series is at its limit, at the earliest and at the latest; `never` is what does not go there.
/// None where it drifts and has no limit that is known.
fn to_limit(soak: &Soak, judged: &Judged) -> Option<[Value; 3]> {
    let known = !judged.drifts || judged.series.limit.is_some();
    let hours = |hours: Option<f64>| hours.map_or_else(|| "never".into(), Value::from);
    known.then(|| soak.hours_to_limit(judged).map(hours))
}

/// The place that divides a series best.
fn step(soak: &Soak, drift: Option<&Drift>) -> Value {
    let step = drift.map(|drift| drift.step);
    json!({
        "at_seconds": step.map(|step| soak.seconds_to(step.at)),
        "distance": step.map(|step| step.distance),
        "before": step.map(|step| step.before),
        "after": step.map(|step| step.after),
    })
}

/// The processes that were watched.
pub(super) fn watched(watched: &[Watched]) -> Value {
    let told = |watched: &Watched| {
        let ended = watched.ended.map(|ended| ended.as_secs_f64());
        json!({ "pid": watched.pid, "name": watched.name, "ended_after_seconds": ended })
    };
    watched.iter().map(told).collect()
}

/// Lines for a person, each with its label; none of a run that is too short to say anything.
pub(super) fn lines(soak: &Soak) -> Vec<(&'static str, String)> {
    if !soak.is_long_enough() {
        return Vec::new();
    }
    let steady = soak.steady_words().map(|words| ("steady state", words));
    let mut lines: Vec<_> = steady.into_iter().chain([("drift", soak.words())]).collect();
    let long = soak.windows as f64 * soak.window_seconds >= TABLE_AFTER_SECONDS;
    if long || soak.drifting().next().is_some() {
        lines.extend(soak.seen().map(|judged| ("", row(soak, judged))));
    }
    lines
}

fn row(soak: &Soak, judged: &Judged) -> String {
    let series = &judged.series;
    let Some(drift) = judged.drift.as_ref().filter(|_| judged.is_told()) else {
        return format!("  {:<22} too short to tell", series.name);
    };
    let median = value(series.unit, drift.median);
    let slope = soak.slope_words(judged).unwrap_or_default();
    let state = if judged.drifts { "  drifts" } else { "" };
    format!("  {:<22} {median:>16}  {slope}{state}", series.name)
}
