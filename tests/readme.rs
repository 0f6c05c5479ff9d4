//! What README.md tells a stranger to type works: each command runs as written, only shorter and
//! against a server of ours.

mod driver;

use driver::{BINARY, DEADLINE, Server, root, shell};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Said last, so it wins: small enough for any host.
const SHRUNK: &str = "--duration 1s --procs 1";

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// The lines after a prompt in `console` blocks, without their remarks.
fn commands() -> Vec<String> {
    let readme = readme();
    let blocks = readme.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let lines = blocks.flat_map(str::lines).filter_map(|line| line.strip_prefix("$ "));
    lines.map(|line| line.split("  #").next().unwrap().trim().to_owned()).collect()
}

/// The words after the program's name, of commands that start it.
fn words(command: &str) -> Option<&str> {
    let rest = command.strip_prefix("cargo run --release --");
    rest.or_else(|| command.strip_prefix("sclients ")).map(str::trim)
}

#[test]
fn the_commands_of_the_readme_run() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("body.json"), "{}").unwrap();
    let (http, echo) = (Server::start(""), Server::start("--protocol echo"));
    let mut run = 0;
    for command in commands() {
        let Some(words) = words(&command) else { continue };
        let words = words
            .replace("127.0.0.1:8080", &http.address)
            .replace("tcp://127.0.0.1:7", &format!("tcp://{}", echo.address));
        run += 1;
        if words.starts_with("serve") {
            serves(&words);
            continue;
        }
        // It has no options of a run.
        let selftest = words.starts_with("selftest");
        let report = words.starts_with("report");
        // A redirection may stand last: options go before it.
        let overload = words.contains("--attempt-rate") || words.contains("--curve");
        let conns = if overload || selftest || report { "" } else { "--conns 50" };
        let shrunk = match () {
            () if selftest => "--quick",
            () if report => "",
            () if words.contains("--curve") => "--procs 1",
            () => SHRUNK,
        };
        let line = format!("exec {BINARY} {words} {shrunk} {conns}");
        let done = shell(&line).in_folder(folder.path()).spawn().wait_for(DEADLINE);
        let scheduled = overload || selftest || report || words.contains("--rate ");
        if scheduled {
            done.expect_or_late(0)
        } else {
            done.expect(0)
        };
    }
    assert!(run >= 8, "{run} commands found");
    if readme().contains("> run.json") {
        let kept = fs::read_to_string(folder.path().join("run.json")).unwrap();
        let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
        driver::Report(kept).assert_sound();
    }
}

fn serves(words: &str) {
    let mut running = shell(&format!("exec {BINARY} {words} --listen 127.0.0.1:0")).spawn();
    running.await_line("listening at ");
    running.signal(Signal::SIGINT);
    running.wait().expect(0);
}

#[test]
fn the_gate_of_the_readme_can_be_run() {
    assert!(commands().iter().any(|command| command == ".ci/run"));
    let mode = fs::metadata(root().join(".ci/run")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111);
}

#[test]
fn what_the_readme_points_at_is_there() {
    let both = readme() + &fs::read_to_string(root().join("MANUAL.md")).unwrap();
    let links = both.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
    let named = both.split('`').skip(1).step_by(2).filter(|word| word.starts_with("scripts/"));
    for path in links.chain(named).filter(|path| !path.contains("://")) {
        assert!(root().join(path).exists(), "{path}");
    }
}

/// What follows the words `Exit codes: `, up to the end of the paragraph, a word each.
fn exit_codes(text: &str) -> Vec<&str> {
    let list = text.split("Exit codes: ").nth(1).expect("exit codes are told");
    list.split("\n\n").next().unwrap().split_whitespace().collect()
}

#[test]
fn the_readme_and_the_help_tell_the_same_exit_codes() {
    let help = driver::sclients("--help").run().expect(0).stdout;
    assert_eq!(exit_codes(&readme()), exit_codes(&help));
    for code in ["0", "1", "2", "3", "4", "5", "6", "130", "143"] {
        assert!(exit_codes(&help).contains(&code), "{code}");
    }
}

#[test]
fn the_help_shows_every_command() {
    let help = driver::sclients("--help").run().expect(0).stdout;
    for command in ["serve", "doctor", "selftest", "completions", "man"] {
        assert!(help.lines().any(|line| line.starts_with(&format!("  {command} "))), "{help}");
    }
}

#[test]
fn other_commands_that_the_readme_names_answer() {
    let readme = readme();
    for words in ["--help", "man", "completions bash"] {
        assert!(readme.contains(&format!("sclients {words}`")), "{words}");
        let done = driver::sclients(words).run().expect(0);
        assert!(!done.stdout.is_empty());
    }
}
