//! What the program does with its words: it joins the rooms, and turns each error into one line and
//! one exit code.

use crate::capacity::{self, Findings, Job};
use crate::child;
use crate::compare::{self, Contest};
use crate::config::{
    self, ChildArguments, ChildRole, Config, ConfigError, Format, Invocation, ServeConfig,
};
use crate::consent;
use crate::curve::{self, Series};
use crate::doctor;
use crate::exit::ExitCode;
use crate::journal::kept_run;
use crate::limits::of_run;
use crate::out::{RunFiles, Trio};
use crate::plan::{self, Finding, Level, Plan};
use crate::profile::Profile;
use crate::report;
use crate::scenario::{self, Played};
use crate::selftest;
use crate::supervisor::{self, Keep};
use crate::verdict::{self, Verdict};
use crate::{target, wall, worker};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::time::Duration;

/// Runs the program with these words, the first being its own name.
pub fn main(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    match config::invocation(words) {
        Ok(Invocation::Run(config)) => run(*config),
        Ok(Invocation::Check(checked)) => check(*checked),
        Ok(Invocation::Schema) => print(&scenario::schema()),
        Ok(Invocation::Doctor(config)) => examine(*config),
        Ok(Invocation::Resume(wanted)) => resume(wanted),
        Ok(Invocation::Report(wanted)) => report_kept(&wanted),
        Ok(Invocation::Compare(groups)) => compare(&groups),
        Ok(Invocation::Capacity(asked)) => capacity(&asked),
        Ok(Invocation::Serve(config)) => serve(*config),
        Ok(Invocation::Selftest { quick, format }) => examine_host(quick, format),
        Ok(Invocation::Child(arguments)) => be_child(&arguments),
        Ok(Invocation::Completions(shell)) => {
            print(&String::from_utf8_lossy(&config::completions(shell)))
        }
        Ok(Invocation::Cases) => print(&config::cases()),
        Ok(Invocation::Man) => print(&String::from_utf8_lossy(&config::man_page())),
        Err(ConfigError::Display(text)) => print(&text),
        Err(error) => complain(&error, ExitCode::Usage),
    }
}

/// One line on standard error.
fn complain(error: &dyn Display, code: ExitCode) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "sclients: {error}");
    code
}

/// Text on standard output.
fn print(text: &str) -> ExitCode {
    match supervisor::write_result(text) {
        Ok(()) => ExitCode::Success,
        Err(error) => complain(&format!("standard output: {error}"), ExitCode::Internal),
    }
}

/// The plan of `config`; or the exit code, after the line that says why there is none.
fn planned(config: Config) -> Result<Plan, ExitCode> {
    let addresses = match &config.target {
        None => Vec::new(),
        Some(target) => config::resolve(target, &config.resolve)
            .map_err(|error| complain(&error, ExitCode::Usage))?,
    };
    planned_for(config, &addresses)
}

/// The plan of `config`, whose target is at `addresses`.
fn planned_for(config: Config, addresses: &[SocketAddr]) -> Result<Plan, ExitCode> {
    let consent = consent::check(&config, addresses, wall::now())
        .map_err(|error| complain(&error, ExitCode::NotAuthorized))?;
    // One of those that were checked: what the plan names is never looked up again.
    let peer: Option<SocketAddr> = addresses.first().copied();
    let plan = plan::planned(consent.limit(config), peer, consent.authorization);
    match of_run::checks(&plan) {
        Ok(_) => Ok(plan),
        Err(misfit) => Err(complain(&misfit, ExitCode::Usage)),
    }
}

/// Says what a scenario would do, if its limits mean figures that it has.
fn check(checked: config::Checked) -> ExitCode {
    let outline = report::outline(&checked);
    let limits = plan::ProcessLimits::current();
    let plan =
        plan::plan(checked.config, None, None, &plan::Host::default(), &limits, &|_| Ok(()), 1);
    match of_run::checks(&plan) {
        Ok(_) => print(&outline),
        Err(misfit) => complain(&misfit, ExitCode::Usage),
    }
}

fn run(config: Config) -> ExitCode {
    let plan = match planned(config) {
        Ok(plan) => plan,
        Err(code) => return code,
    };
    if plan.refusals().next().is_some() {
        return refused(plan.refusals());
    }
    raise_file_limit();
    let http = plan.config.protocol() == config::Protocol::Http;
    if http && let Err(error) = worker::request(&crate::shares::of_worker(&plan, 0)) {
        return complain(&error, ExitCode::Usage);
    }
    if let Some(series) = plan.config.curve {
        return curve(series, &plan);
    }
    let files = match run_files(&plan.config) {
        Ok(files) => files,
        Err(code) => return code,
    };
    let out = plan.config.out.clone();
    ended(supervisor::run(plan, files, out.as_deref().map_or(Keep::Nowhere, Keep::In)))
}

/// Puts `sessions` into every load of `config`, of which only names were kept.
fn revive(config: &mut Config, sessions: Option<&Played>) -> Result<(), &'static str> {
    // A phase without sessions plays none.
    let phases = config.phases.iter_mut().map(|phase| &mut phase.config.sessions);
    let phases = phases.filter(|kept| kept.is_some());
    for kept in phases.chain([&mut config.sessions]) {
        *kept = match (&*kept, sessions) {
            (None, None) => None,
            (Some(_), None) => {
                return Err(
                    "--resume needs the scenario of this run, of whose sessions only names were kept; write sclients run FILE --resume DIR",
                );
            }
            (kept, Some(sessions)) => {
                let revived = kept.as_ref().and_then(|kept| kept.revived(sessions));
                Some(revived.ok_or("--resume needs the scenario of this run, whose sessions are not those of the file; give the one that it ran")?)
            }
        };
    }
    Ok(())
}

/// Goes on with a run whose supervisor died. Its target is where it was, and has to be allowed still.
fn resume(wanted: config::Resume) -> ExitCode {
    let interrupted = match kept_run::interrupted(&wanted.dir, &wanted.headers) {
        Ok(interrupted) => interrupted,
        Err(error) => return complain(&format!("--resume {error}"), ExitCode::Usage),
    };
    let mut config = interrupted.plan.asked();
    if let Err(why) = revive(&mut config, wanted.sessions.as_ref()) {
        return complain(&why, ExitCode::Usage);
    }
    for mended in &interrupted.mended {
        let _ = writeln!(std::io::stderr(), "sclients: {mended}");
    }
    let config::Resume { format, progress, color, hlog, junit, .. } = wanted;
    (config.format, config.progress, config.color) = (format, progress, color);
    (config.hlog, config.junit) = (hlog, junit);
    let addresses: Vec<SocketAddr> =
        interrupted.plan.peers[..usize::from(config.target.is_some())].to_vec();
    let plan = match planned_for(config, &addresses) {
        Ok(plan) => plan,
        Err(code) => return code,
    };
    if plan.refusals().next().is_some() {
        return refused(plan.refusals());
    }
    raise_file_limit();
    match run_files(&plan.config) {
        Ok(files) => ended(supervisor::run(plan, files, Keep::On(Box::new(interrupted)))),
        Err(code) => code,
    }
}

/// The files that a run is to leave behind; or the exit code, after the line that says why not.
fn run_files(config: &Config) -> Result<RunFiles, ExitCode> {
    let files = RunFiles::create(config.hlog.as_deref(), config.junit.as_deref());
    files.map_err(|error| complain(&error, ExitCode::Usage))
}

/// The report of a run that was kept, and its exit code.
fn report_kept(wanted: &config::Wanted) -> ExitCode {
    let mut summary = match kept_run::look(&wanted.dir, wanted.salvage) {
        Ok(summary) => summary,
        Err(error) => return complain(&error, ExitCode::Usage),
    };
    (summary.plan.config.format, summary.plan.config.color) = (wanted.format, wanted.color);
    let files = match RunFiles::create(wanted.hlog.as_deref(), wanted.junit.as_deref()) {
        Ok(files) => files,
        Err(error) => return complain(&error, ExitCode::Usage),
    };
    let written = files.write(|| report::hlog(&summary), || report::junit(&summary));
    if let Err((option, error)) = written {
        return complain(&format!("{option} {error}"), ExitCode::Usage);
    }
    match print(&report::summary(&summary)) {
        ExitCode::Success => verdict::exit_code(&summary, &Verdict::of(&summary)),
        code => code,
    }
}

/// Finds what a target bears. Each plan is that of the highest load that is known before; the longest
/// trial is what consent is asked for.
fn capacity(asked: &config::Capacity) -> ExitCode {
    let first = |config: Option<(Config, Duration)>| {
        let planned_first = |(config, longest): (Config, Duration)| {
            let short = config.duration;
            let mut plan = planned(config.lasting(longest))?;
            (plan.config.duration, plan.config.out) = (short, plan.config.out.take());
            if plan.refusals().next().is_some() {
                return Err(refused(plan.refusals()));
            }
            Ok(plan)
        };
        config.map(planned_first).transpose()
    };
    let search = asked.search.as_ref();
    let search = first(search.map(|s| (s.config.clone(), s.confirm.max(asked.trial))));
    let scale = first(asked.scale.as_ref().map(|(_, config)| (config.clone(), asked.trial)));
    let (search, scale) = match (search, scale) {
        (Ok(search), Ok(scale)) => (search, scale),
        (Err(code), _) | (_, Err(code)) => return code,
    };
    if let Some((why, code)) = beyond_consent(asked, &[&search, &scale]) {
        return complain(&why, code);
    }
    raise_file_limit();
    match Job::new(asked, search, scale) {
        Ok(job) => searched(&job),
        Err(error) => complain(&format!("--slo {error}"), ExitCode::Usage),
    }
}

/// Why a search goes beyond what allows it, where its target is not on this host: minutes of load need an
/// entry of the file, and loads that are not known before need a bound.
fn beyond_consent(
    asked: &config::Capacity,
    plans: &[&Option<Plan>],
) -> Option<(&'static str, ExitCode)> {
    let mut leaves = plans.iter().filter_map(|plan| plan.as_ref()?.authorization.as_ref());
    let leave = leaves.next()?;
    let open = asked.search.as_ref().is_some_and(|search| search.range.is_none());
    if leave.entry().is_none() {
        let why = "capacity loads its target for minutes, which --authorized does not allow; add an entry to an --authorization file";
        Some((why, ExitCode::NotAuthorized))
    } else if open {
        let why = "capacity of a target that is not on this host needs --range FROM..TO, which its entry has to cover";
        Some((why, ExitCode::Usage))
    } else {
        None
    }
}

/// Does `job` and tells what it found, as far as it came.
fn searched(job: &Job<'_>) -> ExitCode {
    let plan = job.search.as_ref().map(|(plan, _)| plan).or(job.scale.as_ref());
    let config = &plan.expect("there is a search or a scaling").config;
    let out =
        config.out.clone().unwrap_or_else(|| format!("sclients-capacity-{}", config.seed).into());
    let files = match Trio::create(&out, "capacity") {
        Ok(files) => files,
        Err(error) => return complain(&error, ExitCode::Usage),
    };
    let mut findings = Findings::default();
    let mut told = 0;
    let end = capacity::run(job, &mut findings, |findings| {
        if findings.tried.len() > told {
            told = findings.tried.len();
            supervisor::say_line(&report::capacity::line(job, findings));
        }
        let text = report::capacity::text(job, findings);
        let (json, picture) =
            (report::capacity::json(job, findings), report::capacity::picture(job, findings));
        files.replace([&text, &json, &picture])
    });
    if findings.tried.is_empty() {
        files.discard();
    }
    let told = match config.format {
        _ if findings.tried.is_empty() => ExitCode::Success,
        Format::Text => print(&report::capacity::text(job, &findings)),
        Format::Json => print(&report::capacity::json(job, &findings)),
    };
    match end {
        Ok(()) if told != ExitCode::Success => told,
        end => ended(end.map(|()| findings.exit_code())),
    }
}

/// Compares two groups of kept runs.
fn compare(groups: &config::Groups) -> ExitCode {
    let (runs, load) = match compare::admit(&groups.folders) {
        Ok(admitted) => admitted,
        Err(error) => return complain(&error, ExitCode::Usage),
    };
    let contest = Contest::of(runs, &groups.figures, groups.margin);
    let told = match groups.format {
        Format::Text => report::compare::text(&contest, &load),
        Format::Json => report::compare::json(&contest, &load),
    };
    match print(&told) {
        ExitCode::Success => contest.exit_code(),
        code => code,
    }
}

/// The steps of a series, planned before the first of them: `plan` is that of its highest rate.
fn curve(series: Series, plan: &Plan) -> ExitCode {
    let peer = plan.config.target.as_ref().map(|_| plan.peers[0]);
    let step = |(index, rate)| {
        let mut config = plan.config.clone();
        config
            .load
            .set_rate(Profile::constant(rate).expect("between two rates within their bounds"));
        // Addresses of its own, so that no step meets what the one before left in TIME_WAIT.
        config.seed = config.seed.wrapping_add(index as u64);
        (rate, plan::planned(config, peer, plan.authorization.clone()))
    };
    let steps = series.rates().enumerate().map(step).collect();
    let named = plan.config.out.clone();
    let out = named.unwrap_or_else(|| format!("sclients-curve-{}", plan.config.seed).into());
    let files = match Trio::create(&out, "curve") {
        Ok(files) => files,
        Err(error) => return complain(&error, ExitCode::Usage),
    };
    let mut points = Vec::new();
    let end = curve::run(steps, &mut points, |points| {
        let line = report::curve::line(series.steps, points);
        supervisor::say_line(&line);
        curve::save(&files, plan, points)
    });
    // What was measured is told, whatever ended the series.
    let told = match plan.config.format {
        _ if points.is_empty() && end.is_err() => ExitCode::Success,
        Format::Text => print(&report::curve::text(plan, &points)),
        Format::Json => print(&report::curve::json(plan, &points)),
    };
    if points.is_empty() {
        files.discard();
    }
    match end {
        Ok(_) if told != ExitCode::Success => told,
        end => ended(end.map(|signal| curve::exit_code(&points, signal))),
    }
}

/// Says what does not fit, a line each.
fn refused<'a>(findings: impl Iterator<Item = &'a Finding>) -> ExitCode {
    for finding in findings {
        complain(&finding.text, ExitCode::Refused);
    }
    ExitCode::Refused
}

fn serve(config: ServeConfig) -> ExitCode {
    raise_file_limit();
    let procs = config.embedded.procs.unwrap_or(1);
    let findings =
        plan::serve_findings(procs, config.conns.into(), &plan::ProcessLimits::current());
    let refusals: Vec<&Finding> = findings.iter().filter(|f| f.level == Level::Refuse).collect();
    if !refusals.is_empty() {
        return refused(refusals.into_iter());
    }
    ended(supervisor::serve(config))
}

/// The self-test, unless one of its runs does not fit.
fn examine_host(quick: bool, format: Format) -> ExitCode {
    raise_file_limit();
    let trials = selftest::trials(quick);
    for plan in trials.iter().map(selftest::Trial::plan) {
        if plan.refusals().next().is_some() {
            return refused(plan.refusals());
        }
    }
    let wakes = if quick { 500 } else { 1_000 };
    ended(selftest::run(wakes, &trials, format))
}

fn ended(result: Result<ExitCode, supervisor::SupervisorError>) -> ExitCode {
    result.unwrap_or_else(|error| {
        supervisor::say_line(&format!("sclients: {error}"));
        error.exit_code()
    })
}

fn examine(config: Config) -> ExitCode {
    let (format, color) = (config.format, std::io::stdout().is_terminal());
    let plan = match planned(config) {
        Ok(plan) => plan,
        Err(code) => return code,
    };
    let printed = match format {
        Format::Text => print(&doctor::text(&plan, color)),
        Format::Json => print(&format!("{:#}\n", doctor::json(&plan))),
    };
    if plan.refusals().next().is_some() { ExitCode::Refused } else { printed }
}

fn be_child(arguments: &ChildArguments) -> ExitCode {
    let adopted = child::adopt(arguments.supervisor, arguments.control, arguments.report);
    let mut adopted = match adopted {
        Ok(adopted) => Some(adopted),
        Err(error) => return complain(&error, ExitCode::Internal),
    };
    let result = match arguments.role {
        ChildRole::Worker => worker::run(&mut adopted).map_err(|error| error.to_string()),
        ChildRole::Target => target::run(&mut adopted).map_err(|error| error.to_string()),
    };
    let Err(why) = result else { return ExitCode::Success };
    match adopted {
        Some(pipes) => pipes.give_up(&why),
        None => return complain(&why, ExitCode::Internal),
    }
    ExitCode::Internal
}

/// Raises the soft limit on open files to the hard one; children inherit it. Once there is a plan, which
/// tells of it.
fn raise_file_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Where it is refused the plan finds the limit as it is.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
