//! Whether arrivals came as they were meant to: the checks of a Poisson process and of an even comb.
//!
//! Start at [`PoissonCheck`]. Stamps are in any unit; under a rate that changes they are first taken
//! to the time of the rate, in which arrivals are even.

/// The Anderson-Darling statistic that an exponential sample exceeds once in twenty times, where the
/// mean is estimated (Stephens 1974).
pub const ANDERSON_DARLING_MAX: f64 = 1.341;
/// The same for once in sixty, so that three checks together fail once in twenty times: between the
/// 2.5 % (1.606) and 1 % (1.957) points of that table, straight in the logarithm.
const ANDERSON_DARLING_JOINT: f64 = 1.754;
/// Standard deviations that a normal value exceeds, to either side, once in sixty times.
const DEVIATIONS_JOINT: f64 = 2.388;
/// Fewer arrivals in a window than this on average make its count no normal value.
const PER_WINDOW_MIN: usize = 5;
const WINDOWS_MAX: usize = 100;
const WINDOWS_MIN: usize = 10;

/// Three views of a Poisson process, which fail together in 5 % of runs that are one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoissonCheck {
    /// Index of dispersion of the counts in equal windows: 1 for Poisson.
    pub dispersion: f64,
    /// In so many windows.
    pub windows: usize,
    /// Correlation of each gap with the next: 0 for Poisson.
    pub lag_one: f64,
    /// Of so many gaps.
    pub gaps: usize,
    /// Distance of the gaps from an exponential distribution with their mean.
    pub anderson_darling: f64,
}

impl PoissonCheck {
    /// The check of `stamps` in ascending order, from the first to the last; none where they are
    /// fewer than it takes to judge.
    pub fn of(stamps: &[u64]) -> Option<Self> {
        let windows = (stamps.len() / PER_WINDOW_MIN).min(WINDOWS_MAX);
        if windows < WINDOWS_MIN {
            return None;
        }
        let gaps = gaps(stamps);
        Some(Self {
            dispersion: dispersion(&counts(stamps, windows)),
            windows,
            lag_one: lag_one(&gaps),
            gaps: gaps.len(),
            anderson_darling: anderson_darling(gaps.clone()),
        })
    }

    /// Whether nothing speaks against a Poisson process.
    pub fn passes(&self) -> bool {
        let dispersed = DEVIATIONS_JOINT * (2.0 / (self.windows as f64 - 1.0)).sqrt();
        (self.dispersion - 1.0).abs() <= dispersed
            && self.lag_one.abs() <= DEVIATIONS_JOINT / (self.gaps as f64).sqrt()
            && self.anderson_darling <= ANDERSON_DARLING_JOINT
    }
}

/// The times between `stamps`, which are in ascending order.
pub fn gaps(stamps: &[u64]) -> Vec<f64> {
    stamps.windows(2).map(|pair| pair[1].saturating_sub(pair[0]) as f64).collect()
}

/// How many of `stamps` fall in each of so many equal windows from the first to the last, which itself
/// is left out: what ends a window does not belong to it.
///
/// # Panics
/// If `windows` is 0.
pub fn counts(stamps: &[u64], windows: usize) -> Vec<u64> {
    assert!(windows > 0, "counts need a window");
    let mut counts = vec![0; windows];
    let [first, .., last] = stamps else { return counts };
    let length = u128::from(last.saturating_sub(*first)).max(1);
    for stamp in &stamps[..stamps.len() - 1] {
        let index = u128::from(stamp.saturating_sub(*first)) * windows as u128 / length;
        counts[(index as usize).min(windows - 1)] += 1;
    }
    counts
}

/// Index of dispersion of counts: variance by mean. Poisson: within `2·√(2/(k − 1))` of 1 in 95 % of cases.
/// 0 where nothing was counted.
pub fn dispersion(counts: &[u64]) -> f64 {
    let counts: Vec<f64> = counts.iter().map(|count| *count as f64).collect();
    let (mean, variance) = moments(&counts);
    if mean > 0.0 { variance / mean } else { 0.0 }
}

/// Coefficient of variation: 0 for an even comb, 1 for Poisson, `√(b − 1)` for bursts of b in each period.
pub fn variation(gaps: &[f64]) -> f64 {
    let (mean, variance) = moments(gaps);
    if mean > 0.0 { variance.sqrt() / mean } else { 0.0 }
}

/// Correlation of each gap with the next. Independent: within `2/√n` of 0 in 95 % of cases. 0 where all
/// gaps are the same.
pub fn lag_one(gaps: &[f64]) -> f64 {
    let (mean, variance) = moments(gaps);
    let sum: f64 = gaps.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
    if variance > 0.0 { sum / (variance * (gaps.len() as f64 - 1.0)) } else { 0.0 }
}

/// Anderson-Darling distance of `gaps` from the exponential distribution with their mean, corrected for
/// their number (`A²·(1 + 0.6/n)`): up to [`ANDERSON_DARLING_MAX`] in 95 % of cases. Infinite where gaps
/// have no mean.
pub fn anderson_darling(mut gaps: Vec<f64>) -> f64 {
    let (mean, _) = moments(&gaps);
    if mean.is_nan() || mean <= 0.0 {
        return f64::INFINITY;
    }
    gaps.sort_unstable_by(f64::total_cmp);
    let n = gaps.len() as f64;
    // A gap of nothing has no logarithm; the least positive number stands for it.
    let below = |gap: f64| (-(-gap / mean).exp_m1()).max(f64::MIN_POSITIVE).ln();
    let pairs = gaps.iter().zip(gaps.iter().rev()).enumerate();
    let sum: f64 = pairs
        .map(|(index, (up, down))| (2.0 * index as f64 + 1.0) * (below(*up) - down / mean))
        .sum();
    (-n - sum / n) * (1.0 + 0.6 / n)
}

/// Mean and sample variance; zeros where there are too few.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    if values.is_empty() {
        return (0.0, 0.0);
    }
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, if n > 1.0 { squares / (n - 1.0) } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_comb_varies_in_nothing() {
        let comb: Vec<u64> = (0..1_001).map(|n| n * 1_000).collect();
        let gaps = gaps(&comb);
        assert_eq!((variation(&gaps), lag_one(&gaps)), (0.0, 0.0));
        assert_eq!(dispersion(&counts(&comb, 100)), 0.0);
        assert!(!PoissonCheck::of(&comb).unwrap().passes());
    }

    #[test]
    fn bursts_vary_by_their_size() {
        for burst in [2_u64, 5, 10] {
            let stamps: Vec<u64> = (0..20_000).map(|n| n / burst * 1_000).collect();
            let expected = (burst as f64 - 1.0).sqrt();
            assert!((variation(&gaps(&stamps)) - expected).abs() < 0.01, "bursts of {burst}");
        }
    }

    #[test]
    fn alternating_gaps_are_correlated() {
        let gaps: Vec<f64> = (0..1_000).map(|n| f64::from(1 + n % 2)).collect();
        assert!(lag_one(&gaps) < -0.99);
    }

    #[test]
    fn the_distance_is_the_one_of_the_definition() {
        // ln 2 and ln 4 have the mean 1.0397; -2 - ½ Σ (2i-1)(ln F(x_i) - x_(n+1-i)/mean) by hand.
        let gaps = vec![2f64.ln(), 4f64.ln()];
        let mean = (gaps[0] + gaps[1]) / 2.0;
        let f = |x: f64| 1.0 - (-x / mean).exp();
        let sum = (f(gaps[0]).ln() - gaps[1] / mean) + 3.0 * (f(gaps[1]).ln() - gaps[0] / mean);
        assert!((anderson_darling(gaps) - (-2.0 - sum / 2.0) * 1.3).abs() < 1e-12);
        let exact: Vec<f64> =
            (0..999).map(|n| -(1.0 - (f64::from(n) + 0.5) / 999.0).ln()).collect();
        assert!(anderson_darling(exact) < 0.05);
    }

    #[test]
    fn too_little_to_judge_is_no_check() {
        assert_eq!(PoissonCheck::of(&[1, 2, 3]), None);
        assert_eq!(anderson_darling(vec![]), f64::INFINITY);
        let same = PoissonCheck::of(&[7; 100]).unwrap();
        assert!(!same.passes());
        assert_eq!(counts(&[0, 5, 10], 2), [1, 1]);
        assert_eq!(counts(&[], 2), [0, 0]);
    }
}
