//! The value that a figure is compared with.

use super::mistake::LimitError;
use crate::config::quantity;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The longest text of a value, in bytes.
const TEXT_BYTES_MAX: usize = 40;

/// A value with its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// `20k`: a count, or a share of 1.
    Number(f64),
    /// `0.1%`, as a share of 1.
    Share(f64),
    /// `250ms`.
    Time(Duration),
    /// `64MiB`.
    Bytes(u64),
}

/// A value, and how it was typed.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    text: String,
    /// What it means, but for its sign.
    pub amount: Amount,
    /// 1, or -1 of what begins with a minus.
    pub sign: f64,
}

impl FromStr for Bound {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let text = text.trim();
        let (sign, size) = match text.strip_prefix('-') {
            Some(size) => (-1.0, size),
            None => (1.0, text),
        };
        let amount = amount(size).ok_or_else(|| LimitError::Value(text.to_owned()))?;
        Ok(Self { text: text.to_owned(), amount, sign })
    }
}

/// In the order of the units that say most: `5M` is a number, `5m` a time.
fn amount(text: &str) -> Option<Amount> {
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    if !begins || text.len() > TEXT_BYTES_MAX {
        return None;
    }
    if let Some(digits) = text.strip_suffix('%') {
        return quantity::decimal_percent(digits.trim_end()).ok().map(Amount::Share);
    }
    let number = || quantity::decimal(text).ok().map(Amount::Number);
    let time = || quantity::pause(text).ok().map(Amount::Time);
    let bytes = || quantity::size(0, u64::MAX)(text).ok().map(Amount::Bytes);
    number().or_else(time).or_else(bytes)
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_units() {
        for (text, amount) in [
            ("0", Amount::Number(0.0)),
            ("20k", Amount::Number(20_000.0)),
            ("1.5M", Amount::Number(1_500_000.0)),
            ("10_000", Amount::Number(10_000.0)),
            ("0.001", Amount::Number(0.001)),
            ("0.7%", Amount::Share(0.007)),
            ("99.9 %", Amount::Share(0.999)),
            ("250ms", Amount::Time(Duration::from_millis(250))),
            ("5m", Amount::Time(Duration::from_secs(300))),
            ("1m30s", Amount::Time(Duration::from_secs(90))),
            ("1.5ms", Amount::Time(Duration::from_micros(1_500))),
            ("64MiB", Amount::Bytes(64 << 20)),
            ("1.5KiB", Amount::Bytes(1_536)),
        ] {
            let bound: Bound = text.parse().unwrap();
            assert_eq!(bound.amount, amount, "{text}");
            assert_eq!(bound.to_string().parse::<Bound>().unwrap(), bound);
            let below: Bound = format!("-{text}").parse().unwrap();
            assert_eq!((below.amount, below.sign), (amount, -1.0));
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for text in [
            "",
            "-",
            "--1",
            "- 1",
            "+1",
            ".5",
            "5.",
            "1e3",
            "0x10",
            "%",
            "5%%",
            "5k%x",
            "fast",
            "NaN",
            "inf",
            "1..2",
            "31d",
            "250 parsecs",
            "１",
            "1_",
            "1__0",
            "9999999999999999999999999999999999999999999999999",
        ] {
            assert!(text.parse::<Bound>().is_err(), "{text}");
        }
    }
}
