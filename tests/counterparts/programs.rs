//! Programs of others: servers that run beside a test and tell what they saw, and clients that run to
//! their end. Each stands in a folder of its own, has a deadline, and is ended by its own id.
//!
//! Start at [`Foreign`] and [`run`].

use crate::driver::{send, wait_until};
use nix::sys::signal::Signal;
use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Within this time a server listens or has ended, and a client is done.
const DEADLINE: Duration = Duration::from_secs(20);

/// So many ports are tried: another program may take one between our look and the server's.
const PORTS: usize = 5;

/// How to start a server, and how to end it such that its log is whole.
pub struct Kind {
    pub program: &'static str,
    /// The Debian package that has it.
    pub package: &'static str,
    pub config: &'static str,
    /// Its words; `@CONFIG@`, `@FOLDER@` and `@PORT@` are filled in.
    pub words: &'static str,
    pub end: Signal,
}

impl Kind {
    /// nginx with this configuration.
    pub const fn nginx(config: &'static str) -> Self {
        Self {
            program: "nginx",
            package: "nginx-light",
            config,
            words: "-e @FOLDER@/error.log -c @CONFIG@",
            end: Signal::SIGQUIT,
        }
    }
}

/// A server that runs; dropped, it is killed.
pub struct Foreign {
    child: Child,
    end: Signal,
    folder: TempDir,
    port: u16,
}

impl Foreign {
    pub fn start(kind: &Kind) -> Self {
        Self::before(kind, 0)
    }

    /// In front of a server on port `backend`.
    pub fn before(kind: &Kind, backend: u16) -> Self {
        let started = (0..PORTS).find_map(|_| Self::on(kind, free_port(), backend));
        started.unwrap_or_else(|| panic!("{} listens on none of {PORTS} ports", kind.program))
    }

    fn on(kind: &Kind, port: u16, backend: u16) -> Option<Self> {
        let folder = furnish();
        let path = folder.path().display().to_string();
        let fill = |text: &str| {
            text.replace("@CONFIG@", &format!("{path}/config"))
                .replace("@FOLDER@", &path)
                .replace("@PORT@", &port.to_string())
                .replace("@BACKEND@", &backend.to_string())
        };
        fs::write(folder.path().join("config"), fill(kind.config)).unwrap();
        let mut command = Command::new(kind.program);
        command.args(fill(kind.words).split_whitespace());
        let child = spawn(&mut command, kind.package, folder.path());
        let mut server = Self { child, end: kind.end, folder, port };
        let mut ended = false;
        let heard = wait_until(DEADLINE, || {
            ended = server.child.try_wait().unwrap().is_some();
            ended || TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        if heard && !ended {
            return Some(server);
        }
        eprintln!("{} on port {port}: {}", kind.program, server.complaint());
        None
    }

    fn complaint(&self) -> String {
        let texts = ["stderr", "stdout", "error.log"].map(|name| self.folder.path().join(name));
        texts.iter().filter_map(|path| fs::read_to_string(path).ok()).collect()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Ends it in order; the lines of this file of its folder.
    #[track_caller]
    pub fn lines(mut self, log: &str) -> Vec<String> {
        send(self.child.id().try_into().unwrap(), self.end);
        let over = wait_until(DEADLINE, || self.child.try_wait().unwrap().is_some());
        assert!(over, "still there {DEADLINE:?} after {}: {}", self.end, self.complaint());
        let text = fs::read_to_string(self.folder.path().join(log)).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A folder with a file to serve; open to all, as some servers give up being root.
fn furnish() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(folder.path().join("www")).unwrap();
    fs::write(folder.path().join("www/file.txt"), "a line of a file\n".repeat(20)).unwrap();
    folder
}

/// Starts it with both outputs in files of the folder.
#[track_caller]
fn spawn(command: &mut Command, package: &str, folder: &Path) -> Child {
    command.current_dir(folder).stdin(Stdio::null());
    command.stdout(File::create(folder.join("stdout")).unwrap());
    command.stderr(File::create(folder.join("stderr")).unwrap());
    // Debian keeps servers where only root looks for them.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("/usr/bin:/usr/sbin:{path}"));
    command.spawn().unwrap_or_else(|error| {
        let program = command.get_program().display();
        assert_ne!(error.kind(), ErrorKind::NotFound, "no {program}: apt-get install {package}");
        panic!("{program}: {error}")
    })
}

/// Runs a client to its end, which must be a good one, in a folder with a file `body` of two
/// megabytes; what it said on standard output.
#[track_caller]
pub fn run(program: &str, package: &str, words: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("body"), vec![b'b'; 2_000_000]).unwrap();
    let mut command = Command::new(program);
    command.args(words.split_whitespace());
    let mut child = spawn(&mut command, package, folder.path());
    let mut status = None;
    let over = wait_until(DEADLINE, || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    if !over {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let said = |name| fs::read_to_string(folder.path().join(name)).unwrap();
    let (out, err) = (said("stdout"), said("stderr"));
    assert!(status.is_some_and(|status| status.success()), "{program}: {status:?}\n{out}\n{err}");
    out
}

/// The whole number that stands right after this phrase.
#[track_caller]
pub fn number_after(text: &str, phrase: &str) -> u64 {
    let rest = text.split_once(phrase).unwrap_or_else(|| panic!("no {phrase:?} in:\n{text}")).1;
    let digits = rest.trim_start().split(|c: char| !c.is_ascii_digit()).next().unwrap();
    digits.parse().unwrap_or_else(|_| panic!("no number after {phrase:?} in:\n{text}"))
}

/// The whole number that stands right before this phrase.
#[track_caller]
pub fn number_before(text: &str, phrase: &str) -> u64 {
    let head = text.split_once(phrase).unwrap_or_else(|| panic!("no {phrase:?} in:\n{text}")).0;
    let digits = head.trim_end().rsplit(|c: char| !c.is_ascii_digit()).next().unwrap();
    digits.parse().unwrap_or_else(|_| panic!("no number before {phrase:?} in:\n{text}"))
}
