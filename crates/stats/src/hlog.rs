//! Interval logs that HdrHistogram's tools read: a head, then a line per distribution and interval.
//!
//! Format 1.3 of the Java `HistogramLogWriter`. Histograms count nanoseconds and are V2, deflated,
//! base64; the maximum, which is there for the eye, is in milliseconds. A line's instants count from
//! the base time of the head. Text is returned, nothing is written.

use crate::histogram::Histogram;
use crate::interval::Latency;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use std::time::Duration;

const VERSION: &str = "#[Histogram log format version 1.3]";
const LEGEND: &str =
    "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"";

/// By what the maximum of a line is divided.
const NANOS_PER_MS: f64 = 1e6;

const SECONDS_PER_DAY: u64 = 86_400;

/// The first lines of a log whose run started at `start`, counted from the Unix epoch.
pub fn header(start: Duration) -> String {
    let seconds = format!("{:.3}", start.as_secs_f64());
    let date = date(start.as_secs());
    format!(
        "{VERSION}\n\
         #[StartTime: {seconds} (seconds since epoch), {date}]\n\
         #[BaseTime: {seconds} (seconds since epoch)]\n\
         {LEGEND}\n"
    )
}

/// The line of what was recorded for `latency` in the `length` from `start`, counted from the run's
/// start. To the millisecond, as the format has it.
pub fn line(latency: Latency, start: Duration, length: Duration, histogram: &Histogram) -> String {
    let tag = Tag::new(latency.name()).expect("names have neither commas nor blanks");
    let mut text = Vec::new();
    IntervalLogWriterBuilder::new()
        .with_max_value_divisor(NANOS_PER_MS)
        .begin_log_with(&mut text, &mut V2DeflateSerializer::new())
        .expect("writing to memory does not fail")
        .write_histogram(&histogram.whole(), start, length, Some(tag))
        .expect("writing to memory does not fail");
    let text = String::from_utf8(text).expect("the library writes ASCII");
    // It begins with a comment on the divisor, which the Java writer leaves out.
    text.split_inclusive('\n').next_back().unwrap_or_default().to_owned()
}

/// `seconds` of the Unix epoch as a date and time (UTC), RFC 3339.
///
/// Days to a date: Hinnant, *chrono-Compatible Low-Level Date Algorithms*, `civil_from_days`.
fn date(seconds: u64) -> String {
    let (days, second) = (seconds / SECONDS_PER_DAY + 719_468, seconds % SECONDS_PER_DAY);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let leaps = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leaps) / 365;
    // Years begin in March here, so that the leap day is the last.
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let table = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_441_812_279, "2015-09-09T15:24:39Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (seconds, expected) in table {
            assert_eq!(date(seconds), expected);
        }
    }

    #[test]
    fn a_log_looks_as_others_write_it() {
        let mut histogram = Histogram::default();
        histogram.record(1_500_000);
        let second = Duration::from_secs(1);
        let log = header(Duration::from_millis(1_441_812_279_474))
            + &line(Latency::FromDue, 3 * second, second, &histogram);
        let lines: Vec<&str> = log.lines().collect();
        let expected = [
            "#[Histogram log format version 1.3]",
            "#[StartTime: 1441812279.474 (seconds since epoch), 2015-09-09T15:24:39Z]",
            "#[BaseTime: 1441812279.474 (seconds since epoch)]",
            LEGEND,
        ];
        assert_eq!(lines[..4], expected);
        assert!(lines[4].starts_with("Tag=from_due,3.000,1.000,1.500,HISTFAAAA"), "{}", lines[4]);
        assert_eq!(lines.len(), 5);
    }
}
