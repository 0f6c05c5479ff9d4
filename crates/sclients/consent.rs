//! Whether a target may be loaded: this host always, any other only when it is named twice, and
//! then mildly. Pure: it looks nothing up and opens nothing.

use crate::config::Config;
use humantime::format_duration;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use thiserror::Error;

/// The most connections to a host that was only named again, in total.
pub const CONNECTIONS_MAX: u64 = 10;
/// The most requests per second to it, in total.
pub const REQUESTS_PER_S_MAX: u64 = 10;
/// The longest load on it, warm-up and measurement.
pub const DURATION_MAX: Duration = Duration::from_secs(10);
/// The most requests to it where there is no duration.
pub const REQUESTS_MAX: u64 = 100;

/// Leave to run, and its conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Requests per second in total, over all workers; none is as many as there can be.
    pub request_rate_ceiling: Option<u64>,
}

impl Consent {
    /// Holds what `config` asks for to the conditions: a host that refuses or closes is tried again
    /// no more often than it is asked.
    #[must_use]
    pub fn limit(&self, mut config: Config) -> Config {
        if let Some(ceiling) = self.request_rate_ceiling {
            config.connect_rate =
                Some(config.connect_rate.map_or(ceiling, |rate| rate.min(ceiling)));
        }
        config
    }
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
    /// Another host that was not named again.
    #[error(
        "target `{host}` ({address}) is not on this host's loopback; if you may load it, add --authorized {host}"
    )]
    NotAuthorized {
        /// As typed.
        host: String,
        /// Where it is.
        address: IpAddr,
    },
    /// Too many connections.
    #[error(
        "{connections} connections are over the ceiling of {CONNECTIONS_MAX} for `{host}` ({address}), which only --authorized names; lower --procs or --conns"
    )]
    Connections {
        /// As typed.
        host: String,
        /// Where it is.
        address: IpAddr,
        /// What was asked for.
        connections: u64,
    },
    /// Too long.
    #[error(
        "{} of load is over the ceiling of {} for `{host}` ({address}), which only --authorized names; lower --duration or --warmup",
        format_duration(*.duration), format_duration(DURATION_MAX)
    )]
    Duration {
        /// As typed.
        host: String,
        /// Where it is.
        address: IpAddr,
        /// Warm-up and measurement.
        duration: Duration,
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

/// Whether `config` may run against its target at `addresses`, and on what conditions.
///
/// One address that is not loopback makes the target another host.
///
/// # Errors
/// The target is another host and was not named again, or more is asked for than that allows.
pub fn check(config: &Config, addresses: &[SocketAddr]) -> Result<Consent, NoConsent> {
    let free = Consent { request_rate_ceiling: None };
    let Some(target) = &config.target else { return Ok(free) };
    let mut canonical = addresses.iter().map(|address| address.ip().to_canonical());
    if let Some(address) = canonical.clone().find(IpAddr::is_unspecified) {
        let remedy = if address.is_ipv4() { "127.0.0.1" } else { "[::1]" };
        return Err(NoConsent::Unspecified { host: target.host.clone(), address, remedy });
    }
    let Some(address) = canonical.find(|address| !address.is_loopback()) else { return Ok(free) };
    if !config.authorized.iter().any(|host| host.eq_ignore_ascii_case(&target.host)) {
        return Err(NoConsent::NotAuthorized { host: target.host.clone(), address });
    }
    check_ceilings(config, &target.host, address)?;
    Ok(Consent { request_rate_ceiling: Some(REQUESTS_PER_S_MAX) })
}

fn check_ceilings(config: &Config, host: &str, address: IpAddr) -> Result<(), NoConsent> {
    let host = host.to_owned();
    let connections = u64::from(config.procs) * u64::from(config.conns);
    if connections > CONNECTIONS_MAX {
        return Err(NoConsent::Connections { host, address, connections });
    }
    let duration = config.warmup.saturating_add(config.duration.unwrap_or_default());
    if duration > DURATION_MAX {
        return Err(NoConsent::Duration { host, address, duration });
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
    use crate::config::{Invocation, invocation};

    fn config(words: &str) -> Config {
        let words = format!("sclients {words}");
        match invocation(words.split(' ').map(Into::into)) {
            Ok(Invocation::Run(config)) => *config,
            other => panic!("{other:?}"),
        }
    }

    fn said(words: &str, addresses: &[&str]) -> Result<Consent, String> {
        let addresses: Vec<SocketAddr> =
            addresses.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 80)).collect();
        check(&config(words), &addresses).map_err(|error| error.to_string())
    }

    const FREE: Consent = Consent { request_rate_ceiling: None };
    const MILD: Consent = Consent { request_rate_ceiling: Some(10) };

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
                    "target `example.org` ({address}) is not on this host's loopback; if you may load it, add --authorized example.org"
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
        assert_eq!(said(named, &["192.0.2.1"]), Ok(MILD));
        let ipv6 = "--conns 5 --procs 2 --authorized [2001:db8::1] http://[2001:db8::1]:81/";
        assert_eq!(said(ipv6, &["2001:db8::1"]), Ok(MILD));
        let counted = "--conns 1 --requests 100 --authorized a http://a/";
        assert_eq!(said(counted, &["192.0.2.1"]), Ok(MILD));
        let both = "--conns 1 --requests 1k --duration 10s --authorized a http://a/";
        assert_eq!(said(both, &["192.0.2.1"]), Ok(MILD));
    }

    #[test]
    fn more_than_mild_is_refused_by_the_ceiling() {
        for (words, ceiling) in [
            ("--conns 11", "11 connections are over the ceiling of 10 for `a` (192.0.2.1)"),
            ("--procs 2 --conns 6", "12 connections are over the ceiling of 10"),
            ("--conns 1 --duration 11s", "11s of load is over the ceiling of 10s for `a`"),
            ("--conns 1 --warmup 1s", "11s of load is over the ceiling of 10s"),
            ("--conns 1 --requests 101", "101 requests without --duration are over the ceiling"),
        ] {
            let mistake = said(&format!("{words} --authorized a http://a/"), &["192.0.2.1"]);
            assert!(mistake.as_ref().is_err_and(|text| text.starts_with(ceiling)), "{mistake:?}");
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
}
