//! The table of children: their pipes, their states, their ends.

use super::conductor::Failure;
use super::crews::Crews;
use super::health::Health;
use super::reap::{self, Change, Exit, send_to_child};
use super::slot::{Input, State};
use super::spawn::{Executable, Role};
use super::{Context, World};
use crate::fold::{Fold, Who};
use crate::host;
use crate::summary::{ChildRecord, Death};
use dispatch::{Boxed, DispatchContext, DispatchId, Handler, Instant, Pipe, Registered, Signal};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;
use wire::{Command, Decoder, Report, frame};

/// Bytes of one read from a report pipe.
const READ_BYTES: usize = 256 * 1024;

/// How long children may take to go once they were released; the kernel needs 3.5 s to tear down
/// 320,000 loopback connections.
const LEAVING: Duration = Duration::from_secs(60);

/// The longest last line of a child that is repeated.
const LINE_CHARS: usize = 200;

/// Instants of the run, as far as they are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// When the crew began.
    pub(super) start: Instant,
    /// When load began.
    pub(super) load: Instant,
    /// When it ended, or now.
    pub(super) end: Instant,
}

/// So many faults of reports are told; one child can have one each second.
const FAULTS_MAX: usize = 64;

/// One child.
pub(super) struct Child {
    pub(super) role: Role,
    pub(super) slot: u32,
    pub(super) generation: u32,
    pub(super) state: State,
    pub(super) pid: i32,
    exit: Option<Exit>,
    pub(super) died: Option<Instant>,
    /// When it said that it is ready.
    pub(super) ready: Option<Instant>,
    /// When its load began, as it was told.
    pub(super) loaded: Option<Instant>,
    /// When its successor was started, or is to be.
    pub(super) succeeded: Option<Instant>,
    pub(super) successor_due: Option<Instant>,
    /// Its death was answered.
    pub(super) mourned: bool,
    pub(super) health: Health,
    reports_open: bool,
    decoder: Decoder<Report>,
    outgoing: Vec<u8>,
    sequence: u32,
    control: Option<Pipe>,
    reports: Option<Pipe>,
    controlling: Option<DispatchId>,
    /// First connect and last establishment, in nanoseconds.
    pub(super) opened: Option<(u64, u64)>,
    /// It was a child of a supervisor that died, and died with it.
    past: bool,
    /// It may have lived so long after its death by the run's clock, which stood still.
    unseen: Duration,
    /// Why it gave up.
    fatal: Option<String>,
    /// What is known of its end beside the exit status.
    why: Option<String>,
}

impl Child {
    fn new(role: Role, (slot, generation): (u32, u32), pid: i32) -> Self {
        Self {
            role,
            slot,
            generation,
            state: State::Starting,
            pid,
            exit: None,
            died: None,
            ready: None,
            loaded: None,
            succeeded: None,
            successor_due: None,
            mourned: false,
            health: Health::default(),
            reports_open: false,
            decoder: Decoder::default(),
            outgoing: Vec::new(),
            sequence: 0,
            control: None,
            reports: None,
            controlling: None,
            opened: None,
            past: false,
            unseen: Duration::ZERO,
            fatal: None,
            why: None,
        }
    }

    pub(super) fn who(&self) -> Who {
        match self.role {
            Role::Worker => Who::Worker(self.slot, self.generation),
            Role::Target => Who::Target(self.slot, self.generation),
        }
    }

    /// Whether its process is gone and all that it said was read.
    fn gone(&self) -> bool {
        self.past || self.exit.is_some() && !self.reports_open
    }

    /// Whether nothing more is to be expected, of it or in its place.
    pub(super) fn is_settled(&self) -> bool {
        self.state.is_settled() && self.successor_due.is_none()
    }

    /// How it ended, in words.
    fn end(&self) -> String {
        let exit = self.exit.map_or_else(|| "without a trace".to_owned(), |exit| exit.to_string());
        let why = self.fatal.as_ref().or(self.why.as_ref());
        why.map_or_else(|| exit.clone(), |why| format!("{exit}, {why}"))
    }

    /// Role and slot.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.role.name(), self.slot)
    }

    /// Who it was, and how it ended.
    pub(super) fn obituary(&self) -> String {
        format!("{} (process {}) died: {}", self.name(), self.pid, self.end())
    }

    /// Asks it to end at once and leave a trace of where it was, for this reason.
    pub(super) fn abort(&mut self, why: &str) {
        self.why.get_or_insert_with(|| why.to_owned());
        self.send(Signal::SIGABRT);
    }

    /// Whether its number is still its own: it is a child of this process, and not reaped.
    pub(super) fn is_ours(&self) -> bool {
        !self.past && self.exit.is_none()
    }

    /// Sends it a signal, unless its number may be another's.
    pub(super) fn send(&self, signal: Signal) {
        if self.is_ours() {
            send_to_child(self.pid, signal);
        }
    }

    /// Ends it, for this reason.
    pub(super) fn kill(&mut self, why: &str) {
        if self.is_ours() {
            self.why.get_or_insert_with(|| why.to_owned());
            send_to_child(self.pid, Signal::SIGKILL);
        }
    }
}

/// All children.
pub(super) struct Children {
    executable: Executable,
    all: Vec<Child>,
    by_pid: BTreeMap<i32, usize>,
    /// Those that an earlier supervisor had buried.
    buried: Vec<ChildRecord>,
    faults: Vec<String>,
    /// Processes of the host that were killed for memory, as of the last look.
    oom_kills: Option<u64>,
}

impl Children {
    pub(super) fn new(executable: Executable) -> Self {
        Self {
            executable,
            all: Vec::new(),
            by_pid: BTreeMap::new(),
            buried: Vec::new(),
            faults: Vec::new(),
            oom_kills: host::oom_kills(Path::new("/")),
        }
    }

    /// Starts a child; its first command waits for it in the pipe.
    pub(super) fn spawn(
        &mut self,
        role: Role,
        (slot, generation): (u32, u32),
        share: &Command,
    ) -> io::Result<()> {
        let spawned = self.executable.spawn(role, slot)?;
        let mut child = Child::new(role, (slot, generation), spawned.pid);
        (child.control, child.reports) = (Some(spawned.control), Some(spawned.report));
        child.reports_open = true;
        child.queue(share);
        self.by_pid.insert(spawned.pid, self.all.len());
        self.all.push(child);
        Ok(())
    }

    /// Takes over what an earlier supervisor knew of its workers: those that it had not buried are dead,
    /// and may be followed, and so may those whose successor was still to be started if the dead `follow`.
    pub(super) fn take_over(&mut self, records: Vec<ChildRecord>, fold: &Fold, follow: bool) {
        for record in records.into_iter().filter(|record| record.role == Role::Worker) {
            let who = Who::Worker(record.slot, record.generation);
            let ended = fold.part(who).is_some_and(|part| part.last_words.is_some());
            let over = |death: &Death| !follow || death.replaced_after.is_some();
            if ended || record.death.as_ref().is_some_and(over) {
                self.buried.push(record);
                continue;
            }
            let ChildRecord { slot, generation, pid, exit, death, .. } = record;
            let child = Child::new(Role::Worker, (slot, generation), pid);
            let why = death.and_then(|death| death.why);
            let dead = Child { state: State::Dead, past: true, mourned: true, exit, why, ..child };
            self.all.push(dead);
        }
    }

    /// The last worker of `slot` that had died before the supervisor did, and was buried by it.
    pub(super) fn buried_in(&self, slot: u32) -> Option<Who> {
        let of_slot = |record: &&ChildRecord| record.slot == slot && record.death.is_some();
        let last = self.buried.iter().rfind(of_slot);
        last.map(|record| Who::Worker(record.slot, record.generation))
    }

    /// The generation of targets that follow those of `records`.
    pub(super) fn next_targets(records: &[ChildRecord]) -> u32 {
        let targets = records.iter().filter(|record| record.role == Role::Target);
        targets.map(|target| target.generation + 1).max().unwrap_or(0)
    }

    /// Lets those be followed that died with an earlier supervisor, or not, of whose time it is `now`. That was
    /// at some time of the `gap` behind its last entry, which was not its last second where its disk was full.
    pub(super) fn follow(&mut self, now: Instant, gap: Duration, crews: &Crews, ending: bool) {
        for child in self.all.iter_mut().filter(|child| child.past) {
            let crew = crews.of_slot(child.slot);
            (child.died, child.unseen) = (Some(now), gap);
            child.loaded = crews.load_of(crew);
            child.successor_due = (!ending && now < crews.end_of(crew)).then_some(now);
        }
    }

    pub(super) fn all(&self) -> &[Child] {
        &self.all
    }

    pub(super) fn all_mut(&mut self) -> &mut [Child] {
        &mut self.all
    }

    pub(super) fn of(&self, role: Role) -> impl Iterator<Item = &Child> {
        self.all.iter().filter(move |child| child.role == role)
    }

    /// Whether every child of `role` is in a state that `wanted` accepts, or settled.
    pub(super) fn all_are(&self, role: Role, wanted: State) -> bool {
        self.of(role).all(|child| child.state == wanted || child.is_settled())
    }

    /// Whether nothing more is to be expected of any child of `role`, and all was read.
    pub(super) fn all_settled(&self, role: Role) -> bool {
        self.of(role).all(Child::is_settled)
    }

    /// Whether every process is gone.
    pub(super) fn all_gone(&self) -> bool {
        self.all.iter().all(Child::gone)
    }

    /// Why a child did not live to its start, if one did not.
    pub(super) fn stillborn(&self) -> Option<Failure> {
        let dead = self.all.iter().find(|child| child.state == State::Dead && !child.past)?;
        Some(match &dead.fatal {
            Some(why) => Failure::Child(format!("{}: {why}", dead.name())),
            None => Failure::Died(format!("{} before the run began", dead.obituary())),
        })
    }

    /// Workers that are expected to be heard of: not those that wait for their phase.
    pub(super) fn living_workers(&mut self) -> impl Iterator<Item = &mut Child> {
        let waits = |child: &Child| child.state.is_settled() || child.state == State::Ready;
        let living = move |child: &&mut Child| child.role == Role::Worker && !waits(child);
        self.all.iter_mut().filter(living)
    }

    /// Whether every child that is at work under load has reported what was before `instant`.
    pub(super) fn have_reported(&self, instant: Instant, fold: &Fold) -> bool {
        let reported =
            |child: &Child| fold.part(child.who()).is_some_and(|part| part.ended >= instant);
        let loaded = |child: &Child| child.role == Role::Target || child.loaded.is_some();
        let mut at_work = self.all.iter().filter(|child| !child.state.is_settled());
        at_work.all(|child| loaded(child) && reported(child))
    }

    /// Lets every child of `role` go on that somebody has stopped.
    pub(super) fn wake(&self, role: Role) {
        let stopped = self.of(role).filter(|child| child.health.is_stopped());
        stopped.for_each(|child| child.send(Signal::SIGCONT));
    }

    /// Kills who is stopped.
    pub(super) fn kill_stopped(&mut self) {
        let stopped = self.all.iter_mut().filter(|child| child.health.is_stopped());
        stopped.for_each(|child| child.kill("stopped"));
    }

    /// Who is stopped.
    pub(super) fn stopped(&self) -> impl Iterator<Item = String> + '_ {
        self.all.iter().filter(|child| child.health.is_stopped()).map(Child::name)
    }

    /// Connections that were live in the last reports of workers that are dead.
    pub(super) fn lost_live(&self, fold: &Fold) -> u64 {
        let dead = |child: &&Child| matches!(child.state, State::Dead | State::Replaced);
        let dead = self.of(Role::Worker).filter(dead);
        dead.filter_map(|child| fold.part(child.who())).map(|part| part.gauges.live).sum()
    }

    /// Notes what was wrong with a report, unless enough was.
    pub(super) fn note_fault(&mut self, fault: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }

    /// What was wrong with reports.
    pub(super) fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Children that died without their last words.
    pub(super) fn deaths(&self) -> impl Iterator<Item = String> + '_ {
        self.all.iter().filter(|child| child.state == State::Dead).map(|child| {
            format!("{} {} (process {}): {}", child.role.name(), child.slot, child.pid, child.end())
        })
    }

    /// First connect and last establishment over all workers, before the common load began.
    pub(super) fn opened(&self, load: Option<Instant>) -> Option<(Instant, Instant)> {
        let load = load.unwrap_or(Instant::FAR_FUTURE).as_nanos();
        let opened = || self.all.iter().filter_map(|child| child.opened);
        let opened = || opened().filter(|(first, _)| *first > 0 && *first < load);
        let first = opened().map(|(first, _)| first).min()?;
        let last = opened().map(|(_, last)| last).max()?;
        Some((Instant::from_nanos(first), Instant::from_nanos(last)))
    }

    /// Every child as the summary tells it, of a run that began at `start`.
    /// `times` are those of a worker's slot.
    pub(super) fn records(
        &self,
        fold: &Fold,
        start: Instant,
        times: impl Fn(u32) -> Times,
    ) -> Vec<ChildRecord> {
        let times = |child: &Child| match child.role {
            Role::Worker => times(child.slot),
            Role::Target => times(0),
        };
        let own = self.all.iter().map(|child| self.record(child, fold, start, times(child)));
        self.buried.iter().cloned().chain(own).collect()
    }

    fn record(&self, child: &Child, fold: &Fold, start: Instant, times: Times) -> ChildRecord {
        let lost = matches!(child.state, State::Dead | State::Replaced);
        let death = child.died.filter(|_| lost).map(|died| {
            // It had nothing to tell before it was ready; when one of before was, nobody knows any more.
            let begun = if child.past { times.start } else { child.ready.unwrap_or(died) };
            // What is known of it may be no report of its own, but ticks that it did not take.
            let told = fold.part(child.who()).map_or(begun, |part| part.ended.max(begun));
            let last = told.max(times.start);
            let back = self.next_loaded(child).unwrap_or(times.end).min(times.end);
            Death {
                after: died.since(start),
                unknown: died.since(last) + child.unseen,
                gap: back.since(died.max(times.load)),
                replaced_after: child.succeeded.map(|at| at.since(died)),
                why: child.fatal.clone().or_else(|| child.why.clone()),
                with_supervisor: child.past,
            }
        });
        let Child { role, slot, generation, pid, exit, .. } = *child;
        let stopped = child.health.stopped_for(times.end);
        ChildRecord { role, slot, generation, pid, exit, death, stopped }
    }

    /// When load began again in the slot of `child`, which is dead.
    fn next_loaded(&self, child: &Child) -> Option<Instant> {
        let later = |other: &&Child| {
            (other.role, other.slot) == (child.role, child.slot)
                && other.generation > child.generation
        };
        self.all.iter().filter(later).find_map(|other| other.loaded)
    }

    /// Notes which children have ended, were stopped or go on. Pipes are read on: totals are fixed at
    /// their ends. A process that is not of the table is reaped and nothing else: whoever started this
    /// program may have left it some.
    pub(super) fn reap(&mut self, now: Instant) {
        while let Some((pid, change)) = reap::next_change() {
            let Some(index) = self.by_pid.get(&pid).copied() else { continue };
            let child = &mut self.all[index];
            match change {
                Change::Stopped => child.health.stop(now),
                Change::Continued => child.health.go_on(now),
                Change::Ended(exit) => {
                    self.by_pid.remove(&pid);
                    child.exit = Some(exit);
                    child.died = Some(now);
                    child.health.go_on(now);
                    bury(child);
                    self.suspect_memory(index);
                }
            }
        }
    }

    /// A kill that is not ours, while the kernel has killed for memory, was probably one of those.
    fn suspect_memory(&mut self, index: usize) {
        let child = &mut self.all[index];
        if child.exit != Some(Exit::Signal(Signal::SIGKILL)) || child.why.is_some() {
            return;
        }
        let kills = host::oom_kills(Path::new("/"));
        let before = std::mem::replace(&mut self.oom_kills, kills);
        let risen = kills.zip(before).map_or(0, |(now, before)| now.saturating_sub(before));
        if risen > 0 {
            child.why = Some(format!("probably out of memory (oom_kill +{risen})"));
        }
    }

    /// Kills what is left and waits for it: no child outlives the run.
    pub(super) fn end_all(&mut self) {
        self.kill(Role::Worker, "at the end");
        self.kill(Role::Target, "at the end");
        let deadline = Instant::now() + LEAVING;
        while !self.by_pid.is_empty() && Instant::now() < deadline {
            self.reap(Instant::now());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Kills every child of `role` that is not reaped yet, for this reason.
    pub(super) fn kill(&mut self, role: Role, why: &str) {
        let of_role = self.all.iter_mut().filter(|child| child.role == role);
        of_role.for_each(|child| child.kill(why));
    }
}

/// Whatever keeps a run from beginning: none of those that were started is left alone.
impl Drop for Children {
    fn drop(&mut self) {
        self.end_all();
    }
}

impl Child {
    fn queue(&mut self, command: &Command) {
        frame(command, self.sequence, &mut self.outgoing);
        self.sequence += 1;
    }

    fn write(&mut self, pipe: &mut Pipe) -> io::Result<()> {
        while !self.outgoing.is_empty() {
            match pipe.write(&self.outgoing)? {
                Some(bytes) => drop(self.outgoing.drain(..bytes)),
                None => break,
            }
        }
        Ok(())
    }
}

/// A child is buried when its process is reaped and its pipe is read to the end.
fn bury(child: &mut Child) {
    if child.gone() {
        child.state = child.state.after(Input::Buried);
    }
}

/// Puts the pipes of every child that is new into the loop.
pub(super) fn watch_pipes(context: &mut Context) -> io::Result<()> {
    for index in 0..context.world.children.all.len() {
        let child = &mut context.world.children.all[index];
        let Some((control, reports)) = child.control.take().zip(child.reports.take()) else {
            continue;
        };
        let controlling = context.insert(control_target(index, control))?;
        context.world.children.all[index].controlling = Some(controlling);
        context.insert(report_target(index, reports))?;
    }
    Ok(())
}

/// Commands out. A child that does not read any more is told of by its report pipe.
fn control_target(index: usize, pipe: Pipe) -> Boxed<World> {
    Handler::boxed(pipe, move |pipe: &mut Pipe, context: &mut Context, _event| {
        let child = &mut context.world.children.all[index];
        if child.write(pipe).is_err() {
            child.outgoing.clear();
        }
        Ok(())
    })
}

/// Reports in, to the end of the pipe.
fn report_target(index: usize, pipe: Pipe) -> Boxed<World> {
    let mut buffer = vec![0; READ_BYTES];
    Handler::boxed(pipe, move |pipe: &mut Pipe, context: &mut Context, _event| {
        loop {
            match pipe.read(&mut buffer) {
                Ok(Some(0)) | Err(_) => break,
                Ok(Some(bytes)) => hear(&mut context.world, index, &buffer[..bytes]),
                Ok(None) => return Ok(()),
            }
        }
        let child = &mut context.world.children.all[index];
        child.reports_open = false;
        child.decoder = Decoder::default();
        bury(child);
        // Nobody reads commands any more either.
        if let Some(controlling) = child.controlling.take() {
            context.socket_closed(controlling);
        }
        if let Some(id) = pipe.dispatch_id() {
            context.socket_closed(id);
        }
        Ok(())
    })
}

fn hear(world: &mut World, index: usize, bytes: &[u8]) {
    world.children.all[index].decoder.push(bytes);
    loop {
        match world.children.all[index].decoder.next_message() {
            Ok(Some(report)) => heed(world, index, report),
            Ok(None) => return,
            Err(error) => return disown(world, index, &error.to_string()),
        }
    }
}

/// A child that speaks otherwise is not to be believed further: it is killed.
fn disown(world: &mut World, index: usize, why: &str) {
    let child = &mut world.children.all[index];
    let fault = format!("{} {} sent what cannot be read: {why}", child.role.name(), child.slot);
    child.kill("what it sent cannot be read");
    child.decoder = Decoder::default();
    world.children.note_fault(fault);
}

fn heed(world: &mut World, index: usize, report: Report) {
    let child = &mut world.children.all[index];
    child.health.hear();
    match report {
        Report::Ready { .. } => {
            child.state = child.state.after(Input::ReadyHeard);
            child.ready = Some(Instant::now());
        }
        Report::Alive => {}
        Report::Opened { first_connect_nanos, last_established_nanos } => {
            child.opened = Some((first_connect_nanos, last_established_nanos));
        }
        Report::Interval(record) => {
            let (who, ended) = (child.who(), Instant::from_nanos(record.ended_nanos));
            match record.interval() {
                Ok(mut interval) => {
                    interval.add_up_steps();
                    if let Err(imbalance) = world.fold.take(who, &interval, ended) {
                        world.children.note_fault(format!("ledger of {who:?}: {imbalance}"));
                    }
                }
                Err(error) => disown(world, index, &error.to_string()),
            }
        }
        Report::Gaps(record) => {
            let who = child.who();
            match record.arrivals() {
                Ok(arrivals) => world.fold.take_arrivals(who, arrivals),
                Err(error) => disown(world, index, &error.to_string()),
            }
        }
        Report::Final(words) => {
            let who = child.who();
            child.state = child.state.after(Input::FinalHeard);
            world.fold.take_last_words(who, words);
        }
        Report::Fatal(why) => child.fatal = Some(why),
        Report::Panicked(why) => child.why = Some(format!("panic: {}", line(&why))),
    }
}

/// A child's own words as a line that a terminal may show.
fn line(words: &str) -> String {
    let shown = |c: char| if c.is_control() { '?' } else { c };
    words.chars().take(LINE_CHARS).map(shown).collect()
}

/// Sends `command` to every child of `role` that is still there.
pub(super) fn tell(context: &mut Context, role: Role, command: &Command) {
    for index in 0..context.world.children.all.len() {
        if context.world.children.all[index].role == role {
            tell_one(context, index, command);
        }
    }
}

/// Sends `command` to one child, if it is still there.
pub(super) fn tell_one(context: &mut Context, index: usize, command: &Command) {
    let child = &mut context.world.children.all[index];
    let settled = child.state.is_settled() && *command != Command::Release;
    if child.exit.is_some() || settled {
        return;
    }
    child.queue(command);
    match command {
        Command::Start { .. } => child.state = child.state.after(Input::Started),
        Command::Stop { .. } => child.state = child.state.after(Input::Stopped),
        Command::Load { at_nanos, .. } => child.loaded = Some(Instant::from_nanos(*at_nanos)),
        _ => {}
    }
    if let Some(id) = child.controlling {
        context.call_again(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    /// A phase may begin long after the run, and its workers' deaths are told by the run's clock all the same.
    #[test]
    fn a_death_is_told_from_the_start_of_the_run() {
        let at = |seconds: u64| Instant::from_nanos(seconds * 1_000_000_000);
        let mut children = Children::new(Executable::open().unwrap());
        let dead = Child { state: State::Dead, past: true, ..Child::new(Role::Worker, (0, 0), 0) };
        let died = (Some(at(67)), Duration::from_secs(9));
        children.all.push(Child { died: died.0, unseen: died.1, ..dead });
        let times = Times { start: at(60), load: at(61), end: at(70) };
        let records = children.records(&Fold::default(), at(10), |_| times);
        let death = records[0].death.as_ref().unwrap();
        assert_eq!(death.after, Duration::from_secs(57));
        assert_eq!(death.unknown, Duration::from_secs(7 + 9), "and what nobody saw");
        assert_eq!(death.gap, Duration::from_secs(3));
    }

    #[test]
    fn a_second_is_reported_when_everybody_at_work_has_told_of_it() {
        let at = |millis: u64| Instant::from_nanos(millis * 1_000_000);
        let mut children = Children::new(Executable::open().unwrap());
        let mut fold = Fold::default();
        let child = |slot, state, loaded| {
            let child = Child::new(Role::Worker, (slot, 0), 0);
            Child { state, loaded, past: true, ..child }
        };
        let running = |slot| child(slot, State::Running, Some(at(500)));
        children.all = vec![running(0), running(1), child(2, State::Dead, Some(at(500)))];
        let mut report = |slot, ended| {
            let interval = stats::Interval::new(0, stats::Phase::Measurement);
            fold.take(Who::Worker(slot, 0), &interval, at(ended)).unwrap();
            [at(1_000), at(2_000)].map(|second| children.have_reported(second, &fold))
        };
        assert_eq!(report(0, 1_000), [false, false], "one is missing");
        assert_eq!(report(1, 1_001), [true, false], "who is dead reports no more");
        assert_eq!(report(0, 2_000), [true, false]);
        children.all.push(child(3, State::Starting, None));
        assert!(!children.have_reported(at(1_000), &fold), "who begins is waited for a little");
    }

    /// The process of this number may be a stranger by now: the kernel uses numbers again.
    #[test]
    fn who_is_reaped_or_died_with_an_earlier_supervisor_is_sent_no_signal() {
        let mut stranger = Command::new("sleep").arg("30").spawn().unwrap();
        let pid = stranger.id() as i32;
        let child = || Child::new(Role::Worker, (0, 0), pid);
        let reaped = Child { exit: Some(Exit::Code(0)), ..child() };
        for mut child in [reaped, Child { past: true, ..child() }] {
            child.kill("at the end");
            child.abort("silent for too long");
            child.send(Signal::SIGTERM);
            assert!(stranger.try_wait().unwrap().is_none());
        }
        child().send(Signal::SIGUSR1);
        let ended_by = stranger.wait().unwrap().signal();
        assert_eq!(ended_by, Some(Signal::SIGUSR1 as i32), "the first that it was sent");
    }
}
