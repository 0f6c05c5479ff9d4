//! HTTP/1.0 and HTTP/1.1 (RFC 9112), either side, strict.
//!
//! Owns: heads, message framing, persistence, the order of answers. Never: URLs, content codings, redirects.
//!
//! ```text
//!             whole head in one read                       Counted ─┐
//! bytes ─▶ head ──────────────▶ httparse ─▶ framing ─▶ body Chunked ├─▶ event
//!            └─ in pieces ─▶ scan ─┘                    UntilClose ─┘
//! ```
//!
//! The same four files serve both sides: `scan` (grammar, one byte at a time), `head` (a whole head), `framing` (what
//! its fields mean), `body`. [`Client`] and [`Server`] join them with an immutable template of what they send:
//! [`Request`] and [`Responses`].
//!
//! Strict means: what RFC 9112 lets a recipient forgive is a [`Failure`](crate::Failure) here, and the failure depends on
//! the bytes alone, never on how they were cut into reads.

mod body;
mod client;
mod framing;
mod head;
mod kept;
mod reader;
mod request;
mod responses;
mod scan;
mod server;

pub use client::Client;
pub use kept::Seen;
pub(crate) use reader::RequestReader;
pub use request::{Manner, Request, RequestBuilder, RequestError, check_field};
pub use responses::Responses;
pub use server::Server;
