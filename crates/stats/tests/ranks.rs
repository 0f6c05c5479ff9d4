//! Ranks and sample sizes against known answers (`oracles/quantile_ci.json`, exact binomial).

use serde_json::Value;
use stats::{min_samples, min_samples_one_sided, ranks, zero_failures_upper95};

fn oracle() -> Value {
    serde_json::from_str(include_str!("oracles/quantile_ci.json")).unwrap()
}

/// The entries of a table, its keys read as numbers.
fn table(oracle: &Value, name: &str) -> Vec<(f64, f64)> {
    let rows = oracle[name].as_object().unwrap().iter();
    rows.map(|(key, value)| (key.parse().unwrap(), value.as_f64().unwrap())).collect()
}

#[test]
fn all_ranks_are_the_exact_ones() {
    let oracle = oracle();
    let rows = oracle["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 17);
    for row in rows {
        let (n, p) = (row["n"].as_u64().unwrap(), row["p"].as_f64().unwrap());
        let found = ranks(n, p);
        assert_eq!(found.lower, row["lower_rank"].as_u64(), "lower of {n} at {p}");
        assert_eq!(found.upper, row["upper_rank"].as_u64(), "upper of {n} at {p}");
    }
}

#[test]
fn sample_sizes_are_those_of_the_tables_and_one_less_is_too_few() {
    let oracle = oracle();
    for (p, n) in table(&oracle, "min_n_two_sided_95") {
        let fewest = min_samples(p);
        assert_eq!(fewest as f64, n, "two-sided at {p}");
        assert!(ranks(fewest, p).upper.is_some() && ranks(fewest, p).lower.is_some());
        assert_eq!(ranks(fewest - 1, p).upper, None);
    }
    for (p, n) in table(&oracle, "min_n_one_sided_upper_95") {
        assert_eq!(min_samples_one_sided(p) as f64, n, "one-sided at {p}");
    }
}

#[test]
fn no_failures_seen_is_not_no_failures() {
    for (n, share) in table(&oracle(), "zero_failures_upper95") {
        assert!((zero_failures_upper95(n as u64) / share - 1.0).abs() < 1e-12, "{n}");
    }
}
