//! The phases of a scenario, each as a report of its own: a list for a program, a table for a person.

use super::{Focus, json as object, text};
use crate::config::Load;
use crate::number::{duration, grouped};
use crate::plan::Crew;
use crate::summary::Summary;
use crate::verdict::Verdict;
use serde_json::{Value, json};
use stats::{Counter, Latency, Phase};
use std::fmt::Write as _;

/// What is told of each phase as it is of a whole run: all that its workers count and measure. What the
/// supervisor reads beside that, of the host, of the target and over time, is told of the run alone.
const KEYS: [&str; 11] = [
    "plan",
    "connections",
    "storms",
    "attempts",
    "requests",
    "sessions",
    "throughput",
    "latency_us",
    "statuses",
    "verdict",
    "generator",
];

/// The list, of each what is looked at and its verdict; none in a run without phases.
pub fn json(
    summary: &Summary,
    verdict: &dyn Fn(&Summary) -> Verdict,
    focus: &Focus,
) -> Option<Value> {
    let crews = &summary.plan.crews;
    if crews.is_empty() || !focus.has(&["scenario"]) {
        return None;
    }
    let told = |(index, crew): (usize, &Crew)| {
        let Some(focus) = focus.under(&["scenario", "phases", &index.to_string()]) else {
            return json!({});
        };
        let phase = summary.phase(index);
        let mut object = json!({
            "name": crew.name,
            "begins": crew.begins.in_words(|before| &crews[before].name),
            "begun_after_seconds": phase.after_start(phase.begun()),
            "load_after_seconds": phase.after_start(phase.loaded()),
            "seconds": phase.measured_seconds(),
        });
        let mut whole = object::of_part(&phase, &|| verdict(&phase), &focus.among(&KEYS));
        for key in KEYS {
            if let Some(value) = whole.get_mut(key) {
                object[key] = value.take();
            }
        }
        if phase.loaded().is_none() && object.get("verdict").is_some() {
            object["verdict"] = Value::Null;
        }
        object
    };
    let phases: Vec<Value> = crews.iter().enumerate().map(told).collect();
    Some(json!({ "phases": phases }))
}

/// The table, a row each; empty in a run without phases.
fn table(summary: &Summary) -> Vec<String> {
    let phases = summary.phases();
    let width = phases.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(5);
    let mut rows = Vec::new();
    if !phases.is_empty() {
        rows.push(format!(
            "{:<width$}  {:<8}  {:>9}  {:>8}  {:>11}  {:>8}  {:>9}  {:>9}  verdict",
            "", "load", "begins", "length", "requests/s", "failed", "p50", "p99"
        ));
    }
    for (name, phase) in &phases {
        rows.push(format!("{name:<width$}  {}", row(phase)));
    }
    rows
}

fn row(phase: &Summary) -> String {
    let latency = match phase.plan.config.load {
        Load::Closed => Latency::FromSend,
        _ => Latency::FromDue,
    };
    let histogram = phase.fold.histogram(latency);
    let quantile =
        |p| histogram.quantile(p).map_or_else(|| "-".into(), |nanos| duration(nanos as f64));
    let counters = phase.counters();
    let seconds = phase.measured_seconds();
    let completed = phase.fold.phase(Phase::Measurement).of(Counter::RequestsCompleted);
    let mut row = String::new();
    let begins = phase.after_start(phase.loaded());
    // One that never began claims nothing.
    let claims = begins.map(|_| Verdict::of_phase(phase));
    let begins = begins.map_or_else(|| "never".into(), |at| format!("{at:.1} s"));
    let rate = if seconds > 0.0 { completed as f64 / seconds } else { 0.0 };
    let failed = object::failed_share(&counters);
    let failed = failed.map_or_else(|| "-".into(), |share| format!("{:.2} %", share * 100.0));
    let _ = write!(
        row,
        "{:<8}  {begins:>9}  {:>8}  {:>11}  {failed:>8}  {:>9}  {:>9}  {}",
        phase.plan.config.load.name(),
        format!("{seconds:.1} s"),
        grouped(rate as u64),
        quantile(0.5),
        quantile(0.99),
        claims.map_or("-", |verdict| verdict.state.name()),
    );
    row
}

/// The table for a person. Why a phase cannot be trusted is among the run's reasons.
pub fn lines(page: &mut text::Page, summary: &Summary) {
    let mut label = "phases";
    for row in table(summary) {
        page.line(label, &row);
        label = "";
    }
}
