//! What the supervisor tells a child.

use crate::codec::BODY_BYTES_MAX;
use crate::frame::Message;
use crate::sessions::SessionsShare;
use bincode::{Decode, Encode};
use std::net::{IpAddr, SocketAddr};

/// A command. The share comes first, [`Command::Release`] last; the end of the pipe means that the
/// supervisor is gone, and the child goes too.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Command {
    /// To a worker: its part of the plan.
    Work(Box<WorkerShare>),
    /// To a target: what to serve.
    Serve(TargetShare),
    /// All are ready: begin at this instant of `CLOCK_MONOTONIC`, in nanoseconds.
    Start {
        /// When to begin.
        at_nanos: u64,
        /// The common start instant of the run, from which intervals are numbered.
        run_nanos: u64,
    },
    /// Every connection of all workers is established or has failed, or those of a worker that joins a
    /// run under way: its load begins at this instant.
    Load {
        /// The end of the open phase.
        at_nanos: u64,
        /// Requests or attempts of its slot that are accounted for: it begins with the next.
        gone: u64,
    },
    /// Begin nothing more; end when nothing is in flight or this time is over.
    Stop {
        /// The longest drain, in nanoseconds.
        drain_nanos: u64,
    },
    /// The report is written: sockets may be torn down.
    Release,
}

impl Message for Command {
    const KIND: u8 = 1;
    const BYTES_MAX: u32 = BODY_BYTES_MAX as u32;
}

/// Who acts next.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum LoadShare {
    /// Each connection sends when its answer has come and its think time is over.
    Closed {
        /// Pause after an answer.
        think_nanos: u64,
        /// First sends are spread over this time.
        stagger_nanos: u64,
    },
    /// Connections are opened and kept.
    Hold {
        /// A request on each connection so often.
        heartbeat_nanos: Option<u64>,
        /// Whether a connection that ends is opened again.
        reopen: bool,
    },
    /// The schedule: any free connection sends what is due.
    Open {
        /// When requests are due.
        arrivals: ArrivalsShare,
        /// What becomes of a request that finds no connection free.
        on_busy: BusyKind,
    },
    /// The schedule of attempts; each that is accepted makes its requests and closes.
    Overload {
        /// When attempts are due. They are given up after `connect_timeout_nanos`.
        arrivals: ArrivalsShare,
    },
}

/// A schedule of all workers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ArrivalsShare {
    /// Rates in order; the last one holds on.
    pub rate: Vec<RateSegment>,
    /// How arrivals lie about them.
    pub kind: ArrivalsKind,
}

/// What becomes of a request that finds no connection free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum BusyKind {
    /// It waits for one.
    Queue,
    /// It is not sent.
    Drop,
    /// It waits, and another connection is opened, up to so many in this worker.
    Grow(u32),
}

/// So many in so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RateValue {
    /// How many.
    pub num: u64,
    /// In so many seconds.
    pub den: u64,
}

/// A rate that goes evenly from one value to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RateSegment {
    /// At its beginning.
    pub from: RateValue,
    /// At its end.
    pub to: RateValue,
    /// Its length in nanoseconds; 0 for a constant last one, which has no end.
    pub nanos: u64,
}

/// How arrivals lie about a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ArrivalsKind {
    /// Evenly.
    Constant,
    /// With exponential gaps.
    Poisson,
    /// Anywhere within half a period of their even place.
    Jitter,
}

/// Which protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ProtocolKind {
    /// HTTP/1.1.
    Http,
    /// Bytes that come back.
    Echo,
}

/// Consecutive source ports of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SourceRange {
    /// The address.
    pub address: IpAddr,
    /// The first port.
    pub first_port: u16,
    /// The last port, inclusive.
    pub last_port: u16,
}

/// Where so many of a worker's places connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PeerShare {
    /// The address.
    pub address: SocketAddr,
    /// Places that connect there.
    pub places: u32,
}

/// A load under way, in nanoseconds of `CLOCK_MONOTONIC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct JoinShare {
    /// When it began; none while connections are opened.
    pub load_nanos: Option<u64>,
}

/// One worker's part of the plan. Durations in nanoseconds, rates per second.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct WorkerShare {
    /// The worker's slot.
    pub slot: u32,
    /// How many workers there are: worker k takes every such tick of a common rate.
    pub workers: u32,
    /// How often the slot was filled before.
    pub generation: u32,
    /// The run under way that it joins; none where it starts with all others.
    pub joins: Option<JoinShare>,
    /// Seed of this slot and generation.
    pub seed: u64,
    /// Places: connections to keep open.
    pub connections: u32,
    /// The load model.
    pub load: LoadShare,
    /// Where to connect: the places in order, so many to each.
    pub peers: Vec<PeerShare>,
    /// Where from; empty leaves the choice to the kernel.
    pub sources: Vec<SourceRange>,
    /// The protocol.
    pub protocol: ProtocolKind,
    /// HTTP method.
    pub method: String,
    /// HTTP authority.
    pub authority: String,
    /// HTTP path and query.
    pub path: String,
    /// HTTP headers of the user.
    pub headers: Vec<(String, String)>,
    /// HTTP body, or the echo's message.
    pub body: Vec<u8>,
    /// Statuses that count as expected, inclusive ranges.
    pub expected_statuses: Vec<(u16, u16)>,
    /// Connection attempts per second of all workers.
    pub connect_rate: Option<u64>,
    /// Attempts pending at one time in this worker.
    pub connecting_max: u32,
    /// When connections are closed to be opened again.
    pub storms: Vec<StormShare>,
    /// Requests of this worker; none is without limit.
    pub requests: Option<u64>,
    /// Requests per second of all workers that must not be exceeded.
    pub request_rate_ceiling: Option<u64>,
    /// A connection is closed after so many answers; none keeps it.
    pub requests_per_connection: Option<u32>,
    /// Closes with RST then, which leaves nothing in TIME_WAIT.
    pub reset_close: bool,
    /// From send to last byte.
    pub timeout_nanos: u64,
    /// From send to the answer's first byte; none leaves it to the timeout.
    pub first_byte_nanos: Option<u64>,
    /// The longest silence within an answer; none leaves it to the timeout.
    pub idle_nanos: Option<u64>,
    /// Takes what the standard forbids and many servers send.
    pub lenient: bool,
    /// Sends the rest of a request that was answered early.
    pub finish_early: bool,
    /// Most bytes of an answer's body.
    pub body_max: u32,
    /// How slow its connections are.
    pub slow: SlowShare,
    /// From connect to established.
    pub connect_timeout_nanos: u64,
    /// The longest open phase.
    pub open_timeout_nanos: u64,
    /// Load before measurement.
    pub warmup_nanos: u64,
    /// Measurement; none ends with the requests.
    pub duration_nanos: Option<u64>,
    /// The longest drain.
    pub drain_nanos: u64,
    /// Time between reports.
    pub interval_nanos: u64,
    /// The processor to stay on.
    pub cpu: Option<u32>,
    /// Looks for events all the time while it is alone on that processor.
    pub spin: bool,
    /// What its users do; none sends the one request.
    pub sessions: Option<Box<SessionsShare>>,
}

/// A share of all connections is closed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StormShare {
    /// From the begin of load.
    pub after_nanos: u64,
    /// And again so often; none is once.
    pub every_nanos: Option<u64>,
    /// The share, up to 1,000,000.
    pub millionths: u32,
}

/// How slow connections are; none is as fast as they can, or as the kernel chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct SlowShare {
    /// Bytes per second that each reads.
    pub read_bytes_per_s: Option<u64>,
    /// Bytes per second that each writes.
    pub write_bytes_per_s: Option<u64>,
    /// The receive buffer to ask of the kernel.
    pub receive_buffer_bytes: Option<u32>,
}

/// How a target misbehaves.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HostileShare {
    /// Cases, by their place in the list of this build.
    pub cases: Vec<u16>,
    /// In which pieces bytes leave.
    pub chop: ChopKind,
    /// Plain answers on each connection first.
    pub after: u32,
    /// Only the first so many connections.
    pub connections: u64,
}

/// In which pieces hostile bytes leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ChopKind {
    /// All at once.
    Whole,
    /// So many at a time.
    Each(u32),
    /// In two, at every point in turn.
    Split,
    /// With pauses.
    Gaps,
}

/// A stop of a target: nothing is read, accepted or sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StallShare {
    /// From the first request read to its begin.
    pub after_nanos: u64,
    /// How long; none is until the target is told to end.
    pub length_nanos: Option<u64>,
}

/// What one target process serves.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TargetShare {
    /// The target's slot.
    pub slot: u32,
    /// Seed of this slot.
    pub seed: u64,
    /// Where to listen; the processes of a target that serves alone share it.
    pub listen: SocketAddr,
    /// The protocol.
    pub protocol: ProtocolKind,
    /// Bytes of an answer's body.
    pub body_bytes: u64,
    /// Bytes of an echo message; 0 where that is not known.
    pub message_bytes: u64,
    /// Each answer so much later, any number at once.
    pub delay_nanos: u64,
    /// How it misbehaves; none behaves.
    pub hostile: Option<HostileShare>,
    /// One answer at a time, each taking so long.
    pub service_nanos: u64,
    /// Service times are drawn from an exponential distribution with that mean.
    pub service_exponential: bool,
    /// When it stops, soonest first.
    pub stalls: Vec<StallShare>,
    /// Memory that it takes a minute and never gives back.
    pub leak_bytes_per_min: u64,
    /// Connections that are expected, to make room for.
    pub connections: u32,
    /// Time between reports.
    pub interval_nanos: u64,
    /// The processor to stay on.
    pub cpu: Option<u32>,
}
