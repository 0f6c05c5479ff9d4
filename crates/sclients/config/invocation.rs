//! From words to what is to be done: the whole of this room in one function.

use super::cli::{Command, Options, RunOptions};
use super::error::ConfigError;
use super::file::{self, FileError};
use super::{Config, ServeConfig, check, mistake};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::Path;

use super::cli::ChildArguments;

/// The command that is not the default one and takes the options of a run.
const DOCTOR: &str = "doctor";

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Invocation {
    /// Run it.
    Run(Box<Config>),
    /// Say whether it would fit this host.
    Doctor(Box<Config>),
    /// Run the embedded target alone.
    Serve(Box<ServeConfig>),
    /// Be a child.
    Child(ChildArguments),
    /// Print the completion script for a shell.
    Completions(Shell),
    /// Print the man page.
    Man,
}

/// What `words` ask for, the first being the program's own name.
///
/// # Errors
/// [`ConfigError::Display`] where help or version was asked for; else the first mistake found.
pub fn invocation(words: impl IntoIterator<Item = OsString>) -> Result<Invocation, ConfigError> {
    let words: Vec<OsString> = words.into_iter().collect();
    let matches = matches(&words)?;
    let options = options(&matches)?;
    Ok(match options.command {
        None => Invocation::Run(configured(options.run, &words, &matches)?),
        Some(Command::Doctor(run)) => {
            let matches = matches.subcommand_matches(DOCTOR).unwrap_or(&matches);
            Invocation::Doctor(configured(*run, &words, matches)?)
        }
        Some(Command::Serve(serve)) => Invocation::Serve(Box::new(check::serve(*serve))),
        Some(Command::Child(arguments)) => Invocation::Child(arguments),
        Some(Command::Completions { shell }) => Invocation::Completions(shell),
        Some(Command::Man) => Invocation::Man,
    })
}

fn matches(words: &[OsString]) -> Result<ArgMatches, ConfigError> {
    Options::command().try_get_matches_from(words).map_err(|error| mistake::of_words(&error))
}

fn options(matches: &ArgMatches) -> Result<Options, ConfigError> {
    Options::from_arg_matches(matches).map_err(|error| mistake::of_words(&error))
}

/// The config of a run, its file read where one is named.
fn configured(
    run: RunOptions,
    words: &[OsString],
    matches: &ArgMatches,
) -> Result<Box<Config>, ConfigError> {
    let run = match run.config.clone() {
        Some(path) => with_file(&path, words, matches)?,
        None => run,
    };
    check::run(run).map(Box::new)
}

/// The options of `words` once more, with those of the file at `path` that `words` leave open.
fn with_file(
    path: &Path,
    words: &[OsString],
    matches: &ArgMatches,
) -> Result<RunOptions, ConfigError> {
    let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let from_file = file::words(path, &Options::command(), given)?;
    let is_doctor = words.get(1).is_some_and(|word| word == DOCTOR);
    let (before, after) = words.split_at(if is_doctor { 2 } else { 1 });
    let all = [before, &from_file, after].concat();
    // The user's own words were understood above, so a mistake is the file's.
    let blamed = |error: ConfigError| FileError::Words {
        path: path.display().to_string(),
        message: error.to_string(),
    };
    let options = self::matches(&all).and_then(|matches| options(&matches)).map_err(blamed)?;
    Ok(match options.command {
        Some(Command::Doctor(run)) => *run,
        _ => options.run,
    })
}
