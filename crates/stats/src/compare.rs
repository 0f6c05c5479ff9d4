//! Whether two groups of runs differ, and by how much.
//!
//! The unit is the run: each value is one figure of one run. Ranks alone decide (Mann and Whitney 1947,
//! exact for up to [`EXACT_MAX`] a side, ties too), since p99s are anything but normal; the
//! shift is the median of all differences (Hodges and Lehmann 1963) with the interval that the same
//! distribution gives. Start at [`compare`]; [`Comparison::judge`] turns numbers into a word.

use crate::normal;
use crate::student::student_quantile;
use crate::trend::median_of_sorted;
use std::cmp::Ordering;

/// So many values a side are counted exactly; of more the sum of ranks is as good as normal.
pub const EXACT_MAX: usize = 20;

/// A difference that chance makes less often than this is one.
pub const LEVEL: f64 = 0.05;

/// The power that [`Comparison::visible`] is for, in words: four of five comparisons find it.
const POWER: f64 = 0.8;

/// Two groups compared. Differences are `b − a`, in the unit of the values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// In how many pairs the value of `a` is the higher one; equal ones count half.
    pub u: f64,
    /// How often chance alone makes groups this different, on both sides.
    pub p: f64,
    /// Whether `p` was counted; else it is the normal's, corrected for ties and continuity.
    pub exact: bool,
    /// The chance that a run of `a` has the higher value (Vargha and Delaney's A12).
    pub a12: f64,
    /// The median of all differences.
    pub shift: f64,
    /// Where the true shift is in 95 % of such comparisons; none where there are too few runs.
    pub interval: Option<(f64, f64)>,
    /// The smallest shift that groups of this size and spread would show in four of five comparisons;
    /// none where a group has no spread to tell by.
    pub visible: Option<f64>,
}

/// What a comparison says, where lower values are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Judged {
    /// `b` is lower.
    Better,
    /// The interval of the shift lies within the margin.
    Same,
    /// Neither a difference nor none is shown.
    CannotTell,
    /// `b` is higher.
    Worse,
}

/// The lowest p that so many values a side can have: 0.1 for 3 and 3. Above [`LEVEL`] nothing that
/// they show is ever a difference.
pub fn lowest_p(a: usize, b: usize) -> f64 {
    let ways: f64 = (1..=a).map(|k| (b + k) as f64 / k as f64).product();
    (2.0 / ways).min(1.0)
}

/// The fewest values a side, as many on both, with which a difference can be shown at `level`.
///
/// # Panics
/// Unless `level` is above 0.
pub fn fewest_a_side(level: f64) -> usize {
    assert!(level > 0.0, "chance cannot be ruled out");
    (1..).find(|&n| lowest_p(n, n) <= level).expect("more values show more")
}

/// Compares the values of `a` with those of `b`; none where a group is empty or a value is no number.
pub fn compare(a: &[f64], b: &[f64]) -> Option<Comparison> {
    let finite = a.iter().chain(b).all(|value| value.is_finite());
    if a.is_empty() || b.is_empty() || !finite {
        return None;
    }
    let u = pairs_above(a, b);
    let pairs = (a.len() * b.len()) as f64;
    let exact = a.len() <= EXACT_MAX && b.len() <= EXACT_MAX;
    let below = exact.then(|| Below::of(a.len(), b.len()));
    let p = if exact { counted_p(u, a, b) } else { normal_p(u, a.len(), b.len(), ties(a, b)) };
    let mut differences: Vec<f64> = a.iter().flat_map(|a| b.iter().map(move |b| b - a)).collect();
    differences.sort_by(f64::total_cmp);
    // How many differences lie outside on each side. Ties make the counted distribution's a wide one.
    let outside = match &below {
        Some(below) => below.last_within(LEVEL / 2.0),
        None => normal_outside(a.len(), b.len()),
    };
    let interval = outside.map(|k| (differences[k], differences[differences.len() - 1 - k]));
    let shift = median_of_sorted(&differences);
    Some(Comparison { u, p, exact, a12: u / pairs, shift, interval, visible: visible(a, b) })
}

impl Comparison {
    /// The word, if a `level` of chance is taken for none and what is within ±`margin` is the same;
    /// lower values are better.
    pub fn judge(&self, margin: f64, level: f64) -> Judged {
        let within = |&(low, high): &(f64, f64)| -margin <= low && high <= margin;
        if self.interval.as_ref().is_some_and(within) {
            Judged::Same
        } else if self.p > level {
            Judged::CannotTell
        } else if self.shift > 0.0 {
            Judged::Worse
        } else {
            Judged::Better
        }
    }
}

/// In how many pairs `a` is above `b`; equal ones count half.
fn pairs_above(a: &[f64], b: &[f64]) -> f64 {
    let above = |&a: &f64| {
        b.iter().map(move |b| match a.total_cmp(b) {
            Ordering::Greater => 1.0,
            Ordering::Equal => 0.5,
            Ordering::Less => 0.0,
        })
    };
    a.iter().flat_map(above).sum()
}

/// How many values are equal, group by group, ascending.
fn equals(a: &[f64], b: &[f64]) -> Vec<usize> {
    let mut all: Vec<f64> = a.iter().chain(b).copied().collect();
    all.sort_by(f64::total_cmp);
    all.chunk_by(|x, y| x == y).map(<[f64]>::len).collect()
}

/// Σ t³ − t over the groups of equal values.
fn ties(a: &[f64], b: &[f64]) -> f64 {
    let cubed = |t: f64| t * t * t - t;
    equals(a, b).into_iter().map(|t| cubed(t as f64)).sum()
}

/// In which share of all ways to deal the values out to groups of these sizes u lies as far from its middle
/// or farther: counted by the sum of ranks, where equal values share their mean rank; twice that is whole.
fn counted_p(u: f64, a: &[f64], b: &[f64]) -> f64 {
    let (dealt, all) = (a.len(), a.len() + b.len());
    let most = 2 * dealt * all;
    // By how many values are dealt to `a` and the sum of their ranks, doubled: in how many ways.
    let mut ways = vec![vec![0_u64; most + 1]; dealt + 1];
    ways[0][0] = 1;
    let mut before = 0;
    for equal in equals(a, b) {
        let doubled = 2 * before + equal + 1;
        for _ in 0..equal {
            for values in (1..=dealt).rev() {
                for sum in (doubled..=most).rev() {
                    ways[values][sum] += ways[values - 1][sum - doubled];
                }
            }
        }
        before += equal;
    }
    // The sum of ranks is u and the lowest possible sum, so both lie as far from their middles.
    let middle = dealt * (all + 1);
    let far = (2.0 * (u - (dealt * b.len()) as f64 / 2.0).abs()).round() as usize;
    let total: u64 = ways[dealt].iter().sum();
    let outside = ways[dealt].iter().enumerate().filter(|(sum, _)| sum.abs_diff(middle) >= far);
    outside.map(|(_, ways)| *ways).sum::<u64>() as f64 / total as f64
}

fn normal_p(u: f64, a: usize, b: usize, ties: f64) -> f64 {
    let (a, b) = (a as f64, b as f64);
    let n = a + b;
    let variance = a * b / 12.0 * (n + 1.0 - ties / (n * (n - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let distance = ((u - a * b / 2.0).abs() - 0.5).max(0.0);
    normal::two_sided(distance / variance.sqrt())
}

fn normal_outside(a: usize, b: usize) -> Option<usize> {
    let pairs = (a * b) as f64;
    let outside = pairs / 2.0 - normal::WITHIN_95 * (pairs * (a + b + 1) as f64 / 12.0).sqrt();
    (outside >= 1.0).then(|| outside as usize - 1)
}

/// As for a test of means, less what ranks cost where values are normal (π/3 as many of them are needed).
fn visible(a: &[f64], b: &[f64]) -> Option<f64> {
    let squares = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.iter().map(|value| (value - mean).powi(2)).sum::<f64>()
    };
    let degrees = (a.len() + b.len()).checked_sub(2).filter(|&degrees| degrees > 0)?;
    let deviation = ((squares(a) + squares(b)) / degrees as f64).sqrt();
    let each = (1.0 / a.len() as f64 + 1.0 / b.len() as f64).sqrt();
    let quantiles = student_quantile(degrees, 1.0 - LEVEL / 2.0) + student_quantile(degrees, POWER);
    let visible = quantiles * deviation * each * (std::f64::consts::PI / 3.0).sqrt();
    (visible > 0.0 && lowest_p(a.len(), b.len()) <= LEVEL).then_some(visible)
}

/// P(U ≤ u) where nothing differs, for every u.
struct Below(Vec<f64>);

impl Below {
    /// Counts in how many of all orders of `a` and `b` values each u comes: the coefficients of the
    /// Gaussian binomial ∏ (1 − x^(b+k)) / (1 − x^k). At 20 and 20 they sum to 2^37.
    fn of(a: usize, b: usize) -> Self {
        let mut orders = vec![0_i64; a * b + 1];
        orders[0] = 1;
        for k in 1..=a {
            for u in (b + k..orders.len()).rev() {
                orders[u] -= orders[u - b - k];
            }
            for u in k..orders.len() {
                orders[u] += orders[u - k];
            }
        }
        let all: i64 = orders.iter().sum();
        let mut so_far = 0;
        let below = orders.into_iter().map(|orders| {
            so_far += orders;
            so_far as f64 / all as f64
        });
        Self(below.collect())
    }

    /// The largest u with P(U ≤ u) within `outside`.
    fn last_within(&self, outside: f64) -> Option<usize> {
        self.0.iter().take_while(|&&below| below <= outside).count().checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_nothing_and_of_no_numbers_nothing_is_said() {
        assert_eq!(compare(&[], &[1.0]), None);
        assert_eq!(compare(&[1.0], &[]), None);
        assert_eq!(compare(&[1.0], &[f64::NAN]), None);
        assert_eq!(compare(&[f64::INFINITY], &[1.0]), None);
    }

    #[test]
    fn equal_values_are_no_difference() {
        for n in [1, 6, 25] {
            let same = vec![5.0; n];
            let found = compare(&same, &same).unwrap();
            assert_eq!((found.shift, found.p, found.a12), (0.0, 1.0, 0.5));
            assert_eq!(found.visible, None);
            let judged = if n == 1 { Judged::CannotTell } else { Judged::Same };
            assert_eq!(found.judge(0.1, LEVEL), judged, "{n}");
        }
    }

    #[test]
    fn the_word_follows_from_interval_and_chance() {
        let base = [100.0, 101.0, 102.0, 103.0, 104.0, 105.0];
        let by = |shift: f64, spread: f64| {
            let b = base.map(|value| 102.5 + (value - 102.5) * spread + shift);
            compare(&base.map(|value| 102.5 + (value - 102.5) * spread), &b).unwrap()
        };
        let margin = 5.0;
        assert_eq!(by(0.5, 1.0).judge(margin, LEVEL), Judged::Same);
        assert_eq!(by(8.25, 1.0).judge(margin, LEVEL), Judged::Worse);
        assert_eq!(by(-8.25, 1.0).judge(margin, LEVEL), Judged::Better);
        assert_eq!(by(0.5, 10.0).judge(margin, LEVEL), Judged::CannotTell);
        // What is there beyond chance, but is small, is the same.
        assert_eq!(by(4.0, 0.1).judge(margin, LEVEL), Judged::Same);
        assert_eq!(by(8.25, 1.0).judge(margin, 0.001), Judged::CannotTell);
    }

    #[test]
    fn three_a_side_show_nothing_whatever_they_are() {
        let found = compare(&[1.0, 2.0, 3.0], &[1e9, 2e9, 3e9]).unwrap();
        assert_eq!((found.p, found.interval, found.visible), (lowest_p(3, 3), None, None));
        assert_eq!(found.judge(0.05, LEVEL), Judged::CannotTell);
        assert_eq!(fewest_a_side(LEVEL), 4);
        assert_eq!(fewest_a_side(0.01), 5);
    }

    #[test]
    fn the_normal_is_corrected_for_continuity_as_known() {
        // `p_asymptotic_cc` of tests/oracles/compare.json.
        let known = 0.000_439_638_752_626_564_54;
        assert!((normal_p(3.0, 10, 10, 0.0) / known - 1.0).abs() < 1e-9);
        // Two pairs of equal values among eight: variance 16/12 (9 − 12/56), distance 7.5 − 0.5.
        let (a, b) = ([1.0, 2.0, 2.0, 3.0], [3.0, 4.0, 5.0, 6.0]);
        let tied = normal_p(0.5, 4, 4, ties(&a, &b));
        assert!((tied / 0.040_833_125_861_299_56 - 1.0).abs() < 1e-9, "{tied}");
    }

    #[test]
    fn ties_are_counted_too() {
        // Of the 70 ways two are as far out: the lower half to one group, or to the other.
        let apart = compare(&[1.0; 4], &[2.0; 4]).unwrap();
        assert!(apart.exact && (apart.p - 2.0 / 70.0).abs() < 1e-12, "{}", apart.p);
        // u is 0.5 of 16, and the 3 that stands in both groups may be dealt either way.
        let tied = compare(&[1.0, 2.0, 2.0, 3.0], &[3.0, 4.0, 5.0, 6.0]).unwrap();
        assert!(tied.exact && (tied.p - 4.0 / 70.0).abs() < 1e-12, "{}", tied.p);
        for n in [2_usize, 6, 20] {
            let a: Vec<f64> = (0..n).map(|k| k as f64).collect();
            let b: Vec<f64> = a.iter().map(|x| x + 1e3).collect();
            let found = compare(&a, &b).unwrap();
            assert!((found.p / lowest_p(n, n) - 1.0).abs() < 1e-9, "{n}: {found:?}");
        }
    }

    #[test]
    fn counted_and_normal_meet_where_both_may_be_used() {
        let a: Vec<f64> = (0..20).map(|k| f64::from(k) * 3.1).collect();
        let b: Vec<f64> = (0..20).map(|k| f64::from(k) * 3.7 + 11.03).collect();
        let exact = compare(&a, &b).unwrap();
        let near = normal_p(exact.u, 20, 20, 0.0);
        assert!((exact.p - near).abs() < 0.005, "{} {near}", exact.p);
        let outside = Below::of(20, 20).last_within(LEVEL / 2.0).unwrap();
        assert!(outside.abs_diff(normal_outside(20, 20).unwrap()) <= 1);
    }
}
