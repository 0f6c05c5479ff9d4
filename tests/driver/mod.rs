//! Drives the built program as its users do: words in; exit code, standard output and standard error
//! out. Every wait has a deadline, and nothing that was started outlives its test.
//!
//! Start at [`sclients`] and [`Server`].

#![allow(dead_code, reason = "each test file drives with its part of this")]
#![allow(missing_docs, reason = "read by the tests alone")]

pub mod namespace;
pub mod refusals;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use serde_json::Value;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Where the program is.
pub const BINARY: &str = env!("CARGO_BIN_EXE_sclients");

/// No run of these tests takes so long; the machine may be busy with others.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The code of a run that is incomplete or invalid.
pub const INVALID: i32 = 5;

/// By this variable a run's processes are known, whoever their parent has become.
const TAG: &str = "SCLIENTS_TEST_RUN";

/// A command in the making.
pub struct Sclients {
    command: Command,
    tag: String,
}

/// The program with these words, which are parted at white space.
pub fn sclients(words: &str) -> Sclients {
    Sclients::of(Command::new(BINARY)).words(words)
}

/// A run in JSON with progress ten times a second, so that a test can follow it.
pub fn followed(words: &str) -> Sclients {
    sclients("--format json --progress 100ms --interval 100ms").words(words)
}

/// A line for the shell, in which the program takes the shell's place.
pub fn shell(line: &str) -> Sclients {
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    Sclients::of(command)
}

impl Sclients {
    fn of(mut command: Command) -> Self {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let tag = format!("{}.{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
        command.env(TAG, &tag).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command, tag }
    }

    pub fn words(mut self, words: &str) -> Self {
        self.command.args(words.split_whitespace());
        self
    }

    pub fn arg(mut self, word: impl Into<OsString>) -> Self {
        self.command.arg(word.into());
        self
    }

    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// With a kernel that refuses some calls.
    pub fn refused(mut self, refusal: &refusals::Refusal) -> Self {
        refusals::refuse(&mut self.command, refusal);
        self
    }

    /// A panic says its one line alone: to name every frame takes a busy host seconds, in which the
    /// process is there and does nothing.
    pub fn without_backtrace(mut self) -> Self {
        self.command.env("RUST_BACKTRACE", "0");
        self
    }

    /// In a process group of its own, as a shell starts its jobs.
    pub fn in_own_group(mut self) -> Self {
        self.command.process_group(0);
        self
    }

    /// Its standard output goes there, and is not heard.
    pub fn stdout(mut self, to: impl Into<Stdio>) -> Self {
        self.command.stdout(to);
        self
    }

    /// Its standard error goes there, and is not heard.
    pub fn stderr(mut self, to: impl Into<Stdio>) -> Self {
        self.command.stderr(to);
        self
    }

    pub fn spawn(mut self) -> Running {
        let mut child = self.command.spawn().unwrap();
        let stdout = child.stdout.take().map(|mut stdout| {
            let (said, out) = mpsc::channel();
            thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = stdout.read_to_end(&mut bytes);
                let _ = said.send(bytes);
            });
            out
        });
        match child.stderr.take() {
            Some(stderr) => Running::new(child, self.tag, stdout, BufReader::new(stderr)),
            None => Running::new(child, self.tag, stdout, io::empty()),
        }
    }

    /// Nobody reads its standard output: the pipe's other end is closed.
    pub fn spawn_unread(mut self) -> Running {
        let mut child = self.command.spawn().unwrap();
        drop(child.stdout.take());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Running::new(child, self.tag, None, stderr)
    }

    pub fn run(self) -> Done {
        self.spawn().wait()
    }
}

/// A program that runs; dropped, it is killed.
pub struct Running {
    child: Child,
    tag: String,
    stdout: Option<Receiver<Vec<u8>>>,
    lines: Receiver<String>,
    stderr: Vec<String>,
}

impl Running {
    fn new(
        child: Child,
        tag: String,
        stdout: Option<Receiver<Vec<u8>>>,
        stderr: impl BufRead + Send + 'static,
    ) -> Self {
        let (said, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stderr.split(b'\n') {
                let Ok(line) = line else { return };
                if said.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        Self { child, tag, stdout, lines, stderr: Vec::new() }
    }

    pub fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    pub fn signal_group(&self, signal: Signal) {
        signal::killpg(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Waits for a line on standard error that holds `part`.
    pub fn await_line(&mut self, part: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.stderr.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(_) => panic!("no line with {part:?}: {:#?}", self.stderr),
            }
        }
    }

    /// Waits until the run measures and some of it has been reported.
    pub fn await_measurement(&mut self) {
        self.await_line("measurement");
        self.await_line("measurement");
    }

    /// Its child of this name.
    pub fn child(&self, name: &str) -> i32 {
        let found = self.find_child(name);
        found.unwrap_or_else(|| panic!("no child `{name}` of {}", self.pid()))
    }

    /// The same, if it lives.
    pub fn find_child(&self, name: &str) -> Option<i32> {
        let ours = |process: &Process| process.parent == self.pid() && process.title == name;
        processes().into_iter().find(ours).map(|process| process.pid)
    }

    /// All processes of this run that live.
    pub fn processes(&self) -> Vec<Process> {
        tagged(&self.tag)
    }

    pub fn tag(&self) -> &str {
        &self.tag
    }

    pub fn wait(self) -> Done {
        self.wait_for(DEADLINE)
    }

    /// Waits for its end; a run that is over the deadline is killed and fails the test.
    pub fn wait_for(mut self, time: Duration) -> Done {
        let begun = Instant::now();
        let mut status = None;
        let over = wait_until(time, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        if !over {
            self.kill();
            self.hear_all();
            panic!("not over within {time:?}: {:#?}", self.stderr);
        }
        self.hear_all();
        let bytes = self.stdout.take().map(|stdout| {
            stdout.recv_timeout(DEADLINE).expect("nobody else holds the run's standard output")
        });
        Done {
            status: status.unwrap(),
            stdout: String::from_utf8(bytes.unwrap_or_default()).unwrap(),
            stderr: std::mem::take(&mut self.stderr),
            left_behind: self.processes(),
            waited: begun.elapsed(),
        }
    }

    fn hear_all(&mut self) {
        loop {
            match self.lines.recv_timeout(Duration::from_secs(5)) {
                Ok(line) => self.stderr.push(line),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("somebody still holds standard error"),
            }
        }
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A program that ended.
pub struct Done {
    status: ExitStatus,
    pub stdout: String,
    pub stderr: Vec<String>,
    pub left_behind: Vec<Process>,
    pub waited: Duration,
}

impl Done {
    pub fn code(&self) -> i32 {
        let signal = self.status.signal();
        self.status.code().unwrap_or_else(|| panic!("ended by signal {signal:?}"))
    }

    /// It ended with this code, in order: without a panic and without processes left behind.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        let (out, err) = (&self.stdout, self.stderr.join("\n"));
        assert_eq!(self.code(), code, "standard output:\n{out}\nstandard error:\n{err}");
        assert!(!err.contains("panicked") && !out.contains("panicked"), "{err}\n{out}");
        assert!(self.left_behind.is_empty(), "left behind: {:?}", self.left_behind);
        self
    }

    /// It ended with this code, as above, or with that of a schedule which other tests made late: such a
    /// run is invalid, and its counts are true.
    #[track_caller]
    pub fn expect_or_late(self, code: i32) -> Self {
        let code = if self.code() == INVALID { INVALID } else { code };
        self.expect(code)
    }

    /// Standard output, which is one JSON object and nothing else.
    #[track_caller]
    pub fn json(&self) -> Report {
        let value = serde_json::from_str(&self.stdout);
        Report(value.unwrap_or_else(|error| panic!("{error}:\n{}", self.stdout)))
    }
}

/// A report in JSON.
pub struct Report(pub Value);

impl Report {
    /// The run is to be trusted, or the one reason against it is that its host has others on it.
    #[track_caller]
    pub fn assert_valid_but_for_the_host(&self) {
        let of_host = |reason: &Value| {
            reason.as_str().is_some_and(|reason| reason.contains("the hypervisor gave"))
        };
        assert!(self.list("verdict.reasons").iter().all(of_host), "{:#}", self.at("verdict"));
    }

    /// What is at this path, parted by dots.
    #[track_caller]
    pub fn at(&self, path: &str) -> &Value {
        let pointer = format!("/{}", path.replace('.', "/"));
        self.0.pointer(&pointer).unwrap_or_else(|| panic!("no {path} in {:#}", self.0))
    }

    #[track_caller]
    pub fn count(&self, path: &str) -> u64 {
        self.at(path).as_u64().unwrap_or_else(|| panic!("{path} is {}", self.at(path)))
    }

    #[track_caller]
    pub fn number(&self, path: &str) -> f64 {
        self.at(path).as_f64().unwrap_or_else(|| panic!("{path} is {}", self.at(path)))
    }

    #[track_caller]
    pub fn text(&self, path: &str) -> &str {
        self.at(path).as_str().unwrap_or_else(|| panic!("{path} is {}", self.at(path)))
    }

    #[track_caller]
    pub fn list(&self, path: &str) -> &[Value] {
        self.at(path).as_array().unwrap_or_else(|| panic!("{path} is {}", self.at(path)))
    }

    /// Sum over an object of counts.
    #[track_caller]
    pub fn sum(&self, path: &str) -> u64 {
        self.at(path).as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
    }

    /// One text of `list` has `part` in it.
    #[track_caller]
    pub fn assert_told(&self, list: &str, part: &str) {
        let named = self.list(list).iter().any(|text| text.as_str().unwrap().contains(part));
        assert!(named, "{part:?} is not in {list}: {:#}", self.0);
    }

    /// It is one of the verdict's reasons.
    #[track_caller]
    pub fn assert_reason(&self, part: &str) {
        self.assert_told("verdict.reasons", part);
    }

    /// And the run is invalid.
    #[track_caller]
    pub fn assert_invalid(&self, part: &str) {
        self.assert_reason(part);
        assert_eq!(self.text("verdict.state"), "invalid");
    }

    /// The verdict speaks against nothing that the run did: at most the generator was the limit,
    /// which it is wherever these tests share their processors.
    #[track_caller]
    pub fn assert_sound(&self) {
        let reasons = self.list("verdict.reasons");
        let limited = |reason: &Value| reason.as_str().unwrap().starts_with("generator-limited: ");
        let suspect = self.text("verdict.state") == "suspect" && reasons.iter().all(limited);
        assert!(suspect || self.text("verdict.state") == "valid", "{:#}", self.0);
    }

    /// The identities of the ledger, over the whole run.
    #[track_caller]
    pub fn assert_ledger(&self) {
        let of = |path: &str| self.count(path);
        let sides = [
            (
                "attempted = established + failed + pending",
                of("connections.attempted"),
                of("connections.established")
                    + self.sum("connections.failed")
                    + of("connections.pending"),
            ),
            (
                "established = live + closed + lost",
                of("connections.established"),
                of("connections.live") + self.sum("connections.closed") + of("connections.lost"),
            ),
            (
                "due = sent + not sent",
                of("requests.due"),
                of("requests.sent") + self.sum("requests.not_sent"),
            ),
            (
                "sent = completed + failed + in flight + lost",
                of("requests.sent"),
                of("requests.completed")
                    + self.sum("requests.failed")
                    + of("requests.in_flight")
                    + of("requests.lost"),
            ),
            ("statuses are of what completed", self.sum("statuses"), of("requests.completed")),
        ];
        for (identity, left, right) in sides {
            assert_eq!(left, right, "{identity}: {:#}", self.0);
        }
    }

    /// Every number equals what our own target saw.
    #[track_caller]
    pub fn assert_equals_target(&self) {
        assert_eq!(self.count("requests.sent"), self.count("target.requests_seen"));
        assert_eq!(self.count("connections.established"), self.count("target.connections_seen"));
    }
}

/// `sclients serve`, ready.
pub struct Server {
    running: Running,
    /// Where it listens.
    pub address: String,
}

impl Server {
    /// On a free port of 127.0.0.1, with these options beside.
    pub fn start(words: &str) -> Self {
        Self::listen("127.0.0.1:0", words)
    }

    pub fn listen(listen: &str, words: &str) -> Self {
        Self::of(sclients("serve --format json --listen").arg(listen).words(words))
    }

    /// With a kernel that refuses some calls.
    pub fn refused(refusal: &refusals::Refusal) -> Self {
        Self::of(sclients("serve --format json --listen 127.0.0.1:0").refused(refusal))
    }

    fn of(command: Sclients) -> Self {
        let mut running = command.spawn();
        let line = running.await_line("listening at ");
        let address = line.split_whitespace().nth(2).unwrap().to_owned();
        Self { running, address }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Its child of this name.
    pub fn child(&self, name: &str) -> i32 {
        self.running.child(name)
    }

    pub fn port(&self) -> &str {
        self.address.rsplit(':').next().unwrap()
    }

    /// Kills it, and waits until its processes are gone.
    pub fn kill(mut self) {
        self.running.kill();
        await_gone(self.running.tag(), Duration::from_secs(5));
    }

    /// Ends it; what it saw.
    #[track_caller]
    pub fn stop(self) -> Report {
        self.running.signal(Signal::SIGINT);
        self.running.wait().expect(0).json()
    }
}

/// A process of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: i32,
    pub parent: i32,
    /// The first of its words.
    pub title: String,
}

/// A pipe that takes nothing, as a terminal does after Ctrl-S, as long as its reading end is kept.
pub fn full_pipe() -> (io::PipeReader, io::PipeWriter) {
    let (reader, writer) = io::pipe().unwrap();
    let set = |flags| fcntl(&writer, FcntlArg::F_SETFL(flags)).unwrap();
    set(OFlag::O_NONBLOCK);
    while (&writer).write(&[b' '; 4096]).is_ok() {}
    set(OFlag::empty());
    (reader, writer)
}

/// All that live; one that waits to be reaped does not.
pub fn processes() -> Vec<Process> {
    let folders = fs::read_dir("/proc").unwrap().flatten();
    folders.filter_map(|folder| process(&folder.path())).collect()
}

fn process(folder: &Path) -> Option<Process> {
    let pid = folder.file_name()?.to_str()?.parse().ok()?;
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let (state, parent) = (fields.next()?, fields.next()?.parse().ok()?);
    let words = fs::read(folder.join("cmdline")).ok()?;
    let title = words.split(|byte| *byte == 0).next()?;
    let title = String::from_utf8_lossy(title).trim_end().to_owned();
    (!["Z", "X"].contains(&state)).then_some(Process { pid, parent, title })
}

/// The processes of the run with this tag.
fn tagged(tag: &str) -> Vec<Process> {
    let wanted = format!("{TAG}={tag}").into_bytes();
    let of_run = |process: &Process| {
        let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted)
    };
    processes().into_iter().filter(of_run).collect()
}

/// Waits until no process of the run with this tag is left.
#[track_caller]
pub fn await_gone(tag: &str, time: Duration) {
    let gone = wait_until(time, || tagged(tag).is_empty());
    assert!(gone, "after {time:?} there still are {:?}", tagged(tag));
}

/// Waits until nobody writes the run in `folder`: the kernel takes a dead process's descriptors, and its lock
/// with them, a little after its name.
#[track_caller]
pub fn await_unwritten(folder: &Path) {
    let folder = sclients::journal::Folder::new(folder);
    assert!(wait_until(Duration::from_secs(1), || !folder.is_written().unwrap()));
}

pub fn send(pid: i32, signal: Signal) {
    signal::kill(Pid::from_raw(pid), signal).unwrap();
}

/// Stops the process for so long: the stall itself, not a wait for something.
pub fn stall(pid: i32, time: Duration) {
    send(pid, Signal::SIGSTOP);
    thread::sleep(time);
    send(pid, Signal::SIGCONT);
}

/// Lets a process open so many descriptors from now on.
pub fn limit_descriptors(pid: i32, soft: u64) {
    let words = [format!("--pid={pid}"), format!("--nofile={soft}:")];
    assert!(Command::new("prlimit").args(words).status().unwrap().success());
}

/// Looks until `condition` holds; false if it does not within `time`.
pub fn wait_until(time: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + time;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// A port of 127.0.0.1 at which nobody listens, nor can as long as this lives: it is bound, and the
/// kernel refuses what connects to it.
pub struct ClosedPort(TcpListener);

pub fn closed_port() -> ClosedPort {
    let reserved = tcpsocket::Acceptor::reserve(([127, 0, 0, 1], 0).into()).unwrap();
    ClosedPort(reserved.into())
}

impl fmt::Display for ClosedPort {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.local_addr().unwrap().port().fmt(formatter)
    }
}

/// The repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
