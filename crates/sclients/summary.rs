//! A run as it ended: the fold, and what the supervisor saw beside it.

use crate::config::Load;
use crate::exit::ExitCode;
use crate::fold::{Fold, Part, Who};
use crate::host::HostStrain;
use crate::kept;
use crate::plan::Plan;
use crate::profile::Arrivals;
use crate::supervisor::{Exit, Role, StoppedFor};
use dispatch::{Instant, Signal};
use serde::{Deserialize, Serialize};
use stats::{
    ArrivalChecks, Counter, Counters, Gauges, Histogram, Latency, NotSent, Outcome, Phase, Times,
};
use std::time::Duration;
use wire::Final;

/// A run as it ended.
#[derive(Clone, Debug)]
pub struct Summary {
    /// What was to be done.
    pub plan: Plan,
    /// All that was reported.
    pub fold: Fold,
    /// How it went.
    pub course: Course,
}

/// How a run went, as the supervisor saw it beside what was reported.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Course {
    /// Every child, targets first.
    pub children: Vec<ChildRecord>,
    /// The common start instant by the wall clock, from the Unix epoch.
    pub started: Duration,
    /// The common start instant and the begin of load by the monotonic clock, in nanoseconds.
    pub clock: (u64, Option<u64>),
    /// When each phase began by the same clock, and its load; of a run without phases the only one.
    #[serde(default)]
    pub crews: Vec<(Option<u64>, Option<u64>)>,
    /// How often it was taken up after its supervisor had died.
    pub resumed: Vec<Resumed>,
    /// First connect and last establishment over all workers, where there was one.
    #[serde(with = "kept::instants")]
    pub opened: Option<(Instant, Instant)>,
    /// Lengths of the phases, by [`Phase`].
    pub phase_seconds: [f64; Phase::COUNT],
    /// The signal that ended the run early.
    #[serde(with = "kept::maybe_signal")]
    pub signal: Option<Signal>,
    /// Why the supervisor ended the run early, by itself.
    pub stopped: Option<StoppedFor>,
    /// Why it ended without having made load, and with which exit code.
    pub failed: Option<(String, ExitCode)>,
    /// When the journal's disk did not do what it should, in words.
    pub trouble: Vec<String>,
    /// Reports whose ledger did not balance, or that could not be read.
    pub faults: Vec<String>,
    /// Processes that were watched by name of their numbers, in the order of the options.
    #[serde(default)]
    pub watched: Vec<Watched>,
    /// How the host fared in measurement.
    pub host: HostStrain,
    /// The supervisor itself.
    pub supervisor: SupervisorUse,
    /// How much of measurement was reported by workers that did not say how long it was, or not yet.
    #[serde(default)]
    pub so_far: Duration,
    /// Why this is not all of the run; none where it is.
    #[serde(skip)]
    pub cut: Option<Cut>,
}

/// A process of this host that the user wants to be watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// Its number.
    pub pid: i32,
    /// Its name, as its kernel has it, without control characters.
    pub name: String,
    /// When it was started: another process may have its number later.
    pub started_ticks: u64,
    /// When it was found ended, from the common start instant.
    pub ended: Option<Duration>,
}

impl Watched {
    /// That it ended, in words.
    pub fn obituary(&self, after: Duration) -> String {
        let Self { pid, name, .. } = self;
        format!("watched process {pid} ({name}) ended {:.1} s into the run", after.as_secs_f64())
    }
}

/// A run that was taken up after its supervisor had died.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Resumed {
    /// When the last thing was written that the dead one knew, from the common start instant.
    pub after: Duration,
    /// From there until the run was taken up, by the wall clock. The run's own clock stood still.
    pub gap: Duration,
}

/// Why a summary is not of a whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It is going on.
    GoingOn,
    /// Its supervisor died, or its disk did not take its end: whatever was live at its last entry is lost.
    Died,
}

/// One child.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChildRecord {
    /// Worker or target.
    pub role: Role,
    /// Its slot.
    pub slot: u32,
    /// How often the slot was filled before.
    pub generation: u32,
    /// Its process.
    pub pid: i32,
    /// How it ended, if it did before the summary.
    pub exit: Option<Exit>,
    /// If it died: when, from the start of the run, and what nobody knows of it.
    pub death: Option<Death>,
    /// For how long signals had stopped it.
    pub stopped: Duration,
}

impl ChildRecord {
    /// A worker of whom nothing is known.
    pub const fn unheard(slot: u32) -> Self {
        Self {
            role: Role::Worker,
            slot,
            generation: 0,
            pid: 0,
            exit: None,
            death: None,
            stopped: Duration::ZERO,
        }
    }
}

/// A child's death.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Death {
    /// From the common start instant.
    pub after: Duration,
    /// From its last report to its death: what happened then is not known.
    pub unknown: Duration,
    /// From its death to the next load in its slot, or to the end of load.
    pub gap: Duration,
    /// From its death to the start of its successor, if it has one.
    pub replaced_after: Option<Duration>,
    /// What is known of it beside the exit status.
    pub why: Option<String>,
    /// It died with its supervisor.
    pub with_supervisor: bool,
}

/// What the supervisor used.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SupervisorUse {
    /// Processor time, in microseconds.
    pub cpu_micros: u64,
    /// The largest resident set, in bytes.
    pub rss_peak_bytes: u64,
    /// Turns of its loop, from the end of a wait to the next wait.
    #[serde(skip)]
    pub loop_gap: Histogram,
    /// From its start to the summary.
    pub elapsed: Duration,
}

/// What is lost with dead workers, as of their last reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Connections that were live.
    pub connections: u64,
    /// Attempts that were pending; they stay so, since nobody saw their ends.
    pub attempts: u64,
    /// Requests that were in flight.
    pub requests: u64,
    /// Requests that waited for a connection.
    pub queued: u64,
    /// Time of which nothing is known, over all dead workers.
    pub unknown: Duration,
}

impl Summary {
    /// Each phase by its name, as a run of its own; none in a run without phases.
    pub fn phases(&self) -> Vec<(String, Self)> {
        let named = self.plan.crews.iter().enumerate();
        named.map(|(index, crew)| (crew.name.clone(), self.phase(index))).collect()
    }

    /// The phase of crew number `crew`, as a run of its own.
    pub fn phase(&self, crew: usize) -> Self {
        let slots = self.plan.slots_of(crew);
        let theirs =
            |child: &&ChildRecord| child.role == Role::Worker && slots.contains(&child.slot);
        let (begun, load) = self.course.crews.get(crew).copied().unwrap_or_default();
        let mut course = Course {
            children: self.course.children.iter().filter(theirs).cloned().collect(),
            crews: vec![(begun, load)],
            ..self.course.clone()
        };
        let plan = self.plan.alone(crew);
        let fold = self.fold.of_crew(crew);
        let measure = load.map(|load| Instant::from_nanos(load) + plan.config.warmup);
        let unsaid = fold.unsaid_until().zip(measure);
        let length = unsaid.map(|(until, from)| until.since(from)).unwrap_or_default();
        course.so_far = plan.config.duration.map_or(length, |duration| duration.min(length));
        Self { plan, fold, course }
    }

    /// The same of a run that goes on.
    #[must_use]
    pub fn going_on(mut self) -> Self {
        self.course.cut = Some(Cut::GoingOn);
        self
    }

    /// How long there was load by the last reports, and how long there is to be where that is known.
    pub fn progress(&self) -> (Duration, Option<Duration>) {
        let reported = self.fold.workers().map(|part| part.ended).max();
        let load = self.course.clock.1.map(Instant::from_nanos);
        let loaded = reported.zip(load).map(|(reported, load)| reported.since(load));
        let all = self.plan.load_length();
        let loaded = loaded.unwrap_or_default();
        (all.map_or(loaded, |all| all.min(loaded)), all)
    }

    /// When a phase began to open its connections; when its load began.
    pub fn begun(&self) -> Option<u64> {
        self.course.crews.first()?.0
    }

    /// When the load of a phase began.
    pub fn loaded(&self) -> Option<u64> {
        self.course.crews.first()?.1
    }

    /// An instant in nanoseconds, as seconds from the common start.
    pub fn after_start(&self, nanos: Option<u64>) -> Option<f64> {
        nanos.map(|nanos| nanos.saturating_sub(self.course.clock.0) as f64 / 1e9)
    }

    /// Counters of all workers.
    pub fn counters(&self) -> Counters {
        self.fold.counters()
    }

    /// Attempts of a schedule that nobody accepted in their time; and those that failed otherwise, by
    /// class.
    pub fn attempts_failed(&self) -> (u64, [u64; Outcome::COUNT]) {
        let mut failed = self.counters().connections_failed;
        (std::mem::take(&mut failed[Outcome::ConnectTimeout as usize]), failed)
    }

    /// Workers, by slot.
    pub fn workers(&self) -> impl Iterator<Item = &ChildRecord> {
        self.course.children.iter().filter(|child| child.role == Role::Worker)
    }

    /// Children that died.
    pub fn deaths(&self) -> impl Iterator<Item = (&ChildRecord, &Death)> {
        self.course.children.iter().filter_map(|child| Some((child, child.death.as_ref()?)))
    }

    /// What is lost with dead workers.
    pub fn lost(&self) -> Lost {
        let mut lost = Lost::default();
        if self.course.cut == Some(Cut::Died) {
            let Gauges { live, pending, in_flight, queued, .. } = self.fold.gauges();
            (lost.connections, lost.attempts) = (live, pending);
            (lost.requests, lost.queued) = (in_flight, queued);
            return lost;
        }
        for (child, death) in self.deaths().filter(|(child, _)| child.role == Role::Worker) {
            lost.unknown += death.unknown;
            if let Some(part) = self.part(child) {
                lost.connections += part.gauges.live;
                lost.attempts += part.gauges.pending;
                lost.requests += part.gauges.in_flight;
                lost.queued += part.gauges.queued;
            }
        }
        lost
    }

    /// What `child` reported.
    pub fn part(&self, child: &ChildRecord) -> Option<&Part> {
        self.fold.part(match child.role {
            Role::Worker => Who::Worker(child.slot, child.generation),
            Role::Target => Who::Target(child.slot, child.generation),
        })
    }

    /// From the first connect to the last establishment, in seconds.
    pub fn open_seconds(&self) -> Option<f64> {
        self.course.opened.map(|(first, last)| last.since(first).as_secs_f64())
    }

    /// The length of measurement: the longest of any worker, in seconds; what there is of it in a run that
    /// goes on.
    ///
    /// With phases it is from the first one's begin to the last one's end.
    pub fn measured_seconds(&self) -> f64 {
        if !self.plan.crews.is_empty() {
            return self.course.phase_seconds[Phase::Measurement as usize];
        }
        let said = self.fold.workers().filter_map(|part| Some(part.last_words?.measured_nanos));
        let said = Duration::from_nanos(said.max().unwrap_or(0));
        said.max(self.course.so_far).as_secs_f64()
    }

    /// Processor time of all workers, in microseconds; none where nobody said what it used.
    pub fn workers_cpu_micros(&self) -> Option<u64> {
        let said = self.fold.workers().filter_map(|part| Some(part.last_words?.cpu_micros));
        said.reduce(|sum, micros| sum + micros)
    }

    /// Processor time of the workers per request sent, in microseconds, of those that said what they used; that
    /// of opening is left out.
    pub fn cpu_micros_per_request(&self) -> Option<f64> {
        let (mut loading, mut sent) = (0, 0);
        for part in self.fold.workers() {
            if let Some(words) = part.last_words {
                loading += words.cpu_micros.saturating_sub(words.cpu_open_micros);
                sent += part.counters.of(Counter::RequestsSent);
            }
        }
        (sent > 0).then(|| loading as f64 / sent as f64)
    }

    /// Where the time of all measured requests went.
    pub fn times(&self) -> Times {
        let mut times = Times::default();
        for words in self.fold.workers().filter_map(|part| part.last_words) {
            let [response, sched_lag, blocked, service] = words.times;
            times.add(&Times { response, sched_lag, blocked, service });
        }
        times
    }

    /// Whether what was to leave by a schedule did, as its workers found.
    pub fn departures(&self) -> ArrivalChecks {
        let mut checks = ArrivalChecks::default();
        for words in self.fold.workers().filter_map(|part| part.last_words) {
            checks.add(&ArrivalChecks::from_array(words.departures));
        }
        checks
    }

    /// Values among a latency of requests that are lower bounds, since the request timed out or was
    /// not over at the end.
    pub fn lower_bounds(&self, latency: Latency) -> u64 {
        self.counters().of(match latency {
            Latency::FromSend => Counter::CensoredFromSend,
            _ => Counter::CensoredFromDue,
        })
    }

    /// The quantile from which on values are lower bounds; none where all are exact.
    pub fn lower_bound_from(&self, latency: Latency) -> Option<f64> {
        let (bounds, all) = (self.lower_bounds(latency), self.fold.histogram(latency).count());
        (bounds > 0).then(|| 1.0 - bounds as f64 / all as f64)
    }

    /// The lateness of what this run's schedule is of: requests, or attempts.
    pub const fn send_lag(&self) -> Latency {
        match self.plan.config.load {
            Load::Overload { .. } => Latency::AttemptLag,
            _ => Latency::SchedLag,
        }
    }

    /// Of the ticks that were planned, those whose workers had reported a later interval by now: all, unless
    /// the run goes on.
    pub fn ticks_due(&self) -> Option<u64> {
        let planned = self.planned_ticks()?;
        if self.course.cut != Some(Cut::GoingOn) {
            return Some(planned);
        }
        let (rate, _) = self.plan.config.load.schedule()?;
        let Some(load) = self.loaded() else { return Some(0) };
        let last = |child: &ChildRecord| self.fold.slot(child.slot).map(|part| part.ended).max();
        let reported = self.workers().map(|child| last(child).unwrap_or_default()).min()?;
        let reported = reported.since(Instant::from_nanos(load));
        let sure = reported.saturating_sub(self.plan.config.interval);
        Some(planned.min(rate.count_before(sure.as_nanos() as u64)))
    }

    /// Requests or attempts that the schedule had in warm-up and measurement, where both have an end
    /// that is known and the number is not drawn.
    pub fn planned_ticks(&self) -> Option<u64> {
        if !self.plan.crews.is_empty() {
            let phases = self.phases().into_iter().map(|(_, phase)| phase);
            let mut scheduled =
                phases.filter(|phase| phase.plan.config.load.schedule().is_some()).peekable();
            scheduled.peek()?;
            return scheduled.map(|phase| phase.planned_ticks()).sum();
        }
        let config = &self.plan.config;
        if config.sessions.is_some() && config.requests.is_some() {
            // How many of them began a session is up to what servers answered.
            return None;
        }
        let (rate, arrivals) = config.load.schedule()?;
        let all = rate.count_before((config.warmup + config.duration?).as_nanos() as u64);
        let planned = all.min(config.requests.unwrap_or(u64::MAX));
        let Course { signal, stopped, cut, .. } = &self.course;
        let whole = signal.is_none() && stopped.is_none() && *cut != Some(Cut::Died);
        (arrivals != Arrivals::Poisson && whole).then_some(planned)
    }

    /// Requests whose end nobody saw: still in flight, or never sent because the run ended.
    pub fn censored(&self) -> u64 {
        let in_flight = self.fold.gauges().in_flight - self.lost().requests;
        in_flight + self.counters().not_sent[NotSent::RunEnded as usize]
    }

    /// Resident bytes per connection of the workers, from none open to all open before any load;
    /// none where the kernel does not say.
    pub fn user_bytes_per_connection(&self) -> Option<f64> {
        let told = |words: &Final| words.rss_before_bytes > 0;
        let words = || self.fold.workers().filter_map(|part| part.last_words).filter(told);
        let connections: u64 = words().map(|words| words.connections_open).sum();
        let grown = |words: Final| words.rss_open_bytes.saturating_sub(words.rss_before_bytes);
        let bytes: u64 = words().map(grown).sum();
        (connections > 0).then(|| bytes as f64 / connections as f64)
    }
}
