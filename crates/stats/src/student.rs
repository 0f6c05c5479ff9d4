//! Quantiles of Student's t.

use std::f64::consts::PI;

/// Quantile `p` (0.5 to 1, exclusive) of Student's t with `degrees` degrees of freedom, at least 1.
///
/// # Panics
/// Where there is no degree of freedom.
pub(crate) fn student_quantile(degrees: usize, p: f64) -> f64 {
    assert!(degrees > 0, "t has a degree of freedom");
    let (mut low, mut high) = (0.0, 1.0);
    while student_below(degrees, high) < p {
        high *= 2.0;
    }
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if student_below(degrees, middle) < p { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// The share of Student's t below `t`, which is not below 0: finite sums (Abramowitz and Stegun 26.7.3
/// and 26.7.4).
fn student_below(degrees: usize, t: f64) -> f64 {
    let angle = (t / (degrees as f64).sqrt()).atan();
    let (sine, square) = (angle.sin(), angle.cos().powi(2));
    let odd = degrees % 2 == 1;
    let (mut term, mut sum) = if odd { (angle.cos(), 0.0) } else { (1.0, 0.0) };
    let first = if odd { 3 } else { 2 };
    for k in (first..=degrees).step_by(2) {
        sum += term;
        term *= square * (k - 1) as f64 / k as f64;
    }
    let inside = if odd { 2.0 / PI * (angle + sine * sum) } else { sine * sum };
    0.5 + inside / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_t_are_those_of_the_tables() {
        for (degrees, p, t) in [
            (1, 0.975, 12.706_204_736_432_1),
            (2, 0.975, 4.302_652_729_911_28),
            (3, 0.975, 3.182_446_305_284_26),
            (4, 0.975, 2.776_445_105_198_01),
            (10, 0.8, 0.879_057_828_551_93),
            (19, 0.975, 2.093_024_054_408_26),
            (1_000, 0.975, 1.962_339_080_826_55),
        ] {
            let found = student_quantile(degrees, p);
            assert!((found / t - 1.0).abs() < 1e-9, "{degrees}: {found}");
        }
    }
}
