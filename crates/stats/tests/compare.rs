//! Comparing groups of runs: known answers (`oracles/compare.json`), and how often a simulated pair of
//! groups is told apart that is, or is not, different.

mod random;

use random::Random;
use serde_json::Value;
use stats::compare::{Judged, LEVEL, compare, lowest_p};

fn oracle() -> Value {
    serde_json::from_str(include_str!("oracles/compare.json")).unwrap()
}

fn near(found: f64, known: &Value) {
    let known = known.as_f64().unwrap();
    assert!((found - known).abs() <= 1e-9 * known.abs().max(1.0), "{found} is not {known}");
    // A p is small: it has to be right as a share, too.
    assert!((found / known - 1.0).abs() <= 1e-9, "{found} is not {known}");
}

#[test]
fn two_groups_of_ten_are_compared_as_known() {
    let oracle = oracle();
    let values = |name: &str| -> Vec<f64> { serde_json::from_value(oracle[name].clone()).unwrap() };
    let found = compare(&values("A"), &values("B")).unwrap();
    assert!(found.exact);
    near(found.u, &oracle["U_A"]);
    near(found.p, &oracle["p_exact_two_sided"]);
    near(found.a12, &oracle["A12"]);
    near(found.shift, &oracle["hodges_lehmann_B_minus_A"]);
    let (low, high) = found.interval.unwrap();
    near(low, &oracle["HL_ci95_exact"][0]);
    near(high, &oracle["HL_ci95_exact"][1]);
}

#[test]
fn the_lowest_p_is_that_of_the_table() {
    for (n, p) in oracle()["min_p_exact_by_n_per_side"].as_object().unwrap() {
        let n = n.parse().unwrap();
        near(lowest_p(n, n), p);
    }
}

/// What 200 pairs of groups of six runs are called, as shares, where a run is off by 2 % and the second
/// group's are `shift` times as long.
fn told(shift: f64, cv: f64, seed: u64) -> [f64; 2] {
    let mut random = Random(seed);
    let mut counts = [0.0; 2];
    for _ in 0..200 {
        let mut group = |mean: f64| -> Vec<f64> {
            (0..6).map(|_| (mean * (1.0 + cv * random.normal())).ln()).collect()
        };
        let (a, b) = (group(100.0), group(100.0 * shift));
        match compare(&a, &b).unwrap().judge(1.05_f64.ln(), LEVEL) {
            Judged::Worse => counts[0] += 1.0 / 200.0,
            Judged::Better => counts[1] += 1.0 / 200.0,
            _ => {}
        }
    }
    counts
}

#[test]
fn the_same_build_is_not_called_different() {
    for (cv, seed) in [(0.02, 1), (0.05, 2), (0.2, 3)] {
        let [worse, better] = told(1.0, cv, seed);
        assert!(worse + better <= 0.05, "at {cv}: {worse} worse, {better} better");
    }
}

#[test]
fn a_twentieth_more_is_found() {
    let [worse, better] = told(1.05, 0.02, 4);
    assert!(worse >= 0.9 && better == 0.0, "{worse} worse, {better} better");
}
