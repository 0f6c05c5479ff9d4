//! What the kernel's files say, from their text alone. Whatever is garbled is `None`.

use serde::{Deserialize, Serialize};

/// All and stolen time of all processors, in ticks (proc_stat(5)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticks {
    /// Time of any kind.
    pub all: u64,
    /// Time that the hypervisor gave to others.
    pub stolen: u64,
}

/// `/proc/stat`: the sum line; guest time is part of user time and not added again.
pub fn ticks(stat: &str) -> Option<Ticks> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Option<Vec<u64>> =
        line.split_whitespace().take(8).map(|word| word.parse().ok()).collect();
    let fields: [u64; 8] = fields?.try_into().ok()?;
    let all = fields.iter().try_fold(0_u64, |sum, ticks| sum.checked_add(*ticks))?;
    Some(Ticks { all, stolen: fields[7] })
}

/// Ticks of a second in what the kernel tells programs (USER_HZ, the same on all that this runs on).
const TICKS_PER_SECOND: u64 = 100;

/// What `/proc/PID/stat` says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// When it was started, in ticks since the host was.
    pub started_ticks: u64,
    /// Processor time of all its threads, user and system, in microseconds.
    pub cpu_micros: u64,
}

/// `/proc/PID/stat` of a process that has not ended. Its name, in brackets, may hold any character.
pub fn process(stat: &str) -> Option<Stat> {
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
    // The state is field 3 of proc_pid_stat(5).
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let ended = matches!(*fields.first()?, "Z" | "X" | "x");
    let ticks = field(14)?.checked_add(field(15)?)?;
    let cpu_micros = ticks.checked_mul(1_000_000 / TICKS_PER_SECOND)?;
    let started_ticks = field(22)?;
    (!ended).then_some(Stat { started_ticks, cpu_micros })
}

/// A line of `/proc/PID/status` or `/proc/meminfo` that is given in kB, in bytes.
pub fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// `/proc/PID/limits`: descriptors that the process may have; none where there is no limit.
pub fn open_files_max(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// `/proc/vmstat`: processes that were killed since the host has no memory left.
pub fn oom_kills(vmstat: &str) -> Option<u64> {
    let count = vmstat.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
    count.trim().parse().ok()
}

/// `/proc/pressure/cpu`: percent of the last ten seconds in which some task waited for a processor.
pub fn cpu_pressure(pressure: &str) -> Option<f64> {
    let some = pressure.lines().find_map(|line| line.strip_prefix("some "))?;
    let avg10 = some.split_whitespace().find_map(|word| word.strip_prefix("avg10="))?;
    avg10.parse().ok().filter(|percent| (0.0..=100.0).contains(percent))
}

/// Periods of a control group's processor quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Periods {
    /// Periods in which the group wanted to run.
    pub all: u64,
    /// Those in which its quota was used up.
    pub throttled: u64,
}

/// `cpu.stat` of a group of version 2; none where it has no quota.
pub fn periods(cpu_stat: &str) -> Option<Periods> {
    let field = |name: &str| {
        let (_, value) = cpu_stat
            .lines()
            .filter_map(|line| line.split_once(' '))
            .find(|(found, _)| *found == name)?;
        value.trim().parse().ok()
    };
    Some(Periods { all: field("nr_periods")?, throttled: field("nr_throttled")? })
}

/// `/proc/self/cgroup`: our group in the hierarchy of version 2, without the leading slash.
pub fn group(cgroup: &str) -> Option<&str> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::/"))?;
    (!path.split('/').any(|part| part == "..")).then_some(path)
}

/// Packets that a processor's receive queue had no room for, and turns that ended too early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Softnet {
    /// Dropped.
    pub dropped: u64,
    /// Ended for want of time or budget, with work left.
    pub squeezed: u64,
}

/// `/proc/net/softnet_stat`: a line of hexadecimal numbers for each processor.
pub fn softnet(softnet_stat: &str) -> Option<Softnet> {
    let mut sum = Softnet::default();
    for line in softnet_stat.lines() {
        let mut fields = line.split_whitespace().map(|word| u64::from_str_radix(word, 16).ok());
        let (_, dropped, squeezed) = (fields.next()??, fields.next()??, fields.next()??);
        sum.dropped = sum.dropped.checked_add(dropped)?;
        sum.squeezed = sum.squeezed.checked_add(squeezed)?;
    }
    (!softnet_stat.is_empty()).then_some(sum)
}

/// `mem` of `/proc/net/sockstat` as a share of the second number of `tcp_mem`, from which on the kernel saves:
/// both are pages.
pub fn tcp_memory(sockstat: &str, tcp_mem: &str) -> Option<f64> {
    let words = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let pages: u64 =
        words.split_whitespace().skip_while(|word| *word != "mem").nth(1)?.parse().ok()?;
    let pressure: u64 = tcp_mem.split_whitespace().nth(1)?.parse().ok()?;
    (pressure > 0).then(|| pages as f64 / pressure as f64)
}

/// Connections that the firewall keeps track of, and how many it can: each file is one number.
pub fn tracked(count: &str, max: &str) -> Option<Tracked> {
    Some(Tracked { count: count.trim().parse().ok()?, max: max.trim().parse().ok()? })
}

/// The table of tracked connections (nf_conntrack).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracked {
    /// In it.
    pub count: u64,
    /// Its room.
    pub max: u64,
}

/// Counters of `/proc/net/netstat` and `/proc/net/snmp` that are told where they grow, with the
/// line that they stand in. They are of the whole network namespace: they explain, they do not convict.
pub const TCP_COUNTERS: [(&str, &str); 17] = [
    ("TcpExt:", "ListenOverflows"),
    ("TcpExt:", "ListenDrops"),
    ("TcpExt:", "TCPReqQFullDoCookies"),
    ("TcpExt:", "TCPReqQFullDrop"),
    ("TcpExt:", "TCPTimeouts"),
    ("TcpExt:", "TCPSynRetrans"),
    ("TcpExt:", "TCPLostRetransmit"),
    ("TcpExt:", "TCPBacklogDrop"),
    ("TcpExt:", "TCPRcvQDrop"),
    ("TcpExt:", "TCPZeroWindowDrop"),
    ("TcpExt:", "TCPAbortOnMemory"),
    ("TcpExt:", "TCPMemoryPressures"),
    ("TcpExt:", "TCPTimeWaitOverflow"),
    ("TcpExt:", "PruneCalled"),
    ("Tcp:", "RetransSegs"),
    ("Tcp:", "AttemptFails"),
    ("Tcp:", "EstabResets"),
];

/// Each of [`TCP_COUNTERS`] that is in the texts, which are read as one.
pub fn tcp_counters(netstat: &str, snmp: &str) -> [Option<u64>; TCP_COUNTERS.len()] {
    TCP_COUNTERS.map(|(line, name)| counter(netstat, line, name).or(counter(snmp, line, name)))
}

/// A line of names, and a line of numbers below it.
fn counter(text: &str, prefix: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(prefix));
    let (names, values) = (lines.next()?, lines.next()?);
    let column = names.split_whitespace().position(|found| found == name)?;
    values.split_whitespace().nth(column)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  100 20 30 400 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 1\n";
    const NETSTAT: &str = "TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPTimeouts\n\
        TcpExt: 1 2 3 4\nIpExt: InNoRoutes\nIpExt: 7\n";
    const SNMP: &str =
        "Ip: Forwarding\nIp: 1\nTcp: RetransSegs MaxConn AttemptFails\nTcp: 11 -1 12\n";

    #[test]
    fn each_text_says_what_it_says() {
        assert_eq!(ticks(STAT), Some(Ticks { all: 576, stolen: 8 }));
        let pressure = "some avg10=3.25 avg60=0.80 avg300=1.48 total=52\nfull avg10=0.00\n";
        assert_eq!(cpu_pressure(pressure), Some(3.25));
        assert_eq!(oom_kills("pgfault 7\noom_kill 12\noom_killed 3\n"), Some(12));
        assert_eq!(oom_kills("pgfault 7\n").or(oom_kills("oom_kill x\n")), None);
        let cpu_stat = "usage_usec 5\nnr_periods 100\nnr_throttled 3\nthrottled_usec 9\n";
        assert_eq!(periods(cpu_stat), Some(Periods { all: 100, throttled: 3 }));
        assert_eq!(group("9:name=systemd:/\n0::/slice/unit\n"), Some("slice/unit"));
        let processors = "000000ff 00000001 00000010 0 0\n00000001 00000000 0000000a 0 0\n";
        assert_eq!(softnet(processors), Some(Softnet { dropped: 1, squeezed: 26 }));
        let counters = tcp_counters(NETSTAT, SNMP);
        let told = |name| counters[TCP_COUNTERS.iter().position(|(_, n)| *n == name).unwrap()];
        assert_eq!(told("ListenOverflows"), Some(2));
        assert_eq!(told("TCPTimeouts"), Some(4));
        assert_eq!(told("AttemptFails"), Some(12));
        assert_eq!(told("EstabResets"), None);
        let sockstat =
            "sockets: used 9\nTCP: inuse 7 orphan 0 tw 2 alloc 9 mem 300\nUDP: inuse 1 mem 5\n";
        assert_eq!(tcp_memory(sockstat, "287901\t400\t575802\n"), Some(0.75));
        assert_eq!(tcp_memory(sockstat, "0 0 0"), None);
        assert_eq!(tcp_memory(sockstat, "1"), None);
        assert_eq!(tracked("17\n", "65536\n"), Some(Tracked { count: 17, max: 65_536 }));
    }

    #[test]
    fn a_process_is_told_apart_from_its_name() {
        let stat = |name: &str, state: char| {
            let rest = "1 1 1 0 -1 4194560 9 0 0 0 150 25 0 0 20 0 8 0 4711 1000 20 1";
            process(&format!("12 ({name}) {state} {rest}\n"))
        };
        let told = Some(Stat { started_ticks: 4711, cpu_micros: 1_750_000 });
        assert_eq!(stat("nginx", 'S'), told);
        assert_eq!(stat(") S 9 (9 9", 'R'), told);
        assert_eq!(stat("nginx", 'Z'), None);
        let status = "Name:\tVmRSS: 7 kB\nVmRSS:\t    5124 kB\nRssAnon:\t 1 kB\n";
        assert_eq!(kilobytes(status, "VmRSS:"), Some(5124 * 1024));
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files   1024   4096   files\n";
        assert_eq!(open_files_max(limits), Some(1024));
        assert_eq!(open_files_max("Max open files  unlimited  unlimited  files\n"), None);
    }

    #[test]
    fn garbled_texts_are_none() {
        let texts = [
            "",
            "\n\n",
            "cpu ",
            ") S",
            "1 (a) S 1 1 1 0 -1 0 0 0 0 0 18446744073709551615 1 0 0 20 0 1 0 7",
            "VmRSS: 18446744073709551615 kB",
            "VmRSS: 5",
            "Max open files",
            "cpu  1 2 3",
            "cpu  1 2 3 4 5 6 7 -8",
            "cpu  18446744073709551615 1 0 0 0 0 0 0",
            "some avg10=NaN",
            "some avg10=1e9",
            "some total=1",
            "nr_periods 1",
            "nr_periods x\nnr_throttled 1",
            "0::/../../etc",
            "zz 1 2",
            "1 2",
            "TcpExt: ListenDrops",
            "TcpExt: ListenDrops\nTcpExt:",
            "\u{1b}[2J\0\u{ffff}",
        ];
        for text in texts {
            assert_eq!(ticks(text), None, "{text:?}");
            assert_eq!(process(text), None, "{text:?}");
            assert_eq!(kilobytes(text, "VmRSS:"), None, "{text:?}");
            assert_eq!(open_files_max(text), None, "{text:?}");
            assert_eq!(cpu_pressure(text), None, "{text:?}");
            assert_eq!(periods(text), None, "{text:?}");
            assert_eq!(group(text), None, "{text:?}");
            assert_eq!(softnet(text), None, "{text:?}");
            assert_eq!(tcp_memory(text, "1 2 3"), None, "{text:?}");
            assert_eq!(tracked(text, "9").or(tracked("9", text)), None, "{text:?}");
            assert_eq!(tcp_counters(text, text), [None; TCP_COUNTERS.len()], "{text:?}");
        }
    }
}
