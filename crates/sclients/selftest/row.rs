//! One comparison of what was measured with what is known.

use crate::verdict::State;

/// A time may be off by so many of its tolerances before the host is of no use.
const FAR: f64 = 5.0;
/// A tail by so many: a neighbour takes slices of some milliseconds from a program that is healthy.
const FAR_TAIL: f64 = 20.0;

/// How near to the truth a measurement has to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Check {
    /// No truth is known: it only tells.
    Told,
    /// Exact, or wrong.
    Exact,
    /// Off by no more than this in either direction.
    Within(f64),
    /// Over by no more than this; what is under cannot be.
    Over(f64),
    /// As [`Check::Over`], of the slowest few, which show the other programs of the host: far off
    /// is farther.
    Tail(f64),
}

/// What was compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Of what, in words.
    pub name: String,
    /// What is known; none where the row only tells.
    pub expected: Option<f64>,
    /// What was measured.
    pub measured: f64,
    /// Whether that is known from below only.
    pub at_least: bool,
    /// Of both.
    pub unit: &'static str,
    /// How near they have to be.
    pub check: Check,
    /// What it means that they are not.
    pub means: &'static str,
}

impl Row {
    /// A count, which is exact or wrong.
    pub fn count(name: &str, expected: u64, measured: u64) -> Self {
        let means = "counts are wrong here: no run on this host can be trusted";
        Self::known(name, expected as f64, measured as f64, "", Check::Exact).meaning(means)
    }

    /// Something to know of the host, that no truth is known of.
    pub fn told(name: &str, measured: f64, unit: &'static str) -> Self {
        Self { expected: None, ..Self::known(name, 0.0, measured, unit, Check::Told) }
    }

    /// A measurement of something known.
    pub fn known(
        name: &str,
        expected: f64,
        measured: f64,
        unit: &'static str,
        check: Check,
    ) -> Self {
        let means = "times of this size are not to be trusted here: is the host busy?";
        let name = name.into();
        Self { name, expected: Some(expected), measured, at_least: false, unit, check, means }
    }

    /// The same, with what it means to be off.
    pub fn meaning(self, means: &'static str) -> Self {
        Self { means, ..self }
    }

    /// By how much the measurement is over the truth.
    pub fn deviation(&self) -> Option<f64> {
        self.expected.map(|expected| self.measured - expected)
    }

    /// Right, off, or so far off that nothing measured here can be trusted.
    pub fn state(&self) -> State {
        let off = self.deviation().unwrap_or(0.0);
        match self.check {
            Check::Told => State::Valid,
            Check::Exact if off == 0.0 => State::Valid,
            Check::Exact => State::Invalid,
            Check::Over(_) | Check::Tail(_) if off < 0.0 => State::Invalid,
            Check::Within(tolerance) | Check::Over(tolerance) => graded(off, tolerance, FAR),
            Check::Tail(tolerance) => graded(off, tolerance, FAR_TAIL),
        }
    }

    /// The row that stands for `repeats` of it: the middle one, but of counts the one that is most off.
    ///
    /// # Panics
    /// If there is none.
    pub fn of(mut repeats: Vec<Self>) -> Self {
        let middle = match repeats[0].check {
            Check::Exact => {
                let off = |row: &Self| row.deviation().unwrap_or(0.0).abs();
                repeats.sort_by(|a, b| off(a).total_cmp(&off(b)));
                repeats.len() - 1
            }
            _ => {
                repeats.sort_by(|a, b| a.measured.total_cmp(&b.measured));
                repeats.len() / 2
            }
        };
        repeats.swap_remove(middle)
    }
}

fn graded(off: f64, tolerance: f64, far: f64) -> State {
    match off.abs() {
        off if off <= tolerance => State::Valid,
        off if off <= far * tolerance => State::Suspect,
        _ => State::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use State::{Invalid, Suspect, Valid};

    #[test]
    fn what_is_off_is_a_doubt_and_what_is_far_off_is_invalid() {
        let of = |check| {
            [9.0, 9.9, 10.0, 10.5, 10.6, 12.5, 12.6, 99.0]
                .map(|measured| Row::known("", 10.0, measured, "ms", check).state())
        };
        for (check, states) in [
            (Check::Told, [Valid; 8]),
            (Check::Exact, [Invalid, Invalid, Valid, Invalid, Invalid, Invalid, Invalid, Invalid]),
            (
                Check::Within(0.5),
                [Suspect, Valid, Valid, Valid, Suspect, Suspect, Invalid, Invalid],
            ),
            (
                Check::Over(0.5),
                [Invalid, Invalid, Valid, Valid, Suspect, Suspect, Invalid, Invalid],
            ),
            (
                Check::Tail(0.5),
                [Invalid, Invalid, Valid, Valid, Suspect, Suspect, Suspect, Invalid],
            ),
        ] {
            assert_eq!(of(check), states, "{check:?}");
        }
        assert_eq!(Row::told("", 1e9, "µs").state(), Valid);
    }

    #[test]
    fn the_middle_stands_for_times_and_the_worst_for_counts() {
        let time = |measured| Row::known("", 0.0, measured, "µs", Check::Tail(1.0));
        assert_eq!(Row::of([9.0, 2.0, 700.0].map(time).into()).measured, 9.0);
        let count = |measured| Row::count("", 1_000, measured);
        for measured in [[1_000, 999, 1_000], [999, 1_000, 1_000], [1_000, 1_000, 1_001]] {
            assert_eq!(Row::of(measured.map(count).into()).state(), Invalid, "{measured:?}");
        }
        assert_eq!(Row::of(vec![count(1_000)]).state(), Valid);
    }
}
