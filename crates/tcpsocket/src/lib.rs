//! Connecting, accepting and stream sockets: the primitives for dispatch targets over TCP.
//!
//! This room calls the kernel about sockets: it connects from chosen (address, port) pairs,
//! accepts, reads, writes, and says by class what went wrong. It never reads the clock and never
//! interprets bytes.
//!
//! Start at [`Stream::connect`] and [`StreamTarget`], which joins a stream with the
//! [`StreamHandler`] that acts on it, or at [`Acceptor`] and [`AcceptTarget`] for the other end.
//! [`Sources`] hands out source ports, [`Buffers`] lends memory, so that an idle connection owns
//! none.

#![forbid(unsafe_code)]

mod acceptor;
mod buffers;
mod error;
mod sources;
mod stream;
mod target;

pub use acceptor::Acceptor;
pub use buffers::{Buffers, READ_BUFFER_BYTES};
pub use error::SocketError;
pub use sources::{Source, SourceBlock, SourceId, Sources};
pub use stream::{Read, Stream, Written};
pub use target::{AcceptHandler, AcceptTarget, StreamHandler, StreamTarget};
