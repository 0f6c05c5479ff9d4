//! The threads of a journal: one makes entries of what it gets and writes them, one waits for the disk.
//!
//! What cannot be written waits, and what comes after it waits in the mailbox; when that is full, the
//! supervisor goes on adding to what it has. So a disk that fails or hangs costs resolution, never
//! counts, and never a loop's time.

use super::entry::{self, Draft};
use super::folder::Folder;
use super::writer::{Disk, End, Payload, Segment, Writer};
use crate::wall;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Between two syncs, and between two tries.
const SECOND: Duration = Duration::from_secs(1);
/// A sync that takes longer is told.
const SLOW_SYNC: Duration = Duration::from_secs(1);
/// At the end a failing disk is tried so often, half a second apart.
const LAST_TRIES: u32 = 4;
/// The last sync may take so long.
const LAST_SYNC: Duration = Duration::from_secs(10);
/// Entries that wait to be written.
const MAILBOX: usize = 4;

/// What the threads tell the supervisor.
#[derive(Debug)]
pub enum Told {
    /// Nothing can be written, for this reason; it is tried again.
    Failing(String),
    /// All that waited is written.
    Writing,
    /// A sync failed: what it may have lost is written again.
    SyncFailed(String),
    /// A sync took so long.
    SlowSync(Duration),
    /// One is under way for so long.
    Syncing(Duration),
    /// The end is written and synced, and the summary too; or not all of it.
    Closed(Result<(), String>),
}

/// What the writing thread is to do.
enum Job {
    Entry(Box<Draft>),
    /// The last entry, and the summary.
    Close(Box<Draft>, String),
}

/// The journal of a run, as the supervisor holds it.
#[derive(Debug)]
pub struct Keeper {
    jobs: Sender<Job>,
    hurry: Sender<()>,
    told: Receiver<Told>,
}

impl Keeper {
    /// Writes `first` to `disk` behind `end`, and starts the threads.
    ///
    /// # Errors
    /// It cannot be written, or no thread.
    pub fn start(
        folder: Folder,
        disk: Box<dyn Disk>,
        run: [u8; 16],
        end: End,
        first: &Payload,
    ) -> io::Result<Self> {
        let (jobs, mailbox) = bounded(MAILBOX);
        let (hurry, hurried) = bounded(1);
        let (tell, told) = unbounded();
        let sync = Sync::start()?;
        let mut writer = Writer::new(disk, run, wall_nanos, end);
        writer.append(first)?;
        let plan = (first.clone(), 0);
        let thread = Thread { folder, writer, plan, sync, tell, hurried, state: State::Writing };
        thread::Builder::new().name("journal".into()).spawn(move || thread.keep(&mailbox))?;
        Ok(Self { jobs, hurry, told })
    }

    /// Whether an entry would be taken now.
    pub fn has_room(&self) -> bool {
        !self.jobs.is_full()
    }

    /// Hands an entry over; there is room.
    pub fn write(&self, draft: Draft) {
        let _ = self.jobs.try_send(Job::Entry(Box::new(draft)));
    }

    /// The run is over: a disk that fails is not waited for much longer.
    pub fn hurry(&self) {
        let _ = self.hurry.try_send(());
    }

    /// Hands over the last entry and the summary; there is room.
    pub fn close(&self, draft: Draft, summary: String) {
        let _ = self.jobs.try_send(Job::Close(Box::new(draft), summary));
    }

    /// What the threads have told since it was last asked.
    pub fn told(&self) -> impl Iterator<Item = Told> + '_ {
        self.told.try_iter()
    }
}

struct Thread {
    folder: Folder,
    writer: Writer<Box<dyn Disk>>,
    /// The first entry, and the last segment that has it once more.
    plan: (Payload, u32),
    sync: Sync,
    tell: Sender<Told>,
    hurried: Receiver<()>,
    state: State,
}

/// How writing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Writing,
    /// The disk takes nothing; it is tried again.
    Failing,
    /// It took nothing for too long at the end: what comes is not written any more, since it would
    /// follow a gap.
    GivenUp,
}

impl Thread {
    fn keep(mut self, mailbox: &Receiver<Job>) {
        let mut next_sync = Instant::now() + SECOND;
        loop {
            match mailbox.recv_timeout(next_sync.saturating_duration_since(Instant::now())) {
                Ok(Job::Entry(draft)) => self.write_entry(&draft),
                Ok(Job::Close(draft, summary)) => return self.close(&draft, &summary),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.heed_sync();
            if let Some(under_way) = self.sync.hangs() {
                self.say(Told::Syncing(under_way));
            }
            if Instant::now() >= next_sync {
                next_sync = Instant::now() + SECOND;
                self.sync.begin(self.writer.to_sync());
            }
        }
    }

    /// Writes an entry; behind the first one of each segment the plan once more, since nothing can be read
    /// where it is damaged. A record that is bent takes the one behind it along, which is that entry.
    fn write_entry(&mut self, draft: &Draft) {
        self.write(&entry::payload(draft));
        let (plan, segment) = &self.plan;
        if *segment < self.writer.segment() {
            let plan = plan.clone();
            self.write(&plan);
            self.plan.1 = self.writer.segment();
        }
    }

    /// Writes `payload`, and tries again until it is written; at the end of the run only so often.
    fn write(&mut self, payload: &Payload) {
        let mut hurried = None;
        while self.state != State::GivenUp {
            match self.writer.append(payload) {
                Ok(()) if self.state == State::Failing => self.turn(State::Writing, Told::Writing),
                Ok(()) => {}
                Err(error) if self.state == State::Writing => {
                    self.turn(State::Failing, Told::Failing(error.to_string()));
                }
                Err(_) => {}
            }
            if self.state == State::Writing {
                return;
            }
            if self.hurried.recv_timeout(SECOND / 2).is_ok() {
                hurried = Some(0);
            }
            hurried = hurried.map(|tries| tries + 1);
            if hurried.is_some_and(|tries| tries >= LAST_TRIES) {
                self.state = State::GivenUp;
            }
        }
    }

    fn turn(&mut self, state: State, told: Told) {
        self.state = state;
        self.say(told);
    }

    fn heed_sync(&mut self) {
        while let Some(Synced { sequence, result, took }) = self.sync.ended() {
            match result {
                Ok(()) => self.writer.synced(sequence),
                Err(error) => {
                    self.writer.sync_failed();
                    self.say(Told::SyncFailed(error.to_string()));
                }
            }
            if took > SLOW_SYNC {
                self.say(Told::SlowSync(took));
            }
        }
    }

    fn close(mut self, draft: &Draft, summary: &str) {
        self.write_entry(draft);
        let closed = match (self.state, self.last_sync()) {
            (State::Writing, Ok(())) => Ok(()),
            (State::Writing, Err(error)) => {
                Err(format!("the end of the journal is not synced: {error}"))
            }
            _ => Err("the journal is not complete: its disk took no more".to_owned()),
        };
        let summed = self.folder.write_summary(summary);
        let closed = closed.and(summed.map_err(|error| format!("summary.json: {error}")));
        self.say(Told::Closed(closed));
    }

    fn last_sync(&mut self) -> io::Result<()> {
        let Some((segments, _)) = self.writer.to_sync() else { return Ok(()) };
        let deadline = Instant::now() + LAST_SYNC;
        let late = || io::Error::from(io::ErrorKind::TimedOut);
        // One may be under way, of less than all.
        while self.sync.begun.is_some() {
            self.sync.wait(deadline).ok_or_else(late)?;
        }
        self.sync.begin(Some((segments, u64::MAX)));
        self.sync.wait(deadline).ok_or_else(late)?.result
    }

    fn say(&self, told: Told) {
        let _ = self.tell.send(told);
    }
}

/// The thread that waits for the disk.
struct Sync {
    begin: Sender<(Vec<Arc<dyn Segment>>, u64)>,
    ended: Receiver<Synced>,
    /// When the one began that is under way.
    begun: Option<Instant>,
    /// It was told that it takes long.
    told: bool,
}

/// A sync that is over.
struct Synced {
    /// All records before this one were written when it began.
    sequence: u64,
    result: io::Result<()>,
    took: Duration,
}

impl Sync {
    fn start() -> io::Result<Self> {
        let (begin, todo) = bounded::<(Vec<Arc<dyn Segment>>, u64)>(1);
        let (done, ended) = bounded(1);
        thread::Builder::new().name("journal-sync".into()).spawn(move || {
            for (segments, sequence) in todo {
                let begun = Instant::now();
                let result = segments.iter().try_for_each(|segment| segment.sync());
                let _ = done.send(Synced { sequence, result, took: begun.elapsed() });
            }
        })?;
        Ok(Self { begin, ended, begun: None, told: false })
    }

    /// Begins one, unless one is under way.
    fn begin(&mut self, what: Option<(Vec<Arc<dyn Segment>>, u64)>) {
        if let (None, Some(what)) = (self.begun, what) {
            self.begun = self.begin.try_send(what).is_ok().then(Instant::now);
        }
    }

    /// For how long one is under way, told once when that is too long.
    fn hangs(&mut self) -> Option<Duration> {
        let under_way = self.begun?.elapsed();
        let hangs = under_way > SLOW_SYNC && !self.told;
        self.told |= hangs;
        hangs.then_some(under_way)
    }

    fn ended(&mut self) -> Option<Synced> {
        self.wait(Instant::now())
    }

    fn wait(&mut self, deadline: Instant) -> Option<Synced> {
        let synced = self.ended.recv_deadline(deadline).ok()?;
        (self.begun, self.told) = (None, false);
        Some(synced)
    }
}

/// Segments as files of a folder.
#[derive(Debug)]
pub struct Files(pub Folder);

/// A file opened to append: its end is where writes go, also after it was cut.
struct Appended(File);

impl Disk for Files {
    fn create(&mut self, number: u32) -> io::Result<Arc<dyn Segment>> {
        let file = self.0.create_segment(number)?;
        Ok(Arc::new(Appended(file)))
    }

    fn remove(&mut self, number: u32) {
        self.0.remove_segment(number);
    }
}

impl Segment for Appended {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        (&self.0).write(bytes)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()?;
        // What has no name is gone with this process.
        let removed = self.0.metadata()?.nlink() == 0;
        if removed { Err(io::Error::other("a segment was removed")) } else { Ok(()) }
    }
}

fn wall_nanos() -> u64 {
    u64::try_from(wall::since_epoch().as_nanos()).unwrap_or(u64::MAX)
}
