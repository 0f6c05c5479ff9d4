//! The self-test: one table, or one object.

use crate::number::grouped;
use crate::selftest::{Check, Findings, Row};
use crate::verdict::State;
use serde_json::{Value, json};
use std::fmt::Write;

/// Version of the object's shape; it changes when a key changes its meaning.
const SCHEMA: u32 = 1;

/// The table, and what it means.
pub fn text(findings: &Findings) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:<18}{:<42}{:>12}{:>12}{:>12}",
        "trial", "what", "expected", "measured", "off by"
    );
    let mut last = "";
    for (trial, row) in &findings.rows {
        let name = if *trial == last { "" } else { trial };
        last = trial;
        let _ = writeln!(
            text,
            "{name:<18}{:<42}{:>12}{:>12}{:>12}  {}",
            row.name,
            expected(row),
            measured(row),
            value(row.deviation(), row.unit),
            if row.expected.is_some() { word(row) } else { "" },
        );
    }
    let floor = findings.floor_us;
    let _ = write!(
        text,
        "\nThis host wakes a sleeper {} late: differences below {} are not told apart.\n\
         verdict: {}\n",
        value(Some(floor), "µs"),
        value(Some(3.0 * floor), "µs"),
        findings.verdict.state.name(),
    );
    findings.verdict.reasons.iter().for_each(|reason| {
        let _ = writeln!(text, "  {reason}");
    });
    text
}

/// One object.
pub fn json(findings: &Findings) -> String {
    let row = |(trial, row): &(&str, Row)| -> Value {
        json!({
            "trial": trial,
            "name": row.name,
            "expected": row.expected,
            "measured": row.measured,
            "at_least": row.at_least,
            "unit": row.unit,
            "deviation": row.deviation(),
            "tolerance": tolerance(row),
            "state": word(row),
        })
    };
    let object = json!({
        "schema": SCHEMA,
        "kind": "selftest",
        "verdict": { "state": findings.verdict.state.name(), "reasons": findings.verdict.reasons },
        "floor_us": findings.floor_us,
        "rows": findings.rows.iter().map(row).collect::<Vec<_>>(),
    });
    format!("{object:#}\n")
}

fn word(row: &Row) -> &'static str {
    match row.state() {
        _ if row.expected.is_none() => "told",
        State::Valid => "ok",
        State::Suspect => "off",
        State::Invalid => "wrong",
    }
}

/// How far off a row may be, in its unit; 0 where it is exact or wrong, none where it only tells.
const fn tolerance(row: &Row) -> Option<f64> {
    match row.check {
        Check::Told => None,
        Check::Exact => Some(0.0),
        Check::Within(tolerance) | Check::Over(tolerance) | Check::Tail(tolerance) => {
            Some(tolerance)
        }
    }
}

/// What is known, with its unit.
pub fn expected(row: &Row) -> String {
    value(row.expected, row.unit)
}

/// What was measured, with its unit and `≥` where it is known from below only.
pub fn measured(row: &Row) -> String {
    let bound = if row.at_least { "≥ " } else { "" };
    format!("{bound}{}", value(Some(row.measured), row.unit))
}

/// A number with its unit; nothing of nothing.
fn value(number: Option<f64>, unit: &str) -> String {
    match (number, unit) {
        (None, _) => String::new(),
        (Some(number), "") if number.fract() == 0.0 => {
            let sign = if number < 0.0 { "-" } else { "" };
            format!("{sign}{}", grouped(number.abs() as u64))
        }
        (Some(number), "") => format!("{number:.2}"),
        (Some(number), "µs") => format!("{number:.1} µs"),
        (Some(number), unit) => format!("{number:.3} {unit}"),
    }
}
