//! The loads that a search may try, numbered from the lowest.
//!
//! A search compares numbers of loads, never loads: so no two of its loads are nearly the same, and
//! halves are exact.

/// A width is so much of itself less that a rounded one is never wider than what was asked for.
const QUALITY: (f64, f64) = (0.99, 0.999_999);

/// Loads from the lowest to the highest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    lowest: f64,
    highest: f64,
    last: i64,
    even: bool,
}

impl Grid {
    /// Loads of which each is as many times the one before, so fine that each of the relative `widths`
    /// is nearly a whole number of them. None unless 0 < `lowest` < `highest` and each width is between
    /// 0 and 1.
    pub fn ratios(lowest: f64, highest: f64, widths: &[f64]) -> Option<Self> {
        let bounds = 0.0 < lowest && lowest < highest && highest.is_finite();
        if !bounds || !widths.iter().all(|&width| 0.0 < width && width < 1.0) {
            return None;
        }
        let whole = highest.ln() - lowest.ln();
        let widths: Vec<f64> = widths.iter().map(|width| -(-width).ln_1p()).collect();
        let mut last = 1_i64;
        while let Some(next) = finer(last, whole, &widths) {
            last = next;
        }
        Some(Self { lowest, highest, last, even: false })
    }

    /// Whole numbers. None unless 0 < `lowest` < `highest`.
    pub fn whole(lowest: u32, highest: u32) -> Option<Self> {
        let last = i64::from(highest) - i64::from(lowest);
        let (lowest, highest) = (f64::from(lowest), f64::from(highest));
        (lowest > 0.0 && last > 0).then_some(Self { lowest, highest, last, even: true })
    }

    /// The number of the highest.
    pub fn last(&self) -> i64 {
        self.last
    }

    /// The load of this number; those beyond an end are that end.
    pub fn load(&self, number: i64) -> f64 {
        if number <= 0 {
            self.lowest
        } else if number >= self.last {
            self.highest
        } else if self.even {
            self.lowest + number as f64
        } else {
            let share = number as f64 / self.last as f64;
            self.lowest * ((self.highest.ln() - self.lowest.ln()) * share).exp()
        }
    }

    /// The number of the highest load that is not above `load`, or of the lowest.
    pub fn number(&self, load: f64) -> i64 {
        let share = if self.even {
            (load - self.lowest) / (self.highest - self.lowest)
        } else {
            (load.ln() - self.lowest.ln()) / (self.highest.ln() - self.lowest.ln())
        };
        // What is no number is the lowest; one too many or too few comes of rounding.
        let near = ((share * self.last as f64) as i64).clamp(0, self.last);
        let fits = |&number: &i64| number <= self.last && self.load(number) <= load;
        [near + 1, near, near - 1].into_iter().find(fits).unwrap_or(0).max(0)
    }

    /// How many loads a relative width is at most, and 1 at least; of whole numbers it is always 1.
    pub fn width(&self, relative: f64) -> i64 {
        if self.even { 1 } else { self.number(self.lowest / (1.0 - relative)).max(1) }
    }
}

/// Into how many parts to cut instead of `last`; none where each width is whole enough.
fn finer(last: i64, whole: f64, widths: &[f64]) -> Option<i64> {
    let mut next: Option<f64> = None;
    for width in widths {
        let units = width / (whole / last as f64);
        let quality = units.floor() / units;
        if !(QUALITY.0..=QUALITY.1).contains(&quality) {
            let better = (units.floor() + 1.0) / QUALITY.1 / units * last as f64;
            next = Some(next.unwrap_or(last as f64 + 1.0).max(better));
        }
    }
    next.map(|next| next.ceil() as i64)
}

/// The middle of `low` to `high` for a search that wants intervals of `goal`: a number of goals to one
/// side that is a power of two, so that later halves come out even.
///
/// # Panics
/// Unless they are more than a goal apart.
pub(super) fn middle(low: i64, high: i64, goal: i64) -> i64 {
    let width = high - low;
    assert!(width > goal, "{low} to {high} is narrow enough for {goal}");
    if width == 2 * goal {
        return low + goal;
    }
    if width < 2 * goal {
        return if goal % 2 == 0 { middle(low, high, goal / 2) } else { low + width / 2 };
    }
    let (mut upper, mut lower) = (goal, width - goal);
    loop {
        let (upper2, lower2) = (upper * 2, width - upper * 2);
        if lower2 <= upper2 {
            // Which of both is more even.
            return low + if upper * lower > upper2 * lower2 { upper } else { lower2 };
        }
        (upper, lower) = (upper2, lower2);
    }
}

/// What is known below and above of a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// The number of the relevant lower bound.
    pub low: Option<i64>,
    /// The number of the relevant upper bound.
    pub high: Option<i64>,
}

/// A load near `wanted` that is at least a `width` from what is known and from the ends, where it is not
/// an end itself; none where there is nothing left to try.
pub(super) fn apart(last: i64, wanted: i64, width: i64, known: Known) -> Option<i64> {
    let wanted = wanted.clamp(0, last);
    match known {
        Known { low: None, high: Some(high) } if high <= 0 || wanted >= high => return None,
        Known { low: Some(low), high: None } if low >= last || wanted <= low => return None,
        Known { low: Some(low), high: Some(high) } if wanted <= low || wanted >= high => {
            return None;
        }
        _ => {}
    }
    let (low, high) = (known.low.unwrap_or(0), known.high.unwrap_or(last));
    if width >= high - low {
        return match known {
            Known { low: None, .. } => Some(low),
            Known { high: None, .. } => Some(high),
            _ => None,
        };
    }
    let (mut soft_low, mut soft_high) = (low + width, high - width);
    if soft_low > soft_high {
        soft_low = middle(low, high, width);
        soft_high = soft_low;
    }
    Some(if wanted < soft_low {
        if known.low.is_some() { soft_low } else { low }
    } else if wanted > soft_high {
        if known.high.is_some() { soft_high } else { high }
    } else {
        wanted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_has_the_number_that_it_is_the_load_of() {
        let grids = [
            Grid::ratios(200.0, 60_000.0, &[0.01]).unwrap(),
            Grid::ratios(1.0, 1e9, &[0.005, 0.02]).unwrap(),
            Grid::whole(1, 20_000).unwrap(),
        ];
        for grid in grids {
            for number in 0..=grid.last() {
                let load = grid.load(number);
                assert_eq!(grid.number(load), number, "{grid:?}");
                assert_eq!(grid.number(load.next_down()), (number - 1).max(0));
            }
            assert_eq!(grid.number(f64::NAN), 0);
            assert_eq!(grid.number(f64::INFINITY), grid.last());
            assert_eq!(grid.number(0.0), 0);
        }
    }

    #[test]
    fn a_width_is_never_wider_than_was_asked_for() {
        for relative in [0.001, 0.005, 0.01, 0.1, 0.5] {
            let grid = Grid::ratios(10.0, 5_000.0, &[relative]).unwrap();
            let found = 1.0 - grid.load(0) / grid.load(grid.width(relative));
            assert!(found <= relative && found > 0.98 * relative, "{relative}: {found}");
        }
    }

    #[test]
    fn what_is_no_range_is_none() {
        for (low, high) in [(0.0, 1.0), (-1.0, 1.0), (2.0, 2.0), (3.0, 2.0), (1.0, f64::INFINITY)] {
            assert_eq!(Grid::ratios(low, high, &[0.01]), None);
        }
        assert_eq!(Grid::ratios(1.0, f64::NAN, &[0.01]), None);
        assert_eq!(Grid::ratios(1.0, 2.0, &[1.0]), None);
        assert_eq!(Grid::whole(5, 5), None);
        assert_eq!(Grid::whole(0, 5), None);
    }

    #[test]
    fn a_middle_lies_between_and_is_as_even_as_goals_allow() {
        for goal in 1..20 {
            for width in goal + 1..200 {
                let middle = middle(7, 7 + width, goal);
                assert!(7 < middle && middle < 7 + width, "{goal} {width}: {middle}");
            }
        }
        assert_eq!(middle(0, 8, 1), 4);
        assert_eq!(middle(0, 12, 2), 4);
    }
}
