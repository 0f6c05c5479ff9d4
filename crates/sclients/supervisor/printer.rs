//! Writing to the terminal, on a thread of its own: a terminal may block, a dispatch loop may not.

use crossbeam_channel::{Receiver, Sender, bounded};
use dispatch::Pipe;
use std::io::{self, IsTerminal, Write};
use std::thread;

/// What the printer's pipe carries when the result could not be written.
const UNWRITTEN: u8 = b'!';

/// Where progress goes: a live line that is written over, or a line at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Standard error is a terminal.
    Live,
    /// It is not.
    Lines,
}

#[derive(Debug)]
enum Job {
    /// A line on standard error that stays.
    Note(String),
    /// Text on standard output, the last thing said.
    Result(String),
}

/// The thread's mailboxes: notes and results are kept, of progress only the newest.
#[derive(Debug)]
pub struct Printer {
    jobs: Sender<Job>,
    progress: Sender<String>,
    stale: Receiver<String>,
    /// How progress is shown.
    pub view: View,
}

impl Printer {
    /// Starts the thread. The pipe's end is readable when the result has been printed.
    ///
    /// # Errors
    /// No descriptors, or no thread.
    pub fn start() -> io::Result<(Self, Pipe)> {
        let view = if io::stderr().is_terminal() { View::Live } else { View::Lines };
        let (jobs, job_queue) = bounded(64);
        let (progress, progress_queue) = bounded(1);
        let (printed, printing) = Pipe::pair()?;
        let stale = progress_queue.clone();
        thread::Builder::new().name("printer".into()).spawn(move || {
            let mut printing = printing;
            if let Err(error) = print_all(&job_queue, &progress_queue, view) {
                say(&format!("sclients: the report cannot be written: {error}\n"));
                let _ = printing.write(&[UNWRITTEN]);
            }
        })?;
        Ok((Self { jobs, progress, stale, view }, printed))
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
        let _ = self.jobs.try_send(Job::Note(line));
    }

    /// Prints `text` on standard output; nothing is printed after it.
    pub fn result(&self, text: String) {
        let _ = self.jobs.try_send(Job::Result(text));
    }
}

fn print_all(jobs: &Receiver<Job>, progress: &Receiver<String>, view: View) -> io::Result<()> {
    let mut live = false;
    loop {
        crossbeam_channel::select_biased! {
            recv(jobs) -> job => {
                clear(&mut live);
                match job {
                    Ok(Job::Note(line)) => say(&format!("{line}\n")),
                    Ok(Job::Result(text)) => return write_result(&text),
                    Err(_) => return Ok(()),
                }
            }
            recv(progress) -> line => {
                let Ok(line) = line else { return Ok(()) };
                live = view == View::Live;
                say(&if live { format!("\r\x1b[2K{line}") } else { format!("{line}\n") });
            }
        }
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
