//! Whether an expression is so of a summary.

use super::expression::Expression;
use super::figure::{Figure, Unit};
use super::mistake::LimitError;
use serde_json::Value;

/// An expression whose figure is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// As it was typed.
    pub expression: Expression,
    /// The figure that it means.
    pub figure: Figure,
    /// What the figure is compared with, in its own unit.
    pub bound: f64,
}

/// What became of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is so.
    Held,
    /// It is not.
    Broken,
    /// What is known does not decide it: it does not hold.
    CannotTell,
}

impl State {
    /// The name in reports; stable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Broken => "broken",
            Self::CannotTell => "cannot tell",
        }
    }
}

/// What became of an expression, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The expression.
    pub limit: String,
    /// The whole path of its figure; as typed where that is none.
    pub figure: String,
    /// What the figure is in; none where there is no figure.
    pub unit: Option<Unit>,
    /// The figure; none where it has no value.
    pub value: Option<f64>,
    /// It is this or more.
    pub at_least: bool,
    /// What became of it.
    pub state: State,
    /// What has to be known beside the value.
    pub why: Option<String>,
}

impl Judged {
    /// Whether it held.
    pub fn held(&self) -> bool {
        self.state == State::Held
    }

    /// An expression that means no figure.
    pub(super) fn unknown(expression: &Expression, mistake: &LimitError) -> Self {
        Self {
            limit: expression.to_string(),
            figure: expression.name.clone(),
            unit: None,
            value: None,
            at_least: false,
            state: State::CannotTell,
            why: Some(mistake.to_string()),
        }
    }
}

impl Check {
    pub(super) fn new(expression: Expression, figure: Figure, bound: f64) -> Self {
        Self { expression, figure, bound }
    }

    /// Whether it is so of `summary`, which has the shape that the figure is of.
    pub fn judge(&self, summary: &Value) -> Judged {
        let value = self.value(summary);
        let at_least = value.is_some() && self.is_lower_bound(summary);
        let so = match value {
            Some(value) if at_least => self.expression.op.holds_from(value, self.bound),
            Some(value) => Some(self.expression.op.holds(value, self.bound)),
            None => None,
        };
        let why = match so {
            Some(_) => None,
            None if at_least => Some(
                "the figure is known from below only, since requests timed out or were not over at the end",
            ),
            None => Some("the figure has no value: nothing, or too little, was measured for it"),
        };
        Judged {
            limit: self.expression.to_string(),
            figure: self.figure.path.clone(),
            unit: Some(self.figure.unit),
            value,
            at_least,
            state: so.map_or(State::CannotTell, |so| if so { State::Held } else { State::Broken }),
            why: why.map(str::to_owned),
        }
    }

    /// The figure's value. A class that is not told among those that occurred did not; where nothing is told
    /// of what it is a part of, nothing is known of it.
    fn value(&self, summary: &Value) -> Option<f64> {
        let (last, parents) = self.figure.keys.split_last()?;
        let of = at(summary, parents)?;
        match at(of, std::slice::from_ref(last)) {
            // What does not go to its limit is there after any time.
            Some(value) => value.as_f64().or((value == "never").then_some(f64::INFINITY)),
            None if self.figure.counts && of.is_object() => Some(0.0),
            None => None,
        }
    }

    /// Whether the value stands for itself and all above: a quantile from that on from which values are lower
    /// bounds, an end of its interval, or what they all are part of.
    fn is_lower_bound(&self, summary: &Value) -> bool {
        let keys = match &self.figure.keys[..] {
            [of @ .., ci, quantile, _] if ci == "ci" => {
                [of, std::slice::from_ref(quantile)].concat()
            }
            keys => keys.to_vec(),
        };
        let Some((last, parents)) = keys.split_last() else { return false };
        let from = at(summary, parents).and_then(|of| of.get("lower_bound_from")?.as_f64());
        let reaches = match last.as_str() {
            "mean" | "max" => Some(1.0),
            quantile => {
                quantile.strip_prefix('p').and_then(|digits| format!("0.{digits}").parse().ok())
            }
        };
        from.zip(reaches).is_some_and(|(from, reaches): (f64, f64)| reaches >= from)
    }
}

/// What is at these keys; of a list they are places.
fn at<'a>(summary: &'a Value, keys: &[String]) -> Option<&'a Value> {
    keys.iter().try_fold(summary, |value, key| match value {
        Value::Array(list) => list.get(key.parse::<usize>().ok()?),
        value => value.get(key),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Figures, judge};
    use super::*;
    use serde_json::json;

    fn shape() -> Value {
        json!({
            "requests": { "failed_share": null, "failed": { "reset": 1, "timeout.total": 1 } },
            "connections": { "peak_live": 1 },
            "latency_us": { "from_due": {
                "count": 0, "mean": null, "p90": null, "p99": null, "p999": null, "max": null,
                "lower_bound_from": null, "longer": { "p99": null },
                "ci": { "p99": [null, null] },
            } },
            "drift": { "rss": { "unit": "bytes", "slope_per_hour": null, "hours_to_limit": null } },
            "phases": [{ "name": "open", "requests": { "sent": 0 } }, { "name": "measurement", "requests": { "sent": 0 } }],
        })
    }

    fn measured() -> Value {
        json!({
            "requests": { "failed_share": 0.001, "failed": { "timeout.total": 3 } },
            "connections": { "peak_live": 20_000 },
            "latency_us": { "from_due": {
                "count": 3, "mean": 90.5, "p90": 120.25, "p99": 250.0, "p999": null, "max": 400.0,
                "lower_bound_from": null, "longer": {},
            } },
            "phases": [{ "name": "open", "requests": { "sent": 2 } }, { "name": "measurement", "requests": { "sent": 7 } }],
        })
    }

    fn judged(text: &str, summary: &Value) -> Judged {
        judge([&text.parse().unwrap()], &Figures::of(&shape()), summary).remove(0)
    }

    #[test]
    fn limits_hold_or_are_broken_by_the_figure() {
        use State::{Broken, Held};
        for (text, value, state) in [
            ("p99 < 250us", 250.0, Broken),
            ("p99 <= 250us", 250.0, Held),
            ("p99 == 250us", 250.0, Held),
            ("p99 < 1ms", 250.0, Held),
            ("failed < 0.1%", 0.001, Broken),
            ("failed <= 0.1%", 0.001, Held),
            ("connections.peak_live == 20000", 20_000.0, Held),
            ("connections.peak_live != 20k", 20_000.0, Broken),
            ("requests.failed.timeout.total <= 2", 3.0, Broken),
            ("requests.failed.reset == 0", 0.0, Held),
            ("phases.measurement.requests.sent > 5", 7.0, Held),
            ("phases.open.requests.sent > 5", 2.0, Broken),
        ] {
            let judged = judged(text, &measured());
            assert_eq!((judged.value, judged.state), (Some(value), state), "{text}");
            assert_eq!(judged.why, None);
        }
    }

    #[test]
    fn a_figure_without_a_value_cannot_be_told() {
        for text in ["p999 < 1h", "p999 > 0", "p999 != 0", "longer.p99 < 5"] {
            let judged = judged(text, &measured());
            assert_eq!(
                (judged.value, judged.state, judged.held()),
                (None, State::CannotTell, false)
            );
            assert!(judged.why.unwrap().starts_with("the figure has no value"));
        }
    }

    #[test]
    fn what_never_reaches_its_limit_does_so_after_any_time() {
        let drift = |hours: Value| json!({ "drift": { "rss": { "hours_to_limit": hours } } });
        for (hours, state) in [
            (json!("never"), State::Held),
            (json!(49.5), State::Held),
            (json!(47.5), State::Broken),
            (Value::Null, State::CannotTell),
        ] {
            let judged = judged("drift.rss.hours_to_limit > 48h", &drift(hours));
            assert_eq!(judged.state, state, "{judged:?}");
        }
        let falls = json!({ "drift": { "rss": { "slope_per_hour": -2_097_152.0 } } });
        assert!(judged("slope_per_hour > -3MiB", &falls).held());
        assert!(!judged("slope_per_hour > -1MiB", &falls).held());
    }

    #[test]
    fn an_end_of_an_interval_is_known_where_both_are() {
        use State::{CannotTell, Held};
        let mut summary = measured();
        let limit = "latency_us.from_due.ci.p99.1 < 1ms";
        for (ci, from, state) in [
            (json!([240.0, 260.5]), Value::Null, Held),
            (json!([240.0, 260.5]), json!(0.95), CannotTell),
            (json!("insufficient"), Value::Null, CannotTell),
        ] {
            summary["latency_us"]["from_due"]["ci"] = json!({ "p99": ci });
            summary["latency_us"]["from_due"]["lower_bound_from"] = from;
            assert_eq!(judged(limit, &summary).state, state);
        }
    }

    #[test]
    fn a_class_that_did_not_occur_is_0_only_among_those_that_are_told() {
        for (of, value) in [(json!({ "failed": {} }), Some(0.0)), (json!({}), None)] {
            let judged = judged("requests.failed.reset == 0", &json!({ "requests": of }));
            assert_eq!((judged.value, judged.held()), (value, value.is_some()));
        }
    }

    #[test]
    fn a_lower_bound_is_not_told_to_be_below_anything() {
        use State::{Broken, CannotTell, Held};
        let mut summary = measured();
        summary["latency_us"]["from_due"]["lower_bound_from"] = 0.95.into();
        for (text, state) in [
            ("p90 < 1ms", Held),
            ("p99 < 1ms", CannotTell),
            ("p99 < 250us", Broken),
            ("p99 <= 250us", CannotTell),
            ("p99 > 1ms", CannotTell),
            ("p99 > 100us", Held),
            ("p99 == 250us", CannotTell),
            ("mean < 1ms", CannotTell),
            ("max < 1ms", CannotTell),
            ("max < 1us", Broken),
            ("from_due.count == 3", Held),
        ] {
            let judged = judged(text, &summary);
            assert_eq!(judged.state, state, "{text}");
            assert_eq!(judged.why.is_some(), state == CannotTell);
        }
        assert!(judged("p99 < 1ms", &summary).why.unwrap().contains("from below"));
    }

    #[test]
    fn a_limit_on_no_figure_does_not_hold_and_no_object_panics() {
        let unknown = judged("latency_us.from_due.p98 < 1ms", &measured());
        assert_eq!((unknown.state, unknown.unit), (State::CannotTell, None));
        for summary in [json!(null), json!([]), json!({ "latency_us": 3 }), json!({ "phases": {} })]
        {
            for text in ["p99 < 1ms", "max < 1ms", "phases.open.requests.sent > 5"] {
                assert!(!judged(text, &summary).held(), "{text} of {summary}");
            }
        }
    }
}
