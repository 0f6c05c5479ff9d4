//! `sclients doctor`: what the preflight found, for a person or for a program.
//!
//! Renders a [`Plan`] and nothing else: it reads no limit and decides no exit code.

use crate::number::grouped;
use crate::plan::{Finding, Level, Plan};
use serde_json::{Value, json};
use std::fmt::Write;

/// The version of [`json`]'s keys; keys may be added without changing it.
const SCHEMA: u32 = 1;

/// A table of level, code and text, worst first, and a line with the plan's numbers.
pub fn text(plan: &Plan, color: bool) -> String {
    let width = plan.findings.iter().map(|finding| finding.code.len()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in &plan.findings {
        write_finding(&mut text, finding, width, color);
    }
    writeln!(text, "\nplan: {}", numbers(plan)).expect("a string takes all");
    text
}

/// `{schema, findings[{code, level, text}], plan{…}}`.
pub fn json(plan: &Plan) -> Value {
    json!({
        "schema": SCHEMA,
        "findings": plan.findings.iter().map(finding_json).collect::<Vec<_>>(),
        "plan": {
            "procs": plan.config.procs,
            "conns": plan.config.conns,
            "connections": plan.connections,
            "targets": plan.targets,
            "source_addresses": plan.source_addresses(),
            "stagger_ms": u64::try_from(plan.stagger.as_millis()).unwrap_or(u64::MAX),
        },
    })
}

fn write_finding(text: &mut String, finding: &Finding, width: usize, color: bool) {
    let (start, end) = if color { (escape(finding.level), "\x1b[0m") } else { ("", "") };
    let Finding { code, level, text: said } = finding;
    writeln!(text, "{start}{:<6}{end}  {code:<width$}  {said}", level.name())
        .expect("a string takes all");
}

/// The terminal's colour of a level.
fn escape(level: Level) -> &'static str {
    match level {
        Level::Ok => "\x1b[32m",
        Level::Note => "\x1b[36m",
        Level::Warn => "\x1b[33m",
        Level::Refuse => "\x1b[1;31m",
    }
}

fn numbers(plan: &Plan) -> String {
    let (procs, conns) = (u64::from(plan.config.procs), u64::from(plan.config.conns));
    let held = if plan.connections > 0 { "connections" } else { "attempts pending" };
    format!(
        "{} × {} = {} {held}, target processes: {}, source addresses: {}",
        grouped(procs),
        grouped(conns),
        grouped(procs * conns),
        grouped(plan.targets.into()),
        grouped(plan.source_addresses().len() as u64),
    )
}

fn finding_json(finding: &Finding) -> Value {
    json!({ "code": &finding.code, "level": finding.level.name(), "text": finding.text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::samples::{config, plan_on_ample_host};

    #[test]
    fn the_table_is_aligned_and_worst_first() {
        let text = text(&plan_on_ample_host(config(1, 30_000), None), false);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("refuse  nofile         open files: each worker needs 30,064")
        );
        assert!(lines[1].starts_with("note    processors     processors: 2 for 1 worker and"));
        assert!(text.ends_with(
            "\nplan: 1 × 30,000 = 30,000 connections, target processes: 2, source addresses: 2\n"
        ));
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn colour_marks_the_level_alone() {
        let text = text(&plan_on_ample_host(config(1, 30_000), None), true);
        assert!(text.starts_with("\x1b[1;31mrefuse\x1b[0m  nofile "));
        assert!(text.contains("\x1b[32mok    \x1b[0m  memory "));
    }

    #[test]
    fn json_has_the_findings_and_the_plan() {
        let json = json(&plan_on_ample_host(config(32, 10_000), None));
        assert_eq!(json["schema"], 1);
        assert_eq!(json["findings"][0]["level"], "note");
        assert_eq!(json["findings"].as_array().unwrap().len(), 11);
        let plan = &json["plan"];
        assert_eq!((&plan["procs"], &plan["conns"]), (&json!(32), &json!(10_000)));
        assert_eq!((&plan["connections"], &plan["targets"]), (&json!(320_000), &json!(17)));
        assert_eq!(plan["source_addresses"].as_array().unwrap().len(), 12);
        assert_eq!(plan["stagger_ms"], 1600);
    }
}
