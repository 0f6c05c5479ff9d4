//! Where a warm-up ends: MSER-5.

/// Values that make a batch.
const BATCH: usize = 5;
/// Batches that are kept at least.
const KEPT_MIN: usize = 5;
/// Fewer batches than this say nothing: no cut in their first half leaves what is kept at least.
const BATCHES_MIN: usize = 2 * KEPT_MIN;

/// Where a series is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    /// Values before it: a multiple of five.
    pub values: usize,
    /// What is least there: the squared standard error of the mean of what is kept.
    pub statistic: f64,
    /// Batches of the whole series.
    pub batches: usize,
    /// Whether it lies in the first half. Elsewhere there is no steady state to be found, and no warm-up
    /// that is merely long.
    pub accepted: bool,
}

/// Cuts off the values before the steady state: of the means of batches of five, those are kept whose
/// mean is known best, which leaves those out that are unlike the rest and keeps as many as it can
/// (White, *An Effective Truncation Heuristic for Bias Reduction in Simulation Output*, 1997; batches of
/// five as White, Cobb and Spratt 2000 recommend). The first cut of equal ones wins. It cuts off more than
/// it needs to where values are periodic. None of fewer than 50 values.
pub fn mser5(values: &[f64]) -> Option<Cut> {
    let means = values.chunks_exact(BATCH).map(|batch| batch.iter().sum::<f64>() / BATCH as f64);
    let means: Vec<f64> = means.collect();
    if means.len() < BATCHES_MIN {
        return None;
    }
    let cuts = 0..=means.len() - KEPT_MIN;
    let (statistic, cut) = cuts
        .map(|cut| (error(&means[cut..]), cut))
        .reduce(|best, next| if next.0 < best.0 { next } else { best })?;
    let accepted = cut <= means.len() / 2;
    Some(Cut { values: cut * BATCH, statistic, batches: means.len(), accepted })
}

/// `Σ (z - mean)² / n²`.
fn error(kept: &[f64]) -> f64 {
    let count = kept.len() as f64;
    let mean = kept.iter().sum::<f64>() / count;
    kept.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count * count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_changes_is_not_cut() {
        let cut = mser5(&[3.0; 60]).unwrap();
        assert_eq!((cut.values, cut.statistic, cut.batches, cut.accepted), (0, 0.0, 12, true));
    }

    #[test]
    fn too_few_values_say_nothing() {
        assert_eq!(mser5(&[1.0; 49]), None);
        assert!(mser5(&[1.0; 50]).is_some());
    }

    #[test]
    fn a_step_is_cut_off_where_it_is() {
        let values: Vec<f64> =
            (0..100).map(|at| if at < 20 { 9.0 } else { f64::from(at % 2) }).collect();
        assert_eq!(mser5(&values).map(|cut| (cut.values, cut.accepted)), Some((20, true)));
    }
}
