//! One goal's way through the loads: of several reasons to try a load, the first that holds.

use super::grid::{Known, apart, middle};
use super::target::{Record, Target};

/// By how much an interval grows where its end was on the wrong side.
const EXPANSION: i64 = 2;

/// A load that a goal wants tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    pub number: i64,
    pub seconds: f64,
    width: i64,
    /// The goal.
    goal: usize,
    reason: Reason,
}

impl Candidate {
    /// Lower loads first, then longer trials, then what narrows least; of equal ones the later goal's,
    /// unless the earlier one's is at least as wide.
    pub fn or(self, other: Option<Self>) -> Self {
        let first = |other: &Self| {
            if other.number != self.number {
                other.number < self.number
            } else if other.seconds != self.seconds {
                other.seconds > self.seconds
            } else {
                other.width >= self.width
            }
        };
        other.filter(first).unwrap_or(self)
    }

    /// Whose it is.
    pub fn goal(&self) -> usize {
        self.goal
    }

    /// The width of the next step of all goals, once this one was chosen.
    pub fn width(&self) -> i64 {
        self.width
    }
}

/// Why a load is tried, and what it says of the width of the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Settled,
    /// No upper bound: up.
    Up,
    /// No lower bound: down.
    Down,
    /// From an upper bound down, within the bounds.
    Lowered,
    /// From a lower bound up, within the bounds.
    Raised,
}

/// The state of a goal.
#[derive(Clone, Debug)]
pub(super) struct Pursuit {
    goal: usize,
    /// Indices of its targets in the record; those before the first are reached.
    targets: Vec<usize>,
    current: usize,
    /// What was known when the current target became it.
    initial: Known,
    next_width: i64,
    last: i64,
}

impl Pursuit {
    /// `targets`: where in `record` those of `goal` are, the coarsest first.
    pub fn new(
        goal: usize,
        targets: Vec<usize>,
        initial: Known,
        record: &Record,
        last: i64,
    ) -> Self {
        let mut made = Self { goal, targets, current: 0, initial, next_width: 0, last };
        made.begin(record);
        made
    }

    fn begin(&mut self, record: &Record) {
        let width = record.targets[self.targets[self.current]].width;
        let apart = match self.initial {
            Known { low: Some(low), high: Some(high) } => high - low,
            _ => 0,
        };
        self.limit(width.max(apart), width);
    }

    fn limit(&mut self, width: i64, at_least: i64) {
        self.next_width = self.widened(width.max(at_least));
    }

    fn widened(&self, width: i64) -> i64 {
        (width * EXPANSION).min(self.last)
    }

    /// What to try next for this goal; none once it is reached. `global`: the width of the last step of
    /// all goals.
    pub fn nominate(&mut self, record: &Record, global: i64) -> Option<Candidate> {
        loop {
            let index = self.targets[self.current];
            let (target, known) = (record.targets[index], record.known(index));
            let found = self
                .halved(&target, known)
                .or_else(|| self.refined(self.initial.low, &target, known))
                .or_else(|| self.refined(self.initial.high, &target, known))
                .or_else(|| self.extended(&target, known, global))
                .or_else(|| self.bisected(&target, known, global));
            if let Some((number, width, reason)) = found {
                let seconds = target.trial_seconds;
                return Some(Candidate { number, seconds, width, goal: self.goal, reason });
            }
            let unknown = known == Known::default();
            if unknown || self.current + 1 == self.targets.len() {
                return None;
            }
            self.current += 1;
            self.initial = known;
            self.begin(record);
        }
    }

    /// Takes note that its candidate was tried; the width of the next step of all, where that changes.
    pub fn tried(&mut self, candidate: &Candidate, record: &Record) -> Option<i64> {
        let known = record.known(self.targets[self.current]);
        let number = Some(candidate.number);
        let missed = match candidate.reason {
            Reason::Settled => false,
            Reason::Up | Reason::Raised => known.low == number,
            Reason::Down | Reason::Lowered => known.high == number,
        };
        if missed {
            self.next_width = self.widened(self.next_width);
        }
        missed.then_some(self.next_width)
    }

    /// Both bounds of the target before, up to two widths apart: their middle.
    fn halved(&mut self, target: &Target, known: Known) -> Option<(i64, i64, Reason)> {
        let (low, high) = (self.initial.low?, self.initial.high?);
        if high - low > 2 * target.width || high - low <= target.width {
            return None;
        }
        let number = middle(low, high, target.width);
        worth(number, target, known)?;
        self.limit(target.width, target.width);
        Some((number, target.width, Reason::Settled))
    }

    /// A bound of the target before, to be one of this target's.
    fn refined(
        &mut self,
        number: Option<i64>,
        target: &Target,
        known: Known,
    ) -> Option<(i64, i64, Reason)> {
        let number = worth(number?, target, known)?;
        self.limit(target.width, target.width);
        Some((number, target.width, Reason::Settled))
    }

    /// Where a bound is missing: further out.
    fn extended(&self, target: &Target, known: Known, global: i64) -> Option<(i64, i64, Reason)> {
        let width = global.max(self.next_width);
        let (wanted, reason) = match known {
            Known { low: Some(low), high: None } if low < self.last => (low + width, Reason::Up),
            Known { low: None, high: Some(high) } if high > 0 => (high - width, Reason::Down),
            _ => return None,
        };
        let number = apart(self.last, wanted, target.width, known)?;
        worth(number, target, known)?;
        Some((number, width, reason))
    }

    /// Between both bounds: the middle, or nearer to a bound that was found on the wrong side.
    fn bisected(
        &mut self,
        target: &Target,
        known: Known,
        global: i64,
    ) -> Option<(i64, i64, Reason)> {
        let (low, high) = (known.low?, known.high?);
        if low >= self.last || high <= 0 || high - low <= target.width {
            return None;
        }
        let half = middle(low, high, target.width);
        let width = global.max(self.next_width);
        let near = |wanted| apart(self.last, wanted, target.width, known);
        let lowered = || {
            let initial = self.initial.high.filter(|&initial| half < initial)?;
            near(high - width).filter(|&number| half < number && number < initial)
        };
        let raised = || {
            let initial = self.initial.low.filter(|&initial| initial < half)?;
            near(low + width).filter(|&number| initial < number && number < half)
        };
        if let Some(number) = lowered() {
            return Some((number, width, Reason::Lowered));
        }
        if let Some(number) = raised() {
            return Some((number, width, Reason::Raised));
        }
        worth(half, target, known)?;
        let narrow = (half - low).min(high - half);
        self.limit(narrow, target.width);
        Some((half, narrow, Reason::Settled))
    }
}

/// The load, where trying it can make a bound or a better one.
fn worth(number: i64, target: &Target, known: Known) -> Option<i64> {
    let narrow = match known {
        Known { low: Some(low), high: Some(high) } => high - low <= target.width,
        _ => false,
    };
    let below = known.low.is_some_and(|low| low >= number);
    let above = known.high.is_some_and(|high| high <= number);
    (!narrow && !below && !above).then_some(number)
}
