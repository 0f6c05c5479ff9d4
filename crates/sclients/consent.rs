//! Whether a target may be loaded, by one rule for private and public addresses: this host always,
//! any other only when it is named twice, and then mildly, or by an entry of the authorisation file,
//! and then as that says. Nothing allows all. Pure: it looks nothing up and opens nothing.
//!
//! Start at [`check`]; [`found`] chooses among the entries.

use crate::config::authorization::{Entry, Scope};
use crate::config::{Config, Load};
use humantime::format_duration;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};
use thiserror::Error;

/// The most connections to a host that was only named again, in total.
pub const CONNECTIONS_MAX: u64 = 10;
/// The most requests per second to it, in total, and as many connection attempts.
pub const REQUESTS_PER_S_MAX: u64 = 10;
/// The longest load on it, warm-up and measurement.
pub const DURATION_MAX: Duration = Duration::from_secs(10);
/// The most requests to it where there is no duration.
pub const REQUESTS_MAX: u64 = 100;
/// Off loopback workers report at least so often: the supervisor judges each second by itself.
const INTERVAL_MAX: Duration = Duration::from_secs(1);

/// Leave to run, and its conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Who gives it; none on loopback, where there are no conditions.
    pub authorization: Option<Authorization>,
}

/// What allows a run off loopback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Authorization {
    /// `--authorized` with this host, as typed.
    Option(String),
    /// An entry of the authorisation file.
    File(Entry),
}

impl Authorization {
    /// The most connections, in total.
    pub fn connections(&self) -> u64 {
        self.entry().map_or(CONNECTIONS_MAX, |entry| entry.connections)
    }

    /// The most requests per second in total, over all workers.
    pub fn requests_per_s(&self) -> u64 {
        self.entry().map_or(REQUESTS_PER_S_MAX, |entry| entry.requests_per_s)
    }

    /// The most connection attempts per second in total, over all workers.
    pub fn attempts_per_s(&self) -> u64 {
        self.entry().map_or(REQUESTS_PER_S_MAX, |entry| entry.attempts_per_s)
    }

    /// The entry of the file, if that is what it is.
    pub fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Option(_) => None,
            Self::File(entry) => Some(entry),
        }
    }

    /// The rates of it that each of so many loads at one time may reach, which all of them together keep.
    #[must_use]
    pub fn shared_by(&self, loads: u64) -> Self {
        match self {
            Self::File(entry) if loads > 1 => Self::File(Entry {
                requests_per_s: entry.requests_per_s / loads,
                attempts_per_s: entry.attempts_per_s / loads,
                ..entry.clone()
            }),
            _ => self.clone(),
        }
    }

    /// How a refusal names it, where so many loads share it.
    const fn giver(&self, loads: u64) -> Giver {
        match self {
            Self::Option(_) => Giver::Option,
            Self::File(_) if loads > 1 => Giver::Share(loads),
            Self::File(_) => Giver::Entry,
        }
    }
}

/// By what a ceiling is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Giver {
    /// The option, for any host that it names.
    Option,
    /// An entry of the file.
    Entry,
    /// The same, for so many loads together.
    Share(u64),
}

impl fmt::Display for Giver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option => f.write_str("which only --authorized names"),
            Self::Entry => f.write_str("by its entry in the --authorization file"),
            Self::Share(loads) => write!(
                f,
                "a share of its entry in the --authorization file, since {loads} phases may load it at one time"
            ),
        }
    }
}

impl Consent {
    /// Holds what `config` asks for to the conditions. Requests are held to theirs by the plan.
    #[must_use]
    pub fn limit(&self, mut config: Config) -> Config {
        if let Some(authorization) = &self.authorization {
            let ceiling = authorization.shared_by(config.loads_at_once()).attempts_per_s();
            let phases = config.phases.iter_mut().map(|phase| &mut phase.config);
            phases.for_each(|config| hold_to(config, ceiling));
            hold_to(&mut config, ceiling);
        }
        config
    }
}

/// Attempts are no more than `ceiling` in a second, and are reported each second.
fn hold_to(config: &mut Config, ceiling: u64) {
    config.connect_rate = Some(config.connect_rate.map_or(ceiling, |rate| rate.min(ceiling)));
    config.interval = config.interval.min(INTERVAL_MAX);
}

/// Why a target is not loaded; exit code 6.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoConsent {
    /// An address that means any.
    #[error("target `{host}` is {address}, which is every address of this host; write {remedy}")]
    Unspecified {
        /// As typed.
        host: String,
        /// What it is.
        address: IpAddr,
        /// The loopback address of the same family.
        remedy: &'static str,
    },
    /// A scenario of several loads, where one mild one is allowed.
    #[error(
        "phases need an entry in an --authorization file; `{host}` ({address}) is named by --authorized alone"
    )]
    Phases {
        /// As typed.
        host: String,
        /// Where it is.
        address: IpAddr,
    },
    /// More loads at one time than there are requests or attempts for.
    #[error(
        "{loads} phases may load `{host}` ({address}) at one time, and cannot share {ceiling} {unit}/s, by its entry in the --authorization file; let some begin `after` others"
    )]
    Shares {
        /// As typed.
        host: String,
        /// Where it is.
        address: IpAddr,
        /// How many.
        loads: u64,
        /// What is allowed.
        ceiling: u64,
        /// Of what.
        unit: &'static str,
    },
    /// Another host that nothing allows.
    #[error(
        "target `{host}` ({address}) is not on this host's loopback; if you may load it, add --authorized {host} or an entry to an --authorization file"
    )]
    NotAuthorized {
        /// As typed.
        host: String,
        /// Where it is.
        address: IpAddr,
    },
    /// Another host whose leave is over.
    #[error(
        "the leave to load `{host}` ({address}) ended {expires}; renew its entry in the --authorization file if you still may"
    )]
    Expired {
        /// As typed.
        host: String,
        /// Where it is.
        address: IpAddr,
        /// As written.
        expires: String,
    },
    /// Too many connections.
    #[error(
        "{connections} connections ({made}) are over the ceiling of {ceiling} for `{host}` ({address}), {giver}; lower --procs or --conns"
    )]
    Connections {
        /// As typed.
        host: String,
        /// Where it is.
        address: IpAddr,
        /// What was asked for.
        connections: u64,
        /// Of what they are made.
        made: String,
        /// What is allowed.
        ceiling: u64,
        /// By what.
        giver: Giver,
    },
    /// Too frequent heartbeats: held to the ceiling they would never be on time.
    #[error(
        "{connections} connections with a request every {} are over the ceiling of {ceiling} requests/s for `{host}` ({address}), {giver}; lengthen --heartbeat or lower --conns",
        format_duration(*.heartbeat)
    )]
    Heartbeat {
        /// As typed.
        host: String,
        /// Where it is.
        address: IpAddr,
        /// What was asked for.
        connections: u64,
        /// How often on each.
        heartbeat: Duration,
        /// What is allowed.
        ceiling: u64,
        /// By what.
        giver: Giver,
    },
    /// A schedule over the ceiling: held to it, it would not be kept.
    #[error(
        "{option} {rate} is over the ceiling of {ceiling} {unit}/s for `{host}` ({address}), {giver}; lower {option}"
    )]
    Rate {
        /// As typed.
        host: String,
        /// Where it is.
        address: IpAddr,
        /// The option.
        option: &'static str,
        /// As given.
        rate: String,
        /// What is allowed.
        ceiling: u64,
        /// Of what.
        unit: &'static str,
        /// By what.
        giver: Giver,
    },
    /// Slow clients, which hold on to what the server keeps for each: an attack where it is not asked
    /// for.
    #[error(
        "slow clients ({asked}) need an entry in an --authorization file; `{host}` ({address}) is named by --authorized alone"
    )]
    SlowClients {
        /// As typed.
        host: String,
        /// Where it is.
        address: IpAddr,
        /// The options.
        asked: String,
    },
    /// Too long.
    #[error(
        "{} of load is over the ceiling of {} for `{host}` ({address}), which only --authorized names; lower {lower} or --warmup",
        format_duration(*.duration), format_duration(DURATION_MAX)
    )]
    Duration {
        /// As typed.
        host: String,
        /// Where it is.
        address: IpAddr,
        /// Warm-up and measurement, of all steps of a series.
        duration: Duration,
        /// What makes it so long.
        lower: &'static str,
    },
    /// Too many requests, and no duration that would end them.
    #[error(
        "{requests} requests without --duration are over the ceiling of {REQUESTS_MAX} for `{host}` ({address}), which only --authorized names; lower --requests or add --duration 10s"
    )]
    Requests {
        /// As typed.
        host: String,
        /// Where it is.
        address: IpAddr,
        /// What was asked for.
        requests: u64,
    },
}

/// Whether `config` may run at `now` against its target at `addresses`, and on what conditions.
///
/// One address that is not loopback makes the target another host. An entry of the file goes before
/// `--authorized`, since it says more.
///
/// # Errors
/// The target is another host and nothing allows it, or more is asked for than that allows.
pub fn check(
    config: &Config,
    addresses: &[SocketAddr],
    now: SystemTime,
) -> Result<Consent, NoConsent> {
    let free = Consent { authorization: None };
    let Some(target) = &config.target else { return Ok(free) };
    let canonical: Vec<IpAddr> = addresses.iter().map(|a| a.ip().to_canonical()).collect();
    if let Some(address) = canonical.iter().copied().find(IpAddr::is_unspecified) {
        let remedy = if address.is_ipv4() { "127.0.0.1" } else { "[::1]" };
        return Err(NoConsent::Unspecified { host: target.host.clone(), address, remedy });
    }
    let other = canonical.iter().copied().find(|address| !address.is_loopback());
    let Some(address) = other else { return Ok(free) };
    let host = target.host.clone();
    let named = config.authorized.iter().any(|named| named.eq_ignore_ascii_case(&host));
    let authorization =
        match found(&config.authorization, &target.host, &canonical, target.port, now) {
            Found::Entry(entry) => Authorization::File(entry.clone()),
            _ if named => Authorization::Option(host),
            Found::Expired(entry) => {
                let expires = entry.expires.to_string();
                return Err(NoConsent::Expired { host, address, expires });
            }
            Found::Nothing => return Err(NoConsent::NotAuthorized { host, address }),
        };
    if config.phases.is_empty() {
        check_ceilings(config, &authorization, 1, &target.host, address)?;
    } else {
        check_phases(config, &authorization, &target.host, address)?;
    }
    Ok(Consent { authorization: Some(authorization) })
}

/// Whether the phases of `config` together are allowed: connections over all of them, since those of a
/// phase may be there when the next one opens its own, rates over those that may load at one time.
fn check_phases(
    config: &Config,
    authorization: &Authorization,
    host: &str,
    address: IpAddr,
) -> Result<(), NoConsent> {
    let Authorization::File(entry) = authorization else {
        return Err(NoConsent::Phases { host: host.to_owned(), address });
    };
    let loads = config.loads_at_once();
    let rates = [(entry.requests_per_s, "requests"), (entry.attempts_per_s, "attempts")];
    if let Some((ceiling, unit)) = rates.into_iter().find(|(ceiling, _)| *ceiling < loads) {
        return Err(NoConsent::Shares { host: host.to_owned(), address, loads, ceiling, unit });
    }
    let connections = config.phases.iter().map(|phase| connections(&phase.config)).sum();
    if connections > entry.connections {
        return Err(NoConsent::Connections {
            host: host.to_owned(),
            address,
            connections,
            made: "of all phases together".to_owned(),
            ceiling: entry.connections,
            giver: authorization.giver(1),
        });
    }
    let shared = authorization.shared_by(loads);
    config
        .phases
        .iter()
        .try_for_each(|phase| check_ceilings(&phase.config, &shared, loads, host, address))
}

/// The most connections at one time, in all workers.
fn connections(config: &Config) -> u64 {
    u64::from(config.procs) * u64::from(config.conns_max())
}

/// What the authorisation file says of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// It may be loaded, so.
    Entry(&'a Entry),
    /// It was allowed; the entry that did so for longest.
    Expired(&'a Entry),
    /// It is not in it.
    Nothing,
}

/// The first of `entries` that is in force at `now` for a target typed as `host`, with all its
/// `addresses`, at `port`.
pub fn found<'a>(
    entries: &'a [Entry],
    host: &str,
    addresses: &[IpAddr],
    port: u16,
    now: SystemTime,
) -> Found<'a> {
    let allows = |entry: &&Entry| {
        entry.port.is_none_or(|own| own == port)
            && match &entry.scope {
                Scope::Host(own) => own.eq_ignore_ascii_case(host),
                Scope::Network(network) => {
                    !addresses.is_empty() && addresses.iter().all(|a| network.holds(*a))
                }
            }
    };
    let allowing = entries.iter().filter(allows);
    match allowing.clone().find(|entry| !entry.expires.is_over(now)) {
        Some(entry) => Found::Entry(entry),
        None => {
            let last = allowing.max_by_key(|entry| &entry.expires);
            last.map_or(Found::Nothing, Found::Expired)
        }
    }
}

/// Whether one load is allowed, of `loads` that share what `authorization` allows.
fn check_ceilings(
    config: &Config,
    authorization: &Authorization,
    loads: u64,
    host: &str,
    address: IpAddr,
) -> Result<(), NoConsent> {
    let (host, giver) = (host.to_owned(), authorization.giver(loads));
    let (connections, ceiling) = (connections(config), authorization.connections());
    if connections > ceiling {
        let conns = match config.conns_max() {
            most if most > config.conns => format!("--max-conns {most}"),
            conns => format!("--conns {conns}"),
        };
        let made = format!("--procs {} × {conns}", config.procs);
        return Err(NoConsent::Connections { host, address, connections, made, ceiling, giver });
    }
    let ceiling = authorization.requests_per_s();
    if let Some(heartbeat) = config.heartbeat.filter(|every| beats(connections, *every, ceiling)) {
        return Err(NoConsent::Heartbeat { host, address, connections, heartbeat, ceiling, giver });
    }
    let (option, unit, ceiling) = match config.load {
        Load::Overload { .. } => {
            let option = if config.curve.is_some() { "--curve" } else { "--attempt-rate" };
            (option, "attempts", authorization.attempts_per_s())
        }
        _ => ("--rate", "requests", ceiling),
    };
    let schedule = config.load.schedule().map(|(rate, _)| rate);
    if let Some(rate) = schedule.filter(|rate| rate.max_rate().as_f64() > ceiling as f64) {
        let rate = rate.to_string();
        return Err(NoConsent::Rate { host, address, option, rate, ceiling, unit, giver });
    }
    match authorization {
        Authorization::Option(_) => check_mild(config, host, address),
        Authorization::File(_) => Ok(()),
    }
}

/// Whether so many connections with a request every so often make more than `ceiling` per second.
fn beats(connections: u64, every: Duration, ceiling: u64) -> bool {
    u128::from(connections) * 1_000_000_000 > u128::from(ceiling) * every.as_nanos()
}

/// How long, or how many requests, and how slowly: bounded where the host is only named again.
fn check_mild(config: &Config, host: String, address: IpAddr) -> Result<(), NoConsent> {
    if let Some(asked) = config.slow.asked() {
        return Err(NoConsent::SlowClients { host, address, asked });
    }
    let run = config.warmup.saturating_add(config.duration.unwrap_or_default());
    // The steps of a series load the host one after the other.
    let (runs, lower) = config
        .curve
        .map_or((1, "--duration"), |series| (series.steps, "--step, the steps of --curve"));
    let duration = run.saturating_mul(runs);
    if duration > DURATION_MAX {
        return Err(NoConsent::Duration { host, address, duration, lower });
    }
    let requests = config.requests.unwrap_or(u64::MAX);
    if config.duration.is_none() && requests > REQUESTS_MAX {
        return Err(NoConsent::Requests { host, address, requests });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::authorization;
    use crate::config::{Invocation, invocation};

    fn config(words: &str) -> Config {
        let words = format!("sclients {words}");
        match invocation(words.split(' ').map(Into::into)) {
            Ok(Invocation::Run(config)) => *config,
            other => panic!("{other:?}"),
        }
    }

    /// 2027-01-15T08:00:00Z.
    const NOW: u64 = 1_800_000_000;

    fn said(words: &str, addresses: &[&str]) -> Result<Consent, String> {
        with_entries(words, addresses, vec![])
    }

    fn with_entries(
        words: &str,
        addresses: &[&str],
        entries: Vec<Entry>,
    ) -> Result<Consent, String> {
        let addresses: Vec<SocketAddr> =
            addresses.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 80)).collect();
        let mut config = config(words);
        config.authorization = entries;
        check(&config, &addresses, at(NOW)).map_err(|error| error.to_string())
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// An entry for the host or network that `scope` says, until `expires`.
    fn entry(scope: &str, expires: &str) -> Entry {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("allow.toml");
        let text = format!(
            "[[allow]]\n{scope}\nconnections = 20\nrequests_per_s = 50\nattempts_per_s = 5\n\
             expires = {expires}\ncontact = 'ops@example.org'\npurpose = 'spring'\n"
        );
        std::fs::write(&path, text).unwrap();
        authorization::read(&path).unwrap().remove(0)
    }

    const FREE: Consent = Consent { authorization: None };

    fn mild(host: &str) -> Consent {
        Consent { authorization: Some(Authorization::Option(host.into())) }
    }

    #[test]
    fn loopback_is_free() {
        assert_eq!(said("--procs 32 --conns 10k", &[]), Ok(FREE));
        for address in ["127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(said("--conns 10k http://localhost/", &[address]), Ok(FREE), "{address}");
        }
    }

    #[test]
    fn any_other_address_must_be_named_again() {
        for address in ["192.0.2.1", "2001:db8::1", "10.0.0.1", "169.254.0.1", "fe80::1"] {
            assert_eq!(
                said("--conns 1 http://example.org/", &[address]),
                Err(format!(
                    "target `example.org` ({address}) is not on this host's loopback; if you may load it, add --authorized example.org or an entry to an --authorization file"
                ))
            );
        }
        assert!(said("--conns 1 http://example.org/", &["127.0.0.1", "192.0.2.1"]).is_err());
        assert!(said("--conns 1 http://example.org/", &["::ffff:192.0.2.1"]).is_err());
        let other = "--conns 1 --authorized example.net http://example.org/";
        assert!(said(other, &["192.0.2.1"]).is_err());
        let by_address = "--conns 1 --authorized 192.0.2.1 http://example.org/";
        assert!(said(by_address, &["192.0.2.1"]).is_err());
    }

    #[test]
    fn a_host_that_is_named_again_is_loaded_mildly() {
        let named = "--conns 10 --authorized EXAMPLE.org http://example.org/";
        assert_eq!(said(named, &["192.0.2.1"]), Ok(mild("example.org")));
        let ipv6 = "--conns 5 --procs 2 --authorized [2001:db8::1] http://[2001:db8::1]:81/";
        assert_eq!(said(ipv6, &["2001:db8::1"]), Ok(mild("2001:db8::1")));
        let counted = "--conns 1 --requests 100 --authorized a http://a/";
        assert_eq!(said(counted, &["192.0.2.1"]), Ok(mild("a")));
        let both = "--conns 1 --requests 1k --duration 10s --authorized a http://a/";
        assert_eq!(said(both, &["192.0.2.1"]), Ok(mild("a")));
    }

    #[test]
    fn more_than_mild_is_refused_by_the_ceiling() {
        for (words, ceiling) in [
            (
                "--conns 11",
                "11 connections (--procs 1 × --conns 11) are over the ceiling of 10 for `a` (192.0.2.1), which only --authorized names",
            ),
            ("--procs 2 --conns 6", "12 connections (--procs 2 × --conns 6) are over"),
            (
                "--load hold --conns 10 --heartbeat 999ms",
                "10 connections with a request every 999ms are over the ceiling of 10 requests/s for",
            ),
            ("--conns 1 --duration 11s", "11s of load is over the ceiling of 10s for `a`"),
            ("--conns 1 --warmup 1s", "11s of load is over the ceiling of 10s"),
            ("--curve 1..4/3 --step 4s", "12s of load is over the ceiling of 10s"),
            (
                "--curve 1..4/3 --step 3s --warmup 1s",
                "12s of load is over the ceiling of 10s for `a` (192.0.2.1), which only --authorized names; lower --step, the steps of --curve or --warmup",
            ),
            ("--curve 11..1/2 --step 1s", "--curve 11 is over the ceiling of 10 attempts/s"),
            ("--conns 1 --requests 101", "101 requests without --duration are over the ceiling"),
        ] {
            let mistake = said(&format!("{words} --authorized a http://a/"), &["192.0.2.1"]);
            assert!(mistake.as_ref().is_err_and(|text| text.starts_with(ceiling)), "{mistake:?}");
        }
    }

    #[test]
    fn slow_clients_off_loopback_need_an_entry() {
        const REMOTE: [&str; 1] = ["192.0.2.1"];
        for (words, asked) in [
            ("--read-rate 100", "--read-rate 100 B/s"),
            ("--write-rate 10KiB", "--write-rate 10,240 B/s"),
            ("--rcvbuf 4096", "--rcvbuf 4,096 B"),
            ("--rcvbuf 1 --read-rate 1k", "--read-rate 1,000 B/s, --rcvbuf 1 B"),
        ] {
            let words = format!("{words} --conns 1 http://a/");
            assert_eq!(
                said(&format!("--authorized a {words}"), &REMOTE),
                Err(format!(
                    "slow clients ({asked}) need an entry in an --authorization file; `a` (192.0.2.1) is named by --authorized alone"
                ))
            );
            let entry = entry("host = 'a'", "2027-01-31");
            let leave = Consent { authorization: Some(Authorization::File(entry.clone())) };
            assert_eq!(with_entries(&words, &REMOTE, vec![entry]), Ok(leave));
            assert_eq!(said(&words, &["127.0.0.1"]), Ok(FREE));
        }
    }

    #[test]
    fn an_address_that_means_any_is_refused_even_when_named() {
        for (host, address, remedy) in [
            ("0.0.0.0", "0.0.0.0", "write 127.0.0.1"),
            ("[::]", "::", "write [::1]"),
            ("[::ffff:0.0.0.0]", "::ffff:0.0.0.0", "write 127.0.0.1"),
        ] {
            let words = format!("--conns 1 --authorized {host} http://{host}/");
            let mistake = said(&words, &[address]).unwrap_err();
            assert!(mistake.ends_with(remedy), "{mistake}");
        }
    }

    #[test]
    fn an_entry_allows_as_much_as_it_says_and_for_as_long_as_one_likes() {
        let entry = entry("host = 'example.org'", "2027-01-31");
        let said = |words: &str| {
            let words = format!("{words} http://EXAMPLE.org/");
            with_entries(&words, &["192.0.2.1"], vec![entry.clone()])
        };
        let leave = Consent { authorization: Some(Authorization::File(entry.clone())) };
        assert_eq!(said("--procs 2 --conns 10 --duration 1h"), Ok(leave.clone()));
        assert_eq!(said("--conns 1 --requests 1M --authorized example.org"), Ok(leave.clone()));
        assert_eq!(said("--load hold --conns 10 --heartbeat 200ms"), Ok(leave.clone()));
        assert_eq!(
            said("--procs 3 --conns 7"),
            Err("21 connections (--procs 3 × --conns 7) are over the ceiling of 20 for `EXAMPLE.org` (192.0.2.1), by its entry in the --authorization file; lower --procs or --conns".into())
        );
        assert!(said("--load hold --conns 10 --heartbeat 199ms").is_err());
        for (rate, held) in [("", 5), ("--connect-rate 100", 5), ("--connect-rate 3", 3)] {
            let words = format!("{rate} --conns 1 --interval 60s http://a/").trim().to_owned();
            let limited = leave.limit(config(&words));
            assert_eq!(limited.connect_rate, Some(held), "{rate}");
            assert_eq!(limited.interval, INTERVAL_MAX);
        }
        let free = FREE.limit(config("--interval 60s"));
        assert_eq!((free.connect_rate, free.interval), (None, Duration::from_secs(60)));
    }

    #[test]
    fn an_entry_that_is_over_is_named_by_its_date() {
        let over = entry("host = 'a'", "2027-01-14");
        let words = "--conns 1 http://a/";
        assert_eq!(
            with_entries(words, &["192.0.2.1"], vec![over.clone()]),
            Err("the leave to load `a` (192.0.2.1) ended 2027-01-14; renew its entry in the --authorization file if you still may".into())
        );
        let named = "--conns 1 --authorized a http://a/";
        assert_eq!(with_entries(named, &["192.0.2.1"], vec![over]), Ok(mild("a")));
    }

    #[test]
    fn the_first_entry_in_force_that_holds_host_addresses_and_port_is_the_one() {
        let network = entry("network = '192.0.2.0/24'", "2027-01-31");
        let host = entry("host = 'a'\nport = 81", "2027-01-31");
        let over = entry("network = '192.0.0.0/16'", "2027-01-14");
        let before = entry("network = '192.0.0.0/16'", "2026-01-14");
        let entries = [over.clone(), before, host.clone(), network.clone()];
        let both = ["192.0.2.1", "192.0.2.9"];
        for (name, addresses, port, expected) in [
            ("A", &both[..], 81, Found::Entry(&host)),
            ("a", &["198.51.100.7"], 81, Found::Entry(&host)),
            ("a", &both, 80, Found::Entry(&network)),
            ("b", &["192.0.2.1"], 81, Found::Entry(&network)),
            ("b", &["::ffff:192.0.2.1"], 80, Found::Entry(&network)),
            ("b", &["192.0.2.1", "192.0.3.1"], 80, Found::Expired(&over)),
            ("b", &["192.0.2.1", "2001:db8::1"], 80, Found::Nothing),
            ("b", &["192.0.2.1", "127.0.0.1"], 80, Found::Nothing),
            ("a", &["198.51.100.7"], 80, Found::Nothing),
            ("a.", &["198.51.100.7"], 81, Found::Nothing),
            ("b", &[], 80, Found::Nothing),
        ] {
            let addresses: Vec<IpAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
            let found = found(&entries, name, &addresses, port, at(NOW));
            assert_eq!(found, expected, "{name} {addresses:?} {port}");
        }
    }

    #[test]
    fn loopback_needs_no_entry_and_any_no_entry_helps() {
        let own = entry("network = '127.0.0.0/16'", "2027-01-31");
        let loopback = with_entries("--conns 10k http://127.0.0.1/", &["127.0.0.1"], vec![own]);
        assert_eq!(loopback, Ok(FREE));
        let any = entry("host = '0.0.0.0'", "2027-01-31");
        assert!(with_entries("--conns 1 http://0.0.0.0/", &["0.0.0.0"], vec![any]).is_err());
    }
}
