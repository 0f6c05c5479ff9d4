//! What became of sessions, step by step: a list for a program, a table for a person.

use crate::number::{duration, grouped};
use crate::scenario::{PlayedSession, PlayedStep};
use crate::summary::Summary;
use serde_json::{Value, json};
use stats::{SessionCounts, StepCounts};

/// The most characters of a name in the table.
const NAME_MAX: usize = 32;

/// Names and counts of the sessions that were played.
fn played(summary: &Summary) -> Vec<(&PlayedSession, SessionCounts)> {
    let sessions = summary.plan.config.sessions.iter().flat_map(|played| &played.sessions);
    let counts = |index| summary.fold.sessions().get(index).cloned().unwrap_or_default();
    let all = sessions.enumerate().map(|(index, session)| (session, counts(index)));
    all.filter(|(session, counts)| session.weight > 0 || counts.begun > 0).collect()
}

/// Steps and their counts.
fn steps<'a>(
    session: &'a PlayedSession,
    counts: &SessionCounts,
) -> impl Iterator<Item = (&'a PlayedStep, StepCounts)> {
    let of = |index| counts.steps.get(index).cloned().unwrap_or_default();
    session
        .steps
        .iter()
        .enumerate()
        .map(move |(index, step)| (step, of(index)))
        .collect::<Vec<_>>()
        .into_iter()
}

/// The list; none where no sessions were played.
pub fn json(summary: &Summary) -> Option<Value> {
    summary.plan.config.sessions.as_ref()?;
    let session = |(session, counts): &(&PlayedSession, SessionCounts)| {
        json!({
            "name": session.name,
            "begun": counts.begun,
            "completed": counts.completed,
            "broken": counts.broken,
            "extract_failed": counts.extract_failed,
            "unfinished": counts.unfinished(),
            "steps": steps(session, counts).map(|(step, counts)| json_of_step(step, &counts)).collect::<Vec<_>>(),
        })
    };
    Some(played(summary).iter().map(session).collect())
}

fn json_of_step(step: &PlayedStep, counts: &StepCounts) -> Value {
    let micros = |nanos: Option<u64>| nanos.map(|nanos| nanos as f64 / 1e3);
    let checks = step.checks.iter().enumerate().map(|(index, check)| {
        json!({ "check": check, "failed": counts.checks_failed.get(index).copied().unwrap_or_default() })
    });
    json!({
        "name": step.name,
        "requests": counts.requests,
        "completed": counts.completed,
        "unexpected_status": counts.unexpected,
        "failed": counts.failed,
        "bad_value": counts.bad_value,
        "checks": checks.collect::<Vec<_>>(),
        "extract_failed": counts.extract_failed,
        "latency_us": {
            "count": counts.latency.count(),
            "p50": micros(counts.latency.quantile(0.5)),
            "p99": micros(counts.latency.quantile(0.99)),
            "max": micros(counts.latency.max()),
        },
    })
}

/// The table, a line each; empty where no sessions were played.
pub fn text(summary: &Summary) -> Vec<String> {
    let mut lines = Vec::new();
    for (session, counts) in played(summary) {
        lines.push(format!(
            "{}: {} begun, {} completed{}{}{}",
            session.name,
            grouped(counts.begun),
            grouped(counts.completed),
            some(counts.broken, "broken"),
            some(counts.extract_failed, "ended by an extraction that found nothing"),
            some(counts.unfinished(), "unfinished"),
        ));
        lines.push(row(&["step", "requests", "failed", "p50", "p99", "max"].map(String::from)));
        for (step, counts) in steps(session, &counts) {
            lines.push(row_of_step(&step.name, &counts));
            lines.extend(misses(step, &counts));
        }
    }
    lines
}

fn row(cells: &[String; 6]) -> String {
    let [name, rest @ ..] = cells;
    let short: String = name.chars().take(NAME_MAX).collect();
    let rest: String = rest.iter().map(|cell| format!("{cell:>11}")).collect();
    format!("  {short:<NAME_MAX$}{rest}")
}

fn row_of_step(name: &str, counts: &StepCounts) -> String {
    let time =
        |nanos: Option<u64>| nanos.map_or_else(|| "-".into(), |nanos| duration(nanos as f64));
    row(&[
        name.to_owned(),
        grouped(counts.requests),
        grouped(counts.failed),
        time(counts.latency.quantile(0.5)),
        time(counts.latency.quantile(0.99)),
        time(counts.latency.max()),
    ])
}

/// What of a step was not as it should be, a line each.
fn misses(step: &PlayedStep, counts: &StepCounts) -> Vec<String> {
    let checks = step.checks.iter().zip(&counts.checks_failed);
    let checks = checks.map(|(check, failed)| (*failed, format!("failed the check: {check}")));
    let others = [
        (counts.unexpected, "had an unexpected status".to_owned()),
        (counts.extract_failed, format!("held nothing to extract: {}", step.extracts.join(", "))),
        (counts.bad_value, "were not sent, a value would have broken them".to_owned()),
    ];
    let all = checks.chain(others).filter(|(count, _)| *count > 0);
    all.map(|(count, what)| format!("    {} {what}", grouped(count))).collect()
}

fn some(count: u64, what: &str) -> String {
    if count > 0 { format!(", {} {what}", grouped(count)) } else { String::new() }
}
