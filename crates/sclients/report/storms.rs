//! What storms closed, and how long it took until all of it was open again.

use super::json::distribution;
use super::text::Page;
use crate::config::Storm;
use crate::number::{duration, grouped};
use crate::summary::Summary;
use serde_json::{Value, json};
use stats::{Counter, Latency, Outcome};

/// For a program; none where no storm was asked for.
pub fn json(summary: &Summary) -> Option<Value> {
    let asked = asked(summary);
    let counters = summary.counters();
    let recovery = summary.fold.histogram(Latency::Recovery);
    let told = || {
        json!({
            "asked": asked.iter().map(Storm::to_string).collect::<Vec<_>>(),
            "struck": counters.of(Counter::Storms),
            "closed": counters.of(Counter::ConnectionsStormed),
            "requests_cut": counters.requests_failed[Outcome::Storm as usize],
            "recovered": recovery.count(),
            "recovery_us": distribution(recovery),
        })
    };
    (!asked.is_empty()).then(told)
}

/// The same for a person.
pub fn lines(page: &mut Page, summary: &Summary) {
    if asked(summary).is_empty() {
        return;
    }
    let counters = summary.counters();
    let recovery = summary.fold.histogram(Latency::Recovery);
    let struck = counters.of(Counter::Storms);
    page.line(
        "storms",
        &format!(
            "{} in all workers together · {} connections closed · {} requests cut",
            grouped(struck),
            grouped(counters.of(Counter::ConnectionsStormed)),
            grouped(counters.requests_failed[Outcome::Storm as usize]),
        ),
    );
    let of = |nanos: Option<u64>| nanos.map_or_else(|| "-".into(), |it| duration(it as f64));
    let back = match recovery.count() {
        0 => "none recovered from".to_owned(),
        count => format!(
            "{} recovered from, in {} (median), {} at most",
            grouped(count),
            of(recovery.quantile(0.5)),
            of(recovery.max()),
        ),
    };
    page.line("", &back);
}

/// The storms of all loads of this run.
fn asked(summary: &Summary) -> Vec<Storm> {
    let plan = &summary.plan;
    let loads = (0..plan.crews.len().max(1)).map(|crew| plan.load_of(crew));
    loads.flat_map(|load| load.storms.iter().copied()).collect()
}
