//! What a target bears: as text, as JSON, as a picture, as a line per trial.

use super::svg::{self, Chart, Line, Panel};
use crate::capacity::{
    Answer, Bracket, Findings, Job, Objective, Point, Purpose, Scaling, State, Tried,
};
use crate::config::Over;
use crate::number::{duration, grouped};
use crate::plan::Plan;
use serde_json::{Value, json};
use stats::usl::{Estimated, Fit, Unfit};
use std::fmt::Write;

/// Version of the object's shape; it changes when a key changes its meaning.
const SCHEMA: u32 = 1;

/// A run that confirms for fewer seconds says little of what lasts.
const LASTING: f64 = 60.0;

/// So many runs of a step show how much they differ.
const REPEATS: usize = 3;

/// Points of a fitted line.
const FITTED: usize = 60;

/// The heads of the table, and how wide each column is.
const COLUMNS: [(&str, usize); 8] = [
    ("load", 12),
    ("seconds", 9),
    ("for", 9),
    ("answers/s", 12),
    ("p50", 11),
    ("p99", 11),
    ("failed", 10),
    ("is", 9),
];

/// The trials, and what they say.
pub fn text(job: &Job<'_>, findings: &Findings) -> String {
    let mut text = format!("sclients {}: capacity of {}\n", env!("CARGO_PKG_VERSION"), target(job));
    if let Some((_, objective)) = &job.search {
        let _ = writeln!(text, "objective: {}, over {}", objective.text, over(job).name());
    }
    text.push('\n');
    for (head, width) in COLUMNS {
        let _ = write!(text, "{head:>width$}");
    }
    text.push('\n');
    for tried in &findings.tried {
        for (cell, (_, width)) in cells(tried).iter().zip(COLUMNS) {
            let _ = write!(text, "{cell:>width$}");
        }
        text.push('\n');
    }
    text.push('\n');
    if let Some(answer) = &findings.answer {
        text.push_str(&answered(job, answer));
    }
    if !matches!(findings.answer, Some(Answer::Found { .. })) {
        text.push_str(&shown(job, findings.bracket()));
    }
    if let Some(signal) = findings.signal {
        let _ = writeln!(text, "ended by {signal} before there was an answer");
    }
    if let Some(scaling) = &findings.scaling {
        text.push_str(&scaled(job, scaling));
    }
    for note in &findings.notes {
        let _ = writeln!(text, "{note}");
    }
    text
}

/// What the last trial showed, in one line.
pub fn line(job: &Job<'_>, findings: &Findings) -> String {
    let Some(tried) = findings.tried.last() else { return "no trial yet".to_owned() };
    let (number, load) =
        (findings.tried.len(), with_unit(of_purpose(job, tried.purpose), tried.load));
    let mut line =
        format!("trial {number}, {} at {load}: {}", tried.purpose.name(), tried.state.name());
    if let Some(why) = tried.why.first() {
        let _ = write!(line, ": {why}");
    }
    line
}

/// The answer of the search, in words.
fn answered(job: &Job<'_>, answer: &Answer) -> String {
    let load = |load: f64| with_unit(over(job), load);
    let because = |why: &[String]| why.first().map_or_else(String::new, |why| format!(": {why}"));
    match answer {
        Answer::Found { load: found, seconds, upper, .. } => {
            let mut text = format!("capacity: {}, confirmed for {seconds:.0} s", load(*found));
            let _ = match upper {
                Some(upper) => writeln!(text, "; {} is too much", load(*upper)),
                None => writeln!(text, "; nothing higher was in the range: --range goes further"),
            };
            if *seconds < LASTING {
                text.push_str("what lasts shows in a minute or more: --confirm 60s\n");
            }
            let _ = writeln!(
                text,
                "safe: {}, {:.0} % of it",
                load(safe(job, *found)),
                share(job) * 100.0
            );
            if let Some((best, fewest, most)) = targets(job, answer) {
                let _ = writeln!(
                    text,
                    "for {}/s: {best} such targets by what was confirmed ({fewest} by the bound above), {most} with headroom",
                    grouped(job.asked.for_load.unwrap_or(0)),
                );
            }
            text
        }
        Answer::Fails { load: lowest, why } => format!(
            "the lowest load, {}, is not borne{}; let --range begin lower, or the objective be wider\n",
            load(*lowest),
            because(why)
        ),
        Answer::GeneratorLimited { load: at, why } => format!(
            "generator-limited at {}{}; use more --procs, or another host\n",
            load(*at),
            because(why)
        ),
        Answer::Undecided { load: at, why } => format!(
            "cannot tell at {}{}; give --trial-sum or --confirm longer, or begin --range higher\n",
            load(*at),
            because(why)
        ),
        Answer::Unconfirmed { load: at, why } => format!(
            "cannot tell: what short trials bore, down to {}, was not borne for long{}; use a longer --trial\n",
            load(*at),
            because(why)
        ),
        Answer::Stopped { why } => format!("cannot tell: {why}\n"),
    }
}

/// What trials showed, where no capacity was confirmed.
fn shown(job: &Job<'_>, bracket: Bracket) -> String {
    let load = |load: f64| with_unit(over(job), load);
    let borne = bracket.lower.map(|lower| format!("{} was borne", load(lower)));
    let not = bracket.upper.map(|upper| format!("{} was not", load(upper)));
    let parts: Vec<String> = borne.into_iter().chain(not).collect();
    if parts.is_empty() { String::new() } else { format!("in trials {}\n", parts.join(", ")) }
}

/// How many targets for the load that was asked for: by the capacity, by the upper bound, with headroom.
fn targets(job: &Job<'_>, answer: &Answer) -> Option<(u64, u64, u64)> {
    let Answer::Found { load, upper, .. } = answer else { return None };
    let wanted = job.asked.for_load.filter(|_| over(job) == Over::Rate)? as f64;
    let many = |each: f64| (wanted / each).ceil() as u64;
    Some((many(*load), many(upper.unwrap_or(*load)), many(safe(job, *load))))
}

/// The law, in words.
fn scaled(job: &Job<'_>, scaling: &Scaling) -> String {
    let mut text = String::new();
    for n in scaling.limited() {
        let _ = writeln!(text, "generator-limited at {n:.0} connections: left out of the fit");
    }
    for n in scaling.unanswered() {
        let _ = writeln!(
            text,
            "nothing was answered as expected at {n:.0} connections: left out of the fit"
        );
    }
    if scaling.points.iter().any(|point| (1..REPEATS).contains(&point.answers_per_s.len())) {
        text.push_str("some steps have fewer runs than show how much they differ: --repeats 3\n");
    }
    match &scaling.fit {
        Err(why) => {
            let _ = writeln!(text, "no law: {}", unfit(*why));
        }
        Ok(fit) => text.push_str(&law(fit)),
    }
    if let (Ok(fit), Some(load)) = (&scaling.fit, job.asked.for_load) {
        let (best, fewest, most) = fit.systems_for(load as f64);
        let most = most.map_or_else(|| "any number".to_owned(), |most| most.to_string());
        let load = grouped(load);
        let _ = writeln!(
            text,
            "for {load}/s: {best} such targets at their best load ({fewest} to {most})"
        );
    }
    text
}

fn law(fit: &Fit) -> String {
    let told = |of: &Estimated| {
        format!("{:.4e} ({:.4e} to {:.4e})", of.value, of.interval.0, of.interval.1)
    };
    let mut text = format!(
        "law: X(N) = γN / (1 + α(N-1) + βN(N-1))\n  α {}\n  β {}\n  γ {}\n",
        told(&fit.alpha),
        told(&fit.beta),
        told(&fit.gamma)
    );
    let range =
        |of: &Estimated| format!("{:.1} ({:.1} to {:.1})", of.value, of.interval.0, of.interval.1);
    match fit.peak() {
        Some(peak) => {
            let mark = if peak.extrapolated { ", beyond what was measured" } else { "" };
            let _ = writeln!(
                text,
                "peak: {}/s at {} connections{mark}",
                range(&peak.x),
                range(&peak.n)
            );
        }
        None => {
            let end = fit.asymptote().map_or_else(
                || "throughput grows with N".to_owned(),
                |most| format!("asymptote {most:.1}/s"),
            );
            let _ = writeln!(text, "no peak supported by the data; {end}");
        }
    }
    if fit.lack.is_some_and(|lack| lack > stats::usl::LACK) {
        text.push_str("the data follow another law: what this one leaves over is more than the scatter of repeats\n");
    }
    text
}

fn unfit(why: Unfit) -> String {
    let least = stats::usl::LOADS_MIN;
    match why {
        Unfit::TooFew(found) => format!(
            "{found} numbers of connections had answers in runs that can be trusted, and it takes {least}; use more steps, or a target that answers"
        ),
        Unfit::NoThroughput => "a run had no throughput".to_owned(),
        Unfit::Singular => {
            "the data do not tell its parameters apart; let --scale go further".to_owned()
        }
    }
}

/// One object.
pub fn json(job: &Job<'_>, findings: &Findings) -> String {
    let (plan, search, bracket) = (plan(job), job.asked.search.as_ref(), findings.bracket());
    let object = json!({
        "schema": SCHEMA,
        "kind": "capacity",
        "plan": {
            "target": target(job),
            "procs": plan.map(|plan| plan.config.procs),
            "seed": plan.map(|plan| plan.config.seed),
            "over": job.search.as_ref().map(|_| over(job).name()),
            "slo": job.search.as_ref().map(|(_, objective)| &objective.text),
            "trial_seconds": job.asked.trial.as_secs_f64(),
            "range": search.and_then(|search| search.range),
            "width": search.map(|search| search.width),
            "sum_seconds": search.map(|search| search.sum.as_secs_f64()),
            "confirm_seconds": search.map(|search| search.confirm.as_secs_f64()),
        },
        "answer": findings.answer.as_ref().map(|answer| self::answer(job, answer)),
        "bracket": { "lower_bound": bracket.lower, "upper_bound": bracket.upper },
        "scaling": findings.scaling.as_ref().map(|scaling| self::scaling(job, scaling)),
        "trials": findings.tried.iter().map(trial).collect::<Vec<_>>(),
        "notes": findings.notes,
        "interrupted": findings.signal.map(|signal| signal.to_string()),
    });
    format!("{object:#}\n")
}

fn answer(job: &Job<'_>, answer: &Answer) -> Value {
    match answer {
        Answer::Found { load, seconds, upper, bounds } => json!({
            "state": "found",
            "capacity": load,
            "confirmed_seconds": seconds,
            "upper_bound": upper,
            "search": { "lower_bound": bounds.lower, "upper_bound": bounds.upper },
            "safe": safe(job, *load),
            "safe_share": share(job),
            "targets_for_load": targets(job, answer).map(|(best, fewest, headroom)| json!({
                "load_per_s": job.asked.for_load,
                "targets": best,
                "by_upper_bound": fewest,
                "with_headroom": headroom,
            })),
        }),
        Answer::Fails { load, why } => json!({ "state": "fails", "load": load, "why": why }),
        Answer::GeneratorLimited { load, why } => {
            json!({ "state": "generator-limited", "load": load, "why": why })
        }
        Answer::Undecided { load, why } | Answer::Unconfirmed { load, why } => {
            json!({ "state": "cannot tell", "load": load, "why": why })
        }
        Answer::Stopped { why } => json!({ "state": "cannot tell", "why": [why] }),
    }
}

fn scaling(job: &Job<'_>, scaling: &Scaling) -> Value {
    let estimated =
        |of: &Estimated| json!({ "value": of.value, "ci95": [of.interval.0, of.interval.1] });
    let fit = scaling.fit.as_ref().ok();
    json!({
        "points": scaling.points.iter().map(|point| json!({
            "connections": point.connections,
            "answers_per_s": point.answers_per_s,
        })).collect::<Vec<_>>(),
        "generator_limited": scaling.limited().collect::<Vec<_>>(),
        "unanswered": scaling.unanswered().collect::<Vec<_>>(),
        "fit": fit.map(|fit| json!({
            "alpha": estimated(&fit.alpha),
            "beta": estimated(&fit.beta),
            "gamma": estimated(&fit.gamma),
            "residual": fit.residual,
            "lack_of_fit": fit.lack,
            "degrees": fit.degrees,
            "asymptote_per_s": fit.asymptote(),
            "peak": fit.peak().map(|peak| json!({
                "connections": estimated(&peak.n),
                "answers_per_s": estimated(&peak.x),
                "extrapolated": peak.extrapolated,
            })),
        })),
        "why": scaling.fit.as_ref().err().map(|why| unfit(*why)),
        "targets_for_load": fit.zip(job.asked.for_load).map(|(fit, load)| {
            let (best, fewest, most) = fit.systems_for(load as f64);
            json!({ "load_per_s": load, "targets": best, "ci95": [Some(fewest), most] })
        }),
    })
}

fn trial(tried: &Tried) -> Value {
    json!({
        "load": tried.load,
        "seconds": tried.seconds,
        "purpose": tried.purpose.name(),
        "state": tried.state.name(),
        "why": tried.why,
        "answers_per_s": tried.answers_per_s,
        "p50_us": tried.latency_us[0],
        "p99_us": tried.latency_us[1],
        "failed_share": tried.failed_share,
        "loss_ratio": tried.loss_ratio,
    })
}

/// Throughput and latency against the load, with the objective and the bracket; below it the law.
pub fn picture(job: &Job<'_>, findings: &Findings) -> String {
    let mut charts = Vec::new();
    if let Some((_, objective)) = &job.search {
        let x_title = match over(job) {
            Over::Rate => "requests per second",
            Over::Conns => "connections per worker",
        };
        charts.push(Chart { x_title, panels: searched(objective, findings).into() });
    }
    if job.scale.is_some() {
        let panels = vec![law_panel(findings.scaling.as_ref())];
        charts.push(Chart { x_title: "connections", panels });
    }
    svg::picture(&charts)
}

fn searched(objective: &Objective, findings: &Findings) -> [Panel; 2] {
    let mut tried: Vec<&Tried> = findings
        .tried
        .iter()
        .filter(|tried| tried.purpose != Purpose::Scale && tried.state != State::Spoiled)
        .collect();
    tried.sort_by(|one, next| one.load.total_cmp(&next.load));
    let line = |name, value: &dyn Fn(&Tried) -> Option<f64>| Line {
        name,
        points: tried.iter().filter_map(|of| Some((of.load, value(of)?))).collect(),
        bounds: Vec::new(),
    };
    let ms = |index: usize| move |of: &Tried| of.latency_us[index].map(|us| us / 1e3);
    let ends = [tried.first().map_or(0.0, |of| of.load), tried.last().map_or(1.0, |of| of.load)];
    let limits = objective.latencies_us().map(|us| us / 1e3);
    let limits: Vec<(f64, f64)> = limits.flat_map(|ms| ends.map(|load| (load, ms))).collect();
    let bracket = |height: f64| bracket(findings.answer.as_ref(), height);
    let most = tried.iter().map(|of| of.answers_per_s).fold(0.0, f64::max);
    let highest = tried.iter().filter_map(|of| ms(1)(of)).fold(1.0, f64::max);
    [
        Panel {
            title: "answers per second",
            logarithmic: false,
            lines: vec![line("answers", &|of| Some(of.answers_per_s)), bracket(most)],
        },
        Panel {
            title: "milliseconds",
            logarithmic: true,
            lines: vec![
                line("p50", &ms(0)),
                bracket(highest),
                line("p99", &ms(1)),
                Line { name: "objective", points: limits, bounds: Vec::new() },
            ],
        },
    ]
}

/// What was confirmed and what is too much, as a gate over the axis.
fn bracket(answer: Option<&Answer>, height: f64) -> Line {
    let points = match answer {
        Some(Answer::Found { load, upper, .. }) => {
            let upper = upper.unwrap_or(*load);
            vec![(*load, 0.0), (*load, height), (upper, height), (upper, 0.0)]
        }
        _ => Vec::new(),
    };
    Line { name: "capacity", points, bounds: Vec::new() }
}

/// What was measured and the law through it; empty until that is done.
fn law_panel(scaling: Option<&Scaling>) -> Panel {
    let (title, logarithmic) = ("answers per second", false);
    let lines = scaling.map_or_else(Vec::new, |scaling| lines_of(scaling).into());
    Panel { title, logarithmic, lines }
}

fn lines_of(scaling: &Scaling) -> [Line; 4] {
    let each = |point: &Point| {
        let n = point.connections;
        point.answers_per_s.iter().map(move |x| (n, *x)).collect::<Vec<_>>()
    };
    let measured = scaling.points.iter().flat_map(each).collect();
    let last = scaling.points.last().map_or(1.0, |point| point.connections).max(2.0);
    let along = |value: &dyn Fn(f64) -> f64| -> Vec<(f64, f64)> {
        let n = (0..=FITTED).map(|k| 1.0 + (last - 1.0) * k as f64 / FITTED as f64);
        n.map(|n| (n, value(n).max(0.0))).collect()
    };
    let fitted = |value: &dyn Fn(&Fit, f64) -> f64| match &scaling.fit {
        Ok(fit) => along(&|n| value(fit, n)),
        Err(_) => Vec::new(),
    };
    let line = |name, points| Line { name, points, bounds: Vec::new() };
    [
        line("measured", measured),
        line("law", fitted(&|fit, n| fit.at(n).value)),
        line("law, low", fitted(&|fit, n| fit.at(n).interval.0)),
        line("law, high", fitted(&|fit, n| fit.at(n).interval.1)),
    ]
}

fn over(job: &Job<'_>) -> Over {
    job.asked.search.as_ref().map_or(Over::Conns, |search| search.over)
}

fn of_purpose(job: &Job<'_>, purpose: Purpose) -> Over {
    if purpose == Purpose::Scale { Over::Conns } else { over(job) }
}

/// What of a capacity is safe: of connections a whole number.
fn safe(job: &Job<'_>, load: f64) -> f64 {
    let safe = load * share(job);
    if over(job) == Over::Conns { safe.floor() } else { safe }
}

fn share(job: &Job<'_>) -> f64 {
    job.asked.search.as_ref().map_or(1.0, |search| search.safe)
}

fn plan<'a>(job: &'a Job<'_>) -> Option<&'a Plan> {
    job.search.as_ref().map(|(plan, _)| plan).or(job.scale.as_ref())
}

fn target(job: &Job<'_>) -> String {
    match plan(job).and_then(|plan| plan.config.target.as_ref()) {
        Some(target) => format!("{}{}", target.authority, target.path),
        None => "the embedded target".to_owned(),
    }
}

/// A load and what it is of.
fn with_unit(over: Over, load: f64) -> String {
    match over {
        Over::Rate => format!("{}/s", number(load)),
        Over::Conns => format!("{} connections per worker", number(load)),
    }
}

/// Whole where that is exact enough, else to a tenth.
fn number(value: f64) -> String {
    if value >= 10_000.0 || value.fract() == 0.0 {
        grouped(value.round() as u64)
    } else {
        format!("{value:.1}")
    }
}

fn cells(tried: &Tried) -> [String; 8] {
    let time = |us: Option<f64>| us.map_or_else(|| "-".into(), |us| duration(us * 1e3));
    [
        number(tried.load),
        format!("{:.1}", tried.seconds),
        tried.purpose.name().into(),
        number(tried.answers_per_s),
        time(tried.latency_us[0]),
        time(tried.latency_us[1]),
        tried.failed_share.map_or_else(|| "-".into(), |share| format!("{:.2} %", share * 100.0)),
        tried.state.name().into(),
    ]
}
