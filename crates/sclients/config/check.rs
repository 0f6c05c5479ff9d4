//! Options → [`Config`]: what they mean together, and what was left to us.

use super::cli::Model::{self, Closed, Hold, Open, Overload};
use super::cli::{
    Busy, ConnectOptions, EarlyAnswer, EmbeddedOptions, INTERVAL_MIN, LoadOptions, RequestOptions,
    RunOptions, ServeOptions, SupervisionOptions,
};
use super::error::ConfigError;
use super::hostile::{self, Wish};
use super::list::{SOURCES_MAX, Source};
use super::{
    Config, Embedded, Load, OnBusy, OnWorkerDeath, Protocol, ServeConfig, SlowClients, Stall,
    Storm, authorization, regular,
};
use crate::limits::Limits;
use crate::profile::Profile;
use crate::wall;
use stats::SECTIONS;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// Length of measurement where neither it nor a number of requests is given.
const DURATION: Duration = Duration::from_secs(10);
/// The most requests or attempts of a worker per second: several times what one processor can do.
const RATE_PER_WORKER_MAX: u64 = 1_000_000;
/// The most storms that a worker is told of: they go to it in one message.
const STORMS_MAX: usize = 1_000;
/// The shortest measurement of a schedule that is no longer than the warm-up.
const MOMENT: Duration = Duration::from_secs(1);
/// Connections per worker where their number is not given.
const CONNS: u32 = 100;
/// How many times those `--on-busy grow` may reach.
const GROW: u32 = 10;
/// Longest wait for a connection where it is not given, for an attempt of a schedule, and for all
/// connections.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(500);
/// Time between reports of a worker, where that leaves enough of them.
const INTERVAL: Duration = Duration::from_secs(1);
/// Time between reports of a process that serves alone.
const SERVE_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes of an echo message, and of the embedded target's answer.
const SMALL_BYTES: u64 = 64;
/// Statuses that are expected where none are given.
const STATUSES: (u16, u16) = (200, 399);
/// The largest request body. A share must fit a frame of 64 MiB (`wire`) with its headers and sources.
const BODY_BYTES_MAX: u64 = 60 << 20;
/// The type of a body that has none, as curl sends it.
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// The run that `options` ask for.
///
/// # Errors
/// Options that contradict each other, or a body that cannot be read.
pub fn run(options: RunOptions) -> Result<Config, ConfigError> {
    let protocol = protocol(&options);
    check_embedded(&options, protocol)?;
    check_load(&options)?;
    check_protocol(&options.request, protocol)?;
    check_supervision(&options.supervision)?;
    put_together(options, protocol)
}

/// Every value, where it was given or left to us.
fn put_together(options: RunOptions, protocol: Protocol) -> Result<Config, ConfigError> {
    let RunOptions { target, load, connect, request, supervision, embedded, output, .. } = options;
    let model = model(&load)?;
    let duration = length(&load, &model);
    Ok(Config {
        procs: load.procs,
        conns: conns(&load, &connect, &model),
        duration,
        requests_per_connection: requests_per_connection(&load, &model),
        reset_close: load.reset_close,
        requests: load.requests,
        warmup: load.warmup,
        think: load.think,
        timeout: request.timeout,
        first_byte_timeout: request.first_byte_timeout,
        idle_timeout: request.idle_timeout,
        lenient: request.lenient,
        finish_early: request.early_answer == EarlyAnswer::Finish,
        body_max: request.max_body.map(|bytes| u32::try_from(bytes).expect("under its bound")),
        connect_timeout: connect_timeout(&load, &connect, &model),
        open_timeout: connect.open_timeout.unwrap_or(OPEN_TIMEOUT),
        drain: load.drain.unwrap_or(request.timeout),
        grace: load.grace,
        interval: output.interval.unwrap_or_else(|| interval(duration)),
        phases: vec![],
        curve: load.curve,
        out: output.out,
        hlog: output.hlog,
        limits: output.limit.into_iter().flat_map(|Limits(limits)| limits).collect(),
        junit: output.junit,
        connect_rate: connect.connect_rate,
        max_connecting: connect.max_connecting,
        storms: storms(&connect, &load, duration)?,
        slow: slow_clients(&connect),
        heartbeat: load.heartbeat,
        reopen: !connect.no_reopen,
        seed: load.seed.unwrap_or_else(drawn_seed),
        sources: sources(connect.source)?,
        target,
        resolve: connect.resolve,
        authorized: load.authorized,
        authorization: load.authorization.map_or(Ok(vec![]), |path| authorization::read(&path))?,
        method: method(&request),
        headers: headers(&request),
        body: body(&request.data)?,
        message_bytes: message_bytes(&request),
        expected_statuses: expected_statuses(request.expect_status),
        on_worker_death: supervision.on_worker_death,
        restart_limit: supervision.restart_limit.unwrap_or_default(),
        allow_lost: supervision.allow_lost,
        watch_pids: supervision.watch_pid,
        embedded: embedded_target(&embedded, protocol)?,
        spin: load.spin,
        load: model,
        cpus: load.cpus,
        sessions: None,
        format: output.format,
        progress: output.progress,
        color: output.color,
    })
}

/// The storms, not too many, of which none comes when load has ended.
fn storms(
    connect: &ConnectOptions,
    load: &LoadOptions,
    duration: Option<Duration>,
) -> Result<Vec<Storm>, ConfigError> {
    let storms = &connect.reconnect;
    if connect.no_reopen && !storms.is_empty() {
        return Err(ConfigError::Conflict { option: "--reconnect", with: "--no-reopen" });
    }
    if storms.len() > STORMS_MAX {
        return Err(ConfigError::TooManyStorms { count: storms.len(), max: STORMS_MAX });
    }
    let end = duration.map_or(Duration::MAX, |duration| load.warmup.saturating_add(duration));
    match storms.iter().find(|storm| storm.after >= end) {
        Some(storm) => Err(ConfigError::LateStorm { after: storm.after, end }),
        None => Ok(storms.to_vec()),
    }
}

const fn slow_clients(connect: &ConnectOptions) -> SlowClients {
    SlowClients {
        read_bytes_per_s: connect.read_rate,
        write_bytes_per_s: connect.write_rate,
        receive_buffer_bytes: connect.rcvbuf,
    }
}

fn message_bytes(request: &RequestOptions) -> usize {
    let bytes = request.message_bytes.unwrap_or(SMALL_BYTES);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// How long an attempt may take.
fn connect_timeout(load: &LoadOptions, connect: &ConnectOptions, model: &Load) -> Duration {
    match model {
        Load::Overload { .. } => load.attempt_timeout.unwrap_or(ATTEMPT_TIMEOUT),
        _ => connect.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
    }
}

/// After how many answers a connection is closed; what was accepted under overload makes one request.
fn requests_per_connection(load: &LoadOptions, model: &Load) -> Option<u32> {
    let once = matches!(model, Load::Overload { .. }).then_some(1);
    load.requests_per_connection.or(once)
}

/// The server that `options` ask for.
///
/// # Errors
/// Options that contradict each other.
pub fn serve(options: ServeOptions) -> Result<ServeConfig, ConfigError> {
    let hostile = hostile::checked(Wish {
        names: ["--hostile", "--chop", "--after", "--hostile-conns"],
        cases: &options.hostile,
        chop: options.chop,
        after: options.after,
        connections: options.hostile_conns,
        listen: options.listen,
        protocol: options.protocol,
        case_per_port: options.case_per_port,
    })?;
    let cases = hostile.as_ref().map_or(0, |hostile| hostile.cases.len());
    if options.case_per_port && cases == 0 {
        return Err(ConfigError::Needs { option: "--case-per-port", needs: "--hostile" });
    }
    if options.case_per_port && options.procs > 1 {
        return Err(ConfigError::Conflict { option: "--procs", with: "--case-per-port" });
    }
    let stalls = stalls(["--stall", "--hostile"], options.stall, hostile.is_some())?;
    let procs = if options.case_per_port { cases as u32 } else { options.procs };
    Ok(ServeConfig {
        embedded: Embedded {
            procs: Some(procs),
            listen: options.listen,
            protocol: options.protocol,
            body_bytes: options.body_bytes,
            delay: options.delay,
            service: options.service,
            stalls,
            hostile,
            leak_bytes_per_min: options.leak,
        },
        conns: options.conns,
        format: options.format,
        progress: options.progress,
        color: options.color,
        cpus: options.cpus,
        interval: SERVE_INTERVAL,
        seed: options.seed.unwrap_or_else(drawn_seed),
        case_per_port: options.case_per_port,
    })
}

fn protocol(options: &RunOptions) -> Protocol {
    let embedded = options.embedded.target_protocol.unwrap_or(Protocol::Http);
    options.target.as_ref().map_or(embedded, |target| target.protocol)
}

/// The embedded target's options have no place beside a TARGET, nor `--resolve` without one.
fn check_embedded(options: &RunOptions, protocol: Protocol) -> Result<(), ConfigError> {
    let embedded = &options.embedded;
    let given = [
        ("--target-procs", embedded.target_procs.is_some()),
        ("--target-body-bytes", embedded.target_body_bytes.is_some()),
        ("--target-delay", embedded.target_delay.is_some()),
        ("--target-service", embedded.target_service.is_some()),
        ("--target-stall", !embedded.target_stall.is_empty()),
        ("--target-leak", embedded.target_leak.is_some()),
        ("--target-listen", embedded.target_listen.is_some()),
        ("--target-protocol", embedded.target_protocol.is_some()),
        ("--target-hostile", !embedded.target_hostile.is_empty()),
    ];
    if options.target.is_some() {
        let conflict = |option| Err(ConfigError::Conflict { option, with: "a TARGET" });
        return first(&given).map_or(Ok(()), conflict);
    }
    if !options.connect.resolve.is_empty() {
        return Err(ConfigError::Needs { option: "--resolve", needs: "a TARGET" });
    }
    if embedded.target_body_bytes.is_some() && protocol == Protocol::Echo {
        let (option, with) = ("--target-body-bytes", "--target-protocol echo");
        return Err(ConfigError::Conflict { option, with });
    }
    Ok(())
}

/// The model that is meant: the one that is named, or that an option belongs to.
fn named(load: &LoadOptions) -> Model {
    let implied = match (&load.rate, &load.attempt_rate, &load.curve) {
        (_, Some(_), _) | (_, _, Some(_)) => Model::Overload,
        (Some(_), None, None) => Model::Open,
        (None, None, None) => Model::Closed,
    };
    load.load.unwrap_or(implied)
}

/// An option, whether it is given, the models that it belongs to, and how to say so.
type Belongs = (&'static str, bool, &'static [Model], &'static str);

const ANSWERED: (&[Model], &str) = (&[Closed, Open, Overload], "--load closed, open or overload");
const KEPT: (&[Model], &str) = (&[Closed, Open, Hold], "--load closed, open or hold");

/// What the options of the load belong to; with another model they would do nothing.
fn of_load(load: &LoadOptions) -> [Belongs; 13] {
    let (hold, open, overload) = ("--load hold", "--load open", "--load overload");
    let churns = load.requests_per_connection.is_some();
    [
        ("--heartbeat", load.heartbeat.is_some(), &[Hold], hold),
        ("--rate", load.rate.is_some(), &[Open], open),
        ("--on-busy", load.on_busy.is_some(), &[Open], open),
        ("--max-conns", load.max_conns.is_some(), &[Open], open),
        ("--attempt-rate", load.attempt_rate.is_some(), &[Overload], overload),
        ("--curve", load.curve.is_some(), &[Overload], overload),
        ("--attempt-timeout", load.attempt_timeout.is_some(), &[Overload], overload),
        ("--arrivals", load.arrivals.is_some(), &[Open, Overload], "--load open or overload"),
        ("--think", !load.think.is_zero(), &[Closed], "--load closed"),
        ("--requests", load.requests.is_some(), &[Closed, Open], "--load closed or open"),
        ("--conns", load.conns.is_some(), KEPT.0, KEPT.1),
        ("--requests-per-connection", churns, ANSWERED.0, ANSWERED.1),
        ("--reset-close", load.reset_close, ANSWERED.0, ANSWERED.1),
    ]
}

/// The same of connecting; an attempt of a schedule has options of its own.
fn of_connect(connect: &ConnectOptions) -> [Belongs; 5] {
    [
        ("--reconnect", !connect.reconnect.is_empty(), KEPT.0, KEPT.1),
        ("--no-reopen", connect.no_reopen, &[Hold], "--load hold"),
        (
            "--connect-timeout",
            connect.connect_timeout.is_some(),
            KEPT.0,
            "--load closed, open or hold, and overload has --attempt-timeout",
        ),
        (
            "--connect-rate",
            connect.connect_rate.is_some(),
            KEPT.0,
            "--load closed, open or hold, and overload has --attempt-rate",
        ),
        ("--open-timeout", connect.open_timeout.is_some(), KEPT.0, KEPT.1),
    ]
}

fn check_load(options: &RunOptions) -> Result<(), ConfigError> {
    let load = &options.load;
    let model = named(load);
    let (of_load, of_connect) = (of_load(load), of_connect(&options.connect));
    let mut all = of_load.iter().chain(&of_connect);
    if let Some((option, _, _, needs)) =
        all.find(|(_, given, of, _)| *given && !of.contains(&model))
    {
        return Err(ConfigError::Needs { option, needs });
    }
    if load.curve.is_some() {
        let with = "--curve";
        if load.duration.is_some() {
            return Err(ConfigError::Instead { option: "--duration", with, instead: "--step" });
        }
        let of_one_run = [
            ("--attempt-rate", load.attempt_rate.is_some()),
            ("--hlog", options.output.hlog.is_some()),
            ("--limit", !options.output.limit.is_empty()),
            ("--junit", options.output.junit.is_some()),
        ];
        if let Some(option) = first(&of_one_run) {
            return Err(ConfigError::Conflict { option, with });
        }
    }
    let rateless = load.rate.is_none() && load.attempt_rate.is_none() && load.curve.is_none();
    let closes = model == Overload || load.requests_per_connection.is_some();
    let grows = load.on_busy == Some(Busy::Grow);
    let table = [
        ("--load open", model == Open && rateless, "--rate"),
        ("--load overload", model == Overload && rateless, "--attempt-rate"),
        (
            "--reset-close",
            load.reset_close && !closes,
            "--requests-per-connection or --load overload",
        ),
        ("--max-conns", load.max_conns.is_some() && !grows, "--on-busy grow"),
        ("--step", load.step.is_some() && load.curve.is_none(), "--curve"),
    ];
    let owned: HashSet<&u32> = load.cpus.iter().collect();
    let shared = load.spin && owned.len() < load.procs as usize;
    let spin = ("--spin", shared, "a processor for each worker by --cpus");
    let lacking = table.into_iter().chain([spin]).find(|(_, lacking, _)| *lacking);
    lacking.map_or(Ok(()), |(option, _, needs)| Err(ConfigError::Needs { option, needs }))
}

fn model(load: &LoadOptions) -> Result<Load, ConfigError> {
    let arrivals = load.arrivals.unwrap_or_default();
    let rate = |rate: &Option<Profile>, option| {
        let rate = rate.clone().expect("it was looked for");
        check_rate(&rate, load.procs, option).map(|()| rate)
    };
    Ok(match named(load) {
        Model::Closed => Load::Closed,
        Model::Hold => Load::Hold,
        Model::Open => Load::Open {
            rate: rate(&load.rate, "--rate")?,
            arrivals,
            on_busy: match load.on_busy.unwrap_or(Busy::Queue) {
                Busy::Queue => OnBusy::Queue,
                Busy::Drop => OnBusy::Drop,
                Busy::Grow => OnBusy::Grow(grown(load)?),
            },
        },
        Model::Overload => match load.curve {
            Some(series) => {
                let constant = |per_s| Some(Profile::even(per_s));
                rate(&constant(series.from.min(series.to)), "--curve")?;
                let most = constant(series.from.max(series.to));
                Load::Overload { rate: rate(&most, "--curve")?, arrivals }
            }
            None => Load::Overload { rate: rate(&load.attempt_rate, "--attempt-rate")?, arrivals },
        },
    })
}

/// A rate has to give each worker something to do, and no more than one can.
fn check_rate(rate: &Profile, procs: u32, option: &'static str) -> Result<(), ConfigError> {
    let most = rate.max_rate().as_f64();
    if procs > 1 && most < f64::from(procs) {
        return Err(ConfigError::RateBelow { option, rate: rate.to_string(), procs });
    }
    if most > f64::from(procs) * RATE_PER_WORKER_MAX as f64 {
        let procs_needed = (most / RATE_PER_WORKER_MAX as f64).ceil() as u64;
        return Err(ConfigError::RateAbove { option, rate: rate.to_string(), procs, procs_needed });
    }
    Ok(())
}

fn grown(load: &LoadOptions) -> Result<u32, ConfigError> {
    let conns = load.conns.unwrap_or(CONNS);
    let most = load.max_conns.unwrap_or(conns.saturating_mul(GROW));
    if most < conns { Err(ConfigError::GrowBelow { most, conns }) } else { Ok(most) }
}

/// Connections of a worker: those that are asked for or may be reached, or the attempts that can be
/// pending at one time.
fn conns(load: &LoadOptions, connect: &ConnectOptions, model: &Load) -> u32 {
    match model {
        Load::Overload { rate, .. } => {
            let timeout = connect_timeout(load, connect, model).as_secs_f64();
            let pending = rate.max_rate().as_f64() * timeout / f64::from(load.procs);
            (pending.ceil() as u32).max(1)
        }
        _ => load.conns.unwrap_or(CONNS),
    }
}

/// The time between reports: a second, or so short that a measurement has the sections by which its
/// quantiles are judged.
pub(super) fn interval(duration: Option<Duration>) -> Duration {
    let section = duration.map_or(INTERVAL, |duration| duration / SECTIONS as u32);
    section.clamp(INTERVAL_MIN / 2, INTERVAL)
}

/// The length of measurement: given, or what the schedule is long, or ten seconds.
fn length(load: &LoadOptions, model: &Load) -> Option<Duration> {
    if load.curve.is_some() {
        return Some(load.step.unwrap_or(DURATION));
    }
    let schedule = model.schedule().map(|(rate, _)| rate.length()).filter(|len| !len.is_zero());
    let unasked = || schedule.map_or(DURATION, |len| len.saturating_sub(load.warmup).max(MOMENT));
    load.duration.or_else(|| load.requests.is_none().then(unasked))
}

fn check_protocol(request: &RequestOptions, protocol: Protocol) -> Result<(), ConfigError> {
    let (given, needs) = match protocol {
        Protocol::Http => (
            vec![("--message-bytes", request.message_bytes.is_some())],
            "a tcp:// target or --target-protocol echo",
        ),
        Protocol::Echo => (
            vec![
                ("-X/--request", request.request.is_some()),
                ("-H/--header", !request.header.is_empty()),
                ("-d/--data", !request.data.is_empty()),
                ("--expect-status", !request.expect_status.is_empty()),
                ("--lenient", request.lenient),
                ("--max-body", request.max_body.is_some()),
            ],
            "an http target",
        ),
    };
    first(&given).map_or(Ok(()), |option| Err(ConfigError::Needs { option, needs }))
}

fn check_supervision(options: &SupervisionOptions) -> Result<(), ConfigError> {
    let replaces = options.on_worker_death == OnWorkerDeath::Replace;
    if options.restart_limit.is_some() && !replaces {
        let (option, needs) = ("--restart-limit", "--on-worker-death replace");
        return Err(ConfigError::Needs { option, needs });
    }
    if options.allow_lost.is_some() && options.on_worker_death == OnWorkerDeath::Fail {
        let (option, with) = ("--allow-lost", "--on-worker-death fail");
        return Err(ConfigError::Conflict { option, with });
    }
    Ok(())
}

/// The first option that is given.
pub(super) fn first(given: &[(&'static str, bool)]) -> Option<&'static str> {
    given.iter().find(|(_, given)| *given).map(|(option, _)| *option)
}

fn embedded_target(options: &EmbeddedOptions, protocol: Protocol) -> Result<Embedded, ConfigError> {
    let any_port = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let listen = options.target_listen.unwrap_or(any_port);
    let hostile = hostile::checked(Wish {
        names: ["--target-hostile", "--target-chop", "--target-after", "--target-hostile-conns"],
        cases: &options.target_hostile,
        chop: options.target_chop,
        after: options.target_after,
        connections: options.target_hostile_conns,
        listen,
        protocol,
        case_per_port: false,
    })?;
    let names = ["--target-stall", "--target-hostile"];
    let stalls = stalls(names, options.target_stall.clone(), hostile.is_some())?;
    Ok(Embedded {
        procs: options.target_procs,
        listen,
        protocol: options.target_protocol.unwrap_or(Protocol::Http),
        body_bytes: options.target_body_bytes.unwrap_or(SMALL_BYTES),
        delay: options.target_delay.unwrap_or_default(),
        service: options.target_service,
        stalls,
        hostile,
        leak_bytes_per_min: options.target_leak,
    })
}

/// The stalls in order. A target that breaks the protocol keeps its own time, so it has none.
fn stalls(
    [option, with]: [&'static str; 2],
    mut stalls: Vec<Stall>,
    hostile: bool,
) -> Result<Vec<Stall>, ConfigError> {
    if hostile && !stalls.is_empty() {
        return Err(ConfigError::Conflict { option, with });
    }
    stalls.sort_by_key(|stall| stall.after);
    let overlap = |pair: &&[Stall]| {
        let over = pair[0].length.map(|length| pair[0].after + length);
        over.is_none_or(|over| over > pair[1].after)
    };
    match stalls.windows(2).find(overlap) {
        Some([first, second]) => {
            Err(ConfigError::Overlap { option, first: first.after, second: second.after })
        }
        _ => Ok(stalls),
    }
}

fn expected_statuses(given: Vec<(u16, u16)>) -> Vec<(u16, u16)> {
    if given.is_empty() { vec![STATUSES] } else { given }
}

fn sources(given: Vec<Source>) -> Result<Vec<IpAddr>, ConfigError> {
    let count = given.iter().map(|source| source.0.len()).sum();
    if count > SOURCES_MAX {
        return Err(ConfigError::Sources { count, max: SOURCES_MAX });
    }
    Ok(given.into_iter().flat_map(|source| source.0).collect())
}

fn method(request: &RequestOptions) -> String {
    let implied = if request.data.is_empty() { "GET" } else { "POST" };
    request.request.clone().unwrap_or_else(|| implied.to_owned())
}

/// The user's headers, and the form type where `--data` comes without a type, as with curl.
fn headers(request: &RequestOptions) -> Vec<(String, String)> {
    let mut headers = request.header.clone();
    let typed = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(FORM.0));
    if !request.data.is_empty() && !typed {
        headers.push((FORM.0.into(), FORM.1.into()));
    }
    headers
}

/// The parts of `--data`, joined by `&` as curl does; `@file` is a file's bytes as they are.
fn body(data: &[String]) -> Result<Vec<u8>, ConfigError> {
    let mut body = Vec::new();
    for (index, part) in data.iter().enumerate() {
        if index > 0 {
            body.push(b'&');
        }
        match part.strip_prefix('@') {
            Some(path) => {
                let bytes = regular::read(Path::new(path), BODY_BYTES_MAX);
                body.extend(bytes.map_err(ConfigError::Data)?);
            }
            None => body.extend_from_slice(part.as_bytes()),
        }
        let bytes = body.len() as u64;
        if bytes > BODY_BYTES_MAX {
            return Err(ConfigError::Body { bytes, bytes_max: BODY_BYTES_MAX });
        }
    }
    Ok(body)
}

/// A seed that differs from run to run; it needs no quality beyond that. 53 bits, since many readers
/// of JSON keep no more of a number, and a rounded seed repeats no run.
fn drawn_seed() -> u64 {
    RandomState::new().hash_one((wall::now(), std::process::id())) >> 11
}

#[cfg(test)]
mod tests {
    use super::super::{Invocation, invocation};
    use super::*;

    fn config(words: &[&str]) -> Result<Config, String> {
        let words = ["sclients"].iter().chain(words).map(Into::into);
        match invocation(words) {
            Ok(Invocation::Run(config)) => Ok(*config),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn defaults_are_those_of_the_design() {
        let config = config(&[]).unwrap();
        let seconds = Duration::from_secs;
        assert_eq!((config.procs, config.conns, config.load.name()), (1, 100, "closed"));
        assert_eq!((config.duration, config.requests), (Some(seconds(10)), None));
        assert_eq!((config.warmup, config.think), (Duration::ZERO, Duration::ZERO));
        assert_eq!((config.timeout, config.connect_timeout), (seconds(10), seconds(10)));
        assert_eq!((config.open_timeout, config.drain), (seconds(60), seconds(10)));
        assert_eq!((config.grace, config.interval), (seconds(5), Duration::from_millis(500)));
        assert_eq!((config.max_connecting, config.reopen), (256, true));
        assert_eq!((config.method.as_str(), config.message_bytes), ("GET", 64));
        assert_eq!(config.expected_statuses, [(200, 399)]);
        assert_eq!(config.embedded.listen, ([127, 0, 0, 1], 0).into());
        assert_eq!((config.embedded.body_bytes, config.embedded.procs), (64, None));
        assert_eq!(config.protocol(), Protocol::Http);
    }

    #[test]
    fn what_is_left_open_follows_from_the_rest() {
        let counted = config(&["--requests", "10k"]).unwrap();
        assert_eq!((counted.duration, counted.requests), (None, Some(10_000)));
        let both = config(&["--requests", "5", "--duration", "3s"]).unwrap();
        assert_eq!((both.duration, both.requests), (Some(Duration::from_secs(3)), Some(5)));
        let drained = config(&["--timeout", "3s"]).unwrap();
        assert_eq!(drained.drain, Duration::from_secs(3));
        let own_drain = config(&["--timeout", "3s", "--drain", "0"]).unwrap();
        assert_eq!(own_drain.drain, Duration::ZERO);
        assert_eq!(config(&["--seed", "7"]).unwrap().seed, 7);
        assert_ne!(config(&[]).unwrap().seed, config(&[]).unwrap().seed);
        assert!((0..64).all(|_| config(&[]).unwrap().seed < 1 << 53));
        assert_eq!(config(&["tcp://[::1]:7"]).unwrap().protocol(), Protocol::Echo);
    }

    #[test]
    fn lists_repeat_and_take_commas() {
        let words =
            ["--source", "127.0.0.2,127.0.0.3", "--source", "127.0.1.0/30", "--cpus", "0,1"];
        let config = config(&[&words[..], &["--expect-status", "200-299,404"]].concat()).unwrap();
        let sources: Vec<String> = config.sources.iter().map(IpAddr::to_string).collect();
        assert_eq!(sources, ["127.0.0.2", "127.0.0.3", "127.0.1.1", "127.0.1.2"]);
        assert_eq!(config.cpus, [0, 1]);
        assert_eq!(config.expected_statuses, [(200, 299), (404, 404)]);
    }

    #[test]
    fn sources_are_bounded_in_total() {
        let mistake = config(&["--source", "127.1.0.0/16,127.2.0.0/16"]).unwrap_err();
        assert_eq!(mistake, "--source holds 131068 addresses in total; give at most 65536");
    }

    #[test]
    fn data_implies_post_and_is_joined_as_by_curl() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("body");
        std::fs::write(&path, b"\x00c=3\n").unwrap();
        let file = format!("@{}", path.display());
        let posted = config(&["-d", "a=1", "-d", "-b", "-d", &file]).unwrap();
        assert_eq!(
            (posted.method.as_str(), posted.body.as_slice()),
            ("POST", &b"a=1&-b&\x00c=3\n"[..])
        );
        let form = ("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned());
        assert_eq!(posted.headers, [form]);
        let typed =
            config(&["-XGET", "-d", "", "-H", "content-type: a/b", "-H", "Accept:"]).unwrap();
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(typed.headers, [header("content-type", "a/b"), header("Accept", "")]);
        assert_eq!((typed.method.as_str(), typed.body.len()), ("GET", 0));
        let missing = config(&["-d", "@/nosuch/file"]).unwrap_err();
        assert!(missing.starts_with("--data: file `/nosuch/file` cannot be read (No such file"));
        let folder = config(&["-d", "@/"]).unwrap_err();
        assert_eq!(folder, "--data: `/` is not a regular file; write its content to one");
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        let hold = ["--load", "hold"];
        let echo = ["--target-protocol", "echo"];
        for (words, mistake) in [
            (
                vec!["--load", "hold", "--requests", "5"],
                "--requests works only with --load closed or open; add that or leave --requests out",
            ),
            (
                vec!["--heartbeat", "1s"],
                "--heartbeat works only with --load hold; add that or leave --heartbeat out",
            ),
            (
                vec!["--no-reopen"],
                "--no-reopen works only with --load hold; add that or leave --no-reopen out",
            ),
            (
                vec!["--message-bytes", "64"],
                "--message-bytes works only with a tcp:// target or --target-protocol echo; add that or leave --message-bytes out",
            ),
            (
                vec!["-XGET", "tcp://[::1]:7"],
                "-X/--request works only with an http target; add that or leave -X/--request out",
            ),
            (
                vec!["--load", "hold", "--think", "1s"],
                "--think works only with --load closed; add that or leave --think out",
            ),
            (
                vec!["--expect-status", "200", "tcp://[::1]:7"],
                "--expect-status works only with an http target; add that or leave --expect-status out",
            ),
            (
                vec!["--target-body-bytes", "1", "--target-protocol", "echo"],
                "--target-body-bytes cannot be used with --target-protocol echo; leave one of them out",
            ),
            (
                vec!["--curve", "1..5/2", "--duration", "3s"],
                "--duration cannot be used with --curve; use --step",
            ),
            (
                vec!["--curve", "1..5/2", "--attempt-rate", "3"],
                "--attempt-rate cannot be used with --curve; leave one of them out",
            ),
            (
                vec!["--curve", "1..5/2", "--limit", "p99<1s"],
                "--limit cannot be used with --curve; leave one of them out",
            ),
            (
                vec!["--curve", "1..5/2", "--load", "open"],
                "--curve works only with --load overload; add that or leave --curve out",
            ),
            (
                vec!["--curve", "100..1/2", "--procs", "8"],
                "--curve 1 is below one per second for each of 8 workers; lower --procs",
            ),
            (vec!["--step", "1s"], "--step works only with --curve; add that or leave --step out"),
            (
                vec!["--resolve", "a:80:127.0.0.1"],
                "--resolve works only with a TARGET; add that or leave --resolve out",
            ),
            (
                vec!["--target-delay", "0s", "http://[::1]/"],
                "--target-delay cannot be used with a TARGET; leave one of them out",
            ),
        ] {
            assert_eq!(config(&words).unwrap_err(), mistake);
        }
        assert!(config(&[&echo[..], &["-H", "A: b"]].concat()).is_err());
        assert!(config(&[&echo[..], &["-d", "x"]].concat()).is_err());
        let message = config(&[&echo[..], &["--message-bytes", "1KiB"]].concat()).unwrap();
        assert_eq!(message.message_bytes, 1_024);
        let held = config(&[&hold[..], &["--heartbeat", "1s", "--no-reopen"]].concat()).unwrap();
        assert_eq!((held.heartbeat, held.reopen), (Some(Duration::from_secs(1)), false));
    }

    #[test]
    fn stalls_come_in_order_and_never_overlap() {
        let stalls = |words: &str| {
            let words: Vec<&str> = words.split(' ').collect();
            config(&words).map(|config| config.embedded.stalls)
        };
        let given = stalls("--target-stall 8s:2s,1s:7s --target-stall 20s:end").unwrap();
        let after: Vec<u64> = given.iter().map(|stall| stall.after.as_secs()).collect();
        assert_eq!((after, given[2].length), (vec![1, 8, 20], None));
        for words in ["1s:2s,2s:1s", "2s:end,3s:1s", "1s:1s,1s:1s"] {
            let mistake = stalls(&format!("--target-stall {words}")).unwrap_err();
            assert!(mistake.starts_with("--target-stall: the stall at "), "{mistake}");
        }
        assert_eq!(
            stalls("--target-stall 1s:1s --target-hostile mute").unwrap_err(),
            "--target-stall cannot be used with --target-hostile; leave one of them out"
        );
        assert_eq!(
            stalls("--target-stall 1s:1s http://[::1]/").unwrap_err(),
            "--target-stall cannot be used with a TARGET; leave one of them out"
        );
    }
}
