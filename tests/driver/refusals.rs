//! A kernel that refuses: chosen system calls of a program and its children fail with an errno of the
//! test's choice, by seccomp(2). So errors can be had that only a whole host without memory or files has.

use nix::errno::Errno;
use nix::libc;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What an argument of the call must be for it to be refused; of its lower half alone.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// Argument number so is this.
    Is(u32, i32),
    /// Argument number so is this or more.
    AtLeast(u32, i32),
}

/// A call that fails.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// Its number: `libc::SYS_…`.
    pub call: libc::c_long,
    /// All of these must hold.
    pub when: &'a [When],
    /// What it fails with.
    pub errno: Errno,
}

/// Where seccomp finds the call's number, and the lower half of its first argument (`seccomp_data`).
const CALL: u32 = 0;
const ARGUMENTS: u32 = if cfg!(target_endian = "big") { 20 } else { 16 };

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

fn step(code: u32, value: u32, skip_if_not: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: 0, jf: skip_if_not, k: value }
}

fn program(refusal: &Refusal) -> Vec<libc::sock_filter> {
    // What is left to skip behind each test: two steps for each argument, and the refusal itself.
    let mut left = 2 * refusal.when.len() as u8 + 1;
    let mut steps = vec![step(LOAD, CALL, 0), step(EQUAL, refusal.call as u32, left)];
    for when in refusal.when {
        let (argument, code, value) = match *when {
            When::Is(argument, value) => (argument, EQUAL, value),
            When::AtLeast(argument, value) => (argument, AT_LEAST, value),
        };
        left -= 2;
        steps.push(step(LOAD, ARGUMENTS + 8 * argument, 0));
        steps.push(step(code, value as u32, left));
    }
    steps.push(step(RETURN, libc::SECCOMP_RET_ERRNO | refusal.errno as u32, 0));
    steps.push(step(RETURN, libc::SECCOMP_RET_ALLOW, 0));
    steps
}

/// Makes the program that `command` starts, and all its children, live with `refusal`.
pub fn refuse(command: &mut Command, refusal: &Refusal) {
    let mut steps = program(refusal);
    let install = move || {
        let filter = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
        // SAFETY: prctl reads the filter, which outlives both calls.
        let done = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &filter) == 0
        };
        if done { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    // SAFETY: between fork and exec it makes two system calls, and allocates nothing.
    unsafe { command.pre_exec(install) };
}
