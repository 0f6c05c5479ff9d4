//! One end of a pipe, or any other stream of bytes that is neither socket nor file.

use crate::target::{DispatchState, Filter, Registration};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::io;
use std::os::fd::OwnedFd;

/// One end of a pipe, non-blocking.
#[derive(Debug)]
pub struct Pipe {
    descriptor: OwnedFd,
    registration: Registration,
}

impl Pipe {
    /// A new pipe (reading end, writing end), both closed on exec.
    ///
    /// # Errors
    /// No descriptors, or the user's pipe pages are used up.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (reading, writing) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        Ok((Self::reading(reading)?, Self::writing(writing)?))
    }

    /// The end that is read.
    ///
    /// # Errors
    /// Not a descriptor that can be made non-blocking.
    pub fn reading(descriptor: OwnedFd) -> io::Result<Self> {
        Self::new(descriptor, Filter::READABLE)
    }

    /// The end that is written. It hears of room from the start, and of the reader's end.
    ///
    /// # Errors
    /// Not a descriptor that can be made non-blocking.
    pub fn writing(descriptor: OwnedFd) -> io::Result<Self> {
        Self::new(descriptor, Filter::WRITABLE)
    }

    fn new(descriptor: OwnedFd, filter: Filter) -> io::Result<Self> {
        let flags = OFlag::from_bits_retain(fcntl(&descriptor, FcntlArg::F_GETFL)?);
        fcntl(&descriptor, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        Ok(Self { descriptor, registration: Registration::new(filter, DispatchState::Connected) })
    }

    /// Reads what is there: `Some(0)` is the end, `None` is nothing yet.
    ///
    /// # Errors
    /// The kernel's failure to read.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        unless_blocked(nix::unistd::read(&self.descriptor, buffer))
    }

    /// Writes what fits: `None` is nothing now. A write may be partial.
    ///
    /// # Errors
    /// `BrokenPipe` when no reader is left, or the kernel's failure to write.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        unless_blocked(nix::unistd::write(&self.descriptor, bytes))
    }
}

fn unless_blocked(result: nix::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

crate::registered!(Pipe, descriptor);
