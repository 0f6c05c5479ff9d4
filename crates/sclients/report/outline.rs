//! What a scenario would do, before it is done.

use super::script::{script, statuses};
use crate::config::{Checked, Config, Embedded, Load, OnBusy, Storm};
use crate::curve::Series;
use crate::number::{bytes, grouped};
use humantime::format_duration;
use std::fmt::Write as _;
use std::time::Duration;

/// Loads, limits, sessions and feeds, a line each.
pub fn outline(Checked { config, seeded }: &Checked) -> String {
    let mut text = String::new();
    let target = config.target.as_ref();
    let target =
        target.map_or_else(|| embedded(&config.embedded), |t| format!("{}{}", t.authority, t.path));
    let _ = writeln!(text, "target    {target}");
    if !config.headers.is_empty() {
        let names: Vec<&str> = config.headers.iter().map(|(name, _)| name.as_str()).collect();
        let _ = writeln!(text, "headers   {}", names.join(", "));
    }
    let _ = match config.phases.as_slice() {
        [] => writeln!(text, "load      {}\nlength    {}", load(config), length(config)),
        phases => phases.iter().try_for_each(|phase| {
            let begins = phase.begins.in_words(|before| &phases[before].name);
            let name = &phase.name;
            let (load, length) = (load(&phase.config), length(&phase.config));
            writeln!(text, "phase     {name}: {load}\n          {begins}, for {length}")?;
            of_phase(&phase.config, config)
                .iter()
                .try_for_each(|line| writeln!(text, "          {line}"))
        }),
    };
    let _ = writeln!(text, "timeouts  {}", timeouts(config));
    let _ = match seeded {
        true => writeln!(text, "seed      {}", config.seed),
        false => writeln!(text, "seed      another in each run"),
    };
    for limit in &config.limits {
        let _ = writeln!(text, "limit     {limit}");
    }
    sessions(&mut text, config);
    text
}

/// The target that is started, and what it does on purpose.
fn embedded(target: &Embedded) -> String {
    let procs = target.procs.map(|procs| format!("{} processes", grouped(procs.into())));
    let delay = Some(target.delay).filter(|delay| !delay.is_zero());
    let service = target.service.map(|service| {
        let law = if service.exponential { " on average" } else { "" };
        format!("each answer takes {}{law}", format_duration(service.mean))
    });
    let stalls = Some(target.stalls.len()).filter(|stalls| *stalls > 0);
    let deeds = [
        procs,
        delay.map(|delay| format!("answers {} later", format_duration(delay))),
        service,
        stalls.map(|stalls| format!("stalls {stalls} times")),
        target.leak_bytes_per_min.map(|leak| format!("leaks {} a minute", bytes(leak))),
        target.hostile.as_ref().map(|_| "breaks the protocol".into()),
    ];
    let deeds: String = deeds.into_iter().flatten().map(|deed| format!(", {deed}")).collect();
    format!("an embedded target{deeds}")
}

/// What a phase has of its own beside its load: what it plays, its limits, other timeouts than `all`.
fn of_phase(own: &Config, all: &Config) -> Vec<String> {
    let plays = own.sessions.as_ref().map(|played| {
        let sessions = played.sessions.iter().filter(|session| session.weight > 0);
        let names: Vec<&str> = sessions.map(|session| session.name.as_str()).collect();
        format!("plays {}", names.join(", "))
    });
    let plays = plays.or_else(|| all.sessions.as_ref().map(|_| "plays no session".into()));
    let timeouts = Some(timeouts(own)).filter(|own| *own != timeouts(all));
    let timeouts = timeouts.map(|own| format!("timeouts {own}"));
    let limits = own.limits.iter().map(|limit| format!("limit {limit}"));
    plays.into_iter().chain(timeouts).chain(limits).collect()
}

fn timeouts(config: &Config) -> String {
    let mut all = format!(
        "{} to answer, {} to connect",
        format_duration(config.timeout),
        format_duration(config.connect_timeout)
    );
    let others = [(config.first_byte_timeout, "to the first byte"), (config.idle_timeout, "idle")];
    for (time, what) in others.into_iter().filter_map(|(time, what)| Some((time?, what))) {
        let _ = write!(all, ", {} {what}", format_duration(time));
    }
    all
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
            // A phase plays what it names.
            let share = match config.phases.as_slice() {
                [] => format!(" ({share:.1} % of sessions)"),
                _ => format!(" (weight {})", session.weight),
            };
            let _ = writeln!(text, "session   {}{share}", session.name);
            let steps = played.scripts().iter().find(|script| script.name.it == session.name);
            for line in steps.iter().flat_map(|steps| script(played, steps)) {
                let _ = writeln!(text, "{line}");
            }
        }
        let statuses = statuses(&config.expected_statuses);
        let _ = writeln!(text, "expected  status {statuses}, where a step names none");
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
    let name = config.load.name();
    let load = match (config.load.schedule(), &config.curve) {
        (Some((_, arrivals)), Some(Series { from, to, steps })) => {
            let (rates, arrivals) = (format!("{from}..{to} per second"), arrivals.name());
            format!("{name}, {rates} in {steps} steps, each a run ({arrivals}), {places}")
        }
        (Some((rate, arrivals)), None) => {
            format!("{name}, {rate} per second ({}), {places}", arrivals.name())
        }
        (None, _) => format!("{name}, {places}"),
    };
    let manners: String = manners(config).iter().map(|manner| format!(", {manner}")).collect();
    load + &manners
}

/// What else there is of a load, where it is not as it is by default.
fn manners(config: &Config) -> Vec<String> {
    let every = |what: &str, time: Duration| format!("{what} {}", format_duration(time));
    let on_busy = match &config.load {
        Load::Open { on_busy: OnBusy::Drop, .. } => Some("dropped where none is free".into()),
        Load::Open { on_busy: OnBusy::Grow(most), .. } => {
            Some(format!("up to {} where none is free", grouped((*most).into())))
        }
        _ => None,
    };
    let think = Some(config.think).filter(|think| !think.is_zero());
    let most = config.requests_per_connection.map(u64::from);
    let all = [
        on_busy,
        config.heartbeat.map(|every_so| every("a heartbeat every", every_so)),
        think.map(|think| every("think", think)),
        most.map(|most| format!("each closed after {} requests", grouped(most))),
        config.connect_rate.map(|rate| format!("{} opened per second", grouped(rate))),
    ];
    all.into_iter().flatten().collect()
}
