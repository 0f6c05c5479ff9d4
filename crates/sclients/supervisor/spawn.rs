//! Making a child: fork and exec of the executable that was opened when the program started, so
//! that a child is of the same build even if the file was replaced since.

use dispatch::Pipe;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Wanted room in a report pipe. More than 64 pipes of 1 MiB would hit the user's soft limit
/// (pipe(7), pipe-user-pages-soft); where it is refused the pipe stays as it is.
const REPORT_PIPE_BYTES: i32 = 256 * 1024;

/// What a child is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// It makes load.
    Worker,
    /// It serves.
    Target,
}

impl Role {
    /// The name in arguments, process titles and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Target => "target",
        }
    }
}

/// The executable of this process, kept open.
#[derive(Debug)]
pub struct Executable(File);

/// A child that was started, and our ends of its pipes.
#[derive(Debug)]
pub struct Spawned {
    /// Its process.
    pub pid: i32,
    /// Commands to it.
    pub control: Pipe,
    /// Reports from it.
    pub report: Pipe,
}

impl Executable {
    /// Opens the executable of this process.
    ///
    /// # Errors
    /// /proc is not mounted, or no descriptors.
    pub fn open() -> io::Result<Self> {
        File::open("/proc/self/exe").map(Self)
    }

    /// Starts a child of `role` for `slot`.
    ///
    /// The child inherits stdio and its own two pipe ends; all else is closed on exec, so the end of
    /// a pipe is seen when the one child that holds it dies.
    ///
    /// # Errors
    /// The limit on processes or descriptors, or no memory.
    pub fn spawn(&self, role: Role, slot: u32) -> io::Result<Spawned> {
        let (control_out, control_in) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        let (report_out, report_in) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        let _ = fcntl(&report_in, FcntlArg::F_SETPIPE_SZ(REPORT_PIPE_BYTES));
        inherit(&control_out)?;
        inherit(&report_in)?;
        let child = self.command(role, slot, &control_out, &report_in).spawn()?;
        Ok(Spawned {
            pid: child.id() as i32,
            control: Pipe::writing(control_in)?,
            report: Pipe::reading(report_out)?,
        })
    }

    fn command(&self, role: Role, slot: u32, control: &OwnedFd, report: &OwnedFd) -> Command {
        let number = |descriptor: &OwnedFd| descriptor.as_raw_fd().to_string();
        let mut command = Command::new(format!("/proc/self/fd/{}", self.0.as_raw_fd()));
        command
            .arg0(format!("sclients: {} {slot}", role.name()))
            .args(["__child", "--role", role.name()])
            .args(["--slot", &slot.to_string()])
            .args(["--supervisor", &std::process::id().to_string()])
            .args(["--control", &number(control), "--report", &number(report)])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }
}

/// Lets the next child, and only it, inherit `descriptor`: our end of it closes right after.
fn inherit(descriptor: &OwnedFd) -> io::Result<()> {
    fcntl(descriptor.as_fd(), FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(())
}
