//! When requests came: how evenly, and how many at once.

/// Nanoseconds of an aligned millisecond.
const MILLISECOND_NANOS: u64 = 1_000_000;

/// Gaps at one process, as sums that are exact; all gaps between neighbours count alike.
///
/// The coefficient of variation of the gaps is 0 for a comb, 1 for a Poisson process, and √(b-1)
/// for bursts of b at even distances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// How many.
    pub count: u64,
    /// From the first to the last, in nanoseconds: the sum of all gaps.
    pub span_nanos: u64,
    /// Sum of the squared gaps, in square nanoseconds.
    pub gaps_squared: u128,
    /// The most within one millisecond of the clock.
    pub most_in_1ms: u64,
    last_nanos: u64,
    /// The millisecond of the clock that the last came in, and how many came in it so far.
    millisecond: u64,
    in_millisecond: u64,
}

impl Gaps {
    /// What another process has summed up.
    pub const fn of(count: u64, span_nanos: u64, gaps_squared: u128, most_in_1ms: u64) -> Self {
        Self {
            count,
            span_nanos,
            gaps_squared,
            most_in_1ms,
            last_nanos: 0,
            millisecond: 0,
            in_millisecond: 0,
        }
    }

    /// So many came at `at_nanos` of the clock; an instant before the last counts as the last.
    #[inline]
    pub fn note(&mut self, at_nanos: u64, arrivals: u64) {
        if arrivals == 0 {
            return;
        }
        let gap = if self.count == 0 { 0 } else { at_nanos.saturating_sub(self.last_nanos) };
        self.last_nanos = self.last_nanos.max(at_nanos);
        self.count += arrivals;
        self.span_nanos += gap;
        self.gaps_squared += u128::from(gap) * u128::from(gap);
        let millisecond = self.last_nanos / MILLISECOND_NANOS;
        if millisecond != self.millisecond {
            self.millisecond = millisecond;
            self.in_millisecond = 0;
        }
        self.in_millisecond += arrivals;
        self.most_in_1ms = self.most_in_1ms.max(self.in_millisecond);
    }

    fn gaps(&self) -> Option<f64> {
        (self.count > 1).then(|| (self.count - 1) as f64)
    }

    /// The mean gap, in nanoseconds; none where fewer than two came.
    pub fn gap_mean_nanos(&self) -> Option<f64> {
        self.gaps().map(|gaps| self.span_nanos as f64 / gaps)
    }

    /// Standard deviation of the gaps over their mean; none where fewer than two came, or all at
    /// once. Finite, whatever the sums.
    pub fn gap_cv(&self) -> Option<f64> {
        let gaps = self.gaps().filter(|_| self.span_nanos > 0)?;
        let span = self.span_nanos as f64;
        let squared = gaps * (self.gaps_squared as f64 / span) / span - 1.0;
        Some(squared.max(0.0).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = MILLISECOND_NANOS;

    fn arrivals(at: impl IntoIterator<Item = u64>) -> Gaps {
        let mut arrivals = Gaps::default();
        at.into_iter().for_each(|at| arrivals.note(at, 1));
        arrivals
    }

    #[test]
    fn bursts_of_b_have_the_variation_of_the_book() {
        for (burst, cv) in [(1, 0.0), (2, 1.0), (5, 2.0), (10, 3.0), (50, 7.0)] {
            let at = (0..=100_000 / burst * burst).map(|n| n / burst * 10 * MS);
            let bursts = arrivals(at);
            let told = bursts.gap_cv().unwrap();
            assert!((told - cv).abs() < 1e-6, "bursts of {burst}: {told}");
            assert_eq!(bursts.most_in_1ms, burst);
        }
    }

    #[test]
    fn a_burst_read_at_once_is_a_burst_told_one_by_one() {
        let mut at_once = Gaps::default();
        (0..100).for_each(|burst| at_once.note(7 + burst * 3 * MS, 4));
        let one_by_one = arrivals((0..400).map(|n| 7 + n / 4 * 3 * MS));
        assert_eq!(at_once, one_by_one);
        at_once.note(900 * MS, 0);
        assert_eq!(at_once, one_by_one);
    }

    #[test]
    fn gaps_are_those_of_a_list() {
        let at = [5, 6, 9, 20, 20, 31].map(|n| n * 100_000);
        let told = arrivals(at);
        let gaps: Vec<f64> = at.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / 5.0;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / 5.0;
        assert_eq!((told.count, told.span_nanos), (6, 2_600_000));
        assert_eq!(told.gap_mean_nanos(), Some(mean));
        assert!((told.gap_cv().unwrap() - variance.sqrt() / mean).abs() < 1e-12);
    }

    #[test]
    fn a_millisecond_is_one_of_the_clock() {
        assert_eq!(arrivals([MS - 2, MS - 1, MS, MS + 1, 2 * MS - 1, 2 * MS]).most_in_1ms, 3);
        assert_eq!(arrivals([]).most_in_1ms, 0);
    }

    #[test]
    fn too_few_have_no_gaps() {
        assert_eq!(arrivals([]).gap_cv(), None);
        assert_eq!(arrivals([9]).gap_mean_nanos(), None);
        let together = arrivals([9, 9]);
        assert_eq!((together.gap_mean_nanos(), together.gap_cv()), (Some(0.0), None));
    }

    #[test]
    fn a_clock_that_stands_or_goes_back_makes_no_negative_gap() {
        let told = arrivals([50, 40, 60]);
        assert_eq!((told.span_nanos, told.gaps_squared), (10, 100));
    }

    #[test]
    fn absurd_sums_give_finite_figures() {
        for (count, span, squared) in
            [(u64::MAX, 1, u128::MAX), (2, 1, u128::MAX), (u64::MAX, u64::MAX, 0), (2, u64::MAX, 1)]
        {
            let told = Gaps::of(count, span, squared, u64::MAX);
            assert!(told.gap_cv().unwrap().is_finite());
            assert!(told.gap_mean_nanos().unwrap().is_finite());
        }
    }
}
