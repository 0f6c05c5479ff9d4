//! A child process: this executable again, with a pipe for one word to it and a pipe for its lines.
//!
//! ```text
//! spawned ── first line ──▶ prepared ── proceed ──▶ … ── `end` ──▶ told ── end of its pipe ──▶ gone
//! ```

use crate::parent::PROCEED;
use crate::tally::END;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Most bytes that a child may tell, inclusive.
const TOLD_BYTES_MAX: usize = 1 << 20;

/// The beginning of a line that says why a child gave up.
pub const GAVE_UP: &str = "gave up: ";

/// What a child is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It answers.
    Server,
    /// It asks.
    Client,
}

/// How far a child is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It has said its first line.
    Prepared,
    /// It has said its last.
    Told,
    /// Its pipe has ended.
    Gone,
}

/// A child. It ends, at the latest, when this is dropped.
#[derive(Debug)]
pub struct Process {
    /// What it is for.
    pub role: Role,
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    said: Said,
    gone: bool,
}

/// The bytes that a child has said so far, which are lines.
#[derive(Debug, Default)]
struct Said(Vec<u8>);

impl Said {
    fn lines(&self) -> Vec<String> {
        let whole = self.0.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        String::from_utf8_lossy(&self.0[..whole]).lines().map(str::to_owned).collect()
    }

    fn told(&self) -> bool {
        self.lines().last().is_some_and(|line| line == END)
    }

    fn gave_up(&self) -> Option<String> {
        self.lines().last()?.strip_prefix(GAVE_UP).map(str::to_owned)
    }
}

impl Process {
    /// Starts one with these words, and returns the pipe of its lines beside it.
    ///
    /// # Errors
    /// The limit on processes or descriptors, or no memory.
    pub fn spawn(role: Role, name: String, words: &[String]) -> Result<(Self, OwnedFd), String> {
        let spawned = Command::new("/proc/self/exe")
            .arg0(format!("sclients-bench: {name}"))
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = spawned.map_err(|error| format!("cannot start {name}: {error}"))?;
        let output = child.stdout.take().expect("its standard output is a pipe");
        let input = child.stdin.take();
        Ok((Self { role, name, child, input, said: Said::default(), gone: false }, output.into()))
    }

    /// Gives the one word. A child that is gone is found out by what it does not tell.
    pub fn proceed(&mut self) {
        if let Some(input) = &mut self.input {
            let _ = input.write_all(PROCEED);
        }
    }

    /// Takes in what came from its pipe; nothing is the end. What passes the bound is the end, too.
    pub fn heard(&mut self, bytes: &[u8]) {
        self.said.0.extend_from_slice(bytes);
        self.gone |= bytes.is_empty() || self.said.0.len() > TOLD_BYTES_MAX;
    }

    /// The whole lines that it said.
    pub fn lines(&self) -> Vec<String> {
        self.said.lines()
    }

    /// Whether it has come so far.
    pub fn reached(&self, stage: Stage) -> bool {
        match stage {
            Stage::Prepared => !self.lines().is_empty() && self.said.gave_up().is_none(),
            Stage::Told => self.said.told(),
            Stage::Gone => self.gone,
        }
    }

    /// Whether nothing more is to be expected of it.
    pub const fn is_gone(&self) -> bool {
        self.gone
    }

    /// Why it has not come as far as `stage`, in one line.
    pub fn trouble(&mut self, stage: Stage) -> String {
        let who = format!("{} (pid {})", self.name, self.child.id());
        if let Some(why) = self.said.gave_up() {
            return format!("{who}: {why}");
        }
        let missing = match stage {
            Stage::Prepared => "it was ready",
            Stage::Told => "it told its counts",
            Stage::Gone => "it was let go",
        };
        if !self.gone {
            return format!("{who}: no word in time, before {missing}; is this host overloaded?");
        }
        let _ = self.child.kill();
        match self.child.wait() {
            Ok(status) => format!("{who} ended ({status}) before {missing}"),
            Err(error) => format!("{who} ended ({error}) before {missing}"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_wherever_they_are_cut() {
        let text = b"ready\nbegun 7\nend\n";
        for split in 0..=text.len() {
            let mut said = Said(text[..split].to_vec());
            assert_eq!(said.told(), split == text.len(), "cut at {split}");
            assert_eq!(said.lines().is_empty(), split < 6, "cut at {split}");
            said.0.extend_from_slice(&text[split..]);
            assert_eq!(said.lines(), ["ready", "begun 7", "end"]);
        }
    }

    #[test]
    fn a_child_that_gave_up_says_why() {
        assert_eq!(Said(b"gave up: no memory\n".to_vec()).gave_up(), Some("no memory".into()));
        assert_eq!(Said(b"gave up: no mem".to_vec()).gave_up(), None);
        assert_eq!(Said(b"\xff\xfe\n".to_vec()).gave_up(), None);
    }
}
