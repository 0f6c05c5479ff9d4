//! The one file that names bincode.
//!
//! bincode 2.0.1, fixed-width little-endian (`legacy`), always with a limit: without one a forged
//! length allocates what it says. bincode is unmaintained (RUSTSEC-2025-0141); `wincode` writes the
//! same bytes and would replace this file alone.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::{Decode, Encode};
use std::fmt;

/// The largest body of any message. A report is a few kilobytes; a share may carry a request body.
pub const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

type Config = Configuration<LittleEndian, Fixint, Limit<BODY_BYTES_MAX>>;

const CONFIG: Config = bincode::config::legacy().with_limit::<BODY_BYTES_MAX>();

/// A body of up to so many bytes may not ask for more than eight times that: memory is taken for what
/// a length says before its items are read, and a forged one stands in a short body.
const SHORT_BYTES: usize = 256 * 1024;

const SHORT: Configuration<LittleEndian, Fixint, Limit<{ 8 * SHORT_BYTES }>> =
    bincode::config::legacy().with_limit::<{ 8 * SHORT_BYTES }>();

/// Bytes that are not what they should be. Whoever sent them is not to be believed further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The frame is of another version of this program.
    Version(u8),
    /// The frame is of another kind than this pipe carries.
    Kind(u8),
    /// The frame is longer than any message of its kind.
    TooLong(u32),
    /// A frame is missing or doubled: it has this number, the other was due.
    Sequence(u32, u32),
    /// The frame has flags that this version does not know.
    Flags(u16),
    /// The body is not the message that its frame promises.
    Body(&'static str),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "frame of version {version}"),
            Self::Kind(kind) => write!(f, "frame of unknown kind {kind}"),
            Self::TooLong(bytes) => write!(f, "frame of {bytes} bytes is too long"),
            Self::Sequence(is, due) => write!(f, "frame {is} came where frame {due} was due"),
            Self::Flags(flags) => write!(f, "frame with unknown flags {flags:#x}"),
            Self::Body(what) => write!(f, "frame body: {what}"),
        }
    }
}

impl std::error::Error for WireError {}

/// Appends the encoding of `value`.
pub(crate) fn encode<T: Encode>(value: &T, bytes: &mut Vec<u8>) {
    bincode::encode_into_std_write(value, bytes, CONFIG)
        .expect("memory takes every message that is under the limit");
}

/// Decodes `bytes` to their end.
pub(crate) fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<T, WireError> {
    let decoded = match bytes.len() {
        0..=SHORT_BYTES => bincode::decode_from_slice(bytes, SHORT),
        _ => bincode::decode_from_slice(bytes, CONFIG),
    };
    match decoded {
        Ok((value, used)) if used == bytes.len() => Ok(value),
        Ok(_) => Err(WireError::Body("bytes are left over")),
        Err(_) => Err(WireError::Body("not the message that was promised")),
    }
}
