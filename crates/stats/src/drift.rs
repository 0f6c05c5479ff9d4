//! Whether a long run drifts: a trend that is there, and not only neighbours that are alike.
//!
//! What is measured second by second is alike from one second to the next, and a plain Mann-Kendall test
//! finds a trend in a third of such series that have none; corrections of its variance help little. Medians
//! of blocks that are long enough to be nearly independent do (simulated: `tests/drift.rs`). So windows are
//! put together into blocks, and blocks into longer ones until a block says nothing of the next; where fewer
//! than [`BLOCKS_MIN`] are left, the run is too short to tell.

use crate::trend::{Trend, median};

/// Fewer blocks than this tell nothing.
pub const BLOCKS_MIN: usize = 12;
/// More blocks than this are not made: beyond, pairs cost time and tell little.
pub const BLOCKS_MAX: usize = 120;
/// Neighbouring blocks are alike if their correlation is this or more. Where it is below 0 they are less so than
/// by chance, and a trend is found more seldom than that where there is none.
const ALIKE: f64 = 0.2;
/// A change of more than so many times what the blocks differ from the line by is a trend, however alike they
/// are: one random walk in five hundred changes by seven times, and nothing is more alike.
const OUTGROWS: f64 = 8.0;
/// Chance that a series without a trend is said to have one.
pub const LEVEL: f64 = 0.01;
/// A step has at least so many blocks on either side.
const BESIDE_STEP: usize = 3;

/// A value of a window, by the window's number.
pub type Point = (u64, f64);

/// A series in blocks, and its trend. Times are in windows.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// Windows that make a block.
    pub block: u64,
    /// How many blocks there are.
    pub blocks: usize,
    /// From the first window to the last.
    pub windows: u64,
    /// Of the blocks' medians.
    pub median: f64,
    /// The median of the last block.
    pub last: f64,
    /// The trend of the blocks' medians over time, in windows.
    pub trend: Trend,
    /// From the lowest median of a block to the highest.
    pub range: f64,
    /// Whether the blocks are long enough to tell; where they are not, no longer ones can be made.
    pub tells: bool,
    /// Where before and after differ most.
    pub step: Step,
}

/// The place that divides a series best: what changes at once is no trend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The first window after it.
    pub at: u64,
    /// The largest distance between the distributions before and after, 0 to 1 (Kolmogorov and Smirnov).
    pub distance: f64,
    /// The median of the blocks before.
    pub before: f64,
    /// And after.
    pub after: f64,
}

impl Drift {
    /// The drift of `points`, which are in strictly ascending order; a block is at least `shortest` windows
    /// long, and twice as long as it has to be where that leaves blocks enough. Windows without a value may
    /// be missing; of a block more than half are there, or it is left out. None where blocks are too few.
    pub fn of(points: &[Point], shortest: u64) -> Option<Self> {
        let ((first, _), (last, _)) = (points.first()?, points.last()?);
        let windows = last - first + 1;
        let mut block = shortest.max(windows.div_ceil(BLOCKS_MAX as u64));
        let mut blocks = Blocks::of(points, block)?;
        // Twice as long each time, and at last as long as leaves enough of them.
        let longest = windows / BLOCKS_MIN as u64;
        while !blocks.tell()
            && block < longest
            && let Some(longer) = Blocks::of(points, (2 * block).min(longest))
        {
            (block, blocks) = ((2 * block).min(longest), longer);
        }
        let tells = blocks.tell();
        if tells
            && blocks.medians.len() >= 2 * BLOCKS_MIN
            && let Some(longer) = Blocks::of(points, 2 * block)
        {
            (block, blocks) = (2 * block, longer);
        }
        let Blocks { medians, trend, .. } = &blocks;
        let values: Vec<f64> = medians.iter().map(|(_, value)| *value).collect();
        Some(Self {
            block,
            blocks: medians.len(),
            windows,
            range: range(&values),
            last: *values.last()?,
            step: step(medians, &values, block),
            median: median(values),
            tells,
            trend: *trend,
        })
    }

    /// By how much the trend changes the value from the first window to the last.
    pub fn change(&self) -> f64 {
        self.trend.slope * self.windows as f64
    }

    /// Whether the series says anything of a change by more than `threshold`: its blocks tell, or none is so
    /// far from any other.
    pub fn is_told(&self, threshold: f64) -> bool {
        self.tells || self.range <= threshold
    }

    /// Whether this is a drift: one that is `significant` among all series that are tested, whose slope
    /// has a sign, and which changes the value by more than `threshold` over the series.
    pub fn is_drift(&self, significant: bool, threshold: f64) -> bool {
        self.tells
            && significant
            && self.trend.is_clear_of_zero()
            && self.change().abs() > threshold
    }

    /// Windows from the last one until the value is at `limit`: at the slope, at its highest and at its
    /// lowest; none where it does not go there.
    pub fn until(&self, limit: f64) -> [Option<f64>; 3] {
        let [low, high] = self.trend.slope_ci;
        let left = limit - self.last;
        let steep = if left < 0.0 { [low, high] } else { [high, low] };
        [self.trend.slope, steep[0], steep[1]].map(|slope| {
            let windows = left / slope;
            (windows.is_finite() && windows >= 0.0).then_some(windows)
        })
    }
}

/// Which of these tests say something at 1 % for all of them together (Holm, *A Simple Sequentially
/// Rejective Multiple Test Procedure*, 1979).
pub fn significant(ps: &[f64]) -> Vec<bool> {
    let mut order: Vec<usize> = (0..ps.len()).collect();
    order.sort_by(|one, next| ps[*one].total_cmp(&ps[*next]));
    let mut said = vec![false; ps.len()];
    for (rank, index) in order.into_iter().enumerate() {
        if ps[index] * (ps.len() - rank) as f64 >= LEVEL {
            break;
        }
        said[index] = true;
    }
    said
}

/// Medians of blocks.
struct Blocks {
    /// The middle of each, in windows, and its median.
    medians: Vec<(f64, f64)>,
    trend: Trend,
    /// The correlation of neighbours in what they differ from the trend by: a trend makes them alike too.
    alike: f64,
    /// They change by so much more than they differ from it that no likeness makes it.
    outgrown: bool,
}

impl Blocks {
    /// Blocks of so many windows; none where they are too few.
    fn of(points: &[Point], windows: u64) -> Option<Self> {
        let medians = medians(points, windows);
        if medians.len() < BLOCKS_MIN {
            return None;
        }
        let trend = Trend::of(&medians)?;
        let rest = medians.iter().map(|(time, value)| value - trend.slope * time);
        let rest: Vec<f64> = rest.collect();
        let change = trend.slope * (medians.len() as u64 * windows) as f64;
        let outgrown = change.abs() > OUTGROWS * range(&rest);
        Some(Self { alike: correlation(&rest), outgrown, medians, trend })
    }

    /// Whether they are long enough.
    fn tell(&self) -> bool {
        self.alike < ALIKE || self.outgrown
    }
}

/// The middle and the median of each block of so many windows of which more than half are there.
fn medians(points: &[Point], windows: u64) -> Vec<(f64, f64)> {
    let first = points.first().map_or(0, |(first, _)| *first);
    let number = |(window, _): &Point| (window - first) / windows;
    let blocks = points.chunk_by(|one, next| number(one) == number(next));
    let enough = blocks.filter(|block| 2 * block.len() as u64 > windows);
    let middle = |block: &[Point]| {
        let values = block.iter().map(|(_, value)| *value).collect();
        let begin = first + number(&block[0]) * windows;
        (begin as f64 + (windows - 1) as f64 / 2.0, median(values))
    };
    enough.map(middle).collect()
}

/// From the lowest value to the highest.
fn range(values: &[f64]) -> f64 {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max) - low
}

/// Of each value with the next; 0 where they do not vary.
fn correlation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let off = |value: f64| value - mean;
    let squares: f64 = values.iter().map(|value| off(*value).powi(2)).sum();
    let products: f64 = values.windows(2).map(|pair| off(pair[0]) * off(pair[1])).sum();
    // What is left of a straight line is rounding.
    let scale = values.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    let nothing = values.len() as f64 * (scale * 1e-12).powi(2);
    if squares <= nothing { 0.0 } else { products / squares }
}

/// The place whose distance is the least likely without a step.
fn step(blocks: &[(f64, f64)], values: &[f64], length: u64) -> Step {
    let places = BESIDE_STEP..=values.len() - BESIDE_STEP;
    let weighed = places.map(|place| {
        let distance = distance(&values[..place], &values[place..]);
        let weight = (place * (values.len() - place)) as f64 / values.len() as f64;
        (distance * weight.sqrt(), distance, place)
    });
    let best = weighed.reduce(|best, next| if next.0 > best.0 { next } else { best });
    let (_, distance, place) = best.expect("there are blocks on either side of some place");
    Step {
        at: (blocks[place].0 - (length - 1) as f64 / 2.0) as u64,
        distance,
        before: median(values[..place].to_vec()),
        after: median(values[place..].to_vec()),
    }
}

/// The largest difference between the shares of either that are no more than any value.
fn distance(one: &[f64], other: &[f64]) -> f64 {
    let share = |of: &[f64], value: f64| {
        of.iter().filter(|each| **each <= value).count() as f64 / of.len() as f64
    };
    let all = one.iter().chain(other);
    all.map(|value| (share(one, *value) - share(other, *value)).abs()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rough::rough;

    fn series(count: u64, of: impl Fn(u64) -> f64) -> Vec<Point> {
        (0..count).map(|at| (at, of(at))).collect()
    }

    #[test]
    fn a_straight_line_is_a_drift_of_its_slope() {
        let drift = Drift::of(&series(600, |at| 100.0 + 0.5 * at as f64), 1).unwrap();
        assert_eq!((drift.block, drift.blocks, drift.windows), (10, 60, 600));
        assert!((drift.trend.slope - 0.5).abs() < 1e-9 && (drift.change() - 300.0).abs() < 1e-6);
        assert!(drift.is_drift(true, 299.0) && !drift.is_drift(true, 301.0));
        assert!(!drift.is_drift(false, 1.0));
    }

    #[test]
    fn what_varies_and_goes_nowhere_is_none() {
        let drift = Drift::of(&series(300, rough), 1).unwrap();
        assert!(drift.trend.p > LEVEL, "{drift:?}");
    }

    #[test]
    fn what_never_changes_is_none() {
        let drift = Drift::of(&series(30, |_| 5.0), 1).unwrap();
        assert_eq!((drift.trend.p, drift.change(), drift.step.distance), (1.0, 0.0, 0.0));
        assert_eq!(drift.until(9.0), [None; 3]);
    }

    #[test]
    fn few_windows_are_too_short() {
        assert_eq!(Drift::of(&series(11, rough), 1), None);
        assert!(Drift::of(&series(12, |_| 1.0), 1).is_some());
        assert_eq!(
            Drift::of(&series(23, |_| 1.0), 2).map(|drift| drift.blocks),
            Some(12).filter(|_| false)
        );
        assert_eq!(Drift::of(&[], 1), None);
    }

    #[test]
    fn blocks_that_are_alike_become_longer() {
        // Twenty windows up, twenty down: no block shorter than that is by itself.
        let slow = series(640, |at| if at / 20 % 2 == 0 { 1.0 } else { 0.0 } + rough(at));
        let drift = Drift::of(&slow, 1).unwrap();
        assert!(!drift.tells || drift.block >= 20, "{drift:?}");
        let wave = Drift::of(&series(640, |at| (at as f64 / 60.0).sin()), 1).unwrap();
        assert!(!wave.tells && !wave.is_drift(true, 0.0), "{wave:?}");
        assert!(wave.is_told(2.0) && !wave.is_told(1.0), "it is never further off than that");
    }

    #[test]
    fn growth_far_beyond_what_varies_is_a_drift_however_alike_its_blocks_are() {
        let leak = |at: u64| 100.0 * at as f64 + (at as f64 / 60.0).sin() * 500.0;
        let drift = Drift::of(&series(640, leak), 1).unwrap();
        assert!(drift.is_drift(significant(&[drift.trend.p])[0], 1.0), "{drift:?}");
        assert!((drift.trend.slope - 100.0).abs() < 2.0, "{drift:?}");
    }

    #[test]
    fn windows_without_a_value_have_their_time() {
        let mut points = series(240, |at| 3.0 * at as f64);
        points.retain(|(at, _)| !(100..120).contains(at) && at % 7 != 3);
        let drift = Drift::of(&points, 4).unwrap();
        assert!((drift.trend.slope - 3.0).abs() < 0.05, "{drift:?}");
        assert_eq!((drift.block, drift.blocks, drift.windows), (8, 27, 240));
    }

    #[test]
    fn a_step_is_found_where_it_is() {
        let drift = Drift::of(&series(120, |at| if at < 80 { 1.0 } else { 4.0 }), 1);
        // A step is no trend: what is left of its slope makes neighbours alike, or it is found beside.
        let step = drift.map_or(80, |drift| drift.step.at);
        assert_eq!(step, 80);
        let blocks = medians(&series(120, |at| if at < 80 { 1.0 } else { 4.0 }), 1);
        let values: Vec<f64> = blocks.iter().map(|(_, value)| *value).collect();
        let found = super::step(&blocks, &values, 1);
        assert_eq!(found, Step { at: 80, distance: 1.0, before: 1.0, after: 4.0 });
    }

    #[test]
    fn the_time_to_a_limit_has_both_ends() {
        let drift = Drift::of(&series(240, |at| 10.0 + at as f64 + rough(at)), 2).unwrap();
        let [at, soonest, latest] = drift.until(1250.0).map(Option::unwrap);
        assert!(soonest <= at && at <= latest && (at - 1000.0).abs() < 10.0, "{drift:?}");
        assert_eq!(drift.until(0.0), [None; 3], "it goes the other way");
        let falls = Drift::of(&series(240, |at| 500.0 - at as f64), 2).unwrap();
        assert!(falls.until(0.0)[0].is_some_and(|at| (at - 260.0).abs() < 5.0), "{falls:?}");
    }

    #[test]
    fn the_more_is_tested_the_less_is_said() {
        assert_eq!(significant(&[0.004, 0.2, 0.0001]), [true, false, true]);
        assert_eq!(significant(&[0.006, 0.006]), [false, false]);
        assert_eq!(significant(&[0.006]), [true]);
        assert_eq!(significant(&[]), [false; 0]);
    }
}
