//! Whole streams of answers through the client machine.

use protocols::http1::{Manner, Request};

use crate::feed::{Asking, in_any_reads, surplus_is_told};

/// Exchanges on one connection.
const EXCHANGES_MAX: usize = 8;
/// The limit of a body, where there is one.
const BODY_MAX: u32 = 16;

/// The first byte says what is asked (its three lowest bits, so that `0` to `7` choose) and whether the peer ends its
/// side behind the stream (its highest bit); the rest is what the server sends.
///
/// Laws: those of [`Machine`](protocols::Machine); the same events at the same places byte by byte, whole, and split
/// at every point; what comes behind an answer is told with it.
///
/// # Panics
/// Where a law is broken.
pub fn answer_stream(data: &[u8]) {
    let Some((&choice, stream)) = data.split_first() else {
        return;
    };
    let asking = Asking { exchanges: EXCHANGES_MAX, ..asking(choice) };
    let story = in_any_reads(&asking, stream);
    surplus_is_told(&asking, stream, &story);
}

fn asking(choice: u8) -> Asking {
    let strict = Manner::STRICT;
    let (method, manner) = match choice & 7 {
        0 => ("GET", strict),
        1 => ("HEAD", strict),
        4 => ("GET", Manner { lenient: true, ..strict }),
        5 => ("GET", Manner { body_max: BODY_MAX, ..strict }),
        6 => ("POST", Manner { finish_early: true, ..strict }),
        _ => ("POST", strict),
    };
    let body: &[u8] = if method == "POST" { b"hello" } else { b"" };
    let built = Request::builder(method, "h", "/").manner(manner).body(body).build();
    let asking = Asking::once(built.expect("the request is well formed"));
    let sent = match choice & 7 {
        3 | 6 => asking.sent / 2,
        7 => 0,
        _ => asking.sent,
    };
    Asking { sent, end: choice & 0x80 != 0, ..asking }
}
