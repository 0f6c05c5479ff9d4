//! Whether values rise or fall over time, and how fast: the Mann-Kendall test and the Theil-Sen slope.
//!
//! Both count pairs and assume no distribution; a few wild values change little. They do assume that
//! neighbours are independent: over what is not, they find trends that are none in a third of all series
//! (see [`crate::drift`], which gives them medians of blocks).

use crate::normal::{WITHIN_95, two_sided};

/// A trend over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// Pairs that rise less pairs that fall.
    pub s: i64,
    /// The variance that it has where there is no trend; less where values are alike.
    pub variance: f64,
    /// Its deviation from no trend, in standard deviations, 1 nearer to 0 for continuity.
    pub z: f64,
    /// How likely a series without a trend deviates as much, to either side (normal approximation).
    pub p: f64,
    /// The median of all pairs' slopes.
    pub slope: f64,
    /// The line of that slope through the median time and the median value, at time 0.
    pub intercept: f64,
    /// Where the true slope is in 95 % of series; by the ranks of the pairs' slopes (Sen 1968).
    pub slope_ci: [f64; 2],
}

impl Trend {
    /// The trend of `points`, each a time and a value, all finite, in strictly ascending order of time;
    /// none of fewer than two.
    ///
    /// Mann-Kendall as Gilbert, *Statistical Methods for Environmental Pollution Monitoring* (1987) 16.4
    /// has it, ties included; Theil-Sen's interval with the same variance, its ranks to the nearest.
    pub fn of(points: &[(f64, f64)]) -> Option<Self> {
        if points.len() < 2 {
            return None;
        }
        let (s, slopes) = pairs(points);
        let variance = variance(points);
        let z = if variance > 0.0 { (s - s.signum()) as f64 / variance.sqrt() } else { 0.0 };
        let slope = median_of_sorted(&slopes);
        let median = |of: fn(&(f64, f64)) -> f64| median(points.iter().map(of).collect());
        let intercept = median(|(_, value)| *value) - slope * median(|(time, _)| *time);
        let slope_ci = interval(&slopes, variance);
        Some(Self { s, variance, z, p: two_sided(z), slope, intercept, slope_ci })
    }

    /// Whether the interval of the slope is clear of none.
    pub fn is_clear_of_zero(&self) -> bool {
        self.slope_ci[0] > 0.0 || self.slope_ci[1] < 0.0
    }
}

/// Pairs that rise less pairs that fall, and the slopes of all pairs in ascending order.
fn pairs(points: &[(f64, f64)]) -> (i64, Vec<f64>) {
    let mut slopes = Vec::with_capacity(points.len() * (points.len() - 1) / 2);
    let mut s = 0;
    for (index, (then, before)) in points.iter().enumerate() {
        for (now, after) in &points[index + 1..] {
            s += i64::from(after > before) - i64::from(after < before);
            slopes.push((after - before) / (now - then));
        }
    }
    slopes.sort_unstable_by(f64::total_cmp);
    (s, slopes)
}

/// `[n(n-1)(2n+5) - Σ t(t-1)(2t+5)] / 18`, with t values in each group of equal ones.
fn variance(points: &[(f64, f64)]) -> f64 {
    let of = |count: usize| {
        let count = count as f64;
        count * (count - 1.0) * (2.0 * count + 5.0)
    };
    let mut values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    values.sort_unstable_by(f64::total_cmp);
    let ties: f64 = values.chunk_by(|one, next| one == next).map(|equal| of(equal.len())).sum();
    (of(points.len()) - ties) / 18.0
}

fn interval(slopes: &[f64], variance: f64) -> [f64; 2] {
    let (count, half) = (slopes.len() as f64, WITHIN_95 * variance.max(0.0).sqrt());
    let last = slopes.len() - 1;
    let low = (((count - half) / 2.0).round_ties_even() - 1.0).max(0.0) as usize;
    let high = ((count + half) / 2.0).round_ties_even() as usize;
    [slopes[low.min(last)], slopes[high.min(last)]]
}

/// The median of at least one finite value.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    median_of_sorted(&values)
}

/// Of sorted values, at least one.
pub(crate) fn median_of_sorted(values: &[f64]) -> f64 {
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evenly(values: &[f64]) -> Trend {
        let points: Vec<_> =
            values.iter().enumerate().map(|(at, value)| (at as f64, *value)).collect();
        Trend::of(&points).unwrap()
    }

    #[test]
    fn what_never_changes_has_no_trend() {
        let flat = evenly(&[7.0; 30]);
        assert_eq!((flat.s, flat.variance, flat.z, flat.p), (0, 0.0, 0.0, 1.0));
        assert_eq!((flat.slope, flat.slope_ci, flat.is_clear_of_zero()), (0.0, [0.0; 2], false));
    }

    #[test]
    fn time_counts_and_not_the_number_of_points() {
        let points = [(0.0, 10.0), (1.0, 12.0), (10.0, 30.0), (11.0, 32.0), (30.0, 70.0)];
        let trend = Trend::of(&points).unwrap();
        assert_eq!((trend.slope, trend.intercept, trend.slope_ci), (2.0, 10.0, [2.0, 2.0]));
    }

    #[test]
    fn falling_is_rising_the_other_way() {
        let up = evenly(&[1.0, 3.0, 2.0, 5.0, 4.0, 7.0, 9.0, 8.0]);
        let down = evenly(&[-1.0, -3.0, -2.0, -5.0, -4.0, -7.0, -9.0, -8.0]);
        assert_eq!((up.s, up.p, up.slope), (-down.s, down.p, -down.slope));
    }

    #[test]
    fn one_point_has_no_trend() {
        assert_eq!(Trend::of(&[(1.0, 1.0)]), None);
        assert_eq!(Trend::of(&[]), None);
        assert!(Trend::of(&[(1.0, 1.0), (2.0, 3.0)]).is_some());
    }
}
