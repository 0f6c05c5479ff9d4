//! Options of several parts: source addresses, statuses, headers, `HOST:PORT:ADDR`, and a few words.

use super::Resolve;
use super::quoted::quoted;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use thiserror::Error;

/// The most addresses that all `--source` options together may hold.
pub const SOURCES_MAX: usize = 65_536;
/// Processors that an affinity mask has room for (`CPU_SETSIZE`, sched_setaffinity(2)).
pub const CPUS_MAX: u64 = 1_024;

/// Why a text is none of these.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum ListError {
    /// No address and no block.
    #[error("{} is not an address; write 127.0.0.2 or 127.0.1.0/24", quoted(.0))]
    Source(String),
    /// An address from which nothing can connect.
    #[error("{} cannot be a source; write an address of this host", quoted(.0))]
    NoSource(String),
    /// A block of too many addresses.
    #[error("{} holds more than {SOURCES_MAX} addresses; write a smaller block", quoted(.0))]
    Block(String),
    /// No status and no range of them.
    #[error("{} is not a status; write 200-399 or 404, within 100-599", quoted(.0))]
    Status(String),
    /// A header without a colon or a name.
    #[error("{} is not a header; write 'Name: value'", quoted(.0))]
    Header(String),
    /// A header with a control character.
    #[error("{} holds a control character; a header is one line", quoted(.0))]
    HeaderLine(String),
    /// No `HOST:PORT:ADDR`.
    #[error("{} is not HOST:PORT:ADDR; write example.org:80:127.0.0.1", quoted(.0))]
    Resolve(String),
    /// No listening address.
    #[error("{} is not ADDR:PORT; write 127.0.0.1:8080 or [::1]:8080", quoted(.0))]
    Listen(String),
    /// No host.
    #[error("{} is not a host; write it as in TARGET, without scheme and port", quoted(.0))]
    Host(String),
    /// No HTTP method.
    #[error("{} is not a method; write GET, POST or another word", quoted(.0))]
    Method(String),
    /// A method that makes no request.
    #[error("{} is not available, it makes a tunnel; write GET or POST", quoted(.0))]
    Tunnel(String),
}

/// One `--source`: an address, or the hosts of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source(pub Vec<IpAddr>);

/// Reads an address, or a CIDR block into its hosts.
///
/// Left out of an IPv4 block are network and broadcast address, but of /31 and /32 (RFC 3021); of
/// an IPv6 block the router anycast address, but of /127 and /128 (RFC 4291, RFC 6164).
pub fn source(text: &str) -> Result<Source, ListError> {
    let addresses = match text.split_once('/') {
        None => vec![text.parse().map_err(|_| ListError::Source(text.into()))?],
        Some((address, bits)) => block(text, address, bits)?,
    };
    // A mapped address would be taken for one of the other family.
    let useless = |a: &IpAddr| {
        a.is_unspecified() || a.is_multicast() || is_broadcast(a) || a.to_canonical() != *a
    };
    if addresses.iter().any(useless) {
        return Err(ListError::NoSource(text.into()));
    }
    Ok(Source(addresses))
}

fn is_broadcast(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.is_broadcast())
}

fn block(text: &str, address: &str, bits: &str) -> Result<Vec<IpAddr>, ListError> {
    let no_source = || ListError::Source(text.into());
    let address: IpAddr = address.parse().map_err(|_| no_source())?;
    let bits: u32 = bits.parse().map_err(|_| no_source())?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let host_bits = u32::checked_sub(width, bits).ok_or_else(no_source)?;
    if host_bits > SOURCES_MAX.ilog2() {
        return Err(ListError::Block(text.into()));
    }
    let size = 1u128 << host_bits;
    let first_of = |number: u128| number & !(size - 1);
    let (skip, short) = (u128::from(host_bits > 1), u128::from(host_bits > 1 && width == 32));
    let hosts = skip..size - short;
    Ok(match address {
        IpAddr::V4(v4) => {
            let first = first_of(u32::from(v4).into());
            hosts.map(|host| Ipv4Addr::from((first + host) as u32).into()).collect()
        }
        IpAddr::V6(v6) => {
            let first = first_of(v6.into());
            hosts.map(|host| Ipv6Addr::from(first + host).into()).collect()
        }
    })
}

/// Reads `404` or `200-399`, an inclusive range.
pub fn statuses(text: &str) -> Result<(u16, u16), ListError> {
    let no_status = || ListError::Status(text.into());
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let first = status(first).ok_or_else(no_status)?;
    let last = status(last).ok_or_else(no_status)?;
    if first > last { Err(no_status()) } else { Ok((first, last)) }
}

fn status(text: &str) -> Option<u16> {
    let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|status| digits && (100..=599).contains(status))
}

/// Reads `Name: value`; a name alone with its colon has an empty value.
pub fn header(text: &str) -> Result<(String, String), ListError> {
    let no_header = || ListError::Header(text.into());
    let (name, value) = text.split_once(':').ok_or_else(no_header)?;
    if !is_token(name) {
        return Err(no_header());
    }
    let value = value.trim_matches([' ', '\t']);
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(ListError::HeaderLine(text.into()));
    }
    Ok((name.into(), value.into()))
}

/// Reads an HTTP method.
pub fn method(text: &str) -> Result<String, ListError> {
    if !is_token(text) {
        return Err(ListError::Method(text.into()));
    }
    if text.eq_ignore_ascii_case("CONNECT") {
        return Err(ListError::Tunnel(text.into()));
    }
    Ok(text.into())
}

/// Whether `text` is a token (RFC 9110, 5.6.2).
fn is_token(text: &str) -> bool {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(is_token)
}

/// Reads `HOST:PORT:ADDR`; IPv6 addresses may stand in brackets, as a host they must.
pub fn resolution(text: &str) -> Result<Resolve, ListError> {
    split_resolution(text).ok_or_else(|| ListError::Resolve(text.into()))
}

fn split_resolution(text: &str) -> Option<Resolve> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(text) => text.split_once("]:")?,
        None => text.split_once(':')?,
    };
    let (port, address) = rest.split_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let address = unbracketed(address).parse().ok()?;
    (!host.is_empty()).then(|| Resolve { host: host.into(), port, address })
}

/// Reads `ADDR:PORT`; port 0 is any.
pub fn listen(text: &str) -> Result<SocketAddr, ListError> {
    text.parse().map_err(|_| ListError::Listen(text.into()))
}

/// Reads the host of an `--authorized`, with or without the brackets of an IPv6 address.
pub fn host(text: &str) -> Result<String, ListError> {
    let host = unbracketed(text);
    let is_address = host.parse::<IpAddr>().is_ok();
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    if is_address || (!host.is_empty() && host.bytes().all(is_name)) {
        return Ok(host.into());
    }
    Err(ListError::Host(text.into()))
}

fn unbracketed(text: &str) -> &str {
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str) -> Vec<String> {
        source(text).unwrap().0.iter().map(IpAddr::to_string).collect()
    }

    #[test]
    fn blocks_become_their_hosts() {
        assert_eq!(sources("127.0.0.2"), ["127.0.0.2"]);
        assert_eq!(sources("10.0.0.4/30"), ["10.0.0.5", "10.0.0.6"]);
        assert_eq!(sources("10.0.0.7/30"), ["10.0.0.5", "10.0.0.6"]);
        assert_eq!(sources("10.0.0.4/31"), ["10.0.0.4", "10.0.0.5"]);
        assert_eq!(sources("10.0.0.4/32"), ["10.0.0.4"]);
        assert_eq!(sources("2001:db8::/126"), ["2001:db8::1", "2001:db8::2", "2001:db8::3"]);
        assert_eq!(sources("2001:db8::2/127"), ["2001:db8::2", "2001:db8::3"]);
        assert_eq!(sources("127.1.0.0/16").len(), 65_534);
    }

    #[test]
    fn what_is_no_source_says_what_is() {
        for text in ["", "here", "10.0.0.1/33", "10.0.0.1/", "10.0.0.1/x", "::1/129", "1.2.3"] {
            assert_eq!(source(text), Err(ListError::Source(text.into())));
        }
        for text in ["127.0.0.0/8", "::1/64", "0.0.0.0/0"] {
            assert_eq!(source(text), Err(ListError::Block(text.into())));
        }
        for text in ["0.0.0.0", "::", "255.255.255.255", "224.0.0.1", "ff02::1", "::ffff:127.0.0.1"]
        {
            assert_eq!(source(text), Err(ListError::NoSource(text.into())));
        }
        let mistake = source("127.0.0.0/8").unwrap_err().to_string();
        assert_eq!(mistake, "`127.0.0.0/8` holds more than 65536 addresses; write a smaller block");
    }

    #[test]
    fn statuses_are_one_or_a_range() {
        assert_eq!(statuses("404"), Ok((404, 404)));
        assert_eq!(statuses("200-399"), Ok((200, 399)));
        for text in ["", "99", "600", "399-200", "2xx", "200-", "-200", "+20", "0200"] {
            let mistake = statuses(text).unwrap_err().to_string();
            assert!(mistake.ends_with("is not a status; write 200-399 or 404, within 100-599"));
        }
    }

    #[test]
    fn headers_have_a_name_and_a_colon() {
        let pair = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(header("Accept: text/html"), pair("Accept", "text/html"));
        assert_eq!(header("Accept:"), pair("Accept", ""));
        assert_eq!(header("A:b:c "), pair("A", "b:c"));
        for text in ["", "Accept", ": x", "Na me: x", "Näme: x"] {
            assert_eq!(header(text), Err(ListError::Header(text.into())));
        }
        let mistake = header("A: b\r\nC: d").unwrap_err().to_string();
        assert_eq!(mistake, "`A: b\\r\\nC: d` holds a control character; a header is one line");
    }

    #[test]
    fn methods_are_words() {
        assert_eq!(method("PURGE"), Ok("PURGE".into()));
        for text in ["", "G ET", "GET\r\n", "GÉT"] {
            assert_eq!(method(text), Err(ListError::Method(text.into())));
        }
        assert_eq!(method("connect"), Err(ListError::Tunnel("connect".into())));
    }

    #[test]
    fn resolutions_have_three_parts() {
        let given = |host: &str, port, address: &str| Resolve {
            host: host.into(),
            port,
            address: address.parse().unwrap(),
        };
        let v4 = given("example.org", 80, "127.0.0.1");
        assert_eq!(resolution("example.org:80:127.0.0.1"), Ok(v4));
        let v6 = given("example.org", 80, "::1");
        assert_eq!(resolution("example.org:80:[::1]"), Ok(v6.clone()));
        assert_eq!(resolution("example.org:80:::1"), Ok(v6));
        let v6_host = given("2001:db8::1", 80, "::1");
        assert_eq!(resolution("[2001:db8::1]:80:::1"), Ok(v6_host));
        for text in ["", "a", "a:80", "a:80:b", "a:0:127.0.0.1", "a:x:127.0.0.1", ":80:127.0.0.1"] {
            assert_eq!(resolution(text), Err(ListError::Resolve(text.into())));
        }
    }

    #[test]
    fn hosts_and_listening_addresses_are_literal() {
        assert_eq!(listen("127.0.0.1:0"), Ok(([127, 0, 0, 1], 0).into()));
        let mistake = listen("localhost:80").unwrap_err().to_string();
        assert!(mistake.contains("`localhost:80` is not ADDR:PORT; write 127.0.0.1:8080"));
        assert_eq!(host("[2001:db8::1]"), Ok("2001:db8::1".into()));
        assert_eq!(host("Example.org"), Ok("Example.org".into()));
        for text in ["", "http://a", "a:80", "a b"] {
            assert_eq!(host(text), Err(ListError::Host(text.into())));
        }
    }
}
