//! What processes of this host use, once a second while the run measures: its workers, the embedded target,
//! and those that `--watch-pid` names.
//!
//! A thread of its own reads: a process that exits or is traced may keep its reader waiting. It has one
//! order at a time; while it is at that, seconds go by unread. How often it reads follows from how long it
//! takes, so that a thousand processes cost no more than a hundredth of a processor.

use super::World;
use super::spawn::Role;
use crate::host::process::{self, Process};
use crate::levels::{Levels, What, Whose};
use crate::summary::Watched;
use crossbeam_channel::{Receiver, Sender, bounded};
use dispatch::Instant;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Between two readings.
const SECOND: Duration = Duration::from_secs(1);
/// Reading may take one part in so many of the time.
const PARTS: u32 = 100;
/// Processor time over less than this is too coarse to tell.
const CPU_AFTER: Duration = Duration::from_millis(500);

/// What is to be read.
#[derive(Debug)]
struct Order {
    /// The interval, counted from the common start.
    index: u64,
    /// Processes by whose they are.
    processes: Vec<(Whose, Vec<i32>)>,
}

/// What was read.
#[derive(Debug)]
struct Read {
    levels: Levels,
    /// Those of the order of which nothing could be read.
    missing: Vec<i32>,
    took: Duration,
}

/// The supervisor's end.
#[derive(Debug)]
pub(super) struct Watch {
    orders: Sender<Order>,
    reads: Receiver<Read>,
    next: Instant,
    /// The processes that were named, in this order.
    watched: Vec<Watched>,
}

impl Watch {
    /// Starts the thread, to watch the processes `named` as well.
    ///
    /// # Errors
    /// No thread.
    pub(super) fn start(named: Vec<Watched>) -> io::Result<Self> {
        let (orders, ordered) = bounded(1);
        let (tell, reads) = bounded(1);
        let watched = named.clone();
        thread::Builder::new().name("watch".into()).spawn(move || {
            let mut reader = Reader::new(named);
            while let Ok(order) = ordered.recv() {
                if tell.send(reader.read(&order)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { orders, reads, next: Instant::default(), watched })
    }

    /// The processes that were named, and which of them have ended.
    pub(super) fn watched(&self) -> &[Watched] {
        &self.watched
    }

    /// Takes over which of them an earlier supervisor saw end.
    pub(super) fn take_over(&mut self, earlier: &[Watched]) {
        for (mine, theirs) in self.watched.iter_mut().zip(earlier) {
            mine.ended = mine.ended.or(theirs.ended);
        }
    }
}

/// The processes that are named, as they are now; a number of none of them.
pub(super) fn named(pids: &[i32]) -> Result<Vec<Watched>, i32> {
    let root = Path::new("/");
    let named = pids.iter().map(|pid| {
        let process = Process::read(root, *pid).ok_or(*pid)?;
        let name = process::name(root, *pid).unwrap_or_default();
        Ok(Watched { pid: *pid, name, started_ticks: process.started_ticks, ended: None })
    });
    named.collect()
}

/// Takes what was read, and orders the next reading if the run measures and it is due.
pub(super) fn turn(world: &mut World, measuring: bool, now: Instant) {
    while let Ok(read) = world.watch.reads.try_recv() {
        take(world, read, now);
    }
    if !measuring || now < world.watch.next {
        return;
    }
    let World { children, conductor, fold, watch, .. } = world;
    let Some(interval) = conductor.plan().map(|plan| plan.config.interval) else { return };
    watch.next = watch.next.max(now - SECOND) + SECOND;
    let since = now.since(conductor.start());
    let index = (since.as_nanos() / interval.as_nanos().max(1)) as u64;
    let gauges = fold.gauges();
    let mut levels = Levels::default();
    let live = gauges.live - children.lost_live(fold);
    levels.read(index, (Whose::Run, What::Live), live);
    levels.read(index, (Whose::Run, What::Backlog), gauges.in_flight + gauges.queued);
    fold.take_levels(&levels);
    let living = |role| children.of(role).filter(|child| child.is_ours()).map(|child| child.pid);
    let mut processes = vec![
        (Whose::Workers, living(Role::Worker).collect()),
        (Whose::Target, living(Role::Target).collect()),
    ];
    let watched = watch.watched.iter().zip(0..).filter(|(watched, _)| watched.ended.is_none());
    processes.extend(watched.map(|(watched, place)| (Whose::Watched(place), vec![watched.pid])));
    let _ = watch.orders.try_send(Order { index, processes });
}

fn take(world: &mut World, read: Read, now: Instant) {
    let World { conductor, fold, watch, printer, .. } = world;
    fold.take_levels(&read.levels);
    watch.next = watch.next.max(now + read.took * PARTS);
    let after = now.since(conductor.start());
    for watched in watch.watched.iter_mut().filter(|watched| watched.ended.is_none()) {
        if read.missing.contains(&watched.pid) {
            watched.ended = Some(after);
            printer.note(format!("sclients: {}", watched.obituary(after)));
        }
    }
}

/// What the thread remembers.
struct Reader {
    named: Vec<Watched>,
    /// Of each process, when it was read and what it had used.
    last: BTreeMap<i32, (Instant, Process)>,
    /// The processes whose limits were told.
    limited: BTreeMap<Whose, Vec<i32>>,
}

impl Reader {
    fn new(named: Vec<Watched>) -> Self {
        Self { named, last: BTreeMap::new(), limited: BTreeMap::new() }
    }

    fn read(&mut self, order: &Order) -> Read {
        let begun = Instant::now();
        let (mut levels, mut missing) = (Levels::default(), Vec::new());
        let mut seen = BTreeMap::new();
        for (whose, pids) in &order.processes {
            let found: Vec<(i32, Process)> = pids
                .iter()
                .filter_map(|pid| {
                    let process = Process::read(Path::new("/"), *pid);
                    let process = process.filter(|process| self.is_meant(*pid, process));
                    process.map(|process| (*pid, process))
                })
                .collect();
            missing.extend(pids.iter().filter(|pid| found.iter().all(|(of, _)| of != *pid)));
            // A sum without one of them is not a level of all.
            if found.len() == pids.len() && !pids.is_empty() {
                self.sum(order.index, *whose, &found, &mut levels);
            }
            let now = Instant::now();
            seen.extend(found.into_iter().map(|(pid, process)| (pid, (now, process))));
        }
        self.last = seen;
        Read { levels, missing, took: Instant::now().since(begun) }
    }

    /// Whether the number is still that of the process that was named.
    fn is_meant(&self, pid: i32, process: &Process) -> bool {
        let mut named = self.named.iter().filter(|watched| watched.pid == pid);
        named.all(|watched| watched.started_ticks == process.started_ticks)
    }

    /// The levels of processes together. Of our workers memory alone: what they use else, they report.
    fn sum(&mut self, index: u64, whose: Whose, found: &[(i32, Process)], levels: &mut Levels) {
        let mut read = |what, sum: Option<u64>| {
            sum.iter().for_each(|sum| levels.read(index, (whose, what), *sum));
        };
        read(What::Rss, found.iter().map(|(_, process)| process.rss_bytes).sum());
        if whose != Whose::Workers {
            let now = Instant::now();
            let cpu = found.iter().map(|(pid, process)| self.cpu_per_second(*pid, process, now));
            read(What::Cpu, cpu.sum());
            let files = found.iter().map(|(pid, _)| process::descriptors(Path::new("/"), *pid));
            read(What::Descriptors, files.sum());
        }
        let pids: Vec<i32> = found.iter().map(|(pid, _)| *pid).collect();
        if self.limited.get(&whose) != Some(&pids) {
            for (what, limit) in limits(&pids) {
                levels.limit((whose, what), limit);
            }
            self.limited.insert(whose, pids);
        }
    }

    /// Processor time since the last reading, in microseconds per second.
    fn cpu_per_second(&self, pid: i32, process: &Process, now: Instant) -> Option<u64> {
        let (at, last) = self.last.get(&pid)?;
        let nanos = now.since(*at);
        let same = last.started_ticks == process.started_ticks && nanos >= CPU_AFTER;
        let micros = process.cpu_micros.checked_sub(last.cpu_micros)?;
        same.then(|| (micros as f64 / nanos.as_secs_f64()) as u64)
    }
}

/// What processes must not reach together, as far as it is known.
fn limits(pids: &[i32]) -> Vec<(What, u64)> {
    let root = Path::new("/");
    let memory = pids.first().and_then(|pid| process::memory_max(root, *pid));
    let files = pids.iter().map(|pid| process::descriptors_max(root, *pid));
    let limits = [(What::Rss, memory), (What::Descriptors, files.sum::<Option<u64>>())];
    limits.into_iter().filter_map(|(what, limit)| Some((what, limit?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_read_and_those_that_are_gone_are_missing() {
        let (own, gone) = (std::process::id() as i32, i32::MAX);
        let processes = vec![(Whose::Workers, vec![own, gone]), (Whose::Watched(0), vec![own])];
        let read = Reader::new(Vec::new()).read(&Order { index: 4, processes });
        assert_eq!(read.missing, [gone]);
        let sources: Vec<_> = read.levels.iter().map(|(source, _)| source).collect();
        let of = |what| (Whose::Watched(0), what);
        assert_eq!(
            sources,
            [of(What::Rss), of(What::Descriptors)],
            "the workers are not all there"
        );
        assert!(read.levels.limit_of(of(What::Descriptors)).is_some());
    }

    #[test]
    fn a_number_that_another_process_has_now_is_missing() {
        let own = std::process::id() as i32;
        let mut named = named(&[own]).unwrap();
        named[0].started_ticks += 1;
        let order = Order { index: 0, processes: vec![(Whose::Watched(0), vec![own])] };
        assert_eq!(Reader::new(named).read(&order).missing, [own]);
        assert_eq!(super::named(&[own, i32::MAX]), Err(i32::MAX));
    }

    #[test]
    fn processor_time_is_that_between_two_readings() {
        let mut reader = Reader::new(Vec::new());
        let process = |cpu_micros| Process { cpu_micros, ..Process::default() };
        let at = |millis: u64| Instant::from_nanos(millis * 1_000_000);
        assert_eq!(reader.cpu_per_second(7, &process(0), at(0)), None);
        reader.last.insert(7, (at(1_000), process(500_000)));
        assert_eq!(reader.cpu_per_second(7, &process(1_500_000), at(3_000)), Some(500_000));
        assert_eq!(reader.cpu_per_second(7, &process(1_500_000), at(1_100)), None);
        assert_eq!(reader.cpu_per_second(7, &process(1), at(3_000)), None);
    }
}
