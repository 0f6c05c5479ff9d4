//! What the user typed, checked into numbers: `Options` → [`Config`].
//!
//! This room reads no limits of the host and decides nothing about who does how much; that is
//! `plan`. Start at [`invocation`] and [`Config`]; every option is one entry in `cli.rs`.

pub mod authorization;
mod begins;
mod capacity;
mod check;
mod cli;
mod error;
mod file;
mod hostile;
mod invocation;
pub(crate) mod list;
mod mistake;
mod pages;
pub(crate) mod quantity;
pub(crate) mod quoted;
mod rate;
pub(crate) mod regular;
mod scenario;
mod target;

pub use capacity::{Capacity, Over, Search};
pub use cli::{ChildArguments, ChildRole};
pub use error::ConfigError;
pub use file::{OptionKind, option_keys};
pub use hostile::{Hostile, list as cases};
pub use invocation::{Checked, Groups, Invocation, Resume, Wanted, invocation};
pub use pages::{completions, man_page};
pub use target::resolve;

use crate::curve::Series;
use crate::limits::Limit;
use crate::number::grouped;
use crate::profile::{Arrivals, Profile};
use crate::scenario::Played;
use clap::ValueEnum;
use humantime::format_duration;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// A run as it was asked for, every value checked by itself and against the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Worker processes.
    pub procs: u32,
    /// Connections per worker.
    pub conns: u32,
    /// The load model.
    pub load: Load,
    /// Length of measurement; none with `requests` alone.
    pub duration: Option<Duration>,
    /// Requests in total.
    pub requests: Option<u64>,
    /// Load before measurement.
    pub warmup: Duration,
    /// From a request's send to the first byte of its answer; none leaves it to the timeout.
    pub first_byte_timeout: Option<Duration>,
    /// The longest silence within an answer; none leaves it to the timeout.
    pub idle_timeout: Option<Duration>,
    /// Takes what the standard forbids and many servers send.
    pub lenient: bool,
    /// Sends the rest of a request that was answered early.
    pub finish_early: bool,
    /// Most bytes of an answer's body, inclusive; none is without limit.
    pub body_max: Option<u32>,
    /// Pause after an answer.
    pub think: Duration,
    /// A connection is closed after so many answers; none keeps it.
    pub requests_per_connection: Option<u32>,
    /// Closes with RST then.
    pub reset_close: bool,
    /// From send to last byte.
    pub timeout: Duration,
    /// From connect to established.
    pub connect_timeout: Duration,
    /// The longest open phase.
    pub open_timeout: Duration,
    /// The longest drain.
    pub drain: Duration,
    /// The longest drain after a signal.
    pub grace: Duration,
    /// Time between reports of a worker.
    pub interval: Duration,
    /// The phases of a scenario, each with what holds for it, all else being the same; empty in a run that
    /// is one.
    pub phases: Vec<Phase>,
    /// A series of runs, at these rates.
    pub curve: Option<Series>,
    /// Where the run is kept, or a series leaves what it showed.
    #[serde(skip)]
    pub out: Option<PathBuf>,
    /// Where the latencies of each interval go; none is nowhere.
    #[serde(skip)]
    pub hlog: Option<PathBuf>,
    /// What figures of the summary have to be.
    pub limits: Vec<Limit>,
    /// Where limits and verdict go for other programs; none is nowhere.
    #[serde(skip)]
    pub junit: Option<PathBuf>,
    /// Connection attempts per second, in total.
    pub connect_rate: Option<u64>,
    /// Attempts pending at one time, per worker.
    pub max_connecting: u32,
    /// When connections are closed to be opened again.
    pub storms: Vec<Storm>,
    /// How slow connections are.
    pub slow: SlowClients,
    /// Hold: a request on each connection so often.
    pub heartbeat: Option<Duration>,
    /// Hold: whether a connection that ends is opened again.
    pub reopen: bool,
    /// Seed of all that is drawn; drawn itself where the user gave none.
    pub seed: u64,
    /// Source addresses, expanded; empty leaves the choice to the plan.
    pub sources: Vec<IpAddr>,
    /// What to connect to; none is the embedded target.
    pub target: Option<Target>,
    /// Names with given addresses.
    pub resolve: Vec<Resolve>,
    /// Hosts that may be loaded though they are not this one, as typed.
    pub authorized: Vec<String>,
    /// What the authorisation file allows.
    pub authorization: Vec<authorization::Entry>,
    /// HTTP method.
    pub method: String,
    /// HTTP headers, in order.
    pub headers: Vec<(String, String)>,
    /// HTTP body.
    #[serde(skip)]
    pub body: Vec<u8>,
    /// Bytes of an echo message.
    pub message_bytes: usize,
    /// Statuses that count as expected, inclusive ranges.
    pub expected_statuses: Vec<(u16, u16)>,
    /// What becomes of the run when a worker dies.
    pub on_worker_death: OnWorkerDeath,
    /// The most restarts of workers.
    pub restart_limit: RestartLimit,
    /// Processes of this host whose use of it is watched.
    pub watch_pids: Vec<i32>,
    /// A lost worker's unknown time up to which its counts are suspect and no more.
    pub allow_lost: Option<Duration>,
    /// The embedded target, where it is used.
    pub embedded: Embedded,
    /// Processors to pin workers to, worker i to the i-th (modulo); empty pins none.
    pub cpus: Vec<u32>,
    /// Whether workers spin instead of sleeping.
    pub spin: bool,
    /// What users do; none sends the one request.
    #[serde(default)]
    pub sessions: Option<Played>,
    /// What standard output gets.
    pub format: Format,
    /// Time between progress lines where there is no terminal.
    pub progress: Duration,
    /// Whether to colour.
    pub color: Color,
}

impl Config {
    /// Connections that a worker may have at one time.
    pub fn conns_max(&self) -> u32 {
        match self.load {
            Load::Open { on_busy: OnBusy::Grow(most), .. } => most,
            _ => self.conns,
        }
    }

    /// The same run for so long.
    #[must_use]
    pub fn lasting(self, duration: Duration) -> Self {
        Self { duration: Some(duration), interval: check::interval(Some(duration)), ..self }
    }

    /// Connections that each worker keeps: a schedule of attempts keeps none.
    pub const fn conns_kept(&self) -> u32 {
        match self.load {
            Load::Overload { .. } => 0,
            _ => self.conns,
        }
    }

    /// Those of all workers.
    pub fn connections_kept(&self) -> u64 {
        u64::from(self.procs) * u64::from(self.conns_kept())
    }

    /// How many loads there may be at one time.
    pub fn loads_at_once(&self) -> u64 {
        Begins::at_once(self.phases.iter().map(|phase| phase.begins))
    }

    /// The protocol of the run: TARGET's, or the embedded target's.
    pub fn protocol(&self) -> Protocol {
        self.target.as_ref().map_or(self.embedded.protocol, |target| target.protocol)
    }
}

/// A named phase of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// When it begins.
    pub begins: Begins,
    /// Its load.
    pub config: Config,
}

/// When a phase begins to open its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Begins {
    /// So long after the first load of the run; at once it is among those who wait for each other.
    At(Duration),
    /// So long after the load of this one, before it in the list, has ended.
    After(usize, Duration),
}

impl Begins {
    /// When that is, in words; `name` is that of another phase.
    pub fn in_words<'a>(self, name: impl Fn(usize) -> &'a str) -> String {
        match self {
            Self::At(at) if at.is_zero() => "with the run".to_owned(),
            Self::At(at) => format!("{} after load began", humantime::format_duration(at)),
            Self::After(before, pause) if pause.is_zero() => format!("after {}", name(before)),
            Self::After(before, pause) => {
                format!("{} after {}", humantime::format_duration(pause), name(before))
            }
        }
    }

    /// How many of the phases that begin so may load at one time; 1 where there are none. Those that come
    /// after others take the place of those, so it is how many nobody comes after.
    pub fn at_once(begins: impl Iterator<Item = Self>) -> u64 {
        let mut last = Vec::new();
        for (index, begins) in begins.enumerate() {
            if let Self::After(before, _) = begins {
                last.retain(|phase| *phase != before);
            }
            last.push(index);
        }
        last.len().max(1) as u64
    }

    /// The same, `pause` later.
    #[must_use]
    pub fn later(self, pause: Duration) -> Self {
        match self {
            Self::At(at) => Self::At(at.saturating_add(pause)),
            Self::After(phase, at) => Self::After(phase, at.saturating_add(pause)),
        }
    }
}

/// The embedded target alone, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeConfig {
    /// What to serve, where, in how many processes.
    pub embedded: Embedded,
    /// Connections that each process should expect.
    pub conns: u32,
    /// What standard output gets.
    pub format: Format,
    /// Time between progress lines where there is no terminal.
    pub progress: Duration,
    /// Whether to colour.
    pub color: Color,
    /// Processors to pin processes to, process i to the i-th (modulo); empty pins none.
    pub cpus: Vec<u32>,
    /// Time between reports of a process.
    pub interval: Duration,
    /// Seed of all that is drawn.
    pub seed: u64,
    /// Each case of hostility on a port, and in a process, of its own.
    pub case_per_port: bool,
}

/// A load model: who acts next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Load {
    /// Each connection sends when its answer has come and its think time is over.
    Closed,
    /// Connections are opened and kept.
    Hold,
    /// The schedule: a request is due whether or not a connection is free.
    Open {
        /// Requests per second of all workers.
        rate: Profile,
        /// How they are spread.
        arrivals: Arrivals,
        /// What becomes of one that finds no connection free.
        on_busy: OnBusy,
    },
    /// The schedule of attempts, accepted or not.
    Overload {
        /// Attempts per second of all workers.
        rate: Profile,
        /// How they are spread.
        arrivals: Arrivals,
    },
}

impl Load {
    /// The name on the command line and in reports; stable.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Hold => "hold",
            Self::Open { .. } => "open",
            Self::Overload { .. } => "overload",
        }
    }

    /// The same schedule at another rate; a model without one stays as it is.
    pub fn set_rate(&mut self, to: Profile) {
        match self {
            Self::Open { rate, .. } | Self::Overload { rate, .. } => *rate = to,
            Self::Closed | Self::Hold => {}
        }
    }

    /// The schedule, where there is one.
    pub const fn schedule(&self) -> Option<(&Profile, Arrivals)> {
        match self {
            Self::Open { rate, arrivals, .. } | Self::Overload { rate, arrivals } => {
                Some((rate, *arrivals))
            }
            Self::Closed | Self::Hold => None,
        }
    }
}

/// What becomes of a request that finds no connection free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnBusy {
    /// It waits, and the wait is part of its latency.
    Queue,
    /// It is not sent.
    Drop,
    /// It waits, and another connection is opened, up to so many per worker.
    Grow(u32),
}

/// How slow connections are; none is as fast as they can, or as the kernel chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowClients {
    /// Bytes per second that each reads at most.
    pub read_bytes_per_s: Option<u64>,
    /// Bytes per second that each writes at most.
    pub write_bytes_per_s: Option<u64>,
    /// The receive buffer to ask of the kernel.
    pub receive_buffer_bytes: Option<u32>,
}

impl SlowClients {
    /// What was asked for, as options; none where connections are as fast as they can.
    pub fn asked(&self) -> Option<String> {
        let options = [
            ("--read-rate", self.read_bytes_per_s, " B/s"),
            ("--write-rate", self.write_bytes_per_s, " B/s"),
            ("--rcvbuf", self.receive_buffer_bytes.map(u64::from), " B"),
        ];
        let given = options.into_iter().filter_map(|(option, value, unit)| {
            value.map(|value| format!("{option} {}{unit}", grouped(value)))
        });
        let asked: Vec<String> = given.collect();
        (!asked.is_empty()).then(|| asked.join(", "))
    }
}

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// Bytes that come back.
    Echo,
}

/// TARGET, parsed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// By its scheme: `http` or `tcp`.
    pub protocol: Protocol,
    /// Host as typed, without brackets.
    pub host: String,
    /// Port, typed or the scheme's.
    pub port: u16,
    /// `host[:port]` as it goes into the Host header.
    pub authority: String,
    /// Path and query, at least `/`.
    pub path: String,
}

/// `--resolve HOST:PORT:ADDR`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolve {
    /// The host that is meant.
    pub host: String,
    /// The port that is meant.
    pub port: u16,
    /// Where it is.
    pub address: IpAddr,
}

/// The embedded target, alone (`serve`) or beside a run (`--target-…`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Embedded {
    /// Processes; none is as many as the plan needs.
    pub procs: Option<u32>,
    /// Where to listen; port 0 is any.
    pub listen: SocketAddr,
    /// The protocol.
    pub protocol: Protocol,
    /// Bytes of an answer's body.
    pub body_bytes: u64,
    /// Each answer so much later.
    pub delay: Duration,
    /// One answer at a time, each taking so long.
    pub service: Option<Service>,
    /// When it stops, soonest first; none overlap.
    pub stalls: Vec<Stall>,
    /// How it misbehaves; none behaves.
    pub hostile: Option<Hostile>,
    /// Memory that each process takes a minute and never gives back.
    pub leak_bytes_per_min: Option<u64>,
}

/// `--service T[,exp]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The time, or its mean.
    pub mean: Duration,
    /// Drawn from an exponential distribution.
    pub exponential: bool,
}

/// `--stall AT:FOR`: nothing is read, accepted or sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stall {
    /// From the first request that a process reads to its begin.
    pub after: Duration,
    /// How long; none is to the end of the run.
    pub length: Option<Duration>,
}

/// `--reconnect SHARE@AT[/EVERY]`: a share of all connections is closed at once, to be opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storm {
    /// The share, in millionths.
    pub millionths: u32,
    /// From the begin of load.
    pub after: Duration,
    /// And again so often; none is once.
    pub every: Option<Duration>,
}

impl fmt::Display for Storm {
    /// As it is typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%@{}", f64::from(self.millionths) / 1e4, format_duration(self.after))?;
        self.every.map_or(Ok(()), |every| write!(f, "/{}", format_duration(every)))
    }
}

/// What becomes of a run when a worker dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum OnWorkerDeath {
    /// Another takes its place.
    Replace,
    /// The run ends with its report.
    Fail,
    /// The others go on.
    Continue,
}

/// `--restart-limit N/T`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartLimit {
    /// So many restarts.
    pub count: u32,
    /// In so much time.
    pub within: Duration,
}

impl Default for RestartLimit {
    fn default() -> Self {
        Self { count: 30, within: Duration::from_secs(60) }
    }
}

/// What standard output gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Format {
    /// For a person.
    Text,
    /// For a program.
    Json,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
