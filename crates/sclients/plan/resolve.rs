//! [`Config`] and host → [`Plan`]: the one place where the numbers of a run are put together.

use super::rules::{self, Demand, SourceSpace};
use super::sources::{self, Ports, Want};
use super::{Crew, Finding, Host, Plan, ProcessLimits, SourceBlock, mixed};
use crate::config::{Config, Load, Storm};
use crate::consent::Authorization;
use std::cmp::Reverse;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::thread;

/// Ports of the range that are left to the other programs of this host, where it is a large one.
const PORTS_LEFT: u16 = 1_024;

/// Connections that one worker can open and close per second, with room.
const CLOSING_PER_S: f64 = 40_000.0;
/// How long a pair rests.
const TIME_WAIT_SECONDS: f64 = 2.0;

/// What Linux gives clients where nobody changed it, assumed where it cannot be read.
const LOCAL_PORTS: (u16, u16) = (32_768, 60_999);

/// The plan of `config` on this host. `peer` is TARGET, resolved and allowed; none is the embedded
/// target. `authorization` is what allows it; none on loopback.
pub fn planned(
    config: Config,
    peer: Option<SocketAddr>,
    authorization: Option<Authorization>,
) -> Plan {
    let (host, limits) = (Host::read(Path::new("/")), ProcessLimits::current());
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    plan(config, peer, authorization, &host, &limits, &is_local, cpus)
}

/// The plan of `config`, or of its phases, on a host with these facts, limits, addresses and processors. It
/// always comes back; what does not fit is among its findings.
pub fn plan(
    mut config: Config,
    peer: Option<SocketAddr>,
    authorization: Option<Authorization>,
    host: &Host,
    limits: &ProcessLimits,
    is_local: &dyn Fn(IpAddr) -> io::Result<()>,
    cpus: usize,
) -> Plan {
    let crews = Crew::of(std::mem::take(&mut config.phases));
    if !crews.is_empty() {
        config.procs = crews.iter().map(|crew| crew.config.procs).sum();
    }
    let loads: Vec<&Config> = match crews.as_slice() {
        [] => vec![&config],
        crews => crews.iter().map(|crew| &crew.config).collect(),
    };
    let wants = wants(&loads, sources::SPARES_MORE);
    let demand = demand(&config, &loads, peer, limits);
    let connections = loads.iter().map(|load| load.connections_kept()).sum();
    let peer = peer.unwrap_or_else(|| connectable(config.embedded.listen));
    let ports = ports(host, peer);
    let addresses = source_addresses(&config, &loads, peer, &ports);
    let space = space(&config, peer, &addresses, &ports, host);
    let (sources, of_sources) = deal_out(&config, &wants, &demand, &space, is_local);
    let (of_tcp_mem, stagger) = rules::tcp_mem(&demand, host);
    let mut findings = of_host(&demand, host, limits, cpus);
    findings.extend(of_sources);
    findings.push(of_tcp_mem);
    findings.extend(rules::receive_buffer(config.slow.receive_buffer_bytes, host));
    findings.sort_by_key(|finding| Reverse(finding.level));
    Plan {
        connections,
        targets: demand.targets,
        config,
        crews,
        peers: vec![peer],
        stagger,
        authorization,
        sources,
        findings,
    }
}

/// The preflight of `serve`: `procs` processes of which each is to hold `conns` connections.
pub fn serve_findings(procs: u32, conns: u64, limits: &ProcessLimits) -> Vec<Finding> {
    vec![rules::serve_nofile(procs, conns, limits)]
}

/// What each worker wants of the source space, beside its connections at least `more`.
fn wants(loads: &[&Config], more: u64) -> Vec<Want> {
    let want = |load: &Config| Want { conns: load.conns_max(), more: spares(load).max(more) };
    loads.iter().flat_map(|load| vec![want(load); load.procs as usize]).collect()
}

fn demand(
    config: &Config,
    loads: &[&Config],
    peer: Option<SocketAddr>,
    limits: &ProcessLimits,
) -> Demand {
    let most = |load: &&Config| u64::from(load.procs) * u64::from(load.conns_max());
    let connections = loads.iter().map(most).sum();
    let needed = || rules::targets_needed(connections, limits);
    let attempts = |load: &&Config| match &load.load {
        Load::Overload { rate, .. } => Some((rate.max_rate().as_f64(), load.connect_timeout)),
        _ => None,
    };
    Demand {
        procs: loads.iter().map(|load| load.procs).sum(),
        conns: loads.iter().map(|load| load.conns_max()).max().unwrap_or(0),
        connections,
        pairs: sources::pairs_needed(&wants(loads, 0)),
        attempts: if let [only] = loads { attempts(only) } else { None },
        targets: match peer {
            Some(_) => 0,
            None => config.embedded.procs.unwrap_or_else(needed).max(1),
        },
        loopback: peer.is_none_or(|peer| peer.ip().is_loopback()),
        sends: loads.iter().any(|load| load.load != Load::Hold || load.heartbeat.is_some()),
    }
}

/// Where a listener at `listen` is reached from this host.
fn connectable(listen: SocketAddr) -> SocketAddr {
    let address = match listen.ip() {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    SocketAddr::new(address, listen.port())
}

/// The source ports; without the peer's own, since a socket that connects from its peer's address
/// and port meets itself where nobody listens, and without some that are left to others: the kernel
/// gives a program that names no port none that is bound at any address (`inet_hash_connect`), so
/// a run on all of them would leave the whole host without.
fn ports(host: &Host, peer: SocketAddr) -> Ports {
    let (first, last) = host.local_ports.unwrap_or(LOCAL_PORTS);
    let reserved = host.reserved_ports.as_deref().unwrap_or_default();
    let left = PORTS_LEFT.min((last - first) / 16);
    let ours = Ports::new(first, last - left, reserved);
    ours.without(peer.port(), peer.port())
}

/// As many as are needed, in order; fewer where there are not enough.
fn source_addresses(
    config: &Config,
    loads: &[&Config],
    peer: SocketAddr,
    ports: &Ports,
) -> Vec<IpAddr> {
    let needed = sources::addresses_wished(ports, &wants(loads, 0)).unwrap_or(1);
    if config.sources.is_empty() {
        return sources::default_sources(peer.ip(), config.seed, needed);
    }
    let mut addresses = without_repeats(&config.sources);
    addresses.truncate(usize::try_from(needed).unwrap_or(usize::MAX));
    addresses
}

/// Pairs of each worker beyond its connections that are in TIME_WAIT at one time, since we close
/// first: the kernel lets a pair be used again after a second (`tcp_tw_reuse`), we wait for two.
fn spares(config: &Config) -> u64 {
    let closing_per_s = match &config.load {
        _ if config.reset_close => 0.0,
        Load::Overload { rate, .. } => rate.max_rate().as_f64() / f64::from(config.procs),
        Load::Open { rate, .. } if config.requests_per_connection.is_some() => {
            rate.max_rate().as_f64().min(CLOSING_PER_S) / f64::from(config.procs)
        }
        _ if config.requests_per_connection.is_some() => CLOSING_PER_S,
        _ => 0.0,
    };
    (closing_per_s * TIME_WAIT_SECONDS) as u64
        + config.storms.iter().map(|it| closed(it, config)).sum::<u64>()
}

/// Connections of each worker that this storm closes while a pair rests.
fn closed(storm: &Storm, config: &Config) -> u64 {
    let times = storm.every.map_or(1.0, |every| (TIME_WAIT_SECONDS / every.as_secs_f64()).ceil());
    let closed = u64::from(config.conns) * u64::from(storm.millionths) / 1_000_000 + 1;
    closed * times as u64
}

fn without_repeats(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut seen = std::collections::HashSet::new();
    addresses.iter().copied().filter(|address| seen.insert(*address)).collect()
}

fn space<'a>(
    config: &Config,
    peer: SocketAddr,
    addresses: &'a [IpAddr],
    ports: &'a Ports,
    host: &Host,
) -> SourceSpace<'a> {
    let assumed = host.local_ports.is_none() || host.reserved_ports.is_none();
    SourceSpace { peer, addresses, named: !config.sources.is_empty(), ports, assumed }
}

/// The slices of the workers (empty where the space is short), and what there is to say of them.
fn deal_out(
    config: &Config,
    wants: &[Want],
    demand: &Demand,
    space: &SourceSpace,
    is_local: &dyn Fn(IpAddr) -> io::Result<()>,
) -> (Vec<Vec<SourceBlock>>, [Finding; 2]) {
    let rotate = rotation(config, space);
    let dealt = sources::slices(space.addresses, space.ports, wants, rotate);
    let of_ports = rules::ports(demand, space, dealt.as_ref().err().copied());
    let slices = dealt.unwrap_or_else(|_| vec![Vec::new(); wants.len()]);
    (slices, [of_ports, rules::sources(space, is_local)])
}

/// Where in the range a run begins. Addresses that the seed chose are a run's own, so all such runs
/// use the same few ports and leave the others to the host, also while theirs are in TIME_WAIT.
/// An address that runs share is begun at another port by each.
fn rotation(config: &Config, space: &SourceSpace) -> u16 {
    let shared = |address: &IpAddr| address.is_unspecified() || address.is_ipv6();
    if config.sources.is_empty() && !space.addresses.iter().any(shared) {
        return 0;
    }
    (mixed(config.seed) % space.ports.count().max(1)) as u16
}

fn of_host(demand: &Demand, host: &Host, limits: &ProcessLimits, cpus: usize) -> Vec<Finding> {
    let mut findings = vec![rules::nofile(demand, limits)];
    findings.extend(rules::target_nofile(demand, limits));
    findings.extend(rules::soft_nofile(demand, limits));
    findings.push(rules::file_max(demand, host));
    findings.push(rules::memory(demand, host));
    findings.push(rules::watches(demand, host));
    findings.push(rules::pids(demand, host, limits));
    findings.extend(rules::conntrack(demand, host));
    findings.extend(rules::somaxconn(demand, host));
    findings.push(rules::processors(demand, cpus));
    findings
}

/// Asks the kernel, which sends nothing: only an address of this host can be bound.
fn is_local(address: IpAddr) -> io::Result<()> {
    UdpSocket::bind((address, 0)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::super::samples::{ample_host, ample_limits, config, plan_on_ample_host};
    use super::*;
    use std::time::Duration;

    fn texts(plan: &Plan) -> String {
        plan.refusals().map(|finding| finding.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_main_job_fits_the_reference_machine() {
        let plan = plan_on_ample_host(config(32, 10_000), None);
        assert_eq!(texts(&plan), "");
        assert_eq!((plan.connections, plan.targets), (320_000, 17));
        assert_eq!((plan.sources.len(), plan.source_addresses().len()), (32, 12));
        assert_eq!(plan.stagger, Duration::from_millis(1600));
        assert_eq!(plan.peers, ["127.0.0.1:0".parse().unwrap()]);
        assert!(plan.findings.is_sorted_by_key(|finding| Reverse(finding.level)));
        let notes: Vec<_> = plan.notes().map(|finding| &*finding.code).collect();
        assert_eq!(notes, ["processors", "tcp_mem"]);
    }

    #[test]
    fn a_million_fits_the_reference_machine() {
        let mut asked = config(53, 19_000);
        asked.load = Load::Hold;
        let plan = plan_on_ample_host(asked, None);
        assert_eq!(texts(&plan), "");
        assert_eq!((plan.connections, plan.targets), (1_007_000, 53));
        assert_eq!(plan.source_addresses().len(), 38);
        assert_eq!(plan.stagger, Duration::ZERO);
    }

    #[test]
    fn a_heartbeat_sends_too() {
        let mut asked = config(32, 10_000);
        (asked.load, asked.heartbeat) = (Load::Hold, Some(Duration::from_secs(1)));
        assert_eq!(plan_on_ample_host(asked, None).stagger, Duration::from_millis(1600));
    }

    #[test]
    fn refusals_come_first_and_leave_the_slices_empty() {
        let plan = plan_on_ample_host(config(1, 30_000), Some("[::1]:80".parse().unwrap()));
        let codes: Vec<_> = plan.refusals().map(|finding| &*finding.code).collect();
        assert_eq!(codes, ["nofile", "ports"]);
        assert_eq!(plan.findings[0].level, Level::Refuse);
        assert_eq!((plan.targets, plan.sources), (0, vec![vec![]]));
    }

    #[test]
    fn what_storms_close_rests_beside_what_is_open() {
        let storm = |millionths, every: Option<u64>| {
            let every = every.map(Duration::from_millis);
            Storm { millionths, after: Duration::ZERO, every }
        };
        let spares =
            |storms: &[Storm]| spares(&Config { storms: storms.to_vec(), ..config(1, 1_000) });
        assert_eq!(spares(&[]), 0);
        assert_eq!(spares(&[storm(500_000, None), storm(1_000_000, Some(60_000))]), 501 + 1_001);
        assert_eq!(spares(&[storm(100_000, Some(500))]), 4 * 101);
    }

    #[test]
    fn targets_are_as_many_as_asked_for() {
        let mut asked = config(32, 10_000);
        asked.embedded.procs = Some(5);
        let plan = plan_on_ample_host(asked, None);
        assert_eq!(plan.targets, 5);
        assert!(texts(&plan).contains("--target-procs 17"));
    }

    #[test]
    fn named_sources_are_used_in_order_and_each_once() {
        let mut asked = config(2, 19_000);
        asked.sources =
            ["10.0.0.7", "10.0.0.7", "10.0.0.5", "10.0.0.6"].map(|a| a.parse().unwrap()).into();
        let plan = plan_on_ample_host(asked, Some("10.1.1.1:80".parse().unwrap()));
        let used: Vec<String> = plan.source_addresses().iter().map(IpAddr::to_string).collect();
        assert_eq!(used, ["10.0.0.5", "10.0.0.7"]);
        assert_eq!(plan.sources_of(0)[0].address.to_string(), "10.0.0.7");
    }

    #[test]
    fn a_source_that_is_not_local_is_refused() {
        let mut asked = config(1, 10);
        asked.sources = vec!["10.9.9.9".parse().unwrap()];
        let strange = |_| Err(io::ErrorKind::AddrNotAvailable.into());
        let plan = plan(asked, None, None, &ample_host(), &ample_limits(), &strange, 2);
        assert!(texts(&plan).starts_with("source 10.9.9.9 is not an address of this host; add it"));
    }

    #[test]
    fn the_kernel_knows_its_addresses() {
        assert!(is_local("127.200.1.1".parse().unwrap()).is_ok());
        let error = is_local("192.0.2.1".parse().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }

    #[test]
    fn a_listener_everywhere_is_reached_by_loopback() {
        let table =
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.0.0.1:0", "10.0.0.1:0")];
        for (listen, peer) in table {
            assert_eq!(connectable(listen.parse().unwrap()), peer.parse().unwrap());
        }
    }

    #[test]
    fn no_source_port_is_the_peers() {
        let plan = plan_on_ample_host(config(2, 13_000), Some("127.0.0.1:40000".parse().unwrap()));
        let blocks = plan.sources.iter().flatten();
        assert!(blocks.clone().all(|b| !(b.first_port..=b.last_port).contains(&40_000)));
        let pairs: u64 = blocks.map(|b| u64::from(b.last_port - b.first_port) + 1).sum();
        assert!((26_520..=28_231).contains(&pairs), "{pairs} pairs");
    }

    #[test]
    fn an_unreadable_host_gives_notes_and_a_plan() {
        let limits = ProcessLimits::default();
        let plan = plan(config(32, 10_000), None, None, &Host::default(), &limits, &|_| Ok(()), 64);
        assert_eq!(texts(&plan), "");
        assert_eq!(plan.source_addresses().len(), 12);
        let unknown = plan.notes().filter(|finding| finding.text.contains("unknown"));
        assert_eq!(unknown.count(), 9);
    }

    #[test]
    fn the_seed_moves_own_addresses_and_the_ports_of_shared_ones() {
        let first = |seed, peer: Option<&str>| {
            let mut asked = config(1, 10);
            asked.seed = seed;
            let peer = peer.map(|peer| peer.parse().unwrap());
            plan_on_ample_host(asked, peer).sources[0][0]
        };
        let (one, other) = (first(1, None), first(201, None));
        assert_eq!(first(1, None), one);
        assert_eq!(one.address.to_string(), "127.17.0.1");
        assert_eq!(other.address.to_string(), "127.17.1.1");
        assert_eq!(one.first_port, other.first_port);
        let shared = Some("[::1]:80");
        assert_ne!(first(1, shared).first_port, first(201, shared).first_port);
    }
}
