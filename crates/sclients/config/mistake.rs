//! clap's errors in our own form: one line with value and remedy, and no usage block.

use super::error::ConfigError;
use super::quoted::quoted;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::error::Error;

/// The one line of `error`; help and version become [`ConfigError::Display`].
pub fn of_words(error: &clap::Error) -> ConfigError {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            ConfigError::Display(error.render().to_string())
        }
        ErrorKind::ValueValidation => ConfigError::Words(of_value(error)),
        ErrorKind::InvalidValue => ConfigError::Words(of_choice(error)),
        ErrorKind::UnknownArgument => ConfigError::Words(of_name(error)),
        _ => ConfigError::Words(format!("{}; try --help", first_paragraph(error))),
    }
}

/// The name nearest to the unknown one that `error` is about.
pub fn nearest(error: &clap::Error) -> Option<String> {
    context(error, ContextKind::SuggestedArg)
}

/// What a value's own parser said, after the name of the option.
fn of_value(error: &clap::Error) -> String {
    match error.source() {
        Some(source) => format!("{} {source}", option(error)),
        None => first_paragraph(error),
    }
}

fn of_choice(error: &clap::Error) -> String {
    let option = option(error);
    let value = context(error, ContextKind::InvalidValue).unwrap_or_default();
    let choices = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(choices)) => listed(choices),
        _ => String::new(),
    };
    match (value.is_empty(), choices.is_empty()) {
        (true, true) => format!("{option} has no value; give one or leave it out"),
        (true, false) => format!("{option} has no value; write {choices}"),
        _ => format!("{option} {} is not known; write {choices}", quoted(&value)),
    }
}

fn of_name(error: &clap::Error) -> String {
    let name = context(error, ContextKind::InvalidArg).unwrap_or_default();
    let similar =
        nearest(error).map(|name| format!("a similar one exists: '{name}'; ")).unwrap_or_default();
    format!("unexpected argument '{}'; {similar}try --help", quoted(&name).trim_matches('`'))
}

/// The option's name: `--procs` of `--procs <N>`, `TARGET` of `[TARGET]`.
fn option(error: &clap::Error) -> String {
    let argument = context(error, ContextKind::InvalidArg).unwrap_or_default();
    let name = argument.split([' ', '=']).next().unwrap_or_default();
    name.trim_matches(['[', ']', '<', '>', '.']).to_owned()
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    }
}

/// clap's own words up to the first empty line, on one line.
fn first_paragraph(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let lines = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
    let line = lines.collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}
/// `a`, `a or b`, `a, b or c`.
fn listed(choices: &[String]) -> String {
    match choices {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
