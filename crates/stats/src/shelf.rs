//! Windows at rest: those that nobody adds to for now, by their number.
//!
//! Histograms are most of what a supervisor holds. They rest as the payloads of their encodings, some 2 bytes for
//! each bucket that was used where a live one has 16, one behind the other in blocks of one size. Payloads in
//! memory of their own left holes that the next ones did not fit: after a day a process had three times their
//! bytes.

use crate::histogram::Histogram;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::ops::RangeBounds;

/// Bytes of a block.
const BLOCK_BYTES: usize = 32 << 10;

/// Where windows rest.
pub trait Shelf<V>: Clone + Debug + Default {
    /// Puts one there, whose number is not.
    fn put(&mut self, number: u64, value: V);

    /// Takes one away; none where it is not there.
    fn take(&mut self, number: u64) -> Option<V>;

    /// Takes the first one away; its memory too, where all are taken so.
    fn take_first(&mut self) -> Option<(u64, V)>;

    /// The first and the last number.
    fn ends(&self) -> Option<(u64, u64)>;

    /// Those of these numbers, in order.
    fn range(&self, numbers: impl RangeBounds<u64>) -> impl Iterator<Item = (u64, V)>;
}

/// What is small rests as it is.
impl<V: Clone + Debug> Shelf<V> for BTreeMap<u64, V> {
    fn put(&mut self, number: u64, value: V) {
        self.insert(number, value);
    }

    fn take(&mut self, number: u64) -> Option<V> {
        self.remove(&number)
    }

    fn take_first(&mut self) -> Option<(u64, V)> {
        self.pop_first()
    }

    fn ends(&self) -> Option<(u64, u64)> {
        Some((*self.first_key_value()?.0, *self.last_key_value()?.0))
    }

    fn range(&self, numbers: impl RangeBounds<u64>) -> impl Iterator<Item = (u64, V)> {
        Self::range(self, numbers).map(|(number, value)| (*number, value.clone()))
    }
}

/// Histograms, packed; nothing of them is lost.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    places: BTreeMap<u64, Place>,
    log: Log,
    /// Bytes that have a place.
    live: usize,
}

/// Where a histogram is.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: u64,
    bytes: usize,
    overflow: u64,
}

impl Packed {
    fn read(&self, place: Place) -> Histogram {
        let payload = self.log.read(place.at, place.bytes);
        Histogram::of_payload(&payload, place.overflow).expect("it was packed here")
    }

    fn remove(&mut self, number: u64) -> Option<Histogram> {
        let place = self.places.remove(&number)?;
        self.live -= place.bytes;
        Some(self.read(place))
    }

    /// Writes all anew, without what lies between.
    fn tidy(&mut self) {
        let mut old = std::mem::take(self);
        while let Some((number, histogram)) = old.take_first() {
            self.put(number, histogram);
        }
    }
}

impl Shelf<Histogram> for Packed {
    fn put(&mut self, number: u64, histogram: Histogram) {
        let payload = histogram.payload();
        let (at, bytes) = (self.log.append(&payload), payload.len());
        self.live += bytes;
        let place = Place { at, bytes, overflow: histogram.overflow() };
        assert!(self.places.insert(number, place).is_none(), "a window rests once");
    }

    fn take(&mut self, number: u64) -> Option<Histogram> {
        let histogram = self.remove(number)?;
        if self.log.bytes() > 2 * self.live + BLOCK_BYTES {
            self.tidy();
        }
        Some(histogram)
    }

    fn take_first(&mut self) -> Option<(u64, Histogram)> {
        let (number, _) = self.ends()?;
        let histogram = self.remove(number)?;
        let first = self.places.values().map(|place| place.at).min();
        self.log.forget_before(first.unwrap_or(self.log.end));
        Some((number, histogram))
    }

    fn ends(&self) -> Option<(u64, u64)> {
        self.places.ends()
    }

    fn range(&self, numbers: impl RangeBounds<u64>) -> impl Iterator<Item = (u64, Histogram)> {
        self.places.range(numbers).map(|(number, place)| (*number, self.read(*place)))
    }
}

/// Bytes, one behind the other, of which the first may be forgotten.
#[derive(Clone, Debug, Default)]
struct Log {
    blocks: VecDeque<Box<[u8]>>,
    /// Where the first block begins.
    begin: u64,
    end: u64,
}

impl Log {
    const fn bytes(&self) -> usize {
        (self.end - self.begin) as usize
    }

    /// Returns where they begin.
    fn append(&mut self, mut bytes: &[u8]) -> u64 {
        let at = self.end;
        while !bytes.is_empty() {
            let (block, from) = (self.bytes() / BLOCK_BYTES, self.bytes() % BLOCK_BYTES);
            if block == self.blocks.len() {
                self.blocks.push_back(vec![0; BLOCK_BYTES].into_boxed_slice());
            }
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK_BYTES - from));
            self.blocks[block][from..from + now.len()].copy_from_slice(now);
            self.end += now.len() as u64;
            bytes = later;
        }
        at
    }

    fn read(&self, at: u64, bytes: usize) -> Vec<u8> {
        let mut read = Vec::with_capacity(bytes);
        while read.len() < bytes {
            let next = (at - self.begin) as usize + read.len();
            let (block, from) = (&self.blocks[next / BLOCK_BYTES], next % BLOCK_BYTES);
            let to = BLOCK_BYTES.min(from + bytes - read.len());
            read.extend_from_slice(&block[from..to]);
        }
        read
    }

    fn forget_before(&mut self, at: u64) {
        while self.begin + BLOCK_BYTES as u64 <= at && self.blocks.pop_front().is_some() {
            self.begin += BLOCK_BYTES as u64;
        }
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
        let buckets = histogram.iter().count();
        let mut packed = Packed::default();
        packed.put(0, histogram);
        assert!(buckets > 2000 && packed.live <= 2 * buckets, "{} of {buckets}", packed.live);
    }

    #[test]
    fn counts_that_no_encoding_from_outside_may_have_are_kept() {
        let most = u64::try_from(i64::MAX).unwrap();
        let mut packed = Packed::default();
        packed.put(7, Histogram::of_few(vec![(3, most), (2048, most)], 9));
        let back = packed.take(7).unwrap();
        let counts: Vec<u64> = back.iter().map(|(_, count)| count).collect();
        assert_eq!((counts, back.overflow()), (vec![most, most], 9));
    }

    #[test]
    fn memory_is_given_back_as_the_first_are_taken() {
        let mut packed = Packed::default();
        let wide: Vec<u64> = (0..20_000).map(|value| value * 1_000).collect();
        (0..256).for_each(|number| packed.put(number, Histogram::of(&wide)));
        let blocks = packed.log.blocks.len();
        assert!(blocks > 16);
        (0..192).for_each(|number| assert_eq!(packed.take_first().unwrap().0, number));
        assert!(
            packed.log.blocks.len() <= blocks / 4 + 1,
            "{} of {blocks}",
            packed.log.blocks.len()
        );
    }

    proptest! {
        #[test]
        fn what_rests_is_what_was_put_there(
            deeds in prop::collection::vec((0..12_u64, 0..5_u8, any::<u32>()), 1..300),
        ) {
            let (mut packed, mut plain) = (Packed::default(), BTreeMap::new());
            let bits = |all: Vec<(u64, Histogram)>| -> Vec<_> {
                all.iter().map(|(n, histogram)| (*n, histogram.encode(), histogram.overflow())).collect()
            };
            for (number, deed, value) in deeds {
                match deed {
                    0 => {
                        let (mine, model) = (packed.take(number), Shelf::take(&mut plain, number));
                        prop_assert_eq!(mine.map(|it| it.encode()), model.map(|it: Histogram| it.encode()));
                    }
                    1 => {
                        let (mine, model) = (packed.take_first(), Shelf::take_first(&mut plain));
                        prop_assert_eq!(bits(mine.into_iter().collect()), bits(model.into_iter().collect()));
                    }
                    _ if plain.contains_key(&number) => {}
                    _ => {
                        let spread = (0..u64::from(value % 4_000)).map(|n| n * u64::from(value));
                        let histogram = Histogram::of(&spread.collect::<Vec<_>>());
                        packed.put(number, histogram.clone());
                        plain.insert(number, histogram);
                    }
                }
                prop_assert_eq!(packed.ends(), Shelf::<Histogram>::ends(&plain));
                prop_assert!(packed.log.blocks.len() * BLOCK_BYTES <= packed.log.bytes() + 2 * BLOCK_BYTES);
            }
            let all = |from| -> Vec<_> { packed.range(from..).collect() };
            prop_assert_eq!(bits(all(0)), bits(Shelf::range(&plain, ..).collect()));
            prop_assert_eq!(bits(all(5)), bits(Shelf::range(&plain, 5..).collect()));
        }
    }
}
