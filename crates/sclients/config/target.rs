//! TARGET: from its text to a [`Target`], and from there to addresses.
//!
//! `http://host[:port][/path][?query][#fragment]` (RFC 3986, without userinfo) and `tcp://host:port`.
//! Nothing is decoded or normalised: the path goes out as it was typed.

use super::error::ConfigError;
use super::quoted::{quoted, shown};
use super::{Protocol, Resolve, Target};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use thiserror::Error;

/// The port of `http` where none is typed.
const HTTP_PORT: u16 = 80;
/// The longest name of a host (RFC 1035, 2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// Why a text is no TARGET.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// A blank, a control character or one outside ASCII.
    #[error("{} holds {character:?}; percent-encode it", quoted(.text))]
    Character {
        /// As typed.
        text: String,
        /// The first such character.
        character: char,
    },
    /// One word: neither a command nor a URL.
    #[error(
        "{} is no target, and a command (serve, doctor) comes first; write http://{}/ to load that host",
        quoted(.0), shown(.0)
    )]
    Word(String),
    /// No `http://` before the host.
    #[error("{} has no scheme; write http://{}", quoted(.0), shown(.0))]
    NoScheme(String),
    /// A scheme that will come.
    #[error("{scheme} is not available yet; use http://{}", shown(.rest))]
    NotYet {
        /// The scheme.
        scheme: String,
        /// What follows it.
        rest: String,
    },
    /// A scheme that is not known.
    #[error("scheme {} is not known; write http://host:port/path or tcp://host:port", quoted(.0))]
    Scheme(String),
    /// A user or a password. The message does not repeat them.
    #[error("userinfo before {} is not sent; remove it and give -H 'Authorization: …'", quoted(.0))]
    Userinfo(String),
    /// No host.
    #[error("{} names no host; write http://host:port/path", quoted(.0))]
    NoHost(String),
    /// A host of characters or of a length that no name has.
    #[error("host {} is not a name or an address; write example.org or 127.0.0.1", quoted(.0))]
    Host(String),
    /// An IPv6 address without brackets.
    #[error("{} looks like IPv6; write it in brackets, such as http://[::1]:8080/", quoted(.0))]
    Unbracketed(String),
    /// Brackets around something else than an IPv6 address.
    #[error("{} is not an IPv6 address in brackets; write [::1] or [::1]:8080", quoted(.0))]
    Brackets(String),
    /// No port from 1 to 65535.
    #[error("port {} is not a number from 1 to 65535; write host:8080", quoted(.0))]
    Port(String),
    /// `tcp` without a port.
    #[error("{} has no port; write tcp://host:port", quoted(.0))]
    NoPort(String),
    /// `tcp` with a path.
    #[error("{} has a path, which tcp has not; write tcp://host:port", quoted(.0))]
    TcpPath(String),
}

/// Reads TARGET.
///
/// # Errors
/// The text is no URL, or one that is refused; see [`TargetError`].
pub fn parse(text: &str) -> Result<Target, TargetError> {
    let (authority, _) = split_authority(text.split_once("://").map_or(text, |(_, rest)| rest));
    // First of all, since every other message repeats the text, and this is a secret.
    if let Some((_, host)) = authority.rsplit_once('@') {
        return Err(TargetError::Userinfo(host.into()));
    }
    if let Some(character) = text.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(TargetError::Character { text: text.into(), character });
    }
    let (scheme, rest) = text.split_once("://").ok_or_else(|| without_scheme(text))?;
    let protocol = protocol(scheme, rest)?;
    let (authority, tail) = split_authority(rest);
    let (host, port) = host_and_port(text, authority)?;
    let path = path(tail);
    if protocol == Protocol::Echo && path != "/" {
        return Err(TargetError::TcpPath(text.into()));
    }
    let no_port = || TargetError::NoPort(text.into());
    let port = port.or((protocol == Protocol::Http).then_some(HTTP_PORT)).ok_or_else(no_port)?;
    let authority = typed_authority(&host, port, protocol);
    Ok(Target { protocol, host, port, authority, path })
}

fn split_authority(rest: &str) -> (&str, &str) {
    rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

fn without_scheme(text: &str) -> TargetError {
    if text.is_empty() {
        return TargetError::NoHost(text.into());
    }
    // `http:/x` or `mailto:x`, but not `host:80`.
    let scheme = text.split_once(':').filter(|(_, rest)| rest.starts_with('/'));
    if let Some((scheme, _)) = scheme {
        return TargetError::Scheme(scheme.into());
    }
    let word = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && text != "localhost";
    if word { TargetError::Word(text.into()) } else { TargetError::NoScheme(text.into()) }
}

fn protocol(scheme: &str, rest: &str) -> Result<Protocol, TargetError> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Ok(Protocol::Http),
        "tcp" => Ok(Protocol::Echo),
        "https" | "ws" | "wss" => {
            Err(TargetError::NotYet { scheme: scheme.to_ascii_lowercase(), rest: rest.into() })
        }
        _ => Err(TargetError::Scheme(scheme.into())),
    }
}

fn host_and_port(text: &str, authority: &str) -> Result<(String, Option<u16>), TargetError> {
    if authority.starts_with('[') {
        return bracketed(authority);
    }
    if authority.parse::<Ipv6Addr>().is_ok() || authority.matches(':').count() > 1 {
        return Err(TargetError::Unbracketed(authority.into()));
    }
    let (host, port_text) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    if host.is_empty() {
        return Err(TargetError::NoHost(text.into()));
    }
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    if host.len() > HOST_BYTES_MAX || !host.bytes().all(is_host) {
        return Err(TargetError::Host(host.into()));
    }
    Ok((host.into(), port_text.map(port).transpose()?))
}

fn bracketed(authority: &str) -> Result<(String, Option<u16>), TargetError> {
    let no_address = || TargetError::Brackets(authority.into());
    let (host, rest) = authority[1..].split_once(']').ok_or_else(no_address)?;
    host.parse::<Ipv6Addr>().map_err(|_| no_address())?;
    let port_text = match rest.strip_prefix(':') {
        Some(text) => Some(text),
        None if rest.is_empty() => None,
        None => return Err(no_address()),
    };
    Ok((host.into(), port_text.map(port).transpose()?))
}

fn port(text: &str) -> Result<u16, TargetError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| digits && *port != 0);
    port.ok_or_else(|| TargetError::Port(text.into()))
}

/// Path and query; a fragment is the client's own and never sent (RFC 9110, 4.2.5).
fn path(tail: &str) -> String {
    let sent = tail.split('#').next().unwrap_or_default();
    if sent.starts_with('/') { sent.into() } else { format!("/{sent}") }
}

/// The Host header: without the scheme's own port (RFC 9110, 4.2.3).
fn typed_authority(host: &str, port: u16, protocol: Protocol) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.into() };
    if protocol == Protocol::Http && port == HTTP_PORT {
        return host;
    }
    format!("{host}:{port}")
}

/// The addresses of `target`: by `--resolve`, else literal, else by the system's resolver. At least
/// one, each once, mapped IPv4 addresses as IPv4. The first is the one to connect to: where a name
/// means this host in both families that is IPv4, which has a source address for every need, while
/// `::1` is one.
///
/// # Errors
/// [`ConfigError::NoAddress`]: the name does not resolve.
pub fn resolve(target: &Target, resolve: &[Resolve]) -> Result<Vec<SocketAddr>, ConfigError> {
    let given = resolve.iter().filter(|entry| is_meant(entry, target));
    let mut addresses: Vec<IpAddr> = given.map(|entry| entry.address).collect();
    if addresses.is_empty() {
        addresses = looked_up(target);
    }
    if addresses.is_empty() {
        return Err(ConfigError::NoAddress(target.host.clone()));
    }
    Ok(in_order(addresses, target.port))
}

fn in_order(addresses: Vec<IpAddr>, port: u16) -> Vec<SocketAddr> {
    let mut unique: Vec<SocketAddr> = Vec::with_capacity(addresses.len());
    for address in addresses {
        let address = SocketAddr::new(address.to_canonical(), port);
        if !unique.contains(&address) {
            unique.push(address);
        }
    }
    if unique.iter().all(|address| address.ip().is_loopback()) {
        unique.sort_by_key(SocketAddr::is_ipv6);
    }
    unique
}

fn is_meant(entry: &Resolve, target: &Target) -> bool {
    entry.port == target.port && entry.host.eq_ignore_ascii_case(&target.host)
}

fn looked_up(target: &Target) -> Vec<IpAddr> {
    if let Ok(address) = target.host.parse::<IpAddr>() {
        return vec![address];
    }
    let found = (target.host.as_str(), target.port).to_socket_addrs();
    found.map(|found| found.map(|address| address.ip()).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_taken_apart() {
        use Protocol::{Echo, Http};
        for (text, protocol, host, port, authority, path) in [
            ("http://a", Http, "a", 80, "a", "/"),
            ("http://a:80/", Http, "a", 80, "a", "/"),
            (
                "HTTP://Example.org:8080/x/y?z=1#top",
                Http,
                "Example.org",
                8080,
                "Example.org:8080",
                "/x/y?z=1",
            ),
            ("http://a?q=http://b/@c", Http, "a", 80, "a", "/?q=http://b/@c"),
            ("http://a#top", Http, "a", 80, "a", "/"),
            ("http://[::1]:8080/", Http, "::1", 8080, "[::1]:8080", "/"),
            ("http://[2001:db8::1]", Http, "2001:db8::1", 80, "[2001:db8::1]", "/"),
            ("tcp://127.0.0.1:7", Echo, "127.0.0.1", 7, "127.0.0.1:7", "/"),
            ("tcp://[::1]:80", Echo, "::1", 80, "[::1]:80", "/"),
            ("http://a/%20", Http, "a", 80, "a", "/%20"),
        ] {
            let target = Target {
                protocol,
                host: host.into(),
                port,
                authority: authority.into(),
                path: path.into(),
            };
            assert_eq!(parse(text), Ok(target), "{text}");
        }
    }

    #[test]
    fn what_is_no_target_says_what_is() {
        for (text, mistake) in [
            ("", "`` names no host; write http://host:port/path"),
            (
                "sevre",
                "`sevre` is no target, and a command (serve, doctor) comes first; write http://sevre/ to load that host",
            ),
            ("localhost", "`localhost` has no scheme; write http://localhost"),
            ("127.0.0.1:8080", "`127.0.0.1:8080` has no scheme; write http://127.0.0.1:8080"),
            ("a:80/x", "`a:80/x` has no scheme; write http://a:80/x"),
            (
                "http:/a",
                "scheme `http` is not known; write http://host:port/path or tcp://host:port",
            ),
            (
                "ftp://a/",
                "scheme `ftp` is not known; write http://host:port/path or tcp://host:port",
            ),
            ("https://a/b", "https is not available yet; use http://a/b"),
            ("wss://a", "wss is not available yet; use http://a"),
            ("WS://a", "ws is not available yet; use http://a"),
            (
                "http://u:secret@a:80/",
                "userinfo before `a:80` is not sent; remove it and give -H 'Authorization: …'",
            ),
            ("http://", "`http://` names no host; write http://host:port/path"),
            ("http:///x", "`http:///x` names no host; write http://host:port/path"),
            ("http://:80/", "`http://:80/` names no host; write http://host:port/path"),
            ("http://a:0/", "port `0` is not a number from 1 to 65535; write host:8080"),
            ("http://a:65536/", "port `65536` is not a number from 1 to 65535; write host:8080"),
            ("http://a:/", "port `` is not a number from 1 to 65535; write host:8080"),
            ("http://a:+1/", "port `+1` is not a number from 1 to 65535; write host:8080"),
            (
                "http://::1/",
                "`::1` looks like IPv6; write it in brackets, such as http://[::1]:8080/",
            ),
            (
                "http://[::1/",
                "`[::1` is not an IPv6 address in brackets; write [::1] or [::1]:8080",
            ),
            (
                "http://[fe80::1%eth0]/",
                "`[fe80::1%eth0]` is not an IPv6 address in brackets; write [::1] or [::1]:8080",
            ),
            (
                "http://[::1]x/",
                "`[::1]x` is not an IPv6 address in brackets; write [::1] or [::1]:8080",
            ),
            (
                "http://a%20b/",
                "host `a%20b` is not a name or an address; write example.org or 127.0.0.1",
            ),
            ("http://a/ b", "`http://a/ b` holds ' '; percent-encode it"),
            ("http://a/\n", "`http://a/\\n` holds '\\n'; percent-encode it"),
            ("http://a/ü", "`http://a/ü` holds 'ü'; percent-encode it"),
            ("tcp://a", "`tcp://a` has no port; write tcp://host:port"),
            ("tcp://a:1/x", "`tcp://a:1/x` has a path, which tcp has not; write tcp://host:port"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), mistake);
        }
        assert!(parse(&format!("http://{}/", "a".repeat(254))).is_err());
    }

    #[test]
    fn secrets_are_not_repeated() {
        for text in [
            "http://u:secret@a/",
            "https://u:secret@a/",
            "u:secret@a:80",
            "http://u:sec ret@a/",
            "u:secret@a/\u{7f}",
        ] {
            let mistake = parse(text).unwrap_err();
            assert!(matches!(mistake, TargetError::Userinfo(_)), "{mistake}");
            assert!(!mistake.to_string().contains("sec"), "{mistake}");
        }
    }

    #[test]
    fn long_texts_are_cut_in_every_message() {
        let long = "a".repeat(100_000);
        for text in ["", "x.", "https://", "ftp://", "http://[", "http://a@", "tcp://", "http://a:"]
        {
            let mistake = parse(&format!("{text}{long}")).unwrap_err().to_string();
            assert!(mistake.len() < 500, "{}", &mistake[..500]);
        }
    }

    #[test]
    fn this_host_is_ipv4_first_and_never_mapped() {
        let order = |addresses: &[&str]| {
            let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
            in_order(addresses, 80).iter().map(SocketAddr::to_string).collect::<Vec<_>>()
        };
        let both = ["::1", "127.0.0.1", "::ffff:127.0.0.1"];
        assert_eq!(order(&both), ["127.0.0.1:80", "[::1]:80"]);
        assert_eq!(order(&["2001:db8::1", "10.0.0.1"]), ["[2001:db8::1]:80", "10.0.0.1:80"]);
    }

    #[test]
    fn given_addresses_come_before_the_resolver() {
        let target = parse("http://NoSuch.invalid:8080/").unwrap();
        let entry = |host: &str, port, address: &str| Resolve {
            host: host.into(),
            port,
            address: address.parse().unwrap(),
        };
        let given = [
            entry("nosuch.invalid", 80, "192.0.2.1"),
            entry("nosuch.invalid", 8080, "127.0.0.1"),
            entry("nosuch.invalid", 8080, "127.0.0.1"),
            entry("other.invalid", 8080, "192.0.2.2"),
        ];
        assert_eq!(resolve(&target, &given).unwrap(), ["127.0.0.1:8080".parse().unwrap()]);
    }

    #[test]
    fn literal_addresses_need_no_resolver() {
        let target = parse("http://[2001:db8::1]:81/").unwrap();
        assert_eq!(resolve(&target, &[]).unwrap(), ["[2001:db8::1]:81".parse().unwrap()]);
    }

    #[test]
    fn a_host_without_an_address_is_one_line_with_a_remedy() {
        let target = parse("http://nosuch.invalid/").unwrap();
        assert_eq!(
            resolve(&target, &[]).unwrap_err().to_string(),
            "host `nosuch.invalid` has no address; check the name or give --resolve HOST:PORT:ADDR"
        );
    }
}
