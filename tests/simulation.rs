//! Faults drawn from a seed, in any order: whole runs whose processes are killed and stopped, and a
//! journal whose disk, process and host fail. Whatever comes together, the ledger is exact.
//!
//! A failure prints the line that plays it again: `SCLIENTS_SEED=7 cargo test --test simulation NAME`.

mod driver;

use driver::{Report, Running, Server, await_gone, await_unwritten, followed, sclients, send};
use nix::sys::signal::Signal;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use sclients::journal::{Disk, End, Folder, JournalError, Payload, Read, Segment, Writer, read};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::ops::{Range, RangeInclusive};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use wire::{BegunRecord, Entry};

/// What is drawn.
struct Draw(Xoshiro256PlusPlus);

impl Draw {
    fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    fn of(&mut self, range: Range<u64>) -> u64 {
        range.start + self.0.next_u64() % (range.end - range.start)
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.of(0..many) == 0
    }

    fn pause(&mut self, millis: Range<u64>) {
        thread::sleep(Duration::from_millis(self.of(millis)));
    }
}

/// Plays each seed, or the one that was asked for.
fn for_seeds(name: &str, seeds: Range<u64>, play: impl Fn(u64)) {
    let asked = std::env::var("SCLIENTS_SEED").ok().map(|seed| seed.parse().unwrap());
    for seed in asked.map_or(seeds, |seed| seed..seed + 1) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| play(seed))) {
            eprintln!("again: SCLIENTS_SEED={seed} cargo test --test simulation {name}");
            resume_unwind(panic);
        }
    }
}

const WORKERS: u64 = 3;
const RATE: u64 = 900;
const SECONDS: u64 = 5;
/// Of one slot: three in a row, each soon after its start, would be a crash loop.
const KILLS_OF_A_SLOT: u64 = 2;
const SUPERVISORS_KILLED: u64 = 2;

/// A run under faults, and what was done to it.
struct Troubled<'a> {
    run: Running,
    folder: &'a Path,
    kills: [u64; WORKERS as usize],
    supervisors: u64,
    tags: Vec<String>,
}

impl Troubled<'_> {
    /// One fault. Who is not there at the moment is spared.
    fn suffer(&mut self, draw: &mut Draw) {
        let slot = draw.of(0..WORKERS);
        let worker = self.run.find_child(&format!("sclients: worker {slot}"));
        let kills = self.kills[slot as usize];
        match (draw.of(0..8), worker) {
            (0..3, Some(worker)) if kills < KILLS_OF_A_SLOT => {
                if draw.one_in(3) {
                    send(worker, Signal::SIGSTOP);
                    draw.pause(0..300);
                }
                send(worker, Signal::SIGKILL);
                self.kills[slot as usize] += 1;
            }
            (3..5, Some(worker)) => {
                send(worker, Signal::SIGSTOP);
                draw.pause(20..700);
                send(worker, Signal::SIGCONT);
            }
            (5..7, _) => {
                self.run.signal(Signal::SIGSTOP);
                draw.pause(20..700);
                self.run.signal(Signal::SIGCONT);
            }
            (7, _) if self.supervisors < SUPERVISORS_KILLED => self.lose_supervisor(draw),
            _ => {}
        }
    }

    /// Kills the supervisor, and takes the run up again.
    fn lose_supervisor(&mut self, draw: &mut Draw) {
        self.run.signal(Signal::SIGKILL);
        await_gone(self.run.tag(), Duration::from_secs(1));
        await_unwritten(self.folder);
        self.supervisors += 1;
        let told = sclients("report --format json").arg(self.folder).run().expect(5).json();
        told.assert_ledger();
        draw.pause(0..200);
        let words = "--format json --progress 100ms --resume";
        self.run = sclients(words).arg(self.folder).spawn();
        self.tags.push(self.run.tag().to_owned());
    }
}

/// One run under faults, to its end: what the report says of it is true.
fn run_under_faults(seed: u64) {
    let mut draw = Draw::new(seed);
    let (parent, server) = (TempDir::new().unwrap(), Server::start(""));
    let folder = parent.path().join("run");
    let words = format!(
        "--procs {WORKERS} --conns 20 --rate {RATE} --duration {SECONDS}s --restart-limit 99/60s"
    );
    let mut run = followed(&words).arg("--out").arg(&folder).arg(server.url()).spawn();
    run.await_measurement();
    let tags = vec![run.tag().to_owned()];
    let mut troubled = Troubled { run, folder: &folder, kills: [0; 3], supervisors: 0, tags };
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(SECONDS - 1) {
        draw.pause(50..600);
        troubled.suffer(&mut draw);
    }
    let Troubled { run, kills, supervisors, tags, .. } = troubled;
    let done = run.wait();
    let killed = kills.iter().sum::<u64>() + supervisors > 0;
    eprintln!("seed {seed}: {kills:?} workers and {supervisors} supervisors were killed");
    tags.iter().for_each(|tag| await_gone(tag, Duration::from_secs(2)));
    let report = done.json();
    assert!(done.code() == 5 || !killed && done.code() == 0, "{}: {:#}", done.code(), report.0);
    assert_true(&report, &kills, supervisors, server.stop().count("target.requests_seen"));
    let again = sclients("report --format json").arg(&folder).run();
    assert_eq!((again.code(), again.stdout), (done.code(), done.stdout));
}

fn assert_true(report: &Report, kills: &[u64], supervisors: u64, seen: u64) {
    report.assert_ledger();
    assert_eq!(report.count("requests.due"), RATE * SECONDS, "every tick has an owner");
    assert_eq!(report.number("phases.2.seconds"), SECONDS as f64);
    let (sent, unknown) = (report.count("requests.sent"), report.count("requests.unknown_ms"));
    let unreported = RATE / WORKERS * unknown / 1_000 + RATE / 10;
    assert!((sent..=sent + unreported).contains(&seen), "{seen} of {sent}, unknown: {unknown} ms");
    // One that died before its first entry left no trace.
    let resumed = report.list("resumed").len() as u64;
    assert!(resumed <= supervisors && (resumed > 0) == (supervisors > 0), "{resumed}");
    let losses = report.list("workers").iter().filter(|worker| !worker["loss"].is_null());
    assert!(losses.count() as u64 >= kills.iter().sum(), "each kill is told: {:#}", report.0);
    assert_eq!(report.sum("connections.failed"), 0);
}

#[test]
fn a_run_under_random_faults_tells_the_truth() {
    for_seeds("a_run_under", 1..4, run_under_faults);
}

/// A disk in memory. What is behind `synced` in a segment is lost when the host falls, in part.
#[derive(Default)]
struct Host {
    segments: BTreeMap<u32, Vec<u8>>,
    synced: BTreeMap<u32, usize>,
    /// The process is gone: nothing is written any more.
    dead: bool,
}

/// The disk as a writer has it, with faults from its seed.
#[derive(Clone)]
struct Shaky(Arc<Mutex<(Host, Draw)>>);

struct OnShaky(u32, Shaky);

impl Shaky {
    /// One call: fails at random, and always once the process is dead.
    fn call<T>(
        &self,
        fails_one_in: u64,
        does: impl FnOnce(&mut Host, &mut Draw) -> io::Result<T>,
    ) -> io::Result<T> {
        let (host, draw) = &mut *self.0.lock().unwrap();
        if host.dead || draw.one_in(fails_one_in) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        does(host, draw)
    }
}

impl Disk for Shaky {
    fn create(&mut self, number: u32) -> io::Result<Arc<dyn Segment>> {
        self.call(10, |host, _| match host.segments.contains_key(&number) {
            true => Err(io::ErrorKind::AlreadyExists.into()),
            false => Ok(host.segments.insert(number, Vec::new())),
        })?;
        Ok(Arc::new(OnShaky(number, self.clone())))
    }

    fn remove(&mut self, number: u32) {
        let _ = self.call(10, |host, _| Ok(host.segments.remove(&number)));
    }
}

impl Segment for OnShaky {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.1.call(12, |host, draw| {
            let most = if draw.one_in(3) { draw.of(0..bytes.len() as u64) } else { u64::MAX };
            let bytes = &bytes[..bytes.len().min(most as usize)];
            host.segments.get_mut(&self.0).unwrap().extend_from_slice(bytes);
            match draw.of(0..40) {
                0 => Err(io::ErrorKind::Other.into()),
                // In the middle of a write, or right behind it: nobody hears how it went.
                1 => {
                    host.dead = true;
                    Err(io::ErrorKind::BrokenPipe.into())
                }
                _ => Ok(bytes.len()),
            }
        })
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.1.call(4, |host, _| {
            host.segments.get_mut(&self.0).unwrap().truncate(bytes as usize);
            let synced = host.synced.entry(self.0).or_default();
            *synced = (*synced).min(bytes as usize);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.1.call(6, |host, _| {
            let written = host.segments[&self.0].len();
            host.synced.insert(self.0, written);
            Ok(())
        })
    }
}

fn payload(number: u64) -> Payload {
    let plan = number.to_le_bytes().to_vec();
    let entry =
        Entry::Begun(BegunRecord { version: String::new(), plan, body: vec![], bodies: vec![] });
    let mut encoder =
        flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&entry.encode()).unwrap();
    Payload { kind: entry.kind(), monotonic_nanos: 1, bytes: encoder.finish().unwrap() }
}

/// How far entries are safe: numbers behind the last one that is.
#[derive(Clone, Copy)]
struct Safe {
    /// From the fall of the host: all before was synced.
    synced: u64,
    /// From the death of the process: all before was taken, and no failed sync casts doubt on it.
    taken: u64,
    /// From neither: all before was handed over.
    written: u64,
}

/// One life of a process that writes entries from `next` on until it dies.
fn live(disk: &Shaky, end: End, next: u64, draw: &mut Draw) -> Safe {
    let mut writer = Writer::new(disk.clone(), *b"a run's number!!", || 7, end);
    let mut safe = Safe { synced: next, taken: next, written: next };
    for _ in 0..draw.of(5..200) {
        if writer.append(&payload(safe.written)).is_ok() {
            safe.written += 1;
            safe.taken = safe.written;
        }
        let Some((segments, sequence)) = writer.to_sync().filter(|_| draw.one_in(4)) else {
            continue;
        };
        match segments.iter().try_for_each(|segment| segment.sync()) {
            Ok(()) => {
                writer.synced(sequence);
                safe.synced = sequence;
            }
            Err(_) => writer.sync_failed(),
        }
    }
    safe
}

/// What the next process finds in `folder`; where the host fell, of what was not synced only a part.
fn come_down(disk: &Shaky, folder: &TempDir, host_falls: bool) {
    let (host, draw) = &mut *disk.0.lock().unwrap();
    let journal = folder.path().join("journal");
    let _ = fs::remove_dir_all(&journal);
    fs::create_dir_all(&journal).unwrap();
    for (number, bytes) in &host.segments {
        let synced = host.synced.get(number).copied().unwrap_or(0);
        let kept = draw.of(synced as u64..bytes.len() as u64 + 1) as usize;
        let kept = if host_falls { kept } else { bytes.len() };
        fs::write(journal.join(format!("{number:08}")), &bytes[..kept]).unwrap();
    }
}

/// The numbers of the entries in `folder`.
fn held(folder: &Folder, salvage: bool) -> Result<(Vec<u64>, Read), JournalError> {
    let mut numbers = Vec::new();
    let read = read(folder, salvage, |_, entry| {
        let Entry::Begun(begun) = entry else { panic!("none was written") };
        numbers.push(u64::from_le_bytes(begun.plan.try_into().unwrap()));
    })?;
    Ok((numbers, read))
}

/// The host fell when a segment had been left and not all of it was synced, but some of the next was.
fn assert_salvaged(folder: &Folder, range: RangeInclusive<u64>) {
    let (numbers, found) = held(folder, true).unwrap();
    let synced = *range.start() as usize;
    assert_eq!(numbers[..synced], (0..*range.start()).collect::<Vec<_>>());
    assert!(numbers.is_sorted() && numbers.iter().all(|number| number < range.end()));
    assert!(!found.holes.is_empty());
}

/// A journal over some lives, of which each ends by the death of the process or of the whole host.
fn journal_under_faults(seed: u64) {
    let mut draw = Draw::new(seed);
    let folder = TempDir::new().unwrap();
    let disk = Shaky(Arc::new(Mutex::new((Host::default(), Draw::new(!seed)))));
    let (mut end, mut next) = (End::default(), 0);
    for _ in 0..draw.of(1..5) {
        let safe = live(&disk, end, next, &mut draw);
        let host_falls = draw.one_in(2);
        come_down(&disk, &folder, host_falls);
        let kept = Folder::new(folder.path());
        let least = if host_falls { safe.synced } else { safe.taken };
        // One that the process was writing as it died may be whole.
        let range = least..=safe.written + 1;
        let (numbers, found) = match held(&kept, false) {
            Ok(held) => held,
            Err(_) if least == 0 => return,
            Err(_) if host_falls => return assert_salvaged(&kept, range),
            Err(error) => panic!("{error}: {range:?}"),
        };
        let held = numbers.len() as u64;
        assert!(range.contains(&held), "{held} of {range:?}, host falls: {host_falls}");
        assert_eq!(numbers, (0..held).collect::<Vec<_>>());
        if let Some(torn) = &found.torn {
            kept.cut(&torn.path, torn.offset as u64).unwrap();
        }
        (end, next) = (found.end, held);
        reload(&disk, &kept);
    }
}

/// The disk is what the last process left, all of it on the disk.
fn reload(disk: &Shaky, folder: &Folder) {
    let segments = folder.segments().unwrap();
    let segments: BTreeMap<_, _> =
        segments.into_iter().map(|(number, path)| (number, fs::read(path).unwrap())).collect();
    let synced = segments.iter().map(|(number, bytes)| (*number, bytes.len())).collect();
    disk.0.lock().unwrap().0 = Host { segments, synced, dead: false };
}

#[test]
fn a_journal_under_random_faults_holds_what_was_acknowledged_and_nothing_else() {
    for_seeds("a_journal_under", 0..400, journal_under_faults);
}
