//! What must hold for any bytes: one entry function per target, which panics where a law is broken.
//!
//! Owns: the laws, and the references that they compare with. Never: the choice of the bytes, which is the fuzzer's
//! (`targets/`, driven by `scripts/fuzz`) or the property tests' (`tests/properties.rs`). Both call the same functions
//! and share `corpus/`, so what a fuzzer finds is repeated on every build once its file is there.
//!
//! A target whose laws have variants is told which by its first byte; the rest is the input proper.
#![forbid(unsafe_code)]

mod answer;
mod chunked;
mod feed;
mod head;
mod histogram;
mod pipe;

pub use answer::answer_stream;
pub use chunked::chunked_body;
pub use head::answer_head;
pub use histogram::histogram;
pub use pipe::wire_frame;

/// A target: its name, which is also the folder of its corpus, and its entry.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 5] = [
    ("answer_stream", answer_stream),
    ("answer_head", answer_head),
    ("chunked_body", chunked_body),
    ("wire_frame", wire_frame),
    ("histogram", histogram),
];
