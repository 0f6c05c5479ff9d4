//! The source space: addresses in order × ports, dealt out to the workers in disjoint slices.
//!
//! A kernel-chosen source port is cheap only until half of the range is used; explicit ports cost
//! the same to the last one (design §5). Pure: no address is bound here. Start at [`slices`].

use super::SourceBlock;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Spares are at least so many pairs per worker, and at least one in [`CONNS_PER_SPARE`].
const SPARES_MIN: u64 = 4;
const CONNS_PER_SPARE: u64 = 50;
/// Where there is room, so many more: a pair whose connection we closed is free again only when the
/// peer has closed too.
pub const SPARES_MORE: u64 = 1_000;

/// The most loopback addresses that are chosen unasked: 1.8 thousand million connections.
const LOOPBACK_ADDRESSES_MAX: u64 = 65_536;

/// Loopback sources are 127.16.0.1 to 127.255.255.254 without the last octets 0 and 255; what
/// lies below is where people put servers.
const LOOPBACK_SECOND_FIRST: u64 = 16;
const LOOPBACK_SECOND_STARTS: u64 = 200;
const LOOPBACK_SECONDS: u64 = 240;
const LAST_OCTETS: u64 = 254;

/// The ports that every source address offers, as ascending inclusive ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    ranges: Vec<(u16, u16)>,
}

impl Ports {
    /// `first` to `last`, inclusive, without the `reserved` ranges (any order, they may overlap).
    pub fn new(first: u16, last: u16, reserved: &[(u16, u16)]) -> Self {
        let all = Self { ranges: vec![(first, last)] };
        reserved.iter().fold(all, |ports, &(first, last)| ports.without(first, last))
    }

    /// These ports but `first` to `last`, inclusive.
    pub fn without(&self, first: u16, last: u16) -> Self {
        let below = |low, high: u16| first.checked_sub(1).map(|end| (low, high.min(end)));
        let above = |low: u16, high| last.checked_add(1).map(|start| (low.max(start), high));
        let pieces = |&(low, high): &(u16, u16)| match first <= last {
            true => [below(low, high), above(low, high)],
            false => [Some((low, high)), None],
        };
        let pieces = self.ranges.iter().flat_map(pieces).flatten();
        Self { ranges: pieces.filter(|(low, high)| low <= high).collect() }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(|&(first, last)| u64::from(last - first) + 1).sum()
    }

    /// The same ports, beginning with number `rotate` (modulo their count) and wrapping.
    fn rotated(&self, rotate: u16) -> Vec<(u16, u16)> {
        let Some(mut skip) = u64::from(rotate).checked_rem(self.count()) else { return vec![] };
        let (mut start, mut wrapped) = (Vec::new(), Vec::new());
        for &(first, last) in &self.ranges {
            let skipped = skip.min(u64::from(last - first) + 1);
            skip -= skipped;
            let middle = u32::from(first) + skipped as u32;
            if skipped > 0 {
                wrapped.push((first, (middle - 1) as u16));
            }
            if middle <= u32::from(last) {
                start.push((middle as u16, last));
            }
        }
        start.append(&mut wrapped);
        start
    }
}

/// Why the source space is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shortage {
    /// More addresses would do.
    #[error(
        "{pairs_needed} source pairs need {addresses_needed} addresses of {ports} ports, \
         {addresses_given} given; add source addresses"
    )]
    Addresses {
        /// Connections and spares of all workers.
        pairs_needed: u64,
        /// Ports of each address.
        ports: u64,
        /// Addresses that would do.
        addresses_needed: u64,
        /// Addresses that there are.
        addresses_given: u64,
    },
    /// Every port of the range is reserved.
    #[error(
        "0 source ports are left; shorten ip_local_reserved_ports or widen ip_local_port_range"
    )]
    NoPorts,
}

/// What a worker wants of the source space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Its connections, which get their spares.
    pub conns: u32,
    /// Pairs beyond, where there is room.
    pub more: u64,
}

impl Want {
    fn pairs(self) -> u64 {
        pairs_per_worker(self.conns)
    }
}

/// Deals `addresses` × `ports` out to the workers that want them: each gets [`pairs_per_worker`], and more
/// where there is room, no pair twice. Every address begins with port number `rotate` (modulo) and wraps, so that two runs
/// rarely meet.
pub fn slices(
    addresses: &[IpAddr],
    ports: &Ports,
    wants: &[Want],
    rotate: u16,
) -> Result<Vec<Vec<SourceBlock>>, Shortage> {
    let needed = pairs_needed(wants);
    check_room(addresses.len() as u64, ports, needed)?;
    let ranges = ports.rotated(rotate);
    let blocks = addresses.iter().flat_map(|&address| {
        ranges.iter().map(move |&(first_port, last_port)| SourceBlock {
            address,
            first_port,
            last_port,
        })
    });
    let mut space = Space { blocks, left: None };
    let room = (addresses.len() as u64 * ports.count() - needed) / wants.len().max(1) as u64;
    Ok(wants.iter().map(|want| space.take(want.pairs() + want.more.min(room))).collect())
}

/// The pairs that a worker of `conns` connections gets: 2 % more than connections, at least 4.
pub fn pairs_per_worker(conns: u32) -> u64 {
    let conns = u64::from(conns);
    conns + conns.div_ceil(CONNS_PER_SPARE).max(SPARES_MIN)
}

/// The pairs of all workers.
pub fn pairs_needed(wants: &[Want]) -> u64 {
    wants.iter().map(|want| want.pairs()).sum()
}

/// The addresses that hold the pairs of all workers and what they want more; none where there are no ports.
pub fn addresses_wished(ports: &Ports, wants: &[Want]) -> Option<u64> {
    let more: u64 = wants.iter().map(|want| want.more).sum();
    addresses_for(ports, pairs_needed(wants).saturating_add(more))
}

/// The addresses that hold so many pairs; none where there are no ports.
fn addresses_for(ports: &Ports, pairs: u64) -> Option<u64> {
    (ports.count() > 0).then(|| pairs.div_ceil(ports.count()))
}

/// The most connections of each of `procs` workers that `pairs` pairs carry, spares included.
pub fn conns_that_fit(pairs: u64, procs: u32) -> u64 {
    let each = pairs / u64::from(procs.max(1));
    each.saturating_sub(each.div_ceil(CONNS_PER_SPARE + 1).max(SPARES_MIN))
}

/// `count` addresses of 127.0.0.0/8 for a client, counting up from a start that `seed` decides,
/// never 127.0.x.y; fewer where nobody could want so many.
pub fn loopback_sources(seed: u64, count: u64) -> Vec<IpAddr> {
    let second = seed % LOOPBACK_SECOND_STARTS;
    let third = seed / LOOPBACK_SECOND_STARTS % 256;
    let start = (second * 256 + third) * LAST_OCTETS;
    (start..start + count.min(LOOPBACK_ADDRESSES_MAX)).map(loopback_source).collect()
}

fn loopback_source(number: u64) -> IpAddr {
    let (rest, fourth) = (number / LAST_OCTETS, number % LAST_OCTETS + 1);
    let (second, third) = (rest / 256 % LOOPBACK_SECONDS + LOOPBACK_SECOND_FIRST, rest % 256);
    IpAddr::V4(Ipv4Addr::new(127, second as u8, third as u8, fourth as u8))
}

/// The sources towards `peer` where the user named none: as many of 127.0.0.0/8 as are needed,
/// `::1` alone, or whatever the kernel's routes choose.
pub fn default_sources(peer: IpAddr, seed: u64, needed: u64) -> Vec<IpAddr> {
    match peer {
        IpAddr::V4(address) if address.is_loopback() => loopback_sources(seed, needed),
        IpAddr::V4(_) => vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)],
        IpAddr::V6(address) if address.is_loopback() => vec![peer],
        IpAddr::V6(_) => vec![IpAddr::V6(Ipv6Addr::UNSPECIFIED)],
    }
}

fn check_room(addresses: u64, ports: &Ports, pairs: u64) -> Result<(), Shortage> {
    let needed = addresses_for(ports, pairs).ok_or(Shortage::NoPorts)?;
    if needed <= addresses {
        return Ok(());
    }
    Err(Shortage::Addresses {
        pairs_needed: pairs,
        ports: ports.count(),
        addresses_needed: needed,
        addresses_given: addresses,
    })
}

/// What has not been dealt out yet.
struct Space<I> {
    blocks: I,
    left: Option<SourceBlock>,
}

impl<I: Iterator<Item = SourceBlock>> Space<I> {
    fn take(&mut self, mut pairs: u64) -> Vec<SourceBlock> {
        let mut taken = Vec::new();
        while pairs > 0 {
            let block = self.left.take().or_else(|| self.blocks.next());
            let (head, tail) = split(block.expect("there was room for every worker"), pairs);
            pairs -= u64::from(head.last_port - head.first_port) + 1;
            taken.push(head);
            self.left = tail;
        }
        taken
    }
}

/// At most the first `pairs` of `block` (at least 1), and the rest.
fn split(block: SourceBlock, pairs: u64) -> (SourceBlock, Option<SourceBlock>) {
    if pairs > u64::from(block.last_port - block.first_port) {
        return (block, None);
    }
    let second_first = block.first_port + pairs as u16;
    let head = SourceBlock { last_port: second_first - 1, ..block };
    (head, Some(SourceBlock { first_port: second_first, ..block }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn addresses(count: u64) -> Vec<IpAddr> {
        loopback_sources(0, count)
    }

    fn wants(conns: u32, procs: usize, more: u64) -> Vec<Want> {
        vec![Want { conns, more }; procs]
    }

    fn pairs(slices: &[Vec<SourceBlock>]) -> Vec<(IpAddr, u16)> {
        let ports = |block: &SourceBlock| {
            let address = block.address;
            (block.first_port..=block.last_port).map(move |port| (address, port))
        };
        slices.iter().flatten().flat_map(ports).collect()
    }

    #[test]
    fn reserved_ports_are_left_out() {
        let ports = Ports::new(100, 109, &[(105, 106), (90, 100), (106, 107), (109, 200), (9, 3)]);
        assert_eq!(ports.ranges, [(101, 104), (108, 108)]);
        assert_eq!(ports.count(), 5);
        assert_eq!(Ports::new(0, u16::MAX, &[]).count(), 65_536);
        assert_eq!(Ports::new(5, 9, &[(0, u16::MAX)]).count(), 0);
    }

    #[test]
    fn rotation_wraps_within_the_ports() {
        let ports = Ports::new(10, 19, &[(14, 15)]);
        let table: &[(u16, &[(u16, u16)])] = &[
            (0, &[(10, 13), (16, 19)]),
            (1, &[(11, 13), (16, 19), (10, 10)]),
            (4, &[(16, 19), (10, 13)]),
            (7, &[(19, 19), (10, 13), (16, 18)]),
            (8, &[(10, 13), (16, 19)]),
        ];
        for (rotate, ranges) in table {
            assert_eq!(ports.rotated(*rotate), *ranges, "rotate {rotate}");
        }
        assert_eq!(Ports::new(0, u16::MAX, &[]).rotated(u16::MAX)[0], (u16::MAX, u16::MAX));
    }

    #[test]
    fn slices_are_disjoint_complete_and_never_reserved() {
        for rotate in [0, 1, 999, 27_000, u16::MAX] {
            let ports = Ports::new(32_768, 60_999, &[(40_000, 40_063), (50_000, 50_000)]);
            let slices =
                slices(&addresses(3), &ports, &wants(19_000, 4, SPARES_MORE), rotate).unwrap();
            let pairs = pairs(&slices);
            assert_eq!(slices.len(), 4);
            assert!(pairs.len() as u64 >= pairs_needed(&wants(19_000, 4, 0)));
            assert_eq!(pairs.iter().collect::<HashSet<_>>().len(), pairs.len());
            assert!(pairs.iter().all(|(_, port)| (32_768..=60_999).contains(port)));
            assert!(!pairs.iter().any(|(_, port)| (40_000..=40_063).contains(port)));
        }
    }

    #[test]
    fn each_worker_has_its_spares() {
        let table = [(0, 4), (1, 5), (100, 104), (200, 204), (201, 206), (10_000, 10_200)];
        for (conns, pairs) in table {
            assert_eq!(pairs_per_worker(conns), pairs, "{conns} connections");
        }
    }

    #[test]
    fn what_fits_fits_and_one_more_does_not() {
        for (pairs, procs) in [(28_232, 1), (28_232, 3), (204, 1), (205, 1), (4, 1), (5, 1)] {
            let conns = conns_that_fit(pairs, procs) as u32;
            let needed = |conns| pairs_needed(&wants(conns, procs as usize, 0));
            assert!(needed(conns) <= pairs, "{pairs} pairs");
            assert!(needed(conns + 1) > pairs, "{pairs} pairs");
        }
    }

    #[test]
    fn the_main_jobs_need_12_and_37_addresses() {
        let ports = Ports::new(32_768, 60_999, &[]);
        assert_eq!(ports.count(), 28_232);
        assert_eq!(addresses_wished(&ports, &wants(10_000, 32, 0)), Some(12));
        assert_eq!(addresses_wished(&ports, &wants(19_000, 53, 0)), Some(37));
    }

    #[test]
    fn spares_are_not_given_up_for_room() {
        let ports = Ports::new(1000, 1103, &[]);
        assert!(slices(&addresses(1), &ports, &wants(100, 1, SPARES_MORE), 0).is_ok());
        let shortage = slices(&addresses(1), &ports, &wants(101, 1, 0), 0).unwrap_err();
        assert_eq!(
            shortage.to_string(),
            "105 source pairs need 2 addresses of 104 ports, 1 given; add source addresses"
        );
        assert_eq!(
            slices(&addresses(1), &Ports::new(1, 2, &[(1, 2)]), &wants(1, 1, 0), 0),
            Err(Shortage::NoPorts)
        );
    }

    #[test]
    fn absurd_numbers_are_a_shortage() {
        let ports = Ports::new(32_768, 60_999, &[]);
        assert!(slices(&addresses(1), &ports, &wants(u32::MAX, 99, 0), 0).is_err());
        assert_eq!(loopback_sources(7, u64::MAX).len() as u64, LOOPBACK_ADDRESSES_MAX);
    }

    #[test]
    fn loopback_sources_count_up_and_leave_out_0_and_255() {
        let name = |address: &IpAddr| address.to_string();
        let sources = loopback_sources(3, 600);
        assert_eq!(name(&sources[0]), "127.19.0.1");
        assert_eq!(name(&sources[253]), "127.19.0.254");
        assert_eq!(name(&sources[254]), "127.19.1.1");
        assert_eq!(name(&loopback_sources(199 + 200 * 255, 1)[0]), "127.215.255.1");
        for seed in [0, 199, 200 * 255 + 199, u64::MAX] {
            let sources = loopback_sources(seed, LOOPBACK_ADDRESSES_MAX);
            assert_eq!(sources.iter().collect::<HashSet<_>>().len(), sources.len());
            assert!(sources.iter().all(|source| source.is_loopback()));
            assert!(!sources.iter().any(|source| name(source).starts_with("127.0.")));
        }
    }

    #[test]
    fn sources_follow_the_kind_of_peer() {
        let table = [
            ("::1", "::1"),
            ("10.0.0.1", "0.0.0.0"),
            ("2001:db8::1", "::"),
            ("127.0.0.1", "127.16.0.1"),
        ];
        for (peer, source) in table {
            let sources = default_sources(peer.parse().unwrap(), 0, 1);
            assert_eq!(sources, [source.parse::<IpAddr>().unwrap()]);
        }
    }
}
