//! The Universal Scalability Law (Gunther 2007) through measured throughputs:
//! X(N) = γN / (1 + α(N − 1) + βN(N − 1)), N being what works at the same time.
//!
//! γ is what one would do alone, α the share that waits for its turn, β what all of them have to agree
//! on with each other. A peak is claimed only where the data hold it: [`Fit::peak`] is none where the
//! interval of β touches 0. Start at [`fit`].

use crate::student::student_quantile;

/// So many different N are the fewest that three parameters are fitted to.
pub const LOADS_MIN: usize = 6;

/// So often as the largest measured N a peak may lie beyond it and be told without a mark.
pub const BEYOND: f64 = 1.5;

/// What one measurement showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// How many worked at the same time, from 1.
    pub n: f64,
    /// What they did a second, all together.
    pub x: f64,
}

/// A number and where it is in 95 % of such series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimated {
    /// The best one.
    pub value: f64,
    /// From where, to where; both infinite where the data leave it open.
    pub interval: (f64, f64),
}

/// The law as fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// Contention, 0 to 1.
    pub alpha: Estimated,
    /// Coherency, 0 to 1.
    pub beta: Estimated,
    /// Throughput of one.
    pub gamma: Estimated,
    /// The standard error of what is left over, in the unit of the throughput.
    pub residual: f64,
    /// How many measurements are beyond the number of parameters.
    pub degrees: usize,
    largest: f64,
    covariance: [[f64; 3]; 3],
    student: f64,
}

/// Where throughput is highest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// At which N, by the delta method.
    pub n: Estimated,
    /// How high.
    pub x: Estimated,
    /// Whether that is more than [`BEYOND`] times the largest N measured.
    pub extrapolated: bool,
}

/// Why nothing is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// There are so many different N, of [`LOADS_MIN`].
    TooFew(usize),
    /// An N is below 1, or a throughput is not above 0, or no number.
    NoThroughput,
    /// The data do not tell the parameters apart.
    Singular,
}

/// Fits the law by least squares, α and β within 0 and 1.
///
/// # Errors
/// Too few loads, one without throughput, or data that say nothing.
pub fn fit(data: &[Measured]) -> Result<Fit, Unfit> {
    let sound = |m: &Measured| m.n >= 1.0 && m.x > 0.0 && m.n.is_finite() && m.x.is_finite();
    if !data.iter().all(sound) {
        return Err(Unfit::NoThroughput);
    }
    let mut loads: Vec<f64> = data.iter().map(|m| m.n).collect();
    loads.sort_by(f64::total_cmp);
    loads.dedup();
    if loads.len() < LOADS_MIN {
        return Err(Unfit::TooFew(loads.len()));
    }
    let best = STARTS.map(|[alpha, beta]| descend([alpha, beta, scale(data, alpha, beta)], data));
    let best = best.into_iter().min_by(|a, b| squares(a, data).total_cmp(&squares(b, data)));
    let best = best.expect("there are three starts");
    spread(best, data, loads[loads.len() - 1]).ok_or(Unfit::Singular)
}

/// From where α and β descend: little of both, much contention, and a peak far out.
const STARTS: [[f64; 2]; 3] = [[0.02, 1e-3], [0.3, 0.0], [1e-3, 1e-5]];

/// α, β and γ.
type Parameters = [f64; 3];

fn throughput([alpha, beta, gamma]: Parameters, n: f64) -> f64 {
    gamma * n / (1.0 + alpha * (n - 1.0) + beta * n * (n - 1.0))
}

/// How the throughput at `n` grows with each parameter.
fn slopes([alpha, beta, gamma]: Parameters, n: f64) -> Parameters {
    let below = 1.0 + alpha * (n - 1.0) + beta * n * (n - 1.0);
    let by = -gamma * n / (below * below);
    [by * (n - 1.0), by * n * (n - 1.0), n / below]
}

/// The best γ for given α and β: the law is linear in it.
fn scale(data: &[Measured], alpha: f64, beta: f64) -> f64 {
    let of_one = |m: &Measured| throughput([alpha, beta, 1.0], m.n);
    let crossed: f64 = data.iter().map(|m| m.x * of_one(m)).sum();
    crossed / data.iter().map(|m| of_one(m).powi(2)).sum::<f64>()
}

/// The sum of squares that are left over.
fn squares(at: &Parameters, data: &[Measured]) -> f64 {
    data.iter().map(|m| (m.x - throughput(*at, m.n)).powi(2)).sum()
}

/// Levenberg and Marquardt's descent. A parameter that would leave its bounds stays at them.
fn descend(mut at: Parameters, data: &[Measured]) -> Parameters {
    let mut damping = 1e-3;
    let mut left = squares(&at, data);
    for _ in 0..2_000 {
        let Some(next) = stepped(at, data, damping) else { break };
        let then = squares(&next, data);
        if then < left {
            let gained = left - then;
            (at, left, damping) = (next, then, damping / 10.0);
            if gained <= left * 1e-15 && damping < 1e-9 {
                break;
            }
        } else {
            damping *= 4.0;
            if damping > 1e12 {
                break;
            }
        }
    }
    at
}

fn stepped(at: Parameters, data: &[Measured], damping: f64) -> Option<Parameters> {
    let (mut normal, mut gradient) = (curvature(at, data), [0.0; 3]);
    for m in data {
        let (slopes, left) = (slopes(at, m.n), m.x - throughput(at, m.n));
        (0..3).for_each(|i| gradient[i] += slopes[i] * left);
    }
    let drawn = gradient;
    // At a bound and drawn beyond it.
    let held =
        |i: usize| i < 2 && ((at[i] <= 0.0 && drawn[i] < 0.0) || (at[i] >= 1.0 && drawn[i] > 0.0));
    for i in 0..3 {
        normal[i][i] *= 1.0 + damping;
        if held(i) {
            (0..3).for_each(|k| (normal[i][k], normal[k][i]) = (0.0, 0.0));
            (normal[i][i], gradient[i]) = (1.0, 0.0);
        }
    }
    let inverse = inverse(normal)?;
    let step = |i: usize| (0..3).map(|k| inverse[i][k] * gradient[k]).sum::<f64>();
    let next = [0, 1, 2].map(|i| at[i] + step(i));
    Some([next[0].clamp(0.0, 1.0), next[1].clamp(0.0, 1.0), next[2].max(f64::MIN_POSITIVE)])
}

/// JᵀJ.
fn curvature(at: Parameters, data: &[Measured]) -> [[f64; 3]; 3] {
    let mut sums = [[0.0; 3]; 3];
    for m in data {
        let slopes = slopes(at, m.n);
        for (i, row) in sums.iter_mut().enumerate() {
            (0..3).for_each(|k| row[k] += slopes[i] * slopes[k]);
        }
    }
    sums
}

/// By cofactors, the scale of its diagonal taken out: β is small where N is large.
fn inverse(of: [[f64; 3]; 3]) -> Option<[[f64; 3]; 3]> {
    let scale = [0, 1, 2].map(|i| of[i][i].sqrt());
    let m: [[f64; 3]; 3] =
        std::array::from_fn(|i| std::array::from_fn(|k| of[i][k] / scale[i] / scale[k]));
    let minor = |i: usize, k: usize| {
        let (a, b, c, d) = ((i + 1) % 3, (i + 2) % 3, (k + 1) % 3, (k + 2) % 3);
        m[a][c] * m[b][d] - m[a][d] * m[b][c]
    };
    let whole: f64 = (0..3).map(|k| m[0][k] * minor(0, k)).sum();
    let told = whole.is_finite() && whole.abs() > 1e-13;
    let cell = |i, k| minor(k, i) / whole / scale[i] / scale[k];
    told.then(|| std::array::from_fn(|i| std::array::from_fn(|k| cell(i, k))))
}

/// How sure the parameters are. One that is at its bound is taken as known, and the others as those of
/// the smaller model.
fn spread(at: Parameters, data: &[Measured], largest: f64) -> Option<Fit> {
    // As near as arithmetic comes: the least that α and β change at the largest N.
    let fixed =
        [at[0] <= 1e-12 || at[0] >= 1.0, at[1] * largest * largest <= 1e-9 || at[1] >= 1.0, false];
    let mut normal = curvature(at, data);
    for i in (0..3).filter(|&i| fixed[i]) {
        (0..3).for_each(|k| (normal[i][k], normal[k][i]) = (0.0, 0.0));
        normal[i][i] = 1.0;
    }
    let free = fixed.iter().filter(|fixed| !**fixed).count();
    let degrees = data.len().checked_sub(free).filter(|&degrees| degrees > 0)?;
    let residual = (squares(&at, data) / degrees as f64).sqrt();
    let inverse = inverse(normal)?;
    let covariance: [[f64; 3]; 3] = std::array::from_fn(|i| {
        std::array::from_fn(|k| {
            if fixed[i] || fixed[k] { 0.0 } else { inverse[i][k] * residual * residual }
        })
    });
    let student = student_quantile(degrees, 0.975);
    let estimated = |i: usize| around(at[i], student * covariance[i][i].sqrt());
    Some(Fit {
        alpha: estimated(0),
        beta: estimated(1),
        gamma: estimated(2),
        residual,
        degrees,
        largest,
        covariance,
        student,
    })
}

fn around(value: f64, half: f64) -> Estimated {
    Estimated { value, interval: (value - half, value + half) }
}

impl Fit {
    /// The throughput at `n`, by the delta method.
    pub fn at(&self, n: f64) -> Estimated {
        let slopes = slopes(self.parameters(), n);
        around(throughput(self.parameters(), n), self.half(slopes))
    }

    /// Where throughput is highest; none where the data hold no peak.
    pub fn peak(&self) -> Option<Peak> {
        let [alpha, beta, _] = self.parameters();
        if self.beta.interval.0 <= 0.0 || alpha >= 1.0 {
            return None;
        }
        let n = ((1.0 - alpha) / beta).sqrt();
        let half = self.half([-1.0 / (2.0 * beta * n), -n / (2.0 * beta), 0.0]);
        Some(Peak { n: around(n, half), x: self.at(n), extrapolated: n > BEYOND * self.largest })
    }

    /// γ/α: what throughput comes near without coherency; none where nothing waits for its turn.
    pub fn asymptote(&self) -> Option<f64> {
        (self.alpha.value > 0.0).then(|| self.gamma.value / self.alpha.value)
    }

    /// The most that one such system does as far as it was measured: at the peak, or at the largest N.
    pub fn most(&self) -> Estimated {
        match self.peak() {
            Some(peak) if peak.n.value <= self.largest => peak.x,
            _ => self.at(self.largest),
        }
    }

    /// How many such systems do `x` a second, and the fewest and the most that it may take; none where
    /// the data leave the most open.
    pub fn systems_for(&self, x: f64) -> (u64, u64, Option<u64>) {
        let most = self.most();
        let many = |each: f64| (x / each).ceil().max(1.0) as u64;
        let (low, high) = most.interval;
        (many(most.value), many(high), (low > 0.0).then(|| many(low)))
    }

    fn parameters(&self) -> Parameters {
        [self.alpha.value, self.beta.value, self.gamma.value]
    }

    /// Half the interval of what grows so with each parameter.
    fn half(&self, slopes: Parameters) -> f64 {
        let of =
            |i: usize| (0..3).map(|k| slopes[i] * self.covariance[i][k] * slopes[k]).sum::<f64>();
        self.student * (0..3).map(of).sum::<f64>().max(0.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(data: &[(f64, f64)]) -> Vec<Measured> {
        data.iter().map(|&(n, x)| Measured { n, x }).collect()
    }

    fn law(alpha: f64, beta: f64, gamma: f64) -> Vec<Measured> {
        let n = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];
        n.map(|n| Measured { n, x: throughput([alpha, beta, gamma], n) }).into()
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let few = measured(&[(1.0, 1.0), (2.0, 1.9), (2.0, 1.8), (4.0, 3.0), (8.0, 5.0)]);
        assert_eq!(fit(&few), Err(Unfit::TooFew(4)));
        for bad in [(0.5, 1.0), (4.0, 0.0), (4.0, -1.0), (f64::NAN, 1.0), (4.0, f64::INFINITY)] {
            let mut data = law(0.1, 0.01, 10.0);
            data.extend(measured(&[bad]));
            assert_eq!(fit(&data), Err(Unfit::NoThroughput), "{bad:?}");
        }
    }

    #[test]
    fn the_law_itself_is_found_wherever_it_peaks() {
        for parameters in [[0.3, 1e-2, 7.0], [0.01, 1e-4, 1e5], [0.5, 0.1, 1e-3], [0.9, 0.5, 2.0]] {
            let [alpha, beta, gamma] = parameters;
            let found = fit(&law(alpha, beta, gamma)).unwrap();
            for (found, known) in [found.alpha, found.beta, found.gamma].iter().zip(parameters) {
                assert!((found.value / known - 1.0).abs() < 1e-6, "{parameters:?}: {found:?}");
            }
            let peak = found.peak().expect("a peak");
            assert!((peak.n.value / ((1.0 - alpha) / beta).sqrt() - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn what_only_grows_has_no_peak() {
        for (alpha, beta) in [(0.0, 0.0), (0.2, 0.0)] {
            let found = fit(&law(alpha, beta, 100.0)).unwrap();
            assert_eq!(found.peak(), None, "{found:?}");
            let most = found.most();
            assert!((most.value / throughput([alpha, beta, 100.0], 64.0) - 1.0).abs() < 1e-6);
        }
        assert_eq!(fit(&law(0.0, 0.0, 100.0)).unwrap().asymptote(), None);
    }

    #[test]
    fn what_shrinks_has_its_peak_before_the_first() {
        let data = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(|n| Measured { n, x: 100.0 / (n * n) });
        let found = fit(&data).unwrap();
        assert!(found.beta.value <= 1.0 && found.alpha.value <= 1.0);
    }

    #[test]
    fn systems_for_a_load_are_whole_and_grow_with_doubt() {
        let noisy: Vec<Measured> = law(0.02, 0.001, 100.0)
            .into_iter()
            .flat_map(|m| [0.97, 1.0, 1.03].map(|by| Measured { x: m.x * by, ..m }))
            .collect();
        let found = fit(&noisy).unwrap();
        let most = found.most();
        let (best, fewest, at_most) = found.systems_for(10.0 * most.value);
        assert_eq!(best, 10);
        assert!(fewest <= best && at_most.unwrap() >= best, "{fewest} {at_most:?}");
        assert_eq!(found.systems_for(1.0).0, 1);
    }
}
