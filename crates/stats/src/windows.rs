//! The latency of a run over time, in bounded memory.
//!
//! A [`Window`] is as many neighbouring intervals as it takes for a run of any length to have at
//! most [`WINDOWS_MAX`] of them. What is held follows from what was added alone, never from the order
//! in which workers reported: counts are added, and how wide a window is follows from the first and
//! the last interval.

use crate::histogram::Histogram;
use std::collections::BTreeMap;

/// The most windows that are held; when a run is longer, neighbouring pairs become one.
pub const WINDOWS_MAX: u64 = 640;

/// Durations by the interval in which they were recorded.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    /// A window is 2 to the power of this intervals wide; the first begins at interval 0.
    doublings: u32,
    /// By the number of the window; none is empty. Their counts stay sparse.
    windows: BTreeMap<u64, Histogram>,
}

/// Neighbouring intervals and what was recorded in them.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// The index of its first interval, a multiple of the width.
    pub first: u64,
    /// How many intervals it is wide: a power of two, the same for all.
    pub width: u64,
    /// Durations recorded; not empty.
    pub histogram: &'a Histogram,
}

impl Windows {
    /// Adds what one worker recorded in interval `index`, counted from the common start; nothing
    /// recorded changes nothing.
    pub fn add(&mut self, index: u64, histogram: &Histogram) {
        self.insert(0, index, histogram);
    }

    /// Adds all that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        for (number, histogram) in &other.windows {
            self.insert(other.doublings, *number, histogram);
        }
    }

    /// The windows in which something was recorded, in the order of time.
    pub fn iter(&self) -> impl Iterator<Item = Window<'_>> {
        self.windows.iter().map(|(number, histogram)| Window {
            first: number << self.doublings,
            width: 1 << self.doublings,
            histogram,
        })
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
    pub fn sections(&self, count: u64) -> Option<Vec<Histogram>> {
        assert!(count > 0, "a run has sections");
        let (first, span) = (self.ends()?.0, self.span());
        if span < count {
            return None;
        }
        let mut sections = vec![Histogram::default(); usize::try_from(count).ok()?];
        for (number, histogram) in &self.windows {
            // Section i begins at window ⌊i · span / count⌋.
            let section = ((number - first + 1) * count - 1) / span;
            sections[section as usize].merge_sparse(histogram);
        }
        Some(sections)
    }

    /// Adds to window `number` of those that are 2^`doublings` intervals wide.
    fn insert(&mut self, doublings: u32, number: u64, histogram: &Histogram) {
        if histogram.count() == 0 {
            return;
        }
        self.widen(doublings);
        let number = number >> (self.doublings - doublings);
        let (first, last) = self.ends().unwrap_or((number, number));
        let (first, last) = (first.min(number), last.max(number));
        let fits = |more: &u32| (last >> more) - (first >> more) < WINDOWS_MAX;
        let more = (0..u64::BITS).find(fits).expect("numbers of 64 bits lose all differences");
        self.widen(self.doublings + more);
        self.windows.entry(number >> more).or_default().merge_sparse(histogram);
    }

    /// Makes windows 2^`doublings` intervals wide, where they are not yet.
    fn widen(&mut self, doublings: u32) {
        let Some(more @ 1..) = doublings.checked_sub(self.doublings) else {
            return;
        };
        self.doublings = doublings;
        for (number, histogram) in std::mem::take(&mut self.windows) {
            self.windows.entry(number >> more).or_default().merge_sparse(&histogram);
        }
    }

    /// The numbers of the first and the last window.
    fn ends(&self) -> Option<(u64, u64)> {
        Some((*self.windows.first_key_value()?.0, *self.windows.last_key_value()?.0))
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
            let histogram = window.histogram;
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
        let held: Vec<_> = windows.iter().map(|w| (w.first, w.histogram.count())).collect();
        assert_eq!((held.len(), held[0], held[320]), (321, (0, 2), (640, 1)));
        assert!(windows.iter().all(|window| window.width == 2));
    }

    #[test]
    fn a_run_of_any_length_has_a_bounded_number() {
        let windows = all(&[(0, 1), (u64::MAX, 2), (u64::MAX / 2, 3)]);
        assert!(windows.span() <= WINDOWS_MAX);
        assert_eq!(windows.iter().map(|window| window.histogram.count()).sum::<u64>(), 3);
    }

    #[test]
    fn a_window_holds_what_was_used_and_not_all_buckets() {
        let windows = all(&[(3, 1000), (3, 2000), (3, 1000)]);
        let buckets: Vec<_> = windows.iter().flat_map(|w| w.histogram.iter()).collect();
        assert_eq!(buckets, [(1000, 2), (2000, 1)]);
        assert!(windows.iter().all(|window| window.histogram.is_sparse()));
    }

    #[test]
    fn nothing_recorded_is_no_window() {
        let mut windows = all(&[(5, 1)]);
        windows.add(u64::MAX, &Histogram::default());
        assert_eq!((windows.span(), windows.iter().count()), (1, 1));
        assert!(Windows::default().sections(20).is_none());
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
