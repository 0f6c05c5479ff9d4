//! The summary for a person.

use super::{QUANTILES, phases, soak};
use crate::config::{Color, Load};
use crate::consent::Authorization;
use crate::fold::OVER_TIME;
use crate::limits::{self, Judged, Unit, of_run};
use crate::number::{bytes, duration, grouped};
use crate::plan::Level;
use crate::soak::Soak;
use crate::summary::Summary;
use crate::verdict::{State, Verdict};
use humantime::format_duration;
use stats::{Counter, Counters, Histogram, Interval95, Latency, NotSent, Outcome, Phase, Sections};
use std::fmt::Write as _;
use std::io::IsTerminal;

/// Width of the first column.
const LABEL: usize = 13;

pub struct Page {
    text: String,
    color: bool,
}

impl Page {
    /// One line, under its label.
    pub fn line(&mut self, label: &str, rest: &str) {
        let _ = writeln!(self.text, "{label:<LABEL$}{rest}");
    }

    fn gap(&mut self) {
        self.text.push('\n');
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The whole page.
pub fn summary(summary: &Summary, verdict: &Verdict) -> String {
    let color = match summary.plan.config.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
    };
    let mut page = Page { text: String::new(), color };
    heading(&mut page, summary);
    verdict_lines(&mut page, verdict);
    limits(&mut page, summary);
    phases::lines(&mut page, summary);
    page.gap();
    connections(&mut page, summary);
    requests(&mut page, summary);
    samples(&mut page, summary);
    sessions(&mut page, summary);
    page.gap();
    latencies(&mut page, summary);
    target(&mut page, summary);
    departures(&mut page, summary);
    generator(&mut page, summary);
    over_time(&mut page, summary);
    notes(&mut page, summary);
    verdict.notes.iter().for_each(|note| page.line("note", note));
    page.text
}

fn heading(page: &mut Page, summary: &Summary) {
    let (plan, config) = (&summary.plan, &summary.plan.config);
    let target = match (&config.target, plan.targets) {
        (Some(target), _) => format!("{}{} ({})", target.authority, target.path, plan.peers[0]),
        (None, 1) => format!("embedded target at {} (1 process)", plan.peers[0]),
        (None, processes) => {
            let each = if plan.peers.len() > 1 { ", a port each" } else { "" };
            format!("embedded target at {} ({processes} processes{each})", plan.peers[0])
        }
    };
    let title = format!("sclients {}", env!("CARGO_PKG_VERSION"));
    let title = page.paint("1", &title);
    page.line(&title, "");
    page.text.pop();
    while page.text.ends_with(' ') {
        page.text.pop();
    }
    let _ = writeln!(page.text, ": {}", job(summary));
    page.line("target", &target);
    authorized(page, summary);
}

/// The load in words.
fn job(summary: &Summary) -> String {
    let (plan, config) = (&summary.plan, &summary.plan.config);
    let procs = grouped(config.procs.into());
    let workers = if config.procs == 1 { "worker" } else { "workers" };
    if !plan.crews.is_empty() {
        let (phases, all) = (plan.crews.len(), grouped(plan.connections));
        let phases = if phases == 1 { "1 phase".to_owned() } else { format!("{phases} phases") };
        return format!("{phases}, {procs} {workers}, {all} connections");
    }
    let (conns, total) = (grouped(config.conns.into()), grouped(plan.connections));
    let places = format!("{procs} {workers} × {conns} connections = {total}");
    match &config.load {
        Load::Closed => format!("closed loop, {places}"),
        Load::Hold => format!("hold, {places}"),
        Load::Open { rate, arrivals, .. } => {
            format!("open loop, {rate} requests/s ({}), {places}", arrivals.name())
        }
        Load::Overload { rate, arrivals } => format!(
            "overload, {rate} attempts/s ({}) of {} each, {procs} {workers}",
            arrivals.name(),
            format_duration(config.connect_timeout),
        ),
    }
}

/// What allowed the run, where it left loopback.
fn authorized(page: &mut Page, summary: &Summary) {
    let Some(authorization) = &summary.plan.authorization else { return };
    let whom = match authorization {
        Authorization::Option(host) => format!("{host} by --authorized"),
        Authorization::File(entry) => {
            let port = entry.port.map_or_else(String::new, |port| format!(" port {port}"));
            format!("{}{port} by --authorization until {}", entry.scope, entry.expires)
        }
    };
    let ceilings = format!(
        "at most {} connections, {} requests/s, {} attempts/s",
        grouped(authorization.connections()),
        grouped(authorization.requests_per_s()),
        grouped(authorization.attempts_per_s()),
    );
    page.line("authorized", &format!("{whom}: {ceilings}"));
    if let Some(entry) = authorization.entry() {
        page.line("", &format!("contact {} · purpose {}", entry.contact, entry.purpose));
    }
}

fn verdict_lines(page: &mut Page, verdict: &Verdict) {
    let code = match verdict.state {
        State::Valid => "32",
        State::Suspect => "33",
        State::Invalid => "31;1",
    };
    let state = page.paint(code, verdict.state.name());
    page.line("verdict", &state);
    verdict.reasons.iter().for_each(|reason| page.line("", reason));
}

/// What became of each limit, a row each.
fn limits(page: &mut Page, summary: &Summary) {
    let judged = of_run::of_run(summary);
    let width = judged.iter().map(|limit| limit.limit.chars().count()).max().unwrap_or(0);
    let mut label = "limits";
    for limit in &judged {
        let code = match limit.state {
            limits::State::Held => "32",
            limits::State::Broken => "31;1",
            limits::State::CannotTell => "33",
        };
        let state = page.paint(code, &format!("{:<11}", limit.state.name()));
        let why = limit.why.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
        page.line(label, &format!("{state}  {:<width$}  {}{why}", limit.limit, figure(limit)));
        label = "";
    }
}

/// A figure that was judged, in its unit.
pub(super) fn figure(judged: &Judged) -> String {
    let Some((value, unit)) = judged.value.zip(judged.unit) else {
        return "without a value".to_owned();
    };
    let size = value.abs();
    let text = match unit {
        _ if size.is_infinite() => "never".to_owned(),
        Unit::Time(nanos) => duration(size * nanos),
        Unit::Share => format!("{}%", short(size * 100.0)),
        Unit::Bytes => bytes(size.round() as u64),
        Unit::Number if size.fract() == 0.0 => grouped(size as u64),
        Unit::Number => short(size),
    };
    let least = if judged.at_least { "≥ " } else { "" };
    let sign = if value < 0.0 { "-" } else { "" };
    format!("{least}{sign}{text}")
}

/// With as many decimals as four digits need, none of them for nothing.
fn short(value: f64) -> String {
    let decimals = (3.0 - value.abs().max(1e-6).log10().floor()).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.decimals$}");
    let plain = text.trim_end_matches('0').trim_end_matches('.');
    if text.contains('.') { plain.to_owned() } else { text }
}

/// What became of the attempts of a schedule.
fn attempts(page: &mut Page, summary: &Summary) {
    let counters = summary.counters();
    let offered = counters.of(Counter::ConnectionsAttempted);
    let planned = summary.planned_ticks();
    let planned =
        planned.map_or_else(String::new, |ticks| format!(" of {} planned", grouped(ticks)));
    page.line("attempts", &format!("{} offered{planned}", grouped(offered)));
    let (abandoned, failed) = summary.attempts_failed();
    page.line(
        "",
        &format!(
            "{} connected · {} abandoned · {} failed · {} pending at the end",
            grouped(counters.of(Counter::ConnectionsEstablished)),
            grouped(abandoned),
            grouped(failed.iter().sum()),
            grouped(summary.fold.gauges().pending),
        ),
    );
    classes(page, &failed);
    let lost = counters.of(Counter::AttemptsLost);
    if lost > 0 {
        page.line("", &format!("{} never begun, since their worker was lost", grouped(lost)));
    }
}

fn connections(page: &mut Page, summary: &Summary) {
    if let Load::Overload { .. } = summary.plan.config.load {
        return attempts(page, summary);
    }
    let counters = summary.counters();
    let of = |counter| grouped(counters.of(counter));
    let (planned, peak) = (grouped(summary.plan.connections), summary.fold.peak_live());
    let opened = summary
        .open_seconds()
        .map_or_else(String::new, |seconds| format!(", opened in {}", duration(seconds * 1e9)));
    page.line(
        "connections",
        &format!("{} live at once of {planned} planned{opened}", grouped(peak)),
    );
    page.line(
        "",
        &format!(
            "{} established · {} failed · {} reopened · closed {} by us, {} by the server",
            of(Counter::ConnectionsEstablished),
            grouped(counters.connections_failed()),
            of(Counter::ConnectionsReopened),
            of(Counter::ConnectionsClosedByUs),
            of(Counter::ConnectionsClosedByPeer),
        ),
    );
    super::storms::lines(page, summary);
    classes(page, &counters.connections_failed);
    syn_retries(page, summary);
    let unserved = summary.fold.gauges().unserved;
    if counters.of(Counter::RequestsDue) > 0 && unserved > 0 {
        page.line("", &format!("{} live without an answer at the end", grouped(unserved)));
    }
    let lost = summary.lost();
    if lost.connections + lost.requests > 0 {
        let (connections, requests) = (grouped(lost.connections), grouped(lost.requests));
        page.line(
            "lost",
            &format!("{connections} connections and {requests} requests with their workers"),
        );
    }
}

/// Why connects took whole seconds: the kernel sends a SYN again after 1 s, 2 s more and 4 s more.
/// Counted in the network namespace, so they are of everybody in it.
fn syn_retries(page: &mut Page, summary: &Summary) {
    let host = &summary.course.host;
    let grown = |wanted: &str| {
        let all = host.tcp_before.iter().chain(&host.tcp);
        all.filter(|(name, _)| name == wanted).map(|(_, grown)| grown).sum::<u64>()
    };
    let again = grown("TCPSynRetrans");
    if again == 0 {
        return;
    }
    let queues = [("accept", "ListenOverflows"), ("SYN", "TCPReqQFullDoCookies")];
    let full = queues.into_iter().map(|(queue, name)| (queue, grown(name)));
    let full: Vec<String> = full
        .filter(|(_, times)| *times > 0)
        .map(|(queue, times)| format!("{queue} queue full {} times", grouped(times)))
        .collect();
    let why = if full.is_empty() { String::new() } else { format!(" ({})", full.join(", ")) };
    page.line(
        "SYN retries",
        &format!("this host sent {} SYNs again, each 1 s or more late{why}", grouped(again)),
    );
}

fn requests(page: &mut Page, summary: &Summary) {
    let counters = summary.counters();
    let due = counters.of(Counter::RequestsDue);
    if due == 0 {
        return;
    }
    page.gap();
    let of = |counter| grouped(counters.of(counter));
    let seconds = summary.measured_seconds();
    let measured = summary.fold.phase(Phase::Measurement);
    let rate = measured.of(Counter::RequestsCompleted) as f64 / seconds.max(1e-9);
    let completed = of(Counter::RequestsCompleted);
    let measured = if seconds > 0.0 {
        format!(", {}/s over {} of measurement", grouped(rate as u64), duration(seconds * 1e9))
    } else {
        String::new()
    };
    page.line("requests", &format!("{completed} completed{measured}"));
    let in_flight = summary.fold.gauges().in_flight - summary.lost().requests;
    page.line(
        "",
        &format!(
            "{} due · {} sent · {} not sent · {} failed · {} in flight at the end",
            grouped(due),
            of(Counter::RequestsSent),
            grouped(counters.not_sent()),
            grouped(counters.requests_failed()),
            grouped(in_flight),
        ),
    );
    classes(page, &counters.requests_failed);
    reasons(page, &counters);
    oddities(page, &counters);
    statuses(page, summary, &counters);
    throughput(page, summary, seconds);
}

fn classes(page: &mut Page, failed: &[u64; Outcome::COUNT]) {
    for (outcome, count) in Outcome::ALL.iter().zip(failed).filter(|(_, count)| **count > 0) {
        let fault = outcome.fault().name();
        page.line("", &format!("  {} {} ({fault})", grouped(*count), outcome.name()));
    }
}

/// What servers send beside answers, where they do.
fn oddities(page: &mut Page, counters: &Counters) {
    let told = [
        (Counter::Interims, "interim answers"),
        (Counter::EarlyAnswers, "answers before their request was sent"),
        (Counter::ExtraData, "× bytes that belong to no answer"),
        (Counter::Unsolicited, "answers that nobody asked for, counted nowhere else"),
        (Counter::UploadsCut, "uploads answered early whose rest did not get away in time"),
    ];
    for (counter, what) in told.into_iter().filter(|(counter, _)| counters.of(*counter) > 0) {
        page.line("", &format!("  {} {what}", grouped(counters.of(counter))));
    }
}

/// What the server sent where it broke the protocol.
fn samples(page: &mut Page, summary: &Summary) {
    let mut label = "server sent";
    for told in summary.fold.samples().told() {
        let class = told.outcome.name();
        for (sent, count) in &told.most {
            page.line(label, &format!("{class}: {} × {}", grouped(*count), sent.terminal()));
            label = "";
        }
        if told.others > 0 {
            page.line(label, &format!("{class}: {}", others(&told)));
            label = "";
        }
    }
}

fn others(told: &stats::Told<'_>) -> String {
    let (others, distinct) = (grouped(told.others), grouped(told.others_distinct));
    match (told.others_distinct, told.capped) {
        (0, _) => format!("{others} × something else"),
        (_, true) => format!("{others} × something else, {distinct} or more kinds"),
        (_, false) => format!("{others} × something else, {distinct} kinds"),
    }
}

/// What became of sessions.
fn sessions(page: &mut Page, summary: &Summary) {
    for (index, line) in super::sessions::text(summary).iter().enumerate() {
        page.line(if index == 0 { "sessions" } else { "" }, line);
    }
}

fn reasons(page: &mut Page, counters: &Counters) {
    for (reason, count) in NotSent::ALL.iter().zip(counters.not_sent).filter(|(_, n)| *n > 0) {
        page.line("", &format!("  {} not sent: {}", grouped(count), reason.name()));
    }
}

fn statuses(page: &mut Page, summary: &Summary, counters: &Counters) {
    let all: Vec<String> = counters
        .statuses()
        .map(|(status, count)| format!("{status}: {}", grouped(count)))
        .collect();
    if all.is_empty() {
        return;
    }
    let unexpected = counters.of(Counter::RequestsUnexpected);
    let note = match unexpected {
        0 => String::new(),
        count => format!("   ({} {})", grouped(count), not_expected(summary)),
    };
    page.line("statuses", &format!("{}{note}", all.join("  ")));
    let failed = counters.of(Counter::ChecksFailed);
    if failed > 0 {
        page.line("checks", &format!("{} requests failed one", grouped(failed)));
    }
}

/// What of statuses was not expected: where steps or phases have their own, each knows itself.
fn not_expected(summary: &Summary) -> String {
    let plan = &summary.plan;
    let config = plan.load_of(0);
    let others = plan.crews.iter().any(|crew| {
        crew.config.sessions.is_some() || crew.config.expected_statuses != config.expected_statuses
    });
    if others || config.sessions.is_some() {
        return "not expected".to_owned();
    }
    let ranges = config.expected_statuses.iter().map(|(first, last)| format!("{first}-{last}"));
    format!("not in {}", ranges.collect::<Vec<_>>().join(","))
}

fn throughput(page: &mut Page, summary: &Summary, seconds: f64) {
    if seconds <= 0.0 {
        return;
    }
    let measured = summary.fold.phase(Phase::Measurement);
    let rate = |counter| bytes((measured.of(counter) as f64 / seconds) as u64);
    page.line(
        "bytes",
        &format!("{}/s read, {}/s written", rate(Counter::BytesRead), rate(Counter::BytesWritten)),
    );
}

fn latencies(page: &mut Page, summary: &Summary) {
    const ROWS: [(Latency, &str); 6] = [
        (Latency::FromDue, "  from due"),
        (Latency::FromSend, "  from send"),
        (Latency::SchedLag, "  send lag"),
        (Latency::Blocked, "  blocked"),
        (Latency::AttemptLag, "  attempt lag"),
        (Latency::Connect, "  connect"),
    ];
    // Who waited for nobody has no row for it.
    let is_told = |latency: Latency, histogram: &Histogram| match latency {
        Latency::Blocked => histogram.max() > Some(0),
        _ => histogram.count() > 0,
    };
    let rows =
        ROWS.iter().map(|(latency, name)| (*latency, summary.fold.histogram(*latency), *name));
    let rows: Vec<_> =
        rows.filter(|(latency, histogram, _)| is_told(*latency, histogram)).collect();
    if rows.is_empty() {
        return;
    }
    page.line("latency", &latency_heads());
    let mut from_due = None;
    for (latency, histogram, name) in rows {
        let sections =
            OVER_TIME.contains(&latency).then(|| Sections::new(&summary.fold.windows(latency)));
        let row = latency_row(histogram, bounds_from(summary, latency), sections.as_ref());
        page.line(name, &row);
        from_due = from_due.or(sections.filter(|_| latency == Latency::FromDue));
    }
    if let Some(sections) = from_due {
        uncertain(page, summary, &sections);
    }
    lower_bounds(page, summary);
    page.gap();
}

/// The quantile from which on a latency of requests is known from below only.
fn bounds_from(summary: &Summary, latency: Latency) -> f64 {
    let of_requests = matches!(latency, Latency::FromDue | Latency::FromSend);
    let from = of_requests.then(|| summary.lower_bound_from(latency)).flatten();
    from.unwrap_or(f64::INFINITY)
}

fn latency_heads() -> String {
    let quantiles = QUANTILES.iter().map(|(_, _, head)| *head);
    let mut heads = format!("{:>12}", "count");
    for head in ["mean"].into_iter().chain(quantiles).chain(["max"]) {
        let _ = write!(heads, "{head:>9}");
    }
    heads
}

fn latency_row(histogram: &Histogram, bounds_from: f64, sections: Option<&Sections>) -> String {
    let mut row = format!("{:>12}", grouped(histogram.count()));
    let mut cell = |nanos: f64, mark: &str| {
        let _ = write!(row, "{:>9}", format!("{mark}{}", duration(nanos)));
    };
    let whole = if bounds_from.is_finite() { "≥" } else { "" };
    cell(histogram.mean().unwrap_or(0.0), whole);
    for (quantile, ..) in QUANTILES {
        let mark = match sections {
            _ if quantile >= bounds_from => "≥",
            Some(sections) if is_uncertain(sections, quantile) => "~",
            _ => "",
        };
        cell(histogram.quantile(quantile).unwrap_or(0) as f64, mark);
    }
    cell(histogram.max().unwrap_or(0) as f64, whole);
    row
}

/// Whether another run might say something else, and this one cannot tell how much.
fn is_uncertain(sections: &Sections, quantile: f64) -> bool {
    matches!(sections.estimate(quantile).interval, Interval95::Insufficient { .. })
}

/// What `~` means, and how long a run would do without.
fn uncertain(page: &mut Page, summary: &Summary, sections: &Sections) {
    let unsure =
        QUANTILES.iter().filter_map(|(quantile, ..)| match sections.estimate(*quantile).interval {
            Interval95::Insufficient { longer } => Some(longer),
            Interval95::Supported { .. } => None,
        });
    let unsure: Vec<Option<f64>> = unsure.collect();
    if unsure.is_empty() {
        return;
    }
    let remedy = unsure.iter().flatten().next().map_or_else(String::new, |times| {
        let seconds = times * summary.measured_seconds();
        format!("; {} of measurement would do for the first", duration((seconds * 1e9).ceil()))
    });
    page.line("", &format!("  ~ too few independent samples to say how sure it is{remedy}"));
}

fn lower_bounds(page: &mut Page, summary: &Summary) {
    let bounds = summary.lower_bounds(Latency::FromDue);
    if bounds > 0 {
        let text = "timed out or were not over at the end: they count with the time they had taken";
        page.line("", &format!("  ≥ at least: {} {text}", grouped(bounds)));
    }
}

fn target(page: &mut Page, summary: &Summary) {
    if summary.plan.targets == 0 {
        return;
    }
    let seen = summary.fold.target_counters();
    let counters = summary.counters();
    let (connections, requests) =
        (seen.of(Counter::ConnectionsEstablished), seen.of(Counter::RequestsSent));
    let equal = connections == counters.of(Counter::ConnectionsEstablished)
        && requests == counters.of(Counter::RequestsSent);
    let least = requests >= counters.of(Counter::RequestsSent);
    let judged = match equal {
        true => "exactly what was sent",
        false if least && summary.workers().any(|worker| worker.death.is_some()) => {
            "what was reported, and what lost workers could not report"
        }
        false => "which is not what was sent",
    };
    page.line(
        "target saw",
        &format!("{} connections, {} requests: {judged}", grouped(connections), grouped(requests)),
    );
}

/// How evenly the schedule left, and whether that is its law.
fn departures(page: &mut Page, summary: &Summary) {
    let checks = summary.departures();
    let schedule = summary.plan.config.load.schedule();
    let (Some((_, arrivals)), Some(cv)) = (schedule, checks.gap_cv()) else { return };
    let (passed, samples) = (grouped(checks.passed), grouped(checks.samples));
    let name = arrivals.name();
    page.line(
        "departures",
        &format!("{passed} of {samples} samples as {name} arrivals · gaps vary by {cv:.2}"),
    );
}

fn generator(page: &mut Page, summary: &Summary) {
    let mut facts = Vec::new();
    if let Some(micros) = summary.cpu_micros_per_request() {
        facts.push(format!("{} of CPU per request", duration(micros * 1e3)));
    }
    if let Some(memory) = summary.user_bytes_per_connection() {
        facts.push(format!("{} of user memory per connection", bytes(memory.round() as u64)));
    }
    if let Some(micros) = summary.workers_cpu_micros() {
        facts.push(format!("{:.1} s of CPU", micros as f64 / 1e6));
    }
    if !facts.is_empty() {
        page.line("generator", &facts.join(" · "));
    }
    let own = &summary.course.supervisor;
    let share = own.cpu_micros as f64 / own.elapsed.as_micros().max(1) as f64 * 100.0;
    page.line(
        "supervisor",
        &format!("{share:.1} % of one core, {} resident", bytes(own.rss_peak_bytes)),
    );
    page.line("seed", &summary.plan.config.seed.to_string());
}

/// How a long run went.
fn over_time(page: &mut Page, summary: &Summary) {
    for (label, line) in soak::lines(&Soak::of(summary)) {
        page.line(label, &line);
    }
}

fn notes(page: &mut Page, summary: &Summary) {
    for watched in &summary.course.watched {
        watched.ended.iter().for_each(|after| page.line("note", &watched.obituary(*after)));
    }
    let worth = summary.plan.findings.iter().filter(|finding| finding.level > Level::Ok);
    worth.for_each(|finding| page.line("note", &finding.text));
    if let Some(asked) = summary.plan.config.slow.asked() {
        page.line("note", &format!("slow clients: {asked}: latency includes our own slowness"));
    }
    if summary.plan.config.lenient {
        page.line("note", &leniency(summary.counters().of(Counter::Forgiven)));
    }
}

/// What `--lenient` came to.
fn leniency(forgiven: u64) -> String {
    match forgiven {
        0 => "lenient: nothing had to be forgiven".to_owned(),
        1 => "lenient: 1 answer was taken that the standard forbids".to_owned(),
        _ => format!("lenient: {} answers were taken that the standard forbids", grouped(forgiven)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_told_in_its_unit() {
        for (value, unit, at_least, told) in [
            (Some(250.0), Unit::Time(1e3), false, "250 µs"),
            (Some(0.25), Unit::Time(1e9), true, "≥ 250 ms"),
            (Some(0.001), Unit::Share, false, "0.1%"),
            (Some(0.0), Unit::Share, false, "0%"),
            (Some(1.0), Unit::Share, false, "100%"),
            (Some(0.000_012_34), Unit::Share, false, "0.001234%"),
            (Some(20_000.0), Unit::Number, false, "20,000"),
            (Some(71_131.239), Unit::Number, false, "71131"),
            (Some(0.5), Unit::Number, false, "0.5"),
            (Some(65_536.0), Unit::Bytes, false, "64.0 KiB"),
            (None, Unit::Number, false, "without a value"),
        ] {
            let state = limits::State::Held;
            let judged = Judged {
                limit: "a < 1".to_owned(),
                figure: "a".to_owned(),
                unit: Some(unit),
                value,
                at_least,
                state,
                why: None,
            };
            assert_eq!(figure(&judged), told);
        }
    }
}
