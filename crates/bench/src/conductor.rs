//! A run of several processes: the server first, then the clients, who begin together; their counts
//! come back over pipes that this process watches from a loop of its own.
//!
//! No child outlives the run: each ends with the pipe on its standard input, and is killed where it
//! does not.

use crate::arguments::{CLIENT, Load, SERVER};
use crate::client::DRAIN;
use crate::limits::open_files_suffice;
use crate::process::{Process, Role, Stage};
use crate::tally::{Seen, Tally};
use crate::url::Url;
use dispatch::{
    BoxedContext, Callback, DispatchVars, Handler, HandlerResult, Instant, Pipe, iterate,
};
use std::error::Error;
use std::ops::ControlFlow;
use std::time::Duration;

/// How long processes may take to start, connect, tell and end.
const GRACE: Duration = Duration::from_secs(10);

/// A loop whose world is the children, the server first.
type Context = BoxedContext<Vec<Process>>;

/// The end of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Where the requests went.
    pub url: Url,
    /// What came of them, by client process.
    pub tallies: Vec<Tally>,
    /// What the server saw, where it is our own.
    pub seen: Option<Seen>,
}

impl Outcome {
    /// The clients' tallies in one.
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        for tally in &self.tallies {
            total.merge(tally);
        }
        total
    }

    /// Whether something was answered, and the counts of both ends can both be right.
    pub fn is_good(&self) -> bool {
        let total = self.total();
        total.completed() > 0 && self.seen.is_none_or(|seen| seen.agrees_with(&total))
    }
}

/// Runs a client process for each load, against a server of its own where there is no URL:
///
/// 1. The server listens and says where.
/// 2. The clients connect and say that they are ready.
/// 3. All are told to begin; each tells its tally when it is done.
/// 4. The server is told to end and tells what it saw.
///
/// # Errors
/// A limit of this host, or a child that ended early or kept silent.
pub fn run(url: Option<Url>, loads: &[Load]) -> Result<Outcome, Box<dyn Error>> {
    open_files_suffice(url.is_none(), loads)?;
    let mut context = Context::new(Vec::new())?;
    let url = match url {
        Some(url) => url,
        None => start_server(&mut context)?,
    };
    for (index, load) in loads.iter().enumerate() {
        let words = [vec![CLIENT.to_owned()], load.words(&url)].concat();
        spawn(&mut context, Role::Client, format!("client {}", index + 1), &words)?;
    }
    wait(&mut context, Role::Client, Stage::Prepared, GRACE)?;
    proceed(&mut context, Role::Client);
    let longest = loads.iter().map(|load| load.duration).max().unwrap_or_default();
    wait(&mut context, Role::Client, Stage::Told, longest + DRAIN + GRACE)?;
    proceed(&mut context, Role::Server);
    wait(&mut context, Role::Server, Stage::Told, GRACE)?;
    wait(&mut context, Role::Server, Stage::Gone, GRACE)?;
    wait(&mut context, Role::Client, Stage::Gone, GRACE)?;
    let tallies = told(&context, Role::Client, Tally::from_lines)?;
    let seen = told(&context, Role::Server, Seen::from_lines)?.pop();
    Ok(Outcome { url, tallies, seen })
}

fn start_server(context: &mut Context) -> Result<Url, String> {
    spawn(context, Role::Server, "server".into(), &[SERVER.to_owned()])?;
    wait(context, Role::Server, Stage::Prepared, GRACE)?;
    let line = context.world[0].lines().swap_remove(0);
    let address = line.strip_prefix("listening ").and_then(|address| address.parse().ok());
    address.map(Url::of_server).ok_or_else(|| format!("`{line}` is no address of a server"))
}

fn spawn(context: &mut Context, role: Role, name: String, words: &[String]) -> Result<(), String> {
    let (process, output) = Process::spawn(role, name, words)?;
    let index = context.world.len();
    context.world.push(process);
    let watched = Pipe::reading(output).and_then(|pipe| {
        context.insert(Handler::boxed(
            pipe,
            move |pipe: &mut Pipe, context: &mut Context, _event| {
                hear(pipe, &mut context.world[index])
            },
        ))
    });
    watched.map(|_| ()).map_err(|error| format!("cannot watch a child: {error}"))
}

fn hear(pipe: &mut Pipe, process: &mut Process) -> HandlerResult {
    let mut buffer = [0; 4096];
    while !process.is_gone() {
        let Some(bytes) = pipe.read(&mut buffer)? else { break };
        process.heard(&buffer[..bytes]);
    }
    Ok(())
}

fn proceed(context: &mut Context, role: Role) {
    for process in context.world.iter_mut().filter(|process| process.role == role) {
        process.proceed();
    }
}

/// Waits until all of `role` have come to `stage`.
fn wait(context: &mut Context, role: Role, stage: Stage, longest: Duration) -> Result<(), String> {
    let deadline = Instant::now() + longest;
    let misses = |process: &Process| process.role == role && !process.reached(stage);
    let mut vars = DispatchVars::new(());
    vars.before_dispatch = Callback::new(|context: &mut Context, vars| {
        let left = deadline.since(Instant::now());
        vars.timeout = Some(left);
        let missing = context.world.iter().any(misses);
        let lost = context.world.iter().any(|process| misses(process) && process.is_gone());
        if missing && !lost && !left.is_zero() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    iterate(context, &mut vars).map_err(|error| format!("event loop: {error}"))?;
    let mut missing: Vec<_> = context.world.iter_mut().filter(|process| misses(process)).collect();
    missing.sort_by_key(|process| !process.is_gone());
    missing.first_mut().map_or(Ok(()), |process| Err(process.trouble(stage)))
}

/// Reads what the children of `role` told: their lines without the first, which says that they are
/// ready, and the last.
fn told<T>(
    context: &Context,
    role: Role,
    read: impl Fn(&[String]) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let processes = context.world.iter().filter(|process| process.role == role);
    let counts = processes.map(|process| {
        let lines = process.lines();
        read(lines.get(1..lines.len() - 1).unwrap_or_default())
    });
    counts.collect()
}
