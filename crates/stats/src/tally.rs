//! Where durations are recorded: a count for each bucket of a [`Histogram`], and nothing else.
//!
//! A worker records four durations of every request. Here each costs finding its bucket and adding
//! one; totals and extremes, which a histogram keeps as it goes, are made from the buckets once, when
//! they are taken.

use crate::histogram::{
    BUCKETS, HIGHEST_NANOS, Histogram, PER_DOUBLING, bucket_of, edges, lowest_of,
};

/// Buckets looked at together when they are taken, first many and of those fewer, since nearly all are empty.
const MANY: usize = 64;
const FEW: usize = 8;
const _: () = assert!(MANY.is_multiple_of(FEW));
const _: () = assert!((PER_DOUBLING as usize).is_multiple_of(MANY), "all are of one doubling");

/// Durations in nanoseconds, recorded and not yet taken.
#[derive(Clone, Debug)]
pub struct Tally {
    counts: Box<[u64]>,
    overflow: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS.next_multiple_of(MANY)].into_boxed_slice(), overflow: 0 }
    }
}

impl Tally {
    /// Records one duration, as [`Histogram::record`] would.
    #[inline]
    pub fn record(&mut self, nanos: u64) {
        self.overflow += u64::from(nanos > HIGHEST_NANOS);
        self.counts[bucket_of(nanos.min(HIGHEST_NANOS))] += 1;
    }

    /// What was recorded since it was last taken.
    pub fn take(&mut self) -> Histogram {
        let mut few = Vec::new();
        let (all, _) = self.counts.as_chunks_mut::<MANY>();
        for (number, many) in all.iter_mut().enumerate().filter(|(_, many)| any(many)) {
            // As wide as the first is each of them: no doubling begins among them.
            let (lowest, highest) = edges(lowest_of(number * MANY));
            let width = highest - lowest + 1;
            let (parts, _) = many.as_chunks_mut::<FEW>();
            for (part, counts) in parts.iter_mut().enumerate().filter(|(_, counts)| any(counts)) {
                for (place, count) in counts.iter_mut().enumerate().filter(|(_, it)| **it > 0) {
                    let behind = (part * FEW + place) as u64;
                    few.push((lowest + behind * width, std::mem::take(count)));
                }
            }
        }
        Histogram::of_few(few, std::mem::take(&mut self.overflow))
    }

    /// Touches the whole memory once, so that later growth of the process is not the tally's.
    pub fn settle(&mut self) {
        // The compiler knows that the memory is zero already, and would leave it alone.
        std::hint::black_box(&mut self.counts).fill(0);
    }
}

fn any<const N: usize>(counts: &[u64; N]) -> bool {
    counts.iter().fold(0, |any, count| any | *count) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_the_histogram_of_the_same_durations() {
        let edges = (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        let spread = (0..5_000).map(|n: u64| n * n * n * 37);
        let longest = [0, 0, HIGHEST_NANOS - 1, HIGHEST_NANOS, HIGHEST_NANOS + 1, u64::MAX];
        let (mut tally, mut histogram) = (Tally::default(), Histogram::default());
        for nanos in edges.chain(spread).chain(longest) {
            tally.record(nanos);
            histogram.record(nanos);
        }
        let taken = tally.take();
        assert_eq!(taken.encode(), histogram.encode());
        assert_eq!(
            (taken.count(), taken.overflow(), taken.max()),
            (histogram.count(), histogram.overflow(), histogram.max())
        );
    }

    #[test]
    fn what_was_taken_is_gone() {
        let mut tally = Tally::default();
        tally.settle();
        assert_eq!(tally.take().count(), 0);
        [7, u64::MAX].into_iter().for_each(|nanos| tally.record(nanos));
        assert_eq!((tally.take().count(), tally.take().count()), (2, 0));
        tally.record(9);
        let taken = tally.take();
        assert_eq!((taken.max(), taken.overflow()), (Some(9), 0));
    }
}
