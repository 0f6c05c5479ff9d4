//! `sclients capacity`: the highest load that a target bears within an objective, and how it scales.
//!
//! A search is many short runs. `seek` is its story: up to a load that fails, MLRsearch between, and a
//! longer run at what was found, with draws of its own; it knows no clock and no process. `trials` makes
//! the runs, judges each, and waits between them until the target is as fast as before. A trial that the
//! audit of its own run calls invalid is neither good nor bad: where repeats are no better the answer is
//! that the generator is the limit, never a capacity. `scaling` measures numbers of connections past
//! saturation and fits the Universal Scalability Law.
//!
//! Start at [`run`].

mod scaling;
mod seek;
mod share;
mod trials;

pub use scaling::{Point, Scaling};
pub use seek::{Answer, Bracket, Purpose, State, Tried};
pub use trials::Objective;

use crate::config::{Capacity, Over};
use crate::exit::ExitCode;
use crate::limits::LimitError;
use crate::plan::Plan;
use crate::supervisor::SupervisorError;
use dispatch::Signal;
use seek::{Halt, Seek};
use std::io;
use thiserror::Error;
use trials::Trials;

/// All that was found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Every trial, in order.
    pub tried: Vec<Tried>,
    /// What the search says; none without one, or where it was ended before.
    pub answer: Option<Answer>,
    /// How throughput scales; none where that was not asked, or it was ended before.
    pub scaling: Option<Scaling>,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// The signal that ended it.
    pub signal: Option<Signal>,
}

/// What is to be done: the plans are those of the highest loads that are known.
#[derive(Debug)]
pub struct Job<'a> {
    /// What was asked for.
    pub asked: &'a Capacity,
    /// A trial of the search, and its objective.
    pub search: Option<(Plan, Objective)>,
    /// A trial of the scaling.
    pub scale: Option<Plan>,
}

/// Why there is no search.
#[derive(Debug, Error)]
pub enum JobError {
    /// The objective means no figure.
    #[error("{0}")]
    Limit(#[from] LimitError),
    /// Its quantiles need more requests than the lowest load makes in the time for it.
    #[error(
        "needs {samples} requests in a trial, which take {seconds:.1} s at {load}/s; give --trial-sum {:.0}s, or begin --range at {:.0}",
        .seconds.ceil(),
        (.samples / .sum).ceil()
    )]
    Undecidable {
        /// So many.
        samples: f64,
        /// The lowest load.
        load: f64,
        /// How long they take.
        seconds: f64,
        /// The time for them.
        sum: f64,
    },
    /// Nor does the run that confirms.
    #[error(
        "needs {samples} requests in the run that confirms, which take {seconds:.1} s at {load}/s; give --confirm {:.0}s, or begin --range at {:.0}",
        .seconds.ceil(),
        (.samples / .longest).ceil()
    )]
    Unconfirmable {
        /// So many.
        samples: f64,
        /// The lowest load.
        load: f64,
        /// How long they take.
        seconds: f64,
        /// How long such a run is at most.
        longest: f64,
    },
}

impl<'a> Job<'a> {
    /// What `asked` means for runs that were planned so.
    ///
    /// # Errors
    /// The objective means no figure of such a run, or no trial can decide it in the time for it.
    pub fn new(
        asked: &'a Capacity,
        search: Option<Plan>,
        scale: Option<Plan>,
    ) -> Result<Self, JobError> {
        let search = match (&asked.search, search) {
            (Some(wanted), Some(plan)) => {
                let objective = Objective::new(&wanted.slo, &plan)?;
                let seek = Seek::of(wanted, asked.trial, &objective);
                seek.decidable()?;
                Some((plan, objective))
            }
            _ => None,
        };
        Ok(Self { asked, search, scale })
    }
}

/// Does `job`, and hands all findings so far to `kept` after each trial.
///
/// # Errors
/// A trial could not begin, or `kept` failed; what was found until then is in `findings`.
pub fn run(
    job: &Job<'_>,
    findings: &mut Findings,
    mut kept: impl FnMut(&Findings) -> io::Result<()>,
) -> Result<(), SupervisorError> {
    match conducted(job, findings, &mut kept) {
        Ok(()) => {}
        Err(Halt::Signal(signal)) => findings.signal = Some(signal),
        Err(Halt::Stopped(why)) => {
            findings.notes.push(why.clone());
            findings.answer.get_or_insert(Answer::Stopped { why });
        }
        // The target was there, and is not any more.
        Err(Halt::Supervisor(error))
            if error.exit_code() == ExitCode::NotAsExpected && !findings.tried.is_empty() =>
        {
            let why = error.to_string();
            findings.answer.get_or_insert(Answer::Stopped { why });
        }
        Err(Halt::Supervisor(error)) => return Err(error),
    }
    kept(findings).map_err(|error| SupervisorError::System { what: "--out", error })
}

type Kept<'a> = &'a mut dyn FnMut(&Findings) -> io::Result<()>;

fn conducted(job: &Job<'_>, findings: &mut Findings, kept: Kept<'_>) -> Result<(), Halt> {
    if let (Some((plan, objective)), Some(search)) = (&job.search, &job.asked.search) {
        let times = (search.sum, job.asked.cooldown);
        let mut trials = Trials::new(plan, Some(objective), search.over, times)?;
        let seek = Seek::of(search, job.asked.trial, objective);
        let answer = seek.conduct(&mut |load, seconds, purpose| {
            let tried = trials.conduct(load, seconds, purpose)?;
            findings.tried.push(tried.clone());
            findings.notes.append(&mut trials.notes);
            kept(findings).map_err(Halt::kept)?;
            Ok(tried)
        })?;
        findings.answer = Some(answer);
    }
    if let (Some(plan), Some((series, _))) = (&job.scale, &job.asked.scale) {
        let times = (job.asked.trial, job.asked.cooldown);
        let mut trials = Trials::new(plan, None, Over::Conns, times)?;
        let trial = job.asked.trial.as_secs_f64();
        let scaling =
            scaling::measured(series, job.asked.repeats, plan.config.procs, &mut |load| {
                let tried = trials.conduct(load, trial, Purpose::Scale)?;
                findings.tried.push(tried.clone());
                findings.notes.append(&mut trials.notes);
                kept(findings).map_err(Halt::kept)?;
                Ok(tried)
            })?;
        findings.scaling = Some(scaling);
    }
    Ok(())
}

impl Findings {
    /// Between what the highest load lies that is borne, as far as trials have shown.
    pub fn bracket(&self) -> Bracket {
        seek::bracket(&self.tried)
    }

    /// 0 where there is an answer, 4 where the lowest load fails, 5 where nothing is sure; a signal's own.
    pub fn exit_code(&self) -> ExitCode {
        if let Some(signal) = self.signal {
            return ExitCode::ended_by(signal);
        }
        match (&self.answer, &self.scaling) {
            (Some(Answer::Fails { .. }), _) => ExitCode::NotAsExpected,
            (Some(Answer::Found { .. }), None) => ExitCode::Success,
            (Some(Answer::Found { .. }) | None, Some(scaling)) if scaling.fit.is_ok() => {
                ExitCode::Success
            }
            _ => ExitCode::Invalid,
        }
    }
}
