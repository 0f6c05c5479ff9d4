//! `--config FILE`: TOML whose keys are the long options, turned into the words that the command
//! line would have had. What the values mean is not decided here. Any TOML file is opened by [`table`].

use super::cli::Options;
use super::quoted::quoted;
use super::regular::{self, ReadError};
use super::{mistake, target};
use clap::{Arg, ArgAction, Command, CommandFactory};
use std::ffi::OsString;
use std::path::Path;
use thiserror::Error;
use toml::Value;

/// The largest file.
const BYTES_MAX: u64 = 1 << 20;
/// The key that stands for the TARGET argument.
const TARGET: &str = "target";

/// Why a file gives no options. Each message begins with the file's name.
#[derive(Debug, Error)]
pub enum FileError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is not text.
    #[error("{0}: not UTF-8; save it as UTF-8 text")]
    Encoding(String),
    /// It is not TOML; `message` has line and column.
    #[error("{path}: {message}; see toml.io for the syntax")]
    Syntax {
        /// The file.
        path: String,
        /// toml's own text, on one line.
        message: String,
    },
    /// A key that is no option of a run.
    #[error("{path}: key {} is not an option; {nearest}", quoted(.key))]
    Key {
        /// The file.
        path: String,
        /// The key.
        key: String,
        /// What to write instead.
        nearest: String,
    },
    /// A value of a kind that the option does not take.
    #[error("{path}: key {} cannot be {kind}; write {remedy}", quoted(.key))]
    Kind {
        /// The file.
        path: String,
        /// The key.
        key: String,
        /// What the value is.
        kind: &'static str,
        /// What it should be.
        remedy: String,
    },
    /// Words that the command line would have refused as well.
    #[error("{path}: {message}")]
    Words {
        /// The file.
        path: String,
        /// The refusal.
        message: String,
    },
}

/// The words of the file at `path` for `command`, but those of options (by id) that are `given` already.
///
/// # Errors
/// The file is not readable, not TOML, or has keys or kinds of values that `command` does not take.
pub fn words(
    path: &Path,
    command: &Command,
    given: impl Fn(&str) -> bool,
) -> Result<Vec<OsString>, FileError> {
    let name = path.display().to_string();
    let table = table(path, &name)?;
    let mut words = Vec::new();
    for (key, value) in &table {
        let key = Key { path: &name, key };
        let argument = key.argument(command)?;
        let own = key.words(argument, value)?;
        if !given(argument.get_id().as_str()) {
            words.extend(own.into_iter().map(OsString::from));
        }
    }
    Ok(words)
}

/// The argument's id and the words that `key` and `value` are for `command`.
///
/// # Errors
/// No such option, or it does not take such a value; one line without the file's name.
pub fn of_key(
    key: &str,
    value: &Value,
    command: &Command,
) -> Result<(String, Vec<String>), String> {
    let key = Key { path: "", key };
    let words = key.argument(command).and_then(|argument| {
        let words = key.words(argument, value)?;
        Ok((argument.get_id().as_str().to_owned(), words))
    });
    words.map_err(|error| error.to_string().trim_start_matches(": ").to_owned())
}

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// True or false.
    Flag,
    /// A text or a number.
    One,
    /// Several of them.
    Many,
}

/// Every key of a file with what it takes and what it is for, in the order of the help.
pub fn option_keys() -> Vec<(String, OptionKind, String)> {
    let command = Options::command();
    let key = |argument: &Arg| {
        let name = argument.get_long().unwrap_or(argument.get_id().as_str());
        let named = Key { path: "", key: name }.argument(&command).is_ok();
        let kind = match argument.get_action() {
            ArgAction::SetTrue => OptionKind::Flag,
            ArgAction::Append => OptionKind::Many,
            _ => OptionKind::One,
        };
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        named.then(|| (name.to_owned(), kind, help))
    };
    command.get_arguments().filter_map(key).collect()
}

/// The table in the file at `path`, which messages call `name`.
///
/// # Errors
/// The file is not readable, not UTF-8 or not TOML.
pub fn table(path: &Path, name: &str) -> Result<toml::Table, FileError> {
    let bytes = regular::read(path, BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|_| FileError::Encoding(name.into()))?;
    text.parse().map_err(|error: toml::de::Error| FileError::Syntax {
        path: name.into(),
        message: one_line(&error),
    })
}

/// `TOML parse error at line 1, column 5: message`, without the drawing of the place.
fn one_line(error: &toml::de::Error) -> String {
    let drawn = error.to_string();
    let place = drawn.lines().next().unwrap_or_default();
    let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
    format!("{place}: {message}")
}

/// A key, where it stands.
struct Key<'a> {
    path: &'a str,
    key: &'a str,
}

impl Key<'_> {
    /// The argument that the key names.
    fn argument<'c>(&self, command: &'c Command) -> Result<&'c Arg, FileError> {
        let is_named = |argument: &&Arg| match argument.get_long() {
            Some(long) => {
                long == self.key && !matches!(long, "config" | "resume" | "help" | "version")
            }
            None => argument.get_id() == TARGET && self.key == TARGET,
        };
        command.get_arguments().find(is_named).ok_or_else(|| FileError::Key {
            path: self.path.into(),
            key: self.key.into(),
            nearest: nearest(self.key, command),
        })
    }

    fn words(&self, argument: &Arg, value: &Value) -> Result<Vec<String>, FileError> {
        let flag = matches!(argument.get_action(), ArgAction::SetTrue);
        let repeatable = matches!(argument.get_action(), ArgAction::Append);
        match value {
            Value::Boolean(false) => Ok(vec![]),
            Value::Boolean(true) if flag => Ok(vec![format!("--{}", self.key)]),
            _ if flag => Err(self.kind(value, "true or false")),
            Value::Array(values) if repeatable => {
                values.iter().map(|value| self.word(argument, value)).collect()
            }
            Value::Array(_) => Err(self.kind(value, "one value")),
            value => Ok(vec![self.word(argument, value)?]),
        }
    }

    fn word(&self, argument: &Arg, value: &Value) -> Result<String, FileError> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            _ => return Err(self.kind(value, "a string or a number")),
        };
        if argument.get_long().is_some() {
            return Ok(format!("--{}={text}", self.key));
        }
        // Read here already: a bare word would be taken for a command.
        let message = |error: target::TargetError| format!("TARGET {error}");
        match target::parse(&text) {
            Ok(_) => Ok(text),
            Err(error) => Err(FileError::Words { path: self.path.into(), message: message(error) }),
        }
    }

    fn kind(&self, value: &Value, remedy: &str) -> FileError {
        let kind = match value {
            Value::Table(_) => "a table",
            Value::Array(_) => "an array",
            Value::Boolean(_) => "true",
            Value::Datetime(_) => "a date",
            _ => "a string or a number",
        };
        FileError::Kind {
            path: self.path.into(),
            key: self.key.into(),
            kind,
            remedy: remedy.into(),
        }
    }
}

/// What to write instead of `key`, by clap's own measure of likeness.
fn nearest(key: &str, command: &Command) -> String {
    let words = ["sclients".to_owned(), format!("--{key}=0")];
    let error = command.clone().try_get_matches_from(words).err();
    match error.as_ref().and_then(mistake::nearest) {
        Some(name) => format!("the nearest one is `{}`", name.trim_start_matches('-')),
        None => "write long options without their dashes, see --help".into(),
    }
}
