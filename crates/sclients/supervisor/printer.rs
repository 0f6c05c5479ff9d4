//! Writing to the terminal, on threads of their own: a terminal may block, a dispatch loop may not.
//!
//! Standard error and standard output have a thread each, so that neither waits for the other: a result is
//! never lost and never stands behind notes that nobody takes.

use crossbeam_channel::{Receiver, Sender, bounded, never};
use dispatch::Pipe;
use std::io::{self, IsTerminal, Write};
use std::thread;
use std::time::Duration;

/// What the printer's pipe carries when the result could not be written.
const UNWRITTEN: u8 = b'!';
/// Notes that wait to be said; more are lost.
const NOTES: usize = 1024;
/// Who has something else to do waits so long for what is to be said on standard error.
const SAID_WITHIN: Duration = Duration::from_millis(100);

/// Where progress goes: a live line that is written over, or a line at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Standard error is a terminal.
    Live,
    /// It is not.
    Lines,
}

/// The threads' mailboxes: the result is kept, and notes while there is room; of progress only the newest.
///
/// Dropped, it waits until all is said, unless standard error takes nothing.
#[derive(Debug)]
pub struct Printer {
    notes: Sender<String>,
    progress: Sender<String>,
    stale: Receiver<String>,
    result: Sender<String>,
    /// Disconnected when all notes are said.
    said: Receiver<()>,
    /// How progress is shown.
    pub view: View,
}

impl Printer {
    /// Starts the threads. The pipe's end is readable when the result has been printed.
    ///
    /// # Errors
    /// No descriptors, or no thread.
    pub fn start() -> io::Result<(Self, Pipe)> {
        let view = if io::stderr().is_terminal() { View::Live } else { View::Lines };
        let (notes, noted) = bounded(NOTES);
        let (progress, shown) = bounded(1);
        let (result, results) = bounded(1);
        let (hush, hushed) = bounded(1);
        let (saying, said) = bounded(0);
        let (printed, printing) = Pipe::pair()?;
        let stale = shown.clone();
        spawn("notes", move || {
            say_all(&noted, shown, hushed, view);
            drop::<Sender<()>>(saying);
        })?;
        let complaints = notes.clone();
        spawn("printer", move || print(&results, &hush, printing, &complaints))?;
        Ok((Self { notes, progress, stale, result, said, view }, printed))
    }

    /// Shows `line` as the state of things, if the last one is shown already; else in its stead.
    pub fn progress(&self, line: String) {
        if let Err(full) = self.progress.try_send(line) {
            let _ = self.stale.try_recv();
            let _ = self.progress.try_send(full.into_inner());
        }
    }

    /// Says `line` on standard error.
    pub fn note(&self, line: String) {
        // A terminal that takes nothing loses notes, never the loop's time.
        let _ = self.notes.try_send(line);
    }

    /// Prints `text` on standard output, once. No progress is shown after it.
    pub fn result(&self, text: String) {
        // There is room for one, and there is one.
        let _ = self.result.try_send(text);
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        // Without senders the threads end, once they have said what waits.
        (self.notes, self.result) = (bounded(0).0, bounded(0).0);
        let _ = self.said.recv_timeout(SAID_WITHIN);
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.into()).spawn(work).map(drop)
}

/// Says notes, and shows progress until it is told to hush.
fn say_all(
    notes: &Receiver<String>,
    mut progress: Receiver<String>,
    mut hush: Receiver<Sender<()>>,
    view: View,
) {
    let mut live = false;
    loop {
        crossbeam_channel::select_biased! {
            recv(notes) -> note => {
                clear(&mut live);
                let Ok(line) = note else { return };
                say(&format!("{line}\n"));
            }
            recv(hush) -> hushed => {
                clear(&mut live);
                (progress, hush) = (never(), never());
                drop(hushed);
            }
            recv(progress) -> line => match line {
                Ok(line) => {
                    live = view == View::Live;
                    say(&if live { format!("\r\x1b[2K{line}") } else { format!("{line}\n") });
                }
                Err(_) => progress = never(),
            },
        }
    }
}

/// Prints the result when it comes, below what was said before it. The end of `printing` tells that it is
/// printed.
fn print(
    results: &Receiver<String>,
    hush: &Sender<Sender<()>>,
    mut printing: Pipe,
    complaints: &Sender<String>,
) {
    let Ok(text) = results.recv() else { return };
    let (hushing, hushed) = bounded(0);
    let _ = hush.try_send(hushing);
    let _ = hushed.recv_timeout(SAID_WITHIN);
    if let Err(error) = write_result(&text) {
        let _ = complaints.try_send(format!("sclients: the report cannot be written: {error}"));
        let _ = printing.write(&[UNWRITTEN]);
    }
}

fn clear(live: &mut bool) {
    if std::mem::take(live) {
        say("\r\x1b[2K");
    }
}

/// Standard error may be closed; there is nobody to tell then.
fn say(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Says `line` on standard error between runs and behind the last one: signals are blocked there, so that nothing
/// would end the wait for a terminal that takes nothing.
pub fn say_line(line: &str) {
    let (saying, said) = bounded::<()>(0);
    let text = format!("{line}\n");
    let begun = spawn("line", move || {
        say(&text);
        drop(saying);
    });
    if begun.is_ok() {
        let _ = said.recv_timeout(SAID_WITHIN);
    }
}

/// Writes text to standard output. Closed by its reader is no trouble of ours: silent, the exit code
/// stays.
///
/// # Errors
/// Anything else, such as a full disk.
pub fn write_result(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
