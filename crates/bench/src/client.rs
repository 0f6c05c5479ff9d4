//! The client that all programs share: one loop, a few connections, each sending its next request
//! when the answer to the last has come.
//!
//! It is all there is to writing a client program: a handler with four methods, a world that the
//! handlers share, and `iterate` with a callback that ends it.

use crate::arguments::Load;
use crate::link::Link;
use crate::parent::{self, Word};
use crate::tally::{END, Tally, cpu_time};
use crate::url::Url;
use dispatch::{
    Boxed, BoxedContext, Callback, DispatchContext, DispatchId, DispatchVars, Event, HandlerResult,
    Instant, Registered, iterate,
};
use protocols::http1::{Client, Request, RequestError};
use protocols::{ClientEvent, ClientMachine, Machine};
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;
use tcpsocket::{Buffers, SocketError, Stream, StreamHandler, StreamTarget};

/// How long the answers that are due when the time is up are waited for.
pub const DRAIN: Duration = Duration::from_secs(2);

type Context = BoxedContext<World>;

/// What the connections share.
struct World {
    peer: SocketAddr,
    buffers: Buffers,
    /// Requests that may still begin.
    to_begin: u64,
    duration: Duration,
    /// Connections that are established and wait for the start.
    waiting: Vec<DispatchId>,
    connecting: usize,
    open: usize,
    orphaned: bool,
    ledger: Ledger,
}

/// What is counted.
#[derive(Default)]
struct Ledger {
    started: Option<Start>,
    /// Requests that are under way.
    exchanges: u64,
    tally: Tally,
}

/// When the requests began, and what had been used by then.
#[derive(Clone, Copy)]
struct Start {
    at: Instant,
    cpu: Duration,
}

/// Runs at once, to the last answer or for the time that `load` gives.
///
/// # Errors
/// No descriptors for the loop, or a request that cannot be written.
pub fn run(url: &Url, load: &Load) -> Result<Tally, Box<dyn Error>> {
    let mut context = Context::new(World::new(url, load))?;
    start(&mut context);
    connect_all(&mut context, url, load)?;
    iterate_to_the_end(&mut context, |_| Ok(()))?;
    Ok(finish(context))
}

/// Runs as a child: connects, says `ready`, begins at the parent's word, tells the tally.
///
/// # Errors
/// As [`run`], and when the parent is gone.
pub fn run_as_child(url: &Url, load: &Load) -> Result<(), Box<dyn Error>> {
    let mut context = Context::new(World::new(url, load))?;
    parent::watch(&mut context, |context, word| match word {
        Word::Proceed => start(context),
        Word::Orphaned => context.world.orphaned = true,
    })?;
    connect_all(&mut context, url, load)?;
    let mut ready = false;
    iterate_to_the_end(&mut context, move |world| {
        if ready || world.connecting > 0 {
            return Ok(());
        }
        ready = true;
        parent::tell("ready\n")
    })?;
    if context.world.orphaned {
        return Ok(());
    }
    let tally = finish(context);
    Ok(parent::tell(&format!("{}{END}\n", tally.lines()))?)
}

fn finish(context: Context) -> Tally {
    let World { ledger, connecting, .. } = context.world;
    ledger.finish(connecting)
}

fn start(context: &mut Context) {
    context.world.ledger.started = Some(Start { at: Instant::now(), cpu: cpu_time() });
    for id in std::mem::take(&mut context.world.waiting) {
        context.call_again(id);
    }
}

/// Before each dispatch: `look` is told of the world, and the vars are set so that the dispatch waits
/// no longer than to the next deadline; the loop ends with the last connection, the last deadline or
/// the parent.
fn iterate_to_the_end(
    context: &mut Context,
    mut look: impl FnMut(&World) -> io::Result<()>,
) -> io::Result<()> {
    let mut vars = DispatchVars::new(Ok(()));
    vars.before_dispatch = Callback::new(|context: &mut Context, vars| {
        vars.values = look(&context.world);
        vars.timeout = context.world.wait(Instant::now());
        let over = context.world.orphaned
            || context.world.open == 0
            || vars.timeout == Some(Duration::ZERO)
            || vars.values.is_err();
        if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    iterate(context, &mut vars)?;
    vars.values
}

impl World {
    fn new(url: &Url, load: &Load) -> Self {
        Self {
            peer: url.peer,
            buffers: Buffers::default(),
            to_begin: load.requests.unwrap_or(u64::MAX),
            duration: load.duration,
            waiting: Vec::new(),
            connecting: 0,
            open: 0,
            orphaned: false,
            ledger: Ledger::default(),
        }
    }

    /// How long to the next deadline, zero when the last has passed; none before the start. When the
    /// time is up no request begins any more.
    fn wait(&mut self, now: Instant) -> Option<Duration> {
        let started = self.ledger.started?;
        let ends = started.at + self.duration;
        if now >= ends {
            self.to_begin = 0;
        }
        Some(if now < ends { ends.since(now) } else { (ends + DRAIN).since(now) })
    }
}

impl Ledger {
    fn begin(&mut self) -> Instant {
        self.exchanges += 1;
        self.tally.begun += 1;
        Instant::now()
    }

    /// Counts an event of the exchange that began at `begun`; returns whether it is an answer.
    fn note(&mut self, event: ClientEvent, begun: &mut Option<Instant>) -> bool {
        match event {
            ClientEvent::Interim(_) | ClientEvent::Extra(_) => false,
            ClientEvent::Completed(answer) => {
                let begun = begun.take().expect("an answer is that of an exchange");
                self.exchanges -= 1;
                self.answered(begun, answer.status);
                true
            }
            ClientEvent::Failed(failure) => {
                self.failed(format!("{failure:?}"), begun);
                false
            }
        }
    }

    fn answered(&mut self, begun: Instant, status: u16) {
        let now = Instant::now();
        let start = self.started.map_or(begun, |start| start.at);
        self.tally.elapsed = now.since(start);
        self.tally.latencies.record(now.since(begun));
        *self.tally.statuses.entry(status).or_default() += 1;
    }

    fn failed(&mut self, why: String, begun: &mut Option<Instant>) {
        self.tally.failed(why);
        self.exchanges -= u64::from(begun.take().is_some());
    }

    /// The tally, with what was left when the time was up.
    fn finish(mut self, connecting: usize) -> Tally {
        self.tally.unanswered = self.exchanges;
        for _ in 0..connecting {
            self.tally.failed("not connected when the time was up".into());
        }
        let cpu = self.started.map(|start| cpu_time().saturating_sub(start.cpu));
        self.tally.cpu = cpu.unwrap_or_default();
        self.tally
    }
}

fn connect_all(context: &mut Context, url: &Url, load: &Load) -> Result<(), Box<dyn Error>> {
    for (method, connections) in [("GET", load.get), ("POST", load.post)] {
        let request = Rc::new(request(url, load, method)?);
        for _ in 0..connections {
            connect(context, &request);
        }
    }
    Ok(())
}

fn request(url: &Url, load: &Load, method: &str) -> Result<Request, RequestError> {
    let builder = Request::builder(method, &url.authority, &url.path);
    if method == "POST" {
        builder.body(&vec![b'x'; load.body_bytes]).build()
    } else {
        builder.build()
    }
}

/// Opens a connection; that it cannot be opened is an outcome.
fn connect(context: &mut Context, request: &Rc<Request>) {
    let inserted = Stream::connect(context.world.peer, None).and_then(|stream| {
        let exchange = Exchange {
            request: Rc::clone(request),
            link: Link::new(Client::new(Rc::clone(request))),
            begun: None,
            answers: 0,
        };
        Ok(context.insert(Boxed::new(StreamTarget::new(stream, exchange)))?)
    });
    match inserted {
        Ok(_) => {
            context.world.connecting += 1;
            context.world.open += 1;
        }
        Err(error) => context.world.ledger.tally.failed(error.to_string()),
    }
}

/// One connection: a request, its answer, the next request.
struct Exchange {
    request: Rc<Request>,
    link: Link<Client>,
    /// When the request began that is not answered yet.
    begun: Option<Instant>,
    /// Answers that came over this connection.
    answers: u64,
}

impl Exchange {
    /// Every turn ends here: with the next request, with the connection, or with the wait for the
    /// rest of the answer.
    fn go_on(&mut self, stream: &mut Stream, context: &mut Context) -> HandlerResult {
        if self.link.over() {
            self.replace(stream, context);
        } else if let Err(error) = self.next(stream, context) {
            self.fail(stream, context, &error.to_string());
        }
        Ok(())
    }

    fn next(&mut self, stream: &mut Stream, context: &mut Context) -> Result<(), SocketError> {
        let Some(id) = stream.dispatch_id() else { return Ok(()) };
        if self.begun.is_none() {
            if context.world.ledger.started.is_none() {
                return Ok(());
            }
            if context.world.to_begin == 0 {
                close(stream, context);
                return Ok(());
            }
            context.world.to_begin -= 1;
            self.begun = Some(context.world.ledger.begin());
            self.link.machine.start();
        }
        self.link.send(stream)?;
        if self.link.turn_is_due() {
            context.call_again(id);
        }
        Ok(())
    }

    /// The server, or a failure, ended the connection: another takes its place while there is more to
    /// do. One that brought no answer has none, so that a server which only closes is left alone.
    fn replace(&mut self, stream: &mut Stream, context: &mut Context) {
        close(stream, context);
        if self.answers > 0 && context.world.to_begin > 0 {
            connect(context, &self.request);
        }
    }

    fn fail(&mut self, stream: &mut Stream, context: &mut Context, why: &str) {
        context.world.ledger.failed(why.to_owned(), &mut self.begun);
        self.replace(stream, context);
    }

    fn receive(
        &mut self,
        stream: &mut Stream,
        context: &mut Context,
        event: Event,
    ) -> Result<(), SocketError> {
        let World { buffers, ledger, .. } = &mut context.world;
        let Self { link, begun, answers, .. } = self;
        let mut noted = false;
        link.receive(stream, buffers, event, |_machine, event| {
            noted = true;
            *answers += u64::from(ledger.note(event, begun));
        })?;
        if link.over() && *answers == 0 && !noted {
            ledger.tally.failed("closed by the server before the first request".into());
        }
        Ok(())
    }
}

fn close(stream: &mut Stream, context: &mut Context) {
    let id = stream.dispatch_id();
    stream.mark_closed();
    if let Some(id) = id {
        context.world.open -= 1;
        context.socket_closed(id);
    }
}

impl StreamHandler<Context> for Exchange {
    fn connected(&mut self, stream: &mut Stream, context: &mut Context) -> HandlerResult {
        context.world.connecting -= 1;
        if context.world.ledger.started.is_none() {
            context.world.waiting.extend(stream.dispatch_id());
        }
        self.go_on(stream, context)
    }

    fn connect_failed(
        &mut self,
        stream: &mut Stream,
        context: &mut Context,
        error: SocketError,
    ) -> HandlerResult {
        context.world.connecting -= 1;
        self.fail(stream, context, &error.to_string());
        Ok(())
    }

    fn readable(
        &mut self,
        stream: &mut Stream,
        context: &mut Context,
        event: Event,
    ) -> HandlerResult {
        match self.receive(stream, context, event) {
            Ok(()) => self.go_on(stream, context),
            Err(error) => {
                self.fail(stream, context, &error.to_string());
                Ok(())
            }
        }
    }

    fn writable(&mut self, stream: &mut Stream, context: &mut Context) -> HandlerResult {
        if self.link.machine.pending().is_empty() {
            return Ok(());
        }
        self.go_on(stream, context)
    }
}
