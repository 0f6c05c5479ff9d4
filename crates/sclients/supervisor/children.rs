//! The table of children: their pipes, their states, their ends.

use super::reap::{self, Exit, kill_child};
use super::slot::{Input, State};
use super::spawn::{Executable, Role};
use super::{Context, World};
use crate::fold::{Fold, Who};
use crate::summary::{ChildRecord, Death};
use dispatch::{Boxed, DispatchContext, DispatchId, Handler, Instant, Pipe, Registered};
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;
use wire::{Command, Decoder, Report, frame};

/// Bytes of one read from a report pipe.
const READ_BYTES: usize = 256 * 1024;

/// How long children may take to go once they were released; the kernel needs 3.5 s to tear down
/// 320,000 loopback connections.
const LEAVING: Duration = Duration::from_secs(60);

/// One child.
pub(super) struct Child {
    pub(super) role: Role,
    pub(super) slot: u32,
    pub(super) state: State,
    pid: i32,
    exit: Option<Exit>,
    died: Option<Instant>,
    reports_open: bool,
    decoder: Decoder<Report>,
    outgoing: Vec<u8>,
    sequence: u32,
    control: Option<Pipe>,
    reports: Option<Pipe>,
    controlling: Option<DispatchId>,
    /// First connect and last establishment, in nanoseconds.
    opened: Option<(u64, u64)>,
    /// Why it gave up.
    fatal: Option<String>,
}

impl Child {
    fn who(&self) -> Who {
        match self.role {
            Role::Worker => Who::Worker(self.slot, 0),
            Role::Target => Who::Target(self.slot),
        }
    }

    /// Whether its process is gone and all that it said was read.
    fn gone(&self) -> bool {
        self.exit.is_some() && !self.reports_open
    }
}

/// All children.
pub(super) struct Children {
    executable: Executable,
    all: Vec<Child>,
    by_pid: BTreeMap<i32, usize>,
    faults: Vec<String>,
}

impl Children {
    pub(super) const fn new(executable: Executable) -> Self {
        Self { executable, all: Vec::new(), by_pid: BTreeMap::new(), faults: Vec::new() }
    }

    /// Starts a child; its first command waits for it in the pipe.
    pub(super) fn spawn(&mut self, role: Role, slot: u32, share: &Command) -> io::Result<()> {
        let spawned = self.executable.spawn(role, slot)?;
        let mut child = Child {
            role,
            slot,
            state: State::Starting,
            pid: spawned.pid,
            exit: None,
            died: None,
            reports_open: true,
            decoder: Decoder::default(),
            outgoing: Vec::new(),
            sequence: 0,
            control: Some(spawned.control),
            reports: Some(spawned.report),
            controlling: None,
            opened: None,
            fatal: None,
        };
        child.queue(share);
        self.by_pid.insert(spawned.pid, self.all.len());
        self.all.push(child);
        Ok(())
    }

    pub(super) fn of(&self, role: Role) -> impl Iterator<Item = &Child> {
        self.all.iter().filter(move |child| child.role == role)
    }

    /// Whether every child of `role` is in a state that `wanted` accepts, or settled.
    pub(super) fn all_are(&self, role: Role, wanted: State) -> bool {
        self.of(role).all(|child| child.state == wanted || child.state.is_settled())
    }

    /// Whether every worker that lives has opened its connections.
    pub(super) fn all_opened(&self) -> bool {
        self.of(Role::Worker).all(|child| child.opened.is_some() || child.state.is_settled())
    }

    /// Whether nothing more is to be expected of any child of `role`, and all was read.
    pub(super) fn all_settled(&self, role: Role) -> bool {
        self.of(role).all(|child| child.state.is_settled())
    }

    /// Whether every process is gone.
    pub(super) fn all_gone(&self) -> bool {
        self.all.iter().all(Child::gone)
    }

    /// The first line that a child gave up with.
    pub(super) fn fatal(&self) -> Option<&str> {
        self.all.iter().find_map(|child| child.fatal.as_deref())
    }

    /// What was wrong with reports.
    pub(super) fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Children that died without their last words.
    pub(super) fn deaths(&self) -> impl Iterator<Item = String> + '_ {
        self.all.iter().filter(|child| child.state == State::Dead).map(|child| {
            let exit = child.exit.map_or_else(|| "gone".to_owned(), |exit| exit.to_string());
            format!("{} {} (process {}): {exit}", child.role.name(), child.slot, child.pid)
        })
    }

    /// First connect and last establishment over all workers.
    pub(super) fn opened(&self) -> Option<(Instant, Instant)> {
        let opened = || self.all.iter().filter_map(|c| c.opened).filter(|(first, _)| *first > 0);
        let first = opened().map(|(first, _)| first).min()?;
        let last = opened().map(|(_, last)| last).max()?;
        Some((Instant::from_nanos(first), Instant::from_nanos(last)))
    }

    /// Every child as the summary tells it.
    pub(super) fn records(&self, fold: &Fold, start: Instant) -> Vec<ChildRecord> {
        self.all.iter().map(|child| record(child, fold, start)).collect()
    }

    /// Notes which children have ended. Their pipes are read on: totals are fixed at their ends.
    pub(super) fn reap(&mut self, now: Instant) {
        while let Some((pid, exit)) = reap::next_exit() {
            if let Some(index) = self.by_pid.remove(&pid) {
                let child = &mut self.all[index];
                child.exit = Some(exit);
                child.died = Some(now);
                bury(child);
            }
        }
    }

    /// Kills what is left and waits for it: no child outlives the run.
    pub(super) fn end_all(&mut self) {
        self.kill(Role::Worker);
        self.kill(Role::Target);
        let deadline = Instant::now() + LEAVING;
        while !self.by_pid.is_empty() && Instant::now() < deadline {
            self.reap(Instant::now());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Kills every child of `role` that is not reaped yet.
    pub(super) fn kill(&self, role: Role) {
        self.of(role).filter(|child| child.exit.is_none()).for_each(|child| kill_child(child.pid));
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

fn record(child: &Child, fold: &Fold, start: Instant) -> ChildRecord {
    let death = (child.state == State::Dead).then(|| {
        let died = child.died.unwrap_or(start);
        let last = fold.part(child.who()).map_or(start, |part| part.ended);
        Death { after: died.since(start), unknown: died.since(last) }
    });
    let Child { role, slot, pid, exit, .. } = *child;
    ChildRecord { role, slot, generation: 0, pid, exit, death }
}

/// Puts every child's pipes into the loop.
pub(super) fn watch_pipes(context: &mut Context) -> io::Result<()> {
    for index in 0..context.world.children.all.len() {
        let child = &mut context.world.children.all[index];
        let control = child.control.take().expect("the pipes are watched once");
        let reports = child.reports.take().expect("the pipes are watched once");
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
        bury(child);
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
    if child.exit.is_none() {
        kill_child(child.pid);
    }
    child.decoder = Decoder::default();
    world.children.faults.push(fault);
}

fn heed(world: &mut World, index: usize, report: Report) {
    let child = &mut world.children.all[index];
    match report {
        Report::Ready { .. } => child.state = child.state.after(Input::ReadyHeard),
        Report::Opened { first_connect_nanos, last_established_nanos } => {
            child.opened = Some((first_connect_nanos, last_established_nanos));
        }
        Report::Interval(record) => {
            let (who, ended) = (child.who(), Instant::from_nanos(record.ended_nanos));
            match record.interval() {
                Ok(interval) => {
                    if let Err(imbalance) = world.fold.take(who, &interval, ended) {
                        world.children.faults.push(format!("ledger of {who:?}: {imbalance}"));
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
        Report::Fatal(why) => {
            child.fatal = Some(format!("{} {}: {why}", child.role.name(), child.slot));
        }
    }
}

/// Sends `command` to every child of `role` that is still there.
pub(super) fn tell(context: &mut Context, role: Role, command: &Command) {
    for index in 0..context.world.children.all.len() {
        let child = &mut context.world.children.all[index];
        let settled = child.state.is_settled() && *command != Command::Release;
        if child.role != role || child.exit.is_some() || settled {
            continue;
        }
        child.queue(command);
        child.state = match command {
            Command::Start { .. } => child.state.after(Input::Started),
            Command::Stop { .. } => child.state.after(Input::Stopped),
            _ => child.state,
        };
        if let Some(id) = child.controlling {
            context.call_again(id);
        }
    }
}
