//! Quantiles as ranks: which recorded value a quantile is, and how sure that is by count alone.
//!
//! The number of samples at or below a quantile p is binomial, so two ranks enclose the quantile
//! with a probability that holds for every distribution, as long as the samples are independent.
//! Latencies of one run are not: [`Sections`](crate::Sections) is for those, and takes from here
//! only how few samples are too few. Ranks are for values that are independent, such as one
//! quantile of each of several runs (the median of six runs is the first with an interval).

use std::f64::consts::PI;

/// What is left out on both sides of an interval of 95 %, and on the side of a one-sided bound.
const OUTSIDE: f64 = 0.05;

/// The ranks, 1 to n, of the sorted samples that enclose a quantile in 95 % of all cases or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranks {
    /// The largest rank that lies above the quantile in at most 2.5 %; none where even the lowest
    /// sample does so more often.
    pub lower: Option<u64>,
    /// The smallest rank that lies below the quantile in at most 2.5 %; none where even the highest
    /// sample does so more often.
    pub upper: Option<u64>,
}

/// The rank, 1 to `n`, of the sample that is quantile `p` (0 to 1): ⌈p·n⌉.
///
/// `p` is taken one unit in the last place lower, as the Java HdrHistogram does:
/// a decimal such as 0.55 is stored a little too high, and 0.55 × 100 would be rank 56. So 0.5 and
/// the next number above it are the same quantile.
///
/// ```
/// assert_eq!(stats::rank(100, 0.55), 55);
/// ```
pub fn rank(n: u64, p: f64) -> u64 {
    // Nothing has no ranks; 1 is then as wrong as any.
    ((p.next_down() * n as f64).ceil() as u64).clamp(1, n.max(1))
}

/// The ranks that enclose quantile `p` of `n` independent samples (two-sided, equal tails, 95 %).
///
/// Exact (David and Nagaraja, *Order Statistics*, 7.1): tails of the binomial are summed, nothing is
/// taken to be normal but the place to start from. The work grows with √n: 10 ms at n = 10^12.
///
/// ```
/// let ranks = stats::ranks(1000, 0.99);
/// assert_eq!((ranks.lower, ranks.upper), (Some(983), Some(997)));
/// ```
///
/// # Panics
/// Unless 0 < `p` < 1.
pub fn ranks(n: u64, p: f64) -> Ranks {
    assert_inside(p);
    let lower = Binomial { n, p, q: 1.0 - p }.last_within(OUTSIDE / 2.0);
    // What is above is below where the samples are counted from the other end.
    let upper = Binomial { n, p: 1.0 - p, q: p }.last_within(OUTSIDE / 2.0);
    Ranks { lower: lower.map(|below| below + 1), upper: upper.map(|above| n - above) }
}

/// The fewest independent samples with which [`ranks`] has both ends: 368 for p99.
///
/// # Panics
/// Unless 0 < `p` < 1.
pub fn min_samples(p: f64) -> u64 {
    assert_inside(p);
    fewest(p.max(1.0 - p), OUTSIDE / 2.0)
}

/// The fewest independent samples of which the highest is above quantile `p` in 95 %: 299 for p99.
///
/// # Panics
/// Unless 0 < `p` < 1.
pub fn min_samples_one_sided(p: f64) -> u64 {
    assert_inside(p);
    fewest(p, OUTSIDE)
}

/// The highest share of failures, 0 to 1, that fits `n` attempts without one (one-sided, 95 %):
/// 1 − 0.05^(1/n), about 3/n; of no attempts, all may fail.
pub fn zero_failures_upper95(n: u64) -> f64 {
    if n == 0 { 1.0 } else { -(OUTSIDE.ln() / n as f64).exp_m1() }
}

fn assert_inside(p: f64) {
    assert!(0.0 < p && p < 1.0, "quantile {p} is not between 0 and 1");
}

/// The smallest n with `p`^n ≤ `outside`.
fn fewest(p: f64, outside: f64) -> u64 {
    (outside.ln() / p.ln()).ceil() as u64
}

/// How many of `n` fall on the side whose probability is `p`; `q` is 1 − p, given for its digits.
struct Binomial {
    n: u64,
    p: f64,
    q: f64,
}

impl Binomial {
    /// The largest k with P(B ≤ k) ≤ `outside`; none where P(B = 0) is more.
    fn last_within(&self, outside: f64) -> Option<u64> {
        if self.n == 0 || self.n as f64 * self.q.ln() > outside.ln() {
            return None;
        }
        let mut k = self.start();
        let mut below = self.at_most(k);
        while below > outside && k > 0 {
            below -= self.exactly(k);
            k -= 1;
        }
        loop {
            let next = below + self.exactly(k + 1);
            if next > outside {
                return Some(k);
            }
            (below, k) = (next, k + 1);
        }
    }

    /// Near the 2.5 % point: the normal distribution's, without going below nothing.
    fn start(&self) -> u64 {
        let mean = self.n as f64 * self.p;
        let point = mean - 1.96 * (mean * self.q).sqrt();
        // What is negative becomes 0.
        (point as u64).min(self.n - 1)
    }

    /// P(B ≤ k), summed downward until a term adds nothing; `k` is below the mean, so terms shrink.
    fn at_most(&self, k: u64) -> f64 {
        let odds = self.q / self.p;
        let mut term = self.exactly(k);
        let mut sum = term;
        for fewer in (1..=k).rev() {
            term *= fewer as f64 / (self.n - fewer + 1) as f64 * odds;
            sum += term;
            if term < sum * f64::EPSILON / 16.0 {
                break;
            }
        }
        sum
    }

    /// P(B = k), to some 14 digits at any n: Loader, *Fast and accurate computation of binomial
    /// probabilities* (2000), as R's `dbinom`. Differences of log-factorials would lose them all at
    /// n = 10^12.
    fn exactly(&self, k: u64) -> f64 {
        let n = self.n as f64;
        if k == 0 {
            return (n * self.q.ln()).exp();
        }
        if k >= self.n {
            return if k == self.n { (n * self.p.ln()).exp() } else { 0.0 };
        }
        let (k, rest) = (k as f64, (self.n - k) as f64);
        let log = stirling_error(n)
            - stirling_error(k)
            - stirling_error(rest)
            - deviance(k, n * self.p)
            - deviance(rest, n * self.q);
        (n / (2.0 * PI * k * rest)).sqrt() * log.exp()
    }
}

/// ln n! less Stirling's formula of it.
fn stirling_error(n: f64) -> f64 {
    if n < 16.0 {
        let factorial: f64 = (2..=n as u64).map(|factor| factor as f64).product();
        return factorial.ln() - (0.5 * (2.0 * PI * n).ln() + n * n.ln() - n);
    }
    let square = n * n;
    let series = 1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / 1188.0 / square) / square;
    (1.0 / 12.0 - (1.0 / 360.0 - series / square) / square) / n
}

/// x ln(x/mean) + mean − x, without cancellation where they are close.
fn deviance(x: f64, mean: f64) -> f64 {
    let difference = x - mean;
    if difference.abs() >= 0.1 * (x + mean) {
        return x * (x / mean).ln() - difference;
    }
    let v = difference / (x + mean);
    let mut sum = difference * v;
    let mut power = 2.0 * x * v;
    for odd in (3..1000).step_by(2) {
        power *= v * v;
        let next = sum + power / f64::from(odd);
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_is_not_moved_by_how_a_decimal_is_stored() {
        for percent in 1..=100 {
            for n in (100..100_000).step_by(100) {
                assert_eq!(rank(n, percent as f64 / 100.0), n / 100 * percent, "{percent} of {n}");
            }
        }
    }

    #[test]
    fn ranks_stay_between_one_and_all() {
        for p in [f64::NAN, -1.0, 0.0, f64::MIN_POSITIVE, 0.5, 1.0, 2.0, f64::INFINITY] {
            for n in [0, 1, 2, 1 << 53, u64::MAX] {
                assert!((1..=n.max(1)).contains(&rank(n, p)), "{p} of {n}");
            }
        }
    }

    #[test]
    fn probabilities_of_all_counts_sum_to_one() {
        for (n, p) in [(1, 0.5), (15, 0.3), (16, 0.99), (1000, 0.999), (20_000, 0.5)] {
            let binomial = Binomial { n, p, q: 1.0 - p };
            let sum: f64 = (0..=n).map(|k| binomial.exactly(k)).sum();
            assert!((sum - 1.0).abs() < 1e-12, "{n} {p}: {sum}");
        }
    }

    #[test]
    fn ranks_of_very_many_are_the_normal_ones() {
        for (n, p) in
            [(1_000_000_000_000, 0.5), (1_000_000_000_000, 0.9999), (u64::MAX >> 20, 0.99)]
        {
            let ranks = ranks(n, p);
            let mean = n as f64 * p;
            let half = 1.959_963_985 * (mean * (1.0 - p)).sqrt();
            // The normal form is off by about (z² − 1)(1 − 2p)/6 and half a rank.
            let near = |rank: Option<u64>, normal: f64| (rank.unwrap() as f64 - normal).abs() < 2.0;
            assert!(near(ranks.lower, mean - half), "{n} {p}: {ranks:?}");
            assert!(near(ranks.upper, mean + half + 1.0), "{n} {p}: {ranks:?}");
        }
    }

    #[test]
    fn low_quantiles_mirror_high_ones() {
        for (n, p) in [(10, 0.25), (1000, 0.125), (4096, 0.5)] {
            let (low, high) = (ranks(n, p), ranks(n, 1.0 - p));
            assert_eq!(low.lower.map(|rank| n + 1 - rank), high.upper);
            assert_eq!(low.upper.map(|rank| n + 1 - rank), high.lower);
        }
    }

    #[test]
    fn of_nothing_nothing_is_known() {
        assert_eq!(ranks(0, 0.5), Ranks { lower: None, upper: None });
        assert_eq!(zero_failures_upper95(0), 1.0);
    }

    #[test]
    #[should_panic(expected = "not between")]
    fn certainty_is_no_quantile() {
        ranks(10, 1.0);
    }
}
