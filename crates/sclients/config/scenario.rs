//! The options of a scenario, turned into the run that they ask for.

use super::cli::{Command, Options, RunOptions, ScenarioOptions};
use super::error::ConfigError;
use super::file;
use super::invocation::{Checked, matches, options};
use super::quoted::quoted;
use super::{Begins, Config, Load, Phase, Protocol, begins, check};
use crate::limits::{Limit, LimitError, Limits};
use crate::scenario::{
    Given, LimitTable, Mistake, PhaseTable, Placed, Played, Scenario, ScenarioError, read,
};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory};
use protocols::http1;
use std::ffi::OsString;
use std::path::Path;

/// The key that stands for TARGET.
const TARGET: &str = "target";
/// The option that repeats a run.
const SEED: &str = "seed";
/// What is said where sessions meet a load that has none.
const NOBODY_PLAYS: &str =
    "sessions work only with load closed or open; change load or leave them out";
/// What is said where phases meet a series of runs.
const NO_CURVE: &str = "phases cannot be used with curve; leave one of them out";
/// What every run has.
const FOUR: [&str; 4] = ["open", "warm-up", "measurement", "drain"];

/// Options of the run as a whole, which no phase has of its own.
const OF_RUN: [&str; 20] = [
    "target",
    "out",
    "hlog",
    "junit",
    "format",
    "progress",
    "color",
    "seed",
    "source",
    "resolve",
    "authorized",
    "authorization",
    "on-worker-death",
    "restart-limit",
    "allow-lost",
    "grace",
    "interval",
    "cpus",
    "limit",
    "watch-pid",
];

/// The run of the scenario in `file` that `words`, `sclients check FILE …`, would begin as a run.
///
/// # Errors
/// The first mistake in it, or what its options mean together.
pub fn checked(file: &Path, words: &[OsString]) -> Result<Checked, ConfigError> {
    let run = [&words[..1], &["run".into()], &words[2..]].concat();
    let scenario = read(file)?;
    let config = of_scenario(&scenario, &run)?;
    let seeded = scenario.options.iter().any(|option| option.key.it == SEED)
        || is_given(&matches(&run)?, SEED);
    Ok(Checked { config, seeded })
}

/// The sessions of the scenario in `file`; none where it has none.
///
/// # Errors
/// The first mistake in it.
pub fn sessions_of(file: &Path) -> Result<Option<Played>, ConfigError> {
    Ok(Played::of(&read(file)?)?)
}

/// The run of the scenario that `options` name; those that `words` give stand before its own.
///
/// # Errors
/// The first mistake in it, or what its options mean together.
pub fn of_run(options: ScenarioOptions, words: &[OsString]) -> Result<Config, ConfigError> {
    of_scenario(&read(&options.file)?, words)
}

fn of_scenario(scenario: &Scenario, words: &[OsString]) -> Result<Config, ConfigError> {
    if is_given(&matches(words)?, "config") {
        let message = "--config cannot be used with a scenario; write its keys above sessions and phases, or leave it out";
        return Err(ConfigError::Together {
            path: scenario.source.name.clone(),
            message: message.into(),
        });
    }
    let played = Played::of(scenario)?;
    let mut phases: Vec<Phase> = Vec::new();
    for index in begins::order(&scenario.phases).map_err(|mistake| shown(scenario, mistake))? {
        let table = &scenario.phases[index];
        let begins = begins::of(table, &phases);
        phases.push(phase(scenario, table, begins, played.as_ref(), words)?);
    }
    // What holds for all of them is in each.
    let mut all = part(scenario, scenario.phases.first(), &scenario.limits, words)?;
    if phases.is_empty() || phases.iter().any(|phase| phase.config.sessions.is_some()) {
        all.sessions = played;
    } else if played.is_some() {
        return Err(shown(scenario, scenario.sessions[0].name.mistake(NOBODY_PLAYS)));
    }
    if phases.is_empty() && all.sessions.is_some() {
        check_sessions(scenario, &all)?;
    }
    if let Some(idle) = played_by_none(scenario, &phases) {
        let why = "is played by no phase; name it in the sessions of one, or leave it out";
        return Err(shown(scenario, idle.mistake(format!("session {} {why}", quoted(&idle.it)))));
    }
    check_rows(scenario, &all, &phases)?;
    Ok(Config { phases, ..all })
}

/// The phase of `table`.
fn phase(
    scenario: &Scenario,
    table: &PhaseTable,
    begins: Begins,
    played: Option<&Played>,
    words: &[OsString],
) -> Result<Phase, ConfigError> {
    let of_run = |given: &&Given| {
        let key = given.key.it.as_str();
        OF_RUN.contains(&key) || key == "curve" || key.starts_with("target-")
    };
    if let Some(given) = table.options.iter().find(of_run) {
        let why = match given.key.it.as_str() {
            "limit" => "a phase has limits = [\"p99 < 5ms\"]; limit holds for the whole run".into(),
            key => format!("{key} holds for the whole run; write it above the phases"),
        };
        return Err(shown(scenario, given.key.mistake(why)));
    }
    if FOUR.contains(&table.name.it.as_str()) {
        let why = "is a part of every run; write another name";
        let why = format!("phase {} {why}", quoted(&table.name.it));
        return Err(shown(scenario, table.name.mistake(why)));
    }
    if let Some(curve) = scenario.options.iter().find(|given| given.key.it == "curve") {
        return Err(shown(scenario, curve.key.mistake(NO_CURVE)));
    }
    let mut config = part(scenario, Some(table), &table.limits, words)?;
    // Those that were typed are of the run as a whole.
    config.limits.retain(|limit| limit.place.is_some());
    if plays(&config.load) {
        let names: Vec<&str> = table.sessions.iter().map(|session| session.it.as_str()).collect();
        config.sessions = played.map(|played| played.clone().only(&names));
    } else if let Some(named) = table.sessions.first() {
        return Err(shown(scenario, named.mistake(NOBODY_PLAYS)));
    }
    if config.sessions.is_some() {
        check_sessions(scenario, &config)?;
    }
    if config.curve.is_some() {
        return Err(shown(scenario, table.name.mistake(NO_CURVE)));
    }
    Ok(Phase { name: table.name.it.clone(), begins, config })
}

/// A load without its sessions: the options of `phase` stand before the scenario's, and those that `words` give
/// before both; limits that they give come after those of the file. `words` are `sclients run FILE …`.
fn part(
    scenario: &Scenario,
    phase: Option<&PhaseTable>,
    limits: &[LimitTable],
    words: &[OsString],
) -> Result<Config, ConfigError> {
    let placed = placed(scenario, limits)?;
    let run = merged(scenario, phase, limits, words)?;
    let mut config = check::run(run).map_err(|error| blamed(scenario, phase, error))?;
    config.limits.splice(..placed.len(), placed);
    Ok(config)
}

/// The limits of these tables, each with its place.
fn placed(scenario: &Scenario, limits: &[LimitTable]) -> Result<Vec<Limit>, ConfigError> {
    let mut placed = Vec::new();
    for table in limits {
        let read: Result<Limits, LimitError> = table.word().parse();
        let Limits(read) =
            read.map_err(|why| shown(scenario, table.check.mistake(why.to_string())))?;
        let place = Box::new(scenario.source.show(table.check.mistake("")));
        placed.extend(read.into_iter().map(|limit| Limit { place: Some(place.clone()), ..limit }));
    }
    Ok(placed)
}

/// Whether a load of this model plays sessions, where there are some.
const fn plays(load: &Load) -> bool {
    matches!(load, Load::Closed | Load::Open { .. })
}

/// The first session that no phase plays, where there are phases.
fn played_by_none<'a>(scenario: &'a Scenario, phases: &[Phase]) -> Option<&'a Placed<String>> {
    let plays = |phase: &Phase, name: &str| {
        let played = phase.config.sessions.iter().flat_map(|played| &played.sessions);
        played.filter(|session| session.weight > 0).any(|session| session.name == name)
    };
    let mut names = scenario.sessions.iter().map(|session| &session.name);
    names.find(|name| !phases.is_empty() && !phases.iter().any(|phase| plays(phase, &name.it)))
}

/// Whether there are rows for the users of all loads together.
fn check_rows(scenario: &Scenario, all: &Config, phases: &[Phase]) -> Result<(), ConfigError> {
    let of_phases = phases.iter().map(|phase| &phase.config);
    let loads = of_phases.chain(phases.is_empty().then_some(all));
    let loads: Vec<_> = loads
        .filter_map(|load| Some((load.sessions.as_ref()?, load.procs, load.conns_max())))
        .collect();
    match all.sessions.as_ref().and_then(|played| played.too_few_rows(&loads)) {
        Some(mistake) => Err(shown(scenario, mistake)),
        None => Ok(()),
    }
}

/// All options together.
fn merged(
    scenario: &Scenario,
    phase: Option<&PhaseTable>,
    limits: &[LimitTable],
    words: &[OsString],
) -> Result<RunOptions, ConfigError> {
    let typed = matches(words)?;
    let given = |id: &str| is_given(&typed, id);
    let own = phase.map_or(&[][..], |phase| &phase.options);
    let inherited = scenario.options.iter();
    let inherited = inherited.filter(|given| own.iter().all(|own| own.key.it != given.key.it));
    let all: Vec<&Given> = inherited.chain(own).collect();
    let command = Options::command();
    let mut from_file = Vec::new();
    for option in all.iter().filter(|option| option.key.it != TARGET) {
        let (id, own) = file::of_key(&option.key.it, &option.value.it, &command)
            .map_err(|why| shown(scenario, place(option, &why).mistake(why)))?;
        if !given(&id) {
            from_file.extend(own.into_iter().map(OsString::from));
        }
    }
    let limits = limits.iter().map(|limit| format!("--limit={}", limit.word()));
    from_file.extend(limits.map(OsString::from));
    let (before, after) = words.split_at(2);
    let all_words = [before, &from_file, after].concat();
    let blame = |error: ConfigError| blamed(scenario, phase, error);
    let options = matches(&all_words).and_then(|matches| options(&matches)).map_err(blame)?;
    let Some(Command::Run(options)) = options.command else {
        unreachable!("the second word is a command");
    };
    let mut run = options.run;
    if let (None, Some(target)) = (&run.target, all.iter().rfind(|option| option.key.it == TARGET))
    {
        run.target = Some(target_of(scenario, target)?);
    }
    Ok(run)
}

/// Whether the option `id` of a command stands among the words.
fn is_given(typed: &ArgMatches, id: &str) -> bool {
    let (_, typed) = typed.subcommand().expect("the words have a command");
    typed.value_source(id) == Some(ValueSource::CommandLine)
}

fn target_of(scenario: &Scenario, option: &Given) -> Result<super::Target, ConfigError> {
    let text = option.value.it.as_str().ok_or_else(|| {
        shown(
            scenario,
            option.value.mistake("target is a text; write target = \"http://127.0.0.1/\""),
        )
    })?;
    super::target::parse(text)
        .map_err(|error| shown(scenario, option.value.mistake(format!("TARGET {error}"))))
}

/// Where `option` is wrong: a key that is none, or its value.
fn place(option: &Given, why: &str) -> Placed<()> {
    let of_key = why.contains("is not an option");
    Placed::new((), if of_key { option.key.span.clone() } else { option.value.span.clone() })
}

/// What is said of options that the scenario gives is shown there: at the one that is wrong, or at another that
/// it does not go with. What was typed is shown at the phase that it does not go with.
fn blamed(scenario: &Scenario, phase: Option<&PhaseTable>, error: ConfigError) -> ConfigError {
    let said = error.to_string();
    let own = phase.map_or(&[][..], |phase| &phase.options);
    let begins = |given: &&Given| mentions(&said, &given.key.it).next() == Some(0);
    let names = |given: &&Given| mentions(&said, &given.key.it).next().is_some();
    if let Some(given) = own.iter().rfind(begins) {
        return shown(scenario, given.value.mistake(said));
    }
    let message = match phase {
        Some(phase) => format!("phase {}: {said}", quoted(&phase.name.it)),
        None => said.clone(),
    };
    let all = || own.iter().rev().chain(&scenario.options);
    match (all().find(begins).or_else(|| all().find(names)), phase) {
        (Some(given), _) => shown(scenario, given.value.mistake(message)),
        (None, Some(phase)) => shown(scenario, phase.name.mistake(message)),
        (None, None) => ConfigError::Together { path: scenario.source.name.clone(), message },
    }
}

/// Where a message names the option of this key.
fn mentions(message: &str, key: &str) -> impl Iterator<Item = usize> {
    let name = format!("--{key}");
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
    let found = message.match_indices(&name).map(|(at, _)| at);
    found.filter(|at| ends(&message[at + name.len()..])).collect::<Vec<_>>().into_iter()
}

/// What a run of sessions cannot be.
fn check_sessions(scenario: &Scenario, config: &Config) -> Result<(), ConfigError> {
    let first = &scenario.sessions[0].name;
    let path = config.target.as_ref().map_or("/", |target| target.path.as_str());
    let said = [
        (!plays(&config.load), NOBODY_PLAYS),
        (
            path != "/",
            "sessions cannot be used with a path of the target, theirs begin with /; write that path in their steps and leave it out there",
        ),
        (
            config.protocol() == Protocol::Echo,
            "sessions work only with an http target; change it or leave them out",
        ),
        (
            config.finish_early,
            "sessions cannot be used with early-answer finish; leave one of them out",
        ),
        (!config.body.is_empty(), "sessions cannot be used with data; give their steps a body"),
        (
            config.method != "GET",
            "sessions cannot be used with request; write the method in their steps",
        ),
    ];
    if let Some((_, why)) = said.iter().find(|(wrong, _)| *wrong) {
        return Err(shown(scenario, first.mistake(*why)));
    }
    check_headers(scenario, config)
}

/// Whether the run's own headers can stand in requests of any length.
fn check_headers(scenario: &Scenario, config: &Config) -> Result<(), ConfigError> {
    let wrong = |(name, value): &(String, String)| {
        let length = name.eq_ignore_ascii_case("Content-Length");
        let error = http1::check_field(name, value).err().map(|error| error.to_string());
        error.or_else(|| {
            length.then(|| {
                "header `Content-Length` is counted from each step's body; leave it out".into()
            })
        })
    };
    match config.headers.iter().find_map(wrong) {
        Some(why) => Err(shown(scenario, scenario.sessions[0].name.mistake(why))),
        None => Ok(()),
    }
}

fn shown(scenario: &Scenario, mistake: Mistake) -> ConfigError {
    ScenarioError::shown(&scenario.source, mistake).into()
}
