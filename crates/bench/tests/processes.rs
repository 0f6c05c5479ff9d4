//! `sclients-bench saturate` and `bench`: real processes whose counts agree, and none that stays.

mod driver;

use driver::{Then, command, complaint, free_address, number_after, run, said, server};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything here may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn saturate_is_answered_as_often_as_its_server_saw() {
    let done = run(&["saturate", "--connections", "5", "--requests", "777", "--duration", "60s"]);
    let said = said(&done);
    assert!(done.status.success(), "{said}{}", complaint(&done));
    assert!(said.contains("status 200: 777"), "{said}");
    assert!(said.contains("the server saw 777 requests; as many as were answered"), "{said}");
    for part in ["5 connections", "/s\n", "median", "p99", "per request: client", ", server"] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
}

#[test]
fn saturate_ends_when_its_time_is_up() {
    let done = run(&["saturate", "--duration", "100ms"]);
    let said = said(&done);
    assert!(done.status.success(), "{said}{}", complaint(&done));
    assert_eq!(number_after(&said, "status 200: "), number_after(&said, "the server saw "));
}

#[test]
fn saturate_with_a_url_counts_what_that_server_counts() {
    let (address, seen) = server(Then::GoesOn);
    let url = format!("http://{address}/");
    let done = run(&["saturate", "--connections", "3", "--requests", "300", &url]);
    let said = said(&done);
    assert!(done.status.success() && said.contains("status 200: 300"), "{said}");
    assert!(!said.contains("the server saw"), "there is nothing to compare with: {said}");
    assert_eq!(seen.lock().unwrap()["GET"], 300);
}

#[test]
fn the_rows_of_bench_add_up_to_what_its_server_saw() {
    let words = ["--get", "2", "--post", "1", "--connections", "3", "--body-bytes", "100000"];
    let done = run(&[&["bench", "--requests", "500", "--duration", "60s"][..], &words].concat());
    let said = said(&done);
    assert!(done.status.success(), "{said}{}", complaint(&done));
    let row = |name: &str| {
        let line = said.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let rows = ["1 ", "2 ", "3 "].map(row);
    assert_eq!(rows.each_ref().map(|row| row[1].as_str()), ["GET", "GET", "POST"]);
    assert_eq!(rows.each_ref().map(|row| row[3].as_str()), ["167", "167", "166"]);
    assert_eq!(row("all")[1..3], ["9", "500"]);
    assert!(said.contains("the server saw 500 requests; as many as were answered"), "{said}");
}

#[test]
fn bench_with_a_url_sends_each_process_its_method() {
    let (address, seen) = server(Then::GoesOn);
    let url = format!("http://{address}/");
    let done = run(&[
        "bench",
        "--get",
        "1",
        "--post",
        "3",
        "--connections",
        "2",
        "--requests",
        "40",
        &url,
    ]);
    assert!(done.status.success(), "{}{}", said(&done), complaint(&done));
    let seen = seen.lock().unwrap();
    assert_eq!((seen["GET"], seen["POST"]), (10, 30));
}

#[test]
fn nothing_answered_is_exit_code_1() {
    let url = format!("http://{}/", free_address());
    for program in ["saturate", "bench"] {
        let done = run(&[program, "--connections", "2", &url]);
        assert_eq!(done.status.code(), Some(1), "{}", complaint(&done));
        assert!(said(&done).contains("failed, connection refused: "), "{}", said(&done));
    }
}

#[test]
fn a_mistake_is_one_line_and_exit_code_2() {
    for words in [
        &[][..],
        &["soak"],
        &["saturate", "--connections", "0"],
        &["saturate", "--duration", "5"],
        &["saturate", "--get", "1"],
        &["saturate", "http://192.0.2.1/"],
        &["bench", "--get", "0", "--post", "0"],
        &["bench", "--connections", "0"],
        &["bench", "http://192.0.2.1/"],
        &["http-processing", "http://192.0.2.1/"],
    ] {
        let done = run(words);
        assert_eq!(done.status.code(), Some(2), "{words:?}");
        assert_eq!(complaint(&done).lines().count(), 1, "{words:?}: {}", complaint(&done));
        assert_eq!(said(&done), "", "{words:?}");
    }
}

#[test]
fn each_program_has_its_help() {
    for (words, part) in [
        (&["--help"][..], "http-processing"),
        (&["http-processing", "--help"], "--body-bytes N"),
        (&["saturate", "-h"], "--connections N"),
        (&["bench", "--get", "3", "--help"], "--post P"),
    ] {
        let done = run(words);
        assert!(done.status.success() && said(&done).contains(part), "{words:?}: {}", said(&done));
    }
}

#[test]
fn too_few_open_files_are_refused_before_anything_starts() {
    let program = env!("CARGO_BIN_EXE_sclients-bench");
    let script = format!("ulimit -n 100; exec {program} saturate --connections 101");
    let done = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(done.status.code(), Some(2));
    let complaint = complaint(&done);
    assert!(complaint.contains("may open 100 files and 133 are needed"), "{complaint}");
}

#[test]
fn children_end_when_their_parent_is_killed() {
    for (words, count) in [(&["saturate"][..], 2), (&["bench", "--get", "2", "--post", "2"], 5)] {
        let mut parent = start(words);
        let children = children_of(&parent, count);
        parent.kill().unwrap();
        parent.wait().unwrap();
        for child in children {
            until(&format!("{child} ends"), || (!lives(child)).then_some(()));
        }
    }
}

#[test]
fn a_server_that_is_killed_is_named_and_its_clients_end() {
    let parent = start(&["saturate"]);
    let children = children_of(&parent, 2);
    let is_server = |pid: &u32| words_of(*pid).contains("__server");
    let server = *children.iter().find(|pid| is_server(pid)).unwrap();
    let killed = Command::new("sh").args(["-c", &format!("kill -9 {server}")]).status().unwrap();
    assert!(killed.success());
    let done = parent.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(2), "{}", said(&done));
    let complaint = complaint(&done);
    assert!(complaint.contains("server") && complaint.contains(&server.to_string()), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    for child in children {
        assert!(!lives(child), "{child} lives");
    }
}

/// Starts a run that would last a minute.
fn start(words: &[&str]) -> Child {
    let mut command = command(words);
    command.args(["--duration", "60s"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// The pids of `parent`'s children, once there are so many and all have become what they are.
fn children_of(parent: &Child, count: usize) -> Vec<u32> {
    until("the children start", || {
        let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            entry.unwrap().file_name().to_str().and_then(|name| name.parse::<u32>().ok())
        });
        let is_child = |pid: &u32| {
            status_of(*pid).is_some_and(|(_, parent_pid)| parent_pid == parent.id())
                && words_of(*pid).contains("__")
        };
        let children: Vec<u32> = pids.filter(is_child).collect();
        (children.len() == count).then_some(children)
    })
}

/// State and parent of a process (proc_pid_stat(5)); none when there is no such process.
fn status_of(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn words_of(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

/// Whether the process is there; a zombie, which only waits to be reaped, is not.
fn lives(pid: u32) -> bool {
    status_of(pid).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

fn until<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = done() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(5));
    }
}
