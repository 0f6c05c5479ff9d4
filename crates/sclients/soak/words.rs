//! How a run went over time, for people.

use super::{Judged, Side, Soak, Unit, Verdict};
use crate::number::{bytes, duration, grouped};
use stats::{BLOCKS_MIN, Of, Steady};

/// Memory that grows faster is told by the minute.
const BYTES_PER_HOUR_SLOW: f64 = 6.0 * 1_048_576.0;

impl Soak {
    /// What drifts.
    pub fn words(&self) -> String {
        let of = |side| {
            let drifting = self.drifting().filter(move |judged| judged.series.side == side);
            drifting.map(|judged| self.drift_words(judged)).collect::<Vec<_>>().join("; ")
        };
        let (ours, theirs) = (of(Side::Generator), of(Side::Server));
        let (_, seconds) = self.tested();
        let length = duration(seconds * 1e9);
        let even = if self.even.is_some() { " of even load" } else { "" };
        match self.verdict() {
            Verdict::Untrusted if theirs.is_empty() => {
                format!("cannot be trusted, since the generator itself drifts: {ours}")
            }
            Verdict::Untrusted => {
                format!(
                    "cannot be trusted, since the generator itself drifts: {ours}; beside it {theirs}"
                )
            }
            Verdict::Drifts => theirs,
            Verdict::TooShort if !self.is_long_enough() => "too short to tell".to_owned(),
            Verdict::TooShort if seconds == 0.0 => {
                "too short to tell: the load changes by plan all the time".to_owned()
            }
            Verdict::TooShort if seconds < BLOCKS_MIN as f64 * self.window_seconds => format!(
                "too short to tell: the load changes by plan, and is even for {length} at most"
            ),
            Verdict::TooShort => {
                format!("{length}{even} are too short to tell{}", self.untold_words())
            }
            Verdict::None => format!("none in {length}{even}: {} series", self.seen().count()),
        }
    }

    /// Of what the run is too short to tell, where it tells something.
    fn untold_words(&self) -> String {
        let names: Vec<&str> = self.untold().map(|judged| judged.series.name.as_str()).collect();
        let others = self.seen().count() - names.len();
        match others {
            0 => String::new(),
            _ => format!(" of {}; none in the other {others} series", names.join(", ")),
        }
    }

    /// Where the run settled; none where it is too short to tell.
    pub fn steady_words(&self) -> Option<String> {
        let from = |window| duration(self.seconds_to(window) * 1e9);
        Some(match self.steady {
            Steady::TooShort => return None,
            Steady::Never(of) => {
                format!("none: {} was still changing in the second half", of_words(of))
            }
            Steady::Trend { from: window, of, p } => {
                let of = of_words(of);
                format!("none: warmed up in {}, then {of} had a trend (p {p:.2})", from(window))
            }
            Steady::Backlog { from: window, per_window } => format!(
                "none: warmed up in {}, then the backlog grew by {:.1}/s: overload",
                from(window),
                per_window / self.window_seconds,
            ),
            Steady::From(window) => format!("from {} of measurement on", from(window)),
        })
    }

    /// One series that drifts: how fast, and when it is where it must not be.
    pub fn drift_words(&self, judged: &Judged) -> String {
        let Some(slope) = self.slope_words(judged) else { return judged.series.name.clone() };
        let until = self.hours_to_limit(judged);
        let hours = |hours: Option<f64>| hours.map_or_else(|| "never".to_owned(), span);
        let limit = match until {
            [None, ..] => String::new(),
            [at, soonest, latest] => {
                format!(", {} to the limit [{}, {}]", hours(at), hours(soonest), hours(latest))
            }
        };
        format!("{} {slope}{limit}", judged.series.name)
    }

    /// The slope and its interval; none where there is none.
    pub fn slope_words(&self, judged: &Judged) -> Option<String> {
        let trend = judged.drift.as_ref()?.trend;
        let (unit, per_hour) = (judged.series.unit, self.per_hour());
        let by_minute =
            unit == Unit::Bytes && (trend.slope * per_hour).abs() >= BYTES_PER_HOUR_SLOW;
        let (per, scale) = if by_minute { ("min", per_hour / 60.0) } else { ("h", per_hour) };
        let told = |slope: f64| signed(unit, slope * scale);
        let [low, high] = trend.slope_ci;
        Some(format!("{}/{per} [{}, {}]", told(trend.slope), told(low), told(high)))
    }

    /// Hours from the end until a series is at its limit: at its slope, at the earliest and at the latest;
    /// none where it does not go there.
    pub fn hours_to_limit(&self, judged: &Judged) -> [Option<f64>; 3] {
        let drift = judged.drift.as_ref().filter(|_| judged.drifts);
        let Some((drift, limit)) = drift.zip(judged.series.limit) else { return [None; 3] };
        drift.until(limit).map(|windows| windows.map(|windows| windows / self.per_hour()))
    }
}

const fn of_words(of: Of) -> &'static str {
    match of {
        Of::P50 => "latency p50",
        Of::P99 => "latency p99",
        Of::Throughput => "throughput",
    }
}

/// Hours in the unit that leaves the fewest digits.
fn span(hours: f64) -> String {
    match hours {
        h if h < 1.0 => format!("{:.0} min", h * 60.0),
        h if h < 100.0 => format!("{h:.1} h"),
        h if h < 24.0 * 10_000.0 => format!("{} days", grouped((h / 24.0).round() as u64)),
        _ => "years".to_owned(),
    }
}

/// A value of a unit.
pub fn value(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Micros => duration(value * 1e3),
        Unit::Bytes => bytes(value.round() as u64),
        Unit::PerSecond => format!("{} req/s", plain(value)),
        Unit::Share => format!("{} %", plain(value * 100.0)),
        Unit::Count => plain(value),
        Unit::Processors => format!("{} % of a core", plain(value * 100.0)),
    }
}

/// The same, with its sign.
fn signed(unit: Unit, slope: f64) -> String {
    let told = value(unit, slope.abs());
    let nothing = value(unit, 0.0);
    match slope {
        _ if told == nothing => told,
        slope if slope < 0.0 => format!("-{told}"),
        _ => format!("+{told}"),
    }
}

fn plain(value: f64) -> String {
    if value >= 100.0 { grouped(value.round() as u64) } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_expected() {
        for (unit, given, expected) in [
            (Unit::Micros, 1_500.0, "+1.50 ms"),
            (Unit::Bytes, -1_048_576.0, "-1.00 MiB"),
            (Unit::PerSecond, 12_345.6, "+12,346 req/s"),
            (Unit::Share, 0.015, "+1.50 %"),
            (Unit::Count, -3.0, "-3.00"),
            (Unit::Count, -0.001, "0.00"),
            (Unit::Bytes, -0.1, "0 B"),
            (Unit::Processors, 0.25, "+25.00 % of a core"),
        ] {
            assert_eq!(signed(unit, given), expected);
        }
    }

    #[test]
    fn spans_read_as_expected() {
        for (hours, expected) in [
            (0.5, "30 min"),
            (4.23, "4.2 h"),
            (240.0, "10 days"),
            (1e9, "years"),
            (f64::MAX, "years"),
        ] {
            assert_eq!(span(hours), expected);
        }
    }
}
