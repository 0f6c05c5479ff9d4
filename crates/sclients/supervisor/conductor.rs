//! What comes next in a run, and when.

use super::children::{Times, tell};
use super::crews::{self, Crews};
use super::error_share::{self, ErrorShare};
use super::health::{Remedy, SILENT_MAX};
use super::limit_watch::{self, LimitWatch};
use super::past::Past;
use super::printer::{Printer, View};
use super::slot::State;
use super::spawn::Role;
use super::succession::{self, Succession};
use super::tape::Tape;
use super::{Context, TICK, World, tape, ticks, watch};
use crate::config::{Color, Format, OnWorkerDeath, RestartLimit, ServeConfig};
use crate::exit::ExitCode;
use crate::fold::Fold;
use crate::host::Reading;
use crate::plan::Plan;
use crate::report;
use crate::summary::{Course, Resumed, Summary};
use crate::wall;
use dispatch::{Instant, Signal};
use serde::{Deserialize, Serialize};
use stats::{Outcome, Phase};
use std::fmt;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;
use wire::Command;

/// Workers learn of the start instant this long before it.
const START_AHEAD: Duration = Duration::from_millis(100);
/// A child that is not ready by then never will be.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// When every attempt of all workers was refused for so long, nobody is there.
const REFUSED_FOR: Duration = Duration::from_millis(900);
/// Targets have this long for their last report.
const CLOSE_WITHIN: Duration = Duration::from_secs(20);
/// Children have this long to go after their release before they are killed.
const LEAVE_WITHIN: Duration = Duration::from_secs(30);
/// After the drain that a signal allows, a last report may take this long; after a second signal this.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(1);
const LAST_WORDS_AT_ONCE: Duration = Duration::from_millis(400);
/// Targets have this long for their last report after a signal, and after a second one.
const CLOSE_WITHIN_AFTER: [Duration; 2] = [Duration::from_secs(2), Duration::from_millis(200)];
/// From a second signal on, who takes the report, the disk and those that are to go have this long; with a
/// third one no more than the report needs where nothing holds it up.
const OVER_WITHIN_AFTER: [Duration; 2] = [Duration::from_millis(700), Duration::ZERO];
const PRINTED_WITHIN: Duration = Duration::from_millis(200);
/// Whatever the end waits for longer than this is named.
const AWAITED_MAX: Duration = Duration::from_secs(1);
/// The share of failures is looked at this often.
const SECOND: Duration = Duration::from_secs(1);
/// Between live lines.
const LIVE_EVERY: Duration = Duration::from_millis(500);

/// Why a run ended without a summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A child said why it cannot begin.
    Child(String),
    /// A child died before the run began.
    Died(String),
    /// A child never got ready.
    NotReady,
    /// The run had gone for longer than this host is up.
    Clock,
    /// Nobody accepts connections there.
    Unreachable {
        /// Where.
        peer: SocketAddr,
        /// What most attempts were told.
        outcome: Outcome,
        /// How many attempts.
        attempts: u64,
    },
}

impl Failure {
    /// The exit code that belongs to it.
    pub const fn exit_code(&self) -> ExitCode {
        match self {
            Self::Child(_) => ExitCode::Refused,
            Self::Died(_) => ExitCode::Invalid,
            Self::Clock => ExitCode::Refused,
            Self::NotReady => ExitCode::Internal,
            Self::Unreachable { .. } => ExitCode::NotAsExpected,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Child(why) | Self::Died(why) => f.write_str(why),
            Self::Clock => f.write_str(
                "the run had gone for longer than this host is up; wait until it is up for as long",
            ),
            Self::NotReady => {
                write!(f, "a process was not ready within {} s", READY_WITHIN.as_secs())
            }
            Self::Unreachable { peer, outcome, attempts } => write!(
                f,
                "nothing accepts connections at {peer}: {attempts} attempts, {}; is the server up?",
                outcome.name()
            ),
        }
    }
}

/// Why the supervisor ended a run before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoppedFor {
    /// Most of what ended failed, off loopback.
    ErrorShare,
    /// The worker of this slot died, and the run was to end with it.
    WorkerDeath(u32),
    /// The workers of this slot died one after the other as soon as they were ready.
    CrashLoop(u32),
    /// Workers died more often than is allowed.
    Restarts(RestartLimit),
    /// The limit of this index was broken for longer than it allows.
    Limit(u32),
}

impl StoppedFor {
    /// The name in reports; stable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ErrorShare => "error_share",
            Self::WorkerDeath(_) => "worker_death",
            Self::CrashLoop(_) => "crash_loop",
            Self::Restarts(_) => "restart_limit",
            Self::Limit(_) => "limit",
        }
    }
}

impl fmt::Display for StoppedFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ErrorShare => write!(
                f,
                "stopped, since more than half of what ended failed in each of {} seconds and the target is not on loopback",
                error_share::SECONDS
            ),
            Self::WorkerDeath(slot) => write!(f, "stopped, since worker {slot} died"),
            Self::CrashLoop(slot) => write!(
                f,
                "stopped, since worker {slot} died {} times in a row within {} s of being ready",
                succession::CRASHES,
                succession::INFANCY.as_secs()
            ),
            Self::Limit(index) => {
                write!(f, "stopped, since limit {} was broken for too long", index + 1)
            }
            Self::Restarts(limit) => write!(
                f,
                "stopped, since workers died more than {} times in {} (--restart-limit)",
                limit.count,
                humantime::format_duration(limit.within)
            ),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Children are starting.
    Starting,
    /// Workers open their connections.
    Opening,
    /// Workers make load, or a target serves.
    Running,
    /// Targets report for the last time, or are killed then.
    Closing(Instant),
    /// There is no load to make.
    Failed,
    /// The summary is being printed and kept, since then.
    Printing(Instant),
    /// Children tear down and go.
    Leaving(Instant),
}

enum Job {
    /// What to print of the summary.
    Run(Box<Plan>, fn(&Summary) -> String),
    Serve(Box<ServeConfig>, Vec<SocketAddr>),
}

/// The state of the run as a whole.
pub(super) struct Conductor {
    job: Job,
    stage: Stage,
    pub(super) begun: Instant,
    start: Option<Instant>,
    pub(super) crews: Crews,
    stopped: Option<Instant>,
    stopped_for: Option<StoppedFor>,
    /// The run of a supervisor that died, to be taken up when the targets are ready.
    past: Option<Past>,
    /// How often it was taken up.
    resumed: Vec<Resumed>,
    /// When it was started first, by the wall clock.
    first_started: Option<Duration>,
    error_share: ErrorShare,
    pub(super) limits: LimitWatch,
    pub(super) succession: Succession,
    last_turn: Instant,
    next_second: Instant,
    signals: Vec<(Signal, Instant)>,
    obeyed: usize,
    kill_at: Option<Instant>,
    printed: bool,
    unwritten: bool,
    /// What the end waits for was named.
    awaited: bool,
    failure: Option<Failure>,
    next_view: Instant,
    view: report::Progress,
}

impl Conductor {
    pub(super) fn for_run(plan: Plan, told: fn(&Summary) -> String, begun: Instant) -> Self {
        let succession = Succession::new(plan.config.on_worker_death, plan.config.restart_limit);
        Self::new(Job::Run(Box::new(plan), told), succession, begun)
    }

    pub(super) fn for_serving(
        config: ServeConfig,
        listen: Vec<SocketAddr>,
        begun: Instant,
    ) -> Self {
        let nobody = Succession::new(OnWorkerDeath::Continue, RestartLimit::default());
        Self::new(Job::Serve(Box::new(config), listen), nobody, begun)
    }

    fn new(job: Job, succession: Succession, begun: Instant) -> Self {
        let limits = match &job {
            Job::Run(plan, _) => LimitWatch::new(plan),
            Job::Serve(..) => LimitWatch::default(),
        };
        let crews = match &job {
            Job::Run(plan, _) => Crews::of(plan),
            Job::Serve(..) => Crews::default(),
        };
        Self {
            job,
            crews,
            stage: Stage::Starting,
            begun,
            start: None,
            stopped: None,
            stopped_for: None,
            past: None,
            resumed: Vec::new(),
            first_started: None,
            error_share: ErrorShare::default(),
            limits,
            succession,
            last_turn: begun,
            next_second: Instant::FAR_FUTURE,
            signals: Vec::new(),
            obeyed: 0,
            kill_at: None,
            printed: false,
            unwritten: false,
            awaited: false,
            failure: None,
            next_view: begun,
            view: report::Progress::default(),
        }
    }

    pub(super) fn now(&self) -> Instant {
        Instant::now()
    }

    /// The common start instant; before it the program's own start.
    pub(super) fn start(&self) -> Instant {
        self.start.unwrap_or(self.begun)
    }

    /// What is run; none where a target serves alone.
    pub(super) fn plan(&self) -> Option<&Plan> {
        match &self.job {
            Job::Run(plan, _) => Some(plan),
            Job::Serve(..) => None,
        }
    }

    /// When the first load began.
    pub(super) fn load(&self) -> Option<Instant> {
        self.crews.load()
    }

    /// The instants of each crew, `now` being the end of one that goes on.
    pub(super) fn times(&self, now: Instant) -> Vec<Times> {
        match self.job {
            Job::Run(..) => {
                self.crews.times(self.start(), self.stopped.unwrap_or(Instant::FAR_FUTURE).min(now))
            }
            Job::Serve(..) => {
                vec![Times { start: self.start(), load: Instant::FAR_FUTURE, end: now }]
            }
        }
    }

    /// When the load of a crew ends or ended, as far as that is known.
    pub(super) fn end_of_load(&self, crew: usize) -> Instant {
        self.crews.end_of(crew).min(self.stopped.unwrap_or(Instant::FAR_FUTURE))
    }

    /// The last instant at which a worker of `crew` can be started that does something: it needs its part of
    /// the time in which all have opened their connections, or as much where a rate held each of them.
    pub(super) fn last_succession(&self, crew: usize) -> Instant {
        let Job::Run(plan, _) = &self.job else { return Instant::FAR_FUTURE };
        let config = plan.load_of(crew);
        let times = self.crews.times(self.start(), Instant::FAR_FUTURE);
        let opening = self.crews.load_of(crew).map(|load| load.since(times[crew].start));
        let at_once = if config.connect_rate.is_some() { 1 } else { config.procs };
        let opening = opening.unwrap_or(Duration::ZERO) / at_once;
        let end = self.end_of_load(crew);
        if end == Instant::FAR_FUTURE { end } else { end - opening }
    }

    /// Whether `crew` begins no load any more.
    pub(super) fn is_over(&self, crew: usize, now: Instant) -> bool {
        self.is_ending(now) || now >= self.end_of_load(crew)
    }

    /// Whether no load is begun any more.
    pub(super) fn is_ending(&self, now: Instant) -> bool {
        self.stopped.is_some() || self.phase(now) == Phase::Drain
    }

    /// That by the wall clock, from the Unix epoch.
    pub(super) fn started(&self) -> Duration {
        let started = wall::since_epoch().saturating_sub(self.now().since(self.start()));
        self.first_started.unwrap_or(started)
    }

    pub(super) fn signal(&self) -> Option<Signal> {
        match self.job {
            Job::Run(..) => self.signals.first().map(|(signal, _)| *signal),
            Job::Serve(..) => None,
        }
    }

    /// The common start instant and the begin of load, in nanoseconds.
    pub(super) fn clock(&self) -> (u64, Option<u64>) {
        (self.start().as_nanos(), self.load().map(Instant::as_nanos))
    }

    pub(super) fn resumed(&self) -> &[Resumed] {
        &self.resumed
    }

    /// This is the run that `past` tells of, to be taken up when the targets are ready.
    pub(super) fn take_over(&mut self, past: Past, earlier: &Course) {
        self.first_started = Some(earlier.started);
        self.resumed.clone_from(&earlier.resumed);
        self.past = Some(past);
    }

    pub(super) fn stopped_for(&self) -> Option<StoppedFor> {
        self.stopped_for
    }

    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure.clone()
    }

    pub(super) fn printed(&mut self) {
        self.printed = true;
    }

    /// The report could not be written: nobody has it.
    pub(super) fn unwritten(&mut self) {
        self.unwritten = true;
    }

    pub(super) fn is_unwritten(&self) -> bool {
        self.unwritten
    }

    pub(super) fn signalled(&mut self, signal: Signal) {
        self.signals.push((signal, Instant::now()));
    }

    /// When all has to be over, since it was signalled more than once.
    fn over_by(&self) -> Option<Instant> {
        let again = self.signals.iter().skip(1).zip(OVER_WITHIN_AFTER);
        again.map(|((_, at), within)| *at + within).min()
    }

    /// Lengths of the phases, as far as they are known.
    pub(super) fn phase_seconds(&self, fold: &Fold) -> [f64; Phase::COUNT] {
        let ended = fold.workers().map(|part| part.ended).max().unwrap_or(self.begun);
        let Job::Run(plan, _) = &self.job else { return [0.0; Phase::COUNT] };
        let Some((load, measure)) = self.load().zip(self.crews.measured_from()) else {
            return [ended.since(self.start()).as_secs_f64(), 0.0, 0.0, 0.0];
        };
        let said = fold.workers().filter_map(|part| Some(part.last_words?.measured_nanos));
        let measured = match plan.crews.as_slice() {
            [] => Duration::from_nanos(said.max().unwrap_or(0)).max(self.measured_unsaid(fold)),
            // From the first to the last, with what is between them.
            _ => ended.min(self.last_end_of_load()).since(measure),
        };
        let warmup = measure.min(ended).since(load);
        let drain = ended.since(load + warmup + measured);
        let open = load.since(self.start());
        [open, warmup, measured, drain].map(|phase| phase.as_secs_f64())
    }

    /// How much of measurement is reported by workers that did not say how long it was.
    pub(super) fn measured_unsaid(&self, fold: &Fold) -> Duration {
        let reported = fold.unsaid_until().zip(self.crews.measured_from());
        let measured = |(until, from): (Instant, _)| until.min(self.last_end_of_load()).since(from);
        reported.map(measured).unwrap_or_default()
    }

    fn last_end_of_load(&self) -> Instant {
        self.crews.end().min(self.stopped.unwrap_or(Instant::FAR_FUTURE))
    }

    fn move_to(&mut self, stage: Stage) -> ControlFlow<()> {
        self.stage = stage;
        ControlFlow::Continue(())
    }

    fn fail(&mut self, failure: Failure) -> ControlFlow<()> {
        self.failure = Some(failure);
        self.move_to(Stage::Failed)
    }
}

/// One turn: heed signals and failures, show progress, move on if this stage is over.
pub(super) fn turn(context: &mut Context) -> ControlFlow<()> {
    let now = Instant::now();
    heed_signals(context, now)?;
    heed_error_share(context, now);
    heed_deaths(context, now);
    limit_watch::turn(context, now);
    heed_health(context, now);
    watch_host(&mut context.world, now);
    watch_processes(&mut context.world, now);
    show_progress(&mut context.world, now);
    tape::turn(&mut context.world, now);
    match context.world.conductor.stage {
        Stage::Starting => starting(context, now),
        Stage::Opening => opening(context, now),
        Stage::Running => running(context, now),
        Stage::Closing(deadline) => closing(context, now, deadline),
        Stage::Failed => failed(context, now),
        Stage::Printing(since) => printing(context, now, since),
        Stage::Leaving(deadline) => leaving(context, now, deadline),
    }
}

fn starting(context: &mut Context, now: Instant) -> ControlFlow<()> {
    let World { children, conductor, tape, .. } = &mut context.world;
    if let Some(failure) = children.stillborn().filter(|_| conductor.stopped.is_none()) {
        return conductor.fail(failure);
    }
    if !(children.all_are(Role::Target, State::Ready)
        && children.all_are(Role::Worker, State::Ready))
    {
        if now > conductor.begun + READY_WITHIN {
            return conductor.fail(Failure::NotReady);
        }
        return ControlFlow::Continue(());
    }
    if let Some(past) = conductor.past.take() {
        return take_up(context, &past, now);
    }
    let start = now + START_AHEAD;
    conductor.start = Some(start);
    tape.align(start, start);
    // Half a second behind the workers, so that each second's reports are there.
    conductor.next_second = start + SECOND + SECOND / 2;
    if let Job::Serve(config, listen) = &conductor.job {
        listen_notes(config, listen).into_iter().for_each(|note| context.world.printer.note(note));
        start_targets(context, start);
        return context.world.conductor.move_to(Stage::Running);
    }
    start_targets(context, start);
    crews::start(context, start);
    context.world.conductor.move_to(Stage::Opening)
}

/// Goes on with the run of a supervisor that died: its clock stood still since, and its workers are followed
/// as any that die.
fn take_up(context: &mut Context, past: &Past, now: Instant) -> ControlFlow<()> {
    let World { children, conductor, fold, tape, .. } = &mut context.world;
    let Some(start) = past.moved(past.start, now) else {
        return conductor.fail(Failure::Clock);
    };
    fold.shift(past.shift(now));
    conductor.start = Some(start);
    conductor.crews.take_over(&past.crews, |nanos| past.moved(Instant::from_nanos(nanos), now));
    conductor.crews.begin_with(start);
    tape.align(start, now);
    conductor.next_second = now + SECOND + SECOND / 2;
    let gap = past.gap();
    conductor.resumed.push(Resumed { after: now.since(start), gap });
    let ending = conductor.is_ending(now);
    children.follow(now, gap, &conductor.crews, ending);
    let loaded = conductor.load().is_some();
    start_targets(context, now);
    context.world.conductor.move_to(if loaded { Stage::Running } else { Stage::Opening })
}

fn start_targets(context: &mut Context, at: Instant) {
    let (at_nanos, run_nanos) = (at.as_nanos(), context.world.conductor.start().as_nanos());
    tell(context, Role::Target, &Command::Start { at_nanos, run_nanos });
}

/// Where a target that serves alone listens.
fn listen_notes(config: &ServeConfig, listen: &[SocketAddr]) -> Vec<String> {
    if let (true, Some(hostile)) = (config.case_per_port, &config.embedded.hostile) {
        let pairs = listen.iter().zip(&hostile.cases);
        return pairs.map(|(at, case)| format!("listening at {at}: {}", case.name)).collect();
    }
    let procs = config.embedded.procs.unwrap_or(1);
    let processes = if procs == 1 { "process" } else { "processes" };
    vec![format!("listening at {} ({procs} {processes})", listen[0])]
}

fn opening(context: &mut Context, now: Instant) -> ControlFlow<()> {
    let World { children, conductor, fold, .. } = &mut context.world;
    if children.all_settled(Role::Worker) {
        return conductor.move_to(Stage::Running);
    }
    if let Some(failure) = unreachable(conductor, fold, now) {
        return conductor.fail(failure);
    }
    if !crews::first_loads(context, now) {
        return ControlFlow::Continue(());
    }
    context.world.conductor.move_to(Stage::Running)
}

/// Nobody is there: for a while now every attempt was refused or found no way.
fn unreachable(conductor: &Conductor, fold: &Fold, now: Instant) -> Option<Failure> {
    let Job::Run(plan, _) = &conductor.job else { return None };
    if now.since(conductor.start()) < REFUSED_FOR || fold.established() > 0 {
        return None;
    }
    let counters = fold.counters();
    let outcomes = [Outcome::ConnectRefused, Outcome::ConnectUnreachable];
    let failed = |outcome: Outcome| counters.connections_failed[outcome as usize];
    let attempts: u64 = outcomes.iter().map(|outcome| failed(*outcome)).sum();
    let outcome = outcomes.into_iter().max_by_key(|outcome| failed(*outcome))?;
    let all = attempts == counters.connections_failed();
    (attempts > 0 && all).then_some(Failure::Unreachable { peer: plan.peers[0], outcome, attempts })
}

fn running(context: &mut Context, now: Instant) -> ControlFlow<()> {
    if !context.world.conductor.is_ending(now) {
        crews::turn(context, now);
    }
    let World { children, conductor, .. } = &mut context.world;
    let over = match conductor.job {
        Job::Run(..) => children.all_settled(Role::Worker),
        Job::Serve(..) => !conductor.signals.is_empty() || children.all_settled(Role::Target),
    };
    if !over {
        return ControlFlow::Continue(());
    }
    if let Job::Run(plan, _) = &conductor.job {
        let plan = plan.clone();
        ticks::settle_all(&mut context.world, &plan, now);
    }
    tell(context, Role::Target, &Command::Stop { drain_nanos: 0 });
    context.world.children.wake(Role::Target);
    context.world.conductor.move_to(Stage::Closing(now + CLOSE_WITHIN))
}

fn closing(context: &mut Context, now: Instant, deadline: Instant) -> ControlFlow<()> {
    let hurry = match (&context.world.conductor.job, context.world.conductor.signals.len()) {
        (Job::Serve(..), _) | (_, 0) => CLOSE_WITHIN,
        (_, 1) => CLOSE_WITHIN_AFTER[0],
        _ => CLOSE_WITHIN_AFTER[1],
    };
    let deadline = deadline - CLOSE_WITHIN + hurry;
    if !context.world.children.all_settled(Role::Target) {
        if now > deadline {
            context.world.children.kill(Role::Target, "it did not end in time");
        }
        return ControlFlow::Continue(());
    }
    let text = match &context.world.conductor.job {
        Job::Run(plan, told) => {
            let (plan, told) = (plan.clone(), *told);
            let summary = tape::close(&mut context.world, &plan, now);
            let text = told(&summary);
            context.world.reported = Some(summary);
            text
        }
        Job::Serve(config, _) => context.world.served(config),
    };
    context.world.printer.result(text);
    context.world.conductor.move_to(Stage::Printing(now))
}

/// A run that could not make load has a journal too. A program that reads JSON gets its object also where
/// nobody accepted a connection: what was counted, and the line for people as the verdict's first reason.
fn failed(context: &mut Context, now: Instant) -> ControlFlow<()> {
    let Job::Run(plan, told) = &context.world.conductor.job else { return ControlFlow::Break(()) };
    let (plan, told) = (plan.clone(), *told);
    let summary = tape::close(&mut context.world, &plan, now);
    let World { children, conductor, printer, .. } = &mut context.world;
    for role in [Role::Worker, Role::Target] {
        children.kill(role, "at the end");
    }
    let unreachable = matches!(conductor.failure, Some(Failure::Unreachable { .. }));
    if unreachable && plan.config.format == Format::Json {
        printer.result(told(&summary));
    } else {
        conductor.printed();
    }
    conductor.move_to(Stage::Printing(now))
}

/// Waits until the report is taken and kept; after a second signal no longer than it should take.
fn printing(context: &mut Context, now: Instant, since: Instant) -> ControlFlow<()> {
    let World { conductor, tape, printer, .. } = &mut context.world;
    if !conductor.printed || !tape.is_closed() {
        let late = |by: Instant| now > by.max(since + PRINTED_WITHIN);
        if !conductor.over_by().is_some_and(late) {
            name_what_is_awaited(conductor, tape, printer, now.since(since));
            return ControlFlow::Continue(());
        }
        if !conductor.printed {
            conductor.unwritten();
            printer.note("sclients: the report cannot be written: nobody takes it".to_owned());
        }
        tape.give_up();
    }
    for role in [Role::Worker, Role::Target] {
        tell(context, role, &Command::Release);
    }
    context.world.conductor.move_to(Stage::Leaving(now + LEAVE_WITHIN))
}

/// Says once why the end takes long.
fn name_what_is_awaited(
    conductor: &mut Conductor,
    tape: &Tape,
    printer: &Printer,
    waited: Duration,
) {
    if waited <= AWAITED_MAX || std::mem::replace(&mut conductor.awaited, true) {
        return;
    }
    let what = if tape.is_closed() { "whoever reads the report" } else { "the journal's disk" };
    let end = if conductor.signals.is_empty() { "Ctrl-C twice ends" } else { "Ctrl-C ends" };
    printer.note(format!("sclients: waiting for {what}; {end} the run without"));
}

/// Who is stopped does not hear that it may go, and has nothing more to say.
fn leaving(context: &mut Context, now: Instant, deadline: Instant) -> ControlFlow<()> {
    context.world.children.kill_stopped();
    let deadline = context.world.conductor.over_by().map_or(deadline, |by| by.min(deadline));
    let over = context.world.children.all_gone() || now > deadline;
    if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// The first signal ends a run with a drain, the second without one, the third by killing its processes;
/// each with a report of what is known. A fourth ends without. A target that is served alone ends with
/// the first.
fn heed_signals(context: &mut Context, now: Instant) -> ControlFlow<()> {
    let conductor = &mut context.world.conductor;
    let seen = conductor.signals.len();
    if std::mem::replace(&mut conductor.obeyed, seen) == seen {
        kill_the_silent(context, now);
        return ControlFlow::Continue(());
    }
    match (&conductor.job, seen) {
        (Job::Run(plan, _), 1) => {
            let grace = plan.config.grace;
            stop_workers(context, now, grace, LAST_WORDS_WITHIN);
        }
        (Job::Run(..), 2) => stop_workers(context, now, Duration::ZERO, LAST_WORDS_AT_ONCE),
        (Job::Run(..), 3) => {
            context.world.children.kill(Role::Worker, "after a third signal");
            context.world.children.kill(Role::Target, "after a third signal");
        }
        (Job::Serve(..), 1) => {}
        _ => return ControlFlow::Break(()),
    }
    ControlFlow::Continue(())
}

/// Off loopback a run ends as by a signal when most of it fails.
fn heed_error_share(context: &mut Context, now: Instant) {
    let World { conductor, fold, .. } = &mut context.world;
    let Job::Run(plan, _) = &conductor.job else { return };
    let loading = matches!(conductor.stage, Stage::Opening | Stage::Running);
    let ending = conductor.stopped.is_some() || conductor.phase(now) == Phase::Drain;
    let watched = plan.authorization.is_some() && loading && !ending;
    if !watched || now < conductor.next_second {
        return;
    }
    while conductor.next_second <= now {
        conductor.next_second = conductor.next_second + SECOND;
    }
    if conductor.error_share.second(&fold.counters()) {
        stop_for(context, now, StoppedFor::ErrorShare);
    }
}

/// Ends the run before its time, as by a signal.
pub(super) fn stop_for(context: &mut Context, now: Instant, why: StoppedFor) {
    let conductor = &mut context.world.conductor;
    let Job::Run(plan, _) = &conductor.job else { return };
    let grace = plan.config.grace;
    conductor.stopped_for.get_or_insert(why);
    stop_workers(context, now, grace, LAST_WORDS_WITHIN);
}

/// Answers the deaths of workers while there is load to make, and tells of targets that died.
fn heed_deaths(context: &mut Context, now: Instant) {
    if !matches!(context.world.conductor.stage, Stage::Printing(_) | Stage::Leaving(_)) {
        succession::mourn_targets(&mut context.world);
    }
    if matches!(context.world.conductor.stage, Stage::Opening | Stage::Running) {
        succession::turn(context, now);
    }
}

/// Ends the workers that hang, and lets those go on at the end of load that somebody stopped. A
/// supervisor that was stopped itself heard nothing meanwhile, which is no worker's fault.
fn heed_health(context: &mut Context, now: Instant) {
    let World { children, conductor, printer, .. } = &mut context.world;
    let awake = now.since(conductor.last_turn).min(TICK + TICK);
    conductor.last_turn = now;
    if !matches!(conductor.stage, Stage::Opening | Stage::Running) {
        return;
    }
    if conductor.is_ending(now) {
        children.wake(Role::Worker);
    }
    for child in children.living_workers() {
        match child.health.wait(awake) {
            Some(Remedy::Abort) => {
                let who = child.name();
                printer.note(format!("{who} hangs: silent for {} s", SILENT_MAX.as_secs()));
                child.abort("silent for too long");
            }
            Some(Remedy::Kill) => child.kill("silent for too long"),
            None => {}
        }
    }
}

/// Reads how the host fares: before the start, once a second of measurement, and at its end.
fn watch_host(world: &mut World, now: Instant) {
    let World { conductor, host, .. } = world;
    let Job::Run(..) = conductor.job else { return };
    let early = conductor.start.is_none_or(|start| now < start);
    if early && host.baseline_is_due(now) {
        host.add_baseline(Reading::take(Path::new("/")), now);
    }
    let running = conductor.stage == Stage::Running;
    let measuring = running && conductor.phase(now) == Phase::Measurement;
    if host.is_due(measuring, now) {
        host.add(Reading::take(Path::new("/")), measuring, now);
    }
}

/// Has the processes of the run read once a second of measurement.
fn watch_processes(world: &mut World, now: Instant) {
    let conductor = &world.conductor;
    let running = conductor.stage == Stage::Running && conductor.stopped.is_none();
    let measuring =
        running && conductor.plan().is_some() && conductor.phase(now) == Phase::Measurement;
    watch::turn(world, measuring, now);
}

/// Tells the workers to stop, and those to go on that somebody has stopped.
fn stop_workers(context: &mut Context, now: Instant, drain: Duration, words: Duration) {
    let World { children, conductor, .. } = &mut context.world;
    conductor.stopped.get_or_insert(now);
    conductor.kill_at = Some(now + drain + words);
    succession::give_up(children);
    children.wake(Role::Worker);
    tell(context, Role::Worker, &Command::Stop { drain_nanos: drain.as_nanos() as u64 });
}

/// Kills the workers that did not say their last words in time.
fn kill_the_silent(context: &mut Context, now: Instant) {
    let World { children, conductor, .. } = &mut context.world;
    let late = conductor.kill_at.is_some_and(|at| now > at);
    if late && !children.all_settled(Role::Worker) {
        children.kill(Role::Worker, "it did not end in time");
        conductor.kill_at = None;
    }
}

fn show_progress(world: &mut World, now: Instant) {
    let Job::Run(plan, _) = &world.conductor.job else { return };
    let loading = matches!(world.conductor.stage, Stage::Opening | Stage::Running);
    if now < world.conductor.next_view || !loading {
        return;
    }
    let every = match world.printer.view {
        View::Live => LIVE_EVERY,
        View::Lines => plan.config.progress,
    };
    let first = world.conductor.next_view == world.conductor.begun;
    world.conductor.next_view = now + every;
    if first && world.printer.view == View::Lines {
        return;
    }
    let phase = world.conductor.phase(now);
    let elapsed = now.since(world.conductor.start());
    let lost = world.children.lost_live(&world.fold);
    let mut line = world.conductor.view.line(&world.fold, lost, phase, elapsed);
    world.children.stopped().for_each(|who| line.push_str(&format!(" · {who} stopped")));
    world.printer.progress(line);
}

/// The report as it would be now, for people, on standard error; the run goes on.
pub(super) fn show_all(world: &World) {
    let text = match &world.conductor.job {
        Job::Serve(config, _) => world.served(config),
        Job::Run(..) if world.conductor.start.is_none() => return,
        Job::Run(plan, _) => {
            let elapsed = Instant::now().since(world.conductor.start());
            let mut plan = plan.clone();
            // Standard error may be a file where standard output is a terminal.
            plan.config.color = Color::Never;
            let (fold, course) = (world.fold.clone(), world.course(world.conductor.begun));
            let summary = Summary { plan: *plan, fold, course }.going_on();
            report::so_far(&summary, elapsed)
        }
    };
    world.printer.note(text.trim_end().to_owned());
}

impl Conductor {
    fn phase(&self, now: Instant) -> Phase {
        if let Job::Serve(..) = self.job {
            return Phase::Measurement;
        }
        if self.load().is_none_or(|load| now < load) {
            Phase::Open
        } else if self.stopped.is_some() || now >= self.crews.end() {
            Phase::Drain
        } else if self.crews.measures(now) {
            Phase::Measurement
        } else {
            Phase::WarmUp
        }
    }
}
