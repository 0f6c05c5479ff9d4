//! Two groups of runs compared: one table, or one object.

use crate::compare::{Contest, FAILED_MARGIN, Figure, Found, Row, word};
use crate::number::{duration, grouped};
use serde_json::{Value, json};
use stats::compare::Judged;
use std::fmt::Write;

/// Version of the object's shape; it changes when a key changes its meaning.
const SCHEMA: u32 = 1;

/// The heads of the table, and how wide each column is.
const COLUMNS: [(&str, usize); 7] = [
    ("A", 12),
    ("B", 12),
    ("shift", 10),
    ("95 % interval", 22),
    ("p", 9),
    ("could see", 11),
    ("B is", 15),
];

/// The table, what it could have shown, and the word of the whole.
pub fn text(contest: &Contest, load: &str) -> String {
    let [a, b] = contest.runs.each_ref().map(Vec::len);
    let mut text = format!(
        "sclients {}: {a} runs (A) against {b} (B), {load}\n\n{:<12}",
        env!("CARGO_PKG_VERSION"),
        "median"
    );
    for (head, width) in COLUMNS {
        let _ = write!(text, "{head:>width$}");
    }
    text.push('\n');
    for row in &contest.rows {
        let _ = write!(text, "{:<12}", row.figure.name());
        for (cell, (_, width)) in cells(row).iter().zip(COLUMNS) {
            let _ = write!(text, "{cell:>width$}");
        }
        text.push('\n');
    }
    let (margin, failed) = (percent(contest.margin), percent(FAILED_MARGIN));
    let _ = write!(
        text,
        "\nNo difference is one within ±{margin} (failed: ±{failed} of all); could see: the smallest shift \
         that four of\nfive such comparisons find. All figures together share one chance in 20 of a false alarm.\n\
         verdict: {}\n",
        told(contest),
    );
    let reasons =
        contest.rows.iter().filter_map(|row| Some((row.figure.name(), row.why.as_ref()?)));
    for (name, why) in reasons {
        let _ = writeln!(text, "  {name}: {why}");
    }
    for note in &contest.notes {
        let _ = writeln!(text, "  {note}");
    }
    text
}

/// One object.
pub fn json(contest: &Contest, load: &str) -> String {
    let dirs = |arm: usize| contest.runs[arm].iter().map(|run| run.dir.clone()).collect::<Vec<_>>();
    let row = |row: &Row| -> Value {
        let values = |arm: usize| -> Vec<Option<f64>> {
            contest.runs[arm].iter().map(|run| run.value(row.figure)).collect()
        };
        json!({
            "figure": row.figure.name(),
            "unit": unit(row.figure),
            "a": { "median": row.medians[0], "values": values(0) },
            "b": { "median": row.medians[1], "values": values(1) },
            "shift": row.found.map(|found| found.shift),
            "interval95": row.found.and_then(|found| found.interval).map(|(low, high)| [low, high]),
            "p": row.found.map(|found| found.p),
            "exact": row.found.map(|found| found.exact),
            "a12": row.found.map(|found| found.a12),
            "could_see": row.found.and_then(|found| found.visible),
            "verdict": word(row.judged),
            "why": row.why,
        })
    };
    let object = json!({
        "schema": SCHEMA,
        "kind": "compare",
        "verdict": word(contest.judged()),
        "load": load,
        "margin": contest.margin,
        "failed_margin": FAILED_MARGIN,
        "runs": { "a": dirs(0), "b": dirs(1) },
        "figures": contest.rows.iter().map(row).collect::<Vec<_>>(),
        "notes": contest.notes,
    });
    format!("{object:#}\n")
}

/// The word, and the figures that it comes from.
fn told(contest: &Contest) -> String {
    let judged = contest.judged();
    let of = contest.rows.iter().filter(|row| row.judged == judged);
    let names: Vec<&str> = of.map(|row| row.figure.name()).collect();
    let says = match judged {
        Judged::CannotTell => "cannot tell",
        Judged::Same => "no difference",
        Judged::Better => "B is better",
        Judged::Worse => "B is worse",
    };
    format!("{says} ({})", names.join(", "))
}

fn cells(row: &Row) -> [String; 7] {
    let value = |value: Option<f64>| value.map_or_else(|| "-".into(), |x| shown(row.figure, x));
    let of = |part: &dyn Fn(&Found) -> Option<String>| {
        row.found.as_ref().and_then(part).unwrap_or_else(|| "-".into())
    };
    [
        value(row.medians[0]),
        value(row.medians[1]),
        of(&|found| Some(signed(found.shift))),
        of(&|found| {
            let (low, high) = found.interval?;
            Some(format!("{} .. {}", signed(low), signed(high)))
        }),
        of(&|found| Some(chance(found))),
        of(&|found| Some(format!("±{}", percent(found.visible?)))),
        word(row.judged).to_owned(),
    ]
}

/// A p that was not counted is marked.
fn chance(found: &Found) -> String {
    let mark = if found.exact { "" } else { "~" };
    let p = found.p;
    if p < 1e-4 { format!("{mark}{p:.0e}") } else { format!("{mark}{p:.4}") }
}

const fn unit(figure: Figure) -> &'static str {
    match figure {
        Figure::P50 | Figure::P99 | Figure::Cpu => "us",
        Figure::Throughput => "per_s",
        Figure::Failed => "share",
    }
}

fn shown(figure: Figure, value: f64) -> String {
    match figure {
        Figure::P50 | Figure::P99 | Figure::Cpu => duration(value * 1e3),
        Figure::Throughput => format!("{}/s", grouped(value.round() as u64)),
        Figure::Failed => percent(value),
    }
}

/// A share as percent, to three digits.
fn percent(share: f64) -> String {
    let share = share * 100.0;
    let decimals = match share.abs() {
        x if x >= 100.0 => 0,
        x if x >= 10.0 => 1,
        _ => 2,
    };
    format!("{share:.decimals$} %")
}

fn signed(share: f64) -> String {
    let sign = if share >= 0.0 { "+" } else { "-" };
    format!("{sign}{}", percent(share.abs()))
}
