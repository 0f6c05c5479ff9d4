//! The figures by which runs are compared, and how a difference of each is said.

use super::{FAILED_MARGIN, Found};
use clap::ValueEnum;
use serde_json::Value;
use stats::compare::Comparison;

/// A figure of a run's report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Figure {
    /// The median from due.
    P50,
    /// The 99th percentile from due.
    P99,
    /// Answers per second.
    Throughput,
    /// The share of requests that were not answered as expected.
    Failed,
    /// Processor time of the workers per request.
    Cpu,
}

impl Figure {
    /// Those that say something of a target, in the order of reports; processor time is the workers' own.
    pub const OF_TARGET: [Self; 4] = [Self::P50, Self::P99, Self::Throughput, Self::Failed];

    /// The name in reports and options; stable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::Throughput => "throughput",
            Self::Failed => "failed",
            Self::Cpu => "cpu",
        }
    }

    /// The value in a run's object, in its unit.
    pub fn of(self, report: &Value) -> Option<f64> {
        let at = match self {
            Self::P50 => "/latency_us/from_due/p50",
            Self::P99 => "/latency_us/from_due/p99",
            Self::Throughput => "/throughput/requests_per_s",
            Self::Failed => "/requests/failed_share",
            Self::Cpu => "/generator/cpu_us_per_request",
        };
        report.pointer(at).and_then(Value::as_f64)
    }

    /// Whether the value in a run's object stands for itself and all above.
    pub fn is_lower_bound(self, report: &Value) -> bool {
        let quantile = match self {
            Self::P50 => 0.5,
            Self::P99 => 0.99,
            Self::Throughput | Self::Failed | Self::Cpu => return false,
        };
        let from = report.pointer("/latency_us/from_due/lower_bound_from").and_then(Value::as_f64);
        from.is_some_and(|from| from <= quantile)
    }

    /// Where equal distances are equal differences and lower is better: the logarithm, since differences
    /// are shares; the share that failed as it is. None where there is no logarithm.
    pub fn scaled(self, value: f64) -> Option<f64> {
        match self {
            Self::Failed => Some(value),
            Self::Throughput => (value > 0.0).then(|| -value.ln()),
            Self::P50 | Self::P99 | Self::Cpu => (value > 0.0).then(|| value.ln()),
        }
    }

    /// A share that is no difference, on the same scale.
    pub fn margin(self, share: f64) -> f64 {
        if self == Self::Failed { FAILED_MARGIN } else { share.ln_1p() }
    }

    /// A comparison of scaled values in the figure's own terms.
    pub fn found(self, raw: &Comparison) -> Found {
        let share = |x: f64| match self {
            Self::Failed => x,
            Self::Throughput => (-x).exp_m1(),
            Self::P50 | Self::P99 | Self::Cpu => x.exp_m1(),
        };
        let turned = self == Self::Throughput;
        let interval = raw.interval.map(|(low, high)| {
            if turned { (share(high), share(low)) } else { (share(low), share(high)) }
        });
        Found {
            shift: share(raw.shift),
            interval,
            p: raw.p,
            exact: raw.exact,
            a12: if turned { 1.0 - raw.a12 } else { raw.a12 },
            visible: raw.visible.map(|x| if self == Self::Failed { x } else { x.exp_m1() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_throughput_is_a_lower_scaled_value_and_told_as_higher() {
        let scaled = |values: [f64; 4]| values.map(|x| Figure::Throughput.scaled(x).unwrap());
        let (a, b) = (scaled([100.0, 101.0, 102.0, 103.0]), scaled([110.0, 111.1, 112.2, 113.3]));
        let raw = stats::compare::compare(&a, &b).unwrap();
        assert!(raw.shift < 0.0);
        let found = Figure::Throughput.found(&raw);
        let (low, high) = found.interval.unwrap();
        assert!((found.shift - 0.1).abs() < 1e-9, "{found:?}");
        assert!(low < 0.1 && 0.1 < high && found.a12 == 0.0, "{found:?}");
    }

    #[test]
    fn what_has_no_logarithm_has_no_place() {
        assert_eq!(Figure::P50.scaled(0.0), None);
        assert_eq!(Figure::Throughput.scaled(0.0), None);
        assert_eq!(Figure::Failed.scaled(0.0), Some(0.0));
    }
}
