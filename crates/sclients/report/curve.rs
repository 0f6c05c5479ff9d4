//! A series of offered rates: as a table, as JSON, as a line per step.

use super::json::classes;
use super::svg::{self, Chart, Line, Panel};
use crate::curve::Point;
use crate::number::{duration, grouped};
use crate::plan::Plan;
use crate::verdict::State;
use serde_json::{Value, json};
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
    for point in points.iter().filter(|point| point.interrupted) {
        let (rate, after) = (whole(point.planned_per_s), duration(point.seconds * 1e9));
        let _ = writeln!(text, "{rate}/s: interrupted after {after}");
    }
    for reason in reasons(points) {
        let _ = writeln!(text, "{reason}");
    }
    text
}

/// One object.
pub fn json(plan: &Plan, points: &[Point]) -> String {
    let worst = points.iter().map(|point| point.verdict.state).max().unwrap_or(State::Valid);
    let object = json!({
        "schema": SCHEMA,
        "kind": "curve",
        "verdict": { "state": worst.name(), "reasons": reasons(points).collect::<Vec<_>>() },
        "plan": {
            "procs": plan.config.procs,
            "seed": plan.config.seed,
            "target": target(plan),
            "curve": plan.config.curve.map(|series| json!({
                "from_per_s": series.from,
                "to_per_s": series.to,
                "steps": series.steps,
            })),
            "warmup_seconds": plan.config.warmup.as_secs_f64(),
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

/// What the last of `points` showed, of so many steps, in one line.
pub fn line(steps: u32, points: &[Point]) -> String {
    let point = points.last().expect("a step is over");
    format!(
        "step {} of {steps}: {} attempts/s offered, {} answers/s, {} abandoned",
        points.len(),
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
        bounds: Vec::new(),
    };
    let response = |name, index: usize, quantile| {
        let value = |p: &Point| p.response_us[index].map(|us| us / 1e3);
        let bounds = points.iter().filter(|p| is_bound(p, quantile));
        let bounds = bounds.filter_map(|p| Some((p.offered_per_s, value(p)?))).collect();
        Line { bounds, ..line(name, &value) }
    };
    svg::picture(&[Chart {
        x_title: "offered attempts per second",
        panels: vec![
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
                    response("response p50", 0, 0.5),
                    response("response p99", 1, 0.99),
                ],
            },
        ],
    }])
}

fn target(plan: &Plan) -> String {
    match &plan.config.target {
        Some(target) => format!("{}{}", target.authority, target.path),
        None => "the embedded target".to_owned(),
    }
}

/// The whole step with the most answers as expected, if any were.
fn peak(points: &[Point]) -> Option<&Point> {
    let answered = points.iter().filter(|point| !point.interrupted && point.goodput_per_s > 0.0);
    answered.max_by(|one, next| one.goodput_per_s.total_cmp(&next.goodput_per_s))
}

/// What speaks against each step, with its rate.
fn reasons(points: &[Point]) -> impl Iterator<Item = String> + '_ {
    points.iter().flat_map(|point| {
        let rate = whole(point.planned_per_s);
        point.verdict.reasons.iter().map(move |reason| format!("{rate}/s: {reason}"))
    })
}

/// Whether responses at `quantile` are known from below only.
fn is_bound(point: &Point, quantile: f64) -> bool {
    point.lower_bound_from.is_some_and(|from| quantile >= from)
}

fn whole(per_s: f64) -> String {
    grouped(per_s.round() as u64)
}

fn cells(point: &Point) -> [String; COLUMNS.len()] {
    let time = |micros: Option<f64>| micros.map_or_else(|| "-".into(), |us| duration(us * 1e3));
    let response = |micros, quantile| {
        format!("{}{}", if is_bound(point, quantile) { "≥" } else { "" }, time(micros))
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
    let pair = |[p50, p99]: [Option<f64>; 2]| json!({ "p50": p50, "p99": p99 });
    let mut response = pair(point.response_us);
    response["lower_bound_from"] = point.lower_bound_from.into();
    json!({
        "planned_per_s": point.planned_per_s,
        "offered_per_s": point.offered_per_s,
        "connected_per_s": point.connected_per_s,
        "goodput_per_s": point.goodput_per_s,
        "abandoned": point.abandoned,
        "failed": classes(&point.failed),
        "connect_us": pair(point.connect_us),
        "response_us": response,
        "seconds": point.seconds,
        "interrupted": point.interrupted,
        "verdict": point.verdict.state.name(),
        "reasons": point.verdict.reasons,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::{Series, samples};
    use crate::plan::samples::{config, plan_on_ample_host};
    use stats::Outcome;

    fn plan() -> Plan {
        let mut config = config(1, 1);
        config.curve = Some(Series { from: 500, to: 2_000, steps: 3 });
        config.seed = 7;
        plan_on_ample_host(config, None)
    }

    /// Below, at and past saturation; then a step that was interrupted.
    fn points() -> Vec<Point> {
        let mut past = samples::point(1_250.0, 480.0);
        past.abandoned = 7_000;
        past.failed[Outcome::ConnectRefused as usize] = 3;
        past.lower_bound_from = Some(0.9);
        past.verdict.state = State::Suspect;
        past.verdict.reasons.push("a <reason>".to_owned());
        let mut cut = samples::point(2_000.0, 900.0);
        (cut.seconds, cut.interrupted) = (0.25, true);
        vec![samples::point(500.0, 499.6), past, cut]
    }

    #[test]
    fn the_table_has_a_row_for_each_step_and_names_the_peak() {
        let text = text(&plan(), &points());
        let rows: Vec<Vec<&str>> = text
            .lines()
            .skip(3)
            .take(2)
            .map(|row| row.split("  ").filter(|c| !c.is_empty()).map(str::trim).collect())
            .collect();
        assert_eq!(
            rows[0],
            ["500", "500", "500", "0", "0", "100 µs", "200 µs", "1.50 ms", "500 ms", "valid"]
        );
        assert_eq!(rows[1][3..5], ["7,000", "3"]);
        // Known from below from the 90th percentile on: p99 is, p50 is not.
        assert_eq!(rows[1][7..], ["1.50 ms", "≥500 ms", "suspect"]);
        assert!(
            text.ends_with(
                "\npeak: 500 answers/s at 500 offered attempts/s\n\
             2,000/s: interrupted after 250 ms\n1,250/s: a <reason>\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn the_object_says_what_the_table_says() {
        let object: Value = serde_json::from_str(&json(&plan(), &points())).unwrap();
        assert_eq!((&object["schema"], &object["kind"]), (&json!(1), &json!("curve")));
        assert_eq!(object["verdict"]["state"], "suspect");
        assert_eq!(object["verdict"]["reasons"], json!(["1,250/s: a <reason>"]));
        assert_eq!(object["plan"]["seed"], 7);
        let asked = json!({ "from_per_s": 500, "to_per_s": 2_000, "steps": 3 });
        assert_eq!(object["plan"]["curve"], asked);
        assert_eq!(object["peak"], json!({ "offered_per_s": 500.0, "goodput_per_s": 499.6 }));
        let past = &object["points"][1];
        assert_eq!(past["failed"], json!({ Outcome::ConnectRefused.name(): 3 }));
        assert_eq!((&past["abandoned"], &past["verdict"]), (&json!(7_000), &json!("suspect")));
        let response = json!({ "p50": 1_500.0, "p99": 500_000.0, "lower_bound_from": 0.9 });
        assert_eq!(past["response_us"], response);
        assert_eq!(object["points"][2]["interrupted"], true);
    }

    #[test]
    fn where_nothing_was_answered_there_is_no_peak() {
        let silent = [samples::point(500.0, 0.0)];
        assert!(!text(&plan(), &silent).contains("peak"));
        let object: Value = serde_json::from_str(&json(&plan(), &silent)).unwrap();
        assert!(object["peak"].is_null());
    }

    #[test]
    fn the_picture_marks_lower_bounds() {
        assert_eq!(picture(&points()).matches('≥').count(), 1);
        assert!(!picture(&[samples::point(500.0, 0.0)]).contains('≥'));
    }
}
