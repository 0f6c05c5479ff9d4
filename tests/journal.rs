//! The journal against disks that fail and files that are damaged: what was handed over is read back,
//! nothing that was never written is believed, and nothing panics.

use dispatch::Instant;
use proptest::prelude::*;
use sclients::config::{Config, Invocation, invocation};
use sclients::fold::Who;
use sclients::journal::segment::{HEADER_BYTES, RECORD_BYTES};
use sclients::journal::{
    Disk, Draft, End, Files, Folder, JournalError, Keeper, Payload, Read, Segment, Told, Writer,
    begun, read, recorded,
};
use sclients::recent::Recent;
use sclients::summary::Course;
use stats::{Counter, Histogram, Interval, Latency, Phase};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use tempfile::TempDir;
use wire::{BegunRecord, Entry};

const RUN: [u8; 16] = *b"a run's number!!";

/// What a disk does wrong.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    /// The call that fails, from 1, of creating, writing and cutting together; 0 is none.
    fails: u32,
    /// It and so many more fail.
    fails_more: u32,
    /// Writes take so many bytes at a time; 0 is all.
    short: usize,
    /// Every other write is interrupted.
    interrupted: bool,
    /// A write that fails has written half before.
    half: bool,
}

/// A folder whose disk fails as it is told.
#[derive(Clone)]
struct Failing {
    folder: PathBuf,
    faults: Faults,
    calls: Arc<Mutex<u32>>,
}

struct OnFailing(File, Failing);

impl Failing {
    fn new(folder: &TempDir, faults: Faults) -> Self {
        let journal = folder.path().join("journal");
        fs::create_dir_all(&journal).unwrap();
        Self { folder: journal, faults, calls: Arc::default() }
    }

    fn calls(&self) -> u32 {
        *self.calls.lock().unwrap()
    }

    fn call(&self) -> io::Result<()> {
        let mut calls = self.calls.lock().unwrap();
        *calls += 1;
        let Faults { fails, fails_more, .. } = self.faults;
        let failing = fails > 0 && (fails..=fails + fails_more).contains(&calls);
        if failing { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl Disk for Failing {
    fn create(&mut self, number: u32) -> io::Result<Arc<dyn Segment>> {
        self.call()?;
        let path = self.folder.join(format!("{number:08}"));
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(Arc::new(OnFailing(file, self.clone())))
    }

    fn remove(&mut self, number: u32) {
        let _ = fs::remove_file(self.folder.join(format!("{number:08}")));
    }
}

impl Segment for OnFailing {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let Self(file, disk) = self;
        let faults = disk.faults;
        if let Err(error) = disk.call() {
            if faults.half {
                (&*file).write_all(&bytes[..bytes.len() / 2])?;
            }
            return Err(error);
        }
        if faults.interrupted && disk.calls() % 2 == 0 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = if faults.short == 0 { bytes.len() } else { faults.short.min(bytes.len()) };
        (&*file).write(&bytes[..most])
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.1.call()?;
        self.0.set_len(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn writer<D: Disk>(disk: D) -> Writer<D> {
    Writer::new(disk, RUN, || 7, End::default())
}

/// An entry that can be told from others.
fn payload(number: u8) -> Payload {
    let entry = Entry::Begun(BegunRecord {
        version: String::new(),
        plan: vec![number],
        body: vec![],
        bodies: vec![],
    });
    let mut encoder =
        flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&entry.encode()).unwrap();
    Payload { kind: entry.kind(), monotonic_nanos: 1, bytes: encoder.finish().unwrap() }
}

/// What a journal holds, by the numbers of its entries.
fn held(folder: &TempDir, salvage: bool) -> Result<(Vec<u8>, Read), JournalError> {
    let mut numbers = Vec::new();
    let read = read(&Folder::new(folder.path()), salvage, |_, entry| match entry {
        Entry::Begun(record) => numbers.push(record.plan[0]),
        Entry::Reported(_) => panic!("none was written"),
    })?;
    Ok((numbers, read))
}

/// A journal of `count` entries, and the bytes of its only segment.
fn journal(count: u8) -> (TempDir, PathBuf, Vec<u8>) {
    let folder = TempDir::new().unwrap();
    let mut writer = writer(Failing::new(&folder, Faults::default()));
    (0..count).for_each(|number| writer.append(&payload(number)).unwrap());
    let path = folder.path().join("journal/00000001");
    let bytes = fs::read(&path).unwrap();
    (folder, path, bytes)
}

fn all(count: u8) -> Vec<u8> {
    (0..count).collect()
}

/// Where each record of `bytes` begins, and where the last one ends.
fn places(bytes: &[u8]) -> Vec<usize> {
    let mut places = vec![HEADER_BYTES];
    while let Some(at) = places.last().copied().filter(|at| *at < bytes.len()) {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        places.push(at + RECORD_BYTES + length as usize);
    }
    places
}

#[test]
fn what_is_written_is_read_back() {
    let (folder, _, bytes) = journal(100);
    let (numbers, read) = held(&folder, false).unwrap();
    assert_eq!(numbers, all(100));
    assert_eq!((read.run, read.end.sequence, read.end.segment), (RUN, 100, 1));
    assert!(read.torn.is_none() && read.holes.is_empty());
    assert_eq!(places(&bytes).len(), 101);
}

#[test]
fn every_cut_of_the_last_three_records_leaves_what_is_whole() {
    let (folder, path, bytes) = journal(20);
    let places = places(&bytes);
    for cut in places[17]..bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let (numbers, read) = held(&folder, false).unwrap();
        let whole = places.iter().filter(|place| **place <= cut).count() - 1;
        assert_eq!(numbers, all(whole as u8), "cut at {cut}");
        let torn = cut - places[whole];
        assert_eq!(read.torn.map_or(0, |torn| torn.bytes), torn, "cut at {cut}");
        assert_eq!(read.end.sequence, whole as u64);
    }
}

#[test]
fn a_torn_tail_is_cut_off_and_kept_and_writing_goes_on_behind_it() {
    let (folder, path, bytes) = journal(20);
    let places = places(&bytes);
    let at = places[19];
    for cut in at + 1..bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let torn = held(&folder, false).unwrap().1.torn.unwrap();
        Folder::new(folder.path()).cut(&path, torn.offset as u64).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes[..at]);
        assert_eq!(fs::read(path.with_extension("broken")).unwrap(), bytes[at..cut]);
    }
    let end = held(&folder, false).unwrap().1.end;
    let disk = Failing::new(&folder, Faults::default());
    let mut writer = Writer::new(disk, RUN, || 8, end);
    [19, 20].iter().for_each(|number| writer.append(&payload(*number)).unwrap());
    let (numbers, read) = held(&folder, false).unwrap();
    assert_eq!((numbers, read.end.segment), (all(21), 2));
}

#[test]
fn no_flipped_bit_is_believed() {
    let (folder, path, bytes) = journal(100);
    let last = places(&bytes)[99];
    let mut bent = bytes.clone();
    for bit in 0..bytes.len() * 8 {
        bent[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bent).unwrap();
        match held(&folder, false) {
            // Nothing can be believed behind the last record, nor behind the checksum that seeds it: it
            // looks like one that was torn.
            Ok((numbers, read)) => {
                assert!(bit / 8 >= last - 4, "bit {bit}");
                assert_eq!(numbers, all(if bit / 8 < last { 98 } else { 99 }));
                assert!(read.torn.unwrap().offset <= last);
            }
            Err(error) => {
                assert!(bit / 8 < last, "bit {bit}: {error}");
                if bit % 16 > 0 {
                    bent[bit / 8] ^= 1 << (bit % 8);
                    continue;
                }
                let (numbers, _) = salvaged(&folder);
                // A record is seeded with the checksum before it, which may be what is bent.
                assert!(numbers.len() >= 98 && numbers.is_sorted(), "bit {bit}: {numbers:?}");
            }
        }
        bent[bit / 8] ^= 1 << (bit % 8);
    }
}

/// What can be had of a damaged journal; of one whose only header is damaged nothing.
fn salvaged(folder: &TempDir) -> (Vec<u8>, Vec<(usize, u64)>) {
    match held(folder, true) {
        Ok((numbers, read)) => {
            let holes = read.holes.iter().map(|hole| (hole.offset, hole.records)).collect();
            (numbers, holes)
        }
        Err(JournalError::NoPlan(_) | JournalError::Version(_)) => (all(100), Vec::new()),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn damage_in_the_middle_is_refused_with_its_place_and_salvaged_around() {
    let (folder, path, bytes) = journal(30);
    let places = places(&bytes);
    let mut bent = bytes;
    bent[places[7] + 9] ^= 0x40;
    bent[places[20]] = 0xff;
    bent[places[20] + 3] = 0xff;
    fs::write(&path, &bent).unwrap();
    let refusal = held(&folder, false).unwrap_err().to_string();
    let place = format!("at byte {}; sclients report --salvage reads what is behind it", places[7]);
    assert!(refusal.contains(&place), "{refusal}");
    let (numbers, holes) = salvaged(&folder);
    let kept = (0..30).filter(|number| ![7, 20].contains(number)).collect::<Vec<u8>>();
    assert_eq!((numbers, holes), (kept, vec![(places[7], 1), (places[20], 1)]));
}

#[test]
fn absurd_lengths_take_no_memory_and_stale_bytes_are_not_taken_for_records() {
    let (folder, path, bytes) = journal(5);
    let places = places(&bytes);
    for length in [u32::MAX, 1 << 31, 80 << 20, 1 << 20] {
        let mut bent = bytes[..places[4]].to_vec();
        bent.extend_from_slice(&length.to_le_bytes());
        bent.extend_from_slice(&[7; 40]);
        fs::write(&path, &bent).unwrap();
        let (numbers, read) = held(&folder, false).unwrap();
        assert_eq!((numbers, read.torn.unwrap().bytes), (all(4), 44));
    }
    // Room that was made before it was used, and records of an older file behind it.
    let zeros = [&bytes[..places[4]], &[0; 4096]].concat();
    fs::write(&path, &zeros).unwrap();
    assert_eq!(held(&folder, false).unwrap().0, all(4));
    let mut stale = bytes[..places[2]].to_vec();
    stale.extend_from_slice(&bytes[places[3]..]);
    fs::write(&path, &stale).unwrap();
    assert!(held(&folder, false).is_err(), "a record is missing between");
    let twice = [&bytes[..], &bytes[places[3]..]].concat();
    fs::write(&path, &twice).unwrap();
    assert_eq!(held(&folder, false).unwrap().0, all(5), "an old copy is behind the end");
}

#[test]
fn later_versions_are_refused_and_kinds_of_later_ones_passed_over() {
    let (folder, path, bytes) = journal(3);
    let mut later = bytes;
    later[8] = 2;
    fs::write(&path, &later).unwrap();
    let refusal = held(&folder, false).unwrap_err().to_string();
    assert!(refusal.contains("a later version of the journal (2)"), "{refusal}");
    let folder = TempDir::new().unwrap();
    let mut writer = writer(Failing::new(&folder, Faults::default()));
    writer.append(&payload(0)).unwrap();
    writer.append(&Payload { kind: 99, ..payload(1) }).unwrap();
    writer.append(&payload(2)).unwrap();
    assert_eq!(held(&folder, false).unwrap().0, [0, 2]);
}

#[test]
fn a_segment_that_is_missing_or_of_another_run_is_refused() {
    let folder = TempDir::new().unwrap();
    let disk = Failing::new(&folder, Faults::default());
    let mut written = writer(disk.clone());
    for number in 0..9 {
        if number % 3 == 0 && number > 0 {
            // As after a resumed run: the next segment follows the end of the one before.
            let end = held(&folder, false).unwrap().1.end;
            written = Writer::new(disk.clone(), RUN, || 8, end);
        }
        written.append(&payload(number)).unwrap();
    }
    let segment = |number: u32| folder.path().join(format!("journal/{number:08}"));
    assert_eq!(held(&folder, false).unwrap().0, all(9));
    let second = fs::read(segment(2)).unwrap();
    fs::remove_file(segment(2)).unwrap();
    assert!(held(&folder, false).is_err());
    let (numbers, holes) = salvaged(&folder);
    assert_eq!((numbers, holes.iter().map(|hole| hole.1).sum()), (vec![0, 1, 2, 6, 7, 8], 3_u64));
    let other = TempDir::new().unwrap();
    let disk = Failing::new(&other, Faults::default());
    let mut foreign = Writer::new(disk, *b"another number!!", || 7, End::default());
    (0..3).for_each(|number| foreign.append(&payload(number)).unwrap());
    fs::copy(other.path().join("journal/00000001"), segment(2)).unwrap();
    assert!(held(&folder, false).is_err());
    let mut bent = second.clone();
    bent[20] ^= 1;
    fs::write(segment(2), &bent).unwrap();
    assert!(held(&folder, false).is_err());
    let (numbers, holes) = salvaged(&folder);
    assert_eq!((numbers, holes), (all(9), vec![(0, 0)]), "only its header is damaged");
    fs::write(segment(2), &second).unwrap();
    assert_eq!(held(&folder, false).unwrap().0, all(9));
    fs::write(segment(4), b"").unwrap();
    let (numbers, read) = held(&folder, false).unwrap();
    assert_eq!(numbers, all(9), "the process died as it began a segment");
    let mut behind = Writer::new(Failing::new(&folder, Faults::default()), RUN, || 8, read.end);
    behind.append(&payload(9)).unwrap();
    assert_eq!(held(&folder, false).unwrap().0, all(10));
}

/// Appends ten entries, each until it is taken, with a failed sync behind the fifth.
fn append_ten(disk: Failing, sync_fails: bool) {
    let mut writer = writer(disk);
    for number in 0..10 {
        let tries = (0..40).find(|_| writer.append(&payload(number)).is_ok());
        assert!(tries.is_some(), "entry {number} is never taken");
        if number == 3 {
            writer.synced(3);
        }
        if number == 4 && sync_fails {
            writer.sync_failed();
        }
    }
}

#[test]
fn whichever_call_fails_nothing_is_lost() {
    for sync_fails in [false, true] {
        for half in [false, true] {
            for fails_more in [0, 1, 5] {
                let mut fails = 1;
                loop {
                    let folder = TempDir::new().unwrap();
                    let faults = Faults { fails, fails_more, half, ..Faults::default() };
                    let disk = Failing::new(&folder, faults);
                    append_ten(disk.clone(), sync_fails);
                    let held = held(&folder, false);
                    let (numbers, read) =
                        held.unwrap_or_else(|error| panic!("{faults:?}: {error}"));
                    assert_eq!(numbers, all(10), "{faults:?}, sync fails: {sync_fails}");
                    assert!(read.holes.is_empty());
                    if disk.calls() < fails {
                        break;
                    }
                    fails += 1;
                }
                assert!(fails > 10);
            }
        }
    }
}

#[test]
fn short_and_interrupted_writes_are_gone_on_with() {
    for short in [1, 2, 7, 64] {
        let folder = TempDir::new().unwrap();
        let faults = Faults { short, interrupted: true, ..Faults::default() };
        append_ten(Failing::new(&folder, faults), false);
        assert_eq!(held(&folder, false).unwrap().0, all(10));
    }
}

/// A disk whose syncs wait until they are let go, or fail while they are told to.
#[derive(Clone, Default)]
struct Syncing(Arc<(Mutex<Syncs>, Condvar)>);

#[derive(Default)]
struct Syncs {
    held: bool,
    fail: bool,
    begun: u32,
}

struct SyncingDisk(Files, Syncing);

struct SyncingSegment(Arc<dyn Segment>, Syncing);

impl Syncing {
    fn set(&self, change: impl FnOnce(&mut Syncs)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    /// Waits until a sync has begun.
    fn await_begun(&self) {
        let syncs = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(syncs, |syncs| syncs.begun == 0).unwrap());
    }
}

impl Disk for SyncingDisk {
    fn create(&mut self, number: u32) -> io::Result<Arc<dyn Segment>> {
        Ok(Arc::new(SyncingSegment(self.0.create(number)?, self.1.clone())))
    }

    fn remove(&mut self, number: u32) {
        self.0.remove(number);
    }
}

impl Segment for SyncingSegment {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.truncate(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        let (syncs, changed) = &*self.1.0;
        let mut syncs = syncs.lock().unwrap();
        syncs.begun += 1;
        changed.notify_all();
        let mut syncs = changed.wait_while(syncs, |syncs| syncs.held).unwrap();
        if std::mem::take(&mut syncs.fail) {
            Err(io::Error::other("injected"))
        } else {
            self.0.sync()
        }
    }
}

fn keeper(folder: &TempDir, syncing: &Syncing) -> Keeper {
    fs::create_dir_all(folder.path().join("journal")).unwrap();
    let folder = Folder::new(folder.path());
    let disk = SyncingDisk(Files(folder.clone()), syncing.clone());
    Keeper::start(folder, Box::new(disk), RUN, End::default(), &payload(0)).unwrap()
}

/// A run with these words.
fn config(words: &str) -> Config {
    let words = ["sclients"].into_iter().chain(words.split_whitespace());
    let Ok(Invocation::Run(config)) = invocation(words.map(Into::into)) else { panic!() };
    *config
}

/// An entry of the second that ended `second` s into a run of `workers`.
fn draft(second: u64, workers: u32, measured: &[Histogram]) -> Draft {
    let at = Instant::from_nanos(second * 1_000_000_000);
    let mut recent = Recent::default();
    for slot in 0..workers {
        let mut interval = Interval::new(second, Phase::Measurement);
        for (more, counter) in (0..).zip(Counter::ALL) {
            interval.counters.count_many(*counter, second % 97 + more * u64::from(slot));
        }
        interval.strain.wall = 1_000_000_000;
        interval.strain.cpu = 31_234_567 + second * 7919 % 1_000_003;
        recent.take(Who::Worker(slot, 0), &interval, at);
    }
    if !measured.is_empty() {
        recent.distributions.insert((0, second), measured.to_vec());
    }
    Draft { recent, own: Vec::new(), course: Course::default(), over: false, at }
}

/// Entries behind the first in the journal in `folder`.
fn entries(folder: &TempDir) -> usize {
    let mut entries = 0;
    let count = |_, entry| entries += usize::from(matches!(entry, Entry::Reported(_)));
    read(&Folder::new(folder.path()), false, count).unwrap();
    entries
}

/// Gives `keeper` entries until `count` are written.
fn write_on(keeper: &Keeper, folder: &TempDir, count: usize) {
    for second in 1..=count as u64 {
        while !keeper.has_room() {
            std::thread::yield_now();
        }
        keeper.write(draft(second, 2, &[]));
    }
    while entries(folder) < count {
        std::thread::yield_now();
    }
}

fn await_closed(keeper: &Keeper) -> Vec<Told> {
    let mut told = Vec::new();
    while !matches!(told.last(), Some(Told::Closed(_))) {
        told.extend(keeper.told());
        std::thread::yield_now();
    }
    told
}

#[test]
fn a_disk_that_does_not_sync_holds_up_no_entry() {
    let (folder, syncing) = (TempDir::new().unwrap(), Syncing::default());
    syncing.set(|syncs| syncs.held = true);
    let keeper = keeper(&folder, &syncing);
    syncing.await_begun();
    write_on(&keeper, &folder, 50);
    let mut told = Vec::new();
    while !told.iter().any(|told| matches!(told, Told::Syncing(_))) {
        told.extend(keeper.told());
        std::thread::yield_now();
    }
    syncing.set(|syncs| syncs.held = false);
    keeper.close(draft(51, 2, &[]), "{}\n".to_owned());
    let told = await_closed(&keeper);
    assert!(matches!(told.last(), Some(Told::Closed(Ok(())))), "{told:?}");
    assert_eq!(entries(&folder), 51);
    assert_eq!(fs::read_to_string(folder.path().join("summary.json")).unwrap(), "{}\n");
}

#[test]
fn what_a_failed_sync_may_have_lost_is_written_again_elsewhere_and_told() {
    let (folder, syncing) = (TempDir::new().unwrap(), Syncing::default());
    syncing.set(|syncs| (syncs.held, syncs.fail) = (true, true));
    let keeper = keeper(&folder, &syncing);
    syncing.await_begun();
    write_on(&keeper, &folder, 5);
    syncing.set(|syncs| syncs.held = false);
    while Folder::new(folder.path()).segments().unwrap().len() < 2 {
        if keeper.has_room() {
            keeper.write(draft(6, 2, &[]));
        }
        std::thread::yield_now();
    }
    while !keeper.has_room() {
        std::thread::yield_now();
    }
    keeper.close(draft(7, 2, &[]), String::new());
    let told = await_closed(&keeper);
    assert!(matches!(told.last(), Some(Told::Closed(Ok(())))), "{told:?}");
    let failed = told.iter().filter(|told| matches!(told, Told::SyncFailed(_)));
    assert_eq!(failed.count(), 1, "{told:?}");
    let all = entries(&folder);
    fs::remove_file(folder.path().join("journal/00000001")).unwrap();
    assert_eq!(entries(&folder), all, "all of it stands in the second segment");
}

/// A real run's journal, its plan and three seconds, and the bytes of its only segment.
fn planned_journal() -> (TempDir, PathBuf, Vec<u8>) {
    let folder = TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join("journal")).unwrap();
    let kept = Folder::new(folder.path());
    let plan = sclients::plan::planned(config("--procs 2 --duration 3s"), None, None);
    let disk = Box::new(Files(kept.clone()));
    let keeper = Keeper::start(kept, disk, RUN, End::default(), &begun(&plan)).unwrap();
    write_on(&keeper, &folder, 2);
    keeper.close(Draft { over: true, ..draft(3, 2, &[]) }, "{}\n".to_owned());
    let told = await_closed(&keeper);
    assert!(matches!(told.last(), Some(Told::Closed(Ok(())))), "{told:?}");
    let path = folder.path().join("journal/00000001");
    let bytes = fs::read(&path).unwrap();
    (folder, path, bytes)
}

/// The plan is there once more behind the first second, and a bent bit takes no more than the record that it
/// is in and the one behind it.
#[test]
fn whichever_bit_is_flipped_the_run_can_be_salvaged() {
    let (folder, path, bytes) = planned_journal();
    let kept = Folder::new(folder.path());
    let whole = recorded(&kept, false).unwrap().summary;
    let sent =
        |summary: &sclients::summary::Summary| summary.fold.counters().of(Counter::RequestsSent);
    let places = places(&bytes);
    assert_eq!(places.len(), 6, "the plan, a second, the plan, two seconds");
    let mut bent = bytes.clone();
    for bit in HEADER_BYTES * 8..bytes.len() * 8 {
        if bit % 7 > 0 {
            continue;
        }
        bent[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bent).unwrap();
        let salvaged = recorded(&kept, true).unwrap_or_else(|error| panic!("bit {bit}: {error}"));
        let plan = &salvaged.summary.plan;
        assert_eq!(plan.config.seed, whole.plan.config.seed, "bit {bit}");
        assert!(sent(&salvaged.summary) <= sent(&whole), "bit {bit}");
        if bit / 8 < places[1] - 4 {
            assert_eq!(sent(&salvaged.summary), sent(&whole), "bit {bit}");
        }
        bent[bit / 8] ^= 1 << (bit % 8);
    }
}

/// A process that dies between writing a summary and naming it leaves the one and not the other.
#[test]
fn a_summary_is_whole_or_not_there_and_what_was_left_of_one_is_no_harm() {
    let (folder, _, _) = planned_journal();
    let kept = Folder::new(folder.path());
    let next = folder.path().join(format!("summary.json.{}.next", std::process::id()));
    fs::write(&next, "{\"half\": ").unwrap();
    let named = || fs::read_to_string(folder.path().join("summary.json")).unwrap();
    assert_eq!(named(), "{}\n");
    assert!(recorded(&kept, false).unwrap().over);
    kept.write_summary("{\"whole\": 1}\n").unwrap();
    assert_eq!((named().as_str(), next.exists()), ("{\"whole\": 1}\n", false));
    // Where it cannot have its name, nothing of it stays.
    fs::remove_file(folder.path().join("summary.json")).unwrap();
    fs::create_dir(folder.path().join("summary.json")).unwrap();
    assert!(kept.write_summary("{}\n").is_err() && !next.exists());
}

#[test]
fn a_segment_that_was_removed_is_told_and_what_was_not_synced_is_written_to_the_next() {
    let (folder, syncing) = (TempDir::new().unwrap(), Syncing::default());
    let keeper = keeper(&folder, &syncing);
    write_on(&keeper, &folder, 1);
    fs::remove_file(folder.path().join("journal/00000001")).unwrap();
    let mut told = Vec::new();
    while !told.iter().any(|told| matches!(told, Told::SyncFailed(_))) {
        if keeper.has_room() {
            keeper.write(draft(2, 2, &[]));
        }
        told.extend(keeper.told());
        std::thread::yield_now();
    }
    let removed = |told: &Told| matches!(told, Told::SyncFailed(why) if why.contains("removed"));
    assert!(told.iter().any(removed), "{told:?}");
    while !keeper.has_room() {
        std::thread::yield_now();
    }
    keeper.close(draft(3, 2, &[]), "{}\n".to_owned());
    let told = await_closed(&keeper);
    assert!(matches!(told.last(), Some(Told::Closed(Ok(())))), "{told:?}");
    assert!(folder.path().join("journal/00000002").exists());
}

/// A measurement, run by hand: `cargo test --release --test journal a_day -- --ignored --nocapture`.
#[test]
#[ignore = "it measures, and takes minutes"]
fn a_day_of_32_workers() {
    let folder = TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join("journal")).unwrap();
    let kept = Folder::new(folder.path());
    let plan = sclients::plan::planned(config("--procs 32 --duration 24h"), None, None);
    let mut writer = Writer::new(Files(kept.clone()), RUN, || 7, End::default());
    writer.append(&begun(&plan)).unwrap();
    for second in 1..=86_400 {
        let kinds = Latency::ALL.iter().map(|kind| a_second_of_requests(second, *kind as u64));
        let draft = draft(second, 32, &kinds.collect::<Vec<_>>());
        writer.append(&sclients::journal::payload(&draft)).unwrap();
        writer.synced(u64::MAX);
    }
    let segments = kept.segments().unwrap();
    let bytes: u64 = segments.iter().map(|(_, path)| fs::metadata(path).unwrap().len()).sum();
    let asked = std::time::Instant::now();
    let recorded = recorded(&kept, false).unwrap();
    let seconds = asked.elapsed().as_secs_f64();
    let count = recorded.summary.fold.histogram(Latency::FromDue).count();
    let segments = segments.len();
    assert_eq!(count, 86_400 * 5_000);
    assert!(bytes <= 1_000_000_000, "{bytes} bytes");
    assert!(seconds <= 60.0, "{seconds} s");
    println!("{bytes} bytes in {segments} segments, {count} requests, folded in {seconds:.1} s");
}

/// 5,000 latencies of 60 µs and more, exponential behind, as a quiet server shows them.
fn a_second_of_requests(second: u64, kind: u64) -> Histogram {
    let mut histogram = Histogram::default();
    let mut state = second * 8 + kind;
    for _ in 0..5_000 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let drawn = (state >> 11) as f64 / (1_u64 << 53) as f64;
        histogram.record((60_000.0 - 40_000.0 * (1.0 - drawn).ln()) as u64);
    }
    histogram
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(
        mut garbage in prop::collection::vec(any::<u8>(), 0..400),
        at in 0..400_usize,
    ) {
        let (folder, path, bytes) = journal(4);
        let cut = at.min(bytes.len());
        let mut all = bytes[..cut].to_vec();
        all.append(&mut garbage);
        fs::write(&path, &all).unwrap();
        let _ = held(&folder, false);
        let _ = held(&folder, true);
    }
}
