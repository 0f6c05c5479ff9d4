//! What a scenario would do, before it is done.

use crate::config::{Config, Load, Storm};
use crate::number::grouped;
use humantime::format_duration;
use std::fmt::Write as _;

/// Load, sessions and feeds, a line each.
pub fn outline(config: &Config) -> String {
    let mut text = String::new();
    let target = config.target.as_ref();
    let target = target
        .map_or_else(|| "an embedded target".into(), |t| format!("{}{}", t.authority, t.path));
    let _ = writeln!(text, "target    {target}");
    let _ = match config.phases.as_slice() {
        [] => writeln!(text, "load      {}\nlength    {}", load(config), length(config)),
        phases => phases.iter().try_for_each(|phase| {
            let begins = phase.begins.in_words(|before| &phases[before].name);
            let name = &phase.name;
            let (load, length) = (load(&phase.config), length(&phase.config));
            writeln!(text, "phase     {name}: {load}\n          {begins}, for {length}")
        }),
    };
    sessions(&mut text, config);
    text
}

fn length(config: &Config) -> String {
    let length = match (config.duration, config.requests) {
        (Some(duration), None) => format!("{}", format_duration(duration)),
        (Some(duration), Some(most)) => {
            format!("{} or {} requests", format_duration(duration), grouped(most))
        }
        (None, most) => format!("{} requests", grouped(most.unwrap_or_default())),
    };
    match config.warmup {
        warmup if warmup.is_zero() => length,
        warmup => format!("{length} after {} of warm-up", format_duration(warmup)),
    }
}

fn sessions(text: &mut String, config: &Config) {
    if let Some(played) = &config.sessions {
        let weights: u64 = played.sessions.iter().map(|session| u64::from(session.weight)).sum();
        for session in &played.sessions {
            let share = 100.0 * f64::from(session.weight) / weights as f64;
            let _ = writeln!(text, "session   {} ({share:.1} % of sessions)", session.name);
            for (number, step) in session.steps.iter().enumerate() {
                let _ = writeln!(
                    text,
                    "  {:>6}  {}{}",
                    number + 1,
                    step.name,
                    more(&step.checks, &step.extracts)
                );
            }
        }
        for (name, rows, columns) in played.feeds() {
            let _ = writeln!(
                text,
                "feed      {name}: {} rows of {}",
                grouped(rows as u64),
                columns.join(", ")
            );
        }
    }
}

fn load(config: &Config) -> String {
    let storms: Vec<String> = config.storms.iter().map(Storm::to_string).collect();
    let storms = match storms.as_slice() {
        [] => String::new(),
        storms => format!(", storms {}", storms.join(", ")),
    };
    let places = format!(
        "{} × {} connections{storms}",
        grouped(config.procs.into()),
        grouped(config.conns.into())
    );
    match config.load.schedule() {
        Some((rate, arrivals)) => {
            format!("{}, {rate} per second ({}), {places}", config.load.name(), arrivals.name())
        }
        None if matches!(config.load, Load::Closed) => format!("closed, {places}"),
        None => format!("{}, {places}", config.load.name()),
    }
}

fn more(checks: &[String], extracts: &[String]) -> String {
    let part = |what: &str, all: &[String]| match all {
        [] => String::new(),
        all => format!("; {what} {}", all.join(", ")),
    };
    format!("{}{}", part("expects", checks), part("extracts", extracts))
}
