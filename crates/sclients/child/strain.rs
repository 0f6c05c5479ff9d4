//! How a worker itself fares: the signals of [`stats::Strain`], read where they arise.
//!
//! A worker that is stopped, or starved of a processor, cannot say so while it lasts; it sees
//! afterwards that it turned later than it had meant to. For that it means to turn at least every
//! [`PULSE`] while it is under load, whatever its sockets do.

use super::usage;
use dispatch::Instant;
use stats::Strain;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// A loaded worker's loop turns at least so often.
const PULSE: Duration = Duration::from_millis(50);

/// Standing still for so long is our own doing, and no silence of the target.
const OWN_STOP: Duration = Duration::from_millis(20);

/// Watches the process that it lives in.
#[derive(Debug)]
pub struct StrainGauge {
    schedstat: Option<File>,
    last: Reading,
    /// By when the loop meant to turn again.
    due: Instant,
    /// Since when the target owes answers without a break of our own.
    owed: Instant,
    maxima: Strain,
}

/// What only grows, as of an instant.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    at: Instant,
    cpu: u64,
    wait: u64,
    switches: u64,
}

impl StrainGauge {
    /// Opens what it reads once a second. Without schedstat there is no run-queue wait.
    pub fn open() -> Self {
        let mut gauge = Self {
            schedstat: File::open("/proc/self/schedstat").ok(),
            last: Reading::default(),
            due: Instant::FAR_FUTURE,
            owed: Instant::default(),
            maxima: Strain::default(),
        };
        gauge.last = gauge.read(Instant::now());
        gauge
    }

    /// The loop woke at `woke` and turns at `now`; `in_flight` says whether requests are, and
    /// `answered` when the last answer came.
    pub fn turn(&mut self, woke: Instant, now: Instant, in_flight: bool, answered: Instant) {
        let (late, turn) = (woke.nanos_since(self.due), now.nanos_since(woke));
        self.maxima.gap_max = self.maxima.gap_max.max(late);
        self.maxima.turn_max = self.maxima.turn_max.max(turn);
        let first = self.due == Instant::FAR_FUTURE;
        let stood = Duration::from_nanos(late.max(turn)) >= OWN_STOP;
        if first || stood || !in_flight {
            self.owed = now;
        }
        let silent = now.nanos_since(self.owed.max(answered));
        self.maxima.silence_max = self.maxima.silence_max.max(silent);
        self.due = now + PULSE;
    }

    /// By when the loop is to turn again, so that a stop is noticed.
    pub const fn next_turn(&self) -> Instant {
        self.due
    }

    /// Ends the interval at `now`.
    pub fn cut(&mut self, now: Instant) -> Strain {
        let reading = self.read(now);
        let last = std::mem::replace(&mut self.last, reading);
        let maxima = std::mem::take(&mut self.maxima);
        Strain {
            wall: reading.at.nanos_since(last.at),
            cpu: reading.cpu.saturating_sub(last.cpu),
            wait: reading.wait.saturating_sub(last.wait),
            switches: reading.switches.saturating_sub(last.switches),
            ..maxima
        }
    }

    fn read(&self, at: Instant) -> Reading {
        let mut text = [0; 96];
        let read = self.schedstat.as_ref().and_then(|file| file.read_at(&mut text, 0).ok());
        let (cpu_micros, switches) = usage::cpu_micros_and_switches();
        Reading {
            at,
            cpu: cpu_micros * 1000,
            wait: run_queue_wait(&text[..read.unwrap_or(0)]).unwrap_or(0),
            switches,
        }
    }
}

/// Nanoseconds of waiting for a processor: the second number of
/// [schedstat](https://docs.kernel.org/scheduler/sched-stats.html), of the process's first thread,
/// which is a worker's only one.
fn run_queue_wait(schedstat: &[u8]) -> Option<u64> {
    std::str::from_utf8(schedstat).ok()?.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    /// Turns at (woke, now), with requests in flight and the last answer at 0.
    fn maxima(turns: &[(u64, u64)]) -> (u64, u64, u64) {
        let mut gauge = StrainGauge::open();
        turns.iter().for_each(|(woke, now)| gauge.turn(at(*woke), at(*now), true, at(0)));
        let Strain { turn_max, gap_max, silence_max, .. } = gauge.cut(at(10_000));
        (turn_max / 1_000_000, gap_max / 1_000_000, silence_max / 1_000_000)
    }

    #[test]
    fn a_stop_shows_as_a_late_wake_or_a_long_turn() {
        for (turns, expected) in [
            (&[(0, 1), (51, 51)][..], (1, 0, 50)),
            (&[(0, 0), (550, 551)][..], (1, 500, 0)),
            (&[(0, 0), (10, 510)][..], (500, 0, 0)),
        ] {
            assert_eq!(maxima(turns), expected, "{turns:?}");
        }
    }

    #[test]
    fn silence_is_the_targets_where_the_loop_ran() {
        let ran: Vec<(u64, u64)> = (0..20).map(|turn| (turn * 50, turn * 50)).collect();
        assert_eq!(maxima(&ran).2, 950);
        let mut stopped = ran;
        stopped.extend((40..50).map(|turn| (turn * 50, turn * 50)));
        assert_eq!(maxima(&stopped).2, 950, "the silence of our own stop is not counted");
    }

    #[test]
    fn garbled_schedstats_are_no_wait() {
        for (text, expected) in [
            (&b"191614 17 1\n"[..], Some(17)),
            (b"", None),
            (b"191614", None),
            (b"1 -2 3", None),
            (b"1 99999999999999999999999 3", None),
            (b"\xff\xfe 2 3", None),
        ] {
            assert_eq!(run_queue_wait(text), expected, "{text:?}");
        }
    }

    #[test]
    fn this_process_is_watched() {
        let mut gauge = StrainGauge::open();
        let until = Instant::now() + Duration::from_millis(20);
        while Instant::now() < until {}
        let strain = gauge.cut(Instant::now());
        assert!(strain.wall >= 20_000_000 && strain.cpu > 0, "{strain:?}");
    }
}
