//! The summary for a program: one object, whose keys are a contract.

use super::{Focus, QUANTILES, soak};
use crate::config::authorization::Scope;
use crate::config::{Load, OnBusy};
use crate::consent::Authorization;
use crate::fold::{Fold, OVER_TIME};
use crate::host::{Baseline, HostStrain};
use crate::limits::{Judged, of_run};
use crate::soak::Soak;
use crate::summary::{ChildRecord, Death, Summary};
use crate::supervisor::StoppedFor;
use crate::verdict::Verdict;
use serde::Serialize;
use serde_json::{Map, Value, json};
use stats::{
    Counter, Counters, Fault, Gaps, Histogram, Interval95, Latency, NotSent, Outcome, Phase,
    Sections, Signal, Strains, Times, Windows,
};
use std::cell::LazyCell;

/// Version of the object's shape; it changes when a key changes its meaning.
const SCHEMA: u32 = 1;

/// The whole object.
pub fn summary(summary: &Summary, verdict: &Verdict) -> Value {
    let mut object = figures(summary, &|| verdict.clone(), &Verdict::of_phase, &Focus::ALL);
    object["limits"] = of_run::of_object(summary, &object).iter().map(limit).collect();
    object
}

/// What became of a limit.
fn limit(judged: &Judged) -> Value {
    json!({
        "limit": judged.limit,
        "figure": judged.figure,
        "value": judged.value,
        "at_least": judged.at_least,
        "held": judged.held(),
        "state": judged.state.name(),
        "why": judged.why,
    })
}

/// Of it but the limits, which are judged by it, what is looked at, with the verdicts of the run and of its
/// phases.
pub fn figures(
    summary: &Summary,
    verdict: &dyn Fn() -> Verdict,
    of_phase: &dyn Fn(&Summary) -> Verdict,
    focus: &Focus,
) -> Value {
    let mut object = of_part(summary, verdict, focus);
    if let Some(phases) = super::phases::json(summary, of_phase, focus) {
        object["scenario"] = phases;
    }
    object
}

/// What is told of a run, and of each phase of one.
pub fn of_part(summary: &Summary, verdict: &dyn Fn() -> Verdict, focus: &Focus) -> Value {
    let counters = summary.counters();
    let over_time = LazyCell::new(|| Soak::of(summary));
    let makes: [(&str, &dyn Fn() -> Value); 19] = [
        ("verdict", &|| of_verdict(&verdict())),
        ("resumed", &|| resumed(summary)),
        ("stopped", &|| summary.course.stopped.map(StoppedFor::name).into()),
        ("plan", &|| plan(summary)),
        ("phases", &|| phases(summary)),
        ("connections", &|| connections(summary, &counters)),
        ("requests", &|| requests(summary, &counters)),
        ("throughput", &|| throughput(summary)),
        ("latency_us", &|| latencies(summary, focus)),
        ("statuses", &|| statuses(&counters)),
        ("samples", &|| samples(summary)),
        ("samples_other", &|| samples_other(summary)),
        ("workers", &|| summary.workers().map(|child| worker(summary, child)).collect()),
        ("generator", &|| generator(summary)),
        ("steady_state", &|| soak::steady(&over_time)),
        ("drift", &|| soak::drift(&over_time)),
        ("watched", &|| soak::watched(&summary.course.watched)),
        ("host", &|| host(&summary.course.host)),
        ("supervisor", &|| supervisor(summary)),
    ];
    // Not every run has these.
    let own: [(&str, &dyn Fn() -> Option<Value>); 4] = [
        ("attempts", &|| of_overload(summary).then(|| attempts(summary, &counters))),
        ("sessions", &|| super::sessions::json(summary)),
        ("storms", &|| super::storms::json(summary)),
        ("target", &|| (summary.plan.targets > 0).then(|| embedded(summary))),
    ];
    let is_wanted = |key: &str| focus.has(&[key]);
    let of_all = makes.iter().filter(|(key, _)| is_wanted(key)).map(|(key, make)| (*key, make()));
    let of_some = own.iter().filter(|(key, _)| is_wanted(key));
    let of_some = of_some.filter_map(|(key, make)| Some((*key, make()?)));
    let parts = [("schema", SCHEMA.into())].into_iter().chain(of_all).chain(of_some);
    parts.map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>().into()
}

fn of_verdict(verdict: &Verdict) -> Value {
    json!({ "state": verdict.state.name(), "reasons": verdict.reasons, "notes": verdict.notes })
}

fn resumed(summary: &Summary) -> Value {
    let resumed = summary.course.resumed.iter();
    let told = resumed.map(|resumed| {
        let gap_ms = resumed.gap.as_millis() as u64;
        json!({ "after_seconds": resumed.after.as_secs_f64(), "gap_ms": gap_ms })
    });
    told.collect()
}

fn of_overload(summary: &Summary) -> bool {
    matches!(summary.plan.config.load, Load::Overload { .. })
}

/// What the embedded target saw, and in how many processes.
fn embedded(summary: &Summary) -> Value {
    let mut object = target(&summary.fold);
    object["processes"] = summary.plan.targets.into();
    object
}

/// What a target that was served alone saw.
pub fn served(fold: &Fold, deaths: &[String]) -> Value {
    json!({ "schema": SCHEMA, "target": target(fold), "died": deaths })
}

fn plan(summary: &Summary) -> Value {
    let (plan, config) = (&summary.plan, &summary.plan.config);
    json!({
        "procs": config.procs,
        "conns": config.conns,
        "connections": plan.connections,
        "load": config.load.name(),
        "rate": config.load.schedule().map(|(rate, _)| rate.to_string()),
        "arrivals": config.load.schedule().map(|(_, arrivals)| arrivals.name()),
        "on_busy": on_busy(&config.load),
        "attempt_timeout_seconds": matches!(config.load, Load::Overload { .. })
            .then(|| config.connect_timeout.as_secs_f64()),
        "requests_per_connection": config.requests_per_connection,
        "reset_close": config.reset_close,
        "spin": config.spin,
        "seed": config.seed,
        "peer": plan.peers[0].to_string(),
        "target_processes": plan.targets,
        "duration_seconds": config.duration.map(|duration| duration.as_secs_f64()),
        "warmup_seconds": config.warmup.as_secs_f64(),
        "requests": config.requests,
        "connect_rate": config.connect_rate,
        "lenient": config.lenient,
        "read_rate_bytes_per_s": config.slow.read_bytes_per_s,
        "write_rate_bytes_per_s": config.slow.write_bytes_per_s,
        "rcvbuf_bytes": config.slow.receive_buffer_bytes,
        "authorization": plan.authorization.as_ref().map(authorization),
        "stagger_seconds": plan.stagger.as_secs_f64(),
        "findings": plan.findings.iter()
            .map(|finding| json!({ "code": &finding.code, "text": finding.text }))
            .collect::<Vec<_>>(),
    })
}

fn on_busy(load: &Load) -> Option<&'static str> {
    match load {
        Load::Open { on_busy, .. } => Some(match on_busy {
            OnBusy::Queue => "queue",
            OnBusy::Drop => "drop",
            OnBusy::Grow(_) => "grow",
        }),
        _ => None,
    }
}

/// The attempts of a schedule, by what became of them.
fn attempts(summary: &Summary, counters: &Counters) -> Value {
    let offered = counters.of(Counter::ConnectionsAttempted);
    let (abandoned, failed) = summary.attempts_failed();
    json!({
        "planned": summary.planned_ticks(),
        "offered": offered,
        "connected": counters.of(Counter::ConnectionsEstablished),
        "abandoned": abandoned,
        "failed": classes(&failed),
        "not_begun": { "worker_lost": counters.of(Counter::AttemptsLost) },
        "pending": summary.fold.gauges().pending,
        "pending_lost": summary.lost().attempts,
    })
}

/// What allowed a run off loopback; an entry of the file says more than the option.
fn authorization(authorization: &Authorization) -> Value {
    let entry = authorization.entry();
    let (key, whom) = match authorization {
        Authorization::Option(host) => ("host", host.clone()),
        Authorization::File(entry) => match &entry.scope {
            Scope::Host(host) => ("host", host.clone()),
            Scope::Network(network) => ("network", network.to_string()),
        },
    };
    json!({
        "by": if entry.is_some() { "file" } else { "option" },
        key: whom,
        "port": entry.and_then(|entry| entry.port),
        "connections": authorization.connections(),
        "requests_per_s": authorization.requests_per_s(),
        "attempts_per_s": authorization.attempts_per_s(),
        "expires": entry.map(|entry| entry.expires.to_string()),
        "contact": entry.map(|entry| &entry.contact),
        "purpose": entry.map(|entry| &entry.purpose),
    })
}

fn phases(summary: &Summary) -> Value {
    let phase = |(phase, seconds): (&Phase, f64)| {
        let counters = summary.fold.phase(*phase);
        json!({
            "name": phase.name(),
            "seconds": seconds,
            "connections": plain(counters, &CONNECTION_COUNTERS),
            "requests": plain(counters, &REQUEST_COUNTERS),
            "connections_failed": classes(&counters.connections_failed),
            "requests_failed": classes(&counters.requests_failed),
            "bytes_read": counters.of(Counter::BytesRead),
            "bytes_written": counters.of(Counter::BytesWritten),
        })
    };
    Phase::ALL.iter().zip(summary.course.phase_seconds).map(phase).collect()
}

const CONNECTION_COUNTERS: [Counter; 3] =
    [Counter::ConnectionsAttempted, Counter::ConnectionsEstablished, Counter::ConnectionsReopened];
const REQUEST_COUNTERS: [Counter; 4] = [
    Counter::RequestsDue,
    Counter::RequestsSent,
    Counter::RequestsCompleted,
    Counter::RequestsUnexpected,
];

fn plain(counters: &Counters, which: &[Counter]) -> Value {
    let pair = |counter: &Counter| (counter.name().to_owned(), counters.of(*counter).into());
    Value::Object(which.iter().map(pair).collect())
}

fn connections(summary: &Summary, counters: &Counters) -> Value {
    let of = |counter| counters.of(counter);
    let lost = summary.lost();
    let gauges = summary.fold.gauges();
    json!({
        "planned": summary.plan.connections,
        "attempted": of(Counter::ConnectionsAttempted),
        "established": of(Counter::ConnectionsEstablished),
        "live": gauges.live - lost.connections,
        "pending": gauges.pending,
        "pending_lost": lost.attempts,
        "peak_live": summary.fold.peak_live(),
        "unserved": gauges.unserved,
        "reopened": of(Counter::ConnectionsReopened),
        "closed": {
            "by_us": of(Counter::ConnectionsClosedByUs),
            "by_server": of(Counter::ConnectionsClosedByPeer),
        },
        "failed": classes(&counters.connections_failed),
        "lost": lost.connections,
        "ports_skipped": of(Counter::PortsSkipped),
        "open_seconds": summary.open_seconds(),
    })
}

fn requests(summary: &Summary, counters: &Counters) -> Value {
    let of = |counter| counters.of(counter);
    let lost = summary.lost();
    let in_flight = summary.fold.gauges().in_flight - lost.requests;
    json!({
        "planned": match summary.plan.config.load {
            Load::Overload { .. } => None,
            _ => summary.planned_ticks(),
        },
        "due": of(Counter::RequestsDue),
        "not_sent": not_sent(counters, lost.queued),
        "sent": of(Counter::RequestsSent),
        "completed": of(Counter::RequestsCompleted),
        "unexpected_status": of(Counter::RequestsUnexpected),
        "checks_failed": of(Counter::ChecksFailed),
        "failed": classes(&counters.requests_failed),
        "faults": faults(&counters.requests_failed),
        "in_flight": in_flight,
        "censored": summary.censored(),
        "nanos": nanos(&summary.times()),
        "lost": lost.requests,
        "unknown_ms": lost.unknown.as_millis() as u64,
        "interim": of(Counter::Interims),
        "early_response": of(Counter::EarlyAnswers),
        "extra_data": of(Counter::ExtraData),
        "unsolicited": of(Counter::Unsolicited),
        "forgiven": of(Counter::Forgiven),
        "upload_cut": of(Counter::UploadsCut),
        "failed_share": failed_share(counters),
    })
}

/// Where the time of the measured requests went, to the nanosecond.
fn nanos(times: &Times) -> Value {
    json!({
        "response": times.response as f64,
        "sched_lag": times.sched_lag as f64,
        "blocked": times.blocked as f64,
        "service": times.service as f64,
        "balance": times.balance(),
    })
}

/// Failures by whose fault they are.
fn faults(failed: &[u64; Outcome::COUNT]) -> Value {
    let of = |fault: Fault| {
        let failed =
            Outcome::ALL.iter().zip(failed).filter(|(outcome, _)| outcome.fault() == fault);
        failed.map(|(_, count)| count).sum::<u64>()
    };
    Value::Object(
        Fault::ALL.map(|fault| (fault.name().to_owned(), of(fault).into())).into_iter().collect(),
    )
}

/// The share of what was due that was not answered as expected; none of nothing.
pub fn failed_share(counters: &Counters) -> Option<f64> {
    let due = counters.of(Counter::RequestsDue);
    (due > 0).then(|| counters.not_as_expected() as f64 / due as f64)
}

/// By the time of the answers: what was asked in measurement and answered later is not its throughput.
fn throughput(summary: &Summary) -> Value {
    let seconds = summary.measured_seconds();
    let measured = summary.fold.phase(Phase::Measurement);
    let rate = |count: u64| if seconds > 0.0 { Some(count as f64 / seconds) } else { None };
    json!({
        "requests_per_s": rate(measured.of(Counter::RequestsCompleted)),
        "bytes_read_per_s": rate(measured.of(Counter::BytesRead)),
        "bytes_written_per_s": rate(measured.of(Counter::BytesWritten)),
        "seconds": seconds,
    })
}

fn latencies(summary: &Summary, focus: &Focus) -> Value {
    let all = [
        Latency::FromDue,
        Latency::FromSend,
        Latency::Connect,
        Latency::SchedLag,
        Latency::Blocked,
        Latency::Failed,
    ];
    let pair = |latency: &Latency| {
        (latency.name().to_owned(), json!(distribution(summary.fold.histogram(*latency))))
    };
    let mut object: Map<_, _> = all.iter().map(pair).collect();
    for of_requests in OVER_TIME {
        object[of_requests.name()]["censored"] = summary.lower_bounds(of_requests).into();
        let from = summary.lower_bound_from(of_requests);
        object[of_requests.name()]["lower_bound_from"] = from.into();
        // It is made of all windows there are.
        let sure = |key: &&str| focus.has(&["latency_us", of_requests.name(), key]);
        if CERTAINTY.iter().any(sure) {
            certainty(&mut object[of_requests.name()], &summary.fold.windows(of_requests));
        }
    }
    Value::Object(object)
}

/// A distribution in microseconds; of nothing there are no values.
#[derive(Serialize)]
pub(super) struct Distribution {
    count: u64,
    mean: Option<f64>,
    p50: Option<f64>,
    p90: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
    p999: Option<f64>,
    p9999: Option<f64>,
    max: Option<f64>,
    /// Values over the highest that is told apart.
    overflow: u64,
}

/// The keys of [`certainty`].
const CERTAINTY: [&str; 3] = ["ci", "n_eff", "longer"];

/// How sure the quantiles of a latency of requests are: `ci` has where the true one is in 95 % of runs
/// like this, `n_eff` the independent samples that tell as much, `longer` how many times as long a run
/// should be that would tell.
fn certainty(object: &mut Value, windows: &Windows) {
    let sections = Sections::new(windows);
    let (mut ci, mut n_eff, mut longer) = (Map::new(), Map::new(), Map::new());
    for (quantile, key, _) in QUANTILES {
        let estimate = sections.estimate(quantile);
        let told = match estimate.interval {
            Interval95::Supported { low_nanos, high_nanos } => {
                json!([low_nanos as f64 / 1e3, high_nanos as f64 / 1e3])
            }
            Interval95::Insufficient { longer: times } => {
                longer.insert(key.to_owned(), times.into());
                json!("insufficient")
            }
        };
        ci.insert(key.to_owned(), told);
        n_eff.insert(key.to_owned(), estimate.n_eff.map(f64::round).into());
    }
    object["ci"] = ci.into();
    object["n_eff"] = n_eff.into();
    object["longer"] = longer.into();
}

/// Quantiles of what was measured, however little: how sure they are is another figure.
pub(super) fn distribution(histogram: &Histogram) -> Distribution {
    let micros = |nanos: u64| nanos as f64 / 1e3;
    let at = |quantile| histogram.quantile(quantile).map(micros);
    Distribution {
        count: histogram.count(),
        mean: histogram.mean().map(|nanos| nanos / 1e3),
        p50: at(0.5),
        p90: at(0.9),
        p95: at(0.95),
        p99: at(0.99),
        p999: at(0.999),
        p9999: at(0.9999),
        max: histogram.max().map(micros),
        overflow: histogram.overflow(),
    }
}

/// Failures by class, of those that occurred.
pub(super) fn classes(failed: &[u64; Outcome::COUNT]) -> Value {
    let occurred = Outcome::ALL.iter().zip(failed).filter(|(_, count)| **count > 0);
    let pair = |(outcome, count): (&Outcome, &u64)| (outcome.name().to_owned(), (*count).into());
    Value::Object(occurred.map(pair).collect::<Map<_, _>>())
}

fn not_sent(counters: &Counters, lost: u64) -> Value {
    let mut not_sent = counters.not_sent;
    not_sent[NotSent::WorkerLost as usize] += lost;
    let occurred = NotSent::ALL.iter().zip(not_sent).filter(|(_, count)| *count > 0);
    Value::Object(occurred.map(|(reason, n)| (reason.name().to_owned(), n.into())).collect())
}

fn statuses(counters: &Counters) -> Value {
    Value::Object(counters.statuses().map(|(status, n)| (status.to_string(), n.into())).collect())
}

/// What the server sent where it broke the protocol: the most frequent of each class.
fn samples(summary: &Summary) -> Value {
    let mut samples = Vec::new();
    for told in summary.fold.samples().told() {
        let class = told.outcome.name();
        for (sent, count) in told.most {
            samples.push(json!({ "class": class, "text": sent.json(), "count": count }));
        }
    }
    samples.into()
}

/// How often something else came; `distinct` is a lower bound where it is `capped`.
fn samples_other(summary: &Summary) -> Value {
    let others = summary.fold.samples().told().filter(|told| told.others > 0);
    let pair = |told: stats::Told<'_>| {
        let stats::Told { others, others_distinct, capped, .. } = told;
        let counts = json!({ "count": others, "distinct": others_distinct, "capped": capped });
        (told.outcome.name().to_owned(), counts)
    };
    Value::Object(others.map(pair).collect())
}

fn worker(summary: &Summary, child: &ChildRecord) -> Value {
    let words = summary.part(child).and_then(|part| part.last_words);
    let worst = |signal| summary.part(child).map(|part| part.strains.worst(signal).value);
    json!({
        "slot": child.slot,
        "generation": child.generation,
        "pid": child.pid,
        "exit": child.exit.map(|exit| exit.to_string()),
        "died_after_seconds": child.death.as_ref().map(|death| death.after.as_secs_f64()),
        "loss": child.death.as_ref().map(loss),
        "stopped_ms": child.stopped.as_millis() as u64,
        "cpu_seconds": words.map(|words| words.cpu_micros as f64 / 1e6),
        "rss_peak_bytes": words.map(|words| words.rss_peak_bytes),
        "reports_merged": words.map(|words| words.reports_merged),
        "latency_us": words.map(|_| own_latencies(summary, child)),
        "runqueue_share": worst(Signal::RunQueue),
        "cpu_share": worst(Signal::Cpu),
    })
}

/// A worker's death: what nobody knows, and for how long its slot made no load.
fn loss(death: &Death) -> Value {
    json!({
        "after_seconds": death.after.as_secs_f64(),
        "unknown_ms": death.unknown.as_millis() as u64,
        "gap_ms": death.gap.as_millis() as u64,
        "replaced_after_ms": death.replaced_after.map(|after| after.as_millis() as u64),
        "why": death.why,
    })
}

/// What one worker measured; of one that died the journal alone has it.
fn own_latencies(summary: &Summary, child: &ChildRecord) -> Value {
    let own = summary.part(child).map_or(&[][..], |part| &part.own);
    let of = |latency: &Latency| {
        let told = own.get(*latency as usize).map(distribution);
        (latency.name().to_owned(), json!(told))
    };
    Value::Object(OVER_TIME.iter().map(of).collect())
}

fn generator(summary: &Summary) -> Value {
    json!({
        "cpu_seconds": summary.workers_cpu_micros().map(|micros| micros as f64 / 1e6),
        "cpu_us_per_request": summary.cpu_micros_per_request(),
        "user_bytes_per_connection": summary.user_bytes_per_connection(),
        "send_lag_us": distribution(summary.fold.histogram(summary.send_lag())),
        "loop_lag_us": distribution(summary.fold.histogram(Latency::LoopLag)),
        "departures": departures(summary),
        "strain": strain(summary),
    })
}

/// Whether what was to leave by a schedule did, by samples; of none there is no figure.
fn departures(summary: &Summary) -> Option<Value> {
    let (_, arrivals) = summary.plan.config.load.schedule()?;
    let checks = summary.departures();
    Some(json!({
        "law": arrivals.name(),
        "samples": checks.samples,
        "passed": checks.passed,
        "gap_mean_us": checks.gap_mean_nanos().map(|nanos| nanos / 1e3),
        "gap_cv": checks.gap_cv(),
    }))
}

/// The worst second of any worker, in measurement.
fn strain(summary: &Summary) -> Value {
    let worst = |signal| {
        let all = summary.fold.workers().map(|part| Strains::worst(&part.strains, signal).value);
        all.fold(0.0, f64::max)
    };
    json!({
        "runqueue_share": worst(Signal::RunQueue),
        "cpu_share": worst(Signal::Cpu),
        "involuntary_switches_per_s": worst(Signal::Switches),
        "longest_stop_ms": worst(Signal::Stop) * 1e3,
    })
}

/// How the host fared in measurement; null is what its kernel does not say.
fn host(host: &HostStrain) -> Value {
    json!({
        "steal_share": host.steal_share,
        "steal_share_worst": host.steal_share_worst,
        "cpu_pressure": host.cpu_pressure,
        "throttled_periods": host.periods.map(|periods| periods.throttled),
        "packets_dropped": host.softnet.map(|softnet| softnet.dropped),
        "squeezes": host.softnet.map(|softnet| softnet.squeezed),
        "clock_jumps": host.clock_jumps,
        "suspended_seconds": host.suspended.as_secs_f64(),
        "tcp_memory_share": host.tcp_memory,
        "tracked_connections": host.tracked.map(|tracked| tracked.count),
        "tcp": tcp(&host.tcp),
        "tcp_before": tcp(&host.tcp_before),
        "baseline": host.baseline.as_ref().map(baseline),
    })
}

/// The same before the first connection of the run.
fn baseline(baseline: &Baseline) -> Value {
    json!({
        "seconds": baseline.length.as_secs_f64(),
        "steal_share": baseline.steal_share,
        "cpu_pressure": baseline.cpu_pressure,
        "packets_dropped": baseline.softnet.map(|softnet| softnet.dropped),
        "squeezes": baseline.softnet.map(|softnet| softnet.squeezed),
        "tcp": tcp(&baseline.tcp),
    })
}

fn tcp(grown: &[(String, u64)]) -> Value {
    Value::Object(grown.iter().map(|(name, by)| (name.clone(), (*by).into())).collect())
}

fn supervisor(summary: &Summary) -> Value {
    let own = &summary.course.supervisor;
    json!({
        "cpu_seconds": own.cpu_micros as f64 / 1e6,
        "rss_peak_bytes": own.rss_peak_bytes,
        "loop_gap_us": distribution(&own.loop_gap),
        "seconds": own.elapsed.as_secs_f64(),
    })
}

fn target(fold: &Fold) -> Value {
    let seen = fold.target_counters();
    json!({
        "connections_seen": seen.of(Counter::ConnectionsEstablished),
        "requests_seen": seen.of(Counter::RequestsSent),
        "bad_requests": seen.requests_failed(),
        "hostile": seen.of(Counter::Hostile),
        "bytes_read": seen.of(Counter::BytesRead),
        "bytes_written": seen.of(Counter::BytesWritten),
        "accepts_refused": classes(&seen.connections_failed),
        "arrivals": fold.arrivals().map(arrivals).collect::<Vec<_>>(),
    })
}

/// How the requests came at one process of the target, over the whole run: all phases.
fn arrivals((slot, arrivals): (u32, &Gaps)) -> Value {
    json!({
        "slot": slot,
        "count": arrivals.count,
        "gap_mean_us": arrivals.gap_mean_nanos().map(|nanos| nanos / 1e3),
        "gap_cv": arrivals.gap_cv(),
        "max_in_1ms": arrivals.most_in_1ms,
    })
}
