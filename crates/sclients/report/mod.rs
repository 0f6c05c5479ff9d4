//! What a person or a program reads of a run: text, JSON, progress.
//!
//! One file per output. This room renders; every number in it is the fold's.

pub mod capacity;
pub mod compare;
pub mod curve;
mod focus;
mod hlog;
mod json;
mod junit;
mod outline;
mod phases;
mod progress;
mod script;
pub mod selftest;
mod sessions;
mod shape;
mod soak;
mod storms;
mod svg;
mod text;

pub use focus::Focus;
pub use hlog::log as hlog;
pub use junit::{suite as junit, suite_of_no_run as junit_of_no_run};
pub use outline::outline;
pub use progress::Progress;
pub use shape::shape;

use crate::config::Format;
use crate::fold::Fold;
use crate::number;
use crate::summary::Summary;
use crate::verdict::Verdict;
use stats::Counter;
use std::time::Duration;

/// The quantiles that are told of a latency: their keys in JSON, and their heads in text.
const QUANTILES: [(f64, &str, &str); 6] = [
    (0.5, "p50", "p50"),
    (0.9, "p90", "p90"),
    (0.95, "p95", "p95"),
    (0.99, "p99", "p99"),
    (0.999, "p999", "p99.9"),
    (0.9999, "p9999", "p99.99"),
];

/// The whole report, in the format that was asked for.
pub fn summary(summary: &Summary) -> String {
    let verdict = Verdict::of(summary);
    match summary.plan.config.format {
        Format::Text => text::summary(summary, &verdict),
        Format::Json => lines(&json::summary(summary, &verdict)),
    }
}

/// The whole report as JSON, whatever format was asked for.
pub fn json(summary: &Summary) -> String {
    lines(&json::summary(summary, &Verdict::of(summary)))
}

/// The object that limits are judged by: the whole report but them.
pub fn figures(summary: &Summary) -> serde_json::Value {
    figures_of(summary, &Focus::ALL)
}

/// Of it, what is looked at.
pub fn figures_of(summary: &Summary, focus: &Focus) -> serde_json::Value {
    json::figures(summary, &|| Verdict::of(summary), &Verdict::of_phase, focus)
}

/// The report of a run that goes on, `elapsed` into it, for a person.
pub fn so_far(summary: &Summary, elapsed: Duration) -> String {
    let text = text::summary(summary, &Verdict::of(summary));
    format!("so far, {:.1} s into the run:\n{text}", elapsed.as_secs_f64())
}

/// What a target that was served alone saw.
pub fn served(fold: &Fold, deaths: &[String], format: Format) -> String {
    match format {
        Format::Json => lines(&json::served(fold, deaths)),
        Format::Text => {
            let counters = fold.target_counters();
            let grouped = |counter| number::grouped(counters.of(counter));
            let mut text = format!(
                "saw {} connections and {} requests; read {}, wrote {}\n",
                grouped(Counter::ConnectionsEstablished),
                grouped(Counter::RequestsSent),
                number::bytes(counters.of(Counter::BytesRead)),
                number::bytes(counters.of(Counter::BytesWritten)),
            );
            deaths.iter().for_each(|death| text.push_str(&format!("died: {death}\n")));
            text
        }
    }
}

fn lines(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}
