//! Sans-IO protocol machines: echo and HTTP/1.
//!
//! Owns: what bytes mean and which bytes to send. Bytes go in, bytes and events come out.
//! Never: I/O, a clock, a thread, randomness. Deadlines belong to the caller, and so do the input bytes that a
//! machine has not consumed yet: an idle connection owns no buffer.
//! Start at [`Machine`], the law by which every machine is driven; then [`http1::Client`].
//!
//! Bytes from the peer never panic a machine; what they break becomes a [`Failure`]. A caller that breaks the law
//! meets an assertion.
#![forbid(unsafe_code)]

mod any;
pub mod echo;
mod fifo;
pub mod hostile;
pub mod http1;
mod machine;

pub use any::{Client, Server};
pub use machine::{
    Answer, ClientEvent, ClientMachine, Failure, Machine, Received, ServerEvent, ServerMachine,
};
