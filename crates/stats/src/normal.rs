//! The normal distribution, as far as tests of it need one.

use std::f64::consts::{PI, SQRT_2};

/// Standard deviations that 95 % of normal values are within, to either side.
pub const WITHIN_95: f64 = 1.959_963_984_540_054;

/// Below, the series of the error function is summed; above, the continued fraction converges faster.
const SERIES_BELOW: f64 = 2.5;
/// Terms of the continued fraction: at [`SERIES_BELOW`] those beyond change no bit.
const FRACTION_TERMS: u32 = 80;

/// How likely a normal value is at least so many standard deviations off, to either side.
pub fn two_sided(deviations: f64) -> f64 {
    let x = deviations.abs() / SQRT_2;
    if x < SERIES_BELOW { 1.0 - error_function(x) } else { complement(x) }
}

/// By its series of positive terms (Abramowitz and Stegun 7.1.6).
fn error_function(x: f64) -> f64 {
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term > sum * f64::EPSILON / 2.0 {
        odd += 2.0;
        term *= 2.0 * x * x / odd;
        sum += term;
    }
    2.0 / PI.sqrt() * (-x * x).exp() * sum
}

/// What it lacks of 1, by its continued fraction (Abramowitz and Stegun 7.1.14).
fn complement(x: f64) -> f64 {
    let fraction =
        (1..=FRACTION_TERMS).rev().fold(0.0, |rest, term| f64::from(term) / 2.0 / (x + rest));
    (-x * x).exp() / PI.sqrt() / (x + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of tables: deviations, and the share of normal values that is as far off.
    const KNOWN: [(f64, f64); 9] = [
        (0.0, 1.0),
        (0.5, 0.617_075_077_451_973_8),
        (1.0, 0.317_310_507_862_914_1),
        (2.0, 0.045_500_263_896_358_42),
        (2.575_829_303_548_901, 0.01),
        (3.5, 0.000_465_258_158_071_051_2),
        (3.6, 0.000318217180315068),
        (4.3, 1.707_981_094_200_155e-5),
        (6.0, 1.973_175_290_075_396e-9),
    ];

    #[test]
    fn tails_are_those_of_tables() {
        for (deviations, share) in KNOWN {
            for side in [deviations, -deviations] {
                let told = two_sided(side);
                assert!((told / share - 1.0).abs() < 1e-10, "{side}: {told} {share}");
            }
        }
        assert!((two_sided(WITHIN_95) - 0.05).abs() < 1e-14);
    }

    #[test]
    fn any_deviation_has_a_share() {
        for deviations in [f64::INFINITY, f64::MAX, 40.0, 1e-300] {
            assert!((0.0..=1.0).contains(&two_sided(deviations)), "{deviations}");
        }
    }
}
