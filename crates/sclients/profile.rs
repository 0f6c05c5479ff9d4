//! A rate over time as a value, and when each of its arrivals is due: exact integers, nothing accumulated.
//!
//! With H(t) the arrivals that the profile asks for up to t, arrival n (from 0) is due at the last
//! nanosecond t at which H(t) ≤ n: at a constant rate ⌊n·10⁹·den/num⌋, the first at 0. An arrival on
//! the edge of a pause belongs to what follows the pause. Positions between arrivals, for what is
//! drawn, are counted in parts of a [`TICK`].
//!
//! Pure: no clock, no randomness, no text. Start at [`Profile`]; the grammar of `--rate` is in `config`.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::time::Duration;
use thiserror::Error;

/// The most segments of a profile.
pub const SEGMENTS_MAX: usize = 1_024;
/// The fastest rate, per second, inclusive.
pub const RATE_MAX: u64 = 100_000_000;
/// The slowest rate is one in so many seconds, inclusive. Rates are multiples of it or fractions whose
/// common denominator is no larger, which is what keeps every sum below within 128 bits.
pub const SECONDS_MAX: u64 = 1_000_000;
/// The longest sum of all segments, inclusive.
pub const LENGTH_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// One arrival, as a position: position `n * TICK` is arrival n.
pub const TICK: u128 = 1 << TICK_BITS;

const TICK_BITS: u32 = 24;
const NANOS: u128 = 1_000_000_000;
/// More than a float's guess at a nanosecond of a ramp is wrong, as a part of the guess: 2⁻⁴⁸.
const GUESS_ERROR_MAX: f64 = 1.0 / (1u64 << 48) as f64;

/// So many in so many seconds, in lowest terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(u64, u64)", into = "(u64, u64)")]
pub struct Rate {
    num: u64,
    den: u64,
}

impl Rate {
    /// None at all.
    pub const ZERO: Self = Self { num: 0, den: 1 };

    /// `num` per `den` seconds; none where `den` is 0.
    pub const fn new(num: u64, den: u64) -> Option<Self> {
        if den == 0 {
            return None;
        }
        let by = common_divisor(num, den);
        Some(Self { num: num / by, den: den / by })
    }

    /// `num` per second.
    pub const fn per_second(num: u64) -> Self {
        Self { num, den: 1 }
    }

    /// How many.
    pub const fn num(self) -> u64 {
        self.num
    }

    /// In so many seconds; never 0.
    pub const fn den(self) -> u64 {
        self.den
    }

    /// Whether it is none at all.
    pub const fn is_zero(self) -> bool {
        self.num == 0
    }

    /// Per second, as near as a float comes.
    pub fn as_f64(self) -> f64 {
        self.num as f64 / self.den as f64
    }
}

impl TryFrom<(u64, u64)> for Rate {
    type Error = &'static str;

    fn try_from((num, den): (u64, u64)) -> Result<Self, Self::Error> {
        Self::new(num, den).ok_or("a rate in no time")
    }
}

impl From<Rate> for (u64, u64) {
    fn from(rate: Rate) -> Self {
        (rate.num, rate.den)
    }
}

impl Ord for Rate {
    fn cmp(&self, other: &Self) -> Ordering {
        let cross = |a: u64, b: u64| u128::from(a) * u128::from(b);
        cross(self.num, other.den).cmp(&cross(other.num, self.den))
    }
}

impl PartialOrd for Rate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

const fn common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// A rate that goes evenly from one value to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// At its beginning.
    pub from: Rate,
    /// At its end.
    pub to: Rate,
    /// Its length; 0 only for a constant last one, which has no end.
    pub nanos: u64,
}

/// How arrivals lie about the profile's rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Arrivals {
    /// Arrival n at position n.
    #[default]
    Constant,
    /// Independent of each other: exponential gaps.
    Poisson,
    /// Arrival n anywhere between positions n − ½ and n + ½, but not before the start.
    Jitter,
}

impl Arrivals {
    /// The name on the command line and in reports; stable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Poisson => "poisson",
            Self::Jitter => "jitter",
        }
    }
}

/// Why segments make no profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProfileError {
    /// No segment, or too many.
    #[error("{0} segments are not from 1 to {SEGMENTS_MAX}")]
    Segments(usize),
    /// A segment without length that is not a constant last one.
    #[error("segment {0} has no length")]
    NoLength(usize),
    /// Longer than [`LENGTH_MAX`] in sum.
    #[error("the segments are longer than 30 days")]
    TooLong,
    /// A rate out of bounds.
    #[error("{} per {} s is not from 1 per {SECONDS_MAX} s to {RATE_MAX} per s", .0.num, .0.den)]
    Rate(Rate),
    /// Rates whose common denominator is too large.
    #[error("the rates have no common denominator up to {SECONDS_MAX}")]
    Denominator,
    /// Nothing is ever due.
    #[error("every rate is 0")]
    Silent,
}

/// Rates one after another, the last of which holds on for ever.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Vec<Segment>", into = "Vec<Segment>")]
pub struct Profile {
    segments: Vec<Segment>,
    pieces: Vec<Piece>,
    /// The fine units of a whole arrival, before the bits of [`TICK`]: 2·10⁹·(common denominator).
    units: u128,
}

/// Profiles are equal where their segments are.
impl PartialEq for Profile {
    fn eq(&self, other: &Self) -> bool {
        self.segments == other.segments
    }
}

impl Eq for Profile {}

impl TryFrom<Vec<Segment>> for Profile {
    type Error = ProfileError;

    fn try_from(segments: Vec<Segment>) -> Result<Self, ProfileError> {
        Self::new(segments)
    }
}

impl From<Profile> for Vec<Segment> {
    fn from(profile: Profile) -> Self {
        profile.segments
    }
}

impl Profile {
    /// The profile of `segments` in order.
    ///
    /// # Errors
    /// They are out of bounds, or never send.
    pub fn new(segments: Vec<Segment>) -> Result<Self, ProfileError> {
        if !(1..=SEGMENTS_MAX).contains(&segments.len()) {
            return Err(ProfileError::Segments(segments.len()));
        }
        check_lengths(&segments)?;
        let den = common_denominator(&segments)?;
        let mut pieces: Vec<Piece> = Vec::with_capacity(segments.len() + 1);
        let (mut begin, mut low) = (0, 0);
        for segment in segments.iter().filter(|segment| segment.nanos > 0) {
            let piece = Piece::new(begin, low, segment, den);
            (begin, low) = (begin + segment.nanos, piece.high);
            pieces.push(piece);
        }
        let last = segments[segments.len() - 1].to;
        if low == 0 && last.is_zero() {
            return Err(ProfileError::Silent);
        }
        pieces.push(Piece::endless(begin, low, last, den));
        Ok(Self { segments, pieces, units: 2 * NANOS * u128::from(den) })
    }

    /// One rate without end.
    ///
    /// # Errors
    /// It is 0 or out of bounds.
    pub fn constant(rate: Rate) -> Result<Self, ProfileError> {
        Self::new(vec![Segment { from: rate, to: rate, nanos: 0 }])
    }

    /// So many per second without end.
    ///
    /// # Panics
    /// If that is out of the bounds that configuration holds it to.
    pub fn even(rate_per_s: u64) -> Self {
        let profile = Self::constant(Rate::per_second(rate_per_s));
        profile.expect("a rate out of bounds is refused before")
    }

    /// The segments, as given.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The length of all segments; zero where the only one has none.
    pub fn length(&self) -> Duration {
        Duration::from_nanos(self.segments.iter().map(|segment| segment.nanos).sum())
    }

    /// The fastest rate at any time.
    pub fn max_rate(&self) -> Rate {
        self.rates().max().expect("a profile has segments")
    }

    /// The slowest rate at any time; it may be 0.
    pub fn min_rate(&self) -> Rate {
        self.rates().min().expect("a profile has segments")
    }

    /// Whether the rate is always the same.
    pub fn is_constant(&self) -> bool {
        self.max_rate() == self.min_rate()
    }

    fn rates(&self) -> impl Iterator<Item = Rate> {
        self.segments.iter().flat_map(|segment| [segment.from, segment.to])
    }

    /// When arrival `number` is due, in nanoseconds from the start; none is never.
    pub fn arrival(&self, number: u64) -> Option<u128> {
        self.nanos_at(u128::from(number) << TICK_BITS, &mut 0)
    }

    /// When `position` is reached: the last nanosecond at which it is not passed; none is never. The
    /// search begins at `hint`, the answer to an earlier position or 0, and leaves its own there:
    /// positions in order cost no search.
    pub fn nanos_at(&self, position: u128, hint: &mut usize) -> Option<u128> {
        let height = position.checked_mul(self.units)?;
        while height >= self.pieces[*hint].high {
            *hint += 1;
            if *hint == self.pieces.len() {
                *hint -= 1;
                return None;
            }
        }
        self.pieces[*hint].nanos_at(height)
    }

    /// How many arrivals are due before `nanos` from the start: as many as [`Self::arrival`] says.
    pub fn count_before(&self, nanos: u64) -> u64 {
        let (height, beyond) = self.height(nanos);
        let arrival = self.units << TICK_BITS;
        let begun = u128::from(beyond || !height.is_multiple_of(arrival));
        u64::try_from(height / arrival + begun).unwrap_or(u64::MAX)
    }

    /// How many of those are worker `index`'s, which takes every `workers`-th from its own.
    pub fn count_of(&self, index: u32, workers: u32, nanos: u64) -> u64 {
        let others = self.count_before(nanos).saturating_sub(u64::from(index));
        others.div_ceil(u64::from(workers.max(1)))
    }

    /// The position that is reached at `nanos` from the start, rounded down: the profile's own time, in
    /// which its arrivals are even.
    pub fn position(&self, nanos: u64) -> u128 {
        self.height(nanos).0 / self.units
    }

    /// H at `nanos`, rounded down, and whether it was rounded.
    fn height(&self, nanos: u64) -> (u128, bool) {
        let after = self.pieces.partition_point(|piece| piece.begin <= nanos);
        let piece = &self.pieces[after - 1];
        piece.height(nanos - piece.begin)
    }
}

fn check_lengths(segments: &[Segment]) -> Result<(), ProfileError> {
    let mut sum = Duration::ZERO;
    for (index, segment) in segments.iter().enumerate() {
        let endless = index + 1 == segments.len() && segment.from == segment.to;
        if segment.nanos == 0 && !endless {
            return Err(ProfileError::NoLength(index));
        }
        sum += Duration::from_nanos(segment.nanos);
    }
    if sum > LENGTH_MAX { Err(ProfileError::TooLong) } else { Ok(()) }
}

fn common_denominator(segments: &[Segment]) -> Result<u64, ProfileError> {
    let mut common = 1;
    for rate in segments.iter().flat_map(|segment| [segment.from, segment.to]) {
        let slowest = Rate { num: 1, den: SECONDS_MAX };
        let fits = rate.is_zero() || (slowest..=Rate::per_second(RATE_MAX)).contains(&rate);
        if !fits {
            return Err(ProfileError::Rate(rate));
        }
        let factor = rate.den / common_divisor(rate.den, common);
        let larger = factor.checked_mul(common).filter(|den| *den <= SECONDS_MAX);
        common = larger.ok_or(ProfileError::Denominator)?;
    }
    Ok(common)
}

/// A segment as the arithmetic wants it. Heights are H in units of 1 / (2·10⁹·den·TICK) arrivals, in
/// which an even slope makes whole numbers: at most 2¹²³ within 30 days at the fastest rate.
///
/// A ramp is counted from its slower end, x nanoseconds away, where the square root loses no digits:
/// the height between is `(2·slow·x + rise·x²/nanos)·TICK`.
#[derive(Clone, Debug)]
struct Piece {
    begin: u64,
    nanos: u64,
    low: u128,
    high: u128,
    slow: u64,
    rise: u64,
    falling: bool,
}

impl Piece {
    fn new(begin: u64, low: u128, segment: &Segment, den: u64) -> Self {
        let scaled = |rate: Rate| rate.num * (den / rate.den);
        let (from, to) = (scaled(segment.from), scaled(segment.to));
        let area = (u128::from(from) + u128::from(to)) * u128::from(segment.nanos);
        Self {
            begin,
            nanos: segment.nanos,
            low,
            high: low + (area << TICK_BITS),
            slow: from.min(to),
            rise: from.abs_diff(to),
            falling: to < from,
        }
    }

    fn endless(begin: u64, low: u128, rate: Rate, den: u64) -> Self {
        let slow = rate.num * (den / rate.den);
        let high = if slow == 0 { low } else { u128::MAX };
        Self { begin, nanos: u64::MAX, low, high, slow, rise: 0, falling: false }
    }

    /// When `height` is reached, which is within this piece.
    fn nanos_at(&self, height: u128) -> Option<u128> {
        let within = if self.rise == 0 {
            height.checked_sub(self.low)? / (u128::from(self.slow) << (TICK_BITS + 1))
        } else if self.falling {
            let left = self.high - height;
            u128::from(self.nanos - 1 - self.last(left, |x| self.between(x).0 < left))
        } else {
            let gone = height.checked_sub(self.low)?;
            u128::from(self.last(gone, |x| self.at_most(x, gone)))
        };
        Some(u128::from(self.begin) + within)
    }

    fn at_most(&self, x: u64, height: u128) -> bool {
        let (between, beyond) = self.between(x);
        between < height || (between == height && !beyond)
    }

    /// The last x up to the end for which `holds`, which it does at 0, and which is about where a float
    /// puts `height`: there, where that is clearly between two nanoseconds, else a few of them away.
    fn last(&self, height: u128, holds: impl Fn(u64) -> bool) -> u64 {
        let (slow, rise, nanos) = (self.slow as f64, self.rise as f64, self.nanos as f64);
        let units = height as f64 / TICK as f64;
        let guess = units / (slow + (slow * slow + rise * units / nanos).sqrt());
        let mut x = (guess as u64).min(self.nanos);
        // Every sum is of positive terms: its six roundings are less than 2⁻⁵⁰ of the guess.
        let (doubt, part) = (guess * GUESS_ERROR_MAX, guess - x as f64);
        if doubt < part && part < 1.0 - doubt {
            return x;
        }
        while x > 0 && !holds(x) {
            x -= 1;
        }
        while x < self.nanos && holds(x + 1) {
            x += 1;
        }
        x
    }

    /// The height between the slower end and x nanoseconds away, rounded down, and whether it was rounded.
    fn between(&self, x: u64) -> (u128, bool) {
        let (nanos, rise, away) = (u128::from(self.nanos), u128::from(self.rise), u128::from(x));
        let even = 2 * u128::from(self.slow);
        if rise == 0 {
            return (even.saturating_mul(away << TICK_BITS), false);
        }
        let square = away * away;
        let rest = rise * (square % nanos);
        let whole = even * away + rise * (square / nanos) + rest / nanos;
        let part = (rest % nanos) << TICK_BITS;
        ((whole << TICK_BITS) + part / nanos, !part.is_multiple_of(nanos))
    }

    /// H so many nanoseconds into this piece, rounded down, and whether it was rounded.
    fn height(&self, within: u64) -> (u128, bool) {
        if self.falling {
            let (left, beyond) = self.between(self.nanos - within);
            (self.high - left - u128::from(beyond), beyond)
        } else {
            let (gone, beyond) = self.between(within);
            (self.low.saturating_add(gone), beyond)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn per_s(num: u64) -> Rate {
        Rate::per_second(num)
    }

    fn ramp(from: u64, to: u64, seconds: u64) -> Segment {
        Segment { from: per_s(from), to: per_s(to), nanos: seconds * S }
    }

    fn profile(segments: &[Segment]) -> Profile {
        Profile::new(segments.to_vec()).unwrap()
    }

    fn steady(num: u64, den: u64) -> Profile {
        Profile::constant(Rate::new(num, den).unwrap()).unwrap()
    }

    #[test]
    fn a_constant_rate_is_exact_after_a_million_million_arrivals() {
        for (num, den) in [(1, 3), (300_000, 1), (700_001, 1), (1, 1_000_000), (RATE_MAX, 1)] {
            let profile = steady(num, den);
            for n in [0, 1, 2, 3, 999_999_999_999, 1_000_000_000_000] {
                let exact = u128::from(n) * NANOS * u128::from(den) / u128::from(num);
                assert_eq!(profile.arrival(n), Some(exact), "arrival {n} of {num} per {den} s");
            }
        }
    }

    #[test]
    fn a_ramp_from_nothing_is_the_square_root() {
        let up = profile(&[ramp(0, 100, 10)]);
        for (n, nanos) in [(0, 0), (1, 447_213_595), (125, 5 * S), (500, 10 * S), (600, 11 * S)] {
            assert_eq!(up.arrival(n), Some(nanos.into()), "arrival {n}");
        }
        let down = profile(&[ramp(100, 0, 10)]);
        for (n, nanos) in
            [(0, Some(0)), (375, Some(5 * S)), (499, Some(9_552_786_404)), (500, None)]
        {
            assert_eq!(down.arrival(n), nanos.map(u128::from), "arrival {n}");
        }
    }

    #[test]
    fn an_arrival_on_the_edge_of_a_pause_follows_it() {
        let paused = profile(&[ramp(100, 100, 1), ramp(0, 0, 1), ramp(50, 50, 1)]);
        assert_eq!(paused.arrival(99), Some(990_000_000));
        assert_eq!(paused.arrival(100), Some(u128::from(2 * S)));
        assert_eq!(paused.count_before(2 * S), 100);
        let begun = profile(&[ramp(0, 0, 1), ramp(100, 100, 1)]);
        assert_eq!(begun.arrival(0), Some(S.into()));
    }

    /// Every shape, with edges on whole arrivals and between them.
    fn shapes() -> Vec<Profile> {
        let half = Rate::new(1, 2).unwrap();
        vec![
            steady(700, 1),
            steady(1, 3),
            profile(&[ramp(0, 100, 10)]),
            profile(&[ramp(100, 0, 10), ramp(0, 0, 2), ramp(3, 7, 3)]),
            profile(&[ramp(1000, 50_000, 3), ramp(50_000, 1_000, 7)]),
            profile(&[Segment { from: half, to: half, nanos: 3 * S }, ramp(7, 3, 2)]),
            profile(&[ramp(0, 1, 86_400), ramp(1, 0, 86_400)]),
        ]
    }

    #[test]
    fn arrivals_and_their_count_agree_to_the_nanosecond() {
        for profile in shapes() {
            let mut hint = 0;
            for n in 0..30_000 {
                let due = profile.arrival(n);
                assert_eq!(profile.nanos_at(u128::from(n) * TICK, &mut hint), due);
                let Some(due) = due else { break };
                let due = due as u64;
                assert!(profile.count_before(due) <= n, "{profile:?}: arrival {n}");
                assert!(profile.count_before(due + 1) > n, "{profile:?}: arrival {n}");
            }
        }
    }

    #[test]
    fn no_arrival_comes_before_an_earlier_one() {
        for profile in shapes() {
            let mut hint = 0;
            let positions = (0..100_000).map(|part| part * TICK / 7);
            let dues: Vec<_> =
                positions.map_while(|position| profile.nanos_at(position, &mut hint)).collect();
            assert!(dues.is_sorted() && dues.len() > 100);
        }
    }

    #[test]
    fn thirty_days_at_the_fastest_rate_overflow_nothing() {
        const DAYS: u64 = 30 * 24 * 60 * 60;
        let slowest = Rate::new(1, SECONDS_MAX).unwrap();
        let up = Segment { from: slowest, to: per_s(RATE_MAX), nanos: DAYS * S };
        let down = Segment { from: up.to, to: up.from, ..up };
        for segment in [up, down] {
            let profile = profile(&[segment]);
            let count = profile.count_before(DAYS * S);
            let all = DAYS * RATE_MAX / 2;
            assert!((all..all + 3).contains(&count), "{count}");
            for n in [1, 2, all / 3, all / 2, count - 2, count - 1] {
                let due = profile.arrival(n).unwrap() as u64;
                assert!(profile.count_before(due) <= n && profile.count_before(due + 1) > n);
            }
        }
        let steady = profile(&[ramp(RATE_MAX, RATE_MAX, DAYS)]);
        assert_eq!(steady.arrival(DAYS * RATE_MAX), Some(u128::from(DAYS * S)));
        assert_eq!(steady.count_before(DAYS * S), DAYS * RATE_MAX);
    }

    #[test]
    fn positions_are_the_time_of_the_profile() {
        let up = profile(&[ramp(0, 100, 10)]);
        assert_eq!(up.position(5 * S), 125 * TICK);
        assert_eq!(up.position(0), 0);
        assert_eq!(up.nanos_at(125 * TICK + TICK / 2, &mut 0), Some(5_009_990_019));
    }

    #[test]
    fn a_profile_knows_its_bounds() {
        let up = profile(&[ramp(0, 100, 10), ramp(20, 20, 5)]);
        assert_eq!(up.length(), Duration::from_secs(15));
        assert_eq!((up.min_rate(), up.max_rate()), (Rate::ZERO, per_s(100)));
        assert!(!up.is_constant() && steady(1, 3).is_constant());
        assert_eq!(steady(1, 3).length(), Duration::ZERO);
        assert_eq!(Rate::new(2, 4), Rate::new(1, 2));
        assert_eq!(Rate::new(1, 0), None);
    }

    #[test]
    fn what_is_out_of_bounds_makes_no_profile() {
        let rate = |num, den| Rate::new(num, den).unwrap();
        let constant = |rate| Profile::constant(rate).unwrap_err();
        assert_eq!(constant(Rate::ZERO), ProfileError::Silent);
        for rate in [per_s(RATE_MAX + 1), rate(1, SECONDS_MAX + 1), per_s(u64::MAX)] {
            assert_eq!(constant(rate), ProfileError::Rate(rate));
        }
        let new = |segments: &[Segment]| Profile::new(segments.to_vec()).unwrap_err();
        assert_eq!(new(&[]), ProfileError::Segments(0));
        assert_eq!(
            new(&[ramp(1, 2, 1); SEGMENTS_MAX + 1]),
            ProfileError::Segments(SEGMENTS_MAX + 1)
        );
        assert_eq!(new(&[ramp(1, 1, 1), ramp(1, 2, 0)]), ProfileError::NoLength(1));
        assert_eq!(new(&[ramp(1, 1, 0), ramp(1, 2, 1)]), ProfileError::NoLength(0));
        assert_eq!(new(&[ramp(1, 1, 3_000_000)]), ProfileError::TooLong);
        assert_eq!(new(&[Segment { nanos: u64::MAX, ..ramp(1, 1, 1) }; 64]), ProfileError::TooLong);
        assert_eq!(new(&[ramp(0, 0, 9)]), ProfileError::Silent);
        let prime = Segment { from: rate(1, 999_983), to: rate(1, 3), nanos: S };
        assert_eq!(new(&[prime]), ProfileError::Denominator);
    }
}
