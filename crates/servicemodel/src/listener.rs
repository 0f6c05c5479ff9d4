//! The accepting end.

use crate::connection::Connection;
use crate::model::Model;
use crate::service::Context;
use crate::target::Target;
use dispatch::{DispatchContext, Filter, HandlerResult, Instant, Registered};
use std::net::SocketAddr;
use std::time::Duration;
use tcpsocket::{
    AcceptHandler, AcceptTarget, Acceptor, SocketError, Stream, StreamHandler, StreamTarget,
};

/// How long a listener that could not accept is left alone.
const RETRY: Duration = Duration::from_millis(500);

/// Listens at `address` (port 0: the kernel chooses) and hands each connection to
/// [`Model::accept`]. Returns where it listens.
///
/// # Errors
/// The address is in use or not ours, or a limit of this host.
pub fn listen<L: Model>(
    context: &mut Context<L>,
    address: SocketAddr,
    backlog: i32,
) -> Result<SocketAddr, SocketError> {
    let acceptor = Acceptor::listen(address, backlog)?;
    let bound = acceptor.local_address()?;
    context.insert(Target::Listener(AcceptTarget::new(acceptor, Listener)))?;
    Ok(bound)
}

/// What acts on a listening socket.
#[derive(Debug)]
pub struct Listener;

impl Listener {
    /// Listens again after [`RETRY`]; setting the filter re-arms, so nothing that waits is missed. To be
    /// watched again takes one of what ran out: where there is none yet, it comes back once more.
    pub(crate) fn resume<L: Model>(
        acceptor: &mut Acceptor,
        context: &mut Context<L>,
    ) -> HandlerResult {
        let Filter { readable, writable, exceptional } = Filter::READABLE;
        match context.set_dispatch_filter(acceptor, readable, writable, exceptional) {
            Ok(()) => Ok(()),
            Err(error) => Self.exhausted(acceptor, context, error.into()),
        }
    }
}

impl<L: Model> AcceptHandler<Context<L>> for Listener {
    fn accepted(
        &mut self,
        stream: Stream,
        acceptor: &mut Acceptor,
        context: &mut Context<L>,
    ) -> HandlerResult {
        let Some((machine, place)) = context.world.model.accept() else {
            return Ok(());
        };
        let connection = Connection::new(machine, place, None, false);
        let target = Target::Connection(StreamTarget::new(stream, connection));
        let id = match context.insert(target) {
            Ok(id) => id,
            Err(error) => return self.exhausted(acceptor, context, error.into()),
        };
        context.with_target(id, |target, context| match target {
            Target::Connection(target) => target.handler.connected(&mut target.stream, context),
            _ => unreachable!("it was inserted as a connection"),
        })
    }

    fn exhausted(
        &mut self,
        acceptor: &mut Acceptor,
        context: &mut Context<L>,
        error: SocketError,
    ) -> HandlerResult {
        context.world.model.exhausted(error);
        context.set_dispatch_filter(acceptor, false, false, false)?;
        if let Some(id) = acceptor.dispatch_id() {
            context.world.note_wake(Instant::now() + RETRY, id);
        }
        Ok(())
    }

    fn more(&mut self, acceptor: &Acceptor, context: &mut Context<L>) {
        if let Some(id) = acceptor.dispatch_id() {
            context.call_again(id);
        }
    }
}
