//! What the processes counted, and the lines in which they tell it over a pipe: a name and its
//! values, blanks between, `end` last.

use crate::latencies::Latencies;
use std::collections::BTreeMap;
use std::time::Duration;

/// The last line of a process that has told all.
pub const END: &str = "end";

/// Its first number is nanoseconds on the processor, renewed at each tick of the scheduler.
const SCHEDSTAT: &str = "/proc/thread-self/schedstat";

/// What came of the requests of one client process, or of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests begun.
    pub begun: u64,
    /// Those that were neither answered nor failed when the time was up.
    pub unanswered: u64,
    /// Answers, by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests and connections that failed, by what the machine or the kernel said.
    pub failures: BTreeMap<String, u64>,
    /// From a request's first byte handed over to its answer's last byte read.
    pub latencies: Latencies,
    /// From the start to the last answer.
    pub elapsed: Duration,
    /// Processor time from the start on, user and system.
    pub cpu: Duration,
}

impl Tally {
    /// Notes a failure.
    pub fn failed(&mut self, why: String) {
        *self.failures.entry(why).or_default() += 1;
    }

    /// Requests answered.
    pub fn completed(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Requests and connections that failed.
    pub fn failures(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Adds that of another process, which ran beside this one.
    pub fn merge(&mut self, other: &Self) {
        self.begun += other.begun;
        self.unanswered += other.unanswered;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (why, count) in &other.failures {
            *self.failures.entry(why.clone()).or_default() += count;
        }
        self.latencies.merge(&other.latencies);
        self.elapsed = self.elapsed.max(other.elapsed);
        self.cpu += other.cpu;
    }

    /// Answers per second.
    pub fn rate_per_s(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.completed() as f64 / seconds } else { 0.0 }
    }

    /// The lines, without `end`.
    pub fn lines(&self) -> String {
        let mut text = format!("begun {}\nunanswered {}\n", self.begun, self.unanswered);
        for (status, count) in &self.statuses {
            text += &format!("status {status} {count}\n");
        }
        for (why, count) in &self.failures {
            text += &format!("failed {count} {}\n", why.replace('\n', " "));
        }
        text += &format!("elapsed {}\ncpu {}\n", self.elapsed.as_nanos(), self.cpu.as_nanos());
        text + &self.latencies.lines()
    }

    /// Reads the lines of one process.
    ///
    /// # Errors
    /// The line that is none.
    pub fn from_lines(lines: &[String]) -> Result<Self, String> {
        let mut tally = Self::default();
        for line in lines {
            tally.read(line).ok_or_else(|| format!("`{line}` is no line of a client"))?;
        }
        Ok(tally)
    }

    fn read(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["begun", count] => self.begun = number(count)?,
            ["unanswered", count] => self.unanswered = number(count)?,
            ["status", status, count] => {
                self.statuses.insert(status.parse().ok()?, number(count)?);
            }
            ["failed", count, why @ ..] => {
                self.failures.insert(why.join(" "), number(count)?);
            }
            ["elapsed", nanos] => self.elapsed = Duration::from_nanos(number(nanos)?),
            ["cpu", nanos] => self.cpu = Duration::from_nanos(number(nanos)?),
            latency => self.latencies.read(latency)?,
        }
        Some(())
    }
}

/// What a server saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Whole requests.
    pub requests: u64,
    /// Requests that broke the protocol.
    pub bad: u64,
    /// Processor time since the first request, user and system.
    pub cpu: Duration,
}

impl Seen {
    /// The lines, without `end`.
    pub fn lines(&self) -> String {
        format!("seen {}\nbad {}\ncpu {}\n", self.requests, self.bad, self.cpu.as_nanos())
    }

    /// Reads the lines of a server.
    ///
    /// # Errors
    /// The line that is none.
    pub fn from_lines(lines: &[String]) -> Result<Self, String> {
        let mut seen = Self::default();
        for line in lines {
            seen.read(line).ok_or_else(|| format!("`{line}` is no line of a server"))?;
        }
        Ok(seen)
    }

    fn read(&mut self, line: &str) -> Option<()> {
        let (name, value) = line.split_once(' ')?;
        let value = number(value)?;
        match name {
            "seen" => self.requests = value,
            "bad" => self.bad = value,
            "cpu" => self.cpu = Duration::from_nanos(value),
            _ => return None,
        }
        Some(())
    }

    /// Whether the counts of both ends can be those of one run: each answer is to a request that was
    /// seen, and each request that was seen had been begun.
    pub fn agrees_with(&self, tally: &Tally) -> bool {
        (tally.completed()..=tally.begun).contains(&self.requests) && self.bad == 0
    }
}

/// A count or time from a pipe. Whatever comes, the sums of a run stay within 64 bits.
fn number(word: &str) -> Option<u64> {
    word.parse().ok().filter(|number| *number <= u64::MAX >> 20)
}

/// Processor time of this thread, which is all of a process here, so far: user and system. Zero where
/// the kernel keeps no schedstat.
pub fn cpu_time() -> Duration {
    let text = std::fs::read_to_string(SCHEDSTAT).unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|word| word.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    fn tally() -> Tally {
        let mut tally = Tally { begun: 9, unanswered: 1, ..Tally::default() };
        tally.statuses.extend([(200, 5), (404, 1)]);
        tally.failed("connection reset by the peer".into());
        tally.failed("Truncated".into());
        tally.latencies.record(Duration::from_micros(250));
        tally.elapsed = Duration::from_millis(1500);
        tally.cpu = Duration::from_micros(700);
        tally
    }

    #[test]
    fn what_is_told_is_what_was_counted() {
        assert_eq!(Tally::from_lines(&lines(&tally().lines())), Ok(tally()));
        let seen = Seen { requests: 7, bad: 1, cpu: Duration::from_nanos(3) };
        assert_eq!(Seen::from_lines(&lines(&seen.lines())), Ok(seen));
    }

    #[test]
    fn garbage_is_refused() {
        for line in [
            "",
            "begun",
            "begun x",
            "begun 1 2",
            "status 200",
            "latency 99999 1",
            "cpu -1",
            "begun 18446744073709551615",
        ] {
            assert!(Tally::from_lines(&lines(&format!("{line}\n"))).is_err(), "`{line}`");
            assert!(Seen::from_lines(&lines(&format!("{line}\n"))).is_err(), "`{line}`");
        }
    }

    #[test]
    fn a_server_sees_no_less_than_was_answered_and_no_more_than_was_begun() {
        for (requests, bad, agrees) in
            [(5, 0, false), (6, 0, true), (9, 0, true), (10, 0, false), (6, 1, false)]
        {
            let seen = Seen { requests, bad, cpu: Duration::ZERO };
            assert_eq!(seen.agrees_with(&tally()), agrees, "{requests} seen");
        }
    }

    #[test]
    fn this_thread_uses_the_processor() {
        let begun = cpu_time();
        while std::path::Path::new(SCHEDSTAT).exists() && cpu_time() == begun {
            std::hint::spin_loop();
        }
    }
}
