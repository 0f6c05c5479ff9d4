//! Latency distributions: HdrHistogram, 1 ns to 1 h at three significant digits.
//!
//! Whole histograms travel and are merged, since histograms add up and percentiles do not. The
//! value at quantile q is the upper edge of the bucket that holds rank ⌈q·n⌉.

use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};

/// The highest value that is told apart: one hour. What is longer is recorded as this, and counted.
pub const HIGHEST_NANOS: u64 = 3_600_000_000_000;
const DIGITS: u8 = 3;

/// The V2 encoding (HdrHistogram's): cookie, payload length, and five more header fields.
const V2_HEADER_BYTES: usize = 40;
const V2_COOKIE: u32 = 0x1c84_9303 | 0x10;

/// A distribution of durations in nanoseconds.
#[derive(Clone, Debug)]
pub struct Histogram {
    inner: hdrhistogram::Histogram<u64>,
    overflow: u64,
}

/// Bytes that are not a histogram of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHistogram;

impl std::fmt::Display for BadHistogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not an HdrHistogram V2 payload of 1 ns to 1 h at 3 digits")
    }
}

impl std::error::Error for BadHistogram {}

impl Default for Histogram {
    fn default() -> Self {
        let inner = hdrhistogram::Histogram::new_with_bounds(1, HIGHEST_NANOS, DIGITS);
        Self { inner: inner.expect("the bounds are valid"), overflow: 0 }
    }
}

impl Histogram {
    /// Records one duration. One over [`HIGHEST_NANOS`] is recorded as that and counted as overflow.
    pub fn record(&mut self, nanos: u64) {
        self.overflow += u64::from(nanos > HIGHEST_NANOS);
        self.inner.saturating_record(nanos);
    }

    /// Durations recorded.
    pub fn count(&self) -> u64 {
        self.inner.len()
    }

    /// Durations that were over the highest value.
    pub const fn overflow(&self) -> u64 {
        self.overflow
    }

    /// The duration at `quantile` (0 to 1), in nanoseconds; none of nothing.
    pub fn quantile(&self, quantile: f64) -> Option<u64> {
        (self.count() > 0).then(|| self.inner.value_at_quantile(quantile))
    }

    /// The mean, in nanoseconds; none of nothing.
    pub fn mean(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.inner.mean())
    }

    /// The longest, in nanoseconds; none of nothing.
    pub fn max(&self) -> Option<u64> {
        (self.count() > 0).then(|| self.inner.max())
    }

    /// Adds what `other` recorded; of nothing there is nothing to add, and its memory stays untouched.
    pub fn merge(&mut self, other: &Self) {
        if other.count() == 0 {
            return;
        }
        self.inner.add(&other.inner).expect("all histograms have the same bounds");
        self.overflow += other.overflow;
    }

    /// Forgets all; does nothing, cheaply, where nothing was recorded.
    pub fn clear(&mut self) {
        if self.count() > 0 {
            self.inner.clear();
            self.overflow = 0;
        }
    }

    /// Touches the whole memory once, so that later growth of the process is not the histogram's.
    pub fn settle(&mut self) {
        self.inner.clear();
    }

    /// The V2 encoding, without compression.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        V2Serializer::new()
            .serialize(&self.inner, &mut bytes)
            .expect("writing to memory does not fail");
        bytes
    }

    /// Reads what [`Histogram::encode`] wrote, and the overflow that travels beside it.
    ///
    /// # Errors
    /// Anything that is not such an encoding with the same bounds. Header and length are checked
    /// before a byte is allocated: a forged payload length would cost gigabytes.
    pub fn decode(bytes: &[u8], overflow: u64) -> Result<Self, BadHistogram> {
        check_header(bytes)?;
        let inner: hdrhistogram::Histogram<u64> =
            Deserializer::new().deserialize(&mut &*bytes).map_err(|_| BadHistogram)?;
        let ours = inner.high() == HIGHEST_NANOS && inner.low() == 1 && inner.sigfig() == DIGITS;
        if ours && overflow <= inner.len() {
            Ok(Self { inner, overflow })
        } else {
            Err(BadHistogram)
        }
    }
}

fn check_header(bytes: &[u8]) -> Result<(), BadHistogram> {
    let word = |at: usize| {
        let four = bytes.get(at..at + 4)?;
        Some(u32::from_be_bytes(four.try_into().ok()?))
    };
    let cookie = word(0).ok_or(BadHistogram)?;
    let payload = word(4).ok_or(BadHistogram)? as usize;
    let digits = word(12).ok_or(BadHistogram)?;
    let long = |at: usize| {
        let eight = bytes.get(at..at + 8)?;
        Some(u64::from_be_bytes(eight.try_into().ok()?))
    };
    let bounds = long(16) == Some(1) && long(24) == Some(HIGHEST_NANOS);
    let whole = bytes.len() >= V2_HEADER_BYTES && payload == bytes.len() - V2_HEADER_BYTES;
    if cookie == V2_COOKIE && digits == u32::from(DIGITS) && bounds && whole {
        Ok(())
    } else {
        Err(BadHistogram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|value| histogram.record(*value));
        histogram
    }

    #[test]
    fn nothing_has_no_quantile() {
        let empty = Histogram::default();
        assert_eq!((empty.quantile(0.5), empty.max(), empty.count()), (None, None, 0));
    }

    #[test]
    fn the_order_of_merging_changes_nothing() {
        let (a, b) = (of(&[1, 50, 70_000]), of(&[9_000_000, 3]));
        let (mut ab, mut ba) = (a.clone(), b.clone());
        ab.merge(&b);
        ba.merge(&a);
        assert_eq!(ab.encode(), ba.encode());
        assert_eq!(ab.count(), 5);
    }

    #[test]
    fn what_is_too_long_is_kept_and_counted() {
        let histogram = of(&[HIGHEST_NANOS + 1]);
        assert_eq!((histogram.count(), histogram.overflow()), (1, 1));
    }

    #[test]
    fn an_encoding_reads_back() {
        let histogram = of(&[1, 1000, 1000, 2_000_000_000]);
        let back = Histogram::decode(&histogram.encode(), 0).unwrap();
        assert_eq!(back.encode(), histogram.encode());
    }

    #[test]
    fn every_cut_and_every_flipped_header_bit_is_refused_or_harmless() {
        let bytes = of(&[5, 500, 50_000]).encode();
        for cut in 0..bytes.len() {
            assert!(Histogram::decode(&bytes[..cut], 0).is_err(), "cut at {cut}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = Histogram::decode(&flipped, 0);
        }
    }

    #[test]
    fn the_merged_percentile_is_not_the_average_of_percentiles() {
        // Known answer: 1,000 times 1 ms, and 950 times 1 ms with 50 times 100 ms; the average of
        // the two p99s would be 50.5 ms.
        const MS: u64 = 1_000_000;
        let mut merged = of(&[MS; 1000]);
        let mut slower = of(&[MS; 950]);
        slower.merge(&of(&[100 * MS; 50]));
        merged.merge(&slower);
        let within = |quantile, ms: u64| {
            let value = merged.quantile(quantile).unwrap();
            value.abs_diff(ms * MS) <= ms * MS / 1000
        };
        assert!(within(0.99, 100) && within(0.97, 1) && within(0.975, 1));
    }
}
