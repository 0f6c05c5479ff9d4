//! Whether intervals of 95 % contain what they say, on a queue whose p99 is known.
//!
//! M/M/1, first come first served, service 1 ms: time in the system is exponential with mean
//! 1/(1 − ρ) ms, so p99 is −ln 0.01/(1 − ρ). Runs begin in the steady state. Seeds are fixed, so a
//! failure repeats.
//!
//! `cargo test -p stats --release --test coverage -- --ignored --nocapture` runs as many as the goals
//! are stated for.

mod random;

use random::Random;
use stats::{Estimate, Histogram, Interval95, Sections, Windows};

const SERVICE_NANOS: f64 = 1e6;
const P: f64 = 0.99;
/// What a run of 50 s in intervals of half a second would have.
const WINDOWS: u64 = 100;

/// One run of `n` requests at load `rho`, in windows by the time of arrival.
fn run(rho: f64, n: u64, random: &mut Random) -> Estimate {
    let gap = SERVICE_NANOS / rho;
    let window = gap * n as f64 / WINDOWS as f64;
    let mut windows = Windows::default();
    let mut histogram = Histogram::default();
    let mut now = 0.0;
    let mut index = 0;
    // What is waited for in the steady state: nothing, or exponential as the time in the system.
    let busy = random.unit() < rho;
    let mut wait = if busy { random.exponential(SERVICE_NANOS / (1.0 - rho)) } else { 0.0 };
    for _ in 0..n {
        let entered = (now / window) as u64;
        if entered != index {
            windows.add(index, &histogram);
            histogram.clear();
            index = entered;
        }
        let service = random.exponential(SERVICE_NANOS);
        histogram.record((wait + service) as u64);
        let next = random.exponential(gap);
        now += next;
        wait = (wait + service - next).max(0.0);
    }
    windows.add(index, &histogram);
    Sections::new(&windows).estimate(P)
}

/// What many runs at one load and length gave.
#[derive(Debug, Default)]
struct Tally {
    runs: u32,
    accepted: u32,
    /// Of the accepted, those whose interval contains the true value.
    covered: u32,
}

impl Tally {
    fn of(rho: f64, n: u64, runs: u32) -> Self {
        let truth = (-(1.0 - P).ln() * SERVICE_NANOS / (1.0 - rho)) as u64;
        let mut tally = Self { runs, ..Self::default() };
        let mut seeds = Random(n ^ rho.to_bits());
        for _ in 0..runs {
            let estimate = run(rho, n, &mut Random(seeds.bits()));
            let value = estimate.value_nanos.unwrap();
            match estimate.interval {
                Interval95::Supported { low_nanos, high_nanos } => {
                    assert!(low_nanos <= value && value <= high_nanos);
                    tally.accepted += 1;
                    tally.covered += u32::from((low_nanos..=high_nanos).contains(&truth));
                }
                Interval95::Insufficient { longer } => assert!(longer.unwrap() > 1.0),
            }
        }
        println!(
            "rho {rho} n {n}: {runs} runs, accepted {:.1} %, coverage {:.1} %",
            tally.accepted_percent(),
            tally.covered_percent(),
        );
        tally
    }

    fn accepted_percent(&self) -> f64 {
        f64::from(self.accepted) * 100.0 / f64::from(self.runs)
    }

    fn covered_percent(&self) -> f64 {
        f64::from(self.covered) * 100.0 / f64::from(self.accepted.max(1))
    }
}

/// Twice the standard error of a share, in per cent, among so many runs.
fn two_errors(percent: f64, runs: u32) -> f64 {
    2.0 * (percent * (100.0 - percent) / f64::from(runs)).sqrt()
}

/// Long enough runs are accepted and their intervals hold; too short ones are refused. The limits
/// are those of `runs` = 300 and 60; `slack` is what fewer runs add to them.
fn check(runs: u32, runs_of_a_million: u32, slack: fn(f64, u32) -> f64) {
    for (rho, n, runs) in
        [(0.5, 20_000, runs), (0.8, 200_000, runs), (0.9, 1_000_000, runs_of_a_million)]
    {
        let tally = Tally::of(rho, n, runs);
        let (accepted, covered) = (90.0 - slack(90.0, runs), 88.0 - slack(88.0, runs));
        assert!(tally.accepted_percent() >= accepted, "rho {rho} n {n}: {tally:?}");
        assert!(tally.covered_percent() >= covered, "rho {rho} n {n}: {tally:?}");
    }
    for (rho, n, accepted) in [(0.8, 20_000, 3.0), (0.9, 20_000, 3.0), (0.9, 200_000, 15.0)] {
        let tally = Tally::of(rho, n, runs);
        let accepted = accepted + slack(accepted, runs);
        assert!(tally.accepted_percent() <= accepted, "rho {rho} n {n}: {tally:?}");
    }
}

#[test]
fn intervals_hold_and_short_runs_are_refused() {
    check(100, 12, two_errors);
}

#[test]
#[ignore = "takes half a minute, without slack"]
fn intervals_hold_and_short_runs_are_refused_in_many_runs() {
    check(300, 60, |_, _| 0.0);
}
