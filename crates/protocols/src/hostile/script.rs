//! What a hostile server does, step by step, and in which pieces its bytes leave.

use std::time::Duration;

/// The chopper cuts so many bytes of a stream; what follows leaves whole (a write per byte of megabytes would only test
/// patience).
const CHOPPED_BYTES_MAX: usize = 64 << 10;

/// The most pieces of a stream that leaves with gaps.
const GAPPED_PIECES_MAX: usize = 16;

/// The pause between two of them.
const GAP: Duration = Duration::from_millis(1);

/// Streams up to this length are split at every point in turn, longer ones at points drawn from the seed.
const EVERY_SPLIT_BYTES_MAX: usize = 2 << 10;

/// One thing that a hostile server does.
#[derive(Clone, Debug)]
pub enum Step {
    /// Bytes.
    Send(Send),
    /// Does nothing for so long.
    Pause(Duration),
    /// Half close: sends no more, reads on.
    Finish,
    /// Closes; a reset, by the kernel's rule, where unread input is left.
    Close,
    /// Resets.
    Reset,
    /// Sends no more and leaves the connection open.
    Mute,
}

/// Bytes to send.
#[derive(Clone, Debug)]
pub struct Send {
    pub(super) bytes: Vec<u8>,
    /// A pause behind each byte, in place of the chopper.
    pub(super) pace: Option<Duration>,
    /// Over and over, without end.
    pub(super) endless: bool,
}

/// Bytes of the longest stream among `steps`.
pub(super) fn longest<'a>(steps: impl IntoIterator<Item = &'a Step>) -> usize {
    let bytes = |step: &Step| match step {
        Step::Send(send) => send.bytes.len(),
        _ => 0,
    };
    steps.into_iter().map(bytes).max().unwrap_or(0)
}

/// Sends `bytes` through the chopper.
pub(super) fn send(bytes: impl AsRef<[u8]>) -> Step {
    Step::Send(Send { bytes: bytes.as_ref().to_vec(), pace: None, endless: false })
}

/// Sends `bytes` over and over, as fast as they are taken.
pub(super) fn endless(bytes: impl AsRef<[u8]>) -> Step {
    Step::Send(Send { bytes: bytes.as_ref().to_vec(), pace: None, endless: true })
}

/// Sends a byte of `bytes` every `millis`.
pub(super) fn drip(bytes: impl AsRef<[u8]>, millis: u64) -> Step {
    let pace = Some(Duration::from_millis(millis));
    Step::Send(Send { bytes: bytes.as_ref().to_vec(), pace, endless: false })
}

/// The same over and over.
pub(super) fn drip_endlessly(bytes: impl AsRef<[u8]>, millis: u64) -> Step {
    let pace = Some(Duration::from_millis(millis));
    Step::Send(Send { bytes: bytes.as_ref().to_vec(), pace, endless: true })
}

/// Does nothing for `millis`.
pub(super) const fn pause(millis: u64) -> Step {
    Step::Pause(Duration::from_millis(millis))
}

/// In which pieces bytes leave, one write each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chop {
    /// All at once.
    #[default]
    Whole,
    /// So many bytes at a time, at least 1.
    Each(u32),
    /// In two pieces: at every point in turn, exchange by exchange.
    Split,
    /// In at most 16 pieces with a pause of 1 ms between them.
    Gaps,
}

/// How the bytes of one exchange are cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    chop: Chop,
    /// Chooses the split point.
    turn: u64,
}

impl Cut {
    /// The cut of exchange `turn`; `drawn` is a number drawn for it from the seed.
    pub(super) const fn new(chop: Chop, turn: u64, drawn: u64, longest: usize) -> Self {
        Self { chop, turn: if longest <= EVERY_SPLIT_BYTES_MAX { turn } else { drawn } }
    }

    /// Where the piece that begins at `from` ends, in `send`'s bytes.
    pub(super) fn end(self, send: &Send, from: usize) -> usize {
        let len = send.bytes.len();
        let end = match self.chop {
            _ if send.pace.is_some() => from + 1,
            Chop::Each(bytes) if from < CHOPPED_BYTES_MAX => from + bytes.max(1) as usize,
            Chop::Gaps => from + len.div_ceil(GAPPED_PIECES_MAX),
            Chop::Split if from == 0 && len > 1 => 1 + (self.turn % (len as u64 - 1)) as usize,
            Chop::Whole | Chop::Each(_) | Chop::Split => len,
        };
        end.min(len)
    }

    /// The pause behind a piece that is not the last.
    pub(super) fn pause(self, send: &Send) -> Option<Duration> {
        send.pace.or_else(|| (self.chop == Chop::Gaps && !send.endless).then_some(GAP))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(chop: Chop, turn: u64, len: usize) -> Vec<usize> {
        let send = Send { bytes: vec![b'x'; len], pace: None, endless: false };
        let cut = Cut::new(chop, turn, turn, len);
        let mut ends = vec![];
        while ends.last().copied().unwrap_or(0) < len {
            ends.push(cut.end(&send, ends.last().copied().unwrap_or(0)));
        }
        ends
    }

    #[test]
    fn pieces_end_where_the_mode_says() {
        for (chop, turn, len, ends) in [
            (Chop::Whole, 0, 5, vec![5]),
            (Chop::Each(1), 0, 3, vec![1, 2, 3]),
            (Chop::Each(2), 0, 5, vec![2, 4, 5]),
            (Chop::Split, 0, 4, vec![1, 4]),
            (Chop::Split, 2, 4, vec![3, 4]),
            (Chop::Split, 3, 4, vec![1, 4]),
            (Chop::Split, 7, 1, vec![1]),
            (Chop::Gaps, 0, 3, vec![1, 2, 3]),
        ] {
            assert_eq!(pieces(chop, turn, len), ends, "{chop:?} of {len}");
        }
        assert_eq!(pieces(Chop::Gaps, 0, 1000).len(), 16);
        assert_eq!(pieces(Chop::Each(1), 0, CHOPPED_BYTES_MAX + 9).len(), CHOPPED_BYTES_MAX + 1);
    }
}
