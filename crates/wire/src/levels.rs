//! Levels over time, as a journal keeps them.

use bincode::{Decode, Encode};
use stats::{COUNT_MAX, Level};

/// Which level it is; the numbers are those of whoever reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SourceRecord {
    /// Whose.
    pub whose: u8,
    /// Of several, which.
    pub which: u32,
    /// What of it.
    pub what: u8,
}

/// A window of one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
struct LevelRecord {
    source: SourceRecord,
    first: u64,
    width: u64,
    sum: u128,
    readings: u64,
}

/// Levels over time, and their limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct LevelsRecord {
    windows: Vec<LevelRecord>,
    /// What levels must not reach.
    pub limits: Vec<(SourceRecord, u64)>,
}

impl LevelsRecord {
    /// Adds a window: its first interval, its width, and the level in it.
    pub fn push(&mut self, source: SourceRecord, (first, width): (u64, u64), level: &Level) {
        let (sum, readings) = level.parts();
        self.windows.push(LevelRecord { source, first, width, sum, readings });
    }

    /// The windows, each with its first interval and its width; the level is none where it can be none of
    /// any readings.
    pub fn levels(&self) -> impl Iterator<Item = (SourceRecord, (u64, u64), Option<Level>)> {
        self.windows.iter().map(|window| {
            let LevelRecord { source, first, width, sum, readings } = *window;
            let level = Level::of_parts(sum, readings).filter(|_| readings <= COUNT_MAX);
            (source, (first, width), level)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_that_cannot_have_been_are_none() {
        let source = SourceRecord { whose: 0, which: 0, what: 0 };
        let told = |sum, readings| {
            let window = LevelRecord { source, first: 0, width: 1, sum, readings };
            LevelsRecord { windows: vec![window], limits: vec![] }.levels().next().unwrap().2
        };
        assert!(told(u128::from(u64::MAX), 1).is_some());
        assert!(told(u128::from(u64::MAX) + 1, 1).is_none());
        assert!(told(1, 0).is_none() && told(1, COUNT_MAX + 1).is_none());
    }
}
