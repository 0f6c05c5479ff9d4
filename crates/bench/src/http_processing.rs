//! One process, a few connections, GET and POST: the model of a small client program.
//!
//! It is all there is to writing one: a handler with four methods, a world that the handlers
//! share, and `iterate` with a callback that ends it.

use crate::arguments::Arguments;
use dispatch::{
    Callback, DispatchContext, DispatchVars, Event, HandlerResult, Instant, MioContext,
};
use dispatch::{Registered, iterate};
use protocols::http1::{Client, Request, RequestError};
use protocols::{ClientEvent, ClientMachine, Machine};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;
use tcpsocket::{Buffers, Read, SocketError, Stream, StreamHandler, StreamTarget, Written};

type Context = MioContext<StreamTarget<Exchange>, World>;

/// What the connections share.
struct World {
    buffers: Buffers,
    to_send: u64,
    tally: Tally,
}

/// What came of the requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Answers, by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests that failed, by what the machine or the kernel said.
    pub failures: BTreeMap<String, u64>,
}

impl Tally {
    fn failed(&mut self, why: String) {
        *self.failures.entry(why).or_default() += 1;
    }

    /// Requests answered.
    pub fn completed(&self) -> u64 {
        self.statuses.values().sum()
    }
}

/// The end of a run.
#[derive(Clone, Debug)]
pub struct Summary {
    /// What came of the requests.
    pub tally: Tally,
    /// From the first connect to the last answer.
    pub elapsed: Duration,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let completed = self.tally.completed();
        let seconds = self.elapsed.as_secs_f64();
        writeln!(f, "{completed} requests in {seconds:.3} s, {:.0}/s", completed as f64 / seconds)?;
        for (status, count) in &self.tally.statuses {
            writeln!(f, "  status {status}: {count}")?;
        }
        for (why, count) in &self.tally.failures {
            writeln!(f, "  failed, {why}: {count}")?;
        }
        Ok(())
    }
}

/// Runs to the last answer.
///
/// # Errors
/// No descriptors for the loop, or a request that cannot be written.
pub fn run(arguments: &Arguments) -> Result<Summary, Box<dyn Error>> {
    let begun = Instant::now();
    let world =
        World { buffers: Buffers::default(), to_send: arguments.requests, tally: Tally::default() };
    let mut context = Context::new(world)?;
    for (method, connections) in [("GET", arguments.get), ("POST", arguments.post)] {
        let request = Rc::new(request(arguments, method)?);
        for _ in 0..connections {
            connect(&mut context, arguments, &request)?;
        }
    }
    let mut vars = DispatchVars::new(());
    vars.before_dispatch = Callback::new(|context: &mut Context, _vars| {
        if context.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    iterate(&mut context, &mut vars)?;
    Ok(Summary { tally: context.world.tally, elapsed: Instant::now().since(begun) })
}

fn request(arguments: &Arguments, method: &str) -> Result<Request, RequestError> {
    let builder = Request::builder(method, &arguments.authority, &arguments.path);
    if method == "POST" {
        builder.body(&vec![b'x'; arguments.body_bytes]).build()
    } else {
        builder.build()
    }
}

fn connect(
    context: &mut Context,
    arguments: &Arguments,
    request: &Rc<Request>,
) -> Result<(), Box<dyn Error>> {
    let stream = Stream::connect(arguments.peer, None)?;
    let exchange = Exchange { machine: Client::new(Rc::clone(request)), kept: Vec::new() };
    context.insert(StreamTarget::new(stream, exchange))?;
    Ok(())
}

/// One connection: a request, its answer, the next request.
struct Exchange {
    machine: Client,
    kept: Vec<u8>,
}

impl Exchange {
    /// Begins the next request, or closes when all were begun.
    fn next(&mut self, stream: &mut Stream, context: &mut Context) {
        if context.world.to_send == 0 || self.machine.finished() {
            return close(stream, context);
        }
        context.world.to_send -= 1;
        self.machine.start();
        self.send(stream, context);
    }

    fn send(&mut self, stream: &mut Stream, context: &mut Context) {
        while !self.machine.pending().is_empty() {
            match stream.write(self.machine.pending()) {
                Written::Bytes(bytes) => self.machine.transmitted(bytes),
                Written::Blocked => return,
                Written::Failed(error) => return self.fail(stream, context, &error.to_string()),
            }
        }
    }

    fn fail(&mut self, stream: &mut Stream, context: &mut Context, why: &str) {
        context.world.tally.failed(why.to_owned());
        close(stream, context);
    }

    /// Feeds what was read; returns whether the answer is whole.
    fn feed(&mut self, context: &mut Context, input: &[u8]) -> bool {
        let mut consumed = 0;
        let mut answered = false;
        loop {
            let received = self.machine.receive(&input[consumed..]);
            consumed += received.consumed;
            match received.event {
                Some(event) => answered |= note(&mut context.world.tally, event),
                None if received.consumed == 0 => break,
                None => {}
            }
        }
        context.world.buffers.keep(&mut self.kept, &input[consumed..]);
        answered
    }
}

/// Counts an event; returns whether it ended the exchange.
fn note(tally: &mut Tally, event: ClientEvent) -> bool {
    match event {
        ClientEvent::Interim(_) | ClientEvent::Extra(_) => false,
        ClientEvent::Completed(answer) => {
            *tally.statuses.entry(answer.status).or_default() += 1;
            true
        }
        ClientEvent::Failed(failure) => {
            tally.failed(format!("{failure:?}"));
            true
        }
    }
}

fn close(stream: &mut Stream, context: &mut Context) {
    let id = stream.dispatch_id();
    stream.mark_closed();
    if let Some(id) = id {
        context.socket_closed(id);
    }
}

impl StreamHandler<Context> for Exchange {
    fn connected(&mut self, stream: &mut Stream, context: &mut Context) -> HandlerResult {
        self.next(stream, context);
        Ok(())
    }

    fn connect_failed(
        &mut self,
        stream: &mut Stream,
        context: &mut Context,
        error: SocketError,
    ) -> HandlerResult {
        self.fail(stream, context, &error.to_string());
        Ok(())
    }

    fn readable(
        &mut self,
        stream: &mut Stream,
        context: &mut Context,
        event: Event,
    ) -> HandlerResult {
        let mut buffer = context.world.buffers.take_read();
        let kept = self.kept.len();
        buffer[..kept].copy_from_slice(&self.kept);
        let read = stream.read(&mut buffer[kept..]);
        let answered = match read {
            Read::Bytes(bytes) => self.feed(context, &buffer[..kept + bytes]),
            Read::End => match self.machine.end_of_input(&buffer[..kept]) {
                Some(event) => note(&mut context.world.tally, event),
                None => true,
            },
            Read::Blocked | Read::Failed(_) => false,
        };
        let whole = buffer.len();
        context.world.buffers.return_read(buffer);
        if let Read::Failed(error) = read {
            self.fail(stream, context, &error.to_string());
        } else if answered {
            self.next(stream, context);
        }
        let more = matches!(read, Read::Bytes(bytes) if kept + bytes == whole || event.read_closed);
        if let (true, Some(id)) = (more, stream.dispatch_id()) {
            context.call_again(id);
        }
        Ok(())
    }

    fn writable(&mut self, stream: &mut Stream, context: &mut Context) -> HandlerResult {
        self.send(stream, context);
        Ok(())
    }
}
