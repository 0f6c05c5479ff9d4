//! The server of a run: one process that answers every request at once, and counts them.
//!
//! It listens on loopback, tells its parent where, and serves until the parent says that the clients
//! are done, or is gone.

use crate::link::Link;
use crate::parent::{self, Word};
use crate::tally::{END, Seen, cpu_time};
use dispatch::{
    Boxed, BoxedContext, Callback, DispatchContext, DispatchVars, Event, HandlerResult, Registered,
    iterate,
};
use protocols::http1::{Responses, Server};
use protocols::{ServerEvent, ServerMachine};
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;
use tcpsocket::{
    AcceptHandler, AcceptTarget, Acceptor, Buffers, SocketError, Stream, StreamHandler,
    StreamTarget,
};

/// Bytes of an answer's body.
const ANSWER_BYTES: u64 = 64;

/// Connections that may wait to be accepted: the kernel's own limit, as it is delivered.
const BACKLOG: i32 = 4096;

type Context = BoxedContext<World>;

/// What the connections share.
struct World {
    buffers: Buffers,
    responses: Rc<Responses>,
    ledger: Ledger,
    word: Option<Word>,
    failure: Option<SocketError>,
}

/// Serves; the words of the last line are what was seen.
///
/// # Errors
/// It cannot listen, or a limit of this host kept it from accepting.
pub fn run() -> Result<(), Box<dyn Error>> {
    let mut context = Context::new(World {
        buffers: Buffers::default(),
        responses: Rc::new(Responses::new(ANSWER_BYTES)),
        ledger: Ledger::default(),
        word: None,
        failure: None,
    })?;
    let acceptor = Acceptor::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), BACKLOG)?;
    let address = acceptor.local_address()?;
    context.insert(Boxed::new(AcceptTarget::new(acceptor, Listener)))?;
    parent::watch(&mut context, |context, word| context.world.word = Some(word))?;
    parent::tell(&format!("listening {address}\n"))?;
    let mut vars = DispatchVars::new(());
    vars.after_dispatch = Callback::new(|context: &mut Context, _vars| {
        let over = context.world.word.is_some() || context.world.failure.is_some();
        if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    iterate(&mut context, &mut vars)?;
    if let Some(error) = context.world.failure {
        return Err(format!("the server can accept no more: {error}").into());
    }
    if context.world.word == Some(Word::Proceed) {
        parent::tell(&format!("{}{END}\n", context.world.ledger.told().lines()))?;
    }
    Ok(())
}

/// What was seen so far.
#[derive(Default)]
struct Ledger {
    seen: Seen,
    /// Processor time when the first request came.
    cpu_before: Option<Duration>,
}

impl Ledger {
    fn note(&mut self, event: ServerEvent) {
        self.cpu_before.get_or_insert_with(cpu_time);
        match event {
            ServerEvent::Requested => self.seen.requests += 1,
            ServerEvent::BadRequest => self.seen.bad += 1,
        }
    }

    fn told(&self) -> Seen {
        let cpu =
            self.cpu_before.map_or(Duration::ZERO, |before| cpu_time().saturating_sub(before));
        Seen { cpu, ..self.seen }
    }
}

/// What acts on the listening socket.
struct Listener;

impl AcceptHandler<Context> for Listener {
    fn accepted(
        &mut self,
        stream: Stream,
        _acceptor: &mut Acceptor,
        context: &mut Context,
    ) -> HandlerResult {
        let machine = Server::new(Rc::clone(&context.world.responses));
        let serving = Serving { link: Link::new(machine) };
        if let Err(error) = context.insert(Boxed::new(StreamTarget::new(stream, serving))) {
            context.world.failure = Some(error.into());
        }
        Ok(())
    }

    fn exhausted(
        &mut self,
        _acceptor: &mut Acceptor,
        context: &mut Context,
        error: SocketError,
    ) -> HandlerResult {
        context.world.failure = Some(error);
        Ok(())
    }

    fn more(&mut self, acceptor: &Acceptor, context: &mut Context) {
        if let Some(id) = acceptor.dispatch_id() {
            context.call_again(id);
        }
    }
}

/// One connection: each request is answered when it is whole.
struct Serving {
    link: Link<Server>,
}

impl Serving {
    fn receive(
        &mut self,
        stream: &mut Stream,
        context: &mut Context,
        event: Event,
    ) -> Result<(), SocketError> {
        let World { buffers, ledger, .. } = &mut context.world;
        self.link.receive(stream, buffers, event, |machine, event| {
            ledger.note(event);
            if event == ServerEvent::Requested {
                machine.respond();
            }
        })?;
        self.link.send(stream)
    }

    /// Every turn ends here: with the connection, or with what is to be done next.
    fn go_on(
        &mut self,
        stream: &mut Stream,
        context: &mut Context,
        moved: Result<(), SocketError>,
    ) -> HandlerResult {
        let Some(id) = stream.dispatch_id() else { return Ok(()) };
        if moved.is_err() || self.link.over() {
            stream.mark_closed();
            context.socket_closed(id);
        } else if self.link.turn_is_due() {
            context.call_again(id);
        }
        Ok(())
    }
}

impl StreamHandler<Context> for Serving {
    fn connected(&mut self, _stream: &mut Stream, _context: &mut Context) -> HandlerResult {
        unreachable!("an accepted stream does not connect")
    }

    fn connect_failed(
        &mut self,
        _stream: &mut Stream,
        _context: &mut Context,
        _error: SocketError,
    ) -> HandlerResult {
        unreachable!("an accepted stream does not connect")
    }

    fn readable(
        &mut self,
        stream: &mut Stream,
        context: &mut Context,
        event: Event,
    ) -> HandlerResult {
        let moved = self.receive(stream, context, event);
        self.go_on(stream, context, moved)
    }

    fn writable(&mut self, stream: &mut Stream, context: &mut Context) -> HandlerResult {
        let moved = self.link.send(stream);
        self.go_on(stream, context, moved)
    }
}
