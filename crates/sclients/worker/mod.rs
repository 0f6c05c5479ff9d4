//! One worker process: one thread, its own sockets, its own part of the plan.
//!
//! ```text
//! share ─▶ Load (the model) ─┬─ Places: which connection is opened next, and when
//!                            ├─ Schedule: which phase it is
//!                            ├─ Pacer: when the next tick of a rate is due
//!                            ├─ Ceiling: what a consented rate lets out
//!                            ├─ Departures: whether that law was kept
//!                            ├─ Storms: when connections are closed to be opened again
//!                            ├─ Sessions: what its users do, where they do more than one request
//!                            ├─ Account: every request from due to its one end
//!                            └─ Recorder ─▶ outbox ─▶ report pipe
//! ```
//!
//! It never talks to another worker, never waits for its reports to be read, and never prints.

mod account;
mod ceiling;
mod classify;
mod departures;
mod load;
mod open;
mod overload;
mod pacer;
mod places;
mod requests;
mod schedule;
mod session;
mod sessions;
mod storms;

pub use load::Load;
pub use pacer::Pacer;
use sessions::Sessions;

use crate::child::{self, Adopted, ChildError, attach};
use crate::profile::{Arrivals, Profile, ProfileError};
use crate::shares;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use protocols::http1::{Manner, Request, RequestError};
use protocols::{Client, echo, http1};
use servicemodel::Slowness;
use std::io;
use std::num::NonZeroU64;
use std::rc::Rc;
use tcpsocket::{SourceBlock, Sources};
use wire::{Command, LoadShare, ProtocolKind, Report, SlowShare, WorkerShare};

/// Why a worker cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Its request cannot be written.
    #[error("request: {0}")]
    Request(#[from] RequestError),
    /// Its schedule cannot be.
    #[error("schedule: {0}")]
    Schedule(#[from] ProfileError),
    /// Its sessions cannot be played.
    #[error("sessions: {0}")]
    Sessions(#[from] session::ProgramError),
    /// The loop cannot be made.
    #[error("event loop: {0}")]
    Loop(#[from] io::Error),
    /// It cannot stay on its processor.
    #[error("processor {0} cannot be had: {1}")]
    Processor(u32, nix::errno::Errno),
    /// The supervisor speaks otherwise.
    #[error(transparent)]
    Child(#[from] ChildError),
}

/// Runs a worker to its end.
///
/// # Errors
/// What kept it from beginning; the caller tells the supervisor.
pub fn run(adopted: &mut Option<Adopted>) -> Result<(), WorkerError> {
    let pipes = adopted.as_mut().expect("the pipes were adopted");
    let Command::Work(mut share) = child::first_command(pipes)? else {
        return Err(ChildError::NotAShare.into());
    };
    if let Some(cpu) = share.cpu {
        pin(cpu)?;
    }
    let sources = (!share.sources.is_empty()).then(|| sources(&share));
    let connections = share.connections as usize;
    let (machine, due, slowness) = (machines(&share)?, due(&share)?, slowness(share.slow));
    let sessions = Sessions::of(&mut share)?;
    let load = Load::new(*share, machine, due, sessions);
    let mut context = servicemodel::context(load, sources, connections)?;
    context.world.slowness = slowness;
    attach(&mut context, adopted.take().expect("the pipes were adopted"))?;
    context.world.model.settle();
    child::report(&mut context, Report::Ready { listening: None });
    child::run(&mut context)?;
    child::exit(0)
}

/// Keeps this process on one processor.
///
/// # Errors
/// The processor does not exist or is not ours.
pub fn pin(cpu: u32) -> Result<(), WorkerError> {
    let refused = |errno| WorkerError::Processor(cpu, errno);
    let mut set = CpuSet::new();
    set.set(cpu as usize).map_err(refused)?;
    sched_setaffinity(Pid::from_raw(0), &set).map_err(refused)
}

fn sources(share: &WorkerShare) -> Sources {
    let blocks: Vec<SourceBlock> = share
        .sources
        .iter()
        .map(|range| SourceBlock {
            address: range.address,
            first_port: range.first_port,
            last_port: range.last_port,
        })
        .collect();
    Sources::new(&blocks)
}

/// The schedule of a share, where it has one.
fn due(share: &WorkerShare) -> Result<Option<(Profile, Arrivals)>, ProfileError> {
    match &share.load {
        LoadShare::Open { arrivals, .. } | LoadShare::Overload { arrivals } => {
            let profile = shares::profile(&arrivals.rate)?;
            Ok(Some((profile, shares::arrivals(arrivals.kind))))
        }
        LoadShare::Closed { .. } | LoadShare::Hold { .. } => Ok(None),
    }
}

fn slowness(share: SlowShare) -> Slowness {
    Slowness {
        read_bytes_per_s: share.read_bytes_per_s.and_then(NonZeroU64::new),
        write_bytes_per_s: share.write_bytes_per_s.and_then(NonZeroU64::new),
        receive_buffer_bytes: share.receive_buffer_bytes.map(|bytes| bytes as usize),
    }
}

/// What makes the machine of a fresh connection.
pub type Machines = Box<dyn Fn() -> Client>;

fn machines(share: &WorkerShare) -> Result<Machines, RequestError> {
    match share.protocol {
        ProtocolKind::Http => {
            let request = Rc::new(request(share)?);
            Ok(Box::new(move || Client::Http1(http1::Client::new(Rc::clone(&request)))))
        }
        ProtocolKind::Echo => {
            let message: Rc<[u8]> = share.body.as_slice().into();
            Ok(Box::new(move || Client::Echo(echo::Client::new(Rc::clone(&message)))))
        }
    }
}

/// The request that every connection of this share sends.
///
/// # Errors
/// A method, path or header that HTTP does not allow.
pub fn request(share: &WorkerShare) -> Result<Request, RequestError> {
    let mut builder = Request::builder(&share.method, &share.authority, &share.path)
        .version(env!("CARGO_PKG_VERSION"))
        .body(&share.body)
        .manner(Manner {
            lenient: share.lenient,
            finish_early: share.finish_early,
            body_max: share.body_max,
            kept_max: 0,
        });
    for (name, value) in &share.headers {
        builder = builder.header(name, value);
    }
    builder.build()
}
