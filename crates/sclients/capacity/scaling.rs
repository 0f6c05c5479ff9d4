//! Throughput at several numbers of connections, and the law through it.

use super::seek::{Halt, Purpose, State, Tried, repeated};
use crate::curve::Series;
use stats::usl::{self, Fit, Measured, Unfit};

/// What one number of connections did.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Connections of all workers.
    pub connections: f64,
    /// Answers as expected per second of each run that can be trusted and had some.
    pub answers_per_s: Vec<f64>,
    /// The generator was the limit of a run.
    pub spoiled: bool,
}

/// How throughput scales.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    /// By number of connections, ascending.
    pub points: Vec<Point>,
    /// The law, or why there is none.
    pub fit: Result<Fit, Unfit>,
}

impl Scaling {
    /// Numbers of connections without a run that can be trusted: the generator was the limit.
    pub fn limited(&self) -> impl Iterator<Item = f64> + '_ {
        self.silent().filter(|point| point.spoiled).map(|point| point.connections)
    }

    /// Those at which nothing was answered as expected.
    pub fn unanswered(&self) -> impl Iterator<Item = f64> + '_ {
        self.silent().filter(|point| !point.spoiled).map(|point| point.connections)
    }

    fn silent(&self) -> impl Iterator<Item = &Point> {
        self.points.iter().filter(|point| point.answers_per_s.is_empty())
    }
}

/// Measures the steps of `series`, one round after the other, so that what changes with time is not taken
/// for what changes with connections.
///
/// # Errors
/// It was ended.
pub fn measured(
    series: &Series,
    repeats: u32,
    procs: u32,
    trial: &mut dyn FnMut(f64) -> Result<Tried, Halt>,
) -> Result<Scaling, Halt> {
    let mut loads: Vec<u32> = series.rates().map(|rate| rate.as_f64().round() as u32).collect();
    loads.dedup();
    let empty = |load: &u32| Point {
        connections: f64::from(*load) * f64::from(procs),
        answers_per_s: Vec::new(),
        spoiled: false,
    };
    let mut points: Vec<Point> = loads.iter().map(empty).collect();
    for _ in 0..repeats {
        for (load, point) in loads.iter().zip(&mut points) {
            let load = f64::from(*load);
            let tried = repeated(load, 0.0, Purpose::Scale, &mut |load, _, _| trial(load))?;
            match tried.state {
                State::Spoiled => point.spoiled = true,
                _ if tried.answers_per_s > 0.0 => point.answers_per_s.push(tried.answers_per_s),
                _ => {}
            }
        }
    }
    points.sort_by(|one, next| one.connections.total_cmp(&next.connections));
    let each = |point: &Point| {
        let n = point.connections;
        point.answers_per_s.iter().map(move |&x| Measured { n, x }).collect::<Vec<_>>()
    };
    let data: Vec<Measured> = points.iter().flat_map(each).collect();
    Ok(Scaling { fit: usl::fit(&data), points })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(load: f64, state: State, answers_per_s: f64) -> Tried {
        Tried {
            load,
            seconds: 1.0,
            purpose: Purpose::Scale,
            state,
            why: vec![],
            loss_ratio: 0.0,
            answers_per_s,
            latency_us: [None; 2],
            failed_share: Some(0.0),
            refused: false,
        }
    }

    #[test]
    fn rounds_are_fitted_and_what_the_generator_limits_is_left_out() {
        let series = Series { from: 1, to: 29, steps: 8 };
        let mut loads = Vec::new();
        let found = measured(&series, 2, 2, &mut |load| {
            loads.push(load);
            let n = load * 2.0;
            let x = 100.0 * n / (1.0 + 0.1 * (n - 1.0) + 0.002 * n * (n - 1.0));
            let state = if load == 29.0 { State::Spoiled } else { State::Good };
            Ok(tried(load, state, x * (1.0 + 0.001 * (loads.len() % 3) as f64)))
        });
        let found = found.unwrap();
        assert_eq!(loads[..7], [1.0, 5.0, 9.0, 13.0, 17.0, 21.0, 25.0]);
        assert_eq!(found.limited().collect::<Vec<_>>(), [58.0]);
        assert_eq!(found.unanswered().count(), 0);
        assert_eq!(found.points[1].connections, 10.0);
        assert_eq!(found.points[1].answers_per_s.len(), 2);
        let fit = found.fit.unwrap();
        assert!((fit.alpha.value / 0.1 - 1.0).abs() < 0.05, "{fit:?}");
        assert!(fit.peak().is_some());
    }
}
