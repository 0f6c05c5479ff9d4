//! What a reader of two groups should know beside how they compare.

use super::{Figure, Run};
use crate::number::duration;
use stats::Histogram;

/// A value so many times as far from the median as half of the values are is not like the others: a modified
/// z-score of 10 (Iglewicz and Hoaglin 1993 call 3.5 suspicious).
const APART: f64 = 14.826;

/// All remarks.
pub fn of(runs: &[Vec<Run>; 2], figures: &[Figure]) -> Vec<String> {
    let mut remarks: Vec<String> = turns(runs).into_iter().collect();
    let doubtful = runs.iter().flatten().filter_map(|run| Some((&run.dir, run.doubt.as_ref()?)));
    remarks.extend(doubtful.map(|(dir, doubt)| format!("{dir} is suspect: {doubt}")));
    for &figure in figures {
        remarks.extend(runs.iter().flat_map(|group| outliers(group, figure)));
    }
    remarks.extend(distributions(runs));
    remarks
}

/// That what changed with time cannot be told from what changed with the group.
fn turns(runs: &[Vec<Run>; 2]) -> Option<String> {
    let ends = |runs: &[Run]| {
        let started = || runs.iter().map(|run| run.started);
        Some((started().min()?, started().max()?))
    };
    let ((first_a, last_a), (first_b, last_b)) = (ends(&runs[0])?, ends(&runs[1])?);
    (last_a < first_b || last_b < first_a).then(|| {
        "one group ran wholly before the other: what changed on the host meanwhile is part of the difference; take turns, ABAB".to_owned()
    })
}

/// Runs that are not like the others of their group. They count all the same: ranks bear them.
fn outliers(group: &[Run], figure: Figure) -> Vec<String> {
    let values: Option<Vec<f64>> = group.iter().map(|run| run.value(figure)).collect();
    let Some(values) = values.filter(|values| values.len() > 2) else { return Vec::new() };
    let middle = stats::median(values.clone());
    let usual = stats::median(values.iter().map(|value| (value - middle).abs()).collect());
    let is_apart = |value: f64| usual > 0.0 && (value - middle).abs() > APART * usual;
    let first = group.iter().map(|run| run.started).min();
    let apart = group.iter().zip(values).filter(|(_, value)| is_apart(*value));
    let told = |(run, _): (&Run, f64)| {
        let why = if Some(run.started) == first {
            "it was the first: caches may have been cold"
        } else {
            "something else may have run beside it"
        };
        format!("{} has a {} unlike the others of its group; {why}", run.dir, figure.name())
    };
    apart.map(told).collect()
}

/// Where the latencies of both groups differ most: a description, since with so many requests any difference
/// is beyond chance.
fn distributions(runs: &[Vec<Run>; 2]) -> Option<String> {
    let [a, b] = runs.each_ref().map(|group| {
        let mut all = Histogram::default();
        group.iter().for_each(|run| all.merge(&run.from_due));
        all
    });
    let (apart, at) = a.distance(&b)?;
    Some(format!(
        "latencies from due of all requests differ most at {}: by {:.1} % of all (KS distance, no verdict)",
        duration(at as f64),
        apart * 100.0
    ))
}

#[cfg(test)]
mod tests {
    use super::super::admit::samples::run;
    use super::*;
    use serde_json::json;

    fn arm(p50s: &[f64]) -> Vec<Run> {
        let of = |p50: &f64| run(&json!({ "latency_us": { "from_due": { "p50": p50 } } }));
        p50s.iter().map(of).collect()
    }

    #[test]
    fn what_is_unlike_its_group_is_told() {
        let told = |p50s: &[f64]| outliers(&arm(p50s), Figure::P50).len();
        assert_eq!(told(&[100.0, 101.0, 99.0, 100.5, 99.5, 100.2]), 0);
        assert_eq!(told(&[100.0, 101.0, 99.0, 100.5, 99.5, 180.0]), 1);
        assert_eq!(told(&[100.0, 100.0, 100.0, 180.0]), 0);
        assert_eq!(told(&[1.0, 99.0]), 0);
    }

    #[test]
    fn distributions_are_described_where_they_differ() {
        let mut groups = [arm(&[1.0]), arm(&[1.0])];
        assert_eq!(distributions(&groups), None);
        for (group, nanos) in groups.iter_mut().zip([1_000_000, 3_000_000]) {
            group[0].from_due.record(nanos);
            group[0].from_due.record(9_000_000);
        }
        let told = distributions(&groups).unwrap();
        assert!(told.contains("differ most at 1.00 ms: by 50.0 % of all"), "{told}");
    }
}
