//! `sclients compare A… -- B…`: whether two groups of kept runs differ, and by how much.
//!
//! The unit is the run: each gives one value per figure, and groups of values are compared by ranks
//! ([`stats::compare`]). Every figure is one of the run's own report. What would compare unlike with unlike
//! is refused by [`admit`]; [`Contest::of`] does the comparison. A figure that is the same within the margin
//! takes part in no correction; the others share one chance in 20 of being falsely called worse, and one of
//! being falsely called better (Holm 1979), so that more figures do not mean more alarms.

mod admit;
mod figure;
mod remarks;

pub use admit::{CompareError, Run, admit};
pub use figure::Figure;

use crate::exit::ExitCode;
use stats::compare::{Comparison, Judged, LEVEL, compare, fewest_a_side};

/// How much of a difference is none, where that is not given: as a share.
pub const MARGIN: f64 = 0.05;

/// The same of the share that failed, whose differences are of shares: a tenth of a per cent of all.
pub const FAILED_MARGIN: f64 = 0.001;

/// Two groups of runs, compared.
#[derive(Clone, Debug)]
pub struct Contest {
    /// The runs of both groups.
    pub runs: [Vec<Run>; 2],
    /// By figure.
    pub rows: Vec<Row>,
    /// How much of a difference is none, as a share.
    pub margin: f64,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// One figure of both groups.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which.
    pub figure: Figure,
    /// The median of each group; none where a run has no value.
    pub medians: [Option<f64>; 2],
    /// How the groups compare; shifts are shares of the first group's, but of the share that failed they
    /// are differences. None where a run has no value.
    pub found: Option<Found>,
    /// What that says of the second group.
    pub judged: Judged,
    /// Why it cannot be told, and what would help.
    pub why: Option<String>,
}

/// A comparison in the figure's own terms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// The shift of the second group.
    pub shift: f64,
    /// Where the true one is in 95 % of such comparisons.
    pub interval: Option<(f64, f64)>,
    /// How often chance alone makes groups so different.
    pub p: f64,
    /// Whether that was counted.
    pub exact: bool,
    /// The chance that a run of the first group has the higher value.
    pub a12: f64,
    /// The smallest shift that such groups would show in four of five comparisons.
    pub visible: Option<f64>,
}

impl Contest {
    /// Compares `figures` of both groups.
    pub fn of(runs: [Vec<Run>; 2], figures: &[Figure], margin: f64) -> Self {
        let raw: Vec<(Figure, Option<Comparison>)> =
            figures.iter().map(|&figure| (figure, compared(&runs, figure))).collect();
        let levels = levels(&raw, margin);
        let rows = raw
            .iter()
            .zip(levels)
            .map(|((figure, found), level)| row(&runs, *figure, found.as_ref(), margin, level));
        let (rows, notes) = (rows.collect(), remarks::of(&runs, figures));
        Self { runs, rows, margin, notes }
    }

    /// The word of the whole: worse if one figure is; else what cannot be told goes before the rest.
    pub fn judged(&self) -> Judged {
        self.rows.iter().map(|row| row.judged).max().unwrap_or(Judged::CannotTell)
    }

    /// 4 if the second group is worse, 5 where that cannot be told.
    pub fn exit_code(&self) -> ExitCode {
        match self.judged() {
            Judged::Better | Judged::Same => ExitCode::Success,
            Judged::CannotTell => ExitCode::Invalid,
            Judged::Worse => ExitCode::NotAsExpected,
        }
    }
}

/// The word in reports; stable.
pub const fn word(judged: Judged) -> &'static str {
    match judged {
        Judged::Better => "better",
        Judged::Same => "no difference",
        Judged::CannotTell => "cannot tell",
        Judged::Worse => "worse",
    }
}

/// Compares what is lower where it is better; none where a run has no value.
fn compared(runs: &[Vec<Run>; 2], figure: Figure) -> Option<Comparison> {
    let values = |runs: &[Run]| -> Option<Vec<f64>> {
        runs.iter().map(|run| figure.scaled(run.value(figure)?)).collect()
    };
    compare(&values(&runs[0])?, &values(&runs[1])?)
}

/// By how much chance each may be ruled out: Holm's, over those that are not the same. An alarm is on one
/// side, which half of the chance is.
fn levels(raw: &[(Figure, Option<Comparison>)], margin: f64) -> Vec<f64> {
    let differs = |(figure, found): &(Figure, Option<Comparison>)| {
        let found = found.as_ref()?;
        let same = found.judge(figure.margin(margin), LEVEL) == Judged::Same;
        (!same).then_some(found.p)
    };
    let all: Vec<Option<f64>> = raw.iter().map(differs).collect();
    let mut sorted: Vec<f64> = all.iter().copied().flatten().collect();
    sorted.sort_by(f64::total_cmp);
    let level = |k: usize| (2.0 * LEVEL / (sorted.len() - k) as f64).min(LEVEL);
    let steps = sorted.iter().enumerate().map(|(k, p)| (*p, level(k)));
    // The first that does not pass holds back all that are less sure.
    let passed = steps.take_while(|(p, level)| p <= level).last().map_or(0.0, |(p, _)| p);
    all.iter().map(|p| if p.is_some_and(|p| p <= passed) { LEVEL } else { 0.0 }).collect()
}

fn row(
    runs: &[Vec<Run>; 2],
    figure: Figure,
    raw: Option<&Comparison>,
    margin: f64,
    level: f64,
) -> Row {
    let medians = [0, 1].map(|arm: usize| median(&runs[arm], figure));
    let Some(raw) = raw else {
        let name = figure.name();
        let why =
            format!("a run has no {name}: make runs that measure it, or leave it out of --figures");
        return Row { figure, medians, found: None, judged: Judged::CannotTell, why: Some(why) };
    };
    let judged = raw.judge(figure.margin(margin), level);
    let bounds = [0, 1].map(|arm: usize| runs[arm].iter().any(|run| run.is_lower_bound(figure)));
    // What is known from below only may be any amount higher.
    let open = match judged {
        Judged::Worse => bounds[0],
        Judged::Better => bounds[1],
        _ => bounds[0] || bounds[1],
    };
    let judged = if open { Judged::CannotTell } else { judged };
    let why = (judged == Judged::CannotTell).then(|| {
        if open {
            "values are lower bounds: let --timeout and --drain be longer".to_owned()
        } else {
            remedy(raw, figure.margin(margin), runs)
        }
    });
    Row { figure, medians, found: Some(figure.found(raw)), judged, why }
}

/// How many runs would show as little as the margin.
fn remedy(raw: &Comparison, margin: f64, runs: &[Vec<Run>; 2]) -> String {
    let now = runs[0].len().min(runs[1].len());
    // The smallest effect shrinks with the root of the runs.
    let more = raw.visible.map_or(now + 1, |visible| {
        (now as f64 * (visible / margin).powi(2)).ceil().min(1e6) as usize
    });
    let needed = more.max(fewest_a_side(LEVEL)).max(now + 1);
    format!("about {needed} runs a side would tell")
}

fn median(runs: &[Run], figure: Figure) -> Option<f64> {
    let values: Vec<f64> = runs.iter().map(|run| run.value(figure)).collect::<Option<_>>()?;
    (!values.is_empty()).then(|| stats::median(values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use admit::samples::run;
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::{Rng, SeedableRng};
    use serde_json::json;

    /// Runs of an open loop that had these p50s, and otherwise the same figures.
    fn arm(p50s: &[f64]) -> Vec<Run> {
        p50s.iter().map(|&p50| run(&figures(p50, 0.0))).collect()
    }

    fn figures(p50: f64, failed: f64) -> serde_json::Value {
        json!({
            "latency_us": { "from_due": { "p50": p50, "p99": 900.0, "lower_bound_from": null } },
            "throughput": { "requests_per_s": 1000.0 },
            "requests": { "failed_share": failed },
            "generator": { "cpu_us_per_request": 12.0 },
        })
    }

    const BASE: [f64; 6] = [100.0, 101.0, 99.0, 100.5, 99.5, 100.2];

    fn contest(a: Vec<Run>, b: Vec<Run>) -> Contest {
        Contest::of([a, b], &Figure::OF_TARGET, MARGIN)
    }

    #[test]
    fn the_worst_figure_is_the_word_of_the_whole() {
        for (times, judged, code) in [
            (1.0, Judged::Same, ExitCode::Success),
            (1.1, Judged::Worse, ExitCode::NotAsExpected),
            (0.9, Judged::Same, ExitCode::Success),
        ] {
            let b = BASE.map(|p50| p50 * times);
            let contest = contest(arm(&BASE), arm(&b));
            assert_eq!(contest.judged(), judged, "{times}");
            assert_eq!(contest.exit_code(), code);
            let row = &contest.rows[0];
            let found = row.found.unwrap();
            assert!((found.shift - (times - 1.0)).abs() < 0.02, "{found:?}");
            if times < 1.0 {
                assert_eq!(row.judged, Judged::Better);
            }
        }
    }

    #[test]
    fn what_is_wide_cannot_be_told_and_says_what_would() {
        let wide = [50.0, 150.0, 80.0, 120.0, 100.0, 200.0];
        let contest = contest(arm(&wide), arm(&wide.map(|p50| p50 * 1.05)));
        assert_eq!(contest.rows[0].judged, Judged::CannotTell);
        assert_eq!(contest.exit_code(), ExitCode::Invalid);
        let why = contest.rows[0].why.clone().unwrap();
        assert!(why.starts_with("about ") && why.ends_with(" runs a side would tell"), "{why}");
    }

    #[test]
    fn failures_are_compared_as_shares_of_all() {
        let arm = |failed: [f64; 4]| failed.iter().map(|&f| run(&figures(100.0, f))).collect();
        let none: Vec<Run> = arm([0.0; 4]);
        let failed = |b: [f64; 4]| {
            let contest = contest(none.clone(), arm(b));
            contest.rows.into_iter().find(|row| row.figure == Figure::Failed).unwrap()
        };
        assert_eq!(failed([0.0; 4]).judged, Judged::Same);
        assert_eq!(failed([0.000_1, 0.0, 0.000_2, 0.0]).judged, Judged::Same);
        let worse = failed([0.01, 0.02, 0.03, 0.015]);
        assert_eq!(worse.judged, Judged::Worse);
        assert!((worse.found.unwrap().shift - 0.0175).abs() < 1e-9);
    }

    #[test]
    fn lower_bounds_prove_what_is_worse_and_nothing_else() {
        let bound = |p50: f64| {
            let mut figures = figures(p50, 0.0);
            figures["latency_us"]["from_due"]["lower_bound_from"] = json!(0.4);
            run(&figures)
        };
        let bounds = |times: f64| BASE.iter().map(|p50| bound(p50 * times)).collect::<Vec<_>>();
        assert_eq!(contest(arm(&BASE), bounds(1.2)).rows[0].judged, Judged::Worse);
        assert_eq!(contest(arm(&BASE), bounds(0.8)).rows[0].judged, Judged::CannotTell);
        assert_eq!(contest(arm(&BASE), bounds(1.0)).rows[0].judged, Judged::CannotTell);
        assert_eq!(
            contest(bounds(1.0), arm(&BASE.map(|p| p * 1.2))).rows[0].judged,
            Judged::CannotTell
        );
    }

    #[test]
    fn a_figure_that_a_run_lacks_cannot_be_told() {
        let mut lacking = arm(&BASE);
        lacking[3] = run(&json!({}));
        let contest = contest(arm(&BASE), lacking);
        assert!(contest.rows.iter().all(|row| row.judged == Judged::CannotTell));
        assert!(contest.rows[0].why.as_deref().unwrap().starts_with("a run has no p50: "));
    }

    #[test]
    fn more_figures_are_no_more_alarms() {
        let comparison = |p: f64| {
            let found = Comparison {
                u: 0.0,
                p,
                exact: true,
                a12: 0.0,
                shift: 1.0,
                interval: Some((-1.0, 3.0)),
                visible: None,
            };
            (Figure::P50, Some(found))
        };
        let passed = |ps: &[f64]| {
            let raw: Vec<_> = ps.iter().map(|&p| comparison(p)).collect();
            levels(&raw, MARGIN).iter().filter(|level| **level > 0.0).count()
        };
        assert_eq!(passed(&[0.04]), 1);
        assert_eq!(passed(&[0.06]), 0);
        assert_eq!(passed(&[0.04, 0.9]), 1);
        assert_eq!(passed(&[0.04, 0.9, 0.8]), 0);
        assert_eq!(passed(&[0.03, 0.9, 0.8]), 1);
        assert_eq!(passed(&[0.02, 0.04]), 2);
        assert_eq!(passed(&[0.04, 0.9, 0.01, 0.8]), 1);
    }

    /// Six runs a side of which each figure but the share that failed varies: p50 and throughput by 2 %, p99
    /// by 5 %, the second group's p50 being so many times the first's.
    fn drawn(seed: u64, times: f64) -> Contest {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut normal = move || {
            let mut uniform = || (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
            (-2.0 * (1.0 - uniform()).ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos()
        };
        let mut of = |mean: f64, cv: f64| mean * (1.0 + cv * normal());
        let mut arm = |times: f64| -> Vec<Run> {
            let mut one = || {
                let mut figures = figures(of(100.0 * times, 0.02), 0.0);
                figures["latency_us"]["from_due"]["p99"] = of(900.0, 0.05).into();
                figures["throughput"]["requests_per_s"] = of(1_000.0, 0.02).into();
                run(&figures)
            };
            (0..6).map(|_| one()).collect()
        };
        let a = arm(1.0);
        contest(a, arm(times))
    }

    #[test]
    fn two_groups_of_one_build_are_seldom_called_worse() {
        let worse = (0..200).filter(|seed| drawn(*seed, 1.0).judged() == Judged::Worse).count();
        assert!(worse <= 10, "{worse} of 200");
    }

    #[test]
    fn a_shift_of_five_per_cent_is_found_among_all_figures() {
        let found = (0..200).filter(|seed| drawn(*seed, 1.05).judged() == Judged::Worse).count();
        assert!(found >= 180, "{found} of 200");
    }
}
