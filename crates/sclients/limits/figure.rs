//! The figures that a summary has: their paths, their units, and which one a name means.

use super::bound::Amount;
use super::check::Check;
use super::expression::{Expression, is_word};
use super::mistake::LimitError;
use crate::likeness::distance;
use serde_json::Value;
use std::time::Duration;

/// Parts of a report, of the run's or of a phase's, that measure nothing.
const NO_FIGURES: [&str; 8] =
    ["schema", "plan", "verdict", "limits", "resumed", "stopped", "samples", "samples_other"];
/// Keys whose values are no numbers where they are not null, and names of processes.
const NO_NUMBERS: [&str; 6] = ["exit", "loss", "departures", "pid", "slot", "generation"];
/// Names that stand for a path. A quantile's latency is the one that counts from when a request was due,
/// whatever the load model: nothing that a server delays is left out of it.
const SHORT: [(&str, &str); 7] = [
    ("p50", "latency_us.from_due.p50"),
    ("p90", "latency_us.from_due.p90"),
    ("p95", "latency_us.from_due.p95"),
    ("p99", "latency_us.from_due.p99"),
    ("p999", "latency_us.from_due.p999"),
    ("p9999", "latency_us.from_due.p9999"),
    ("failed", "requests.failed_share"),
];

/// What a figure is in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unit {
    /// A number of things, or things per second.
    Number,
    /// A share of 1.
    Share,
    /// Time, in this many nanoseconds.
    Time(f64),
    /// Bytes, or bytes per second.
    Bytes,
}

impl Unit {
    /// By the name of what a series is in.
    fn of_series(name: &str) -> Self {
        match name {
            "us" => Self::Time(1e3),
            "bytes" => Self::Bytes,
            "share" => Self::Share,
            _ => Self::Number,
        }
    }

    /// By the keys of a path, the last of which says most; `series` is what the series is in that it is of.
    fn of(keys: &[String], series: Option<Self>) -> Self {
        let last = keys.last().map_or("", String::as_str);
        let parent = keys.iter().rev().nth(1).map_or("", String::as_str);
        let counted = matches!(last, "count" | "censored" | "overflow");
        let about = matches!(parent, "n_eff" | "longer");
        match last {
            _ if counted || about => Self::Number,
            _ if last.starts_with("hours_") || parent.starts_with("hours_") => Self::Time(3.6e12),
            "lower_bound_from" => Self::Share,
            _ if last.ends_with("_share") || last.starts_with("steal_share") => Self::Share,
            _ if last.contains("bytes") => Self::Bytes,
            _ if last == "seconds" || last.ends_with("_seconds") => Self::Time(1e9),
            _ if last.ends_with("_ms") => Self::Time(1e6),
            _ if parent == "nanos" => Self::Time(1.0),
            _ if last.ends_with("_us") || last.contains("_us_per_") => Self::Time(1e3),
            _ if keys.iter().any(|key| key.ends_with("_us")) => Self::Time(1e3),
            "p" | "distance" | "blocks" => Self::Number,
            _ => series.unwrap_or(Self::Number),
        }
    }

    /// `amount` in this unit, as the summary has it; none if it is of another kind. Zero is of every kind.
    fn take(self, amount: Amount) -> Option<f64> {
        match (self, amount) {
            (_, Amount::Number(0.0)) => Some(0.0),
            (Self::Share, Amount::Number(number)) => (number <= 1.0).then_some(number),
            (Self::Number | Self::Bytes, Amount::Number(number)) => Some(number),
            (Self::Share, Amount::Share(share)) => Some(share),
            (Self::Time(unit), Amount::Time(time)) => Some(time_in(unit, time)),
            (Self::Bytes, Amount::Bytes(bytes)) => Some(bytes as f64),
            _ => None,
        }
    }

    /// What it is, and a value that fits.
    const fn said(self) -> (&'static str, &'static str) {
        match self {
            Self::Number => ("a number without a unit", "20000 or 20k"),
            Self::Share => ("a share of 1", "0.1% or 0.001"),
            Self::Time(_) => ("a time", "250ms or 2s"),
            Self::Bytes => ("a number of bytes", "64MiB or 10k"),
        }
    }
}

/// `time` in units of `unit` nanoseconds, by the one division that the summary makes.
fn time_in(unit: f64, time: Duration) -> f64 {
    time.as_nanos() as f64 / unit
}

/// A figure of a summary.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Its keys, parted by dots; those of lists are their elements' names where they are words, or places
    /// from 0.
    pub path: String,
    /// Its keys, one by one, since one may have dots of its own; those of lists are places.
    pub keys: Vec<String>,
    /// What else each key is called: the name of an element that no other of its list has.
    names: Vec<Option<String>>,
    /// What it is in.
    pub unit: Unit,
    /// Where it is missing it is 0: classes are told where they occurred.
    pub counts: bool,
    /// It is in a list, whose elements have the same keys.
    in_list: bool,
}

impl Figure {
    /// Whether `text` is its path, with names or places in any order.
    fn is_at(&self, text: &str) -> bool {
        leads(text, &self.keys, &self.names)
    }
}

/// Whether `text` is these keys, parted by dots, or what else they are called.
fn leads(text: &str, keys: &[String], names: &[Option<String>]) -> bool {
    let (Some((key, keys)), Some((name, names))) = (keys.split_first(), names.split_first()) else {
        return false;
    };
    let in_quotes = |name: &str| text.strip_prefix('"')?.strip_prefix(name)?.strip_prefix('"');
    let name = name.as_deref();
    let bare = name.filter(|name| is_word(name)).and_then(|name| text.strip_prefix(name));
    let ways = [text.strip_prefix(key.as_str()), bare, name.and_then(in_quotes)];
    ways.into_iter().flatten().any(|rest| match rest.strip_prefix('.') {
        Some(rest) => leads(rest, keys, names),
        None => rest.is_empty() && keys.is_empty(),
    })
}

/// Where figures are looked for.
#[derive(Clone, Debug, Default)]
struct Trail {
    keys: Vec<String>,
    names: Vec<Option<String>>,
    /// What the series is in that they are of.
    series: Option<Unit>,
    in_list: bool,
}

impl Trail {
    fn to(&self, key: String, name: Option<String>) -> Self {
        let mut next = self.clone();
        next.keys.push(key);
        next.names.push(name);
        next
    }

    /// Names where they are words, and no places.
    fn path(&self) -> String {
        let is_named = |name: &&String| is_word(name) && name.parse::<usize>().is_err();
        let named = self.keys.iter().zip(&self.names);
        let said = named.map(|(key, name)| name.as_ref().filter(is_named).unwrap_or(key).as_str());
        said.collect::<Vec<_>>().join(".")
    }
}

/// All figures of summaries of one shape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures(Vec<Figure>);

impl Figures {
    /// Those of `shape`: a summary that has every key, whatever the values.
    pub fn of(shape: &Value) -> Self {
        let mut figures = Self::default();
        figures.collect(&Trail::default(), shape);
        figures
    }

    fn collect(&mut self, trail: &Trail, value: &Value) {
        let known = !trail.keys.last().is_some_and(|key| NO_NUMBERS.contains(&key.as_str()));
        match value {
            Value::Object(object) => {
                let report = is_report(&trail.keys);
                let is_figure = |key: &str| !report || !NO_FIGURES.contains(&key);
                let series = object.get("unit").and_then(Value::as_str).map(Unit::of_series);
                let of = Trail { series: series.or(trail.series), ..trail.clone() };
                for (key, value) in object.iter().filter(|(key, _)| is_figure(key)) {
                    self.collect(&of.to(key.clone(), None), value);
                }
            }
            Value::Array(list) => {
                let of = Trail { in_list: true, ..trail.clone() };
                for (place, value) in list.iter().enumerate() {
                    self.collect(&of.to(place.to_string(), name_of(list, value)), value);
                }
            }
            Value::Number(_) | Value::Null if known => self.0.push(Figure {
                path: trail.path(),
                unit: Unit::of(&trail.keys, trail.series),
                counts: value.is_u64(),
                keys: trail.keys.clone(),
                names: trail.names.clone(),
                in_list: trail.in_list,
            }),
            _ => {}
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Figure> {
        self.0.iter()
    }

    /// Whether `name` means one of them.
    pub fn have(&self, name: &str) -> bool {
        self.named(name).is_ok()
    }

    /// What `expression` means here.
    ///
    /// # Errors
    /// No figure has this name, or several do, or it is in another unit.
    pub fn check(&self, expression: &Expression) -> Result<Check, LimitError> {
        let figure = self.named(&expression.name)?;
        let bound = &expression.bound;
        let bound =
            figure.unit.take(bound.amount).map(|size| bound.sign * size).ok_or_else(|| {
                let (what, remedy) = figure.unit.said();
                let (expression, figure) = (expression.to_string(), figure.path.clone());
                LimitError::Unit { expression, figure, what, remedy }
            })?;
        Ok(Check::new(expression.clone(), figure.clone(), bound))
    }

    /// The figure of this path or short name, or the one whose path ends with it.
    fn named(&self, name: &str) -> Result<&Figure, LimitError> {
        let short = SHORT.iter().find(|(short, _)| *short == name);
        let whole = short.map_or(name, |(_, path)| path);
        if let Some(figure) = self.0.iter().find(|figure| figure.is_at(whole)) {
            return Ok(figure);
        }
        let ends = |figure: &&Figure| {
            !figure.in_list
                && figure.path.strip_suffix(name).is_some_and(|head| head.ends_with('.'))
        };
        let found: Vec<&Figure> = self.0.iter().filter(ends).collect();
        match found[..] {
            [figure] => Ok(figure),
            [] => Err(LimitError::Unknown { name: name.to_owned(), nearest: self.nearest(name) }),
            _ => Err(LimitError::Ambiguous {
                name: name.to_owned(),
                figures: found.iter().map(|figure| figure.path.clone()).collect(),
            }),
        }
    }

    /// The path whose end is most like `name`, or like its last key, where one is.
    fn nearest(&self, name: &str) -> Option<String> {
        let last = || self.most_like(end(name, 1));
        self.most_like(name).or_else(last).map(str::to_owned)
    }

    fn most_like(&self, name: &str) -> Option<&str> {
        let parts = name.split('.').count();
        let short = SHORT.iter().map(|(short, _)| (distance(name, short), 0, *short));
        let paths = self.0.iter().map(|figure| {
            let like = distance(name, end(&figure.path, parts));
            (like, figure.path.len(), figure.path.as_str())
        });
        let (like, _, path) = short.chain(paths).min()?;
        (like <= name.len() / 2).then_some(path)
    }
}

/// Whether the object at `keys` is a report: the whole, or that of a phase.
fn is_report(keys: &[String]) -> bool {
    match keys {
        [] => true,
        [scenario, phases, _] => scenario == "scenario" && phases == "phases",
        _ => false,
    }
}

/// By what an element of a list is called, where it alone is.
fn name_of(list: &[Value], element: &Value) -> Option<String> {
    let name = element.get("name")?.as_str()?;
    let all = list.iter().filter(|other| other.get("name").is_some_and(|other| other == name));
    (all.count() == 1).then(|| name.to_owned())
}

/// The last `parts` keys of `path`.
fn end(path: &str, parts: usize) -> &str {
    let dot = path.rmatch_indices('.').nth(parts - 1);
    dot.map_or(path, |(at, _)| &path[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn figures() -> Figures {
        Figures::of(&json!({
            "schema": 1,
            "plan": { "procs": 3 },
            "stopped": null,
            "connections": { "peak_live": 4, "failed": { "connect.refused": 1 }, "open_seconds": null },
            "requests": {
                "failed_share": 0.5, "failed": { "timeout.total": 1, "reset": 1 },
                "nanos": { "service": 1.0, "balance": true }, "unknown_ms": 0,
            },
            "throughput": { "bytes_read_per_s": null, "requests_per_s": null },
            "latency_us": {
                "from_due": {
                    "count": 0, "p99": null, "ci": { "p99": "insufficient" }, "n_eff": { "p99": null },
                    "lower_bound_from": null,
                },
                "connect": { "p99": null },
            },
            "statuses": { "503": 1 },
            "phases": [{ "name": "warm-up", "seconds": 0.0, "requests": { "completed": 0 } }],
            "workers": [{ "slot": 0, "pid": 7, "exit": null, "rss_peak_bytes": 0 }],
            "sessions": [{ "name": "buy", "steps": [
                { "name": "GET /", "failed": 0 }, { "name": "log-in", "failed": 0 },
                { "name": "GET /", "failed": 0 }, { "name": "GET /a.b", "failed": 0 },
                { "name": "0", "failed": 0 },
            ] }],
            "drift": {
                "drifting": null,
                "target_rss": {
                    "unit": "bytes", "slope_per_hour": null, "slope_per_hour_ci": [null, null], "p": null,
                    "hours_to_limit": null, "block_seconds": null, "step": { "before": null, "distance": null },
                },
                "latency_p99": { "unit": "us", "slope_per_hour": null },
            },
            "generator": { "cpu_us_per_request": null, "send_lag_us": { "max": null } },
        }))
    }

    fn meant(text: &str) -> Result<(String, Unit), String> {
        let check =
            figures().check(&text.parse().unwrap()).map_err(|mistake| mistake.to_string())?;
        Ok((check.figure.path, check.figure.unit))
    }

    #[test]
    fn a_name_is_a_path_or_a_short_one_or_the_end_of_one_path() {
        for (name, path) in [
            ("p99", "latency_us.from_due.p99"),
            ("failed", "requests.failed_share"),
            ("failed_share", "requests.failed_share"),
            ("requests.failed_share", "requests.failed_share"),
            ("connect.p99", "latency_us.connect.p99"),
            ("requests.failed.timeout.total", "requests.failed.timeout.total"),
            ("timeout.total", "requests.failed.timeout.total"),
            ("peak_live", "connections.peak_live"),
            ("503", "statuses.503"),
            ("phases.warm-up.requests.completed", "phases.warm-up.requests.completed"),
            ("workers.0.rss_peak_bytes", "workers.0.rss_peak_bytes"),
            ("phases.0.seconds", "phases.warm-up.seconds"),
            ("sessions.buy.steps.1.failed", "sessions.buy.steps.log-in.failed"),
            ("sessions.0.steps.log-in.failed", "sessions.buy.steps.log-in.failed"),
            ("sessions.\"buy\".steps.2.failed", "sessions.buy.steps.2.failed"),
            ("sessions.buy.steps.\"GET /a.b\".failed", "sessions.buy.steps.3.failed"),
            ("sessions.buy.steps.0.failed", "sessions.buy.steps.0.failed"),
            ("sessions.buy.steps.\"0\".failed", "sessions.buy.steps.4.failed"),
        ] {
            assert_eq!(meant(&format!("{name} == 0")).unwrap().0, path);
        }
    }

    #[test]
    fn a_name_that_means_nothing_or_too_much_says_what_does() {
        for (name, mistake) in [
            ("p98", "`p98` is no figure of this run; the nearest one is p90"),
            (
                "fialed_share",
                "`fialed_share` is no figure of this run; the nearest one is requests.failed_share",
            ),
            ("latency.p99", "`latency.p99` is no figure of this run; the nearest one is p99"),
            (
                "requests.failed.rest",
                "`requests.failed.rest` is no figure of this run; the nearest one is requests.failed.reset",
            ),
            (
                "zzzzzzzzz",
                "`zzzzzzzzz` is no figure of this run; --format json shows all that there are",
            ),
            ("n_eff", "`n_eff` is no figure of this run; --format json shows all that there are"),
            (
                "plan.procs",
                "`plan.procs` is no figure of this run; --format json shows all that there are",
            ),
            (
                "completed",
                "`completed` is no figure of this run; the nearest one is phases.warm-up.requests.completed",
            ),
        ] {
            assert_eq!(meant(&format!("{name} == 0")).unwrap_err(), mistake);
        }
        let mistake = meant("sessions.buy.steps.\"GET /\".faild == 0").unwrap_err();
        assert!(mistake.ends_with("the nearest one is sessions.buy.steps.0.failed"), "{mistake}");
        let shape = json!({ "a": { "max": 1 }, "b": { "max": 1 } });
        let both = Figures::of(&shape).check(&"max < 1".parse().unwrap()).unwrap_err();
        assert_eq!(both.to_string(), "`max` may be a.max or b.max; write one of them");
        let shape = json!({ "a": { "x": 1 }, "b": { "x": 1 }, "c": { "x": 1 }, "d": { "x": 1 }, "e": { "x": 1 } });
        let many = Figures::of(&shape).check(&"x < 1".parse().unwrap()).unwrap_err();
        assert_eq!(
            many.to_string(),
            "`x` may be a.x, b.x, c.x or one of 2 others; write one of them"
        );
    }

    #[test]
    fn units_are_those_of_the_keys() {
        for (name, unit) in [
            ("p99", Unit::Time(1e3)),
            ("send_lag_us.max", Unit::Time(1e3)),
            ("cpu_us_per_request", Unit::Time(1e3)),
            ("unknown_ms", Unit::Time(1e6)),
            ("open_seconds", Unit::Time(1e9)),
            ("nanos.service", Unit::Time(1.0)),
            ("from_due.count", Unit::Number),
            ("n_eff.p99", Unit::Number),
            ("peak_live", Unit::Number),
            ("requests_per_s", Unit::Number),
            ("bytes_read_per_s", Unit::Bytes),
            ("failed", Unit::Share),
            ("lower_bound_from", Unit::Share),
            ("drift.drifting", Unit::Number),
            ("target_rss.slope_per_hour", Unit::Bytes),
            ("drift.target_rss.slope_per_hour_ci.0", Unit::Bytes),
            ("target_rss.p", Unit::Number),
            ("hours_to_limit", Unit::Time(3.6e12)),
            ("block_seconds", Unit::Time(1e9)),
            ("step.before", Unit::Bytes),
            ("step.distance", Unit::Number),
            ("drift.latency_p99.slope_per_hour", Unit::Time(1e3)),
        ] {
            assert_eq!(meant(&format!("{name} == 0")).unwrap().1, unit, "{name}");
        }
    }

    #[test]
    fn a_value_in_another_unit_says_what_the_figure_is() {
        for (text, mistake) in [
            (
                "failed < 5ms",
                "`failed < 5ms`: requests.failed_share is a share of 1; write 0.1% or 0.001",
            ),
            (
                "failed < 5",
                "`failed < 5`: requests.failed_share is a share of 1; write 0.1% or 0.001",
            ),
            ("p99 < 250", "`p99 < 250`: latency_us.from_due.p99 is a time; write 250ms or 2s"),
            ("p99 < 1%", "`p99 < 1%`: latency_us.from_due.p99 is a time; write 250ms or 2s"),
            (
                "peak_live < 5s",
                "`peak_live < 5s`: connections.peak_live is a number without a unit; write 20000 or 20k",
            ),
            (
                "bytes_read_per_s > 5s",
                "`bytes_read_per_s > 5s`: throughput.bytes_read_per_s is a number of bytes; write 64MiB or 10k",
            ),
        ] {
            assert_eq!(meant(text).unwrap_err(), mistake);
        }
    }

    #[test]
    fn a_value_is_told_in_the_figures_unit_by_the_summarys_own_division() {
        let bound = |text: &str| figures().check(&text.parse().unwrap()).unwrap().bound;
        assert_eq!(bound("p99 < 1234567ns"), 1_234_567_f64 / 1e3);
        assert_eq!(bound("open_seconds < 250ms"), 0.25);
        assert_eq!(bound("unknown_ms < 2s"), 2_000.0);
        assert_eq!(bound("failed < 0.7%"), 7.0 / 1_000.0);
        assert_eq!(bound("bytes_read_per_s > 1MiB"), 1_048_576.0);
    }
}
