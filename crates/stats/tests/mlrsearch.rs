//! The search for a capacity: three known sequences trial by trial (`oracles/mlrsearch.json`, made by the
//! package MLRsearch 1.2.1 against a server that does exactly what it can), and a simulated server that is
//! not so even.

mod random;

use random::Random;
use serde_json::Value;
use stats::mlrsearch::{Bounds, Goal, Grid, REPEATS_MAX, Search, Step, Trial};

fn goal(of: &Value) -> Goal {
    let number = |name: &str| of[name].as_f64().unwrap();
    Goal {
        loss_ratio: number("loss_ratio"),
        exceed_ratio: number("exceed_ratio"),
        relative_width: number("relative_width"),
        initial_trial_seconds: number("initial_trial_duration"),
        final_trial_seconds: number("final_trial_duration"),
        sum_seconds: number("duration_sum"),
        preceding: number("preceding_targets") as u32,
    }
}

fn near(found: f64, known: &Value) -> bool {
    (found / known.as_f64().unwrap() - 1.0).abs() < 1e-9
}

#[test]
fn known_searches_are_repeated_trial_by_trial() {
    let oracle: Value = serde_json::from_str(include_str!("oracles/mlrsearch.json")).unwrap();
    let cases = oracle["cases"].as_object().unwrap();
    assert_eq!(cases.len(), 3);
    for (name, case) in cases {
        let number = |name: &str| case[name].as_f64().unwrap();
        let results = case["results"].as_array().unwrap();
        let goals: Vec<Goal> = results.iter().map(|result| goal(&result["goal"])).collect();
        let widths: Vec<f64> = goals.iter().map(|goal| goal.relative_width).collect();
        let grid = Grid::ratios(number("min_load"), number("max_load"), &widths).unwrap();
        let mut search = Search::new(&goals, grid).unwrap();
        for (index, known) in
            case["sequence_[duration,load,loss,offered]"].as_array().unwrap().iter().enumerate()
        {
            let Step::Try { load, seconds } = search.step() else {
                panic!("{name} ended at {index}")
            };
            assert!(near(seconds, &known[0]), "{name} {index}: {seconds} s, not {}", known[0]);
            assert!(near(load, &known[1]), "{name} {index}: load {load}, not {}", known[1]);
            let loss_ratio = known[2].as_f64().unwrap() / known[3].as_f64().unwrap();
            search.take(Trial { seconds, loss_ratio, bad: None });
        }
        let Step::Found(bounds) = search.step() else { panic!("{name} goes on") };
        for (found, known) in bounds.iter().zip(results) {
            assert!(near(found.lower.unwrap(), &known["relevant_lower_bound"]), "{name}");
            assert!(near(found.upper.unwrap(), &known["relevant_upper_bound"]), "{name}");
            assert!(near(found.throughput.unwrap(), &known["conditional_throughput"]), "{name}");
        }
    }
}

/// As the defaults of the program.
const USUAL: Goal = Goal {
    loss_ratio: 0.0,
    exceed_ratio: 0.5,
    relative_width: 0.01,
    initial_trial_seconds: 1.0,
    final_trial_seconds: 1.0,
    sum_seconds: 21.0,
    preceding: 2,
};

/// Asks `answer` until there is an end; the end, and for how long load was made.
fn conducted(
    goal: Goal,
    grid: Grid,
    mut answer: impl FnMut(f64, f64) -> Option<Trial>,
) -> (Step, f64) {
    let mut search = Search::new(&[goal], grid).unwrap();
    let mut loaded = 0.0;
    for _ in 0..10_000 {
        let Step::Try { load, seconds } = search.step() else { return (search.step(), loaded) };
        loaded += seconds;
        match answer(load, seconds) {
            Some(trial) => search.take(trial),
            None => search.spoiled(),
        }
    }
    panic!("the search does not end");
}

fn found(step: Step) -> Bounds {
    match step {
        Step::Found(bounds) => bounds[0],
        other => panic!("{other:?}"),
    }
}

/// A server that bears 10,000 more or less, and stops for a moment once in 300 s.
fn uneven(random: &mut Random, load: f64, seconds: f64) -> Trial {
    let capacity = 10_000.0 * (1.0 + 0.02 * random.normal());
    let hiccup = random.exponential(300.0) < seconds;
    let through = if hiccup { 0.9 } else { 1.0 } * load.min(capacity);
    Trial { seconds, loss_ratio: 1.0 - through / load, bad: None }
}

#[test]
fn an_uneven_server_is_told_within_a_hundredth_in_ninety_seconds() {
    let grid = Grid::ratios(200.0, 60_000.0, &[0.01]).unwrap();
    let (mut lower, mut loaded) = (Vec::new(), 0.0);
    for seed in 0..200 {
        let mut random = Random(seed);
        let (end, seconds) =
            conducted(USUAL, grid, |load, seconds| Some(uneven(&mut random, load, seconds)));
        lower.push(found(end).lower.unwrap() / 10_000.0);
        loaded += seconds / 200.0;
    }
    lower.sort_by(f64::total_cmp);
    let mean = lower.iter().sum::<f64>() / 200.0;
    let cv = (lower.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 199.0).sqrt() / mean;
    let told = format!("p5 {}, p95 {}, CV {cv}, {loaded} s", lower[9], lower[189]);
    assert!(cv <= 0.01 && lower[9] >= 0.975 && lower[189] <= 1.01 && loaded <= 90.0, "{told}");
}

#[test]
fn a_generator_that_cannot_is_never_taken_for_a_server() {
    let grid = Grid::ratios(200.0, 60_000.0, &[0.01]).unwrap();
    for seed in 0..10 {
        // It makes so much, and the server would bear more.
        let most = 2_000.0 + 700.0 * seed as f64;
        let mut tried = 0;
        let (end, _) = conducted(USUAL, grid, |load, seconds| {
            tried += 1;
            (load <= most).then_some(Trial { seconds, loss_ratio: 0.0, bad: None })
        });
        let Step::GeneratorLimited { load } = end else { panic!("{end:?}") };
        assert!(load > most);
        assert_eq!(tried, 1 + REPEATS_MAX);
    }
}

#[test]
fn a_spoiled_trial_now_and_then_changes_nothing() {
    let grid = Grid::ratios(200.0, 60_000.0, &[0.01]).unwrap();
    let even = |load: f64, seconds| Trial {
        seconds,
        loss_ratio: 1.0 - load.min(10_000.0) / load,
        bad: None,
    };
    let (undisturbed, _) = conducted(USUAL, grid, |load, seconds| Some(even(load, seconds)));
    let mut turn = 0;
    let (disturbed, _) = conducted(USUAL, grid, |load, seconds| {
        turn += 1;
        (turn % 4 == 0).then(|| even(load, seconds))
    });
    assert_eq!(found(disturbed), found(undisturbed));
}

#[test]
fn a_number_of_connections_is_found_exactly() {
    for (lowest, highest) in [(1, 2_000), (1, 1_000), (10, 20_000)] {
        for most in [10, 11, 99, 500, 998, 999] {
            let grid = Grid::whole(lowest, highest).unwrap();
            // With and without a hint of how many it was.
            for hint in [true, false] {
                let (end, loaded) = conducted(USUAL, grid, |load, seconds| {
                    let bad = load > f64::from(most);
                    let lost = if hint { 1.0 - f64::from(most) / load } else { 1.0 };
                    let loss_ratio = if bad { lost } else { 0.0 };
                    Some(Trial { seconds, loss_ratio, bad: Some(bad) })
                });
                let bounds = found(end);
                assert_eq!(bounds.lower, Some(f64::from(most)), "{lowest} to {highest}");
                assert_eq!(bounds.upper, Some(f64::from(most + 1)));
                assert!(loaded < 90.0, "{loaded} s");
            }
        }
    }
}

#[test]
fn ends_of_the_range_are_told_as_missing_bounds() {
    let grid = Grid::ratios(100.0, 1_000.0, &[0.01]).unwrap();
    let all = |bad, loss_ratio| {
        let trial = move |_, seconds| Some(Trial { seconds, loss_ratio, bad: Some(bad) });
        found(conducted(USUAL, grid, trial).0)
    };
    let fine = all(false, 0.0);
    assert_eq!((fine.lower, fine.upper), (Some(1_000.0), None));
    for loss in [0.0, 0.5, 1.0] {
        let none = all(true, loss);
        assert_eq!((none.lower, none.upper), (None, Some(100.0)), "{loss}");
    }
}

#[test]
fn goals_that_contradict_themselves_are_refused() {
    let grid = Grid::whole(1, 10).unwrap();
    let refused = |goal| Search::new(&[goal], grid).is_err();
    assert!(Search::new(&[], grid).is_err());
    assert!(!refused(USUAL));
    for goal in [
        Goal { loss_ratio: 1.0, ..USUAL },
        Goal { exceed_ratio: -0.1, ..USUAL },
        Goal { exceed_ratio: f64::NAN, ..USUAL },
        Goal { relative_width: 0.0, ..USUAL },
        Goal { initial_trial_seconds: 0.0, ..USUAL },
        Goal { final_trial_seconds: 0.5, ..USUAL },
        Goal { sum_seconds: 0.9, ..USUAL },
        Goal { preceding: 0, ..USUAL },
    ] {
        assert!(refused(goal), "{goal:?}");
    }
}
