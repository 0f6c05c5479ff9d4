//! The grammar of `--rate`, both ways: text → [`Profile`] → text.
//!
//! ```text
//! profile = parts *( "," parts )
//! parts   = part | "(" part *( "," part ) ")*" times   as often as it says: bursts
//! part    = ( rate | rate ".." rate ) [ "/" length ]
//! rate    = digits [ "." digits ] [ "k" | "M" | "G" ]      per second, 10_000 as well
//! length  = a duration such as 30s or 1m30s
//! ```
//!
//! A rate is held for its length, a ramp `A..B` goes evenly from A to B in it, and the last rate is held on.
//! The length of the last part is that of all parts before it which have none: `1k,5k,10k/10s`. Without
//! any, only the last part may be a rate, and nothing else. 0 is a pause, or an end of a ramp; what sends
//! nothing at all is refused.

use super::quantity::{QuantityError, count, span};
use super::quoted::{quoted, shown};
use crate::curve::Series;
use crate::profile::{LENGTH_MAX, Profile, RATE_MAX, Rate, SECONDS_MAX, SEGMENTS_MAX, Segment};
use std::fmt;
use std::time::Duration;
use thiserror::Error;

/// The most steps of a series.
const STEPS_MAX: u64 = 1_000;

/// Why a text is no series of rates.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum SeriesError {
    /// Not `FROM..TO/STEPS`.
    #[error("{} is not a series; write 1k..50k/10", quoted(.0))]
    NotASeries(String),
    /// One rate many times.
    #[error("{} goes nowhere; write two rates, as in 1k..50k/10", quoted(.0))]
    Nowhere(String),
    /// Not `FROM..TO`.
    #[error("{} is not a range; write 100..5k", quoted(.0))]
    NotARange(String),
    /// A range without loads to search.
    #[error("{} does not go up; write the lower load first, as in 100..5k", quoted(.0))]
    NotUpward(String),
    /// A rate or a number of steps that is none.
    #[error(transparent)]
    Quantity(#[from] QuantityError),
}

/// The series that `text` means: `FROM..TO/STEPS`, whole rates per second.
///
/// # Errors
/// It is none, goes nowhere, or has fewer than 2 or more than 1,000 steps.
pub fn series(text: &str) -> Result<Series, SeriesError> {
    let none = || SeriesError::NotASeries(text.to_owned());
    let (rates, steps) = text.split_once('/').ok_or_else(none)?;
    let (from, to) = rates.split_once("..").ok_or_else(none)?;
    let rate = count::<u64>(1, RATE_MAX);
    let (from, to) = (rate(from)?, rate(to)?);
    if from == to {
        return Err(SeriesError::Nowhere(text.to_owned()));
    }
    Ok(Series { from, to, steps: count::<u32>(2, STEPS_MAX)(steps)? })
}

/// The bounds that `text` means: `FROM..TO`, whole numbers.
///
/// # Errors
/// It is none, or does not go up.
pub fn range(text: &str) -> Result<(u64, u64), SeriesError> {
    let none = || SeriesError::NotARange(text.to_owned());
    let (from, to) = text.split_once("..").ok_or_else(none)?;
    let number = count::<u64>(1, RATE_MAX);
    let (from, to) = (number(from)?, number(to)?);
    if from < to { Ok((from, to)) } else { Err(SeriesError::NotUpward(text.to_owned())) }
}

/// A repeat has a part at least.
const REPEATS_MAX: u64 = SEGMENTS_MAX as u64;
/// The most digits before the point, and after it; more could not be meant.
const DIGITS_MAX: usize = 15;
/// The least rate, as it is written.
const LEAST: &str = "0.000001";

/// Why a text is no rate.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum RateError {
    /// No number.
    #[error("{} is not a rate; write 1000, 10k, 0.5 or 1k..50k/30s", quoted(.0))]
    NotARate(String),
    /// A number, but too large or too fine.
    #[error("{} is out of range; write a multiple of {LEAST} up to {RATE_MAX}", quoted(.0))]
    OutOfRange(String),
    /// A bracket without its end, or a number of times.
    #[error("{} does not end; write (1k/9s,20k/1s)*60", quoted(.0))]
    NotARepeat(String),
    /// Nothing before, after or between commas.
    #[error("{} has an empty part; write 1k,5k/10s", quoted(.0))]
    EmptyPart(String),
    /// Nothing would ever be due.
    #[error("{} would send nothing; give at least {LEAST}", quoted(.0))]
    Silent(String),
    /// A ramp between two equal rates.
    #[error("ramp {} goes nowhere; write {}", quoted(.text), shown(.rate))]
    Nowhere {
        /// As typed.
        text: String,
        /// Both its ends.
        rate: String,
    },
    /// A ramp, or a part that others follow, without a length.
    #[error("{} has no length; write {text}/30s", quoted(.text), text = shown(.text))]
    NoLength {
        /// As typed.
        text: String,
    },
    /// A length that is none.
    #[error(transparent)]
    Length(#[from] QuantityError),
    /// Too long in sum.
    #[error(
        "{} is too long; write at most {} in sum", quoted(.0),
        humantime::format_duration(LENGTH_MAX)
    )]
    TooLong(String),
    /// Too many parts.
    #[error("{} has too many parts; write at most {SEGMENTS_MAX}", quoted(.0))]
    TooMany(String),
}

/// Reads a profile.
pub fn parse(text: &str) -> Result<Profile, RateError> {
    let parts = unfolded(text)?;
    if parts.len() > 1 && parts.contains(&"") {
        return Err(RateError::EmptyPart(text.into()));
    }
    let parts = parts.into_iter().map(Part::parse).collect::<Result<Vec<Part>, RateError>>()?;
    let shared = parts.last().and_then(|part| part.length);
    let last = parts.len() - 1;
    let segment = |(index, part): (usize, &Part)| {
        let length = part.length.or(shared);
        if length.is_none() && (index < last || part.from != part.to) {
            return Err(RateError::NoLength { text: part.text.into() });
        }
        let nanos = length.map_or(0, |length| length.as_nanos() as u64);
        Ok(Segment { from: part.from, to: part.to, nanos })
    };
    let segments =
        parts.iter().enumerate().map(segment).collect::<Result<Vec<Segment>, RateError>>()?;
    if segments.iter().all(|segment| segment.from.is_zero() && segment.to.is_zero()) {
        return Err(RateError::Silent(text.into()));
    }
    // Of all that a profile asks for, the sum of lengths alone is not seen to above.
    Profile::new(segments).map_err(|_| RateError::TooLong(text.into()))
}

/// The parts of `text`, those in brackets as often as is said behind them.
fn unfolded(text: &str) -> Result<Vec<&str>, RateError> {
    let cut = |text| match str::split_once(text, ',') {
        Some((first, rest)) => (first, Some(rest)),
        None => (text, None),
    };
    let (mut parts, mut left) = (Vec::new(), Some(text));
    while let Some(rest) = left.take() {
        let (times, group);
        match rest.trim_start().strip_prefix('(') {
            Some(inside) => {
                let (inside, behind) =
                    inside.split_once(")*").ok_or_else(|| RateError::NotARepeat(rest.into()))?;
                let (number, rest) = cut(behind);
                (times, group, left) = (count::<u32>(1, REPEATS_MAX)(number.trim())?, inside, rest);
            }
            None => {
                let (part, rest) = cut(rest);
                (times, group, left) = (1, part, rest);
            }
        }
        for _ in 0..times {
            parts.extend(group.split(',').map(str::trim));
            if parts.len() > SEGMENTS_MAX {
                return Err(RateError::TooMany(text.into()));
            }
        }
    }
    Ok(parts)
}

/// One part as it was typed.
struct Part<'a> {
    text: &'a str,
    from: Rate,
    to: Rate,
    length: Option<Duration>,
}

impl<'a> Part<'a> {
    fn parse(text: &'a str) -> Result<Self, RateError> {
        let (rates, length) = match text.split_once('/') {
            Some((rates, length)) => (rates, Some(span(length)?)),
            None => (text, None),
        };
        let Some((first, last)) = rates.split_once("..") else {
            let rate = rate(rates)?;
            return Ok(Self { text, from: rate, to: rate, length });
        };
        let (from, to) = (rate(first)?, rate(last)?);
        if from == to {
            return Err(RateError::Nowhere { text: text.into(), rate: first.into() });
        }
        Ok(Self { text, from, to, length })
    }
}

/// Reads one rate, per second.
fn rate(text: &str) -> Result<Rate, RateError> {
    let (number, factor) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1_000),
        Some(b'M') => (&text[..text.len() - 1], 1_000_000),
        Some(b'G') => (&text[..text.len() - 1], 1_000_000_000),
        _ => (text, 1),
    };
    let no_rate = || RateError::NotARate(text.into());
    let out_of_range = || RateError::OutOfRange(text.into());
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let grouped = whole.split('_').all(|group| !group.is_empty());
    let whole: String = whole.chars().filter(|c| *c != '_').collect();
    let digits = [&whole, part].iter().all(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    if !grouped || !digits || part.is_empty() {
        return Err(no_rate());
    }
    if whole.len().max(part.len()) > DIGITS_MAX {
        return Err(out_of_range());
    }
    let number: u128 = format!("{whole}{part}").parse().map_err(|_| no_rate())?;
    let (scaled, by) = (number * factor * u128::from(SECONDS_MAX), 10u128.pow(part.len() as u32));
    let most = u128::from(RATE_MAX) * u128::from(SECONDS_MAX);
    if !scaled.is_multiple_of(by) || scaled / by > most {
        return Err(out_of_range());
    }
    Rate::new((scaled / by) as u64, SECONDS_MAX).ok_or_else(no_rate)
}

/// In the grammar of `--rate`: reading it again gives the same profile.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.segments();
        let repeats = |length: &usize| all.chunks(*length).all(|chunk| *chunk == all[..*length]);
        let length = (2..=all.len() / 2).find(repeats).unwrap_or(all.len());
        let parts: Vec<String> = all[..length].iter().map(Segment::to_string).collect();
        let parts = parts.join(",");
        match all.len() / length {
            1 => f.write_str(&parts),
            times => write!(f, "({parts})*{times}"),
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.from.fmt(f)?;
        if self.from != self.to {
            write!(f, "..{}", self.to)?;
        }
        if self.nanos > 0 {
            let length = humantime::format_duration(Duration::from_nanos(self.nanos));
            write!(f, "/{}", length.to_string().replace(' ', ""))?;
        }
        Ok(())
    }
}

/// Per second, as `--rate` takes it; a rate that is no such number, as `num/den`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (num, den) = (self.num(), self.den());
        match (num, den) {
            (1_000_000.., 1) if num.is_multiple_of(1_000_000) => write!(f, "{}M", num / 1_000_000),
            (1_000.., 1) if num.is_multiple_of(1_000) => write!(f, "{}k", num / 1_000),
            (_, 1) => write!(f, "{num}"),
            _ if SECONDS_MAX.is_multiple_of(den) => {
                let millionths = format!("{:06}", num % den * (SECONDS_MAX / den));
                write!(f, "{}.{}", num / den, millionths.trim_end_matches('0'))
            }
            _ => write!(f, "{num}/{den}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn segment(from: u64, to: u64, seconds: u64) -> Segment {
        Segment { from: Rate::per_second(from), to: Rate::per_second(to), nanos: seconds * S }
    }

    #[test]
    fn a_series_has_two_rates_and_two_steps_at_least() {
        assert_eq!(series("1k..50k/10"), Ok(Series { from: 1_000, to: 50_000, steps: 10 }));
        assert_eq!(series("9..1/2"), Ok(Series { from: 9, to: 1, steps: 2 }));
        for (text, mistake) in [
            ("1k..50k", "`1k..50k` is not a series; write 1k..50k/10"),
            ("1k/10", "`1k/10` is not a series; write 1k..50k/10"),
            ("5k..5k/4", "`5k..5k/4` goes nowhere; write two rates, as in 1k..50k/10"),
            ("0..5k/4", "`0` is out of range; write a number from 1 to 100000000"),
            ("1..5/1", "`1` is out of range; write a number from 2 to 1000"),
            ("1..x/3", "`x` is not a number; write 10k or 10_000"),
        ] {
            assert_eq!(series(text).unwrap_err().to_string(), mistake, "{text}");
        }
    }

    #[test]
    fn rates_ramps_and_steps_are_read_and_written_back() {
        for (text, segments, written) in [
            ("1000", vec![segment(1_000, 1_000, 0)], "1k"),
            ("10k", vec![segment(10_000, 10_000, 0)], "10k"),
            ("1_500", vec![segment(1_500, 1_500, 0)], "1500"),
            ("1.5k/20s", vec![segment(1_500, 1_500, 20)], "1500/20s"),
            ("100M", vec![segment(100_000_000, 100_000_000, 0)], "100M"),
            ("1k..50k/30s", vec![segment(1_000, 50_000, 30)], "1k..50k/30s"),
            ("50k..0/1m30s", vec![segment(50_000, 0, 90)], "50k..0/1m30s"),
            (
                "1k,5k,10k/10s",
                vec![
                    segment(1_000, 1_000, 10),
                    segment(5_000, 5_000, 10),
                    segment(10_000, 10_000, 10),
                ],
                "1k/10s,5k/10s,10k/10s",
            ),
            (
                "1k..10k/30s,10k/60s",
                vec![segment(1_000, 10_000, 30), segment(10_000, 10_000, 60)],
                "1k..10k/30s,10k/1m",
            ),
            ("0..100/5s, 100", vec![segment(0, 100, 5), segment(100, 100, 0)], "0..100/5s,100"),
            (
                "100,0/2s,50/3s",
                vec![segment(100, 100, 3), segment(0, 0, 2), segment(50, 50, 3)],
                "100/3s,0/2s,50/3s",
            ),
            (
                "5, (1k/9s, 9k/1s)*2 ,7/1s",
                [
                    &[segment(5, 5, 1)],
                    &[segment(1_000, 1_000, 9), segment(9_000, 9_000, 1)].repeat(2)[..],
                    &[segment(7, 7, 1)],
                ]
                .concat(),
                "5/1s,1k/9s,9k/1s,1k/9s,9k/1s,7/1s",
            ),
            (
                "(1k/9s,20k/1s)*60",
                [segment(1_000, 1_000, 9), segment(20_000, 20_000, 1)].repeat(60),
                "(1k/9s,20k/1s)*60",
            ),
        ] {
            let profile = parse(text).unwrap();
            assert_eq!(profile.segments(), segments, "{text}");
            assert_eq!(profile.to_string(), written, "{text}");
            assert_eq!(parse(written), Ok(profile), "{text}");
        }
    }

    #[test]
    fn rates_below_one_are_exact() {
        for (text, num, den) in
            [("0.5", 1, 2), ("0.000001", 1, 1_000_000), ("2.25", 9, 4), ("0.0005k", 1, 2)]
        {
            let profile = parse(text).unwrap();
            assert_eq!(profile.max_rate(), Rate::new(num, den).unwrap(), "{text}");
            assert_eq!(parse(&profile.to_string()), Ok(profile), "{text}");
        }
        assert_eq!(Rate::new(9, 4).unwrap().to_string(), "2.25");
        assert_eq!(Rate::new(1, 3).unwrap().to_string(), "1/3");
    }

    #[test]
    fn what_is_no_rate_says_what_is() {
        let range = "is out of range; write a multiple of 0.000001 up to 100000000";
        for (text, mistake) in [
            ("0", "`0` would send nothing; give at least 0.000001"),
            ("0,0.0/10s", "`0,0.0/10s` would send nothing; give at least 0.000001"),
            ("5k..5k/10s", "ramp `5k..5k/10s` goes nowhere; write 5k"),
            ("0..0/10s", "ramp `0..0/10s` goes nowhere; write 0"),
            ("(1k/9s,5k/1s", "`(1k/9s,5k/1s` does not end; write (1k/9s,20k/1s)*60"),
            ("(1k/9s,5k/1s)", "`(1k/9s,5k/1s)` does not end; write (1k/9s,20k/1s)*60"),
            ("(1k/9s)*0", "`0` is out of range; write a number from 1 to 1024"),
            ("(1k/9s)*x", "`x` is not a number; write 10k or 10_000"),
            ("(1k/1s,5k/1s)*600", "`(1k/1s,5k/1s)*600` has too many parts; write at most 1024"),
            ("1k..5k", "`1k..5k` has no length; write 1k..5k/30s"),
            ("1k..5k,5k", "`1k..5k` has no length; write 1k..5k/30s"),
            ("1k,5k", "`1k` has no length; write 1k/30s"),
            ("1k,,5k/10s", "`1k,,5k/10s` has an empty part; write 1k,5k/10s"),
            ("1k,", "`1k,` has an empty part; write 1k,5k/10s"),
            ("1k/0s", "`0s` is too short; write more than zero, such as 10ms"),
            ("1k/10", "`10` has no unit; write 10s or 10ms"),
            ("1k/", "`` is not a duration; write 250ms or 1m30s"),
            ("1k/31d", "`31d` is too long; write at most 30days"),
            ("1k,2k/20d", "`1k,2k/20d` is too long; write at most 30days in sum"),
            ("101M", &format!("`101M` {range}")),
            ("99999999999999999999", &format!("`99999999999999999999` {range}")),
            ("0.0000001", &format!("`0.0000001` {range}")),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), mistake, "{text}");
        }
        for text in [
            "",
            "-1",
            "+1",
            "NaN",
            "inf",
            "1e3",
            "1.",
            ".5",
            "1..",
            "..5/1s",
            "1..2..3/1s",
            "k",
            "1__0",
            "１",
        ] {
            let mistake = parse(text).unwrap_err().to_string();
            let remedy = "is not a rate; write 1000, 10k, 0.5 or 1k..50k/30s";
            assert!(mistake.ends_with(remedy), "{text}: {mistake}");
        }
        let many = vec!["1"; SEGMENTS_MAX + 1].join(",") + "/1s";
        assert!(
            parse(&many).unwrap_err().to_string().ends_with("too many parts; write at most 1024")
        );
    }
}
