//! Latencies in buckets of logarithmic width: any number of them in constant memory.

use std::time::Duration;

/// Buckets of one octave, as a power of two: a bucket is at most 1/64 (1.6 %) wide.
const OCTAVE_BITS: u32 = 6;
/// The buckets of one octave.
const OCTAVE: u64 = 1 << OCTAVE_BITS;
/// All the buckets: the first two octaves are exact, and there is one for each further bit.
const BUCKETS: usize = ((64 - OCTAVE_BITS as usize) + 1) * OCTAVE as usize;

/// How long the answers took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latencies {
    buckets: Vec<u64>,
    count: u64,
    sum_nanos: u64,
    longest_nanos: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0, sum_nanos: 0, longest_nanos: 0 }
    }
}

impl Latencies {
    /// Records one.
    pub fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(nanos)] += 1;
        self.count += 1;
        self.sum_nanos = self.sum_nanos.saturating_add(nanos);
        self.longest_nanos = self.longest_nanos.max(nanos);
    }

    /// Adds those of another process.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine = mine.saturating_add(*theirs);
        }
        self.count = self.count.saturating_add(other.count);
        self.sum_nanos = self.sum_nanos.saturating_add(other.sum_nanos);
        self.longest_nanos = self.longest_nanos.max(other.longest_nanos);
    }

    /// The mean, exact; zero where there is none.
    pub fn mean(&self) -> Duration {
        Duration::from_nanos(self.sum_nanos / self.count.max(1))
    }

    /// The longest, exact.
    pub const fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest_nanos)
    }

    /// What the share `quantile` of the latencies, in 0 to 1, does not exceed; at most 1.6 % high.
    pub fn quantile(&self, quantile: f64) -> Duration {
        let rank = ((quantile * self.count as f64).ceil() as u64).max(1);
        let mut seen = 0_u64;
        let found = self.buckets.iter().position(|count| {
            seen = seen.saturating_add(*count);
            seen >= rank
        });
        let most = found.map_or(self.longest_nanos, most_in);
        Duration::from_nanos(most.min(self.longest_nanos))
    }

    /// The two sums and the buckets that are not empty, as (name, value) pairs of a line each.
    pub fn lines(&self) -> String {
        let mut text =
            format!("latency_sum {}\nlatency_max {}\n", self.sum_nanos, self.longest_nanos);
        for (bucket, count) in self.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            text += &format!("latency {bucket} {count}\n");
        }
        text
    }

    /// Reads one of those lines, cut into its words; none when it is not one.
    pub fn read(&mut self, words: &[&str]) -> Option<()> {
        match words {
            ["latency_sum", sum] => self.sum_nanos = sum.parse().ok()?,
            ["latency_max", max] => self.longest_nanos = max.parse().ok()?,
            ["latency", bucket, count] => {
                let place = self.buckets.get_mut(bucket.parse::<usize>().ok()?)?;
                let count: u64 = count.parse().ok()?;
                self.count = self.count.checked_add(count)?;
                *place = count;
            }
            _ => return None,
        }
        Some(())
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < OCTAVE {
        return nanos as usize;
    }
    let shift = nanos.ilog2() - OCTAVE_BITS;
    (u64::from(shift) * OCTAVE + (nanos >> shift)) as usize
}

/// The largest latency of a bucket.
fn most_in(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < OCTAVE {
        return bucket;
    }
    let shift = bucket / OCTAVE - 1;
    ((bucket - shift * OCTAVE) << shift) + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_has_a_bucket_that_is_narrow() {
        let edges = (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) | 1]);
        for nanos in edges.chain([u64::MAX, 1_000_003]) {
            let bucket = bucket(nanos);
            assert!(bucket < BUCKETS, "{nanos}");
            let most = most_in(bucket);
            assert!(most >= nanos && most - nanos <= nanos / OCTAVE, "{nanos} up to {most}");
            assert!(bucket == 0 || most_in(bucket - 1) < nanos, "{nanos} is in one bucket only");
        }
    }

    #[test]
    fn quantiles_are_ranks() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile(0.99), Duration::ZERO);
        for nanos in 1..=60 {
            latencies.record(Duration::from_nanos(nanos));
        }
        for (quantile, nanos) in [(0.0, 1), (0.5, 30), (0.99, 60), (1.0, 60)] {
            assert_eq!(latencies.quantile(quantile), Duration::from_nanos(nanos), "{quantile}");
        }
        assert_eq!(latencies.mean(), Duration::from_nanos(30));
        assert_eq!(latencies.longest(), Duration::from_nanos(60));
    }

    #[test]
    fn merging_is_recording_in_one() {
        let (mut one, mut other, mut both) =
            (Latencies::default(), Latencies::default(), Latencies::default());
        for nanos in [5, 700, 80_000, 9_000_000] {
            one.record(Duration::from_nanos(nanos));
            other.record(Duration::from_nanos(nanos * 3));
            both.record(Duration::from_nanos(nanos));
            both.record(Duration::from_nanos(nanos * 3));
        }
        one.merge(&other);
        assert_eq!(one, both);
    }
}
