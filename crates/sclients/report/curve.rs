//! A series of offered rates: as a table, as JSON, as a line per step.

use super::svg::{self, Line, Panel};
use crate::curve::Point;
use crate::number::{duration, grouped};
use crate::plan::Plan;
use crate::verdict::State;
use serde_json::{Map, Value, json};
use stats::Outcome;
use std::fmt::Write;

/// Version of the object's shape; it changes when a key changes its meaning.
const SCHEMA: u32 = 1;

/// The heads of the table, and how wide each column is.
const COLUMNS: [(&str, usize); 10] = [
    ("offered/s", 11),
    ("connected/s", 13),
    ("goodput/s", 11),
    ("abandoned", 11),
    ("failed", 9),
    ("connect p50", 13),
    ("p99", 10),
    ("response p50", 14),
    ("p99", 10),
    ("verdict", 9),
];

/// The table, with the peak and what speaks against it.
pub fn text(plan: &Plan, points: &[Point]) -> String {
    let mut text =
        format!("sclients {}: overload curve of {}\n\n", env!("CARGO_PKG_VERSION"), target(plan));
    for (head, width) in COLUMNS {
        let _ = write!(text, "{head:>width$}");
    }
    text.push('\n');
    for point in points {
        for (cell, (_, width)) in cells(point).iter().zip(COLUMNS) {
            let _ = write!(text, "{cell:>width$}");
        }
        text.push('\n');
    }
    if let Some(peak) = peak(points) {
        let (goodput, offered) = (whole(peak.goodput_per_s), whole(peak.offered_per_s));
        let _ = write!(text, "\npeak: {goodput} answers/s at {offered} offered attempts/s\n");
    }
    let reasons = points.iter().flat_map(|point| {
        let rate = whole(point.planned_per_s);
        point.verdict.reasons.iter().map(move |reason| format!("{rate}/s: {reason}\n"))
    });
    text.extend(reasons);
    text
}

/// One object.
pub fn json(plan: &Plan, points: &[Point]) -> String {
    let worst = points.iter().map(|point| point.verdict.state).max().unwrap_or(State::Valid);
    let reasons = points.iter().flat_map(|point| point.verdict.reasons.iter());
    let object = json!({
        "schema": SCHEMA,
        "kind": "curve",
        "verdict": { "state": worst.name(), "reasons": reasons.collect::<Vec<_>>() },
        "plan": {
            "procs": plan.config.procs,
            "seed": plan.config.seed,
            "target": target(plan),
            "step_seconds": plan.config.duration.map(|step| step.as_secs_f64()),
            "attempt_timeout_seconds": plan.config.connect_timeout.as_secs_f64(),
            "requests_per_connection": plan.config.requests_per_connection,
        },
        "points": points.iter().map(point).collect::<Vec<_>>(),
        "peak": peak(points).map(|peak| json!({
            "offered_per_s": peak.offered_per_s,
            "goodput_per_s": peak.goodput_per_s,
        })),
    });
    format!("{object:#}\n")
}

/// What a step showed, in one line.
pub fn line(step: usize, steps: usize, point: &Point) -> String {
    format!(
        "step {step} of {steps}: {} attempts/s offered, {} answers/s, {} abandoned",
        whole(point.offered_per_s),
        whole(point.goodput_per_s),
        grouped(point.abandoned),
    )
}

/// Goodput, and below it latencies, against the offered rate.
pub fn picture(points: &[Point]) -> String {
    let line = |name, value: &dyn Fn(&Point) -> Option<f64>| Line {
        name,
        points: points.iter().filter_map(|p| Some((p.offered_per_s, value(p)?))).collect(),
    };
    svg::picture(
        "offered attempts per second",
        &[
            Panel {
                title: "per second",
                logarithmic: false,
                lines: vec![
                    line("answers", &|p| Some(p.goodput_per_s)),
                    line("accepted", &|p| Some(p.connected_per_s)),
                    line("offered", &|p| Some(p.offered_per_s)),
                ],
            },
            Panel {
                title: "milliseconds",
                logarithmic: true,
                lines: vec![
                    line("connect p50", &|p| p.connect_us[0].map(|us| us / 1e3)),
                    line("connect p99", &|p| p.connect_us[1].map(|us| us / 1e3)),
                    line("response p50", &|p| p.response_us[0].map(|us| us / 1e3)),
                    line("response p99", &|p| p.response_us[1].map(|us| us / 1e3)),
                ],
            },
        ],
    )
}

fn target(plan: &Plan) -> String {
    match &plan.config.target {
        Some(target) => format!("{}{}", target.authority, target.path),
        None => "the embedded target".to_owned(),
    }
}

/// The step with the most answers as expected.
fn peak(points: &[Point]) -> Option<&Point> {
    points.iter().max_by(|one, next| one.goodput_per_s.total_cmp(&next.goodput_per_s))
}

fn whole(per_s: f64) -> String {
    grouped(per_s.round() as u64)
}

fn cells(point: &Point) -> [String; COLUMNS.len()] {
    let time = |micros: Option<f64>| micros.map_or_else(|| "-".into(), |us| duration(us * 1e3));
    let response = |micros, quantile| {
        let bound = point.lower_bound_from.is_some_and(|from| quantile >= from);
        format!("{}{}", if bound { "≥" } else { "" }, time(micros))
    };
    [
        whole(point.offered_per_s),
        whole(point.connected_per_s),
        whole(point.goodput_per_s),
        grouped(point.abandoned),
        grouped(point.failed.iter().sum()),
        time(point.connect_us[0]),
        time(point.connect_us[1]),
        response(point.response_us[0], 0.5),
        response(point.response_us[1], 0.99),
        point.verdict.state.name().to_owned(),
    ]
}

fn point(point: &Point) -> Value {
    let failed = Outcome::ALL.iter().zip(point.failed).filter(|(_, count)| *count > 0);
    let failed: Map<_, _> = failed.map(|(class, n)| (class.name().to_owned(), n.into())).collect();
    let pair = |[p50, p99]: [Option<f64>; 2]| json!({ "p50": p50, "p99": p99 });
    let mut response = pair(point.response_us);
    response["lower_bound_from"] = point.lower_bound_from.into();
    json!({
        "planned_per_s": point.planned_per_s,
        "offered_per_s": point.offered_per_s,
        "connected_per_s": point.connected_per_s,
        "goodput_per_s": point.goodput_per_s,
        "abandoned": point.abandoned,
        "failed": failed,
        "connect_us": pair(point.connect_us),
        "response_us": response,
        "verdict": point.verdict.state.name(),
    })
}
