//! Signals as a readable source: signalfd(2).

use crate::target::{DispatchState, Filter, Registration};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io;

/// A set of signals, blocked for this thread and read instead.
///
/// The mask is inherited by threads started later and, through exec, by child processes, which
/// unblock what they want to die of. Signals of one kind merge while they wait: read all, count
/// none.
#[derive(Debug)]
pub struct Signals {
    descriptor: SignalFd,
    registration: Registration,
}

impl Signals {
    /// Blocks `signals` for the calling thread and makes them readable here.
    ///
    /// # Errors
    /// No descriptors or memory.
    pub fn new(signals: &[Signal]) -> io::Result<Self> {
        let set: SigSet = signals.iter().copied().collect();
        set.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Self {
            descriptor: SignalFd::with_flags(&set, flags)?,
            registration: Registration::new(Filter::READABLE, DispatchState::Idle),
        })
    }

    /// The next signal that waits; none when all were read.
    ///
    /// # Errors
    /// The kernel's failure to read.
    pub fn next_signal(&mut self) -> io::Result<Option<Signal>> {
        match self.descriptor.read_signal()? {
            Some(info) => Ok(Signal::try_from(info.ssi_signo as i32).ok()),
            None => Ok(None),
        }
    }
}

crate::registered!(Signals, descriptor);
