//! The supervisor: starts the children, watches their pipes, conducts the run, never makes load.
//!
//! ```text
//! spawn ─▶ all ready ─▶ Start ─▶ all opened ─▶ Load ─▶ workers' finals ─▶ targets' finals
//!                                                            ─▶ summary printed ─▶ Release ─▶ reaped
//! ```
//!
//! One dispatch loop watches the report pipes, the control pipes, a signal descriptor and the
//! printer; what may block is the printer's. Start at [`run`] and [`serve`]; `conductor` decides
//! what comes next, [`slot::State`] is the state of each child, `succession` decides who follows a worker
//! that died, `ticks` counts what was due meanwhile.

mod children;
mod conductor;
mod crews;
mod error_share;
mod health;
mod limit_watch;
mod past;
mod printer;
mod reap;
pub mod slot;
mod spawn;
mod succession;
mod tape;
mod ticks;
mod watch;

pub use conductor::StoppedFor;
pub use printer::{say_line, write_result};
pub use reap::Exit;
pub use spawn::Role;

use crate::child::usage;
use crate::config::ServeConfig;
use crate::exit::ExitCode;
use crate::fold::Fold;
use crate::host::HostWatch;
use crate::journal::kept_run::Interrupted;
use crate::journal::{Journal, JournalError};
use crate::out::RunFiles;
use crate::plan::Plan;
use crate::report;
use crate::shares;
use crate::summary::{Course, Summary, SupervisorUse, Watched};
use crate::verdict::{self, Verdict};
use children::Children;
use conductor::{Conductor, Failure};
use dispatch::{
    BoxedContext, Callback, DispatchVars, Handler, Instant, Pipe, Signal, Signals, iterate,
};
use past::{Past, PastRun};
use printer::Printer;
use spawn::Executable;
use stats::Histogram;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;
use tape::Tape;
use tcpsocket::{Acceptor, SocketError};
use watch::Watch;
use wire::Command;

/// The longest wait of the loop: deadlines are looked at this often.
const TICK: Duration = Duration::from_millis(50);

/// Why a run could not begin, or not go on.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// The system refused something that every run needs.
    #[error("{what}: {error}")]
    System {
        /// What was wanted.
        what: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// The system has no room for another process or thread.
    #[error("cannot start {what}: {error} (limits: ulimit -u and -n, pids.max)")]
    Start {
        /// What was to be started.
        what: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// Not so many ports.
    #[error("there are no {0} ports from {1} on; choose a lower one")]
    NoPort(u32, SocketAddr),
    /// The embedded target cannot listen.
    #[error("cannot listen at {0}: {1}; choose another address or port")]
    Listen(SocketAddr, SocketError),
    /// There is no process to watch.
    #[error("--watch-pid {0}: there is no such process; leave it out or name another")]
    Watch(i32),
    /// The run cannot be kept where this option says.
    #[error("{0} {1}")]
    Keep(&'static str, JournalError),
    /// A child could not begin, or the target cannot be reached.
    #[error("{0}")]
    Run(Failure),
    /// What there was to tell of such a run could not be written.
    #[error("standard output took no report")]
    Unwritten,
}

impl SupervisorError {
    /// The exit code that belongs to it.
    pub const fn exit_code(&self) -> ExitCode {
        match self {
            Self::System { .. } | Self::Unwritten => ExitCode::Internal,
            Self::Keep(..) | Self::Watch(_) => ExitCode::Usage,
            Self::Start { .. } | Self::Listen(..) | Self::NoPort(..) => ExitCode::Refused,
            Self::Run(failure) => failure.exit_code(),
        }
    }
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> SupervisorError {
    move |error| SupervisorError::System { what, error }
}

fn start(what: &'static str) -> impl FnOnce(io::Error) -> SupervisorError {
    move |error| SupervisorError::Start { what, error }
}

/// What the loop's handlers share.
struct World {
    children: Children,
    fold: Fold,
    conductor: Conductor,
    tape: Tape,
    /// The run as it was reported.
    reported: Option<Summary>,
    /// What an earlier supervisor of the run used.
    earlier: SupervisorUse,
    /// First connect and last establishment, as an earlier supervisor knew them.
    opened: Option<(Instant, Instant)>,
    printer: Printer,
    loop_gap: Histogram,
    host: HostWatch,
    watch: Watch,
}

type Context = BoxedContext<World>;

/// Conducts `plan` to its end, prints the summary, fills `files` and keeps the run as `keep` says.
///
/// # Errors
/// What kept it from beginning. All children are gone then.
pub fn run(plan: Plan, files: RunFiles, keep: Keep<'_>) -> Result<ExitCode, SupervisorError> {
    let conducted = conducted(plan, report::summary, keep);
    let Conducted { summary, written, incomplete } = match conducted {
        Ok(conducted) => conducted,
        Err(error) => {
            files.fail(|| report::junit_of_no_run(&error.to_string()));
            return Err(error);
        }
    };
    let filled = files.write(|| report::hlog(&summary), || report::junit(&summary));
    filled.map_err(|(option, error)| SupervisorError::System { what: option, error })?;
    let code = verdict::exit_code(&summary, &Verdict::of(&summary));
    if let Some(why) = &incomplete {
        say_line(&format!("sclients: {why}"));
    }
    Ok(match code {
        _ if !written => ExitCode::Internal,
        ExitCode::Success | ExitCode::NotAsExpected if incomplete.is_some() => ExitCode::Invalid,
        code => code,
    })
}

/// Conducts `plan` to its end as one of a series: the summary is the caller's, and nothing is printed.
///
/// # Errors
/// As [`run`].
pub fn trial(plan: Plan) -> Result<Summary, SupervisorError> {
    conducted(plan, |_| String::new(), Keep::Nowhere).map(|conducted| conducted.summary)
}

/// Where a run is kept.
#[derive(Debug)]
pub enum Keep<'a> {
    /// It is not.
    Nowhere,
    /// In this new folder.
    In(&'a Path),
    /// Where it was: its supervisor died, and it is taken up.
    On(Box<Interrupted>),
}

/// The journal of a run, and the run that is taken up.
fn kept(
    keep: Keep<'_>,
    plan: &Plan,
) -> Result<(Option<Journal>, Option<PastRun>), SupervisorError> {
    match keep {
        Keep::Nowhere => Ok((None, None)),
        Keep::In(path) => {
            let journal = Journal::create(path, plan);
            Ok((Some(journal.map_err(|error| SupervisorError::Keep("--out", error))?), None))
        }
        Keep::On(interrupted) => {
            let Interrupted { folder, lock, read, fold, course, at, wall, .. } = *interrupted;
            let journal = Journal::go_on(folder, lock, read.run, read.end, plan);
            let journal = journal.map_err(|error| SupervisorError::Keep("--resume", error))?;
            let start = Instant::from_nanos(course.clock.0);
            let past = Past { start, crews: course.crews.clone(), at, wall };
            Ok((Some(journal), Some(PastRun { past, fold, course })))
        }
    }
}

/// A run that was conducted to its end.
struct Conducted {
    summary: Summary,
    /// Whether what was told of it could be written to standard output.
    written: bool,
    /// Why its journal is not complete.
    incomplete: Option<String>,
}

fn conducted(
    mut plan: Plan,
    told: fn(&Summary) -> String,
    keep: Keep<'_>,
) -> Result<Conducted, SupervisorError> {
    let begun = Instant::now();
    let signals = signals()?;
    let named = named(&plan, &keep)?;
    let reserved = reserve(&mut plan)?;
    let (journal, past) = kept(keep, &plan)?;
    let mut children = Children::new(Executable::open().map_err(system("own executable"))?);
    start_children(&mut children, &plan, past.as_ref())?;
    let (printer, printed) = Printer::start().map_err(start("the printer's thread"))?;
    let conductor = Conductor::for_run(plan.clone(), told, begun);
    let tape = Tape::new(journal, begun);
    let watch = Watch::start(named).map_err(start("the watching thread"))?;
    let mut context = context(children, conductor, tape, watch, (printer, printed), signals)?;
    past.into_iter().for_each(|past| context.world.take_over(past));
    let outcome = conduct(&mut context);
    drop(reserved);
    let mut world = finish(context, outcome)?;
    let reported = world.reported.take();
    Ok(Conducted {
        summary: reported.unwrap_or_else(|| world.summary(plan, begun)),
        written: !world.conductor.is_unwritten(),
        incomplete: world.tape.incomplete().map(str::to_owned),
    })
}

/// Runs the embedded target alone until a signal, and prints what it saw.
///
/// # Errors
/// What kept it from beginning.
pub fn serve(config: ServeConfig) -> Result<ExitCode, SupervisorError> {
    let begun = Instant::now();
    let signals = signals()?;
    let (reserved, listen) = reserve_to_serve(&config)?;
    let mut children = Children::new(Executable::open().map_err(system("own executable"))?);
    let procs = config.embedded.procs.unwrap_or(1);
    for slot in 0..procs {
        let share = shares::of_server(&config, listen[slot as usize % listen.len()], slot);
        spawn(&mut children, Role::Target, (slot, 0), Command::Serve(share))?;
    }
    let (printer, printed) = Printer::start().map_err(start("the printer's thread"))?;
    let conductor = Conductor::for_serving(config, listen, begun);
    let tape = Tape::new(None, begun);
    let watch = Watch::start(Vec::new()).map_err(start("the watching thread"))?;
    let mut context = context(children, conductor, tape, watch, (printer, printed), signals)?;
    let outcome = conduct(&mut context);
    drop(reserved);
    let world = finish(context, outcome)?;
    Ok(match world.children.deaths().next() {
        _ if world.conductor.is_unwritten() => ExitCode::Internal,
        Some(_) => ExitCode::Invalid,
        None => ExitCode::Success,
    })
}

/// The processes that are to be watched. Of a run that is taken up they are those of before, dead or alive.
fn named(plan: &Plan, keep: &Keep<'_>) -> Result<Vec<Watched>, SupervisorError> {
    match keep {
        Keep::On(interrupted) if !interrupted.course.watched.is_empty() => {
            Ok(interrupted.course.watched.clone())
        }
        _ => watch::named(&plan.config.watch_pids).map_err(SupervisorError::Watch),
    }
}

/// Holds the embedded target's ports from before the first child: one for each process, so that the
/// workers of neighbouring connections meet in one process (half the context switches of a common
/// port at a million connections); a port that was asked for is shared by all.
fn reserve(plan: &mut Plan) -> Result<Vec<OwnedFd>, SupervisorError> {
    let listen = plan.config.embedded.listen;
    let ports = if listen.port() == 0 { plan.targets } else { plan.targets.min(1) };
    let (reserved, listening) = hold((0..ports).map(|_| Ok(listen)))?;
    if ports > 0 {
        let reached = plan.peers[0].ip();
        plan.peers = listening.iter().map(|at| SocketAddr::new(reached, at.port())).collect();
    }
    Ok(reserved)
}

/// The ports of a target that serves alone, held as above: one that all its processes share, or one
/// for each case.
fn reserve_to_serve(config: &ServeConfig) -> Result<Held, SupervisorError> {
    let first = config.embedded.listen;
    let ports = if config.case_per_port { config.embedded.procs.unwrap_or(1) } else { 1 };
    hold((0..ports).map(|index| {
        let port = if first.port() == 0 { Some(0) } else { first.port().checked_add(index as u16) };
        Ok(SocketAddr::new(first.ip(), port.ok_or(SupervisorError::NoPort(ports, first))?))
    }))
}

/// Sockets that hold ports, and where they are bound.
type Held = (Vec<OwnedFd>, Vec<SocketAddr>);

/// Binds each of `addresses`, where port 0 is one that the kernel chooses.
fn hold(
    addresses: impl Iterator<Item = Result<SocketAddr, SupervisorError>>,
) -> Result<Held, SupervisorError> {
    let held = addresses.map(|address| {
        let listen = address?;
        let failed = |error| SupervisorError::Listen(listen, error);
        let reserved = Acceptor::reserve(listen).map_err(failed)?;
        let bound = bound(&reserved, listen)?;
        Ok((reserved, bound))
    });
    held.collect()
}

fn bound(reserved: &OwnedFd, asked: SocketAddr) -> Result<SocketAddr, SupervisorError> {
    let port = std::net::TcpListener::from(reserved.try_clone().map_err(system("descriptor"))?)
        .local_addr()
        .map_err(system("reserved port"))?
        .port();
    Ok(SocketAddr::new(asked.ip(), port))
}

/// Blocks the signals that are for the supervisor; children and threads inherit that, so it comes
/// before the first of them. A file's limit (SIGXFSZ) and a terminal that is another's (SIGTTOU) are
/// errors of a write then, and no end. A hangup that was ignored stays so: nohup(1).
fn signals() -> Result<Signals, SupervisorError> {
    use Signal::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGTTOU, SIGUSR1, SIGXFSZ};
    let mut ours = vec![SIGINT, SIGTERM, SIGCHLD, SIGUSR1, SIGXFSZ, SIGTTOU];
    if !usage::ignores(SIGHUP as u32) {
        ours.push(SIGHUP);
    }
    Signals::new(&ours).map_err(system("signals"))
}

/// Starts the targets, and the workers, unless those are to follow the ones of an earlier supervisor.
fn start_children(
    children: &mut Children,
    plan: &Plan,
    past: Option<&PastRun>,
) -> Result<(), SupervisorError> {
    let generation = past.map_or(0, |past| Children::next_targets(&past.course.children));
    for slot in 0..plan.targets {
        let share = Command::Serve(shares::of_target(plan, slot));
        spawn(children, Role::Target, (slot, generation), share)?;
    }
    for slot in (0..plan.config.procs).filter(|_| past.is_none()) {
        let share = Command::Work(Box::new(shares::of_worker(plan, slot)));
        spawn(children, Role::Worker, (slot, 0), share)?;
    }
    Ok(())
}

fn spawn(
    children: &mut Children,
    role: Role,
    place: (u32, u32),
    share: Command,
) -> Result<(), SupervisorError> {
    children.spawn(role, place, &share).map_err(start("a process"))
}

fn context(
    children: Children,
    conductor: Conductor,
    tape: Tape,
    watch: Watch,
    (printer, printed): (Printer, Pipe),
    signals: Signals,
) -> Result<Context, SupervisorError> {
    let world = World {
        children,
        fold: Fold::of(conductor.crews.roster().clone()),
        conductor,
        tape,
        reported: None,
        earlier: SupervisorUse::default(),
        opened: None,
        printer,
        loop_gap: Histogram::default(),
        host: HostWatch::default(),
        watch,
    };
    let mut context = Context::new(world).map_err(system("event loop"))?;
    attach(&mut context, printed, signals).map_err(system("event loop"))?;
    Ok(context)
}

/// Puts signals, pipes and the printer into the loop.
fn attach(context: &mut Context, printed: Pipe, signals: Signals) -> io::Result<()> {
    context.insert(Handler::boxed(
        signals,
        |signals: &mut Signals, context: &mut Context, _event| {
            while let Some(signal) = signals.next_signal()? {
                signalled(context, signal);
            }
            Ok(())
        },
    ))?;
    context.insert(Handler::boxed(
        printed,
        |printed: &mut Pipe, context: &mut Context, _event| {
            loop {
                match printed.read(&mut [0; 16])? {
                    Some(0) => {
                        context.world.conductor.printed();
                        return Ok(());
                    }
                    Some(_) => context.world.conductor.unwritten(),
                    None => return Ok(()),
                }
            }
        },
    ))?;
    children::watch_pipes(context)
}

fn signalled(context: &mut Context, signal: Signal) {
    let World { children, conductor, .. } = &mut context.world;
    match signal {
        Signal::SIGCHLD => children.reap(conductor.now()),
        Signal::SIGUSR1 => conductor::show_all(&context.world),
        Signal::SIGXFSZ | Signal::SIGTTOU => {}
        _ => conductor.signalled(signal),
    }
}

/// Iterates until the conductor is done.
fn conduct(context: &mut Context) -> Result<(), SupervisorError> {
    let mut vars = DispatchVars::new(());
    vars.timeout = Some(TICK);
    vars.after_dispatch = Callback::new(|context: &mut Context, _vars| {
        let flow = conductor::turn(context);
        let gap = Instant::now().nanos_since(context.now());
        context.world.loop_gap.record(gap);
        flow
    });
    iterate(context, &mut vars).map_err(system("event loop"))
}

/// Ends all children, whatever happened.
fn finish(
    context: Context,
    outcome: Result<(), SupervisorError>,
) -> Result<World, SupervisorError> {
    let mut world = context.world;
    world.children.end_all();
    outcome?;
    match world.conductor.failure() {
        Some(_) if world.conductor.is_unwritten() => Err(SupervisorError::Unwritten),
        Some(failure) => Err(SupervisorError::Run(failure)),
        None => Ok(world),
    }
}

impl World {
    /// Takes over what an earlier supervisor of the run knew.
    fn take_over(&mut self, run: PastRun) {
        let PastRun { past, fold, course } = run;
        self.fold = fold;
        self.loop_gap.merge(&course.supervisor.loop_gap);
        self.opened = course.opened;
        let follow = self.conductor.succession.follows();
        self.children.take_over(course.children.clone(), &self.fold, follow);
        self.conductor.take_over(past, &course);
        course.faults.into_iter().for_each(|fault| self.children.note_fault(fault));
        self.tape.take_over(course.trouble);
        self.watch.take_over(&course.watched);
        self.earlier = course.supervisor;
    }

    /// The run as it stands now.
    fn summary(&self, plan: Plan, begun: Instant) -> Summary {
        Summary { plan, fold: self.fold.clone(), course: self.course(begun) }
    }

    /// How it went so far.
    fn course(&self, begun: Instant) -> Course {
        let times = self.conductor.times(Instant::now());
        Course {
            children: self.children.records(&self.fold, self.conductor.start(), |slot| {
                times[self.conductor.crews.of_slot(slot)]
            }),
            started: self.conductor.started(),
            clock: self.conductor.clock(),
            crews: self.conductor.crews.kept(),
            resumed: self.conductor.resumed().to_vec(),
            opened: self.opened.or_else(|| self.children.opened(self.conductor.load())),
            phase_seconds: self.conductor.phase_seconds(&self.fold),
            signal: self.conductor.signal(),
            stopped: self.conductor.stopped_for(),
            failed: self.conductor.failure().map(|why| (why.to_string(), why.exit_code())),
            trouble: self.tape.trouble().to_vec(),
            faults: self.children.faults().to_vec(),
            watched: self.watch.watched().to_vec(),
            host: self.host.strain(),
            supervisor: SupervisorUse {
                cpu_micros: self.earlier.cpu_micros + usage::cpu_micros(),
                rss_peak_bytes: self.earlier.rss_peak_bytes.max(usage::rss_peak_bytes()),
                loop_gap: self.loop_gap.clone(),
                elapsed: self.earlier.elapsed + Instant::now().since(begun),
            },
            so_far: self.conductor.measured_unsaid(&self.fold),
            cut: None,
        }
    }

    /// What the target saw, when it was served alone.
    fn served(&self, config: &ServeConfig) -> String {
        report::served(&self.fold, &self.children.deaths().collect::<Vec<_>>(), config.format)
    }
}
