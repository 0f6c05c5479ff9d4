//! What comes next in a run, and when.

use super::children::tell;
use super::error_share::{self, ErrorShare};
use super::printer::View;
use super::slot::State;
use super::spawn::Role;
use super::{Context, World};
use crate::config::ServeConfig;
use crate::exit::ExitCode;
use crate::fold::Fold;
use crate::host::Reading;
use crate::plan::Plan;
use crate::report;
use crate::summary::Summary;
use dispatch::{Instant, Signal};
use stats::{Outcome, Phase};
use std::fmt;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use wire::Command;

/// Workers learn of the start instant this long before it.
const START_AHEAD: Duration = Duration::from_millis(100);
/// And of the end of the open phase this long before load begins.
const LOAD_AHEAD: Duration = Duration::from_millis(20);
/// A child that is not ready by then never will be.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// When every attempt of all workers was refused for so long, nobody is there.
const REFUSED_FOR: Duration = Duration::from_millis(900);
/// Targets have this long for their last report.
const CLOSE_WITHIN: Duration = Duration::from_secs(20);
/// Children have this long to go after their release before they are killed.
const LEAVE_WITHIN: Duration = Duration::from_secs(30);
/// After the drain that a signal allows, a last report may take this long.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(1);
/// The share of failures is looked at this often.
const SECOND: Duration = Duration::from_secs(1);
/// Between live lines.
const LIVE_EVERY: Duration = Duration::from_millis(500);

/// Why a run ended without a summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A child said why it cannot begin.
    Child(String),
    /// A child never got ready.
    NotReady,
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
            Self::NotReady => ExitCode::Internal,
            Self::Unreachable { .. } => ExitCode::NotAsExpected,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Child(why) => f.write_str(why),
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoppedFor {
    /// Most of what ended failed, off loopback.
    ErrorShare,
}

impl StoppedFor {
    /// The name in reports; stable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ErrorShare => "error_share",
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
    /// The summary is being printed.
    Printing,
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
    begun: Instant,
    start: Option<Instant>,
    load: Option<Instant>,
    stopped: Option<Instant>,
    stopped_for: Option<StoppedFor>,
    error_share: ErrorShare,
    next_second: Instant,
    signals: Vec<Signal>,
    obeyed: usize,
    kill_at: Option<Instant>,
    printed: bool,
    unwritten: bool,
    failure: Option<Failure>,
    next_view: Instant,
    view: report::Progress,
}

impl Conductor {
    pub(super) fn for_run(plan: Plan, told: fn(&Summary) -> String, begun: Instant) -> Self {
        Self::new(Job::Run(Box::new(plan), told), begun)
    }

    pub(super) fn for_serving(
        config: ServeConfig,
        listen: Vec<SocketAddr>,
        begun: Instant,
    ) -> Self {
        Self::new(Job::Serve(Box::new(config), listen), begun)
    }

    fn new(job: Job, begun: Instant) -> Self {
        Self {
            job,
            stage: Stage::Starting,
            begun,
            start: None,
            load: None,
            stopped: None,
            stopped_for: None,
            error_share: ErrorShare::default(),
            next_second: Instant::FAR_FUTURE,
            signals: Vec::new(),
            obeyed: 0,
            kill_at: None,
            printed: false,
            unwritten: false,
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

    /// That by the wall clock, from the Unix epoch.
    pub(super) fn started(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(self.now().since(self.start()))
    }

    pub(super) fn signal(&self) -> Option<Signal> {
        match self.job {
            Job::Run(..) => self.signals.first().copied(),
            Job::Serve(..) => None,
        }
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
        self.signals.push(signal);
    }

    /// Lengths of the phases, as far as they are known.
    pub(super) fn phase_seconds(&self, fold: &Fold) -> [f64; Phase::COUNT] {
        let ended = fold.workers().map(|part| part.ended).max().unwrap_or(self.begun);
        let Job::Run(plan, _) = &self.job else { return [0.0; Phase::COUNT] };
        let measured = fold.workers().filter_map(|part| Some(part.last_words?.measured_nanos));
        let measured = Duration::from_nanos(measured.max().unwrap_or(0));
        let Some(load) = self.load else {
            return [ended.since(self.start()).as_secs_f64(), 0.0, 0.0, 0.0];
        };
        let warmup = plan.config.warmup.min(ended.since(load));
        let drain = ended.since(load + warmup + measured);
        let open = load.since(self.start());
        [open, warmup, measured, drain].map(|phase| phase.as_secs_f64())
    }

    fn move_to(&mut self, stage: Stage) -> ControlFlow<()> {
        self.stage = stage;
        ControlFlow::Continue(())
    }

    fn fail(&mut self, failure: Failure) -> ControlFlow<()> {
        self.failure = Some(failure);
        ControlFlow::Break(())
    }
}

/// One turn: heed signals and failures, show progress, move on if this stage is over.
pub(super) fn turn(context: &mut Context) -> ControlFlow<()> {
    let now = Instant::now();
    if let Some(why) = context.world.children.fatal() {
        let failure = Failure::Child(why.to_owned());
        return context.world.conductor.fail(failure);
    }
    heed_signals(context, now)?;
    heed_error_share(context, now);
    watch_host(&mut context.world, now);
    show_progress(&mut context.world, now);
    match context.world.conductor.stage {
        Stage::Starting => starting(context, now),
        Stage::Opening => opening(context, now),
        Stage::Running => running(context, now),
        Stage::Closing(deadline) => closing(context, now, deadline),
        Stage::Printing => printing(context, now),
        Stage::Leaving(deadline) => leaving(context, now, deadline),
    }
}

fn starting(context: &mut Context, now: Instant) -> ControlFlow<()> {
    let World { children, conductor, .. } = &mut context.world;
    if !(children.all_are(Role::Target, State::Ready)
        && children.all_are(Role::Worker, State::Ready))
    {
        if now > conductor.begun + READY_WITHIN {
            return conductor.fail(Failure::NotReady);
        }
        return ControlFlow::Continue(());
    }
    let start = now + START_AHEAD;
    conductor.start = Some(start);
    // Half a second behind the workers, so that each second's reports are there.
    conductor.next_second = start + SECOND + SECOND / 2;
    if let Job::Serve(config, listen) = &conductor.job {
        listen_notes(config, listen).into_iter().for_each(|note| context.world.printer.note(note));
        tell(context, Role::Target, &Command::Start { at_nanos: start.as_nanos() });
        return context.world.conductor.move_to(Stage::Running);
    }
    tell(context, Role::Target, &Command::Start { at_nanos: start.as_nanos() });
    tell(context, Role::Worker, &Command::Start { at_nanos: start.as_nanos() });
    context.world.conductor.move_to(Stage::Opening)
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
    if !children.all_opened() {
        return ControlFlow::Continue(());
    }
    let load = now + LOAD_AHEAD;
    conductor.load = Some(load);
    tell(context, Role::Worker, &Command::Load { at_nanos: load.as_nanos() });
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
    let World { children, conductor, .. } = &mut context.world;
    let over = match conductor.job {
        Job::Run(..) => children.all_settled(Role::Worker),
        Job::Serve(..) => !conductor.signals.is_empty() || children.all_settled(Role::Target),
    };
    if !over {
        return ControlFlow::Continue(());
    }
    tell(context, Role::Target, &Command::Stop { drain_nanos: 0 });
    context.world.conductor.move_to(Stage::Closing(now + CLOSE_WITHIN))
}

fn closing(context: &mut Context, now: Instant, deadline: Instant) -> ControlFlow<()> {
    if !context.world.children.all_settled(Role::Target) {
        if now > deadline {
            context.world.children.kill(Role::Target);
        }
        return ControlFlow::Continue(());
    }
    let text = match &context.world.conductor.job {
        Job::Run(plan, told) => {
            let summary = context.world.summary((**plan).clone(), context.world.conductor.begun);
            told(&summary)
        }
        Job::Serve(config, _) => context.world.served(config),
    };
    context.world.printer.result(text);
    context.world.conductor.move_to(Stage::Printing)
}

fn printing(context: &mut Context, now: Instant) -> ControlFlow<()> {
    if !context.world.conductor.printed {
        return ControlFlow::Continue(());
    }
    for role in [Role::Worker, Role::Target] {
        tell(context, role, &Command::Release);
    }
    context.world.conductor.move_to(Stage::Leaving(now + LEAVE_WITHIN))
}

fn leaving(context: &mut Context, now: Instant, deadline: Instant) -> ControlFlow<()> {
    let over = context.world.children.all_gone() || now > deadline;
    if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// The first signal ends a run with a drain, the second without one, a third at once and without a
/// report. A target that is served alone ends with the first.
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
            stop_workers(context, now, grace);
        }
        (Job::Run(..), 2) => stop_workers(context, now, Duration::ZERO),
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
    let grace = plan.config.grace;
    while conductor.next_second <= now {
        conductor.next_second = conductor.next_second + SECOND;
    }
    if conductor.error_share.second(&fold.counters()) {
        conductor.stopped_for = Some(StoppedFor::ErrorShare);
        stop_workers(context, now, grace);
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

fn stop_workers(context: &mut Context, now: Instant, drain: Duration) {
    let conductor = &mut context.world.conductor;
    conductor.stopped.get_or_insert(now);
    conductor.kill_at = Some(now + drain + LAST_WORDS_WITHIN);
    tell(context, Role::Worker, &Command::Stop { drain_nanos: drain.as_nanos() as u64 });
}

/// Kills the workers that did not say their last words in time.
fn kill_the_silent(context: &mut Context, now: Instant) {
    let World { children, conductor, .. } = &mut context.world;
    let late = conductor.kill_at.is_some_and(|at| now > at);
    if late && !children.all_settled(Role::Worker) {
        children.kill(Role::Worker);
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
    let line = world.conductor.view.line(&world.fold, phase, elapsed);
    world.printer.progress(line);
}

impl Conductor {
    fn phase(&self, now: Instant) -> Phase {
        let Job::Run(plan, _) = &self.job else { return Phase::Measurement };
        let Some(load) = self.load.filter(|load| now >= *load) else { return Phase::Open };
        let measure = load + plan.config.warmup;
        let end = plan.config.duration.map_or(Instant::FAR_FUTURE, |d| measure + d);
        if self.stopped.is_some() || now >= end {
            Phase::Drain
        } else if now < measure {
            Phase::WarmUp
        } else {
            Phase::Measurement
        }
    }
}
