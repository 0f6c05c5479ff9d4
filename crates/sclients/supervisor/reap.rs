//! Burying children: how each one ended.

use crate::kept;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(#[serde(with = "kept::signal")] Signal),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit {code}"),
            Self::Signal(signal) => write!(f, "{}", signal.as_str()),
        }
    }
}

/// What has become of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has ended, and is reaped.
    Ended(Exit),
    /// It was stopped, by somebody's signal.
    Stopped,
    /// It goes on.
    Continued,
}

/// The next child that something has become of; none when all was told. One SIGCHLD may stand for
/// many, so call this until none is left.
pub fn next_change() -> Option<(i32, Change)> {
    let flags = WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED | WaitPidFlag::WCONTINUED;
    loop {
        match waitpid(None, Some(flags)) {
            Ok(WaitStatus::Exited(pid, code)) => {
                return Some((pid.as_raw(), Change::Ended(Exit::Code(code))));
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) => {
                return Some((pid.as_raw(), Change::Ended(Exit::Signal(signal))));
            }
            Ok(WaitStatus::Stopped(pid, _)) => return Some((pid.as_raw(), Change::Stopped)),
            Ok(WaitStatus::Continued(pid)) => return Some((pid.as_raw(), Change::Continued)),
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return None,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
    }
}

/// Sends `signal` to a child that is ours and not reaped yet, so that its number cannot be another's.
pub fn send_to_child(pid: i32, signal: Signal) {
    // It may have ended in this instant; then it waits to be reaped.
    let _ = kill(Pid::from_raw(pid), signal);
}
