//! Which runs may be compared: those that ended, can be trusted, and made the same load.

use super::Figure;
use crate::config::{Config, Load};
use crate::journal::{JournalError, kept_run};
use crate::number::duration;
use crate::report;
use crate::summary::Summary;
use crate::verdict::{State, Verdict};
use serde_json::{Map, Value};
use stats::compare::{LEVEL, fewest_a_side, lowest_p};
use stats::{Histogram, Latency};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// So many runs a side are read.
const RUNS_MAX: usize = 200;

/// What of a run's plan may differ: what it was told of, where its target was, and what was drawn.
const FREE: [&str; 20] = [
    "allow_lost",
    "authorization",
    "authorized",
    "color",
    "cpus",
    "embedded",
    "format",
    "grace",
    "hlog",
    "interval",
    "junit",
    "limits",
    "on_worker_death",
    "progress",
    "resolve",
    "restart_limit",
    "seed",
    "sources",
    "target",
    "watch_pids",
];

/// Why runs are not compared: one line with the remedy.
#[derive(Debug, Error)]
pub enum CompareError {
    /// A folder that holds no run, or a damaged one.
    #[error("{0}")]
    Journal(#[from] JournalError),
    /// A run that did not come to its own end.
    #[error("{0} is unfinished; compare runs that ended by themselves, or leave it out")]
    Unfinished(String),
    /// A run whose counts cannot be trusted.
    #[error("{0} is invalid: {1}; leave it out, or make it again")]
    Invalid(String, String),
    /// A run that is named twice.
    #[error("{0} is named twice; a run is one value")]
    Twice(String),
    /// A run that is there twice.
    #[error("{0} and {1} are one run: the seed and the start are the same; a run is one value")]
    Copied(String, String),
    /// Open against closed.
    #[error(
        "{one} is of load {of_one} and {other} of load {of_other}: their latencies mean different things; compare runs of one load model"
    )]
    Models {
        /// A folder.
        one: String,
        /// Its load model.
        of_one: &'static str,
        /// The other folder.
        other: String,
        /// Its load model.
        of_other: &'static str,
    },
    /// Loads that differ.
    #[error(
        "{one} and {other} made different loads: {what} is {of_one} and {of_other}; compare runs of one load"
    )]
    Loads {
        /// A folder.
        one: String,
        /// The other.
        other: String,
        /// What differs.
        what: String,
        /// Its value in the one.
        of_one: String,
        /// And in the other.
        of_other: String,
    },
    /// Too few to show anything.
    #[error(
        "{a} and {b} runs can never show a difference: chance alone makes them as different as can be in {} of all cases; give {} a side at least, 6 or more to see little",
        percent(*.p),
        fewest_a_side(LEVEL)
    )]
    TooFew {
        /// Of the first group.
        a: usize,
        /// Of the second.
        b: usize,
        /// The lowest p that they can have.
        p: f64,
    },
    /// More than are read.
    #[error("{0} runs are too many; give at most {RUNS_MAX} a side")]
    TooMany(usize),
}

fn percent(p: f64) -> String {
    format!("{:.0} %", p * 100.0)
}

/// A run that may be compared.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its folder.
    pub dir: String,
    /// When it started, from the Unix epoch.
    pub started: Duration,
    seed: u64,
    /// Its verdict and its first reason, where it is not valid.
    pub doubt: Option<String>,
    report: Value,
    /// Its latencies, from due.
    pub from_due: Histogram,
}

impl Run {
    /// One of its figures.
    pub fn value(&self, figure: Figure) -> Option<f64> {
        figure.of(&self.report)
    }

    /// Whether that stands for itself and all above.
    pub fn is_lower_bound(&self, figure: Figure) -> bool {
        figure.is_lower_bound(&self.report)
    }
}

/// Reads the runs in the folders of both groups, if they may be compared; and says what load they made.
///
/// # Errors
/// They may not.
pub fn admit(folders: &[Vec<PathBuf>; 2]) -> Result<([Vec<Run>; 2], String), CompareError> {
    let [a, b] = folders.each_ref().map(Vec::len);
    if let Some(many) = [a, b].into_iter().find(|runs| *runs > RUNS_MAX) {
        return Err(CompareError::TooMany(many));
    }
    let p = lowest_p(a, b);
    if p > LEVEL {
        return Err(CompareError::TooFew { a, b, p });
    }
    unlike(folders)?;
    let mut first: Option<(String, Config)> = None;
    let mut runs = [Vec::new(), Vec::new()];
    for (folders, runs) in folders.iter().zip(&mut runs) {
        for folder in folders {
            let summary = kept_run::look(folder, false)?;
            let (dir, config) = (folder.display().to_string(), &summary.plan.config);
            if unfinished(&summary) {
                return Err(CompareError::Unfinished(dir));
            }
            match &first {
                None => first = Some((dir, config.clone())),
                Some((one, of_one)) => same_load((one, of_one), (&dir, config))?,
            }
            runs.push(admitted(folder, &summary)?);
        }
    }
    unrepeated(&runs)?;
    let load = first.map(|(_, config)| told(&config)).unwrap_or_default();
    Ok((runs, load))
}

/// No folder is named twice, by whatever name.
fn unlike(folders: &[Vec<PathBuf>; 2]) -> Result<(), CompareError> {
    let all = folders.iter().flatten();
    let mut seen: Vec<PathBuf> = Vec::new();
    for folder in all {
        let path = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        if seen.contains(&path) {
            return Err(CompareError::Twice(folder.display().to_string()));
        }
        seen.push(path);
    }
    Ok(())
}

/// Nor is one a copy of another.
fn unrepeated(runs: &[Vec<Run>; 2]) -> Result<(), CompareError> {
    let mut seen: HashMap<(u64, Duration), &str> = HashMap::new();
    for run in runs.iter().flatten() {
        if let Some(other) = seen.insert((run.seed, run.started), &run.dir) {
            return Err(CompareError::Copied(other.to_owned(), run.dir.clone()));
        }
    }
    Ok(())
}

fn unfinished(summary: &Summary) -> bool {
    let course = &summary.course;
    course.cut.is_some() || course.signal.is_some() || course.stopped.is_some()
}

fn admitted(folder: &Path, summary: &Summary) -> Result<Run, CompareError> {
    let dir = folder.display().to_string();
    let verdict = Verdict::of(summary);
    let reason = verdict.reasons.first().cloned().unwrap_or_default();
    let doubt = match verdict.state {
        State::Invalid => return Err(CompareError::Invalid(dir, reason)),
        State::Suspect => Some(reason),
        State::Valid => None,
    };
    Ok(Run {
        dir,
        started: summary.course.started,
        seed: summary.plan.config.seed,
        doubt,
        report: report::figures(summary),
        from_due: summary.fold.histogram(Latency::FromDue).clone(),
    })
}

/// The two runs made the same load, whatever they made it against.
fn same_load(
    (one, of_one): (&str, &Config),
    (other, of_other): (&str, &Config),
) -> Result<(), CompareError> {
    let (one, other) = (one.to_owned(), other.to_owned());
    let (a, b) = (of_one.load.name(), of_other.load.name());
    if a != b {
        return Err(CompareError::Models { one, of_one: a, other, of_other: b });
    }
    let (a, b) = (shown(of_one), shown(of_other));
    let differs = a.iter().find(|(key, value)| b.get(key.as_str()) != Some(value));
    match differs {
        None => Ok(()),
        Some((what, value)) => Err(CompareError::Loads {
            one,
            other,
            what: what.clone(),
            of_one: in_words(value),
            of_other: b.get(what).map_or_else(String::new, in_words),
        }),
    }
}

/// A value of an option as a person writes it.
fn in_words(value: &Value) -> String {
    let part = |name| value.get(name).and_then(Value::as_u64);
    match (value, part("secs"), part("nanos")) {
        (_, Some(secs), Some(nanos)) => duration(secs as f64 * 1e9 + nanos as f64),
        (Value::String(text), ..) => text.clone(),
        (Value::Null, ..) => "nothing".to_owned(),
        _ => value.to_string(),
    }
}

/// What makes the load, by name.
fn shown(config: &Config) -> Map<String, Value> {
    let value = serde_json::to_value(config).unwrap_or_default();
    let Value::Object(mut keys) = value else { return Map::new() };
    keys.retain(|key, _| !FREE.contains(&key.as_str()));
    keys.remove("load");
    keys.insert("body".into(), format!("{:08x}", crc32fast::hash(&config.body)).into());
    if let Some(sessions) = &config.sessions {
        keys.insert("sessions".into(), format!("{:08x}", sessions.checksum).into());
    }
    if let Some((_, arrivals)) = config.load.schedule() {
        keys.insert("arrivals".into(), format!("{arrivals:?}").to_lowercase().into());
    }
    if let Load::Open { on_busy, .. } = &config.load {
        keys.insert("on_busy".into(), format!("{on_busy:?}").to_lowercase().into());
    }
    keys.insert(
        "path".into(),
        config.target.as_ref().map(|t| t.path.as_str()).unwrap_or("/").into(),
    );
    keys.insert("protocol".into(), format!("{:?}", config.protocol()).into());
    if let Load::Open { rate, .. } | Load::Overload { rate, .. } = &config.load {
        keys.insert("rate".into(), rate.to_string().into());
    }
    keys
}

/// The load in words.
fn told(config: &Config) -> String {
    let rate = config.load.schedule().map_or_else(String::new, |(rate, _)| format!(" at {rate}/s"));
    let (procs, conns) = (config.procs, config.conns);
    format!("{} load{rate}, {procs} x {conns} connections", config.load.name())
}

/// Runs for tests.
#[cfg(test)]
pub mod samples {
    use super::*;

    /// A run with this report.
    pub fn run(report: &Value) -> Run {
        let started = Duration::from_secs(1);
        let from_due = Histogram::default();
        Run { dir: "run".into(), started, seed: 1, doubt: None, report: report.clone(), from_due }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::samples::config;
    use crate::profile::{Arrivals, Profile, Rate};

    fn open(per_s: u64) -> Config {
        let rate = Profile::constant(Rate::new(per_s, 1).unwrap()).unwrap();
        let load = Load::Open {
            rate,
            arrivals: Arrivals::Constant,
            on_busy: crate::config::OnBusy::Queue,
        };
        Config { load, ..config(1, 2) }
    }

    fn compared(one: &Config, other: &Config) -> Result<(), String> {
        same_load(("a", one), ("b", other)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_drawn_or_tells_may_differ_and_the_load_may_not() {
        assert_eq!(compared(&config(1, 2), &config(1, 2)), Ok(()));
        assert_eq!(compared(&config(1, 2), &Config { seed: 99, ..config(1, 2) }), Ok(()));
        let error = compared(&config(1, 2), &config(1, 3)).unwrap_err();
        assert_eq!(
            error,
            "a and b made different loads: conns is 2 and 3; compare runs of one load"
        );
        let error = compared(&open(1_000), &open(2_000)).unwrap_err();
        assert!(error.contains("different loads: rate is 1k and 2k"), "{error}");
        let body = Config { body: b"x".to_vec(), ..config(1, 2) };
        let error = compared(&config(1, 2), &body).unwrap_err();
        assert!(error.contains("different loads: body is 00000000 and "), "{error}");
        let longer = Config { think: Duration::from_millis(250), ..config(1, 2) };
        let error = compared(&config(1, 2), &longer).unwrap_err();
        assert!(error.contains("think is 0.00 ns and 250 ms"), "{error}");
        let watching = Config { watch_pids: vec![7], ..config(1, 2) };
        assert_eq!(compared(&config(1, 2), &watching), Ok(()));
        let error = compared(&open(1_000), &config(1, 2)).unwrap_err();
        assert!(error.starts_with("a is of load open and b of load closed"), "{error}");
    }

    #[test]
    fn too_few_are_told_how_many_it_takes() {
        let folders = |n: usize| (0..n).map(|i| PathBuf::from(format!("none{i}"))).collect();
        let error = admit(&[folders(3), folders(3)]).unwrap_err().to_string();
        assert!(error.starts_with("3 and 3 runs can never show a difference"), "{error}");
        assert!(error.contains("in 10 % of all cases; give 4 a side at least"), "{error}");
        let error = admit(&[folders(201), folders(3)]).unwrap_err().to_string();
        assert_eq!(error, "201 runs are too many; give at most 200 a side");
    }

    #[test]
    fn a_folder_named_twice_is_one_run() {
        let of = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        let error = admit(&[of(&["/a", "/b", "/c", "/d"]), of(&["/e", "/f", "/g", "/b"])]);
        assert_eq!(error.unwrap_err().to_string(), "/b is named twice; a run is one value");
    }
}
