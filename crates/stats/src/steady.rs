//! Whether a run reached a steady state: it warmed up, and then throughput and latency went nowhere and no
//! backlog grew.

use crate::drift::{Drift, Point};
use crate::mser5::mser5;

/// A trend is one, here, where a series without any looks as much like one in fewer cases than this.
const LEVEL: f64 = 0.05;
/// A backlog that grows by no more than this share of what is begun is none.
const BACKLOG_SHARE: f64 = 0.001;

/// The series that a steady state is looked for in, by the numbers of their windows.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    /// The median latency.
    pub p50: Vec<Point>,
    /// The 99th percentile.
    pub p99: Vec<Point>,
    /// Answers per second.
    pub throughput: Vec<Point>,
    /// Begun and not ended.
    pub backlog: Vec<Point>,
    /// Begun in a window, on average.
    pub begun_per_window: f64,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The median latency.
    P50,
    /// The 99th percentile.
    P99,
    /// Answers per second.
    Throughput,
}

impl Of {
    /// The name in reports; stable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::Throughput => "throughput",
        }
    }
}

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Steady {
    /// Too short to tell.
    TooShort,
    /// One of them was still unlike its end in the second half: there was no steady state.
    Never(Of),
    /// It warmed up to `from`, the first window that counts; then one of them had a trend.
    Trend {
        /// The end of the warm-up.
        from: u64,
        /// Which.
        of: Of,
        /// How likely a series without a trend looks as much like one.
        p: f64,
    },
    /// It warmed up; then more was begun than ended, whatever the latency says.
    Backlog {
        /// The end of the warm-up.
        from: u64,
        /// By so many it grew in a window.
        per_window: f64,
    },
    /// It was steady from here on.
    From(u64),
}

impl Steady {
    /// The state of `flow`, blocks being at least `shortest` windows long.
    ///
    /// Each of latency and throughput has a warm-up of its own, and the longest counts. A trend in blocks is
    /// one by the Mann-Kendall test, a backlog one by the interval of its slope.
    pub fn of(flow: &Flow, shortest: u64) -> Self {
        let series =
            [(Of::P50, &flow.p50), (Of::P99, &flow.p99), (Of::Throughput, &flow.throughput)];
        let mut from = 0;
        for (of, points) in series {
            match warm(points) {
                None => return Self::TooShort,
                Some(Err(())) => return Self::Never(of),
                Some(Ok(first)) => from = from.max(first),
            }
        }
        let kept = |points: &[Point]| Drift::of(after(points, from), shortest);
        for (of, points) in [(Of::Throughput, &flow.throughput), (Of::P99, &flow.p99)] {
            match kept(points) {
                None => return Self::TooShort,
                Some(drift) if !drift.tells => return Self::TooShort,
                Some(Drift { trend, .. }) if trend.p <= LEVEL => {
                    return Self::Trend { from, of, p: trend.p };
                }
                Some(_) => {}
            }
        }
        match kept(&flow.backlog).map(|backlog| backlog.trend) {
            Some(trend) if trend.slope_ci[0] > BACKLOG_SHARE * flow.begun_per_window => {
                Self::Backlog { from, per_window: trend.slope }
            }
            _ => Self::From(from),
        }
    }

    /// The end of the warm-up, where there is one.
    pub const fn warm_from(&self) -> Option<u64> {
        match *self {
            Self::Trend { from, .. } | Self::Backlog { from, .. } | Self::From(from) => Some(from),
            Self::TooShort | Self::Never(_) => None,
        }
    }
}

/// Those from window `from` on.
pub fn after(points: &[Point], from: u64) -> &[Point] {
    &points[points.partition_point(|(window, _)| *window < from)..]
}

/// The first window behind the warm-up, an error where there is none; none where it cannot be told.
fn warm(points: &[Point]) -> Option<Result<u64, ()>> {
    let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    let cut = mser5(&values)?;
    Some(if cut.accepted { Ok(points[cut.values].0) } else { Err(()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rough::rough;

    fn series(of: impl Fn(u64) -> f64) -> Vec<Point> {
        (0..300).map(|at| (at, of(at) + rough(at))).collect()
    }

    fn flow() -> Flow {
        Flow {
            p50: series(|_| 10.0),
            p99: series(|_| 30.0),
            throughput: series(|_| 1000.0),
            backlog: series(|_| 5.0),
            begun_per_window: 1000.0,
        }
    }

    #[test]
    fn what_goes_nowhere_is_steady() {
        assert_eq!(Steady::of(&flow(), 1), Steady::From(0));
    }

    #[test]
    fn the_longest_warm_up_counts() {
        let p99 = series(|at| if at < 60 { 90.0 } else { 30.0 });
        let state = Steady::of(&Flow { p99, ..flow() }, 1);
        assert!(matches!(state, Steady::From(60..=80)), "{state:?}");
    }

    #[test]
    fn what_never_settles_has_no_steady_state() {
        let p50 = series(|at| 10.0 + at as f64 / 20.0);
        assert_eq!(Steady::of(&Flow { p50, ..flow() }, 1), Steady::Never(Of::P50));
    }

    #[test]
    fn a_trend_after_the_warm_up_is_told() {
        let throughput = series(|at| 1000.0 + at as f64 / 400.0);
        let state = Steady::of(&Flow { throughput, ..flow() }, 1);
        assert!(
            matches!(state, Steady::Trend { of: Of::Throughput, p, .. } if p < LEVEL),
            "{state:?}"
        );
    }

    #[test]
    fn a_backlog_that_grows_is_no_steady_state() {
        let growing = |slope: f64| Flow { backlog: series(|at| slope * at as f64), ..flow() };
        let state = Steady::of(&growing(2.0), 1);
        assert!(
            matches!(state, Steady::Backlog { from: 0, per_window } if (per_window - 2.0).abs() < 0.1)
        );
        assert_eq!(
            Steady::of(&growing(0.5), 1),
            Steady::From(0),
            "a share of a thousandth is none"
        );
    }

    #[test]
    fn short_runs_and_runs_without_requests_are_not_judged() {
        let short = Flow { p99: series(|_| 1.0)[..40].to_vec(), ..flow() };
        assert_eq!(Steady::of(&short, 1), Steady::TooShort);
        assert_eq!(Steady::of(&Flow::default(), 1).warm_from(), None);
    }
}
