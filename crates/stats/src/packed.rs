//! A histogram at rest: the payload of its encoding, some 2 bytes for each bucket that was used where a live
//! one has 16.

use crate::histogram::Histogram;

/// Counts that nobody adds to for now; nothing of them is lost.
#[derive(Clone, Debug)]
pub struct Packed {
    payload: Box<[u8]>,
    overflow: u64,
}

impl Packed {
    /// Packs `histogram`.
    pub fn of(histogram: &Histogram) -> Self {
        Self { payload: histogram.payload().into(), overflow: histogram.overflow() }
    }

    /// The histogram again, with memory for the buckets that were used alone.
    pub fn unpack(&self) -> Histogram {
        Histogram::of_payload(&self.payload, self.overflow).expect("it was packed here")
    }

    #[cfg(test)]
    pub(crate) const fn bytes(&self) -> usize {
        self.payload.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bucket_takes_two_bytes_where_samples_are_spread() {
        // 5,000 answers of a second, between 1 and 9 ms.
        let values: Vec<u64> = (0..5000).map(|request| 1_000_000 + 1_603 * request).collect();
        let histogram = Histogram::of(&values);
        let (bytes, buckets) = (Packed::of(&histogram).bytes(), histogram.iter().count());
        assert!(buckets > 2000 && bytes <= 2 * buckets, "{bytes} bytes of {buckets} buckets");
    }

    #[test]
    fn counts_that_no_encoding_from_outside_may_have_are_kept() {
        let most = u64::try_from(i64::MAX).unwrap();
        let histogram = Histogram::of_few(vec![(3, most), (2048, most)], 9);
        let unpacked = Packed::of(&histogram).unpack();
        let counts: Vec<u64> = unpacked.iter().map(|(_, count)| count).collect();
        assert_eq!((counts, unpacked.overflow()), (vec![most, most], 9));
    }

    proptest! {
        #[test]
        fn what_is_unpacked_is_what_was_packed(
            values in prop::collection::vec(0..5_000_000_000_000_u64, 0..200),
        ) {
            let histogram = Histogram::of(&values);
            let unpacked = Packed::of(&histogram).unpack();
            prop_assert_eq!(unpacked.encode(), histogram.encode());
            prop_assert_eq!(unpacked.overflow(), histogram.overflow());
            let quantiles = [0.0, 0.5, 0.99, 0.999, 1.0];
            prop_assert_eq!(
                quantiles.map(|q| unpacked.quantile(q)),
                quantiles.map(|q| histogram.quantile(q))
            );
        }
    }
}
