//! Latency distributions: HdrHistogram, 1 ns to 1 h at three significant digits.
//!
//! Whole histograms travel and are merged, since histograms add up and percentiles do not. The
//! value at quantile q is the upper edge of the bucket that holds rank ⌈q·n⌉, see [`rank`].

use crate::counters::COUNT_MAX;
use crate::quantile::rank;
use std::borrow::Cow;
use std::cmp::Ordering;

/// The highest value that is told apart: one hour. What is longer is recorded as this, and counted.
pub const HIGHEST_NANOS: u64 = 3_600_000_000_000;
const DIGITS: u8 = 3;

/// The V2 encoding (HdrHistogram's): cookie, payload length, and five more header fields.
const V2_HEADER_BYTES: usize = 40;
const V2_COOKIE: u32 = 0x1c84_9303 | 0x10;

/// Values below this have a bucket each; from here on each doubling has half as many.
const SINGLES: u64 = 2048;
pub(crate) const PER_DOUBLING: u64 = SINGLES / 2;
/// Buckets up to that of [`HIGHEST_NANOS`].
pub(crate) const BUCKETS: usize = bucket_of(HIGHEST_NANOS) + 1;

type Hdr = hdrhistogram::Histogram<u64>;

/// A distribution of durations in nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    counts: Counts,
    overflow: u64,
}

/// What is recorded here has all its buckets, 264 kB. What another process recorded arrives as the
/// few that it used: merging them touches nothing else (60 % of the supervisor's time went into
/// filling and adding whole ones).
#[derive(Clone, Debug)]
enum Counts {
    /// Lowest value of a bucket and its count, which is not 0; ascending.
    Few(Vec<(u64, u64)>),
    All(Hdr),
}

impl Default for Counts {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
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

fn all_of(few: &[(u64, u64)]) -> Hdr {
    let mut all = Hdr::new_with_bounds(1, HIGHEST_NANOS, DIGITS).expect("the bounds are valid");
    add(&mut all, few);
    all
}

fn add(all: &mut Hdr, few: &[(u64, u64)]) {
    few.iter().for_each(|(value, count)| all.saturating_record_n(*value, *count));
}

/// The buckets of both; integers are added, so no order of unions makes a difference.
fn union(mut a: &[(u64, u64)], mut b: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut both = Vec::with_capacity(a.len().max(b.len()));
    while let (Some((first, rest_of_a)), Some((second, rest_of_b))) =
        (a.split_first(), b.split_first())
    {
        match first.0.cmp(&second.0) {
            Ordering::Less => {
                both.push(*first);
                a = rest_of_a;
            }
            Ordering::Greater => {
                both.push(*second);
                b = rest_of_b;
            }
            Ordering::Equal => {
                both.push((first.0, first.1.saturating_add(second.1)));
                (a, b) = (rest_of_a, rest_of_b);
            }
        }
    }
    both.extend_from_slice(a);
    both.extend_from_slice(b);
    both.shrink_to_fit();
    both
}

/// How often the width of a bucket has doubled where `value` is.
const fn doublings(value: u64) -> u32 {
    (value | (SINGLES - 1)).ilog2() + 1 - SINGLES.ilog2()
}

/// The number of the bucket that `value` falls into, below [`BUCKETS`] up to [`HIGHEST_NANOS`].
pub(crate) const fn bucket_of(value: u64) -> usize {
    let doublings = doublings(value);
    (doublings as u64 * PER_DOUBLING + (value >> doublings)) as usize
}

/// The lowest value of a bucket below [`BUCKETS`].
pub(crate) fn lowest_of(bucket: usize) -> u64 {
    value_of(bucket as u64).expect("the bucket is one of those that are kept")
}

/// The lowest and the highest value of the bucket that `value` falls into.
pub(crate) const fn edges(value: u64) -> (u64, u64) {
    let doublings = doublings(value);
    let lowest = value >> doublings << doublings;
    (lowest, lowest + ((1 << doublings) - 1))
}

impl Histogram {
    /// Records one duration. One over [`HIGHEST_NANOS`] is recorded as that and counted as overflow.
    pub fn record(&mut self, nanos: u64) {
        self.overflow += u64::from(nanos > HIGHEST_NANOS);
        self.all().saturating_record(nanos.min(HIGHEST_NANOS));
    }

    /// Of buckets by their lowest value, ascending, with counts that are not 0.
    pub(crate) const fn of_few(few: Vec<(u64, u64)>, overflow: u64) -> Self {
        Self { counts: Counts::Few(few), overflow }
    }

    /// Durations recorded.
    pub fn count(&self) -> u64 {
        match &self.counts {
            Counts::Few(few) => few.iter().map(|(_, count)| count).sum(),
            Counts::All(all) => all.len(),
        }
    }

    fn all(&mut self) -> &mut Hdr {
        if let Counts::Few(few) = &self.counts {
            self.counts = Counts::All(all_of(few));
        }
        match &mut self.counts {
            Counts::All(all) => all,
            Counts::Few(_) => unreachable!("it was just made whole"),
        }
    }

    pub(crate) fn whole(&self) -> Cow<'_, Hdr> {
        match &self.counts {
            Counts::Few(few) => Cow::Owned(all_of(few)),
            Counts::All(all) => Cow::Borrowed(all),
        }
    }

    /// The buckets that were used.
    fn few(&self) -> Cow<'_, [(u64, u64)]> {
        match &self.counts {
            Counts::Few(few) => Cow::Borrowed(few),
            Counts::All(all) => {
                let used = all.iter_recorded();
                Cow::Owned(
                    used.map(|at| (edges(at.value_iterated_to()).0, at.count_at_value())).collect(),
                )
            }
        }
    }

    /// The buckets that were used, ascending: the highest duration that falls into each, in
    /// nanoseconds, and how many did.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + use<> {
        self.few().into_owned().into_iter().map(|(lowest, count)| (edges(lowest).1, count))
    }

    /// How many durations are in buckets above the one of `nanos`.
    pub fn count_above(&self, nanos: u64) -> u64 {
        let few = self.few();
        let first = few.partition_point(|(lowest, _)| *lowest <= nanos);
        few[first..].iter().map(|(_, count)| count).sum()
    }

    /// Durations that were over the highest value.
    pub const fn overflow(&self) -> u64 {
        self.overflow
    }

    /// The duration at `quantile` (0 to 1), in nanoseconds; none of nothing.
    ///
    /// It is the upper edge of the bucket that holds [`rank`] of it, at most 1/1024 above what was
    /// recorded; at quantile 0, the lower edge.
    pub fn quantile(&self, quantile: f64) -> Option<u64> {
        let (lowest, highest) = self.bucket_at(quantile)?;
        Some(if quantile > 0.0 { highest } else { lowest })
    }

    /// The edges of the bucket that holds `quantile` (0 to 1); none of nothing.
    pub(crate) fn bucket_at(&self, quantile: f64) -> Option<(u64, u64)> {
        let n = self.count();
        match &self.counts {
            _ if n == 0 => None,
            Counts::Few(few) => {
                let rank = rank(n, quantile);
                let mut passed = 0;
                let holds_rank = |(_, count): &&(u64, u64)| {
                    passed += count;
                    passed >= rank
                };
                few.iter().find(holds_rank).map(|(lowest, _)| edges(*lowest))
            }
            // The library takes ⌈q·n⌉ of what it is given.
            Counts::All(all) => Some(edges(all.value_at_quantile(quantile.next_down().max(0.0)))),
        }
    }

    /// The mean, in nanoseconds; none of nothing.
    pub fn mean(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.whole().mean())
    }

    /// The longest, in nanoseconds; none of nothing.
    pub fn max(&self) -> Option<u64> {
        (self.count() > 0).then(|| self.whole().max())
    }

    /// Adds what `other` recorded; of nothing there is nothing to add, and its memory stays untouched.
    pub fn merge(&mut self, other: &Self) {
        if other.count() == 0 {
            return;
        }
        match &other.counts {
            Counts::Few(few) => add(self.all(), few),
            Counts::All(all) => self.all().add(all).expect("all have the same bounds"),
        }
        self.overflow += other.overflow;
    }

    /// As [`merge`](Self::merge), but takes memory for the buckets that were used alone.
    pub fn merge_sparse(&mut self, other: &Self) {
        match &mut self.counts {
            Counts::Few(mine) => {
                *mine = union(mine, &other.few());
                self.overflow += other.overflow;
            }
            Counts::All(_) => self.merge(other),
        }
    }

    #[cfg(test)]
    pub(crate) fn of(values: &[u64]) -> Self {
        let mut histogram = Self::default();
        values.iter().for_each(|value| histogram.record(*value));
        histogram
    }

    #[cfg(test)]
    pub(crate) const fn is_sparse(&self) -> bool {
        matches!(self.counts, Counts::Few(_))
    }

    /// The largest difference between the shares of either that are no more than a value, and that value
    /// (Kolmogorov and Smirnov); none where one is empty.
    pub fn distance(&self, other: &Self) -> Option<(f64, u64)> {
        let totals = [self.count() as f64, other.count() as f64];
        if totals.contains(&0.0) {
            return None;
        }
        let of = |arm: usize, it: &Self| -> Vec<_> {
            it.iter().map(|(nanos, count)| (nanos, arm, count)).collect()
        };
        let mut all = [of(0, self), of(1, other)].concat();
        all.sort_unstable();
        let (mut below, mut most) = ([0.0; 2], (0.0, 0));
        for values in all.chunk_by(|one, next| one.0 == next.0) {
            values.iter().for_each(|(_, arm, count)| below[*arm] += *count as f64 / totals[*arm]);
            let apart = f64::abs(below[0] - below[1]);
            if apart > most.0 {
                most = (apart, values[0].0);
            }
        }
        Some(most)
    }

    /// Forgets all; does nothing, cheaply, where nothing was recorded.
    pub fn clear(&mut self) {
        if self.count() > 0 {
            self.all().clear();
            self.overflow = 0;
        }
    }

    /// The V2 encoding, without compression. From the buckets that were used: a worker encodes once an
    /// interval, and the library would need all of them and as much again, which stays with the process.
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = self.payload();
        let mut bytes = header(payload.len() as u32);
        bytes.append(&mut payload);
        bytes
    }

    /// The encoding without its header.
    pub(crate) fn payload(&self) -> Vec<u8> {
        let few = self.few();
        let mut payload = Vec::with_capacity(few.len() * 4);
        let mut next = 0;
        for (lowest, count) in few.iter() {
            let bucket = bucket_of(*lowest) as i64;
            match bucket - next {
                0 => {}
                1 => push_zigzag(0, &mut payload),
                empty => push_zigzag(-empty, &mut payload),
            }
            push_zigzag(i64::try_from(*count).unwrap_or(i64::MAX), &mut payload);
            next = bucket + 1;
        }
        if few.is_empty() {
            push_zigzag(0, &mut payload);
        }
        payload
    }

    /// Of a payload, whatever its sum.
    pub(crate) fn of_payload(payload: &[u8], overflow: u64) -> Result<Self, BadHistogram> {
        Ok(Self::of_few(pairs(payload)?, overflow))
    }

    /// Reads what [`Histogram::encode`] wrote, and the overflow that travels beside it.
    ///
    /// # Errors
    /// Anything that is not such an encoding with the same bounds, or counts 2^48 or more of
    /// anything (sums of 2^16 such histograms cannot overflow). What is allocated is bounded by the
    /// bytes that there are.
    pub fn decode(bytes: &[u8], overflow: u64) -> Result<Self, BadHistogram> {
        check_header(bytes)?;
        let few = pairs(&bytes[V2_HEADER_BYTES..])?;
        let total = few.iter().try_fold(0, |sum: u64, (_, count)| sum.checked_add(*count));
        let believed = total.is_some_and(|total| total <= COUNT_MAX && overflow <= total);
        if believed { Ok(Self { counts: Counts::Few(few), overflow }) } else { Err(BadHistogram) }
    }
}

/// The buckets of a V2 payload that are not empty: ZigZag LEB128 of up to nine bytes each, a positive
/// number is a bucket's count, a negative one so many empty buckets.
fn pairs(mut payload: &[u8]) -> Result<Vec<(u64, u64)>, BadHistogram> {
    let mut few = Vec::new();
    let mut bucket: u64 = 0;
    while !payload.is_empty() {
        let number = zigzag(&mut payload)?;
        if number <= 0 {
            bucket = bucket.checked_add(number.unsigned_abs().max(1)).ok_or(BadHistogram)?;
            continue;
        }
        let value = value_of(bucket).ok_or(BadHistogram)?;
        few.push((value, number.unsigned_abs()));
        bucket += 1;
    }
    Ok(few)
}

/// The lowest value of a bucket; none past the highest that is told apart.
fn value_of(bucket: u64) -> Option<u64> {
    let doublings = (bucket / PER_DOUBLING).saturating_sub(1);
    let place = bucket.checked_sub(doublings * PER_DOUBLING)?;
    let value = place.checked_shl(u32::try_from(doublings).ok()?)?;
    (value <= HIGHEST_NANOS && value >> doublings == place).then_some(value)
}

fn zigzag(bytes: &mut &[u8]) -> Result<i64, BadHistogram> {
    let mut value: u64 = 0;
    for place in 0..9 {
        let (byte, rest) = bytes.split_first().ok_or(BadHistogram)?;
        *bytes = rest;
        let last = place == 8;
        let bits = if last { *byte } else { byte & 0x7f };
        value |= u64::from(bits) << (7 * place);
        if last || byte & 0x80 == 0 {
            break;
        }
    }
    Ok((value >> 1) as i64 ^ -((value & 1) as i64))
}

/// Seven bits a byte, lowest first, and eight in the ninth.
fn push_zigzag(number: i64, bytes: &mut Vec<u8>) {
    let mut left = (number << 1 ^ number >> 63) as u64;
    for _ in 0..8 {
        if left < 0x80 {
            break;
        }
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
}

/// Cookie, length of the payload, offset, digits, bounds and scale.
fn header(payload: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(V2_HEADER_BYTES + payload as usize);
    for word in [V2_COOKIE, payload, 0, u32::from(DIGITS)] {
        bytes.extend(word.to_be_bytes());
    }
    for long in [1, HIGHEST_NANOS, 1_f64.to_bits()] {
        bytes.extend(long.to_be_bytes());
    }
    bytes
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
    let plain = word(8) == Some(0) && long(32) == Some(1_f64.to_bits());
    let bounds = long(16) == Some(1) && long(24) == Some(HIGHEST_NANOS);
    let whole = bytes.len() >= V2_HEADER_BYTES && payload == bytes.len() - V2_HEADER_BYTES;
    if cookie == V2_COOKIE && digits == u32::from(DIGITS) && plain && bounds && whole {
        Ok(())
    } else {
        Err(BadHistogram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_no_quantile() {
        let empty = Histogram::default();
        assert_eq!((empty.quantile(0.5), empty.max(), empty.count()), (None, None, 0));
    }

    #[test]
    fn the_order_of_merging_changes_nothing() {
        let (a, b) = (Histogram::of(&[1, 50, 70_000]), Histogram::of(&[9_000_000, 3]));
        let (mut ab, mut ba) = (a.clone(), b.clone());
        ab.merge(&b);
        ba.merge(&a);
        assert_eq!(ab.encode(), ba.encode());
        assert_eq!(ab.count(), 5);
    }

    #[test]
    fn what_is_too_long_is_kept_and_counted() {
        let histogram = Histogram::of(&[HIGHEST_NANOS + 1]);
        assert_eq!((histogram.count(), histogram.overflow()), (1, 1));
    }

    #[test]
    fn whatever_is_too_long_reads_back_as_the_highest() {
        let highest = Histogram::of(&[HIGHEST_NANOS]);
        for nanos in [HIGHEST_NANOS + 1, HIGHEST_NANOS / 10 * 11, 2 * HIGHEST_NANOS, u64::MAX] {
            let histogram = Histogram::of(&[nanos]);
            assert_eq!(histogram.encode(), highest.encode(), "{nanos}");
            assert!(Histogram::decode(&histogram.encode(), 1).is_ok(), "{nanos}");
        }
    }

    #[test]
    fn edges_are_those_of_the_library() {
        let all = all_of(&[]);
        let near = |bit: u32| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1, 3 << bit >> 1];
        for value in (0..42).flat_map(near).chain([HIGHEST_NANOS]) {
            let theirs = (all.lowest_equivalent(value), all.highest_equivalent(value));
            assert_eq!(edges(value), theirs, "{value}");
        }
    }

    #[test]
    fn few_buckets_and_all_give_the_same_answers() {
        let values: Vec<u64> = (0..3000).map(|n| n * n * n * 7).collect();
        let all = Histogram::of(&values);
        let few = Histogram::decode(&all.encode(), 0).unwrap();
        assert!(few.iter().eq(all.iter()));
        assert_eq!(few.iter().map(|(_, count)| count).sum::<u64>(), 3000);
        for quantile in [-1.0, 0.0, 1e-9, 0.1, 0.5, 0.55, 0.999, 1.0, 2.0, f64::NAN] {
            assert_eq!(few.quantile(quantile), all.quantile(quantile), "{quantile}");
        }
        for nanos in [0, 1, 7_000, 7_000_000_000, u64::MAX] {
            assert_eq!(few.count_above(nanos), all.count_above(nanos), "{nanos}");
        }
        assert_eq!((all.count_above(0), all.count_above(7)), (2999, 2998));
    }

    #[test]
    fn an_encoding_reads_back() {
        let histogram = Histogram::of(&[1, 1000, 1000, 2_000_000_000]);
        let back = Histogram::decode(&histogram.encode(), 0).unwrap();
        assert_eq!(back.encode(), histogram.encode());
    }

    #[test]
    fn an_encoding_is_that_of_the_library() {
        use hdrhistogram::serialization::{Serializer, V2Serializer};
        let spread: Vec<u64> = (0..3000).map(|n| n * n * n * 7).collect();
        let mut often = Histogram::of(&[5, 6, 8, 900]);
        often.all().record_n(4_000, COUNT_MAX / 2).unwrap();
        let highest = Histogram::of(&[0, HIGHEST_NANOS]);
        for histogram in [
            Histogram::default(),
            Histogram::of(&[0]),
            Histogram::of(&[1, 3]),
            Histogram::of(&spread),
            often,
            highest,
        ] {
            let mut theirs = Vec::new();
            V2Serializer::new().serialize(&*histogram.whole(), &mut theirs).unwrap();
            assert_eq!(histogram.encode(), theirs);
            let few = Histogram::decode(&theirs, 0).unwrap();
            assert_eq!(few.encode(), theirs);
        }
    }

    #[test]
    fn push_and_read_agree_on_numbers_of_any_length() {
        let mut bytes = Vec::new();
        let numbers: Vec<i64> = (0..63).flat_map(|bit| [1 << bit, -(1 << bit)]).collect();
        numbers.iter().for_each(|number| push_zigzag(*number, &mut bytes));
        let mut rest = &bytes[..];
        for number in numbers {
            assert_eq!(zigzag(&mut rest), Ok(number));
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn few_buckets_read_as_the_library_reads_them() {
        use hdrhistogram::serialization::Deserializer;
        let mut values: Vec<u64> = (0..64).flat_map(|bit| [1 << bit, (1 << bit) + 1]).collect();
        values.extend((0..5000).map(|n| n * n * 977));
        let bytes = Histogram::of(&values).encode();
        let theirs: Hdr = Deserializer::new().deserialize(&mut &*bytes).unwrap();
        let ours = Histogram::decode(&bytes, 0).unwrap();
        assert_eq!(*ours.whole(), theirs);
        assert_eq!(ours.count(), values.len() as u64);
        let mut merged = Histogram::of(&[7, 1 << 40]);
        let mut whole = merged.clone();
        merged.merge(&ours);
        whole.merge(&Histogram::of(&values));
        assert_eq!(merged.encode(), whole.encode());
    }

    #[test]
    fn every_cut_and_every_flipped_header_bit_is_refused_or_harmless() {
        let bytes = Histogram::of(&[5, 500, 50_000]).encode();
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
    fn shifted_and_scaled_buckets_are_refused() {
        let bytes = Histogram::of(&[5, 500, 50_000]).encode();
        for (at, value) in [(11, 1), (32, 0x40)] {
            let mut bent = bytes.clone();
            bent[at] = value;
            assert!(Histogram::decode(&bent, 0).is_err(), "byte {at}");
        }
    }

    #[test]
    fn the_merged_percentile_is_not_the_average_of_percentiles() {
        // Known answer: 1,000 times 1 ms, and 950 times 1 ms with 50 times 100 ms; the average of
        // the two p99s would be 50.5 ms.
        const MS: u64 = 1_000_000;
        let mut merged = Histogram::of(&[MS; 1000]);
        let mut slower = Histogram::of(&[MS; 950]);
        slower.merge(&Histogram::of(&[100 * MS; 50]));
        merged.merge(&slower);
        let within = |quantile, ms: u64| {
            let value = merged.quantile(quantile).unwrap();
            value.abs_diff(ms * MS) <= ms * MS / 1000
        };
        assert!(within(0.99, 100) && within(0.97, 1) && within(0.975, 1));
    }
}
