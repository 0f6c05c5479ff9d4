//! The summary of a run that has not begun, with every key that it can have: by it limits are checked
//! before anything is opened.

use super::{Focus, json as object};
use crate::fold::{Fold, Who};
use crate::host::parse::{Periods, Softnet, TCP_COUNTERS, Tracked};
use crate::host::{Baseline, HostStrain};
use crate::plan::Plan;
use crate::summary::{ChildRecord, Course, Summary};
use crate::verdict::{State, Verdict};
use dispatch::Instant;
use serde_json::{Value, json};
use stats::{
    Counters, Gaps, Histogram, Interval, Latency, NotSent, Outcome, Phase, STATUS_FIRST,
    STATUS_LAST,
};
use wire::Final;

/// Every key that the summary of `plan` may have, those of its phases among them. Values mean nothing; each
/// class that is told only where it occurred is a whole number.
pub fn shape(plan: &Plan) -> Value {
    let mut fold = Fold::of(plan.roster());
    for slot in 0..plan.config.procs {
        let who = Who::Worker(slot, 0);
        fold.set_own(who, vec![Histogram::default(); Latency::COUNT]);
        fold.take_last_words(who, Final::default());
    }
    for crew in 0..plan.roster().count() {
        let who = Who::Worker(plan.slots_of(crew).start, 0);
        Phase::ALL.iter().for_each(|phase| take_everything(&mut fold, who, *phase));
    }
    for slot in 0..plan.targets {
        take_everything(&mut fold, Who::Target(slot, 0), Phase::Measurement);
        fold.take_arrivals(Who::Target(slot, 0), Gaps::default());
    }
    let course = Course {
        children: (0..plan.config.procs).map(ChildRecord::unheard).collect(),
        host: host(),
        ..Course::default()
    };
    let verdict = || Verdict { state: State::Valid, reasons: vec![], notes: vec![] };
    let summary = Summary { plan: plan.clone(), fold, course };
    let mut shape = object::figures(&summary, &verdict, &|_| verdict(), &Focus::ALL);
    give_ends(&mut shape);
    shape
}

/// Where intervals may be, two ends.
fn give_ends(value: &mut Value) {
    let ends = || json!([null, null]);
    match value {
        Value::Array(list) => list.iter_mut().for_each(give_ends),
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::Object(quantiles) if key == "ci" => {
                        quantiles.values_mut().for_each(|ci| *ci = ends());
                    }
                    value if key.ends_with("_ci") => *value = ends(),
                    value => give_ends(value),
                }
            }
        }
        _ => {}
    }
}

/// Every class of failure, every reason and every status, once.
fn take_everything(fold: &mut Fold, who: Who, phase: Phase) {
    let mut interval = Interval::new(0, phase);
    let Counters { connections_failed, requests_failed, not_sent, .. } = &mut interval.counters;
    (*connections_failed, *requests_failed) = ([1; Outcome::COUNT], [1; Outcome::COUNT]);
    *not_sent = [1; NotSent::COUNT];
    for status in STATUS_FIRST..=STATUS_LAST {
        interval.counters.count_status(status);
    }
    // No run balances so.
    let _ = fold.take(who, &interval, Instant::default());
}

/// A host that says all that a kernel can say.
fn host() -> HostStrain {
    let tcp = || TCP_COUNTERS.map(|(_, name)| (name.to_owned(), 1)).to_vec();
    let softnet = Some(Softnet::default());
    HostStrain {
        periods: Some(Periods::default()),
        tcp_memory: Some(0.0),
        tracked: Some(Tracked::default()),
        softnet,
        tcp: tcp(),
        tcp_before: tcp(),
        baseline: Some(Baseline { softnet, tcp: tcp(), ..Baseline::default() }),
        ..HostStrain::default()
    }
}
