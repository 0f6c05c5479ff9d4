//! The limits of a host, read from `/proc` and `/sys` under a root directory, so that tests bring
//! their own.
//!
//! This file judges nothing and never fails: a fact that cannot be read or parsed is `None`, and
//! the rule that wants it says so. Start at [`Host::read`].

use nix::sys::resource::{Resource, getrlimit};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What the kernel's files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// First and last port (inclusive) that clients use: `ip_local_port_range`.
    pub local_ports: Option<(u16, u16)>,
    /// Inclusive ranges kept from clients: `ip_local_reserved_ports`.
    pub reserved_ports: Option<Vec<(u16, u16)>>,
    /// Pages at which TCP is at ease, under pressure, and full: `tcp_mem`.
    pub tcp_mem_pages: Option<[u64; 3]>,
    /// Pages that TCP uses now: `mem` of `sockstat`.
    pub tcp_pages_used: Option<u64>,
    /// The longest accept queue: `somaxconn`.
    pub somaxconn: Option<u64>,
    /// The largest receive buffer that a program may ask for: `rmem_max`.
    pub receive_buffer_max: Option<u64>,
    /// Open files of all processes: `file-max`.
    pub file_max: Option<u64>,
    /// Files open now: the first number of `file-nr`.
    pub files_open: Option<u64>,
    /// Descriptors that one user may watch: `epoll/max_user_watches`.
    pub epoll_watches: Option<u64>,
    /// Connections that the firewall can track: `nf_conntrack_max`; none where it tracks none.
    pub tracked_max: Option<u64>,
    /// Bytes that can be had without swapping: `MemAvailable`.
    pub memory_available_bytes: Option<u64>,
    /// Process ids: `pid_max`.
    pub pid_max: Option<u64>,
    /// Processes that our control groups still allow; none where no group has a limit.
    pub cgroup_pids_free: Option<u64>,
}

impl Host {
    /// Reads what there is under `root`; this host's root is `/`.
    pub fn read(root: &Path) -> Self {
        let text = |path: &str| fs::read_to_string(root.join(path)).ok();
        let numbers = |path: &str| text(path).and_then(|text| numbers::<u64>(&text));
        let first = |path: &str| numbers(path).and_then(|numbers| numbers.first().copied());
        Self {
            local_ports: text("proc/sys/net/ipv4/ip_local_port_range").and_then(|t| port_range(&t)),
            reserved_ports: text("proc/sys/net/ipv4/ip_local_reserved_ports")
                .and_then(|text| port_list(&text)),
            tcp_mem_pages: numbers("proc/sys/net/ipv4/tcp_mem").and_then(|n| n.try_into().ok()),
            tcp_pages_used: text("proc/net/sockstat").and_then(|text| tcp_pages_used(&text)),
            somaxconn: first("proc/sys/net/core/somaxconn"),
            receive_buffer_max: first("proc/sys/net/core/rmem_max"),
            file_max: first("proc/sys/fs/file-max"),
            files_open: first("proc/sys/fs/file-nr"),
            epoll_watches: first("proc/sys/fs/epoll/max_user_watches"),
            tracked_max: first("proc/sys/net/netfilter/nf_conntrack_max"),
            memory_available_bytes: text("proc/meminfo").and_then(|text| memory_available(&text)),
            pid_max: first("proc/sys/kernel/pid_max"),
            cgroup_pids_free: text("proc/self/cgroup").and_then(|text| pids_free(root, &text)),
        }
    }
}

/// What the kernel grants this process, and so its children.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessLimits {
    /// Open files, the hard limit (the soft one is raised to it).
    pub open_files: Option<u64>,
    /// The soft limit on them, as it is before that.
    pub open_files_soft: Option<u64>,
    /// Processes of this user, the soft limit, which is the one that acts.
    pub processes: Option<u64>,
}

impl ProcessLimits {
    /// The limits of this process.
    pub fn current() -> Self {
        let files = getrlimit(Resource::RLIMIT_NOFILE).ok();
        Self {
            open_files: files.map(|(_, hard)| hard),
            open_files_soft: files.map(|(soft, _)| soft),
            processes: getrlimit(Resource::RLIMIT_NPROC).ok().map(|(soft, _)| soft),
        }
    }
}

fn numbers<N: FromStr>(text: &str) -> Option<Vec<N>> {
    text.split_whitespace().map(|word| word.parse().ok()).collect()
}

fn port_range(text: &str) -> Option<(u16, u16)> {
    let [first, last] = numbers(text)?.try_into().ok()?;
    (0 < first && first <= last).then_some((first, last))
}

/// `8080,40000-40063`; an empty list is a list.
fn port_list(text: &str) -> Option<Vec<(u16, u16)>> {
    let parts = text.trim().split(',').filter(|part| !part.is_empty());
    parts.map(port_or_range).collect()
}

fn port_or_range(part: &str) -> Option<(u16, u16)> {
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    Some((first.parse().ok()?, last.parse().ok()?))
}

fn tcp_pages_used(sockstat: &str) -> Option<u64> {
    let words = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = words.split_whitespace().skip_while(|word| *word != "mem");
    words.nth(1)?.parse().ok()
}

fn memory_available(meminfo: &str) -> Option<u64> {
    let value = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The least that our groups and those around them still allow, by both versions of the hierarchy.
fn pids_free(root: &Path, membership: &str) -> Option<u64> {
    let groups = membership.lines().filter_map(pids_group);
    groups.filter_map(|group| pids_free_upwards(&root.join("sys/fs/cgroup"), &group)).min()
}

/// The group of a line of `/proc/self/cgroup`, relative to the hierarchies' mount.
fn pids_group(line: &str) -> Option<PathBuf> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next()?, fields.next()?.trim_start_matches('/'));
    match controllers {
        "" => Some(PathBuf::from(path)),
        _ if controllers.split(',').any(|name| name == "pids") => {
            Some(Path::new("pids").join(path))
        }
        _ => None,
    }
}

fn pids_free_upwards(mount: &Path, group: &Path) -> Option<u64> {
    group.ancestors().filter_map(|group| pids_free_in(&mount.join(group))).min()
}

/// None where there is no limit: no such file, or `max`.
fn pids_free_in(group: &Path) -> Option<u64> {
    let number = |name| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    Some(number("pids.max")?.saturating_sub(number("pids.current").unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root directory with these files.
    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const SOCKSTAT: &str =
        "sockets: used 13\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 77\nUDP: inuse 0 mem 3\n";

    #[test]
    fn every_fact_is_read_from_its_file() {
        let root = root(&[
            ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
            ("proc/sys/net/ipv4/ip_local_reserved_ports", "8080,40000-40063\n"),
            ("proc/sys/net/ipv4/tcp_mem", "287901\t383869\t575802\n"),
            ("proc/net/sockstat", SOCKSTAT),
            ("proc/sys/net/core/somaxconn", "4096\n"),
            ("proc/sys/net/core/rmem_max", "212992\n"),
            ("proc/sys/fs/file-max", "9223372036854775807\n"),
            ("proc/sys/fs/file-nr", "495\t0\t2466183\n"),
            ("proc/sys/fs/epoll/max_user_watches", "5491533\n"),
            ("proc/sys/net/netfilter/nf_conntrack_max", "262144\n"),
            ("proc/meminfo", "MemTotal: 9 kB\nMemAvailable:   24367152 kB\n"),
            ("proc/sys/kernel/pid_max", "32768\n"),
            ("proc/self/cgroup", "8:cpu,pids:/a/b\n0::/slice/unit\n"),
            ("sys/fs/cgroup/pids/a/b/pids.max", "max\n"),
            ("sys/fs/cgroup/pids/a/pids.max", "500\n"),
            ("sys/fs/cgroup/pids/a/pids.current", "100\n"),
            ("sys/fs/cgroup/slice/pids.max", "300\n"),
            ("sys/fs/cgroup/slice/pids.current", "20\n"),
        ]);
        let host = Host {
            local_ports: Some((32_768, 60_999)),
            reserved_ports: Some(vec![(8080, 8080), (40_000, 40_063)]),
            tcp_mem_pages: Some([287_901, 383_869, 575_802]),
            tcp_pages_used: Some(77),
            somaxconn: Some(4096),
            receive_buffer_max: Some(212_992),
            file_max: Some(i64::MAX as u64),
            files_open: Some(495),
            epoll_watches: Some(5_491_533),
            tracked_max: Some(262_144),
            memory_available_bytes: Some(24_367_152 * 1024),
            pid_max: Some(32_768),
            cgroup_pids_free: Some(280),
        };
        assert_eq!(Host::read(root.path()), host);
    }

    #[test]
    fn what_is_missing_or_garbled_is_none() {
        assert_eq!(Host::read(root(&[]).path()), Host::default());
        let garbled = root(&[
            ("proc/sys/net/ipv4/ip_local_port_range", "60999 32768"),
            ("proc/sys/net/ipv4/ip_local_reserved_ports", "80-"),
            ("proc/sys/net/ipv4/tcp_mem", "1 2"),
            ("proc/net/sockstat", "TCP: inuse 1 mem"),
            ("proc/sys/fs/file-max", ""),
            ("proc/sys/fs/file-nr", "many"),
            ("proc/meminfo", "MemAvailable: 99999999999999999999 kB"),
            ("proc/sys/kernel/pid_max", "-1"),
            ("proc/self/cgroup", "::\nx\n0::/"),
        ]);
        assert_eq!(Host::read(garbled.path()), Host::default());
    }

    #[test]
    fn no_reserved_ports_is_known() {
        let root = root(&[("proc/sys/net/ipv4/ip_local_reserved_ports", "\n")]);
        assert_eq!(Host::read(root.path()).reserved_ports, Some(vec![]));
    }

    #[test]
    fn this_process_has_limits() {
        assert!(ProcessLimits::current().open_files.is_some_and(|limit| limit > 0));
    }
}
