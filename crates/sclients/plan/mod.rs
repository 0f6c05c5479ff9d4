//! Who does how much: [`Config`](crate::config::Config) → [`Plan`], resolved against the limits of
//! this host. Nothing is opened before the plan is known to fit.

use crate::config::Config;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A run, resolved: every number that a worker or target needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What was asked for.
    pub config: Config,
    /// Connections in all: procs × conns.
    pub connections: u64,
    /// Where the workers connect; the port is 0 until an embedded target listens.
    pub peer: SocketAddr,
    /// Target processes; 0 with a TARGET.
    pub targets: u32,
    /// First sends are spread over this time; zero is at once.
    pub stagger: Duration,
    /// Requests per second in all that must not be exceeded (an authorised host's ceiling).
    pub request_rate_ceiling: Option<u64>,
    /// Source pairs of each worker; an empty list leaves the choice to the kernel.
    pub sources: Vec<Vec<SourceBlock>>,
    /// What the preflight found, worst first.
    pub findings: Vec<Finding>,
}

/// Consecutive source ports of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceBlock {
    /// The address; unspecified leaves it to the kernel's routes.
    pub address: IpAddr,
    /// The first port.
    pub first_port: u16,
    /// The last port, inclusive.
    pub last_port: u16,
}

/// How a limit bears on the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// One rule's word on the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable name of the rule.
    pub code: &'static str,
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
