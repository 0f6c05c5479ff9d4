//! What a machine or the kernel said becomes an outcome class, in one exhaustive match each.

use protocols::Failure;
use stats::Outcome;
use tcpsocket::SocketError;

/// The class of a failed connection attempt.
pub const fn of_attempt(error: SocketError) -> Outcome {
    match error {
        SocketError::Refused => Outcome::ConnectRefused,
        SocketError::Reset => Outcome::ConnectReset,
        SocketError::TimedOut => Outcome::ConnectTimeout,
        SocketError::Unreachable => Outcome::ConnectUnreachable,
        SocketError::NotPermitted => Outcome::LocalNotPermitted,
        SocketError::SourceTaken | SocketError::NoSource => Outcome::LocalPorts,
        SocketError::FileLimit => Outcome::LocalFileLimit,
        SocketError::FileTable => Outcome::LocalFileTable,
        SocketError::NoBuffers => Outcome::LocalNoBuffers,
        SocketError::NoWatches => Outcome::LocalWatches,
        SocketError::Other(_) => Outcome::LocalOther,
    }
}

/// The class of a request whose connection broke; `stale` says that the connection had answered before
/// and this request got not a byte.
pub const fn of_broken(error: SocketError, stale: bool) -> Outcome {
    match error {
        SocketError::Reset if stale => Outcome::StaleKeepalive,
        SocketError::Reset | SocketError::Refused => Outcome::Reset,
        SocketError::TimedOut => Outcome::TimeoutTotal,
        SocketError::Unreachable
        | SocketError::NotPermitted
        | SocketError::SourceTaken
        | SocketError::NoSource
        | SocketError::FileLimit
        | SocketError::FileTable
        | SocketError::NoBuffers
        | SocketError::NoWatches
        | SocketError::Other(_) => of_attempt(error),
    }
}

/// The class of a request that the machine gave up; `reused` says that the connection had answered
/// before.
pub const fn of_exchange(failure: Failure, reused: bool) -> Outcome {
    match failure {
        Failure::StatusLine => Outcome::HttpStatusLine,
        Failure::Version => Outcome::HttpVersion,
        Failure::StatusCode => Outcome::HttpStatusCode,
        Failure::Header => Outcome::HttpHeader,
        Failure::TooLarge => Outcome::HttpTooLarge,
        Failure::Length => Outcome::HttpLength,
        Failure::Chunk => Outcome::HttpChunk,
        Failure::Encoding => Outcome::HttpEncoding,
        Failure::InterimLimit => Outcome::HttpInterimLimit,
        Failure::Upgrade => Outcome::HttpUpgrade,
        Failure::Truncated => Outcome::Truncated,
        Failure::ClosedBeforeResponse if reused => Outcome::StaleKeepalive,
        Failure::ClosedBeforeResponse => Outcome::ClosedBeforeResponse,
        Failure::Unsolicited => Outcome::Unsolicited,
        Failure::ExtraData => Outcome::ExtraData,
        Failure::BodyLimit => Outcome::BodyLimit,
        Failure::EchoMismatch => Outcome::EchoMismatch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::errno::Errno;
    use stats::Fault;

    #[test]
    fn what_this_host_refuses_is_never_the_targets_fault() {
        for (errno, class) in [
            (Errno::EMFILE, Outcome::LocalFileLimit),
            (Errno::ENFILE, Outcome::LocalFileTable),
            (Errno::EADDRINUSE, Outcome::LocalPorts),
            (Errno::EADDRNOTAVAIL, Outcome::LocalPorts),
            (Errno::ENOBUFS, Outcome::LocalNoBuffers),
            (Errno::ENOMEM, Outcome::LocalNoBuffers),
            (Errno::ENOSPC, Outcome::LocalWatches),
            (Errno::EPERM, Outcome::LocalNotPermitted),
            (Errno::EACCES, Outcome::LocalNotPermitted),
            (Errno::EINVAL, Outcome::LocalOther),
        ] {
            let error = SocketError::from(errno);
            let classes = [of_attempt(error), of_broken(error, false), of_broken(error, true)];
            assert_eq!(classes, [class; 3], "{errno}");
            assert_eq!(class.fault(), Fault::Tester);
        }
        assert_eq!(of_attempt(SocketError::NoSource), Outcome::LocalPorts);
    }

    #[test]
    fn what_the_peer_does_to_a_connection_is_its_own() {
        for (errno, stale, class) in [
            (Errno::ECONNRESET, false, Outcome::Reset),
            (Errno::EPIPE, false, Outcome::Reset),
            (Errno::ECONNRESET, true, Outcome::StaleKeepalive),
            (Errno::ETIMEDOUT, true, Outcome::TimeoutTotal),
            (Errno::EHOSTUNREACH, false, Outcome::ConnectUnreachable),
        ] {
            assert_eq!(of_broken(errno.into(), stale), class, "{errno}");
        }
    }
}
