//! The Universal Scalability Law on four known sets (`oracles/usl.json`; the intervals are of Student's t
//! with n − 3 degrees of freedom).

use serde_json::Value;
use stats::usl::{Estimated, Fit, Measured, fit};

fn oracle(set: &str) -> Value {
    let oracle: Value = serde_json::from_str(include_str!("oracles/usl.json")).unwrap();
    oracle["sets"][set].clone()
}

fn fitted(set: &Value) -> Fit {
    let numbers = |name: &str| -> Vec<f64> { serde_json::from_value(set[name].clone()).unwrap() };
    let pairs = numbers("N").into_iter().zip(numbers("X"));
    fit(&pairs.map(|(n, x)| Measured { n, x }).collect::<Vec<_>>()).unwrap()
}

/// To four significant digits.
fn near(found: f64, known: &Value, what: &str) {
    let known = known.as_f64().unwrap();
    assert!((found / known - 1.0).abs() < 5e-5, "{what}: {found} is not {known}");
}

fn interval(found: Estimated, known: &Value, what: &str) {
    near(found.interval.0, &known[0], what);
    near(found.interval.1, &known[1], what);
}

#[test]
fn parameters_intervals_and_peaks_are_known() {
    for name in ["synthetic6", "raytracer_first6", "specsdm91"] {
        let set = oracle(name);
        let found = fitted(&set);
        near(found.alpha.value, &set["alpha"], name);
        near(found.beta.value, &set["beta"], name);
        near(found.gamma.value, &set["gamma"], name);
        near(found.residual, &set["rse"], name);
        let known = &set["ci95_t_df_n_minus_3"];
        interval(found.alpha, &known["alpha"], name);
        interval(found.beta, &known["beta"], name);
        interval(found.gamma, &known["gamma"], name);
        let peak = found.peak().unwrap();
        near(peak.n.value, &set["Nmax"], name);
        near(peak.x.value, &set["Xmax"], name);
        interval(peak.n, &set["Nmax_delta_ci95"], name);
        near(found.asymptote().unwrap(), &set["asymptote_gamma_over_alpha"], name);
        assert_eq!(peak.extrapolated, name == "raytracer_first6");
    }
}

#[test]
fn a_curve_that_only_flattens_has_no_peak() {
    let set = oracle("raytracer_all11");
    let found = fitted(&set);
    assert_eq!(found.peak(), None);
    assert!(found.beta.value < 1e-9);
    near(found.alpha.value, &set["alpha"], "alpha");
    near(found.gamma.value, &set["gamma"], "gamma");
    near(found.asymptote().unwrap(), &set["asymptote"], "asymptote");
    near(found.residual, &set["rse"], "rse");
    assert_eq!(found.degrees as u64, set["df"]);
}
