//! Whether what was to leave by a law did: samples of arrivals, each judged, and the sums over them.
//!
//! A sample is some hundred neighbours, so that memory stays bounded, and so that what is found has a
//! size: all arrivals of a long run together would tell any clock from a perfect one.

use crate::poisson::{PoissonCheck, gaps, variation};

/// An even comb with gaps as uneven as those of Poisson arrivals is none.
const EVEN_VARIATION_MAX: f64 = 1.0;

/// Fewer samples are not judged together: one of twenty that are Poisson does not pass as such, and
/// most of five once in a thousand times.
const SAMPLES_MIN: u64 = 5;

const MICROS: f64 = 1e6;

/// What samples of arrivals said of their law.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArrivalChecks {
    /// How many samples there were.
    pub samples: u64,
    /// Those that nothing speaks against.
    pub passed: u64,
    /// Gaps in them.
    gaps: u64,
    /// Time from the first to the last of each, added up.
    span_nanos: u64,
    /// Coefficients of variation of their gaps in millionths, added up.
    variations: u64,
}

impl ArrivalChecks {
    /// How many numbers it is.
    pub const FIELDS: usize = 5;

    /// The numbers, in the order of the fields.
    pub const fn to_array(self) -> [u64; Self::FIELDS] {
        let Self { samples, passed, gaps, span_nanos, variations } = self;
        [samples, passed, gaps, span_nanos, variations]
    }

    /// Of the numbers, in the order of the fields.
    pub const fn from_array(fields: [u64; Self::FIELDS]) -> Self {
        let [samples, passed, gaps, span_nanos, variations] = fields;
        Self { samples, passed, gaps, span_nanos, variations }
    }

    /// Judges `stamps`, in ascending order and of any unit in which they should be Poisson arrivals of
    /// one rate; `span_nanos` is how long they took.
    pub fn poisson(&mut self, stamps: &[u64], span_nanos: u64) {
        if let Some(check) = PoissonCheck::of(stamps) {
            self.take(stamps, span_nanos, check.passes());
        }
    }

    /// Judges `stamps`, in ascending order and of any unit in which they should be about even;
    /// `span_nanos` is how long they took.
    pub fn even(&mut self, stamps: &[u64], span_nanos: u64) {
        self.take(stamps, span_nanos, variation(&gaps(stamps)) <= EVEN_VARIATION_MAX);
    }

    fn take(&mut self, stamps: &[u64], span_nanos: u64, passes: bool) {
        self.samples += 1;
        self.passed += u64::from(passes);
        self.gaps += stamps.len().saturating_sub(1) as u64;
        self.span_nanos = self.span_nanos.saturating_add(span_nanos);
        let variation = (variation(&gaps(stamps)) * MICROS) as u64;
        self.variations = self.variations.saturating_add(variation);
    }

    /// Adds another worker's. Saturates: what another process says cannot overflow a sum.
    pub const fn add(&mut self, other: &Self) {
        self.samples = self.samples.saturating_add(other.samples);
        self.passed = self.passed.saturating_add(other.passed);
        self.gaps = self.gaps.saturating_add(other.gaps);
        self.span_nanos = self.span_nanos.saturating_add(other.span_nanos);
        self.variations = self.variations.saturating_add(other.variations);
    }

    /// The mean gap of a worker, in nanoseconds; none where nothing was sampled.
    pub fn gap_mean_nanos(&self) -> Option<f64> {
        (self.gaps > 0).then(|| self.span_nanos as f64 / self.gaps as f64)
    }

    /// The coefficient of variation of a worker's gaps, on average over the samples: 0 for a comb, 1
    /// for Poisson; none where nothing was sampled.
    pub fn gap_cv(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.variations as f64 / MICROS / self.samples as f64)
    }

    /// Whether most samples speak against the law, where they are enough to tell.
    pub const fn fail(&self) -> bool {
        self.samples >= SAMPLES_MIN && self.passed < self.samples.saturating_sub(self.passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(samples: u64, passed: u64) -> ArrivalChecks {
        ArrivalChecks { samples, passed, ..ArrivalChecks::default() }
    }

    #[test]
    fn most_of_at_least_five_samples_have_to_fail() {
        for (samples, passed, fail) in [
            (0, 0, false),
            (4, 0, false),
            (5, 0, true),
            (5, 2, true),
            (5, 3, false),
            (6, 3, false),
            (900, 449, true),
            (5, u64::MAX, false),
        ] {
            assert_eq!(of(samples, passed).fail(), fail, "{passed} of {samples}");
        }
    }

    #[test]
    fn a_comb_is_even_and_not_poisson_and_bursts_are_neither() {
        let comb: Vec<u64> = (0..500).map(|n| n * 1_000).collect();
        let bursts: Vec<u64> = (0..500).map(|n| n / 5 * 5_000).collect();
        for (stamps, even) in [(&comb, 1), (&bursts, 0)] {
            let mut checks = ArrivalChecks::default();
            checks.even(stamps, 499_000);
            assert_eq!((checks.samples, checks.passed), (1, even));
            checks.poisson(stamps, 499_000);
            assert_eq!((checks.samples, checks.passed), (2, even));
            assert_eq!(checks.gap_mean_nanos(), Some(1_000.0));
        }
    }

    #[test]
    fn too_few_to_judge_are_no_sample() {
        let mut checks = ArrivalChecks::default();
        checks.poisson(&[1, 2, 3], 2);
        assert_eq!((checks, checks.gap_cv(), checks.gap_mean_nanos()), Default::default());
    }

    #[test]
    fn sums_are_those_of_all_workers_and_never_overflow() {
        let mut checks = ArrivalChecks::default();
        checks.even(&[0, 10, 20, 30], 30);
        checks.add(&ArrivalChecks::from_array([1, 1, 3, 60, 500_000]));
        assert_eq!((checks.samples, checks.gap_mean_nanos()), (2, Some(15.0)));
        assert_eq!(checks.gap_cv(), Some(0.25));
        let most = ArrivalChecks::from_array([u64::MAX; ArrivalChecks::FIELDS]);
        checks.add(&most);
        assert_eq!(checks, most);
        assert_eq!(ArrivalChecks::from_array(checks.to_array()), checks);
        assert!(checks.gap_cv().unwrap().is_finite() && !checks.fail());
    }
}
