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
        SocketError::NoBuffers => Outcome::LocalNoBuffers,
        SocketError::NotPermitted => Outcome::LocalNotPermitted,
        SocketError::TimedOut => Outcome::TimeoutTotal,
        SocketError::Unreachable => Outcome::ConnectUnreachable,
        SocketError::Other(_) => Outcome::LocalOther,
        _ => Outcome::Reset,
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
