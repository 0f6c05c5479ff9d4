//! Numbers, durations and sizes: one parser each, for options and files alike.

use super::quoted::{quoted, shown};
use super::{RestartLimit, Service, Stall, Storm};
use bytesize::ByteSize;
use std::time::Duration;
use thiserror::Error;

/// The longest duration of any option, inclusive.
pub const DURATION_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The longest text of a duration, and the most digits of each number in it. `humantime` panics where
/// a sum passes the last second of `Duration` by its nanoseconds; within these no sum comes near.
const DURATION_BYTES_MAX: usize = 64;
const DURATION_DIGITS_MAX: usize = 9;
/// The most memory that a target leaks in a minute.
const LEAK_BYTES_MAX: u64 = 1 << 36;
/// The shortest duration where none at all makes no sense, inclusive.
pub const INSTANT: Duration = Duration::from_nanos(1);

/// The most restarts of a limit, inclusive.
const RESTARTS_MAX: u64 = 1_000_000;

/// Why a text is no quantity.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum QuantityError {
    /// No number.
    #[error("{} is not a number; write 10k or 10_000", quoted(.0))]
    NotANumber(String),
    /// A number, but not one that can be meant.
    #[error("{} is out of range; write a number from {min} to {max}", quoted(.text))]
    OutOfRange {
        /// As typed.
        text: String,
        /// The least, inclusive.
        min: u64,
        /// The most, inclusive.
        max: u64,
    },
    /// No duration.
    #[error("{} is not a duration; write 250ms or 1m30s", quoted(.0))]
    NotADuration(String),
    /// A number where a duration belongs.
    #[error("{} has no unit; write {shown}s or {shown}ms", quoted(.0), shown = shown(.0))]
    NoUnit(String),
    /// A duration below the option's least one.
    #[error("{} is too short; write {}", quoted(.text), least(*.min))]
    TooShort {
        /// As typed.
        text: String,
        /// The least, inclusive.
        min: Duration,
    },
    /// A duration above the option's longest one.
    #[error("{} is too long; write at most {}", quoted(.text), humantime::format_duration(*.max))]
    TooLong {
        /// As typed.
        text: String,
        /// The most, inclusive.
        max: Duration,
    },
    /// No size.
    #[error("{} is not a size; write 64, 10k or 16MiB", quoted(.0))]
    NotASize(String),
    /// A size, but not one that can be meant.
    #[error("{} is out of range; write a size from {min} to {max} bytes", quoted(.text))]
    SizeOutOfRange {
        /// As typed.
        text: String,
        /// The least, inclusive.
        min: u64,
        /// The most, inclusive.
        max: u64,
    },
    /// A word other than `exp` after a service time.
    #[error("{} is not a service time; write 2ms or 2ms,exp", quoted(.0))]
    NotAService(String),
    /// No share that a difference may have.
    #[error("{} is not a margin; write a share above 0 and below 100%, such as 5%", quoted(.0))]
    NotAMargin(String),
    /// No number and duration, parted by a slash.
    #[error("{} is not a limit; write N/T as in 30/60s", quoted(.0))]
    NotALimit(String),
    /// No size and a minute, parted by a slash.
    #[error("{} is not a leak; write BYTES/min as in 1MB/min", quoted(.0))]
    NotALeak(String),
    /// No two durations, parted by a colon.
    #[error("{} is not a stall; write AT:FOR as in 8s:2s, or 8s:end", quoted(.0))]
    NotAStall(String),
    /// No share and instant, parted by an at sign.
    #[error("{} is not a storm; write SHARE@AT as in 50%@10s, or 50%@10s/30s for one every 30 s", quoted(.0))]
    NotAStorm(String),
    /// No share of connections.
    #[error("{} is not a share of connections; write 50%, more than zero and at most 100%", quoted(.0))]
    NotAShare(String),
}

fn least(min: Duration) -> String {
    if min == INSTANT {
        return "more than zero, such as 10ms".into();
    }
    format!("at least {}", humantime::format_duration(min))
}

/// Reads a whole number such as `10000`, `10_000`, `10k` or `1M`, within inclusive bounds.
pub fn count<T>(
    min: u64,
    max: u64,
) -> impl Fn(&str) -> Result<T, QuantityError> + Clone + Send + Sync + 'static
where
    T: TryFrom<u64> + 'static,
{
    move |text| {
        let out_of_range = || QuantityError::OutOfRange { text: text.into(), min, max };
        let number = number(text)?.filter(|number| (min..=max).contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(out_of_range)
    }
}

/// The number that `text` is; none where it needs more than 64 bits.
fn number(text: &str) -> Result<Option<u64>, QuantityError> {
    let (digits, power) = scaled(text);
    let plain = ungrouped(digits).ok_or_else(|| QuantityError::NotANumber(text.into()))?;
    // Digits alone: all that can be wrong is their number.
    Ok(plain.parse::<u64>().ok().and_then(|number| number.checked_mul(10_u64.pow(power))))
}

/// The digits of a number, and the power of ten that its suffix stands for.
fn scaled(text: &str) -> (&str, u32) {
    let power = match text.as_bytes().last() {
        Some(b'k' | b'K') => 3,
        Some(b'M') => 6,
        Some(b'G') => 9,
        _ => return (text, 0),
    };
    (&text[..text.len() - 1], power)
}

/// Digits without the underscores between them; none if there is anything else.
fn ungrouped(digits: &str) -> Option<String> {
    let grouped = digits.split('_').all(|group| !group.is_empty());
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    (grouped && plain.bytes().all(|byte| byte.is_ascii_digit())).then_some(plain)
}

/// Reads a number such as `0.5`, `1.5k` or `10_000`: the nearest that there is.
///
/// # Errors
/// It is none, or out of the range of `f64`.
pub fn decimal(text: &str) -> Result<f64, QuantityError> {
    let (digits, power) = scaled(text);
    read_decimal(digits, power as i32).ok_or_else(|| QuantityError::NotANumber(text.into()))
}

/// Reads the digits of a percentage as a share of 1.
///
/// # Errors
/// As [`decimal`].
pub fn decimal_percent(digits: &str) -> Result<f64, QuantityError> {
    read_decimal(digits, -2).ok_or_else(|| QuantityError::NotANumber(digits.into()))
}

/// Reads `5%` or `0.05`: a share above 0 and below 1.
///
/// # Errors
/// It is none.
pub fn margin(text: &str) -> Result<f64, QuantityError> {
    let share = match text.strip_suffix('%') {
        Some(digits) => decimal_percent(digits.trim_end()),
        None => decimal(text),
    };
    let sound = share.ok().filter(|share| 0.0 < *share && *share < 1.0);
    sound.ok_or_else(|| QuantityError::NotAMargin(text.into()))
}

/// `digits` times a power of ten, rounded once: 0.7 percent is 7 / 1000 to the bit.
fn read_decimal(digits: &str, power: i32) -> Option<f64> {
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let whole = ungrouped(whole)?;
    let fraction = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let number = fraction.then(|| format!("{whole}.{part}e{power}").parse::<f64>().ok())?;
    number.filter(|number| number.is_finite())
}

/// Reads a duration such as `250ms` or `1m30s`, within inclusive bounds; `0` where zero is one.
pub fn duration(
    min: Duration,
    max: Duration,
) -> impl Fn(&str) -> Result<Duration, QuantityError> + Clone + Send + Sync + 'static {
    move |text| {
        let duration = any_duration(text, min.is_zero())?;
        if duration < min {
            return Err(QuantityError::TooShort { text: text.into(), min });
        }
        if duration > max {
            return Err(QuantityError::TooLong { text: text.into(), max });
        }
        Ok(duration)
    }
}

/// Reads a duration that may be zero, at most [`DURATION_MAX`].
pub fn pause(text: &str) -> Result<Duration, QuantityError> {
    duration(Duration::ZERO, DURATION_MAX)(text)
}

/// Reads a duration above zero, at most [`DURATION_MAX`].
pub fn span(text: &str) -> Result<Duration, QuantityError> {
    duration(INSTANT, DURATION_MAX)(text)
}

fn any_duration(text: &str, zero_allowed: bool) -> Result<Duration, QuantityError> {
    if zero_allowed && text == "0" {
        return Ok(Duration::ZERO);
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(QuantityError::NoUnit(text.into()));
    }
    let no_duration = || QuantityError::NotADuration(text.into());
    let digits = text.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
    if text.len() > DURATION_BYTES_MAX || digits > Some(DURATION_DIGITS_MAX) {
        return Err(no_duration());
    }
    humantime::parse_duration(text).map_err(|_| no_duration())
}

/// Reads a number of bytes such as `64`, `10k` or `16MiB`, within inclusive bounds.
pub fn size(
    min: u64,
    max: u64,
) -> impl Fn(&str) -> Result<u64, QuantityError> + Clone + Send + Sync + 'static {
    move |text| {
        let bytes = match number(text) {
            Ok(number) => number.unwrap_or(u64::MAX),
            Err(_) => unit_size(text)?,
        };
        let within = (min..=max).contains(&bytes).then_some(bytes);
        within.ok_or_else(|| QuantityError::SizeOutOfRange { text: text.into(), min, max })
    }
}

fn unit_size(text: &str) -> Result<u64, QuantityError> {
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    let size = begins.then(|| text.parse::<ByteSize>().ok()).flatten();
    size.map(|size| size.as_u64()).ok_or_else(|| QuantityError::NotASize(text.into()))
}

/// Reads `BYTES/min`.
pub fn leak(text: &str) -> Result<u64, QuantityError> {
    let bytes = text.strip_suffix("/min").ok_or_else(|| QuantityError::NotALeak(text.into()))?;
    size(1, LEAK_BYTES_MAX)(bytes)
}

/// Reads `T[,exp]`.
pub fn service(text: &str) -> Result<Service, QuantityError> {
    let (time, word) = text.split_once(',').map_or((text, None), |(time, word)| (time, Some(word)));
    if word.is_some_and(|word| word != "exp") {
        return Err(QuantityError::NotAService(text.into()));
    }
    Ok(Service { mean: span(time)?, exponential: word.is_some() })
}

/// Reads `N/T`.
pub fn restart_limit(text: &str) -> Result<RestartLimit, QuantityError> {
    let parts = text.split_once('/');
    let (restarts, within) = parts.ok_or_else(|| QuantityError::NotALimit(text.into()))?;
    Ok(RestartLimit { count: count::<u32>(0, RESTARTS_MAX)(restarts)?, within: span(within)? })
}

/// Reads `AT:FOR`, where FOR may be `end`.
pub fn stall(text: &str) -> Result<Stall, QuantityError> {
    let (after, length) =
        text.split_once(':').ok_or_else(|| QuantityError::NotAStall(text.into()))?;
    let length = if length == "end" { None } else { Some(span(length)?) };
    Ok(Stall { after: pause(after)?, length })
}

/// The most often that a storm may come: connections need some time to come back.
const STORM_EVERY_MIN: Duration = Duration::from_millis(100);

/// Reads `SHARE@AT[/EVERY]`.
pub fn storm(text: &str) -> Result<Storm, QuantityError> {
    let parts = text.trim().split_once('@').ok_or_else(|| QuantityError::NotAStorm(text.into()))?;
    let (share, when) = parts;
    let (after, every) =
        when.split_once('/').map_or((when, None), |(after, every)| (after, Some(every)));
    let every = every.map(duration(STORM_EVERY_MIN, DURATION_MAX)).transpose()?;
    Ok(Storm { millionths: millionths(share)?, after: pause(after)?, every })
}

/// Reads a percentage above 0 and at most 100 as millionths.
fn millionths(text: &str) -> Result<u32, QuantityError> {
    let share = text.strip_suffix('%').and_then(|digits| decimal_percent(digits).ok());
    let millionths = share.map(|share| (share * 1e6).round());
    let sound = millionths.filter(|millionths| (1.0..=1e6).contains(millionths));
    sound.map(|it| it as u32).ok_or_else(|| QuantityError::NotAShare(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storms_are_a_share_at_an_instant() {
        let seconds = Duration::from_secs;
        let at = |millionths, after, every: Option<u64>| {
            Ok(Storm { millionths, after: seconds(after), every: every.map(seconds) })
        };
        assert_eq!(storm("50%@10s"), at(500_000, 10, None));
        assert_eq!(storm("0.1%@0s/30s"), at(1_000, 0, Some(30)));
        assert_eq!(storm("100%@1m"), at(1_000_000, 60, None));
        for (text, part) in [
            ("50%", "write SHARE@AT"),
            ("", "write SHARE@AT"),
            ("0%@1s", "at most 100%"),
            ("101%@1s", "at most 100%"),
            ("nan%@1s", "at most 100%"),
            ("0.5@1s", "at most 100%"),
            ("50%@10", "no unit"),
            ("50%@10s/", "duration"),
            ("50%@10s/1ms", "100ms"),
        ] {
            let why = storm(text).unwrap_err().to_string();
            assert!(why.contains(part), "{text}: {why}");
        }
    }

    #[test]
    fn numbers_take_suffixes_and_underscores() {
        let read = count::<u64>(0, u64::MAX);
        for (text, number) in [
            ("0", 0),
            ("1", 1),
            ("10k", 10_000),
            ("10K", 10_000),
            ("1M", 1_000_000),
            ("2G", 2_000_000_000),
            ("10_000", 10_000),
            ("1_0k", 10_000),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(read(text), Ok(number), "{text}");
        }
    }

    #[test]
    fn decimals_are_rounded_once() {
        for (text, number) in
            [("0", 0.0), ("0.1", 0.1), ("1.5k", 1_500.0), ("10_000.25", 10_000.25), ("2G", 2e9)]
        {
            assert_eq!(decimal(text), Ok(number), "{text}");
        }
        for thousandths in 0_u32..1_000 {
            let text = format!("{}.{}", thousandths / 10, thousandths % 10);
            assert_eq!(decimal_percent(&text), Ok(f64::from(thousandths) / 1_000.0), "{text}");
        }
        for text in ["", ".", "1.", ".1", "1.2.3", "1e3", "-1", "1.k", "1.2_3", "inf", "1é"] {
            assert_eq!(decimal(text), Err(QuantityError::NotANumber(text.into())));
        }
        assert!(decimal(&"9".repeat(400)).is_err());
    }

    #[test]
    fn what_is_no_number_says_what_is() {
        let read = count::<u32>(1, 1_024);
        for text in
            ["", "k", "10kk", "-1", "+1", "1.5", "1_", "_1", "1__0", "ten", "1 0", "１", "0x10"]
        {
            assert_eq!(read(text), Err(QuantityError::NotANumber(text.into())));
        }
        let mistake = read("10kk").unwrap_err().to_string();
        assert_eq!(mistake, "`10kk` is not a number; write 10k or 10_000");
        for text in ["0", "1025", "2k", "18446744073709551616", "99999999999999999999999", "99G"] {
            let mistake = read(text).unwrap_err().to_string();
            assert_eq!(mistake, format!("`{text}` is out of range; write a number from 1 to 1024"));
        }
    }

    #[test]
    fn durations_have_units() {
        for (text, millis) in [
            ("250ms", 250),
            ("1m30s", 90_000),
            ("1m 30s", 90_000),
            ("10s", 10_000),
            ("30d", 2_592_000_000),
        ] {
            assert_eq!(span(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(pause("0"), Ok(Duration::ZERO));
        assert_eq!(pause("0s"), Ok(Duration::ZERO));
        assert_eq!(span("100us"), Ok(Duration::from_micros(100)));
    }

    #[test]
    fn what_is_no_duration_says_what_is() {
        for (text, mistake) in [
            ("10", "`10` has no unit; write 10s or 10ms"),
            ("0", "`0` has no unit; write 0s or 0ms"),
            ("0s", "`0s` is too short; write more than zero, such as 10ms"),
            ("31d", "`31d` is too long; write at most 30days"),
            ("", "`` is not a duration; write 250ms or 1m30s"),
            ("-1s", "`-1s` is not a duration; write 250ms or 1m30s"),
            ("99999999999999999999s", "is not a duration; write 250ms or 1m30s"),
            ("soon", "`soon` is not a duration; write 250ms or 1m30s"),
        ] {
            let said = span(text).unwrap_err().to_string();
            assert!(said.ends_with(mistake), "{text}: {said}");
        }
        let interval = duration(Duration::from_millis(100), Duration::from_secs(60));
        let short = interval("10ms").unwrap_err().to_string();
        assert_eq!(short, "`10ms` is too short; write at least 100ms");
        let long = interval("61s").unwrap_err().to_string();
        assert_eq!(long, "`61s` is too long; write at most 1m");
    }

    #[test]
    fn durations_at_the_end_of_their_type_do_not_panic() {
        for text in ["18446744073709551615s500ms500ms", "18446744073709551615s1000000000ns"] {
            assert_eq!(pause(text), Err(QuantityError::NotADuration(text.into())));
        }
        assert!(pause(&"999999999y ".repeat(5)).is_err());
        assert!(pause(&"1s".repeat(1_000)).is_err());
    }

    #[test]
    fn sizes_take_units() {
        let read = size(1, 16 << 20);
        for (text, bytes) in [
            ("1", 1),
            ("64", 64),
            ("10k", 10_000),
            ("10_000", 10_000),
            ("1KiB", 1_024),
            ("1.5KiB", 1_536),
            ("16MiB", 16 << 20),
        ] {
            assert_eq!(read(text), Ok(bytes), "{text}");
        }
        for (text, mistake) in [
            ("0", "`0` is out of range; write a size from 1 to 16777216 bytes"),
            ("17MiB", "`17MiB` is out of range; write a size from 1 to 16777216 bytes"),
            ("big", "`big` is not a size; write 64, 10k or 16MiB"),
            ("-1", "`-1` is not a size; write 64, 10k or 16MiB"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), mistake);
        }
    }

    #[test]
    fn services_are_a_time_and_perhaps_exp() {
        let two = Duration::from_millis(2);
        assert_eq!(service("2ms"), Ok(Service { mean: two, exponential: false }));
        assert_eq!(service("2ms,exp"), Ok(Service { mean: two, exponential: true }));
        let mistake = service("2ms,pareto").unwrap_err().to_string();
        assert_eq!(mistake, "`2ms,pareto` is not a service time; write 2ms or 2ms,exp");
        assert!(service("0s").is_err());
        assert!(service("2").unwrap_err().to_string().contains("write 2s or 2ms"));
    }

    #[test]
    fn leaks_are_bytes_a_minute() {
        assert_eq!(leak("1MB/min"), Ok(1_000_000));
        assert_eq!(leak("64KiB/min"), Ok(65_536));
        for text in ["1MB", "1MB/s", "1MB/minute", "min"] {
            assert_eq!(leak(text), Err(QuantityError::NotALeak(text.into())));
        }
        assert_eq!(leak("/min"), Err(QuantityError::NotASize(String::new())));
        assert!(matches!(leak("1PiB/min"), Err(QuantityError::SizeOutOfRange { .. })));
    }

    #[test]
    fn stalls_are_a_begin_and_a_length() {
        let (after, two) = (Duration::from_millis(300), Duration::from_secs(2));
        assert_eq!(stall("300ms:2s"), Ok(Stall { after, length: Some(two) }));
        assert_eq!(stall("300ms:end"), Ok(Stall { after, length: None }));
        assert_eq!(stall("0:2s").unwrap().after, Duration::ZERO);
        for (text, mistake) in [
            ("2s", "`2s` is not a stall; write AT:FOR as in 8s:2s, or 8s:end"),
            ("", "`` is not a stall; write AT:FOR as in 8s:2s, or 8s:end"),
            (":", "`` is not a duration; write 250ms or 1m30s"),
            ("8s:", "`` is not a duration; write 250ms or 1m30s"),
            (":2s", "`` is not a duration; write 250ms or 1m30s"),
            ("-8s:2s", "`-8s` is not a duration; write 250ms or 1m30s"),
            ("8s:-2s", "`-2s` is not a duration; write 250ms or 1m30s"),
            ("8:2", "`2` has no unit; write 2s or 2ms"),
            ("8s:0s", "`0s` is too short; write more than zero, such as 10ms"),
            ("8s:2s:1s", "`2s:1s` is not a duration; write 250ms or 1m30s"),
            ("31d:1s", "`31d` is too long; write at most 30days"),
            ("8s:End", "`End` is not a duration; write 250ms or 1m30s"),
        ] {
            assert_eq!(stall(text).unwrap_err().to_string(), mistake);
        }
    }
}
