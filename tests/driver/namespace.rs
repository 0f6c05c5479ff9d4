//! Tests in a namespace of their own: its addresses, counters and mounts are nobody else's.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::process::Command;

/// Set within the namespace.
const INSIDE: &str = "SCLIENTS_TEST_NAMESPACE";

/// The addresses of the namespace beside 127.0.0.1 and ::1.
pub const ADDRESSES: [&str; 4] = ["192.0.2.1", "198.51.100.7", "203.0.113.9", "[2001:db8::1]"];

const SET_UP: &str = "ip link set lo up && ip addr add 192.0.2.1/32 dev lo \
    && ip addr add 198.51.100.7/32 dev lo && ip addr add 203.0.113.9/32 dev lo \
    && ip addr add 2001:db8::1/128 dev lo";

/// Runs `test`, which is the body of the test called `name`, in a namespace; where the host permits
/// none, says so and passes.
#[track_caller]
pub fn in_namespace(name: &str, test: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    let unshare = |line: &str, words: &[OsString]| {
        let mut command = Command::new("unshare");
        command.args(["-rnm", "sh", "-c", line]).args(words).env(INSIDE, "1").output()
    };
    match unshare(SET_UP, &[]) {
        Ok(tried) if tried.status.success() => {}
        Ok(tried) => {
            let why = String::from_utf8_lossy(&tried.stderr).into_owned();
            return leave_out(name, &format!("no network namespace: {}", why.trim_end()));
        }
        Err(error) => return leave_out(name, &format!("no unshare: {error}")),
    }
    let words = [std::env::current_exe().unwrap().into_os_string()]
        .into_iter()
        .chain(["--exact", name, "--nocapture"].map(OsString::from))
        .collect::<Vec<_>>();
    let done = unshare(&format!("{SET_UP} && exec \"$0\" \"$@\""), &words).unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && out.contains("1 passed"), "{out}\n{err}");
}

/// Says so past the test harness, which keeps what a passing test prints to itself.
#[expect(clippy::explicit_write, reason = "the harness would keep what eprintln prints")]
fn leave_out(name: &str, why: &str) {
    writeln!(std::io::stderr(), "{name} is left out, {why}").unwrap();
}

/// Connections that this namespace began.
pub fn active_opens() -> u64 {
    counter("snmp", "Tcp:", "ActiveOpens")
}

/// A counter of this namespace's kernel: of this file of `/proc/net`, in this line.
pub fn counter(file: &str, line: &str, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/net/{file}")).unwrap();
    let mut rows = text.lines().filter(|row| row.starts_with(line));
    let (names, values) = (rows.next().unwrap(), rows.next().unwrap());
    let mut pairs = names.split_whitespace().zip(values.split_whitespace());
    pairs.find(|(found, _)| *found == name).unwrap().1.parse().unwrap()
}

/// Sets what this namespace has of `/proc/sys/net`.
pub fn set(name: &str, value: &str) {
    fs::write(format!("/proc/sys/net/{name}"), value).unwrap();
}
