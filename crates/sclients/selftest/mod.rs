//! `sclients selftest`: whether this host measures right, against an embedded target whose delays and
//! stops are known, and below what difference it cannot tell.
//!
//! Each [`Trial`] is a run of the program itself, written as a user would; each [`Row`] compares what it
//! measured with what is known. Counts have to be exact; times have tolerances. Start at [`run`];
//! `trials` has the list, `truth` the formulas, `row` what is near enough.

mod floor;
mod row;
mod trials;
mod truth;

pub use row::{Check, Row};
pub use trials::{Trial, trials};

use crate::config::Format;
use crate::exit::ExitCode;
use crate::report::selftest as report;
use crate::supervisor::{self, SupervisorError};
use crate::verdict::{self, State, Verdict};
use dispatch::Signal;
use std::io::Write;

/// Those that end it.
const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// What the self-test found.
#[derive(Clone, Debug)]
pub struct Findings {
    /// By trial.
    pub rows: Vec<(&'static str, Row)>,
    /// How late this host wakes a sleeper: the median, in microseconds.
    pub floor_us: f64,
    /// The worst of all rows, and why.
    pub verdict: Verdict,
}

/// Conducts `trials` after so many wake-ups, and prints the table.
///
/// # Errors
/// A trial could not begin.
pub fn run(wakes: u64, trials: &[Trial], format: Format) -> Result<ExitCode, SupervisorError> {
    progress("wake-up", &format!("{wakes} sleeps of 1 ms"));
    let system = |error| SupervisorError::System { what: "timer", error };
    let floor = floor::lateness(wakes, &SIGNALS).map_err(system)?;
    if let Some(signal) = floor.signal {
        return Ok(ExitCode::ended_by(signal));
    }
    let micros = |q| floor.late.quantile(q).unwrap_or(0) as f64 / 1e3;
    let mut rows: Vec<(&str, Row)> = [("p50", 0.5), ("p99", 0.99), ("max", 1.0)]
        .map(|(name, q)| ("wake-up", Row::told(&format!("late, {name}"), micros(q), "µs")))
        .into();
    let mut untrue = Vec::new();
    for trial in trials {
        let mut repeats: Vec<Vec<Row>> = Vec::new();
        for _ in 0..trial.repeats {
            progress(trial.name, &format!("sclients {}", trial.words));
            let summary = supervisor::trial(trial.plan())?;
            if let Some(signal) = summary.course.signal {
                return Ok(ExitCode::ended_by(signal));
            }
            let of_trial = verdict::untrue_counts(&summary).into_iter();
            untrue.extend(of_trial.map(|why| format!("{}: {why}", trial.name)));
            repeats.push((trial.rows)(&summary));
        }
        rows.extend(by_row(repeats).map(|row| (trial.name, row)));
    }
    let name = "accounts that do not close";
    rows.push(("every trial", Row::count(name, 0, untrue.len() as u64)));
    let findings = Findings { floor_us: micros(0.5), verdict: judged(&rows, untrue), rows };
    let told = match format {
        Format::Text => report::text(&findings),
        Format::Json => report::json(&findings),
    };
    Ok(match supervisor::write_result(&told) {
        Err(_) => ExitCode::Internal,
        Ok(()) if findings.verdict.state == State::Invalid => ExitCode::Invalid,
        Ok(()) => ExitCode::Success,
    })
}

/// A line on standard error before each part.
fn progress(name: &str, what: &str) {
    let _ = writeln!(std::io::stderr(), "{name}: {what}");
}

/// What stands for each row of a trial that was repeated.
fn by_row(repeats: Vec<Vec<Row>>) -> impl Iterator<Item = Row> {
    let count = repeats.first().map_or(0, Vec::len);
    (0..count).map(move |index| Row::of(repeats.iter().map(|rows| rows[index].clone()).collect()))
}

/// The worst of all rows, and why: what is `untrue` of the accounts last.
fn judged(rows: &[(&'static str, Row)], untrue: Vec<String>) -> Verdict {
    let state = rows.iter().map(|(_, row)| row.state()).max().unwrap_or(State::Valid);
    let reasons = rows.iter().filter(|(_, row)| row.state() > State::Valid).map(|(trial, row)| {
        let (expected, measured) = (report::expected(row), report::measured(row));
        format!("{trial}, {}: {measured} instead of {expected}; {}", row.name, row.means)
    });
    Verdict { state, reasons: reasons.chain(untrue).collect(), notes: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_off_is_a_reason_in_words() {
        let late =
            Row::known("p99", 0.0, 1_500.0, "µs", Check::Tail(1e3)).meaning("sends are late");
        let rows = [("1,000/s", late), ("stall", Row::count("requests answered", 8000, 7990))];
        let doubt = judged(&rows[..1], Vec::new());
        assert_eq!(doubt.state, State::Suspect);
        assert_eq!(doubt.reasons, ["1,000/s, p99: 1500.0 µs instead of 0.0 µs; sends are late"]);
        let verdict = judged(&rows, vec!["stall: the ledger does not close".into()]);
        assert_eq!(verdict.state, State::Invalid);
        let reason = "stall, requests answered: 7,990 instead of 8,000; counts are wrong here: no run on this host can be trusted";
        assert_eq!(verdict.reasons[1..], [reason, "stall: the ledger does not close"]);
    }
}
