//! What a child process knows of the one that started it: its standard input is a pipe on which the
//! parent gives one word, and which ends with the parent; its standard output is a pipe for lines.

use dispatch::{BoxedContext, Handler, HandlerResult, Pipe};
use std::io::{self, Write};
use std::os::fd::AsFd;

/// What came from the parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Go on: a client begins, a server tells what it saw.
    Proceed,
    /// Nobody is left to go on for.
    Orphaned,
}

/// The line that is [`Word::Proceed`].
pub const PROCEED: &[u8] = b"proceed\n";

/// Watches standard input in the child's own loop and hands what comes to `heard`.
///
/// # Errors
/// Standard input is closed, or no descriptors.
pub fn watch<W: 'static>(
    context: &mut BoxedContext<W>,
    heard: fn(&mut BoxedContext<W>, Word),
) -> io::Result<()> {
    let pipe = Pipe::reading(io::stdin().as_fd().try_clone_to_owned()?)?;
    context.insert(Handler::boxed(pipe, move |pipe: &mut Pipe, context, _event| {
        drain(pipe, |word| heard(context, word))
    }))?;
    Ok(())
}

fn drain(pipe: &mut Pipe, mut heard: impl FnMut(Word)) -> HandlerResult {
    let mut buffer = [0; 64];
    while let Some(bytes) = pipe.read(&mut buffer)? {
        if bytes == 0 {
            heard(Word::Orphaned);
            break;
        }
        if buffer[..bytes].contains(&b'\n') {
            heard(Word::Proceed);
        }
    }
    Ok(())
}

/// Tells the parent `lines`, each ended by a newline.
///
/// # Errors
/// The parent is gone.
pub fn tell(lines: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(lines.as_bytes())?;
    output.flush()
}
