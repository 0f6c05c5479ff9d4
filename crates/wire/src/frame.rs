//! The envelope: `length u32 LE, version u8, kind u8, flags u16, sequence u32`, then the body.
//! There are no flags yet: a frame that has some is refused, since what they mean is not known.
//!
//! The length counts the body. It is checked against the kind's maximum before memory is taken.

use crate::codec::{WireError, decode, encode};
use bincode::{Decode, Encode};
use std::marker::PhantomData;

/// Bytes of a frame before its body.
pub const FRAME_HEADER_BYTES: usize = 12;

const VERSION: u8 = 1;

/// A message type that has a pipe of its own.
pub trait Message: Encode + Decode<()> {
    /// The kind in the frame.
    const KIND: u8;
    /// The longest body.
    const BYTES_MAX: u32;
}

/// Appends `message` as frame number `sequence`.
///
/// # Panics
/// If the message is longer than its kind may be.
pub fn frame<M: Message>(message: &M, sequence: u32, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0, 0, 0, 0, VERSION, M::KIND, 0, 0]);
    bytes.extend_from_slice(&sequence.to_le_bytes());
    encode(message, bytes);
    let body = u32::try_from(bytes.len() - start - FRAME_HEADER_BYTES).unwrap_or(u32::MAX);
    assert!(body <= M::BYTES_MAX, "a message of {body} bytes is over its kind's bound");
    bytes[start..start + 4].copy_from_slice(&body.to_le_bytes());
}

/// Turns a stream of bytes, cut anywhere, into messages.
#[derive(Debug)]
pub struct Decoder<M> {
    bytes: Vec<u8>,
    start: usize,
    sequence: u32,
    message: PhantomData<M>,
}

impl<M> Default for Decoder<M> {
    fn default() -> Self {
        Self { bytes: Vec::new(), start: 0, sequence: 0, message: PhantomData }
    }
}

impl<M: Message> Decoder<M> {
    /// Takes bytes in.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message; none until more bytes come.
    ///
    /// # Errors
    /// The first thing that is wrong. The stream cannot be read further then.
    pub fn next_message(&mut self) -> Result<Option<M>, WireError> {
        let rest = &self.bytes[self.start..];
        let Some(header) = rest.first_chunk::<FRAME_HEADER_BYTES>() else {
            return Ok(None);
        };
        let length = self.check(header)?;
        let Some(body) = rest[FRAME_HEADER_BYTES..].get(..length) else {
            return Ok(None);
        };
        let message = decode(body)?;
        self.start += FRAME_HEADER_BYTES + length;
        self.sequence = self.sequence.wrapping_add(1);
        Ok(Some(message))
    }

    /// Bytes of a frame whose rest never came.
    pub fn torn_bytes(&self) -> usize {
        self.bytes.len() - self.start
    }

    fn check(&self, header: &[u8; FRAME_HEADER_BYTES]) -> Result<usize, WireError> {
        let [l0, l1, l2, l3, version, kind, f0, f1, s0, s1, s2, s3] = *header;
        let flags = u16::from_le_bytes([f0, f1]);
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let sequence = u32::from_le_bytes([s0, s1, s2, s3]);
        if version != VERSION {
            return Err(WireError::Version(version));
        }
        if kind != M::KIND {
            return Err(WireError::Kind(kind));
        }
        if flags != 0 {
            return Err(WireError::Flags(flags));
        }
        if length > M::BYTES_MAX {
            return Err(WireError::TooLong(length));
        }
        if sequence != self.sequence {
            return Err(WireError::Sequence(sequence, self.sequence));
        }
        Ok(length as usize)
    }
}
