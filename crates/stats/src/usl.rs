//! The Universal Scalability Law (Gunther 2007) through measured throughputs:
//! X(N) = γN / (1 + α(N − 1) + βN(N − 1)), N being what works at the same time.
//!
//! γ is what one would do alone, α the share that waits for its turn, β what all of them have to agree
//! on with each other. A peak is claimed only where the data hold it: [`Fit::peak`] is none where the
//! interval of β touches 0, since the law has a peak for any curve that only bends enough, and none where
//! throughput was measured beyond the peak and did not fall. Start at [`fit`].

use crate::student::student_quantile;

/// So many different N are the fewest that three parameters are fitted to.
pub const LOADS_MIN: usize = 6;

/// A peak that lies beyond so many times the largest measured N is not told.
pub const BEYOND: f64 = 1.5;

/// So many times as large as the scatter of repeats, as mean squares, is what the law leaves over where it
/// is not the law of these data: F of 99 % for 5 and 16 degrees of freedom.
pub const LACK: f64 = 4.4;

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
    /// How many times as large as the scatter of repeats what the law leaves over is, as mean squares: above
    /// [`LACK`] the data follow another law. None without repeats.
    pub lack: Option<f64>,
    /// Throughput falls from the best N to the largest by more than chance.
    pub falls: bool,
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
    /// Whether that is beyond the largest N measured.
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

/// How sure the parameters are: with n − 3 degrees of freedom, also where one is at its bound, since the data
/// have put it there.
fn spread(at: Parameters, data: &[Measured], largest: f64) -> Option<Fit> {
    let degrees = data.len().checked_sub(3).filter(|&degrees| degrees > 0)?;
    let left = squares(&at, data);
    let residual = (left / degrees as f64).sqrt();
    let inverse = inverse(curvature(at, data))?;
    let covariance = inverse.map(|row| row.map(|cell| cell * residual * residual));
    let student = student_quantile(degrees, 0.975);
    let estimated = |i: usize| around(at[i], student * covariance[i][i].sqrt());
    let repeats = Repeats::of(data);
    Some(Fit {
        alpha: estimated(0),
        beta: estimated(1),
        gamma: estimated(2),
        residual,
        degrees,
        lack: repeats.lack(left),
        falls: repeats.fall(),
        largest,
        covariance,
        student,
    })
}

/// Measurements at each N, ascending.
struct Repeats {
    groups: Vec<Vec<Measured>>,
    /// The sum of squares about the mean of each.
    within: f64,
    /// How many measurements are repeats of others.
    degrees: usize,
}

impl Repeats {
    fn of(data: &[Measured]) -> Self {
        let mut sorted = data.to_vec();
        sorted.sort_by(|one, next| one.n.total_cmp(&next.n));
        let groups: Vec<Vec<Measured>> =
            sorted.chunk_by(|one, next| one.n == next.n).map(<[Measured]>::to_vec).collect();
        let about = |group: &Vec<Measured>| {
            let mean = mean(group);
            group.iter().map(|m| (m.x - mean).powi(2)).sum::<f64>()
        };
        let within = groups.iter().map(about).sum();
        Self { within, degrees: data.len() - groups.len(), groups }
    }

    /// What the law leaves over beyond the scatter of repeats, by that, as mean squares; `left` is all that it
    /// leaves over.
    fn lack(&self, left: f64) -> Option<f64> {
        let beyond = self.groups.len().checked_sub(3).filter(|&beyond| beyond > 0)?;
        let scatter = self.within / self.degrees as f64;
        let lack = (left - self.within).max(0.0) / beyond as f64 / scatter;
        lack.is_finite().then_some(lack)
    }

    /// Whether the largest N has less than the best by more than chance, which picked the best of all. Without
    /// repeats nobody knows what chance does, and any fall is one.
    fn fall(&self) -> bool {
        let Some((last, before)) = self.groups.split_last() else { return false };
        let best = before.iter().max_by(|a, b| mean(a).total_cmp(&mean(b)));
        best.is_some_and(|best| mean(best) - mean(last) > self.chance(best, last))
    }

    /// How far apart chance alone takes the best of all groups and another one.
    fn chance(&self, best: &[Measured], other: &[Measured]) -> f64 {
        if self.degrees == 0 {
            return 0.0;
        }
        let outside = 0.025 / (self.groups.len() - 1) as f64;
        let scatter = (self.within / self.degrees as f64).sqrt();
        let each = (1.0 / best.len() as f64 + 1.0 / other.len() as f64).sqrt();
        student_quantile(self.degrees, 1.0 - outside) * scatter * each
    }
}

fn mean(group: &[Measured]) -> f64 {
    group.iter().map(|m| m.x).sum::<f64>() / group.len() as f64
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

    /// Where throughput is highest; none where the data hold no peak. One that lies beyond the largest N is
    /// the law's word alone, so the data have to follow it.
    pub fn peak(&self) -> Option<Peak> {
        let [alpha, beta, _] = self.parameters();
        if self.beta.interval.0 <= 0.0 || alpha >= 1.0 {
            return None;
        }
        let n = ((1.0 - alpha) / beta).sqrt();
        let near = n > self.largest && n <= BEYOND * self.largest;
        let lawful = near && self.lack.is_none_or(|lack| lack <= LACK);
        if !self.falls && !lawful {
            return None;
        }
        let half = self.half([-1.0 / (2.0 * beta * n), -n / (2.0 * beta), 0.0]);
        Some(Peak { n: around(n, half), x: self.at(n), extrapolated: n > self.largest })
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
        for parameters in [[0.3, 1e-2, 7.0], [0.01, 2e-4, 1e5], [0.5, 0.1, 1e-3], [0.9, 0.5, 2.0]] {
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

    /// A number that looks drawn, -1 to 1.
    fn noise(seed: u64) -> f64 {
        let mixed = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    /// Three repeats at eight numbers of connections up to `most`, with noise of up to 2 %.
    fn repeated(most: f64, seed: u64, x: impl Fn(f64) -> f64) -> Vec<Measured> {
        let n = |k: u64| (1.0 + (most - 1.0) * k as f64 / 7.0).round();
        let each = (0..24).map(|k| (n(k / 3), noise(seed * 24 + k)));
        each.map(|(n, noise)| Measured { n, x: x(n) * (1.0 + 0.02 * noise) }).collect()
    }

    /// What `customers` do a second at one server of 1 ms who pause for `pause` ms between: mean value
    /// analysis (Reiser and Lavenberg 1980).
    fn closed(customers: f64, pause: f64) -> f64 {
        let (mut waiting, mut x) = (0.0, 0.0);
        for n in 1..=customers as u32 {
            let time = 1.0 + waiting;
            x = f64::from(n) / (time + pause);
            waiting = x * time;
        }
        x * 1e3
    }

    #[test]
    fn a_server_that_saturates_has_no_peak_however_it_bends() {
        let peaks = |seed: u64| {
            let most = [20.0, 40.0, 80.0][seed as usize % 3];
            let pause = [0.0, 4.0, 9.0, 20.0][seed as usize % 4];
            let drawn = fit(&repeated(most, seed, |n| closed(n, pause))).unwrap();
            let sharp = fit(&repeated(most, seed, |n| (n * 1e3 / (1.0 + pause)).min(1e3))).unwrap();
            [drawn, sharp].iter().filter(|fit| fit.peak().is_some()).count()
        };
        let claimed: usize = (0..200).map(peaks).sum();
        assert!(claimed <= 8, "{claimed} of 400 claim a peak, and 2 % may by chance");
    }

    #[test]
    fn a_peak_that_was_passed_is_found_in_noise() {
        for seed in 0..200 {
            let law = |n| throughput([0.05, 0.002, 100.0], n);
            let found = fit(&repeated(50.0, seed, law)).unwrap();
            let peak = found.peak().expect("a peak at 21.8, measured to 50");
            assert!((peak.n.value / 21.8 - 1.0).abs() < 0.15, "{seed}: {peak:?}");
            assert!(found.lack.unwrap() < 2.0 * LACK, "{seed}: {found:?}");
        }
    }

    #[test]
    fn intervals_of_parameters_near_their_bounds_hold_what_is_true() {
        for (alpha, beta) in [(0.05, 1e-5), (0.001, 1e-3)] {
            let within = |seed: &u64| {
                let found = fit(&repeated(40.0, *seed, |n| throughput([alpha, beta, 100.0], n)));
                let found = found.unwrap();
                let holds = |of: Estimated, truth| (of.interval.0..=of.interval.1).contains(&truth);
                holds(found.alpha, alpha) && holds(found.beta, beta)
            };
            let held = (0..400).filter(within).count();
            assert!(held >= 360, "{alpha} {beta}: {held} of 400");
        }
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
