//! How the host fared while the run measured: what others took, and what its network dropped; and the
//! same of the time before its first packet, which was not of its making.
//!
//! [`Reading::take`] is the one place that reads, of single processes [`process::Process::read`]; [`HostWatch`] compares a reading a second and keeps
//! the worst. The files are memory of the kernel, and reading them does not block. A fact that cannot
//! be had is `None`.

pub mod parse;
pub mod process;

use crate::wall;
use dispatch::Instant;
use nix::time::{ClockId, clock_gettime};
use parse::{Periods, Softnet, TCP_COUNTERS, Ticks, Tracked};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Between two readings.
const EVERY: Duration = Duration::from_secs(1);
/// Between two readings before the start: the last of them is nearly at it.
const BASELINE_EVERY: Duration = Duration::from_millis(40);
/// A last reading that comes sooner is too short for shares.
const SHORTEST: Duration = Duration::from_millis(900);
/// The clocks are compared only if they could be read within this time of each other.
const TOGETHER: Duration = Duration::from_micros(200);
/// The wall clock may drift from the monotonic one by so much in a second: beyond, it was set.
const JUMP_NANOS: u64 = 1_000_000;

/// The host at an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    ticks: Option<Ticks>,
    cpu_pressure: Option<f64>,
    periods: Option<Periods>,
    softnet: Option<Softnet>,
    tcp: [Option<u64>; TCP_COUNTERS.len()],
    /// TCP's memory as a share of what is under pressure.
    tcp_memory: Option<f64>,
    tracked: Option<Tracked>,
    /// Wall clock less monotonic clock, in nanoseconds.
    clock_offset: Option<i128>,
    /// Nanoseconds that the host slept since it runs.
    asleep: Option<i128>,
}

impl Reading {
    /// Reads what there is under `root`; this host's root is `/`.
    pub fn take(root: &Path) -> Self {
        let text = |path: &str| fs::read_to_string(root.join(path)).ok();
        let netstat = text("proc/net/netstat").unwrap_or_default();
        let snmp = text("proc/net/snmp").unwrap_or_default();
        let cpu_stat = text("proc/self/cgroup").and_then(|groups| {
            let folder = root.join("sys/fs/cgroup").join(parse::group(&groups)?);
            fs::read_to_string(folder.join("cpu.stat")).ok()
        });
        Self {
            ticks: text("proc/stat").and_then(|text| parse::ticks(&text)),
            cpu_pressure: text("proc/pressure/cpu").and_then(|text| parse::cpu_pressure(&text)),
            periods: cpu_stat.and_then(|text| parse::periods(&text)),
            softnet: text("proc/net/softnet_stat").and_then(|text| parse::softnet(&text)),
            tcp: parse::tcp_counters(&netstat, &snmp),
            tcp_memory: text("proc/net/sockstat")
                .zip(text("proc/sys/net/ipv4/tcp_mem"))
                .and_then(|(sockstat, tcp_mem)| parse::tcp_memory(&sockstat, &tcp_mem)),
            tracked: text("proc/sys/net/netfilter/nf_conntrack_count")
                .zip(text("proc/sys/net/netfilter/nf_conntrack_max"))
                .and_then(|(count, max)| parse::tracked(&count, &max)),
            clock_offset: ahead(|| Some(wall::since_epoch())),
            asleep: ahead(|| Some(clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?.into())),
        }
    }
}

/// Processes of the host under `root` that were killed for memory since it runs.
pub fn oom_kills(root: &Path) -> Option<u64> {
    parse::oom_kills(&fs::read_to_string(root.join("proc/vmstat")).ok()?)
}

/// By how much another clock is ahead of the monotonic one, in nanoseconds; none where something came
/// between the looks at the two.
fn ahead(clock: impl FnOnce() -> Option<Duration>) -> Option<i128> {
    let before = Instant::now();
    let other = clock()?.as_nanos();
    let after = Instant::now();
    let monotonic = before.as_nanos() + after.nanos_since(before) / 2;
    (after.since(before) <= TOGETHER).then(|| other as i128 - i128::from(monotonic))
}

/// The host over a measurement; `None` is what could not be read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostStrain {
    /// Share of processor time that the hypervisor gave to others.
    pub steal_share: Option<f64>,
    /// The same of the worst second.
    pub steal_share_worst: Option<f64>,
    /// The highest pressure on the processors, in percent of ten seconds.
    pub cpu_pressure: Option<f64>,
    /// Periods of our control group's quota, all and throttled.
    pub periods: Option<Periods>,
    /// What the receive queues dropped and left.
    pub softnet: Option<Softnet>,
    /// TCP's counters that grew, by name.
    pub tcp: Vec<(String, u64)>,
    /// Those that grew before, while connections were opened and warmed up.
    pub tcp_before: Vec<(String, u64)>,
    /// How often the wall clock was set.
    pub clock_jumps: u64,
    /// How long the host slept, which no clock of a run counts.
    #[serde(default)]
    pub suspended: Duration,
    /// TCP's memory at its most, as a share of what is under pressure.
    #[serde(default)]
    pub tcp_memory: Option<f64>,
    /// By how many the tracked connections grew from before the first one to the first reading of the
    /// measurement, and the room of their table.
    #[serde(default)]
    pub tracked: Option<Tracked>,
    /// Time between the first reading and the last.
    pub length: Duration,
    /// The host before the start.
    pub baseline: Option<Baseline>,
}

/// The host while the children of a run started and none had opened a connection. It is told beside what
/// was measured and not taken off it: so short a time, made as long as the run, would hide what the run did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Share of processor time that the hypervisor gave to others.
    pub steal_share: Option<f64>,
    /// Pressure on the processors over the ten seconds up to the start, in percent.
    pub cpu_pressure: Option<f64>,
    /// What the receive queues dropped and left.
    pub softnet: Option<Softnet>,
    /// TCP's counters that grew, by name.
    pub tcp: Vec<(String, u64)>,
    /// How long it was.
    pub length: Duration,
}

impl Baseline {
    fn between((first, begun): &(Reading, Instant), (last, ended): &(Reading, Instant)) -> Self {
        Self {
            steal_share: steal_share(first, last),
            cpu_pressure: last.cpu_pressure,
            softnet: lost_packets(first, last),
            tcp: grown(&first.tcp, &last.tcp),
            length: ended.since(*begun),
        }
    }
}

/// Compares readings.
#[derive(Clone, Debug, Default)]
pub struct HostWatch {
    /// The first reading before the start, and the last.
    before: Option<[(Reading, Instant); 2]>,
    first: Option<(Reading, Instant)>,
    last: Option<(Reading, Instant)>,
    steal_worst: Option<f64>,
    pressure_worst: Option<f64>,
    clock_jumps: u64,
    suspended: Duration,
    tcp_memory_worst: Option<f64>,
    over: bool,
}

impl HostWatch {
    /// Whether a reading is due at `now`, where the run is `measuring` or not: one before it does; then
    /// the first and the last enclose the measurement.
    pub fn is_due(&self, measuring: bool, now: Instant) -> bool {
        match &self.last {
            None => measuring,
            Some((_, at)) if measuring => !self.over && now.since(*at) >= EVERY,
            Some(_) => !self.over,
        }
    }

    /// Whether a reading is due at `now`, before the start.
    pub fn baseline_is_due(&self, now: Instant) -> bool {
        self.before.is_none_or(|[_, (_, last)]| now.since(last) >= BASELINE_EVERY)
    }

    /// Takes in a reading of `now`, before the start.
    pub fn add_baseline(&mut self, reading: Reading, now: Instant) {
        let [first, _] = self.before.unwrap_or([(reading, now); 2]);
        self.before = Some([first, (reading, now)]);
    }

    /// Takes in a reading of `now`, the last one if no more is measured.
    pub fn add(&mut self, reading: Reading, measuring: bool, now: Instant) {
        self.over = !measuring;
        if let Some((last, at)) = &self.last {
            let share = steal_share(last, &reading);
            if now.since(*at) >= SHORTEST {
                self.steal_worst = worst(self.steal_worst, share);
            }
            self.clock_jumps += u64::from(jumped(last, &reading));
            self.suspended += slept(last, &reading);
        }
        self.tcp_memory_worst = worst(self.tcp_memory_worst, reading.tcp_memory);
        self.pressure_worst = worst(self.pressure_worst, reading.cpu_pressure);
        self.first.get_or_insert((reading, now));
        self.last = Some((reading, now));
    }

    /// What it came to.
    pub fn strain(&self) -> HostStrain {
        let (Some((first, begun)), Some((last, ended))) = (&self.first, &self.last) else {
            return HostStrain::default();
        };
        HostStrain {
            steal_share: steal_share(first, last),
            steal_share_worst: self.steal_worst,
            cpu_pressure: self.pressure_worst,
            periods: both(first.periods, last.periods, |first, last| Periods {
                all: last.all.saturating_sub(first.all),
                throttled: last.throttled.saturating_sub(first.throttled),
            }),
            softnet: lost_packets(first, last),
            tcp: grown(&first.tcp, &last.tcp),
            tcp_before: self
                .before
                .map_or_else(Vec::new, |[_, (before, _)]| grown(&before.tcp, &first.tcp)),
            clock_jumps: self.clock_jumps,
            suspended: self.suspended,
            tcp_memory: self.tcp_memory_worst,
            tracked: self.before.and_then(|[_, (before, _)]| newly_tracked(&before, first)),
            length: ended.since(*begun),
            baseline: self.before.map(|[first, last]| Baseline::between(&first, &last)),
        }
    }
}

fn both<T, R>(first: Option<T>, last: Option<T>, of: impl FnOnce(T, T) -> R) -> Option<R> {
    Some(of(first?, last?))
}

fn worst(so_far: Option<f64>, value: Option<f64>) -> Option<f64> {
    so_far.into_iter().chain(value).reduce(f64::max)
}

fn lost_packets(first: &Reading, last: &Reading) -> Option<Softnet> {
    both(first.softnet, last.softnet, |first, last| Softnet {
        dropped: last.dropped.saturating_sub(first.dropped),
        squeezed: last.squeezed.saturating_sub(first.squeezed),
    })
}

fn steal_share(first: &Reading, last: &Reading) -> Option<f64> {
    let (first, last) = (first.ticks?, last.ticks?);
    let all = last.all.checked_sub(first.all).filter(|all| *all > 0)?;
    Some(last.stolen.saturating_sub(first.stolen) as f64 / all as f64)
}

fn jumped(last: &Reading, reading: &Reading) -> bool {
    let moved = both(last.clock_offset, reading.clock_offset, |last, now| now - last);
    // The wall clock goes on while the host sleeps, and is not set by it.
    let slept = both(last.asleep, reading.asleep, |last, now| now - last).unwrap_or(0);
    moved.is_some_and(|moved| moved.abs_diff(slept) > u128::from(JUMP_NANOS))
}

/// How long the host slept between two readings; what is shorter than the clocks can be compared is none.
fn slept(last: &Reading, reading: &Reading) -> Duration {
    let nanos = both(last.asleep, reading.asleep, |last, now| now - last).unwrap_or(0);
    let told = nanos > i128::from(JUMP_NANOS);
    if told {
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    } else {
        Duration::ZERO
    }
}

fn newly_tracked(before: &Reading, opened: &Reading) -> Option<Tracked> {
    both(before.tracked, opened.tracked, |before, opened| Tracked {
        count: opened.count.saturating_sub(before.count),
        max: opened.max,
    })
}

fn grown(first: &[Option<u64>], last: &[Option<u64>]) -> Vec<(String, u64)> {
    let pairs = TCP_COUNTERS.iter().zip(first.iter().zip(last));
    let deltas = pairs.filter_map(|((_, name), (first, last))| {
        let delta = (*last)?.saturating_sub((*first)?);
        (delta > 0).then(|| ((*name).to_owned(), delta))
    });
    deltas.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    fn reading(all: u64, stolen: u64) -> Reading {
        Reading { ticks: Some(Ticks { all, stolen }), clock_offset: Some(0), ..Reading::default() }
    }

    #[test]
    fn a_reading_a_second_encloses_the_measurement() {
        let mut watch = HostWatch::default();
        assert!(!watch.is_due(false, at(0)) && watch.is_due(true, at(0)));
        watch.add(reading(0, 0), true, at(0));
        assert!(!watch.is_due(true, at(999)) && watch.is_due(true, at(1000)));
        assert!(watch.is_due(false, at(10)), "the last one, whenever it ends");
        watch.add(reading(1, 0), false, at(10));
        assert!(!watch.is_due(false, at(5000)) && !watch.is_due(true, at(5000)));
    }

    #[test]
    fn steal_is_told_of_the_whole_and_of_the_worst_second() {
        let mut watch = HostWatch::default();
        watch.add(reading(0, 0), true, at(0));
        watch.add(reading(200, 0), true, at(1000));
        watch.add(reading(400, 20), true, at(2000));
        watch.add(reading(402, 22), false, at(2010));
        let strain = watch.strain();
        assert_eq!(strain.steal_share_worst, Some(0.1));
        assert_eq!(strain.steal_share, Some(22.0 / 402.0));
    }

    #[test]
    fn counters_that_grew_and_clocks_that_were_set_are_told() {
        let mut watch = HostWatch::default();
        let mut later = reading(1, 0);
        (later.tcp[0], later.tcp[2]) = (Some(9), Some(3));
        later.clock_offset = Some(-2_000_000);
        let mut first = reading(0, 0);
        (first.tcp[0], first.tcp[1], first.tcp[2]) = (Some(2), Some(5), Some(3));
        watch.add(first, true, at(0));
        watch.add(later, false, at(1000));
        assert_eq!(watch.strain().tcp, [("ListenOverflows".to_owned(), 7)]);
        assert_eq!(watch.strain().clock_jumps, 1);
    }

    #[test]
    fn the_baseline_is_from_the_first_reading_to_the_last_before_the_start() {
        let mut watch = HostWatch::default();
        assert!(watch.baseline_is_due(at(0)));
        watch.add_baseline(reading(0, 0), at(0));
        assert!(!watch.baseline_is_due(at(39)) && watch.baseline_is_due(at(40)));
        watch.add_baseline(reading(10, 9), at(40));
        let mut last = reading(20, 10);
        (last.tcp[0], last.cpu_pressure) = (Some(7), Some(3.0));
        watch.add_baseline(last, at(80));
        assert!(watch.strain().baseline.is_none(), "of a run that measured nothing there is none");
        watch.add(last, true, at(100));
        watch.add(reading(40, 10), false, at(1100));
        let strain = watch.strain();
        let expected = Baseline {
            steal_share: Some(0.5),
            cpu_pressure: Some(3.0),
            length: Duration::from_millis(80),
            ..Baseline::default()
        };
        assert_eq!((strain.baseline, strain.steal_share), (Some(expected), Some(0.0)));
    }

    #[test]
    fn a_host_that_slept_is_told_and_its_clock_was_not_set() {
        let of = |asleep: i128, offset: i128| Reading {
            asleep: Some(asleep),
            clock_offset: Some(offset),
            ..Reading::default()
        };
        let mut watch = HostWatch::default();
        watch.add(of(7, 0), true, at(0));
        watch.add(of(100_007, 0), true, at(1000));
        assert_eq!(watch.strain().suspended, Duration::ZERO, "two looks are not one");
        watch.add(of(3_000_100_007, 3_000_000_000), true, at(2000));
        watch.add(of(3_000_100_007, 9_000_000_000), false, at(3000));
        assert_eq!(watch.strain().suspended, Duration::from_secs(3));
        assert_eq!(watch.strain().clock_jumps, 1, "it was set once, and that was after");
    }

    #[test]
    fn the_network_s_tables_are_told_at_their_most() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let mut watch = HostWatch::default();
        write("proc/sys/net/ipv4/tcp_mem", "100\t200\t300\n");
        write("proc/sys/net/netfilter/nf_conntrack_max", "1000\n");
        let mut read = |step: usize, (pages, tracked): (u64, u64)| {
            write("proc/net/sockstat", &format!("TCP: inuse 1 mem {pages}\n"));
            write("proc/sys/net/netfilter/nf_conntrack_count", &format!("{tracked}\n"));
            let reading = Reading::take(root.path());
            match step {
                0 => watch.add_baseline(reading, at(0)),
                _ => watch.add(reading, step < 3, at(1000 * step as u64)),
            }
        };
        [(500, 11), (20, 411), (180, 500), (40, 12)]
            .into_iter()
            .enumerate()
            .for_each(|(s, r)| read(s, r));
        assert_eq!(watch.strain().tcp_memory, Some(0.9), "in the measurement");
        assert_eq!(watch.strain().tracked, Some(Tracked { count: 400, max: 1000 }));
    }

    #[test]
    fn what_grew_before_the_measurement_is_told_apart() {
        let of = |overflows| {
            let mut reading = reading(0, 0);
            reading.tcp[0] = Some(overflows);
            reading
        };
        let mut watch = HostWatch::default();
        watch.add_baseline(of(3), at(0));
        watch.add(of(10), true, at(1000));
        watch.add(of(10), false, at(2000));
        assert_eq!(watch.strain().tcp_before, [("ListenOverflows".to_owned(), 7)]);
        assert_eq!(watch.strain().tcp, []);
    }

    #[test]
    fn what_cannot_be_read_is_none() {
        let root = tempfile::tempdir().unwrap();
        let reading = Reading { clock_offset: None, asleep: None, ..Reading::take(root.path()) };
        assert_eq!(reading, Reading::default());
        assert_eq!(HostWatch::default().strain(), HostStrain::default());
    }

    #[test]
    fn this_host_says_how_its_processors_fare() {
        let reading = Reading::take(Path::new("/"));
        assert!(reading.ticks.is_some() && reading.tcp_memory.is_some());
    }
}
