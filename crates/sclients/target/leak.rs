//! Memory that a target takes and never gives back, evenly over time: for showing that drift is found.

use dispatch::Instant;
use std::time::Duration;

/// Memory is taken in pieces of so many bytes.
const PIECE_BYTES: u64 = 16 * 1024;
/// Pieces taken in one turn; then what is ready is dispatched first.
const PIECES_PER_TURN: usize = 64;
const MINUTE_NANOS: u128 = 60_000_000_000;

/// The leak of one process.
#[derive(Debug)]
pub struct Leak {
    bytes_per_min: u64,
    since: Instant,
    held: Vec<Vec<u8>>,
}

impl Leak {
    /// So much a minute from `since` on; none at 0.
    pub fn new(bytes_per_min: u64, since: Instant) -> Option<Self> {
        (bytes_per_min > 0).then(|| Self { bytes_per_min, since, held: Vec::new() })
    }

    /// When the next piece is due.
    pub fn due(&self) -> Instant {
        let bytes = u128::from(PIECE_BYTES) * (self.held.len() as u128 + 1);
        let nanos = bytes * MINUTE_NANOS / u128::from(self.bytes_per_min);
        self.since + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Takes what is due at `now`, up to a bound. Each byte is written, so that it is resident.
    pub fn grow(&mut self, now: Instant) {
        for _ in 0..PIECES_PER_TURN {
            if self.due() > now {
                return;
            }
            self.held.push(vec![0xaa; PIECE_BYTES as usize]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_grows_evenly_and_by_no_more_than_is_due() {
        let begun = Instant::from_nanos(5_000_000_000);
        let mut leak = Leak::new(60 * 4 * PIECE_BYTES, begun).unwrap();
        for second in 1..20 {
            leak.grow(begun + SECOND * second - Duration::from_nanos(1));
            assert_eq!(leak.held.len() as u32, 4 * second - 1, "{second}");
            assert_eq!(leak.due(), begun + SECOND * second);
            leak.grow(begun + SECOND * second);
            assert_eq!(leak.held.len() as u32, 4 * second, "{second}");
        }
    }

    #[test]
    fn what_is_overdue_comes_in_bounded_turns() {
        let mut leak = Leak::new(u64::MAX, Instant::default()).unwrap();
        leak.grow(Instant::from_nanos(u64::MAX / 2));
        assert_eq!(leak.held.len(), PIECES_PER_TURN);
        assert!(Leak::new(0, Instant::default()).is_none());
        let slow = Leak::new(1, Instant::default()).unwrap();
        assert_eq!(slow.due().as_nanos(), 16_384 * 60 * 1_000_000_000);
    }
}
