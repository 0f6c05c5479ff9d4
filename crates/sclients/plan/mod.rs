//! Who does how much: [`Config`] → [`Plan`], resolved against the limits of
//! this host. Nothing is opened before the plan is known to fit.
//!
//! [`planned`] tells the story for this host, [`plan`] for any: [`host`] says what the limits are,
//! [`sources`] deals out source addresses and ports, [`rules`] judge. This room never prints, never
//! ends the process and never asks for more than the rules read.

mod crew;
pub mod host;
mod resolve;
pub mod rules;
#[cfg(test)]
pub(crate) mod samples;
pub mod sources;

pub use crew::{Crew, Part, Roster};
pub use host::{Host, ProcessLimits};
pub use resolve::{plan, planned, serve_findings};

use crate::config::Config;
use crate::consent::Authorization;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The step of SplitMix64, by which the seeds of two slots lie apart.
const SPLITMIX_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A run, resolved: every number that a worker or target needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What was asked for. In a run with phases: what holds for all of them, `procs` being all workers.
    pub config: Config,
    /// The phases, each with its own load and workers; empty in a run that is one.
    #[serde(default)]
    pub crews: Vec<Crew>,
    /// Connections in all: procs × conns; 0 where attempts are made by a schedule, which keeps none.
    pub connections: u64,
    /// Where the workers connect, equal parts of the connections to each: TARGET, or where the
    /// processes of the embedded target listen. At least one; port 0 until an embedded target has one.
    pub peers: Vec<SocketAddr>,
    /// Target processes; 0 with a TARGET.
    pub targets: u32,
    /// First sends are spread over this time; zero is at once.
    pub stagger: Duration,
    /// What allows the run off loopback; none on it.
    pub authorization: Option<Authorization>,
    /// Source pairs of each worker; an empty list leaves the choice to the kernel.
    pub sources: Vec<Vec<SourceBlock>>,
    /// What the preflight found, worst first.
    pub findings: Vec<Finding>,
}

impl Plan {
    /// What keeps the plan from being run; nothing may be opened while there is one.
    pub fn refusals(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.level == Level::Refuse)
    }

    /// What is worth knowing though the plan fits: notes and warnings.
    pub fn notes(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| matches!(finding.level, Level::Note | Level::Warn))
    }

    /// Of all requests, those of worker `slot`; none where requests are not limited.
    pub fn requests_of(&self, slot: u32) -> Option<u64> {
        let Part { config, index, .. } = self.part_of(slot);
        config.requests.map(|total| share_of(total, index, config.procs))
    }

    /// The seed of worker `slot`: number `slot` of the SplitMix64 sequence of the run's seed, so
    /// that workers draw apart and a seed repeats a run.
    pub fn seed_of(&self, slot: u32) -> u64 {
        mixed(self.config.seed.wrapping_add(SPLITMIX_STEP.wrapping_mul(u64::from(slot))))
    }

    /// The seed of the `generation`-th successor of worker `slot`: of the same kind, from that of its slot.
    pub fn seed_of_generation(&self, slot: u32, generation: u32) -> u64 {
        let first = self.seed_of(slot);
        match generation {
            0 => first,
            _ => mixed(first.wrapping_add(SPLITMIX_STEP.wrapping_mul(u64::from(generation)))),
        }
    }

    /// Where process `slot` of the embedded target listens.
    pub fn peer_of_target(&self, slot: u32) -> SocketAddr {
        let peer = self.peers[slot as usize % self.peers.len()];
        SocketAddr::new(self.config.embedded.listen.ip(), peer.port())
    }

    /// The processor to which worker `slot` is pinned; none leaves it to the kernel.
    pub fn cpu_of(&self, slot: u32) -> Option<u32> {
        let index = (slot as usize).checked_rem(self.config.cpus.len())?;
        self.config.cpus.get(index).copied()
    }

    /// The source pairs of worker `slot`; empty leaves the choice to the kernel.
    pub fn sources_of(&self, slot: u32) -> &[SourceBlock] {
        self.sources.get(slot as usize).map_or(&[], Vec::as_slice)
    }

    /// The source addresses that workers bind, each once, in ascending order.
    pub fn source_addresses(&self) -> BTreeSet<IpAddr> {
        self.sources.iter().flatten().map(|block| block.address).collect()
    }
}

/// Consecutive source ports of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceBlock {
    /// The address; unspecified leaves it to the kernel's routes.
    pub address: IpAddr,
    /// The first port.
    pub first_port: u16,
    /// The last port, inclusive.
    pub last_port: u16,
}

/// How a limit bears on the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// It fits.
    Ok,
    /// Worth knowing.
    Note,
    /// It fits, but.
    Warn,
    /// It does not fit: nothing is opened.
    Refuse,
}

impl Level {
    /// The name, as `doctor` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Note => "note",
            Level::Warn => "warn",
            Level::Refuse => "refuse",
        }
    }
}

/// One rule's word on the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable name of the rule.
    pub code: Cow<'static, str>,
    /// How it bears.
    pub level: Level,
    /// One line: limit, value, need, remedy.
    pub text: String,
}

/// A total divided over `count` shares without remainder lost: share `index` of them. Shares differ
/// by at most one.
pub fn share_of(total: u64, index: u32, count: u32) -> u64 {
    let (index, count) = (u64::from(index), u64::from(count.max(1)));
    total / count + u64::from(index < total % count)
}

/// One round of SplitMix64: near seeds give far numbers.
fn mixed(seed: u64) -> u64 {
    SplitMix64::seed_from_u64(seed).next_u64()
}

#[cfg(test)]
mod tests {
    use super::samples::{config, plan_on_ample_host};
    use super::*;

    #[test]
    fn shares_add_up_and_differ_by_at_most_one() {
        for (total, count) in [(0, 3), (10, 3), (2, 5), (1_000_003, 53)] {
            let shares: Vec<u64> = (0..count).map(|index| share_of(total, index, count)).collect();
            assert_eq!(shares.iter().sum::<u64>(), total);
            assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
        }
    }

    #[test]
    fn requests_are_dealt_out_to_the_slots() {
        let mut asked = config(3, 10);
        asked.requests = Some(10);
        let plan = plan_on_ample_host(asked, None);
        assert_eq!([0, 1, 2].map(|slot| plan.requests_of(slot).unwrap()), [4, 3, 3]);
    }

    #[test]
    fn seeds_of_slots_are_the_sequence_of_the_runs_seed() {
        let plan = plan_on_ample_host(config(2, 10), None);
        let mut sequence = SplitMix64::seed_from_u64(plan.config.seed);
        let drawn = [sequence.next_u64(), sequence.next_u64()];
        assert_eq!([plan.seed_of(0), plan.seed_of(1)], drawn);
    }

    #[test]
    fn processors_repeat_when_there_are_more_workers() {
        let mut asked = config(3, 10);
        assert_eq!(plan_on_ample_host(asked.clone(), None).cpu_of(0), None);
        asked.cpus = vec![4, 6];
        let plan = plan_on_ample_host(asked, None);
        assert_eq!([0, 1, 2].map(|slot| plan.cpu_of(slot).unwrap()), [4, 6, 4]);
    }
}
