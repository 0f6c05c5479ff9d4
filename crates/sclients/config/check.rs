//! Options → [`Config`]: what they mean together, and what was left to us.

use super::cli::{EarlyAnswer, EmbeddedOptions, RequestOptions, RunOptions, ServeOptions};
use super::error::ConfigError;
use super::hostile::{self, Wish};
use super::list::{SOURCES_MAX, Source};
use super::{Config, Embedded, Load, Protocol, ServeConfig, SlowClients, authorization, regular};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Length of measurement where neither it nor a number of requests is given.
const DURATION: Duration = Duration::from_secs(10);
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
    let RunOptions { target, config: _, load, connect, request, embedded, output } = options;
    let body = body(&request.data)?;
    Ok(Config {
        procs: load.procs,
        conns: load.conns,
        load: load.load,
        duration: load.duration.or(load.requests.is_none().then_some(DURATION)),
        requests: load.requests,
        warmup: load.warmup,
        think: load.think,
        timeout: request.timeout,
        first_byte_timeout: request.first_byte_timeout,
        idle_timeout: request.idle_timeout,
        lenient: request.lenient,
        finish_early: request.early_answer == EarlyAnswer::Finish,
        body_max: request.max_body.map(|bytes| u32::try_from(bytes).expect("under its bound")),
        connect_timeout: connect.connect_timeout,
        open_timeout: connect.open_timeout,
        drain: load.drain.unwrap_or(request.timeout),
        grace: load.grace,
        interval: output.interval,
        connect_rate: connect.connect_rate,
        max_connecting: connect.max_connecting,
        slow: SlowClients {
            read_bytes_per_s: connect.read_rate,
            write_bytes_per_s: connect.write_rate,
            receive_buffer_bytes: connect.rcvbuf,
        },
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
        body,
        message_bytes: usize::try_from(request.message_bytes.unwrap_or(SMALL_BYTES))
            .unwrap_or(usize::MAX),
        expected_statuses: match request.expect_status {
            none if none.is_empty() => vec![STATUSES],
            given => given,
        },
        embedded: embedded_target(&embedded, protocol)?,
        cpus: load.cpus,
        format: output.format,
        progress: output.progress,
        color: output.color,
    })
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
    let procs = if options.case_per_port { cases as u32 } else { options.procs };
    Ok(ServeConfig {
        embedded: Embedded {
            procs: Some(procs),
            listen: options.listen,
            protocol: options.protocol,
            body_bytes: options.body_bytes,
            delay: options.delay,
            service: options.service,
            hostile,
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

fn check_load(options: &RunOptions) -> Result<(), ConfigError> {
    let (load, connect) = (&options.load, &options.connect);
    if load.load == Load::Hold {
        let with = "--load hold";
        let given = [("--requests", load.requests.is_some()), ("--think", !load.think.is_zero())];
        let option = first(&given);
        return option.map_or(Ok(()), |option| Err(ConfigError::Conflict { option, with }));
    }
    let given = [("--heartbeat", load.heartbeat.is_some()), ("--no-reopen", connect.no_reopen)];
    let needs = "--load hold";
    first(&given).map_or(Ok(()), |option| Err(ConfigError::Needs { option, needs }))
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
    Ok(Embedded {
        procs: options.target_procs,
        listen,
        protocol: options.target_protocol.unwrap_or(Protocol::Http),
        body_bytes: options.target_body_bytes.unwrap_or(SMALL_BYTES),
        delay: options.target_delay.unwrap_or_default(),
        service: options.target_service,
        hostile,
    })
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
    RandomState::new().hash_one((SystemTime::now(), std::process::id())) >> 11
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
        assert_eq!((config.procs, config.conns, config.load), (1, 100, Load::Closed));
        assert_eq!((config.duration, config.requests), (Some(seconds(10)), None));
        assert_eq!((config.warmup, config.think), (Duration::ZERO, Duration::ZERO));
        assert_eq!((config.timeout, config.connect_timeout), (seconds(10), seconds(10)));
        assert_eq!((config.open_timeout, config.drain), (seconds(60), seconds(10)));
        assert_eq!((config.grace, config.interval), (seconds(5), seconds(1)));
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
                "--requests cannot be used with --load hold; leave one of them out",
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
                "--think cannot be used with --load hold; leave one of them out",
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
}
