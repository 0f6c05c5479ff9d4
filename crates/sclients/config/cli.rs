//! The command line, described once: each option is one entry here. Help, man page, completions and
//! the keys of `--config` all come from this description.
//!
//! What options mean together is decided in `check`.

use super::capacity::Over;
use super::hostile::{self, Asked};
use super::list::{self, CPUS_MAX, Source};
use super::quantity::{self, QuantityError, count, duration, pause, size, span};
use super::{
    Color, Format, OnWorkerDeath, Protocol, Resolve, RestartLimit, Service, Stall, Storm, Target,
    rate, target,
};
use crate::compare::Figure;
use crate::curve::Series;
use crate::limits::{LimitError, Limits, Slo};
use crate::profile::{Arrivals, Profile};
use clap::builder::{StringValueParser, TypedValueParser};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use protocols::hostile::Chop;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::time::Duration;

/// The most processes of a kind.
pub const PROCS_MAX: u64 = 1_024;
/// The most connections of a process.
pub const CONNS_MAX: u64 = 1_000_000;
/// The highest number of a process (PID_MAX_LIMIT of Linux).
const PID_MAX: u64 = 1 << 22;
/// The most requests of a run.
const REQUESTS_MAX: u64 = 1_000_000_000_000;
/// The most connection attempts or requests per second.
pub const RATE_MAX: u64 = 100_000_000;
/// The fastest of slow clients, and the largest receive buffer.
const SLOW_BYTES_MAX: u64 = 1 << 30;
/// The shortest time between reports that may be asked for.
pub const INTERVAL_MIN: Duration = Duration::from_millis(100);
/// The largest echo message.
const MESSAGE_BYTES_MAX: u64 = 16 << 20;
const MAX_BODY_BYTES_MAX: u64 = u32::MAX as u64 - 1;
/// The largest body of an answer.
const BODY_BYTES_MAX: u64 = 1 << 40;

const EXAMPLES: &str = "\
Examples:
  sclients --procs 32 --conns 10000                      320,000 connections to an embedded target
  sclients --load hold --conns 19k --duration 60s        open and keep them
  sclients --conns 500 http://127.0.0.1:8080/path        load a server on this host
  sclients --rate 10k --duration 30s http://[::1]:8080/  10,000 requests/s, answered or not
  sclients --procs 2 --attempt-rate 20k --attempt-timeout 500ms http://127.0.0.1:8080/
  sclients -X PUT -H 'Accept: */*' -d @body.json http://[::1]:8080/
  sclients --procs 2 --conns 5 --authorized example.org http://example.org/
  sclients serve --listen 127.0.0.1:8080 --service 2ms,exp
  sclients --out run1 --rate 5k --duration 24h             keep it: a second at most is lost, whatever dies
  sclients report run1                                   what was kept, ended or not; --resume run1 goes on
  sclients run configs/browse-and-buy.toml               sessions of several steps; check FILE looks first
  sclients --rate 5k --limit 'p99 < 250ms, failed < 0.1%; abort after 10s' http://127.0.0.1:8080/
  sclients doctor --procs 32 --conns 10000               would that fit this host?
  sclients selftest                                      does this host measure right?

Numbers take 10k and 10_000, durations 250ms and 1m30s, sizes 64 and 1MiB.
A target that is not on this host must be named again with --authorized, or have an entry in the
--authorization file. Its run is stopped when most of it fails for 10 s.

Exit codes: 0 done, 1 internal, 2 usage, 3 does not fit this host, 4 a limit did not hold, or nothing
answered as expected, 5 incomplete or invalid, 6 target not authorised, 130 interrupted, 143 terminated.";

/// What the user typed, each value by itself in order.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "sclients",
    bin_name = "sclients",
    version,
    about = "A multiprocess extreme-load simulator whose numbers equal what the server saw",
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    args_override_self = true,
    max_term_width = 100
)]
pub struct Options {
    /// Options of the default command.
    #[command(flatten)]
    pub run: RunOptions,
    /// Another command.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands beside the default one.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run a scenario: sessions of several steps, phases, limits
    #[command(args_override_self = true)]
    Run(Box<ScenarioOptions>),
    /// Check a scenario and print what it would do, without opening a socket
    #[command(args_override_self = true)]
    Check(Box<CheckOptions>),
    /// Run the embedded target alone, until a signal
    #[command(args_override_self = true)]
    Serve(Box<ServeOptions>),
    /// Compare the limits of this host with a run, without running it
    #[command(args_override_self = true)]
    Doctor(Box<RunOptions>),
    /// Find the highest load that a target bears within --slo, and how it scales with --scale
    ///
    /// Many short runs, each judged by its own audit. Exit codes: 0 found, 4 the lowest load fails,
    /// 5 the generator is the limit, or nothing was confirmed
    #[command(args_override_self = true)]
    Capacity(Box<CapacityOptions>),
    /// Measure what is known, and say whether this host measures right
    Selftest {
        /// Shorter trials
        #[arg(long)]
        quick: bool,
        /// What standard output gets
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: Format,
    },
    /// Report a run that --out kept: ended, going on or cut short
    Report {
        /// The folder
        dir: PathBuf,
        /// Read on behind what is damaged, and say what is missing
        #[arg(long)]
        salvage: bool,
        /// What standard output gets
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: Format,
        /// When to colour
        #[arg(long, value_name = "WHEN", default_value = "auto")]
        color: Color,
        /// Write the latencies over time to an HdrHistogram log, which must not be there yet
        #[arg(long, value_name = "FILE")]
        hlog: Option<PathBuf>,
        /// Write the limits and the verdict to a JUnit XML file, which must not be there yet
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,
    },
    /// Compare runs that --out kept, as in `compare A1 A2 … -- B1 B2 …`: is the second group worse?
    ///
    /// Each run is one value of each figure; groups are compared by ranks, exactly. Exit codes: 0 no
    /// difference or better, 4 worse, 5 cannot tell
    Compare {
        /// Folders of the first group, 4 at least and 6 to see little, made in turns with the second's
        #[arg(required = true, value_name = "A")]
        a: Vec<PathBuf>,
        /// Folders of the second group
        #[arg(required = true, last = true, value_name = "B")]
        b: Vec<PathBuf>,
        /// So little of a difference is none
        #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = quantity::margin)]
        margin: f64,
        /// What is compared [default: p50,p99,throughput,failed]
        #[arg(long, value_name = "FIGURE,…", value_delimiter = ',')]
        figures: Vec<Figure>,
        /// What standard output gets
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: Format,
    },
    /// Print a completion script
    Completions {
        /// For which shell
        shell: Shell,
    },
    /// Print the man page
    Man,
}

/// The word by which the supervisor starts a child. It is no command of the description above, so
/// that completions do not offer it.
pub const CHILD: &str = "__child";

/// The words that a child gets from its supervisor, `__child` first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Parser)]
pub struct ChildArguments {
    /// What the child is for
    #[arg(long)]
    pub role: ChildRole,
    /// Its slot
    #[arg(long)]
    pub slot: u32,
    /// The supervisor's process
    #[arg(long)]
    pub supervisor: i32,
    /// Descriptor of the control pipe
    #[arg(long)]
    pub control: RawFd,
    /// Descriptor of the report pipe
    #[arg(long)]
    pub report: RawFd,
}

/// What a child is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ChildRole {
    /// It makes load.
    Worker,
    /// It serves.
    Target,
}

/// A scenario, and options that stand before its own.
#[derive(Clone, Debug, Args)]
pub struct ScenarioOptions {
    /// The scenario, TOML; its folder holds the files that it names
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Options of the run.
    #[command(flatten)]
    pub run: RunOptions,
}

/// What is checked.
#[derive(Clone, Debug, Args)]
pub struct CheckOptions {
    /// The scenario, TOML
    #[arg(value_name = "FILE", required_unless_present = "schema")]
    pub file: Option<PathBuf>,
    /// Print the JSON Schema of scenarios instead
    #[arg(long, conflicts_with = "file")]
    pub schema: bool,
    /// Options of the run.
    #[command(flatten)]
    pub run: RunOptions,
}

/// Options of a run.
#[derive(Clone, Debug, Args)]
pub struct RunOptions {
    /// http://host[:port]/path or tcp://host:port; none is an embedded target
    #[arg(value_name = "TARGET", value_parser = target::parse)]
    pub target: Option<Target>,
    /// Read options from a TOML file; its keys are the long names, the command line wins
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How much, and how long.
    #[command(flatten)]
    pub load: LoadOptions,
    /// Connections.
    #[command(flatten)]
    pub connect: ConnectOptions,
    /// Requests.
    #[command(flatten)]
    pub request: RequestOptions,
    /// Workers that die.
    #[command(flatten)]
    pub supervision: SupervisionOptions,
    /// The embedded target.
    #[command(flatten)]
    pub embedded: EmbeddedOptions,
    /// Output.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// How much, and how long.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Load")]
pub struct LoadOptions {
    /// Worker processes
    #[arg(long, value_name = "N", default_value = "1", value_parser = count::<u32>(1, PROCS_MAX))]
    pub procs: u32,
    /// Connections per worker [default: 100]
    #[arg(long, value_name = "N", value_parser = count::<u32>(1, CONNS_MAX))]
    pub conns: Option<u32>,
    /// Who acts next [default: open with --rate, overload with --attempt-rate, else closed]
    #[arg(long, value_name = "MODEL")]
    pub load: Option<Model>,
    /// Open: requests per second in total, as 10k, 1k..50k/30s (a ramp) or 1k,5k/10s (steps)
    #[arg(long, value_name = "RATE", value_parser = rate::parse)]
    pub rate: Option<Profile>,
    /// Overload: connection attempts per second in total, written as --rate
    #[arg(long, value_name = "RATE", value_parser = rate::parse)]
    pub attempt_rate: Option<Profile>,
    /// Overload: an attempt that is not accepted by then is abandoned [default: 500ms]
    #[arg(long, value_name = "T", value_parser = span)]
    pub attempt_timeout: Option<Duration>,
    /// Overload: a series of so many rates from one to the other, each a run of its own
    #[arg(long, value_name = "FROM..TO/STEPS", value_parser = rate::series)]
    pub curve: Option<Series>,
    /// Length of a step of --curve [default: 10s]
    #[arg(long, value_name = "T", value_parser = span)]
    pub step: Option<Duration>,
    /// Open, overload: how the schedule is spread [default: constant]
    #[arg(long, value_name = "HOW")]
    pub arrivals: Option<Arrivals>,
    /// Open: a request that finds no connection free waits (queue), is not sent (drop), or waits
    /// while another connection is opened (grow) [default: queue]
    #[arg(long, value_name = "WHAT")]
    pub on_busy: Option<Busy>,
    /// Connections per worker that --on-busy grow may reach [default: 10 times --conns]
    #[arg(long, value_name = "N", value_parser = count::<u32>(1, CONNS_MAX))]
    pub max_conns: Option<u32>,
    /// Close a connection after so many answers [default: never; overload: 1]
    #[arg(long, value_name = "N", value_parser = count::<u32>(1, u32::MAX as u64))]
    pub requests_per_connection: Option<u32>,
    /// Close it with RST, which leaves nothing in TIME_WAIT
    #[arg(long)]
    pub reset_close: bool,
    /// Length of the measurement [default: that of --rate, or 10s; none with --requests]
    #[arg(long, value_name = "T", value_parser = span)]
    pub duration: Option<Duration>,
    /// End after so many requests, in total
    #[arg(long, value_name = "N", value_parser = count::<u64>(1, REQUESTS_MAX))]
    pub requests: Option<u64>,
    /// Load before the measurement
    #[arg(long, value_name = "T", default_value = "0s", value_parser = pause)]
    pub warmup: Duration,
    /// Pause of a connection after an answer
    #[arg(long, value_name = "T", default_value = "0s", value_parser = pause)]
    pub think: Duration,
    /// Hold: a request on each connection so often
    #[arg(long, value_name = "T", value_parser = span)]
    pub heartbeat: Option<Duration>,
    /// Longest wait for outstanding answers and uploads at the end [default: --timeout]
    #[arg(long, value_name = "T", value_parser = pause)]
    pub drain: Option<Duration>,
    /// The same after a signal
    #[arg(long, value_name = "T", default_value = "5s", value_parser = pause)]
    pub grace: Duration,
    /// Seed of all that is drawn: the same draws again; how many are needed, and when, is up to timing
    /// [default: drawn and printed]
    #[arg(long, value_name = "N", value_parser = count::<u64>(0, u64::MAX))]
    pub seed: Option<u64>,
    /// Pin worker i to the i-th of these processors
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = count::<u32>(0, CPUS_MAX - 1))]
    pub cpus: Vec<u32>,
    /// Look for events all the time instead of sleeping: sends are on time to the microsecond, where
    /// each worker has a processor of its own by --cpus
    #[arg(long)]
    pub spin: bool,
    /// A host that you may load though it is not this one, as in TARGET: at most 10 connections,
    /// 10 requests/s, 10s
    #[arg(long, value_name = "HOST", value_parser = list::host)]
    pub authorized: Vec<String>,
    /// Whom else you may load: TOML with [[allow]] entries of host or network (CIDR), port,
    /// connections, requests_per_s, attempts_per_s, expires, contact, purpose
    #[arg(long, value_name = "FILE")]
    pub authorization: Option<PathBuf>,
}

/// Options of `capacity`.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Capacity")]
pub struct CapacityOptions {
    /// What has to hold, all of it: figures of a run's JSON, as in 'p99 < 50ms, failed < 0.1%'
    #[arg(long, value_name = "SLO", value_parser = slo)]
    pub slo: Vec<Slo>,
    /// What is raised: requests per second of an open loop, or connections of a closed loop or a hold
    #[arg(long, value_name = "WHAT", default_value = "rate")]
    pub over: Over,
    /// Loads to search; connections are per worker [default: up from 100/s or 1 connection]
    #[arg(long, value_name = "FROM..TO", value_parser = rate::range)]
    pub range: Option<(u64, u64)>,
    /// How close the bounds have to come; connections are found exactly
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = quantity::margin)]
    pub width: f64,
    /// Length of a trial, or more where --slo needs more answers than that
    #[arg(long, value_name = "T", default_value = "1s", value_parser = span)]
    pub trial: Duration,
    /// Time at one load that decides, half of which may be bad
    #[arg(long, value_name = "T", default_value = "21s", value_parser = span)]
    pub trial_sum: Duration,
    /// Longest wait between trials for the target to be as fast as before
    #[arg(long, value_name = "T", default_value = "10s", value_parser = pause)]
    pub cooldown: Duration,
    /// Length of the run that confirms what was found
    #[arg(long, value_name = "T", default_value = "60s", value_parser = span)]
    pub confirm: Duration,
    /// What of the capacity is called safe
    #[arg(long, value_name = "SHARE", default_value = "80%", value_parser = quantity::margin)]
    pub safe: f64,
    /// So many numbers of connections per worker in a closed loop, 6 or more, to fit the Universal
    /// Scalability Law
    #[arg(long, value_name = "N1..N2/STEPS", value_parser = rate::series)]
    pub scale: Option<Series>,
    /// Runs of each step of --scale
    #[arg(long, value_name = "N", default_value = "3", value_parser = count::<u32>(1, 100))]
    pub repeats: u32,
    /// How many such targets bear so many requests per second
    #[arg(long, value_name = "RATE", value_parser = count::<u64>(1, u64::MAX))]
    pub for_load: Option<u64>,
    /// The runs.
    #[command(flatten)]
    pub run: RunOptions,
}

fn slo(text: &str) -> Result<Slo, LimitError> {
    text.parse()
}

/// Connections.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connections")]
pub struct ConnectOptions {
    /// Longest wait for a connection [default: 10s]
    #[arg(long, value_name = "T", value_parser = span)]
    pub connect_timeout: Option<Duration>,
    /// Longest wait for all connections [default: 60s]
    #[arg(long, value_name = "T", value_parser = span)]
    pub open_timeout: Option<Duration>,
    /// Connection attempts per second, in total [default: unlimited]
    #[arg(long, value_name = "R", value_parser = count::<u64>(1, RATE_MAX))]
    pub connect_rate: Option<u64>,
    /// Attempts pending at one time, per worker
    #[arg(long, value_name = "N", default_value = "256", value_parser = count::<u32>(1, CONNS_MAX))]
    pub max_connecting: u32,
    /// Hold: leave a connection closed that ends
    #[arg(long)]
    pub no_reopen: bool,
    /// Close a share of all connections at once, so long after load began, and then so often; each is opened
    /// again after a pause of its own: 50%@10s, or 50%@10s/30s
    #[arg(long, value_name = "SHARE@AT[/EVERY],…", value_delimiter = ',', value_parser = quantity::storm)]
    pub reconnect: Vec<Storm>,
    /// Bytes per second that each connection reads; the rest waits in the kernel [default: unlimited]
    #[arg(long, value_name = "BYTES", value_parser = size(1, SLOW_BYTES_MAX))]
    pub read_rate: Option<u64>,
    /// Bytes per second that each connection writes [default: unlimited]
    #[arg(long, value_name = "BYTES", value_parser = size(1, SLOW_BYTES_MAX))]
    pub write_rate: Option<u64>,
    /// Receive buffer to ask of the kernel, which doubles it and has a least [default: it adapts]
    #[arg(long, value_name = "BYTES", value_parser = receive_buffer())]
    pub rcvbuf: Option<u32>,
    /// Source addresses or CIDR blocks, comma separated [default: chosen on loopback]
    #[arg(long, value_name = "ADDR|CIDR", value_delimiter = ',', value_parser = list::source)]
    pub source: Vec<Source>,
    /// The address of a host, instead of a look-up
    #[arg(long, value_name = "HOST:PORT:ADDR", value_parser = list::resolution)]
    pub resolve: Vec<Resolve>,
}

/// Requests.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Requests")]
pub struct RequestOptions {
    /// HTTP method [default: GET, POST with --data]
    #[arg(short = 'X', long, value_name = "METHOD", value_parser = list::method)]
    pub request: Option<String>,
    /// HTTP header; 'Name:' removes a default one
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = list::header)]
    pub header: Vec<(String, String)>,
    /// HTTP body, or @FILE for a file's bytes as they are; several are joined by &
    #[arg(short = 'd', long, value_name = "DATA|@FILE", allow_hyphen_values = true)]
    pub data: Vec<String>,
    /// From a request's send to its last byte
    #[arg(long, value_name = "T", default_value = "10s", value_parser = span)]
    pub timeout: Duration,
    /// From a request's send to the first byte of its answer [default: --timeout]
    #[arg(long, value_name = "T", value_parser = span)]
    pub first_byte_timeout: Option<Duration>,
    /// Longest silence within an answer [default: --timeout]
    #[arg(long, value_name = "T", value_parser = span)]
    pub idle_timeout: Option<Duration>,
    /// Take LF as the end of a line, in heads, chunk lines and trailers, and the same Content-Length
    /// twice; the report says how many answers needed it
    #[arg(long)]
    pub lenient: bool,
    /// Most bytes of an answer's body, chunk framing not counted; over it is body_limit, nobody's fault
    /// [default: unlimited]
    #[arg(long, value_name = "BYTES", value_parser = size(0, MAX_BODY_BYTES_MAX))]
    pub max_body: Option<u64>,
    /// After an answer to a request that is not sent yet: close (stop), or send the rest (finish, at
    /// the end for --drain at most)
    #[arg(long, value_name = "WHAT", default_value = "stop")]
    pub early_answer: EarlyAnswer,
    /// Statuses that count as expected, comma separated [default: 200-399]
    #[arg(
        long,
        value_name = "RANGE,…",
        value_delimiter = ',',
        value_parser = list::statuses
    )]
    pub expect_status: Vec<(u16, u16)>,
    /// Echo: bytes of a message [default: 64]
    #[arg(long, value_name = "BYTES", value_parser = size(1, MESSAGE_BYTES_MAX))]
    pub message_bytes: Option<u64>,
}

/// What becomes of a request that was answered before it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EarlyAnswer {
    /// The rest is not sent and the connection closed.
    Stop,
    /// The rest is sent and the connection used again.
    Finish,
}

/// Workers that die, and what is watched.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Supervision")]
pub struct SupervisionOptions {
    /// A worker that died: another takes its place (replace), the run ends with its report (fail), or
    /// the others go on (continue)
    #[arg(long, value_name = "WHAT", default_value = "replace")]
    pub on_worker_death: OnWorkerDeath,
    /// Restarts of all workers together; one more ends the run with its report [default: 30/60s]
    #[arg(long, value_name = "N/T", value_parser = quantity::restart_limit)]
    pub restart_limit: Option<RestartLimit>,
    /// A lost worker of whose time no more than this is unknown leaves the counts suspect instead of
    /// invalid
    #[arg(long, value_name = "T", value_parser = span)]
    pub allow_lost: Option<Duration>,
    /// Watch a process of this host, as of a server under load: whether its memory, descriptors and
    /// processor time drift; may be repeated
    #[arg(long, value_name = "PID", value_parser = count::<i32>(1, PID_MAX))]
    pub watch_pid: Vec<i32>,
}

/// The embedded target beside a run.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Embedded target")]
pub struct EmbeddedOptions {
    /// Its processes [default: as many as needed]
    #[arg(long, value_name = "N", value_parser = count::<u32>(1, PROCS_MAX))]
    pub target_procs: Option<u32>,
    /// Bytes of an answer's body [default: 64]
    #[arg(long, value_name = "BYTES", value_parser = size(0, BODY_BYTES_MAX))]
    pub target_body_bytes: Option<u64>,
    /// Each answer so much later, any number at once
    #[arg(long, value_name = "T", value_parser = pause)]
    pub target_delay: Option<Duration>,
    /// One answer at a time per process, each taking so long
    #[arg(long, value_name = "T[,exp]", value_parser = quantity::service)]
    pub target_service: Option<Service>,
    /// Each process stops reading, accepting and answering AT after its first request, for FOR (end:
    /// to the run's end)
    #[arg(long, value_name = "AT:FOR,…", value_delimiter = ',', value_parser = quantity::stall)]
    pub target_stall: Vec<Stall>,
    /// Each process takes so much memory a minute and keeps it, as 1MB/min
    #[arg(long, value_name = "BYTES/min", value_parser = quantity::leak)]
    pub target_leak: Option<u64>,
    /// Where it listens; port 0 is any [default: 127.0.0.1:0]
    #[arg(long, value_name = "ADDR:PORT", value_parser = list::listen)]
    pub target_listen: Option<SocketAddr>,
    /// Its protocol [default: http]
    #[arg(long, value_name = "PROTOCOL", hide_possible_values = false)]
    pub target_protocol: Option<Protocol>,
    /// It breaks the protocol: cases by name, one per connection by the seed
    #[arg(long, value_name = "CASE,…", value_delimiter = ',', value_parser = hostile::case)]
    pub target_hostile: Vec<Asked>,
    /// Its hostile bytes leave whole, by bytes, by N, in a split at every point, or with gaps
    #[arg(long, value_name = "HOW", value_parser = hostile::chop)]
    pub target_chop: Option<Chop>,
    /// Plain answers on each connection before it turns hostile [default: 0]
    #[arg(long, value_name = "N", value_parser = count::<u32>(0, u32::MAX as u64))]
    pub target_after: Option<u32>,
    /// Only the first connections of each process are hostile [default: all]
    #[arg(long, value_name = "N", value_parser = count::<u64>(1, u64::MAX))]
    pub target_hostile_conns: Option<u64>,
}

/// Output of a run.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputOptions {
    /// What standard output gets
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
    /// Time between progress lines where there is no terminal
    #[arg(long, value_name = "T", default_value = "10s", value_parser = progress())]
    pub progress: Duration,
    /// When to colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    /// Time between reports of a worker [default: 1s, or a twentieth of a shorter --duration]
    #[arg(long, value_name = "T", value_parser = interval())]
    pub interval: Option<Duration>,
    /// Keep the run in a new folder, for `report`; --curve leaves its table, JSON and picture there
    /// [default: nowhere; with --curve sclients-curve-SEED]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write the latencies of requests, by the interval in which they ended, to an HdrHistogram log,
    /// which must not be there yet
    #[arg(long, value_name = "FILE")]
    pub hlog: Option<PathBuf>,
    /// What a figure of the JSON has to be, as 'p99 < 250ms, failed < 0.1%'; exit code 4 where it is not.
    /// With '; abort after 10s' the run ends once it was not so for as long. Beside a scenario it is of the run
    /// as a whole, and comes to the limits of the file
    #[arg(long, value_name = "LIMIT", value_parser = limits)]
    pub limit: Vec<Limits>,
    /// Write the limits and the verdict to a JUnit XML file, which must not be there yet
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Go on with a run that --out kept and whose supervisor died, for the time that it had left; one with
    /// sessions by `run FILE --resume DIR`
    #[arg(long, value_name = "DIR")]
    pub resume: Option<PathBuf>,
}

/// Options of `serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeOptions {
    /// Where to listen; port 0 is any
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080", value_parser = list::listen)]
    pub listen: SocketAddr,
    /// Processes, which share the port
    #[arg(long, value_name = "N", default_value = "1", value_parser = count::<u32>(1, PROCS_MAX))]
    pub procs: u32,
    /// The protocol
    #[arg(long, value_name = "PROTOCOL", default_value = "http")]
    pub protocol: Protocol,
    /// Bytes of an answer's body
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = size(0, BODY_BYTES_MAX))]
    pub body_bytes: u64,
    /// Each answer so much later, any number at once
    #[arg(long, value_name = "T", default_value = "0s", value_parser = pause)]
    pub delay: Duration,
    /// One answer at a time per process, each taking so long
    #[arg(long, value_name = "T[,exp]", value_parser = quantity::service)]
    pub service: Option<Service>,
    /// Each process stops reading, accepting and answering AT after its first request, for FOR (end:
    /// until a signal)
    #[arg(long, value_name = "AT:FOR,…", value_delimiter = ',', value_parser = quantity::stall)]
    pub stall: Vec<Stall>,
    /// Each process takes so much memory a minute and keeps it, as 1MB/min
    #[arg(long, value_name = "BYTES/min", value_parser = quantity::leak)]
    pub leak: Option<u64>,
    /// Connections that each process should expect
    #[arg(long, value_name = "N", default_value = "19000", value_parser = count::<u32>(1, CONNS_MAX))]
    pub conns: u32,
    /// What standard output gets
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
    /// Time between progress lines where there is no terminal
    #[arg(long, value_name = "T", default_value = "10s", value_parser = progress())]
    pub progress: Duration,
    /// When to colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    /// Pin process i to the i-th of these processors
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = count::<u32>(0, CPUS_MAX - 1))]
    pub cpus: Vec<u32>,
    /// Break the protocol, on loopback: cases by name, one per connection by the seed; list prints
    /// them
    #[arg(long, value_name = "CASE,…|list", value_delimiter = ',', value_parser = hostile::case)]
    pub hostile: Vec<Asked>,
    /// Hostile bytes leave whole, by bytes, by N, in a split at every point, or with gaps
    #[arg(long, value_name = "HOW", value_parser = hostile::chop)]
    pub chop: Option<Chop>,
    /// Plain answers on each connection before it turns hostile [default: 0]
    #[arg(long, value_name = "N", value_parser = count::<u32>(0, u32::MAX as u64))]
    pub after: Option<u32>,
    /// Only the first connections of each process are hostile [default: all]
    #[arg(long, value_name = "N", value_parser = count::<u64>(1, u64::MAX))]
    pub hostile_conns: Option<u64>,
    /// Each case in a process and on a port of its own, counted up from --listen
    #[arg(long)]
    pub case_per_port: bool,
    /// Seed of all that is drawn [default: drawn]
    #[arg(long, value_name = "N", value_parser = count::<u64>(0, u64::MAX))]
    pub seed: Option<u64>,
}

/// A load model's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Model {
    /// A connection sends when its answer has come.
    Closed,
    /// Requests are due by --rate, whether or not answers come.
    Open,
    /// Connections are opened and kept.
    Hold,
    /// Attempts are begun by --attempt-rate, whether or not they are accepted.
    Overload,
}

/// What becomes of a request that finds no connection free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Busy {
    /// It waits, and the wait counts.
    Queue,
    /// It is not sent, and counts as such.
    Drop,
    /// It waits, and another connection is opened.
    Grow,
}

/// The description that man page and completions are made of.
pub fn command() -> clap::Command {
    Options::command()
}

fn limits(text: &str) -> Result<Limits, LimitError> {
    text.parse()
}

fn receive_buffer() -> impl TypedValueParser<Value = u32> {
    let bytes = StringValueParser::new().try_map(|text| size(1, SLOW_BYTES_MAX)(&text));
    bytes.map(|bytes| u32::try_from(bytes).expect("under its bound"))
}

fn interval() -> impl Fn(&str) -> Result<Duration, QuantityError> + Clone + Send + Sync + 'static {
    duration(INTERVAL_MIN, Duration::from_secs(60))
}

fn progress() -> impl Fn(&str) -> Result<Duration, QuantityError> + Clone + Send + Sync + 'static {
    duration(Duration::from_millis(100), quantity::DURATION_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn the_help_is_grouped_and_ends_with_examples() {
        let help = command().render_help().to_string();
        for heading in
            ["Load:", "Connections:", "Requests:", "Supervision:", "Embedded target:", "Output:"]
        {
            assert!(help.contains(&format!("\n{heading}\n")), "{heading}\n{help}");
        }
        assert!(help.contains("\nExamples:\n"));
        for shown in ["serve", "doctor", "completions", "man"] {
            assert!(help.contains(&format!("\n  {shown} ")), "{shown}\n{help}");
        }
        assert!(!help.contains("__child"), "{help}");
    }
}
