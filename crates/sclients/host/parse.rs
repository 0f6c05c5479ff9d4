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
    }

    #[test]
    fn garbled_texts_are_none() {
        let texts = [
            "",
            "\n\n",
            "cpu ",
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
            assert_eq!(cpu_pressure(text), None, "{text:?}");
            assert_eq!(periods(text), None, "{text:?}");
            assert_eq!(group(text), None, "{text:?}");
            assert_eq!(softnet(text), None, "{text:?}");
            assert_eq!(tcp_counters(text, text), [None; TCP_COUNTERS.len()], "{text:?}");
        }
    }
}
