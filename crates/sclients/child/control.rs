//! The two pipes of a child, and how it takes them over.

use super::Role;
use crate::sys;
use dispatch::{Event, Handler, HandlerResult, Pipe, Registered};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use servicemodel::{Context, Target};
use std::io::{self, Read, Write};
use std::os::fd::{OwnedFd, RawFd};
use wire::{Command, Decoder, Report, WireError};

/// Bytes of one read from the control pipe.
const READ_BYTES: usize = 64 * 1024;

/// How much sooner than its supervisor a child is killed for memory, in thousandths of it, and the most.
const OOM_SCORE_ABOVE: i32 = 100;
const OOM_SCORE_MAX: i32 = 1_000;

/// Why a child cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The parent died before this process could ask to be told.
    #[error("the supervisor (process {0}) is gone")]
    Orphan(i32),
    /// A pipe is not what it should be.
    #[error("pipe to the supervisor: {0}")]
    Pipe(#[from] io::Error),
    /// The supervisor speaks otherwise.
    #[error("the supervisor's message: {0}")]
    Wire(#[from] WireError),
    /// The first command is no share of this role.
    #[error("the first command is no share for this process")]
    NotAShare,
}

/// The pipes, taken over, and what came with the share.
#[derive(Debug)]
pub struct Adopted {
    control: OwnedFd,
    report: OwnedFd,
    decoder: Decoder<Command>,
}

/// Takes over the pipes with these numbers, and makes sure that this process ends with its
/// supervisor: by PR_SET_PDEATHSIG, and by looking whether the supervisor was gone before that.
///
/// Signals for the supervisor stay blocked, as inherited: only it coordinates, also where a whole
/// process group is told to end.
///
/// # Errors
/// The supervisor is gone.
pub fn adopt(supervisor: i32, control: RawFd, report: RawFd) -> Result<Adopted, ChildError> {
    prctl::set_name(c"sclients").map_err(io::Error::from)?;
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from)?;
    if getppid().as_raw() != supervisor {
        return Err(ChildError::Orphan(supervisor));
    }
    let (control, report) = sys::adopt_descriptors(control, report);
    go_before_the_supervisor();
    Ok(Adopted { control, report, decoder: Decoder::default() })
}

/// Where memory runs out, this process is to be killed before the supervisor, which has the counts: more
/// may always be asked for (proc_pid_oom_score_adj(5)). Where it is refused, both are as likely.
fn go_before_the_supervisor() {
    const FILE: &str = "/proc/self/oom_score_adj";
    let inherited =
        std::fs::read_to_string(FILE).ok().and_then(|text| text.trim().parse::<i32>().ok());
    if let Some(inherited) = inherited {
        let _ = std::fs::write(FILE, (inherited + OOM_SCORE_ABOVE).min(OOM_SCORE_MAX).to_string());
    }
}

/// Waits for the first command.
///
/// # Errors
/// The pipe's end or failure, or bytes that are no command.
pub fn first_command(adopted: &mut Adopted) -> Result<Command, ChildError> {
    let mut pipe = std::fs::File::from(adopted.control.try_clone()?);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let bytes = pipe.read(&mut buffer)?;
        if bytes == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        adopted.decoder.push(&buffer[..bytes]);
        if let Some(command) = adopted.decoder.next_message()? {
            return Ok(command);
        }
    }
}

impl Adopted {
    /// Says in one line why this child cannot begin. Blocks, for it is the last thing that it does.
    pub fn give_up(self, why: &dyn std::fmt::Display) {
        let mut bytes = Vec::new();
        wire::frame(&Report::Fatal(why.to_string()), 0, &mut bytes);
        // Nobody is left to tell if this fails.
        let _ = std::fs::File::from(self.report).write_all(&bytes);
    }

    /// The report pipe once more.
    pub(super) fn report_pipe(&self) -> io::Result<OwnedFd> {
        self.report.try_clone()
    }

    /// The pipes as targets: commands in, reports out.
    pub(super) fn targets<R: Role>(self) -> io::Result<[Target<R>; 2]> {
        let reports = Handler::new(Pipe::writing(self.report)?, report_pipe_ready::<R>);
        let mut control = Control { decoder: self.decoder, buffer: vec![0; READ_BYTES] };
        let commands = Handler::new(
            Pipe::reading(self.control)?,
            move |pipe: &mut Pipe, context: &mut Context<R>, _event| {
                control.ready(pipe, context);
                Ok(())
            },
        );
        Ok([Target::Other(Box::new(commands)), Target::Other(Box::new(reports))])
    }
}

/// Ends a child process. Its sockets close with it, without a walk over all of them.
pub fn exit(code: i32) -> ! {
    std::process::exit(code)
}

/// Commands obeyed in one turn; then what is ready is dispatched first.
const COMMANDS_PER_TURN: usize = 16;

/// Commands on their way in.
#[derive(Debug)]
struct Control {
    decoder: Decoder<Command>,
    buffer: Vec<u8>,
}

impl Control {
    /// Obeys what has come; without a supervisor, or one that speaks otherwise, the child leaves.
    fn ready<R: Role>(&mut self, pipe: &mut Pipe, context: &mut Context<R>) {
        for _ in 0..COMMANDS_PER_TURN {
            match self.next(pipe) {
                Ok(Some(command)) => R::obey(context, command),
                Ok(None) => return,
                Err(_) => return context.world.model.child().leave(),
            }
        }
        if let Some(id) = pipe.dispatch_id() {
            context.call_again(id);
        }
    }

    /// The next command; none until more comes. An error is the end of the supervisor.
    fn next(&mut self, pipe: &mut Pipe) -> Result<Option<Command>, ChildError> {
        loop {
            if let Some(command) = self.decoder.next_message()? {
                return Ok(Some(command));
            }
            match pipe.read(&mut self.buffer)? {
                Some(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Some(bytes) => self.decoder.push(&self.buffer[..bytes]),
                None => return Ok(None),
            }
        }
    }
}

/// Writes reports until the pipe is full; without a reader the child leaves.
fn report_pipe_ready<R: Role>(
    pipe: &mut Pipe,
    context: &mut Context<R>,
    _event: Event,
) -> HandlerResult {
    let child = context.world.model.child();
    while !child.outbox.pending().is_empty() {
        match pipe.write(child.outbox.pending()) {
            Ok(Some(bytes)) => child.outbox.written(bytes),
            Ok(None) => break,
            Err(_) => {
                child.leave();
                break;
            }
        }
    }
    Ok(())
}
