//! Slow clients: connections that read and write no faster than they are told to.
//!
//! What a rate does not allow to be read stays in the kernel, so that the receive window closes and
//! the peer feels it. Each direction has an [`Allowance`], a schedule on absolute instants: each byte
//! takes its time of it, lateness of ours is made up for, and what lies unused for longer is lost.
//!
//! ```text
//!         spent ──── at most QUANTUM + LATENESS ────▶ now
//!           └─ time that may still be turned into bytes ─┘
//! ```

use dispatch::Instant;
use std::num::NonZeroU64;
use std::time::Duration;
use tcpsocket::{Read, Stream, Written};

/// What one return is worth: a slow connection takes 20 turns a second at most. At rates below 20
/// bytes/s it is the time of one byte.
const QUANTUM: Duration = Duration::from_millis(50);
/// How late a return may be without a loss of rate. Together they bound the burst: 100 ms worth of
/// bytes, or one byte.
const LATENESS: Duration = Duration::from_millis(50);

const NANOS_PER_S: u128 = 1_000_000_000;

/// How slow the connections are that a service opens; by default not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slowness {
    /// Bytes per second that each connection reads at most.
    pub read_bytes_per_s: Option<NonZeroU64>,
    /// Bytes per second that each connection writes at most.
    pub write_bytes_per_s: Option<NonZeroU64>,
    /// The kernel's receive buffer, as asked of it ([`Stream::connect_with`]).
    pub receive_buffer_bytes: Option<usize>,
}

impl Slowness {
    /// Whether a connection has rates at all.
    pub(crate) const fn is_limited(&self) -> bool {
        self.read_bytes_per_s.is_some() || self.write_bytes_per_s.is_some()
    }

    /// What a connection keeps from its first byte on. Allowances begin whole, so that one which was only
    /// opened has nothing to keep, and costs no more than a fast one.
    pub(crate) fn of_connection(&self) -> Box<Slow> {
        let read = self.read_bytes_per_s.map(Allowance::new);
        let write = self.write_bytes_per_s.map(Allowance::new);
        Box::new(Slow { read, write })
    }
}

/// The rates of one connection.
#[derive(Debug)]
pub(crate) struct Slow {
    read: Option<Allowance>,
    write: Option<Allowance>,
}

impl Slow {
    /// Reads at most what the rate allows. Beside it, whether the socket may hold more.
    pub(crate) fn read(&mut self, stream: &mut Stream, buffer: &mut [u8]) -> (Read, bool) {
        let room = room(&mut self.read, buffer.len());
        if room == 0 {
            return (Read::Blocked, true);
        }
        let read = stream.read(&mut buffer[..room]);
        if let (Some(allowance), Read::Bytes(bytes)) = (&mut self.read, read) {
            allowance.spend(bytes);
        }
        (read, read == Read::Bytes(room))
    }

    /// Writes at most what the rate allows; none when that is nothing now.
    pub(crate) fn write(&mut self, stream: &mut Stream, bytes: &[u8]) -> Option<Written> {
        let room = room(&mut self.write, bytes.len());
        if room == 0 {
            return None;
        }
        let written = stream.write(&bytes[..room]);
        if let (Some(allowance), Written::Bytes(bytes)) = (&mut self.write, written) {
            allowance.spend(bytes);
        }
        Some(written)
    }

    /// There is more to read, to write, or both: whether a turn for it may come at once. Where a rate
    /// says later, `note` gets the instant, once.
    pub(crate) fn may_return(
        &mut self,
        to_read: bool,
        to_write: bool,
        mut note: impl FnMut(Instant),
    ) -> bool {
        let now = Instant::now();
        let mut at_once = false;
        for (allowance, wanted) in [(&mut self.read, to_read), (&mut self.write, to_write)] {
            match allowance {
                _ if !wanted => {}
                Some(allowance) => at_once |= allowance.may_return(now, &mut note),
                None => at_once = true,
            }
        }
        at_once
    }

    /// `instant`, noted before, has come: whether reading and whether writing waited for it.
    pub(crate) fn woken(&mut self, instant: Instant) -> (bool, bool) {
        let waited = |allowance: &mut Option<Allowance>| {
            allowance.as_mut().is_some_and(|allowance| allowance.woken(instant))
        };
        (waited(&mut self.read), waited(&mut self.write))
    }
}

/// Of `wanted` bytes those that `allowance` has; without one all.
fn room(allowance: &mut Option<Allowance>, wanted: usize) -> usize {
    allowance.as_mut().map_or(wanted, |allowance| allowance.room(wanted, Instant::now()))
}

/// The schedule of one direction.
#[derive(Debug)]
struct Allowance {
    bytes_per_s: NonZeroU64,
    /// The time before is turned into bytes, or lost.
    spent: Instant,
    /// When the connection comes back; [`Instant::FAR_FUTURE`] when it does not wait.
    resume: Instant,
}

impl Allowance {
    /// One that has a whole burst: time has passed since the epoch.
    fn new(bytes_per_s: NonZeroU64) -> Self {
        Self { bytes_per_s, spent: Instant::default(), resume: Instant::FAR_FUTURE }
    }

    /// The time of so many bytes, rounded up: the rate is never exceeded.
    fn time_of(&self, bytes: usize) -> Duration {
        let nanos = (bytes as u128 * NANOS_PER_S).div_ceil(self.bytes_per_s.get().into());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn quantum(&self) -> Duration {
        QUANTUM.max(self.time_of(1))
    }

    /// Of `wanted` bytes those that may go at `now`; none while the connection waits to come back.
    fn room(&mut self, wanted: usize, now: Instant) -> usize {
        if self.resume != Instant::FAR_FUTURE {
            return 0;
        }
        self.spent = self.spent.max(now - (self.quantum() + LATENESS));
        let nanos = u128::from(now.nanos_since(self.spent));
        let allowed = nanos * u128::from(self.bytes_per_s.get()) / NANOS_PER_S;
        usize::try_from(allowed).unwrap_or(usize::MAX).min(wanted)
    }

    fn spend(&mut self, bytes: usize) {
        self.spent = self.spent + self.time_of(bytes);
    }

    /// Whether a quantum is there at `now`; where it is not, `note` gets the instant of it, unless it
    /// had that already.
    fn may_return(&mut self, now: Instant, note: &mut impl FnMut(Instant)) -> bool {
        let due = self.spent + self.quantum();
        let waits = self.resume != Instant::FAR_FUTURE;
        if !waits && due > now {
            self.resume = due;
            note(due);
        }
        !waits && due <= now
    }

    fn woken(&mut self, instant: Instant) -> bool {
        let waited = self.resume == instant;
        if waited {
            self.resume = Instant::FAR_FUTURE;
        }
        waited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_nanos(1_000_000_000_000);

    fn allowance(bytes_per_s: u64) -> Allowance {
        Allowance::new(NonZeroU64::new(bytes_per_s).unwrap())
    }

    /// Bytes that go within `time` where there always are more, and each return is late by what
    /// `late` says.
    fn bytes_within(bytes_per_s: u64, time: Duration, mut late: impl FnMut() -> Duration) -> u64 {
        let mut allowance = allowance(bytes_per_s);
        let (mut now, mut total) = (START, 0);
        while now <= START + time {
            let room = allowance.room(usize::MAX, now);
            assert!(room >= 1, "a return is worth a byte");
            allowance.spend(room);
            total += room as u64;
            let mut resume = Instant::FAR_FUTURE;
            assert!(!allowance.may_return(now, &mut |instant| resume = instant));
            assert_eq!(allowance.room(1, now), 0, "it waits");
            now = resume + late();
            assert!(allowance.woken(resume));
        }
        total
    }

    /// What may go at once, at most.
    fn burst(bytes_per_s: u64) -> u64 {
        (bytes_per_s / 10).max(1)
    }

    #[test]
    fn a_rate_is_kept_from_a_byte_a_second_to_a_gigabyte() {
        const SECONDS: u64 = 60;
        for rate in [1, 2, 7, 10, 19, 20, 21, 100, 10_000, 100_000, 1 << 30] {
            let total = bytes_within(rate, Duration::from_secs(SECONDS), || Duration::ZERO);
            let exact = rate * SECONDS;
            let rounding = rate / 1_000_000;
            assert!(total <= exact + burst(rate), "{total} bytes at {rate}/s");
            assert!(total + burst(rate) + rounding >= exact, "{total} bytes at {rate}/s");
        }
    }

    #[test]
    fn late_returns_do_not_add_up() {
        for rate in [1, 7, 100, 10_000, 1_000_000] {
            let mut seed = 7_u64;
            let late = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                Duration::from_nanos((seed >> 33) % LATENESS.as_nanos() as u64)
            };
            let total = bytes_within(rate, Duration::from_secs(600), late);
            let (exact, rounding) = (rate * 600, rate / 1_000);
            assert!(total <= exact + burst(rate), "{total} bytes at {rate}/s");
            assert!(total + burst(rate) + rounding >= exact, "{total} bytes at {rate}/s");
        }
    }

    #[test]
    fn an_idle_hour_is_worth_a_burst() {
        for (rate, bytes) in [(1, 1), (5, 1), (10, 1), (100, 10), (10_000, 1_000)] {
            let mut allowance = allowance(rate);
            assert_eq!(allowance.room(usize::MAX, START), bytes, "{rate}/s");
            allowance.spend(bytes);
            let later = START + Duration::from_secs(3600);
            assert_eq!(allowance.room(usize::MAX, later), bytes, "{rate}/s");
        }
    }

    #[test]
    fn what_is_not_wanted_is_not_spent() {
        let mut allowance = allowance(1_000);
        assert_eq!(allowance.room(30, START), 30);
        allowance.spend(30);
        assert_eq!(allowance.room(usize::MAX, START), 70);
        let mut noted = 0;
        assert!(allowance.may_return(START, &mut |_| noted += 1), "a quantum is left");
        allowance.spend(70);
        assert!(!allowance.may_return(START, &mut |_| noted += 1));
        assert!(!allowance.may_return(START, &mut |_| noted += 1));
        assert_eq!(noted, 1, "it is noted once");
        assert!(!allowance.woken(START), "it waits for another instant");
    }

    #[test]
    fn a_connection_without_rates_keeps_nothing() {
        let buffer_alone = Slowness { receive_buffer_bytes: Some(4096), ..Slowness::default() };
        assert!(!Slowness::default().is_limited());
        assert!(!buffer_alone.is_limited());
        assert_eq!(size_of::<Option<Box<Slow>>>(), 8);
    }
}
