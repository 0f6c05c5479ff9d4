//! What a run measures over time, in bounded memory: latencies, counts, readings.
//!
//! A [`Window`] is as many neighbouring intervals as it takes for a run of any length to have at
//! most [`WINDOWS_MAX`] of them. What is held follows from what was added alone, never from the order
//! in which workers reported: counts are added, and how wide a window is follows from the first and
//! the last interval.

use crate::histogram::Histogram;
use crate::shelf::{Packed, Shelf};
use std::fmt::Debug;

/// The most windows that are held; when a run is longer, neighbouring pairs become one.
pub const WINDOWS_MAX: u64 = 640;

/// What can be put together, in any order.
pub trait Addend: Clone + Debug + Default {
    /// Where it is while nobody adds to it.
    type Shelf: Shelf<Self>;

    /// Whether it is nothing: adding it changes nothing.
    fn is_nothing(&self) -> bool;

    /// Takes in `other`.
    fn add(&mut self, other: &Self);
}

impl Addend for Histogram {
    type Shelf = Packed;

    fn is_nothing(&self) -> bool {
        self.count() == 0
    }

    /// The counts stay sparse.
    fn add(&mut self, other: &Self) {
        self.merge_sparse(other);
    }
}

/// Durations, or other values, by the interval in which they were recorded.
#[derive(Clone, Debug)]
pub struct Windows<V: Addend = Histogram> {
    /// A window is 2 to the power of this intervals wide; the first begins at interval 0.
    doublings: u32,
    /// The number of the window that was added to last, and what is in it; not empty.
    open: Option<(u64, V)>,
    /// The others; none is empty.
    closed: V::Shelf,
}

/// Neighbouring intervals and what was recorded in them.
#[derive(Debug)]
pub struct Window<V = Histogram> {
    /// The index of its first interval, a multiple of the width.
    pub first: u64,
    /// How many intervals it is wide: a power of two, the same for all.
    pub width: u64,
    /// What was recorded; not nothing.
    pub value: V,
}

impl<V: Addend> Default for Windows<V> {
    fn default() -> Self {
        Self { doublings: 0, open: None, closed: V::Shelf::default() }
    }
}

impl<V: Addend> Windows<V> {
    /// Adds what one worker recorded in interval `index`, counted from the common start; nothing
    /// recorded changes nothing.
    pub fn add(&mut self, index: u64, value: &V) {
        self.insert(0, index, value);
    }

    /// Adds a window: its first interval and its width. False where there is no such window.
    pub fn add_wide(&mut self, first: u64, width: u64, value: &V) -> bool {
        let is_one = width.is_power_of_two() && first.is_multiple_of(width);
        if is_one {
            self.insert(width.trailing_zeros(), first / width, value);
        }
        is_one
    }

    /// The same in windows at least `width` intervals wide.
    pub fn in_windows_of(&self, width: u64) -> Self {
        let mut wide = self.clone();
        wide.widen(width.next_power_of_two().trailing_zeros());
        wide
    }

    /// Adds all that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        for (number, value) in other.numbered() {
            self.insert(other.doublings, number, &value);
        }
    }

    /// The windows in which something was recorded, in the order of time.
    pub fn iter(&self) -> impl Iterator<Item = Window<V>> {
        self.numbered().map(|(number, value)| Window {
            first: number << self.doublings,
            width: 1 << self.doublings,
            value,
        })
    }

    /// How many intervals a window is wide.
    pub const fn width(&self) -> u64 {
        1 << self.doublings
    }

    /// Windows from the first to the last in which something was recorded, empty ones between them
    /// included; 0 to [`WINDOWS_MAX`].
    pub fn span(&self) -> u64 {
        self.ends().map_or(0, |(first, last)| last - first + 1)
    }

    /// All windows in `count` contiguous sections, as equal in length as whole windows allow; none
    /// where there are fewer windows than that.
    ///
    /// # Panics
    /// If `count` is 0.
    pub fn sections(&self, count: u64) -> Option<Vec<V>> {
        assert!(count > 0, "a run has sections");
        let (first, span) = (self.ends()?.0, self.span());
        if span < count {
            return None;
        }
        let mut sections = vec![V::default(); usize::try_from(count).ok()?];
        for (number, value) in self.numbered() {
            // Section i begins at window ⌊i · span / count⌋.
            let section = ((number - first + 1) * count - 1) / span;
            sections[section as usize].add(&value);
        }
        Some(sections)
    }

    /// Adds to window `number` of those that are 2^`doublings` intervals wide.
    fn insert(&mut self, doublings: u32, number: u64, value: &V) {
        if value.is_nothing() {
            return;
        }
        self.widen(doublings);
        let number = number >> (self.doublings - doublings);
        let (first, last) = self.ends().unwrap_or((number, number));
        let (first, last) = (first.min(number), last.max(number));
        let fits = |more: &u32| (last >> more) - (first >> more) < WINDOWS_MAX;
        let more = (0..u64::BITS).find(fits).expect("numbers of 64 bits lose all differences");
        self.widen(self.doublings + more);
        self.open(number >> more).add(value);
    }

    /// Makes windows 2^`doublings` intervals wide, where they are not yet.
    fn widen(&mut self, doublings: u32) {
        let Some(more @ 1..) = doublings.checked_sub(self.doublings) else {
            return;
        };
        self.doublings = doublings;
        self.close();
        let mut narrow = std::mem::take(&mut self.closed);
        while let Some((number, value)) = narrow.take_first() {
            self.open(number >> more).add(&value);
        }
    }

    /// What is in window `number`, to be added to; nothing where it was not there.
    fn open(&mut self, number: u64) -> &mut V {
        if self.open.as_ref().is_some_and(|(open, _)| *open != number) {
            self.close();
        }
        let closed = &mut self.closed;
        let begin = || (number, closed.take(number).unwrap_or_default());
        &mut self.open.get_or_insert_with(begin).1
    }

    fn close(&mut self) {
        if let Some((number, value)) = self.open.take() {
            self.closed.put(number, value);
        }
    }

    /// The windows and their numbers, in the order of time.
    fn numbered(&self) -> impl Iterator<Item = (u64, V)> {
        let open = self.open.as_ref();
        // What is open rests nowhere, so that it does not matter on which side its number is looked for.
        let number = open.map_or(u64::MAX, |(number, _)| *number);
        let (before, after) = (self.closed.range(..number), self.closed.range(number..));
        before.chain(open.cloned()).chain(after)
    }

    /// The numbers of the first and the last window.
    fn ends(&self) -> Option<(u64, u64)> {
        let closed = self.closed.ends();
        let open = self.open.as_ref().map(|(number, _)| (*number, *number));
        let both = closed.into_iter().chain(open);
        both.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(added: &[(u64, u64)]) -> Windows {
        let mut windows = Windows::default();
        added.iter().for_each(|(index, value)| windows.add(*index, &Histogram::of(&[*value])));
        windows
    }

    /// Every bit that there is to compare.
    fn bits(windows: &Windows) -> Vec<(u64, u64, Vec<u8>, u64)> {
        let bits = windows.iter().map(|window| {
            let histogram = &window.value;
            (window.first, window.width, histogram.encode(), histogram.overflow())
        });
        bits.collect()
    }

    #[test]
    fn neighbours_become_one_when_there_are_too_many() {
        let mut windows = Windows::default();
        for index in 0..WINDOWS_MAX {
            windows.add(index, &Histogram::of(&[index]));
        }
        assert_eq!((windows.span(), windows.iter().last().unwrap().width), (WINDOWS_MAX, 1));
        windows.add(WINDOWS_MAX, &Histogram::of(&[7]));
        let held: Vec<_> = windows.iter().map(|w| (w.first, w.value.count())).collect();
        assert_eq!((held.len(), held[0], held[320]), (321, (0, 2), (640, 1)));
        assert!(windows.iter().all(|window| window.width == 2));
    }

    #[test]
    fn a_run_of_any_length_has_a_bounded_number() {
        let windows = all(&[(0, 1), (u64::MAX, 2), (u64::MAX / 2, 3)]);
        assert!(windows.span() <= WINDOWS_MAX);
        assert_eq!(windows.iter().map(|window| window.value.count()).sum::<u64>(), 3);
    }

    #[test]
    fn a_window_holds_what_was_used_and_not_all_buckets() {
        let windows = all(&[(3, 1000), (3, 2000), (3, 1000)]);
        let histograms: Vec<Histogram> = windows.iter().map(|window| window.value).collect();
        let buckets: Vec<_> = histograms.iter().flat_map(Histogram::iter).collect();
        assert_eq!(buckets, [(1000, 2), (2000, 1)]);
        assert!(windows.iter().all(|window| window.value.is_sparse()));
    }

    #[test]
    fn nothing_recorded_is_no_window() {
        let mut windows = all(&[(5, 1)]);
        windows.add(u64::MAX, &Histogram::default());
        assert_eq!((windows.span(), windows.iter().count()), (1, 1));
        assert!(<Windows>::default().sections(20).is_none());
    }

    #[test]
    fn sections_differ_by_one_window_at_most_and_follow_time() {
        for span in [20, 21, 30, 39, 40, 59, 639, 640] {
            let windows = all(&(100..100 + span).map(|at| (at, at)).collect::<Vec<_>>());
            let sections = windows.sections(20).unwrap();
            let sizes: Vec<u64> = sections.iter().map(Histogram::count).collect();
            assert_eq!(sizes.iter().sum::<u64>(), span);
            assert!(sizes.iter().all(|size| *size == span / 20 || *size == span.div_ceil(20)));
            let order = sections.windows(2);
            assert!(order.into_iter().all(|two| two[0].max() < two[1].quantile(0.0)));
        }
        assert!(all(&(0..19).map(|at| (at, 1)).collect::<Vec<_>>()).sections(20).is_none());
    }

    #[test]
    fn time_in_which_nothing_was_recorded_has_its_place() {
        let sections = all(&[(0, 1), (39, 1)]).sections(20).unwrap();
        let sizes: Vec<u64> = sections.iter().map(Histogram::count).collect();
        assert_eq!((sizes[0], sizes[1..19].iter().sum::<u64>(), sizes[19]), (1, 0, 1));
    }

    proptest! {
        #[test]
        fn what_is_held_is_what_was_recorded_in_it(
            added in prop::collection::vec((0..2000_u64, 0..5_000_000_000_000_u64), 1..200),
        ) {
            let windows = all(&added);
            for window in windows.iter() {
                let within = window.first..window.first + window.width;
                let of_it = added.iter().filter(|(index, _)| within.contains(index));
                let values: Vec<u64> = of_it.map(|(_, value)| *value).collect();
                prop_assert_eq!(window.value.encode(), Histogram::of(&values).encode());
                prop_assert_eq!(window.value.overflow(), Histogram::of(&values).overflow());
            }
            let held: u64 = windows.iter().map(|window| window.value.count()).sum();
            prop_assert_eq!(held, added.len() as u64);
        }

        #[test]
        fn no_order_of_adding_or_merging_changes_a_bit(
            mut added in prop::collection::vec((0..4000_u64, 0..5_000_000_000_000_u64), 0..60),
            far in prop::option::of(0..u64::MAX),
            cuts in (0..60_usize, 0..60_usize),
        ) {
            added.extend(far.map(|index| (index, 9)));
            let whole = bits(&all(&added));
            let first = cuts.0.min(added.len());
            let second = cuts.1.clamp(first, added.len());
            let parts = [&added[..first], &added[first..second], &added[second..]].map(all);
            let merged = |order: [usize; 3]| {
                let mut merged = Windows::default();
                order.iter().for_each(|part| merged.merge(&parts[*part]));
                bits(&merged)
            };
            prop_assert_eq!(&merged([0, 1, 2]), &whole);
            prop_assert_eq!(&merged([2, 0, 1]), &whole);
            let mut tail = parts[1].clone();
            tail.merge(&parts[2]);
            let mut grouped = parts[0].clone();
            grouped.merge(&tail);
            prop_assert_eq!(&bits(&grouped), &whole);
            added.reverse();
            prop_assert_eq!(&bits(&all(&added)), &whole);
        }
    }
}
