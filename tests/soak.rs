//! Long runs: a leak is found, with its rate; what is watched and ends is told; the same is said while the
//! run goes on, at its end and afterwards.

mod driver;

use driver::{sclients, wait_until};
use nix::sys::signal::Signal;
use std::process::{Child, Command};
use std::time::Duration;

/// As fast as a leak has to be for a run of this length.
const LEAK_MB_PER_MIN: f64 = 60.0;

/// A process that ends by itself.
struct Sleeper(Child);

impl Sleeper {
    fn start(seconds: u32) -> Self {
        Self(Command::new("sleep").arg(seconds.to_string()).spawn().unwrap())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_leaking_target_is_found_while_the_run_goes_on_and_afterwards() {
    let (parent, sleeper) = (tempfile::tempdir().unwrap(), Sleeper::start(3));
    let (folder, pid) = (parent.path().join("run"), sleeper.0.id());
    let words =
        format!("--conns 10 --think 20ms --duration 27s --target-leak {LEAK_MB_PER_MIN}MB/min");
    let run = sclients(&words).words(&format!("--format json --watch-pid {pid}"));
    let run = run.arg("--limit").arg(
        "drift.target_rss.slope_per_hour < 1MiB, drift.target_descriptors.hours_to_limit > 48h, drift.drifting == 0",
    );
    let mut run = run.arg("--out").arg(&folder).spawn();
    run.await_line(&format!("watched process {pid} (sleep) ended"));
    let report = || sclients("report --format json").arg(&folder).run();
    let found = || {
        std::thread::sleep(Duration::from_millis(500));
        report().json().text("drift.target_rss.state") == "drifts"
    };
    assert!(wait_until(Duration::from_secs(25), found), "{:#}", report().json().at("drift"));
    run.signal(Signal::SIGUSR1);
    run.await_line("target rss +");
    // A limit may name what drifts.
    let done = run.wait().expect(4);
    let told = done.json();
    let state = |limit: &str| told.text(&format!("limits.{limit}.state"));
    assert_eq!((state("0"), state("1")), ("broken", "held"), "{:#}", told.at("limits"));
    // Where our own memory drifts beside it, that cannot be told.
    assert_ne!(state("2"), "held");
    let leak = told.number("drift.target_rss.slope_per_hour") / 60.0 / 1e6;
    assert!((leak / LEAK_MB_PER_MIN - 1.0).abs() < 0.2, "{leak} MB/min: {:#}", told.at("drift"));
    assert!(told.number("drift.target_rss.hours_to_limit") > 0.0);
    assert!(told.text("drift.text").contains("target rss +"));
    let ended = &told.list("watched")[0];
    assert_eq!((ended["pid"].as_u64(), ended["name"].as_str()), (Some(pid.into()), Some("sleep")));
    assert!(ended["ended_after_seconds"].as_f64() > Some(0.0), "{ended}");
    assert_eq!(done.stdout, report().stdout);
}

#[test]
fn a_short_run_says_nothing_of_drift_but_that_it_is_too_short() {
    let short = "--conns 2 --think 10ms --duration 1s";
    let told = sclients(short).words("--format json").run().expect(0).json();
    assert_eq!(told.text("drift.verdict"), "too_short");
    assert_eq!(told.text("drift.text"), "too short to tell");
    assert_eq!(told.text("steady_state.state"), "too_short");
    let text = sclients(short).run().expect(0).stdout;
    assert!(!text.contains("drift") && !text.contains("steady"), "{text}");
}
