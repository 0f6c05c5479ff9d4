//! Source (address, port) pairs: whose they are is planned, which is next is decided here.
//!
//! A kernel-chosen port costs 8 µs until half of the port range to one destination is used, then
//! 400 µs and more (Linux 6.18, `__inet_hash_connect` searches every second port first). An
//! explicit pair stays at 6 to 8 µs to the last one, so every connection binds to one.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

/// Consecutive ports of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceBlock {
    /// The address to bind; unspecified leaves the choice of address to the kernel's routes.
    pub address: IpAddr,
    /// The first port.
    pub first_port: u16,
    /// The last port, inclusive.
    pub last_port: u16,
}

impl SourceBlock {
    fn pairs(&self) -> u32 {
        u32::from(self.last_port.saturating_sub(self.first_port)) + 1
    }
}

/// The name of a pair that is lent out; give it back when its connection has ended. One more than its
/// number among the pairs, so that an optional one is no larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceId(NonZeroU32);

/// A pair that is lent out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name among the [`Sources`].
    pub id: SourceId,
    /// What to bind to.
    pub address: SocketAddr,
}

/// The pairs of one worker. The one that was free longest is lent next, which gives a closed
/// connection's pair the most time to leave TIME_WAIT.
#[derive(Debug, Default)]
pub struct Sources {
    /// Each block with the number of pairs before it.
    blocks: Vec<(u32, SourceBlock)>,
    free: VecDeque<u32>,
}

impl Sources {
    /// All pairs of `blocks`, in order. Four bytes per pair.
    pub fn new(blocks: &[SourceBlock]) -> Self {
        let mut before = 0;
        let mut numbered = Vec::with_capacity(blocks.len());
        for block in blocks {
            numbered.push((before, *block));
            before += block.pairs();
        }
        Self { blocks: numbered, free: (0..before).collect() }
    }

    /// Pairs that are not lent out.
    pub fn free(&self) -> usize {
        self.free.len()
    }

    /// Lends the next pair; none when all are out.
    pub fn take(&mut self) -> Option<Source> {
        let index = self.free.pop_front()?;
        let id = SourceId(NonZeroU32::MIN.saturating_add(index));
        Some(Source { id, address: self.address(index) })
    }

    /// Takes a pair back. Also for one that was taken already (`SourceTaken`): it waits until all
    /// others were tried.
    pub fn give_back(&mut self, source: SourceId) {
        self.free.push_back(source.0.get() - 1);
    }

    fn address(&self, index: u32) -> SocketAddr {
        let block = self.blocks.partition_point(|(before, _)| *before <= index) - 1;
        let (before, block) = self.blocks[block];
        SocketAddr::new(block.address, block.first_port + (index - before) as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn block(last: u8, first_port: u16, last_port: u16) -> SourceBlock {
        let address = IpAddr::V4(Ipv4Addr::new(127, 20, 0, last));
        SourceBlock { address, first_port, last_port }
    }

    #[test]
    fn pairs_run_through_the_blocks_in_order_and_come_back_last() {
        let mut sources = Sources::new(&[block(1, 60_999, 61_000), block(2, 32_768, 32_768)]);
        let pairs: Vec<Source> = std::iter::from_fn(|| sources.take()).collect();
        let addresses: Vec<String> = pairs.iter().map(|p| p.address.to_string()).collect();
        assert_eq!(addresses, ["127.20.0.1:60999", "127.20.0.1:61000", "127.20.0.2:32768"]);
        sources.give_back(pairs[1].id);
        sources.give_back(pairs[0].id);
        assert_eq!(sources.take(), Some(pairs[1]));
        assert_eq!(sources.free(), 1);
    }

    #[test]
    fn the_last_port_of_all_is_a_pair() {
        let mut sources = Sources::new(&[block(1, 65_535, 65_535)]);
        assert_eq!(sources.take().unwrap().address.port(), 65_535);
        assert_eq!(sources.take(), None);
    }
}
