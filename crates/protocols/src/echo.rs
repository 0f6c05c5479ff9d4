//! Echo (RFC 862): every byte that is sent comes back.
//!
//! Owns: a message that must come back equal, and the bytes that go back. Never: a frame or a length on the wire; an
//! exchange is one message of a length that the client knows.

mod client;
mod server;

pub use client::Client;
pub use server::Server;
