//! Levels that the supervisor reads once a second while a run measures: connections that live, what is begun
//! and not ended, and what processes use.
//!
//! They are kept over time, in bounded memory, and go through the fold and the journal as all that was
//! reported does. Reading them is `supervisor/watch.rs`, judging them `soak`.

use stats::{Level, Windows};
use std::collections::BTreeMap;
use wire::{LevelsRecord, SourceRecord};

/// Whose level it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// The run's.
    Run,
    /// All workers' together.
    Workers,
    /// The embedded target's, all its processes together.
    Target,
    /// That of the process that `--watch-pid` names at this place, from 0.
    Watched(u32),
}

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Connections that live.
    Live,
    /// Requests that are due or sent, and neither answered nor failed.
    Backlog,
    /// Resident memory, in bytes.
    Rss,
    /// Open descriptors.
    Descriptors,
    /// Processor time per second, in microseconds.
    Cpu,
}

impl What {
    const ALL: [Self; 5] = [Self::Live, Self::Backlog, Self::Rss, Self::Descriptors, Self::Cpu];
}

/// A level that is read.
pub type Source = (Whose, What);

/// All levels over time, and the limits that they must not reach.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    windows: BTreeMap<Source, Windows<Level>>,
    limits: BTreeMap<Source, u64>,
}

impl Levels {
    /// Adds a reading of `source` in interval `index`, counted from the common start.
    pub fn read(&mut self, index: u64, source: Source, value: u64) {
        self.windows.entry(source).or_default().add(index, &Level::of(value));
    }

    /// Notes what `source` must not reach.
    pub fn limit(&mut self, source: Source, limit: u64) {
        self.limits.insert(source, limit);
    }

    /// Adds all that `other` holds; its limits are the newer ones.
    pub fn merge(&mut self, other: &Self) {
        for (source, windows) in &other.windows {
            self.windows.entry(*source).or_default().merge(windows);
        }
        self.limits.extend(&other.limits);
    }

    /// What was read, by source.
    pub fn iter(&self) -> impl Iterator<Item = (Source, &Windows<Level>)> {
        self.windows.iter().map(|(source, windows)| (*source, windows))
    }

    /// One of them.
    pub fn of(&self, source: Source) -> Option<&Windows<Level>> {
        self.windows.get(&source)
    }

    /// What `source` must not reach, where that is known.
    pub fn limit_of(&self, source: Source) -> Option<u64> {
        self.limits.get(&source).copied()
    }

    /// As they are kept.
    pub fn record(&self) -> LevelsRecord {
        let mut record = LevelsRecord::default();
        for (source, windows) in &self.windows {
            for window in windows.iter() {
                record.push(flat(*source), (window.first, window.width), &window.value);
            }
        }
        record.limits = self.limits.iter().map(|(source, limit)| (flat(*source), *limit)).collect();
        record
    }

    /// Of what was kept; none where a source is not one of ours, or a window none.
    pub fn of_record(record: &LevelsRecord) -> Option<Self> {
        let mut levels = Self::default();
        for (source, (first, width), level) in record.levels() {
            let mut window = Windows::default();
            window.add_wide(first, width, &level?).then_some(())?;
            levels.windows.entry(full(source)?).or_default().merge(&window);
        }
        for (source, limit) in &record.limits {
            levels.limits.insert(full(*source)?, *limit);
        }
        Some(levels)
    }
}

fn flat((whose, what): Source) -> SourceRecord {
    let (whose, which) = match whose {
        Whose::Run => (0, 0),
        Whose::Workers => (1, 0),
        Whose::Target => (2, 0),
        Whose::Watched(which) => (3, which),
    };
    SourceRecord { whose, which, what: what as u8 }
}

fn full(SourceRecord { whose, which, what }: SourceRecord) -> Option<Source> {
    let whose = match whose {
        0 => Whose::Run,
        1 => Whose::Workers,
        2 => Whose::Target,
        3 => Whose::Watched(which),
        _ => return None,
    };
    Some((whose, *What::ALL.get(usize::from(what))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every bit that there is to compare.
    fn bits(levels: &Levels) -> impl PartialEq + std::fmt::Debug + use<> {
        let all = levels.iter().flat_map(|(source, windows)| {
            windows.iter().map(move |window| (source, window.first, window.width, window.value))
        });
        (all.collect::<Vec<_>>(), levels.limits.clone())
    }

    fn source(number: u32) -> Source {
        let whose = [Whose::Run, Whose::Workers, Whose::Target, Whose::Watched(number)];
        (whose[number as usize % 4], What::ALL[number as usize % 5])
    }

    proptest! {
        #[test]
        fn what_is_kept_comes_back_and_parts_make_the_whole(
            readings in prop::collection::vec((0..5000_u64, 0..9_u32, 0..u64::MAX), 0..200),
            cut in 0..200_usize,
        ) {
            let of = |readings: &[(u64, u32, u64)]| {
                let mut levels = Levels::default();
                for (index, number, value) in readings {
                    levels.read(*index, source(*number), *value);
                    levels.limit(source(*number), 7);
                }
                levels
            };
            let whole = of(&readings);
            let (first, second) = readings.split_at(cut.min(readings.len()));
            let mut parts = Levels::default();
            for part in [first, second] {
                parts.merge(&Levels::of_record(&of(part).record()).unwrap());
            }
            prop_assert_eq!(bits(&parts), bits(&whole));
        }
    }

    #[test]
    fn what_is_none_of_ours_is_refused() {
        let mut levels = Levels::default();
        levels.read(3, source(3), 5);
        assert!(Levels::of_record(&levels.record()).is_some());
        for (whose, what) in [(4, 0), (0, 5), (255, 255)] {
            let mut record = levels.record();
            record.limits.push((SourceRecord { whose, which: 0, what }, 1));
            assert!(Levels::of_record(&record).is_none());
        }
    }
}
