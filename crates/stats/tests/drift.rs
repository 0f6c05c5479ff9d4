//! Warm-up and trend against known answers (`oracles/mser5.json`, `oracles/trend.json`: numpy and scipy),
//! and how often drift is found where there is some, and where there is none, in series whose values are
//! alike from one to the next.
//!
//! `cargo test -p stats --release --test drift -- --ignored --nocapture` runs as many as the goals are
//! stated for.

mod random;

use random::Random;
use serde_json::Value;
use stats::{Cut, Drift, Point, Trend, mser5, significant};

fn oracle(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn near(told: f64, known: &Value) -> bool {
    let known = known.as_f64().unwrap();
    (told - known).abs() <= 1e-9 * known.abs().max(1e-3)
}

#[test]
fn trends_are_the_known_ones() {
    let oracle = oracle(include_str!("oracles/trend.json"));
    let cases = oracle.as_object().unwrap();
    assert_eq!(cases.len(), 3);
    for (name, case) in cases {
        let values = case["x"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap());
        let points: Vec<_> = values.enumerate().map(|(at, value)| (at as f64, value)).collect();
        let Trend { s, variance, z, p, slope, intercept, slope_ci } = Trend::of(&points).unwrap();
        let told = [s as f64, variance, z, p, slope, intercept, slope_ci[0], slope_ci[1]];
        let keys = ["S", "var_s", "z", "p", "sen_slope", "intercept"].map(|key| &case[key]);
        let known = keys.into_iter().chain(case["slope_ci95"].as_array().unwrap());
        for (told, known) in told.into_iter().zip(known) {
            assert!(near(told, known), "{name}: {told} {known}");
        }
    }
}

#[test]
fn warm_ups_end_where_they_are_known_to() {
    let oracle = oracle(include_str!("oracles/mser5.json"));
    let rough = |at: usize| (7919 * at % 13) as f64 / 13.0;
    let of = |name: &str, at: usize| match name.split(' ').next().unwrap() {
        "exp_decay" => 100.0 * (-(at as f64) / 20.0).exp() + 10.0,
        "flat" => 10.0,
        "drift" => 10.0 + 0.05 * at as f64,
        "step" => {
            if at < 60 {
                50.0
            } else {
                10.0
            }
        }
        other => panic!("{other}"),
    };
    let cases = oracle["cases"].as_object().unwrap();
    assert_eq!(cases.len(), 4);
    for (name, case) in cases {
        let series: Vec<f64> = (0..300).map(|at| of(name, at) + rough(at)).collect();
        let Cut { values, statistic, batches, accepted } = mser5(&series).unwrap();
        assert_eq!(values as u64, case["truncate_samples"].as_u64().unwrap(), "{name}");
        assert_eq!(batches as u64, case["batches"].as_u64().unwrap(), "{name}");
        assert_eq!(accepted, case["accept(d<=k/2)"].as_bool().unwrap(), "{name}");
        assert!(near(statistic, &case["statistic"]), "{name}: {statistic}");
    }
}

/// A series of standard deviation 1 in which each value has `phi` of the one before, and that rises by
/// `rise` from its first to its last.
fn alike(phi: f64, rise: f64, windows: u64, random: &mut Random) -> Vec<Point> {
    let fresh = (1.0 - phi * phi).sqrt();
    let mut value = random.normal();
    let points = (0..windows).map(|at| {
        value = phi * value + fresh * random.normal();
        (at, value + rise * at as f64 / windows as f64)
    });
    points.collect()
}

/// Per cent of series in which drift is found.
fn found(phi: f64, rise: f64, windows: u64, series: u32) -> f64 {
    let mut seeds = Random(windows ^ phi.to_bits() ^ rise.to_bits());
    let (mut found, mut short) = (0, 0);
    for _ in 0..series {
        match Drift::of(&alike(phi, rise, windows, &mut Random(seeds.bits())), 1) {
            Some(drift) if drift.tells => {
                found += u32::from(drift.is_drift(significant(&[drift.trend.p])[0], 0.0));
            }
            _ => short += 1,
        }
    }
    let percent = |count: u32| f64::from(count) * 100.0 / f64::from(series);
    println!(
        "phi {phi} rise {rise} windows {windows}: found {:.1} %, too short {:.1} %",
        percent(found),
        percent(short)
    );
    percent(found)
}

/// The most that any series may be said to drift by mistake, and the least in which a drift of three
/// standard deviations is to be found, those that are too short to tell included, in per cent; `slack` is
/// what fewer series add to them. As many windows as a soak of any length has, at least and at most.
fn check(series: u32, slack: fn(f64, u32) -> f64) {
    for windows in [120, 320, 640] {
        for (phi, least) in [(0.0, 95.0), (0.5, 70.0), (0.7, 70.0)] {
            let mistaken = found(phi, 0.0, windows, series);
            assert!(
                mistaken <= 2.0 + slack(2.0, series),
                "phi {phi}, {windows} windows: {mistaken} %"
            );
            let right = found(phi, 3.0, windows, series);
            assert!(
                right >= least - slack(least, series),
                "phi {phi}, {windows} windows: {right} %"
            );
        }
    }
}

#[test]
fn drift_is_found_where_it_is_and_seldom_where_it_is_not() {
    check(100, |percent, series| 2.0 * (percent * (100.0 - percent) / f64::from(series)).sqrt());
}

#[test]
#[ignore = "takes ten seconds, without slack"]
fn drift_is_found_where_it_is_and_seldom_where_it_is_not_in_many_series() {
    check(600, |_, _| 0.0);
}
