//! A deadline as a readable source: timerfd_create(2), absolute, in nanoseconds.

use crate::clock::Instant;
use crate::target::{DispatchState, Filter, Registration};
use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::io;

/// A one-shot timer on `CLOCK_MONOTONIC`; readable from its deadline on.
///
/// A timerfd is an hrtimer: it does not wait for whole milliseconds as epoll_wait does, nor for
/// the process's timer slack. Setting it costs about 0.3 µs, so set it only when the earliest
/// deadline changes ([`Timer::set`] does nothing for the deadline that is set already).
#[derive(Debug)]
pub struct Timer {
    descriptor: TimerFd,
    registration: Registration,
    deadline: Option<Instant>,
}

impl Timer {
    /// A timer without a deadline.
    ///
    /// # Errors
    /// No descriptors or memory.
    pub fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        Ok(Self {
            descriptor: TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?,
            registration: Registration::new(Filter::READABLE, DispatchState::Idle),
            deadline: None,
        })
    }

    /// Sets the deadline, in the past means now; none disarms.
    ///
    /// # Errors
    /// The kernel's refusal, which none of these arguments causes.
    pub fn set(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        if deadline == self.deadline {
            return Ok(());
        }
        self.deadline = deadline;
        match deadline {
            None => self.descriptor.unset()?,
            Some(deadline) => {
                let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME;
                self.descriptor.set(Expiration::OneShot(time_spec(deadline)), flags)?;
            }
        }
        Ok(())
    }

    /// The deadline that is set; none once it was seen to have passed.
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// How often the timer ran out since it was set: 1 or, called too early, 0.
    ///
    /// # Errors
    /// The kernel's failure to read.
    pub fn expirations(&mut self) -> io::Result<u64> {
        let mut count = [0; 8];
        match nix::unistd::read(&self.descriptor, &mut count) {
            Ok(_) => {
                self.deadline = None;
                Ok(u64::from_ne_bytes(count))
            }
            Err(Errno::EAGAIN) => Ok(0),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Zero would disarm (timerfd_settime(2)), so the clock's epoch becomes its first nanosecond.
fn time_spec(deadline: Instant) -> TimeSpec {
    let nanos = deadline.as_nanos().clamp(1, i64::MAX as u64);
    TimeSpec::new((nanos / 1_000_000_000) as i64, (nanos % 1_000_000_000) as i64)
}

crate::registered!(Timer, descriptor);
