//! The embedded target: one process of it.
//!
//! It listens, answers, and counts what it saw: connections when they are accepted, requests when
//! their last byte was read. All processes of one target share a port by SO_REUSEPORT, each with a
//! listener of its own. It never connects anywhere.

mod leak;
mod serve;
mod service;
mod stalls;

pub use serve::Serve;

use crate::child::{self, Adopted, ChildError, attach};
use crate::worker::{WorkerError, pin};
use protocols::hostile::{CASES, Chop, Hostility, Listening, Manner};
use protocols::http1::Responses;
use protocols::{Server, echo, hostile, http1};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use tcpsocket::{Acceptor, SocketError};
use wire::{ChopKind, Command, HostileShare, ProtocolKind, Report, TargetShare};

/// Connections that may wait to be accepted; the kernel takes less if somaxconn is less.
pub const BACKLOG: i32 = 4096;

/// Bytes that an echo server keeps for a client that does not read.
const ECHO_BYTES_MAX: usize = 64 * 1024;

/// Why a target cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It cannot listen.
    #[error("cannot listen at {0}: {1}")]
    Listen(std::net::SocketAddr, SocketError),
    /// The loop cannot be made.
    #[error("event loop: {0}")]
    Loop(#[from] io::Error),
    /// It cannot stay on its processor.
    #[error(transparent)]
    Processor(#[from] WorkerError),
    /// The supervisor speaks otherwise.
    #[error(transparent)]
    Child(#[from] ChildError),
}

/// What makes the machine of a fresh connection.
pub type Machines = Box<dyn Fn() -> Server>;

/// Runs a target process to its end.
///
/// # Errors
/// What kept it from beginning; the caller tells the supervisor.
pub fn run(adopted: &mut Option<Adopted>) -> Result<(), TargetError> {
    let pipes = adopted.as_mut().expect("the pipes were adopted");
    let Command::Serve(share) = child::first_command(pipes)? else {
        return Err(ChildError::NotAShare.into());
    };
    if let Some(cpu) = share.cpu {
        pin(cpu)?;
    }
    let (listen, connections) = (share.listen, share.connections as usize);
    let hostility =
        share.hostile.as_ref().map(|hostile| Hostility::new(manner(hostile, share.seed)));
    let machines = match &hostility {
        Some(hostility) => hostile_machines(Rc::clone(hostility)),
        None => machines(&share),
    };
    let how = hostility.as_ref().map_or(Listening::Accepting, |hostility| hostility.listening());
    let serve = Serve::new(share, machines, hostility);
    let mut context = servicemodel::context(serve, None, connections)?;
    let (listening, _held) =
        listen_as(how, &mut context, listen).map_err(|error| TargetError::Listen(listen, error))?;
    attach(&mut context, adopted.take().expect("the pipes were adopted"))?;
    child::report(&mut context, Report::Ready { listening: Some(listening) });
    child::run(&mut context)?;
    child::exit(0)
}

/// Listens at `address`, unless the case is that it does not; then the socket is held that stands in
/// for a listener.
fn listen_as(
    how: Listening,
    context: &mut servicemodel::Context<Serve>,
    address: SocketAddr,
) -> Result<(SocketAddr, Option<Acceptor>), SocketError> {
    match how {
        Listening::Accepting => Ok((servicemodel::listen(context, address, BACKLOG)?, None)),
        Listening::Full => Ok((address, Some(Acceptor::listen(address, 1)?))),
        // The supervisor holds the port, bound and not listening.
        Listening::Refusing => Ok((address, None)),
    }
}

fn manner(share: &HostileShare, seed: u64) -> Manner {
    let case = |place: &u16| CASES.get(usize::from(*place));
    Manner {
        cases: share.cases.iter().filter_map(case).collect(),
        chop: match share.chop {
            ChopKind::Whole => Chop::Whole,
            ChopKind::Each(bytes) => Chop::Each(bytes),
            ChopKind::Split => Chop::Split,
            ChopKind::Gaps => Chop::Gaps,
        },
        after: share.after,
        connections: share.connections,
        seed,
    }
}

fn hostile_machines(hostility: Rc<Hostility>) -> Machines {
    Box::new(move || {
        let machine = hostile::Server::new(Rc::clone(&hostility));
        Server::Hostile(Box::new(machine))
    })
}

fn machines(share: &TargetShare) -> Machines {
    match share.protocol {
        ProtocolKind::Http => {
            let responses = Rc::new(Responses::new(share.body_bytes));
            Box::new(move || Server::Http1(http1::Server::new(Rc::clone(&responses))))
        }
        ProtocolKind::Echo => Box::new(|| Server::Echo(echo::Server::new(ECHO_BYTES_MAX))),
    }
}
