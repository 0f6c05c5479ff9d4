//! What the kernel said no with, by class.

use nix::errno::Errno;
use std::fmt;
use std::io;

/// A refusal of the kernel, by whose trouble it is.
///
/// The first five speak of the peer or the network, the others of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketError {
    /// Nobody listens there (`ECONNREFUSED`).
    Refused,
    /// The peer reset the connection (`ECONNRESET`, `EPIPE`).
    Reset,
    /// The kernel gave up waiting for the peer (`ETIMEDOUT`).
    TimedOut,
    /// No way there (`ENETUNREACH`, `EHOSTUNREACH`, and the like).
    Unreachable,
    /// A firewall or the like of this host forbids it (`EACCES`, `EPERM`).
    NotPermitted,
    /// The source (address, port) pair is in use (`EADDRINUSE`, `EADDRNOTAVAIL`).
    SourceTaken,
    /// No source pair is left.
    NoSource,
    /// This process may open no more files (`EMFILE`).
    FileLimit,
    /// This host may open no more files (`ENFILE`).
    FileTable,
    /// The kernel has no buffers or memory (`ENOBUFS`, `ENOMEM`).
    NoBuffers,
    /// The poller may watch no more descriptors (`ENOSPC`).
    NoWatches,
    /// Anything else, by number (errno(3)).
    Other(i32),
}

impl From<Errno> for SocketError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::ECONNREFUSED => Self::Refused,
            Errno::ECONNRESET | Errno::EPIPE | Errno::ECONNABORTED => Self::Reset,
            Errno::ETIMEDOUT => Self::TimedOut,
            Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::ENETDOWN | Errno::EHOSTDOWN => {
                Self::Unreachable
            }
            Errno::EACCES | Errno::EPERM => Self::NotPermitted,
            Errno::EADDRINUSE | Errno::EADDRNOTAVAIL => Self::SourceTaken,
            Errno::EMFILE => Self::FileLimit,
            Errno::ENFILE => Self::FileTable,
            Errno::ENOBUFS | Errno::ENOMEM => Self::NoBuffers,
            Errno::ENOSPC => Self::NoWatches,
            other => Self::Other(other as i32),
        }
    }
}

impl From<io::Error> for SocketError {
    fn from(error: io::Error) -> Self {
        error.raw_os_error().map_or(Self::Other(0), |errno| Errno::from_raw(errno).into())
    }
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::Reset => "connection reset by the peer",
            Self::TimedOut => "timed out in the kernel",
            Self::Unreachable => "network or host unreachable",
            Self::NotPermitted => "not permitted by this host",
            Self::SourceTaken => "source address and port in use",
            Self::NoSource => "no source port left",
            Self::FileLimit => "open file limit of the process reached",
            Self::FileTable => "open file limit of the host reached",
            Self::NoBuffers => "no kernel buffers or memory",
            Self::NoWatches => "epoll watch limit reached",
            Self::Other(errno) => return write!(f, "{}", Errno::from_raw(*errno).desc()),
        })
    }
}

impl std::error::Error for SocketError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_errno_has_its_class() {
        for (errno, class) in [
            (Errno::ECONNREFUSED, SocketError::Refused),
            (Errno::EPIPE, SocketError::Reset),
            (Errno::EHOSTUNREACH, SocketError::Unreachable),
            (Errno::EADDRNOTAVAIL, SocketError::SourceTaken),
            (Errno::EADDRINUSE, SocketError::SourceTaken),
            (Errno::EMFILE, SocketError::FileLimit),
            (Errno::ENFILE, SocketError::FileTable),
            (Errno::ENOBUFS, SocketError::NoBuffers),
            (Errno::ENOMEM, SocketError::NoBuffers),
            (Errno::ENOSPC, SocketError::NoWatches),
            (Errno::EPROTO, SocketError::Other(Errno::EPROTO as i32)),
        ] {
            assert_eq!(SocketError::from(errno), class);
            assert_eq!(SocketError::from(io::Error::from(errno)), class);
        }
    }
}
