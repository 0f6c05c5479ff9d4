//! The preflight: one small pure function per limit, each with one word on the plan.
//!
//! A rule states the fact (need, limit, value) whether it fits or not, and the remedy where it does
//! not. What could not be read is a note, never a refusal. The numbers are those of design §5 and
//! were measured on Linux 6.18. Start at [`Demand`].

use super::sources::{self, Ports, Shortage};
use super::{Finding, Level};
use crate::number::grouped;
use crate::plan::{Host, ProcessLimits};
use crate::target::BACKLOG;
use humantime::format_duration;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The most connections of one process: the kernel spreads by ±2 % over listeners, and 20,000 is a
/// common hard limit.
pub const CONNS_PER_PROCESS: u64 = 19_000;

/// Descriptors of a process that are not connections.
const FILES_BESIDE: u64 = 64;

/// Processes that are neither worker nor target, with room.
const PROCESSES_BESIDE: u64 = 16;

/// Kernel memory of a connection whose both ends are here, and of one end.
const PAIR_BYTES: u64 = 9_800;
const END_BYTES: u64 = 5_000;

/// Our own memory of a connection, and of a process.
const USER_BYTES: u64 = 512;
const PROCESS_BYTES: u64 = 4 << 20;

/// First sends are spread so that this many leave per second.
const STAGGERED_PER_S: u64 = 200_000;

/// What is asked of the host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// Worker processes.
    pub procs: u32,
    /// Connections of the one that has most.
    pub conns: u32,
    /// Connections of all.
    pub connections: u64,
    /// Source pairs of all.
    pub pairs: u64,
    /// Attempts per second of all workers and the time of each, where connections are those pending.
    pub attempts: Option<(f64, Duration)>,
    /// Target processes of ours; 0 with a TARGET.
    pub targets: u32,
    /// Whether the far ends are on this host.
    pub loopback: bool,
    /// Whether all connections may send at one time.
    pub sends: bool,
}

impl Demand {
    fn processes(&self) -> u64 {
        u64::from(self.procs) + u64::from(self.targets)
    }

    /// Sockets of ours for each connection.
    fn ends(&self) -> u64 {
        if self.targets > 0 { 2 } else { 1 }
    }
}

/// Where connections come from.
#[derive(Clone, Copy, Debug)]
pub struct SourceSpace<'a> {
    /// Where they go.
    pub peer: SocketAddr,
    /// The source addresses, in order.
    pub addresses: &'a [IpAddr],
    /// Whether the user named them.
    pub named: bool,
    /// The ports of each address.
    pub ports: &'a Ports,
    /// Whether the ports had to be assumed.
    pub assumed: bool,
}

/// Descriptors of a worker.
pub fn nofile(demand: &Demand, limits: &ProcessLimits) -> Finding {
    let Some(limit) = limits.open_files else {
        return unknown("nofile", "the limit on open files");
    };
    let (conns, need) = (u64::from(demand.conns), files_of_worker(demand.conns));
    let held = match demand.attempts {
        Some((rate, timeout)) => format!(
            "{} attempts/s × {} / {} = {} pending",
            grouped(rate as u64),
            format_duration(timeout),
            counted(demand.procs.into(), "worker", "workers"),
            grouped(conns),
        ),
        None => format!("{} connections", grouped(conns)),
    };
    let fact = format!(
        "open files: each worker needs {} ({held} + {FILES_BESIDE}), the hard limit is {}",
        grouped(need),
        limit_text(limit),
    );
    judged("nofile", need <= limit, fact, || match demand.attempts {
        Some(_) => workers_that_fit(demand.connections, limit),
        None => processes_that_fit(demand.connections, limit),
    })
}

fn workers_that_fit(pending: u64, limit: u64) -> String {
    let each = limit.saturating_sub(FILES_BESIDE).clamp(1, CONNS_PER_PROCESS);
    let procs = grouped(pending.div_ceil(each));
    format!("use --procs {procs}, shorten --attempt-timeout or raise the limit (ulimit -Hn)")
}

fn files_of_worker(conns: u32) -> u64 {
    u64::from(conns) + FILES_BESIDE
}

fn processes_that_fit(connections: u64, limit: u64) -> String {
    let raise = "raise the limit (ulimit -Hn)";
    let Some((procs, conns)) = fitting_shape(connections, limit) else { return raise.into() };
    match procs.saturating_mul(conns) {
        total if total == connections => format!("use --procs {procs} --conns {conns} or {raise}"),
        total => {
            let total = grouped(total);
            format!("use --procs {procs} --conns {conns} ({total} in all) or {raise}")
        }
    }
}

/// The fewest processes, and the connections of each, that make `connections` within `limit`; the
/// total is a little more where it has no fitting divisor.
fn fitting_shape(connections: u64, limit: u64) -> Option<(u64, u64)> {
    let most = limit.saturating_sub(FILES_BESIDE).min(CONNS_PER_PROCESS);
    let fewest = connections.checked_div(most)? + u64::from(!connections.is_multiple_of(most));
    let mut candidates = (fewest..=fewest.saturating_mul(2)).take(1000);
    let procs = candidates.find(|&procs| procs > 0 && connections.is_multiple_of(procs));
    let procs = procs.unwrap_or(fewest).max(1);
    Some((procs, connections.div_ceil(procs)))
}

/// Descriptors of a target process of ours.
pub fn target_nofile(demand: &Demand, limits: &ProcessLimits) -> Option<Finding> {
    let code = "target_nofile";
    let targets = (demand.targets > 0).then_some(u64::from(demand.targets))?;
    let Some(limit) = limits.open_files else {
        return Some(unknown(code, "the limit on open files"));
    };
    let each = demand.connections.div_ceil(targets);
    let need = files_of_target(each);
    let fact = format!(
        "open files: each of {} needs {} ({} connections, uneven spread and \
         {FILES_BESIDE}), the hard limit is {}",
        counted(targets, "target process", "target processes"),
        grouped(need),
        grouped(each),
        limit_text(limit),
    );
    Some(judged(code, need <= limit, fact, || {
        let targets = targets_needed(demand.connections, limits);
        format!("use --target-procs {targets} or raise the limit (ulimit -Hn)")
    }))
}

/// The soft limit on descriptors, where it is raised: a note where it would not have done.
pub fn soft_nofile(demand: &Demand, limits: &ProcessLimits) -> Option<Finding> {
    let (soft, hard) = limits.open_files_soft.zip(limits.open_files)?;
    let each = demand.connections.checked_div(demand.targets.into());
    let need = files_of_worker(demand.conns).max(each.map_or(0, files_of_target));
    let fact =
        || format!("open files: the soft limit of {} is raised to the hard one", grouped(soft));
    (soft < hard).then(|| match need <= soft {
        true => ok("soft_nofile", fact()),
        false => note("soft_nofile", format!("{}, since {} are needed", fact(), grouped(need))),
    })
}

/// The kernel hashes connections to listeners: a target gets its part and at most 3 % or four
/// standard deviations more, whichever is more (they are equal near 18,000).
fn files_of_target(connections: u64) -> u64 {
    let spread = (connections.div_ceil(100) * 3).max(4 * connections.isqrt());
    connections.saturating_add(spread).saturating_add(FILES_BESIDE)
}

/// Target processes for so many connections, at least 1.
pub fn targets_needed(connections: u64, limits: &ProcessLimits) -> u32 {
    let limit = limits.open_files.unwrap_or(u64::MAX);
    let fitting = (1..=CONNS_PER_PROCESS).rev().find(|&each| files_of_target(each) <= limit);
    let targets = connections.div_ceil(fitting.unwrap_or(CONNS_PER_PROCESS)).max(1);
    u32::try_from(targets).unwrap_or(u32::MAX)
}

/// Descriptors of a process of `serve`, of which each is to hold `conns` connections.
pub fn serve_nofile(procs: u32, conns: u64, limits: &ProcessLimits) -> Finding {
    let Some(limit) = limits.open_files else {
        return unknown("nofile", "the limit on open files");
    };
    let need = files_of_target(conns);
    let fact = format!(
        "open files: each of {} needs {} ({} connections, uneven spread and \
         {FILES_BESIDE}), the hard limit is {}",
        counted(procs.into(), "process", "processes"),
        grouped(need),
        grouped(conns),
        limit_text(limit),
    );
    judged("nofile", need <= limit, fact, || {
        let targets = targets_needed(conns.saturating_mul(procs.into()), limits);
        format!("use --procs {targets} or raise the limit (ulimit -Hn)")
    })
}

/// Open files of the whole host.
pub fn file_max(demand: &Demand, host: &Host) -> Finding {
    let (Some(max), Some(open)) = (host.file_max, host.files_open) else {
        return unknown("file_max", "fs.file-max or fs.file-nr");
    };
    let need = demand.connections.saturating_mul(demand.ends()).saturating_add(open);
    let fact = format!(
        "file table: {} files are needed ({} per connection, {} open now), 90 % of fs.file-max {} \
         may be used",
        grouped(need),
        demand.ends(),
        grouped(open),
        limit_text(max),
    );
    judged("file_max", need <= max / 10 * 9, fact, || {
        format!("set sysctl fs.file-max={} or lower --conns", need.saturating_add(need / 8))
    })
}

/// Source ports: whether the addresses hold all pairs.
pub fn ports(demand: &Demand, space: &SourceSpace, shortage: Option<Shortage>) -> Finding {
    if let Some(shortage) = shortage {
        return refuse(
            "ports",
            format!("source ports: {}", shortage_text(demand, space, shortage)),
        );
    }
    let fact = format!(
        "source ports: {} of {} pairs are used ({}, {} of {} ports)",
        grouped(demand.pairs),
        grouped(space.ports.count() * space.addresses.len() as u64),
        with_spares(demand),
        counted(space.addresses.len() as u64, "address", "addresses"),
        grouped(space.ports.count()),
    );
    if space.assumed {
        return note("ports", format!("{fact}; the host's port range is unknown, this is assumed"));
    }
    ok("ports", fact)
}

fn with_spares(demand: &Demand) -> String {
    let spares = demand.pairs - demand.connections;
    format!("{} connections + {} spares", grouped(demand.connections), grouped(spares))
}

fn shortage_text(demand: &Demand, space: &SourceSpace, shortage: Shortage) -> String {
    let Shortage::Addresses { pairs_needed, ports, addresses_needed, addresses_given } = shortage
    else {
        return shortage.to_string();
    };
    let (asked, ports_text) = (with_spares(demand), grouped(ports));
    let fewer = conns_that_fit(demand, ports.saturating_mul(addresses_given));
    let more = more_addresses(space, addresses_needed, addresses_given);
    if space.peer.ip().is_loopback() && space.peer.is_ipv6() && !space.named {
        let pairs = grouped(pairs_needed);
        return format!(
            "{asked} need {pairs}, ::1 is one address of {ports_text} ports; {more}{fewer}"
        );
    }
    let (needed, given) = (grouped(addresses_needed), grouped(addresses_given));
    format!(
        "{asked} need {needed} source addresses of {ports_text} ports, {given} given; {more}{fewer}"
    )
}

fn more_addresses(space: &SourceSpace, needed: u64, given: u64) -> String {
    let loopback = space.peer.ip().is_loopback();
    match (space.named, loopback) {
        (true, _) => format!("name {} more with --source, or ", grouped(needed - given)),
        (false, true) if space.peer.is_ipv6() => "connect to 127.0.0.1, or ".into(),
        (false, true) => String::new(),
        (false, false) => {
            format!("name {} addresses of this host with --source, or ", grouped(needed))
        }
    }
}

fn conns_that_fit(demand: &Demand, pairs: u64) -> String {
    match sources::conns_that_fit(pairs, demand.procs) {
        0 => "use fewer --procs".into(),
        conns => format!("use at most --conns {conns}"),
    }
}

/// Source addresses: whether they are of the peer's family and of this host.
pub fn sources(space: &SourceSpace, is_local: &dyn Fn(IpAddr) -> io::Result<()>) -> Finding {
    if let Some(stranger) = space.addresses.iter().find(|a| a.is_ipv4() != space.peer.is_ipv4()) {
        return refuse("sources", family_text(*stranger, space.peer));
    }
    let bound = space.addresses.iter().filter(|address| !address.is_unspecified());
    let mut failed = bound.filter_map(|&address| Some((address, is_local(address).err()?)));
    match failed.next() {
        Some((address, error)) => refuse("sources", stranger_text(address, &error, failed.count())),
        None => ok("sources", local_text(space.addresses)),
    }
}

fn family_text(source: IpAddr, peer: SocketAddr) -> String {
    let family = |ipv4| if ipv4 { "IPv4" } else { "IPv6" };
    let (wrong, right) = (family(source.is_ipv4()), family(peer.is_ipv4()));
    let peer = peer.ip();
    format!("source {source} is {wrong} and the target {peer} is {right}; name {right} sources")
}

fn stranger_text(address: IpAddr, error: &io::Error, others: usize) -> String {
    let others = match others {
        0 => String::new(),
        others => format!(" (and {} more)", grouped(others as u64)),
    };
    if error.kind() != io::ErrorKind::AddrNotAvailable {
        return format!("source {address} cannot be bound: {error}{others}; choose another");
    }
    let bits = if address.is_ipv4() { 32 } else { 128 };
    format!(
        "source {address} is not an address of this host{others}; add it (ip addr add \
         {address}/{bits} dev lo) or choose another"
    )
}

fn local_text(addresses: &[IpAddr]) -> String {
    match addresses {
        [] => "no source address is needed".into(),
        [only] if only.is_unspecified() => "the kernel's routes choose the source address".into(),
        [only] => format!("source {only} is an address of this host"),
        [first, .., last] => {
            let count = grouped(addresses.len() as u64);
            format!("{count} sources, {first} to {last}, are addresses of this host")
        }
    }
}

/// Memory of the kernel and ours.
pub fn memory(demand: &Demand, host: &Host) -> Finding {
    let Some(available) = host.memory_available_bytes else {
        return unknown("memory", "MemAvailable");
    };
    let kernel = if demand.loopback { PAIR_BYTES } else { END_BYTES };
    let (each, limit) = (kernel + USER_BYTES, available / 10 * 8);
    let processes = demand.processes().saturating_mul(PROCESS_BYTES);
    let need = demand.connections.saturating_mul(each).saturating_add(processes);
    let fact = format!(
        "memory: {} connections × {} B + {} × 4 MiB need {}, 80 % of the available memory is {}",
        grouped(demand.connections),
        grouped(each),
        counted(demand.processes(), "process", "processes"),
        gigabytes(need),
        gigabytes(limit),
    );
    judged("memory", need <= limit, fact, || {
        let fitting = grouped(limit.saturating_sub(processes) / each);
        format!("{fitting} connections fit: lower --conns or free memory")
    })
}

/// TCP's own memory: never refuses, but spreads the first sends, which come first.
pub fn tcp_mem(demand: &Demand, host: &Host) -> (Finding, Duration) {
    let Some([_, pressure, _]) = host.tcp_mem_pages else {
        return (unknown("tcp_mem", "tcp_mem"), Duration::ZERO);
    };
    let used = host.tcp_pages_used.map_or("an unknown number".into(), grouped);
    let fact = format!(
        "tcp memory: {} connections hold a page each while data is queued, half of tcp_mem's \
         pressure mark is {} pages, {used} in use",
        grouped(demand.connections),
        grouped(pressure / 2),
    );
    if !demand.sends || demand.connections <= pressure / 2 {
        return (ok("tcp_mem", fact), Duration::ZERO);
    }
    let stagger = stagger(demand.connections);
    let spread = format!("{fact}; first sends are spread over {:.1} s", stagger.as_secs_f64());
    (note("tcp_mem", spread), stagger)
}

fn stagger(connections: u64) -> Duration {
    Duration::from_millis(connections.saturating_mul(1000) / STAGGERED_PER_S)
}

/// The accept queue of our target.
pub fn somaxconn(demand: &Demand, host: &Host) -> Option<Finding> {
    if demand.targets == 0 {
        return None;
    }
    let Some(limit) = host.somaxconn else {
        return Some(unknown("somaxconn", "net.core.somaxconn"));
    };
    let asked = BACKLOG.unsigned_abs().into();
    let fact = format!(
        "accept queue: each target process has {} places (it asks for {}, somaxconn is {})",
        grouped(limit.min(asked)),
        grouped(asked),
        grouped(limit),
    );
    Some(if limit < asked { note("somaxconn", fact) } else { ok("somaxconn", fact) })
}

/// Descriptors watched by epoll.
pub fn watches(demand: &Demand, host: &Host) -> Finding {
    let Some(limit) = host.epoll_watches else {
        return unknown("watches", "fs.epoll.max_user_watches");
    };
    let sockets = demand.connections.saturating_mul(demand.ends());
    let need = sockets.saturating_add(sockets.div_ceil(10));
    let fact = format!(
        "epoll watches: {} are needed ({} sockets + 10 %), fs.epoll.max_user_watches is {}",
        grouped(need),
        grouped(sockets),
        limit_text(limit),
    );
    judged("watches", need <= limit, fact, || {
        format!("set sysctl fs.epoll.max_user_watches={need} or lower --conns")
    })
}

/// Processes.
pub fn pids(demand: &Demand, host: &Host, limits: &ProcessLimits) -> Finding {
    let known = [
        (host.pid_max, "kernel.pid_max"),
        (host.cgroup_pids_free, "what pids.max of the control group leaves"),
        (limits.processes, "the limit on processes (ulimit -u)"),
    ];
    let known = known.into_iter().filter_map(|(limit, name)| Some((limit?, name)));
    let Some((limit, name)) = known.min() else { return unknown("pids", "kernel.pid_max") };
    let need = demand.processes() + PROCESSES_BESIDE;
    let fact = format!(
        "processes: {} are needed ({}, {}, {PROCESSES_BESIDE} beside), {name} is {}",
        grouped(need),
        counted(demand.procs.into(), "worker", "workers"),
        counted(demand.targets.into(), "target", "targets"),
        limit_text(limit),
    );
    judged("pids", need <= limit, fact, || "use fewer --procs with more --conns or raise it".into())
}

/// The firewall's table of connections, where there is one. Whether it tracks those of this run only a run
/// tells: a note, and the verdict says the rest.
pub fn conntrack(demand: &Demand, host: &Host) -> Option<Finding> {
    const CODE: &str = "conntrack";
    let (limit, connections) = (host.tracked_max?, demand.connections);
    let need = connections.saturating_add(connections.div_ceil(10));
    let fact = format!(
        "conntrack: {} are needed ({} connections + 10 %) if the firewall tracks them, nf_conntrack_max is {}",
        grouped(need),
        grouped(connections),
        limit_text(limit),
    );
    let remedy = format!("{fact}; set sysctl net.netfilter.nf_conntrack_max={need}");
    Some(if need <= limit { ok(CODE, fact) } else { note(CODE, remedy) })
}

/// The receive buffer that was asked for: of more than its most the kernel silently makes that.
pub fn receive_buffer(asked: Option<u32>, host: &Host) -> Option<Finding> {
    const CODE: &str = "rcvbuf";
    let asked = u64::from(asked?);
    let Some(limit) = host.receive_buffer_max else {
        return Some(unknown(CODE, "net.core.rmem_max"));
    };
    let fact = format!(
        "receive buffer: --rcvbuf asks for {} bytes, net.core.rmem_max is {}",
        grouped(asked),
        limit_text(limit),
    );
    Some(judged(CODE, asked <= limit, fact, || "lower --rcvbuf or raise it".into()))
}

/// Processors; more processes than these is worth knowing.
pub fn processors(demand: &Demand, cpus: usize) -> Finding {
    let fact = format!(
        "processors: {} for {} and {}",
        grouped(cpus as u64),
        counted(demand.procs.into(), "worker", "workers"),
        counted(demand.targets.into(), "target process", "target processes"),
    );
    if demand.processes() <= cpus as u64 {
        return ok("processors", fact);
    }
    note(
        "processors",
        format!("{fact}: fine for held connections, latency includes their queueing"),
    )
}

fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n), if n == 1 { one } else { many })
}

/// The kernel writes "no limit" as its largest number, signed or not.
fn limit_text(limit: u64) -> String {
    if limit >= i64::MAX as u64 { "unlimited".into() } else { grouped(limit) }
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

fn judged(
    code: &'static str,
    fits: bool,
    fact: String,
    remedy: impl FnOnce() -> String,
) -> Finding {
    if fits { ok(code, fact) } else { refuse(code, format!("{fact}; {}", remedy())) }
}

fn unknown(code: &'static str, what: &str) -> Finding {
    note(code, format!("{what} is unknown, so it was not checked"))
}

fn ok(code: &'static str, text: String) -> Finding {
    Finding { code: code.into(), level: Level::Ok, text }
}

fn note(code: &'static str, text: String) -> Finding {
    Finding { code: code.into(), level: Level::Note, text }
}

fn refuse(code: &'static str, text: String) -> Finding {
    Finding { code: code.into(), level: Level::Refuse, text }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{ample_host, ample_limits};
    use super::super::sources::Want;
    use super::*;

    fn demand(procs: u32, conns: u32, targets: u32) -> Demand {
        Demand {
            procs,
            conns,
            connections: u64::from(procs) * u64::from(conns),
            pairs: sources::pairs_per_worker(conns).saturating_mul(u64::from(procs)),
            attempts: None,
            targets,
            loopback: true,
            sends: true,
        }
    }

    fn open_files(limit: u64) -> ProcessLimits {
        ProcessLimits { open_files: Some(limit), ..ample_limits() }
    }

    #[test]
    fn thousands_are_separated() {
        let table = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        for (n, text) in table {
            assert_eq!(grouped(n), text);
        }
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn nofile_offers_processes_that_keep_the_total() {
        let finding = nofile(&demand(1, 30_000, 2), &open_files(20_000));
        assert_eq!(finding.level, Level::Refuse);
        assert_eq!(
            finding.text,
            "open files: each worker needs 30,064 (30,000 connections + 64), the hard limit is \
             20,000; use --procs 2 --conns 15000 or raise the limit (ulimit -Hn)"
        );
        assert_eq!(nofile(&demand(1, 19_936, 2), &open_files(20_000)).level, Level::Ok);
        assert_eq!(nofile(&demand(1, 19_937, 2), &open_files(20_000)).level, Level::Refuse);
    }

    #[test]
    fn shapes_fit_and_keep_the_total_where_they_can() {
        let table = [
            (30_000, 20_000, Some((2, 15_000))),
            (320_000, 20_000, Some((20, 16_000))),
            (40_009, 20_000, Some((3, 13_337))),
            (1_000, 164, Some((10, 100))),
            (1_000, 64, None),
            (0, 1_000, Some((1, 0))),
        ];
        for (connections, limit, shape) in table {
            assert_eq!(fitting_shape(connections, limit), shape, "{connections} in {limit}");
        }
        assert!(processes_that_fit(40_009, 20_000).contains("(40,011 in all)"));
        assert_eq!(processes_that_fit(10, 10), "raise the limit (ulimit -Hn)");
        assert!(fitting_shape(u64::MAX, 65).is_some());
    }

    #[test]
    fn target_nofile_offers_the_number_of_targets() {
        let finding = target_nofile(&demand(32, 10_000, 16), &open_files(20_000)).unwrap();
        assert_eq!(finding.level, Level::Refuse);
        let parts = ["20,664", "20,000 connections", "limit is 20,000;", "--target-procs 17 "];
        assert!(parts.iter().all(|part| finding.text.contains(part)), "{}", finding.text);
        let fits = target_nofile(&demand(32, 10_000, 17), &open_files(20_000)).unwrap();
        assert_eq!(fits.level, Level::Ok);
        assert_eq!(target_nofile(&demand(32, 10_000, 0), &open_files(1)), None);
    }

    #[test]
    fn as_many_targets_as_their_limit_needs() {
        let table = [(0, 1), (100, 1), (19_000, 1), (19_001, 2), (320_000, 17), (1_007_000, 53)];
        for (connections, targets) in table {
            assert_eq!(targets_needed(connections, &open_files(20_000)), targets);
            assert_eq!(targets_needed(connections, &ProcessLimits::default()), targets);
        }
        let low = open_files(4096);
        let each = 32_000 / u64::from(targets_needed(32_000, &low));
        assert!(files_of_target(each) <= 4096 && each > 3_000);
        assert_eq!(targets_needed(19_001, &open_files(10)), 2);
    }

    #[test]
    fn serve_is_told_how_many_processes_fit() {
        let finding = serve_nofile(1, 30_000, &open_files(20_000));
        let parts = ["30,000 connections", "limit is 20,000;", "--procs 2 "];
        assert!(parts.iter().all(|part| finding.text.contains(part)), "{}", finding.text);
        assert_eq!(serve_nofile(2, 19_000, &open_files(20_000)).level, Level::Ok);
    }

    #[test]
    fn file_max_counts_both_ends_of_our_own() {
        let host = Host { file_max: Some(1000), files_open: Some(100), ..ample_host() };
        assert_eq!(file_max(&demand(1, 400, 1), &host).level, Level::Ok);
        assert_eq!(file_max(&demand(1, 800, 0), &host).level, Level::Ok);
        let finding = file_max(&demand(1, 500, 1), &host);
        assert_eq!(
            finding.text,
            "file table: 1,100 files are needed (2 per connection, 100 open now), 90 % of \
             fs.file-max 1,000 may be used; set sysctl fs.file-max=1237 or lower --conns"
        );
        let endless = Host { file_max: Some(i64::MAX as u64), ..host };
        assert!(file_max(&demand(1, 500, 1), &endless).text.contains("unlimited"));
    }

    fn space<'a>(peer: &str, addresses: &'a [IpAddr], ports: &'a Ports) -> SourceSpace<'a> {
        let peer = peer.parse().unwrap();
        SourceSpace { peer, addresses, named: false, ports, assumed: false }
    }

    /// The word of `ports` on 32 × 10,000 from `count` addresses of the default range.
    fn ports_of(peer: &str, count: u64, named: bool) -> Finding {
        let range = Ports::new(32_768, 60_999, &[]);
        let addresses = sources::loopback_sources(0, count);
        let demand = demand(32, 10_000, 0);
        let shortage =
            sources::slices(&addresses, &range, &[Want { conns: 10_000, more: 0 }; 32], 0).err();
        ports(&demand, &SourceSpace { named, ..space(peer, &addresses, &range) }, shortage)
    }

    #[test]
    fn ports_say_which_sources_are_missing() {
        let table = [
            (
                "10.0.0.1:80",
                12,
                true,
                "338,784 pairs are used (320,000 connections + 6,400 spares, 12 addresses of \
                 28,232 ports)",
            ),
            (
                "10.0.0.1:80",
                5,
                true,
                "need 12 source addresses of 28,232 ports, 5 given; name 7 more with --source, \
                 or use at most --conns 4324",
            ),
            (
                "10.0.0.1:80",
                1,
                false,
                "1 given; name 12 addresses of this host with --source, or use at most --conns 864",
            ),
            (
                "[::1]:80",
                1,
                false,
                "need 326,400, ::1 is one address of 28,232 ports; connect to 127.0.0.1, or use at \
                 most --conns 864",
            ),
            ("127.0.0.1:80", 1, false, "1 given; use at most --conns 864"),
        ];
        for (peer, count, named, text) in table {
            let finding = ports_of(peer, count, named);
            assert!(finding.text.contains(text), "{}", finding.text);
            assert_eq!(finding.level == Level::Ok, count == 12);
        }
    }

    #[test]
    fn ports_may_all_be_reserved() {
        let (none, addresses) = (Ports::new(1, 2, &[(1, 2)]), sources::loopback_sources(0, 1));
        let space = space("127.0.0.1:80", &addresses, &none);
        let finding = ports(&demand(1, 1, 1), &space, Some(Shortage::NoPorts));
        assert_eq!(finding.level, Level::Refuse);
        assert!(finding.text.contains("shorten ip_local_reserved_ports"));
    }

    #[test]
    fn sources_are_of_this_host_and_of_the_targets_family() {
        let ports = Ports::new(1, 2, &[]);
        let strange = |address: IpAddr| match address.to_string().starts_with("10.9") {
            true => Err(io::ErrorKind::AddrNotAvailable.into()),
            false => Ok(()),
        };
        let table: [(&str, &[&str], &str); 6] = [
            (
                "127.0.0.1:80",
                &["10.9.9.9"],
                "source 10.9.9.9 is not an address of this host; add it (ip addr add \
                 10.9.9.9/32 dev lo) or choose another",
            ),
            (
                "127.0.0.1:80",
                &["127.0.0.2", "10.9.9.9", "10.9.9.8"],
                "source 10.9.9.9 is not an address of this host (and 1 more); add it (ip addr \
                 add 10.9.9.9/32 dev lo) or choose another",
            ),
            (
                "[::1]:80",
                &["127.0.0.2"],
                "source 127.0.0.2 is IPv4 and the target ::1 is IPv6; name IPv6 sources",
            ),
            ("10.0.0.1:80", &["0.0.0.0"], "the kernel's routes choose the source address"),
            ("10.0.0.1:80", &["10.0.0.2"], "source 10.0.0.2 is an address of this host"),
            (
                "10.0.0.1:80",
                &["10.0.0.2", "10.0.0.5"],
                "2 sources, 10.0.0.2 to 10.0.0.5, are addresses of this host",
            ),
        ];
        for (peer, addresses, text) in table {
            let addresses: Vec<IpAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
            let finding = sources(&space(peer, &addresses, &ports), &strange);
            assert_eq!(finding.text, text);
            assert_eq!(finding.level == Level::Refuse, text.contains(';'));
        }
    }

    #[test]
    fn an_address_that_cannot_be_asked_about_is_refused() {
        let (ports, address) = (Ports::new(1, 2, &[]), ["10.0.0.2".parse().unwrap()]);
        let denied = |_| Err(io::ErrorKind::PermissionDenied.into());
        let finding = sources(&space("10.0.0.1:80", &address, &ports), &denied);
        assert_eq!(
            finding.text,
            "source 10.0.0.2 cannot be bound: permission denied; choose another"
        );
    }

    #[test]
    fn memory_is_the_sum_of_kernel_and_user() {
        let gib = |n: u64| Host { memory_available_bytes: Some(n << 30), ..ample_host() };
        assert_eq!(memory(&demand(32, 10_000, 17), &gib(5)).level, Level::Ok);
        let finding = memory(&demand(32, 10_000, 17), &gib(4));
        assert_eq!(finding.level, Level::Refuse);
        assert_eq!(
            finding.text,
            "memory: 320,000 connections × 10,312 B + 49 processes × 4 MiB need 3.5 GB, 80 % of \
             the available memory is 3.4 GB; 313,271 connections fit: lower --conns or free memory"
        );
        let far = Demand { loopback: false, ..demand(32, 10_000, 0) };
        assert_eq!(memory(&far, &gib(4)).level, Level::Ok);
    }

    #[test]
    fn tcp_mem_spreads_first_sends_and_never_refuses() {
        let table = [
            (demand(32, 10_000, 17), 1_600),
            (demand(53, 19_000, 53), 5_035),
            (demand(1, 191_934, 1), 0),
            (demand(1, 191_935, 1), 959),
            (Demand { sends: false, ..demand(32, 10_000, 17) }, 0),
        ];
        for (demand, millis) in table {
            let (finding, stagger) = tcp_mem(&demand, &ample_host());
            assert_eq!(stagger, Duration::from_millis(millis), "{demand:?}");
            assert_eq!(finding.level, if millis > 0 { Level::Note } else { Level::Ok });
        }
        let (finding, _) = tcp_mem(&demand(32, 10_000, 17), &ample_host());
        assert!(finding.text.contains("320,000") && finding.text.contains("191,934"));
        assert!(finding.text.ends_with("; first sends are spread over 1.6 s"));
    }

    #[test]
    fn somaxconn_is_a_note_of_the_effective_backlog() {
        let short = Host { somaxconn: Some(128), ..ample_host() };
        let finding = somaxconn(&demand(1, 1, 1), &short).unwrap();
        assert_eq!(finding.level, Level::Note);
        assert!(finding.text.contains("128 places (it asks for 4,096, somaxconn is 128)"));
        assert_eq!(somaxconn(&demand(1, 1, 1), &ample_host()).unwrap().level, Level::Ok);
        assert_eq!(somaxconn(&demand(1, 1, 0), &short), None);
    }

    #[test]
    fn a_receive_buffer_over_the_kernels_most_is_refused() {
        let host = ample_host();
        assert_eq!(receive_buffer(None, &host), None);
        assert_eq!(receive_buffer(Some(212_992), &host).unwrap().level, Level::Ok);
        let refused = receive_buffer(Some(212_993), &host).unwrap();
        assert_eq!(refused.level, Level::Refuse);
        assert_eq!(
            refused.text,
            "receive buffer: --rcvbuf asks for 212,993 bytes, net.core.rmem_max is 212,992; lower --rcvbuf or raise it"
        );
        let unread = Host { receive_buffer_max: None, ..host };
        assert_eq!(receive_buffer(Some(1), &unread).unwrap().level, Level::Note);
    }

    #[test]
    fn watches_count_both_ends_and_a_tenth() {
        let host = Host { epoll_watches: Some(2_200), ..ample_host() };
        assert_eq!(watches(&demand(1, 1000, 1), &host).level, Level::Ok);
        assert_eq!(watches(&demand(1, 2000, 0), &host).level, Level::Ok);
        let finding = watches(&demand(1, 1001, 1), &host);
        assert_eq!(
            finding.text,
            "epoll watches: 2,203 are needed (2,002 sockets + 10 %), fs.epoll.max_user_watches is \
             2,200; set sysctl fs.epoll.max_user_watches=2203 or lower --conns"
        );
    }

    #[test]
    fn conntrack_is_a_note_and_only_where_there_is_one() {
        let host = Host { tracked_max: Some(1_100), ..ample_host() };
        assert_eq!(conntrack(&demand(1, 1000, 0), &host).unwrap().level, Level::Ok);
        let finding = conntrack(&demand(1, 1001, 0), &host).unwrap();
        assert_eq!(finding.level, Level::Note);
        assert_eq!(
            finding.text,
            "conntrack: 1,102 are needed (1,001 connections + 10 %) if the firewall tracks them, \
             nf_conntrack_max is 1,100; set sysctl net.netfilter.nf_conntrack_max=1102"
        );
        assert_eq!(conntrack(&demand(32, 10_000, 17), &Host { tracked_max: None, ..host }), None);
    }

    #[test]
    fn pids_name_the_tightest_limit() {
        let demand = demand(32, 1, 17);
        let table = [
            (Some(64), None, None, "kernel.pid_max is 64;"),
            (Some(640), Some(60), Some(70), "pids.max of the control group leaves is 60;"),
            (None, Some(99), Some(5), "(ulimit -u) is 5;"),
        ];
        for (pid_max, cgroup_pids_free, processes, text) in table {
            let host = Host { pid_max, cgroup_pids_free, ..ample_host() };
            let finding = pids(&demand, &host, &ProcessLimits { processes, ..ample_limits() });
            assert_eq!(finding.level, Level::Refuse);
            assert!(finding.text.contains("65 are needed (32 workers, 17 targets"));
            assert!(finding.text.contains(text), "{}", finding.text);
        }
        let enough = Host { pid_max: Some(65), ..ample_host() };
        assert_eq!(pids(&demand, &enough, &ample_limits()).level, Level::Ok);
    }

    #[test]
    fn a_soft_limit_that_is_raised_is_told_and_a_note_where_it_was_too_low() {
        let soft = |soft| ProcessLimits { open_files_soft: Some(soft), ..ample_limits() };
        let demand = demand(1, 300, 0);
        assert_eq!(soft_nofile(&demand, &soft(20_000)), None);
        assert_eq!(soft_nofile(&demand, &soft(364)).unwrap().level, Level::Ok);
        let raised = soft_nofile(&demand, &soft(363)).unwrap();
        assert_eq!(raised.level, Level::Note);
        assert_eq!(
            raised.text,
            "open files: the soft limit of 363 is raised to the hard one, since 364 are needed"
        );
    }

    #[test]
    fn more_processes_than_processors_is_a_note() {
        assert_eq!(processors(&demand(1, 1, 1), 2).level, Level::Ok);
        let finding = processors(&demand(2, 1, 1), 2);
        assert_eq!(finding.level, Level::Note);
        assert!(finding.text.ends_with("latency includes their queueing"));
    }

    #[test]
    fn what_could_not_be_read_is_a_note() {
        let (demand, host, limits) = (demand(1, 1, 1), Host::default(), ProcessLimits::default());
        let findings = [
            nofile(&demand, &limits),
            target_nofile(&demand, &limits).unwrap(),
            serve_nofile(1, 1, &limits),
            file_max(&demand, &host),
            memory(&demand, &host),
            tcp_mem(&demand, &host).0,
            somaxconn(&demand, &host).unwrap(),
            watches(&demand, &host),
            pids(&demand, &host, &limits),
        ];
        for finding in findings {
            assert_eq!(finding.level, Level::Note, "{}", finding.code);
            assert!(finding.text.contains("unknown"), "{}", finding.text);
        }
    }

    #[test]
    fn absurd_numbers_do_not_overflow() {
        let (demand, host) = (demand(u32::MAX, u32::MAX, u32::MAX), ample_host());
        let limits = ample_limits();
        assert_eq!(nofile(&demand, &limits).level, Level::Refuse);
        assert_eq!(file_max(&demand, &host).level, Level::Refuse);
        assert_eq!(memory(&demand, &host).level, Level::Refuse);
        assert_eq!(watches(&demand, &host).level, Level::Refuse);
        assert_eq!(pids(&demand, &host, &limits).level, Level::Refuse);
        assert!(target_nofile(&demand, &limits).is_some());
        assert_eq!(targets_needed(u64::MAX, &limits), u32::MAX);
        assert_eq!(tcp_mem(&demand, &host).0.level, Level::Note);
    }
}
