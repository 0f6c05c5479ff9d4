//! `--authorization FILE`: whom its owner allows to be loaded, how much, until when, and for what.
//!
//! ```toml
//! [[allow]]
//! network = "192.0.2.0/24"          # or: host = "example.org"
//! port = 8080                       # left out: any
//! connections = 200
//! requests_per_s = 1000
//! attempts_per_s = 100
//! expires = 2027-01-31              # to the end of that day, UTC; or 2027-01-31T12:00:00Z
//! contact = "ops@example.org"
//! purpose = "capacity of the spring release"
//! ```
//!
//! This room reads and checks the entries; which of them is meant is decided in `consent`.

use super::cli::{CONNS_MAX, PROCS_MAX, RATE_MAX};
use super::file::{self, FileError};
use super::list;
use super::quoted::{quoted, shown};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::{Duration, SystemTime};
use thiserror::Error;
use toml::value::{Date, Datetime, Offset, Time};
use toml::{Table, Value};

/// The widest networks: a wider one would be a blanket.
const PREFIX_MIN_IPV4: u8 = 16;
const PREFIX_MIN_IPV6: u8 = 32;
/// The longest `contact` and `purpose`, in characters.
const CHARACTERS_MAX: usize = 200;
const SECONDS_OF_DAY: u64 = 24 * 60 * 60;

/// The only key of the file.
const ALLOW: &str = "allow";
/// The keys of an entry.
const KEYS: [&str; 9] = [
    "host",
    "network",
    "port",
    "connections",
    "requests_per_s",
    "attempts_per_s",
    "expires",
    "contact",
    "purpose",
];

/// One `[[allow]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Whom.
    pub scope: Scope,
    /// At which port; none is any.
    pub port: Option<u16>,
    /// The most connections, in total.
    pub connections: u64,
    /// The most requests per second, in total.
    pub requests_per_s: u64,
    /// The most connection attempts per second, in total.
    pub attempts_per_s: u64,
    /// Until when.
    pub expires: Expiry,
    /// Who is to be told.
    pub contact: String,
    /// What for.
    pub purpose: String,
}

/// Whom an entry allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// A host, as it is typed in TARGET.
    Host(String),
    /// All addresses of a network.
    Network(Network),
}

/// A CIDR block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// The end of a leave. The later one is the greater.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Expiry {
    /// The first instant at which it is over.
    at: SystemTime,
    /// As written.
    text: String,
}

/// Why a file gives no entries.
#[derive(Debug, Error)]
pub enum AuthorizationError {
    /// It is not readable, not text or not TOML.
    #[error(transparent)]
    File(#[from] FileError),
    /// It says something that cannot be meant.
    #[error("{}: {place}{mistake}", shown(.path))]
    Mistake {
        /// The file.
        path: String,
        /// `entry 2: `, or nothing where it is about the whole file.
        place: String,
        /// What.
        mistake: Mistake,
    },
}

/// What cannot be meant.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum Mistake {
    /// A key of the file that is not `allow`.
    #[error("key {} is not known; write [[allow]] above each entry", quoted(.0))]
    NotAllow(String),
    /// No entry at all.
    #[error("there is no entry; write [[allow]] and below it {}", KEYS.join(", "))]
    Empty,
    /// A key of an entry that is none.
    #[error("key {} is not known; write {}", quoted(.0), KEYS.join(", "))]
    Unknown(String),
    /// A key that every entry has.
    #[error("key `{0}` is missing; add {0} = {1}")]
    Missing(&'static str, &'static str),
    /// A value of another kind.
    #[error("key `{0}` cannot be {1}; write {0} = {2}")]
    Kind(&'static str, &'static str, &'static str),
    /// Neither or both of host and network.
    #[error("there must be one of `host` and `network`; {0}")]
    Scope(&'static str),
    /// No host.
    #[error("key `host` {0}")]
    Host(list::ListError),
    /// No CIDR block.
    #[error("key `network` {} is not a network; write 192.0.2.0/24 or 2001:db8::/32", quoted(.0))]
    Network(String),
    /// A block of too many addresses.
    #[error("key `network` {} is wider than /{min}; there is no leave for so many hosts; name the networks that are yours, an entry each", quoted(.text))]
    Wide {
        /// As written.
        text: String,
        /// The widest of its family.
        min: u8,
    },
    /// An address inside a block, in place of the block's first.
    #[error(
        "key `network` {} is an address inside {block}; write {block} if that block is meant, or {host}",
        quoted(.text)
    )]
    Inside {
        /// As written.
        text: String,
        /// The block.
        block: Network,
        /// The address alone.
        host: Network,
    },
    /// A number out of its range.
    #[error("key `{key}` {value} is out of range; write a number from 1 to {max}")]
    Range {
        /// Which.
        key: &'static str,
        /// As written.
        value: i64,
        /// The most, inclusive.
        max: u64,
    },
    /// No instant.
    #[error(
        "key `expires` {0} names no instant; write expires = 2027-01-31 or 2027-01-31T12:00:00Z"
    )]
    NoInstant(String),
    /// A text without words, of too many, or with control characters.
    #[error("key `{0}` holds {1}; write 1 to {CHARACTERS_MAX} characters on one line")]
    Text(&'static str, &'static str),
}

/// The entries of the file at `path`, in order; at least one.
///
/// # Errors
/// The file is not readable, not TOML, or holds something that cannot be meant.
pub fn read(path: &Path) -> Result<Vec<Entry>, AuthorizationError> {
    let path_shown = path.display().to_string();
    let table = file::table(path, &path_shown)?;
    entries(&table).map_err(|(place, mistake)| AuthorizationError::Mistake {
        path: path_shown,
        place,
        mistake,
    })
}

fn entries(table: &Table) -> Result<Vec<Entry>, (String, Mistake)> {
    let of_file = |mistake| (String::new(), mistake);
    if let Some(key) = table.keys().find(|key| *key != ALLOW) {
        return Err(of_file(Mistake::NotAllow(key.clone())));
    }
    let written = match table.get(ALLOW) {
        None => return Err(of_file(Mistake::Empty)),
        Some(Value::Array(entries)) if entries.is_empty() => return Err(of_file(Mistake::Empty)),
        Some(Value::Array(entries)) => entries,
        Some(_) => return Err(of_file(Mistake::NotAllow(ALLOW.into()))),
    };
    let numbered = written.iter().zip(1..);
    let entry = |(value, number): (&Value, u32)| {
        let entry = match value {
            Value::Table(table) => entry(&Fields(table)),
            _ => Err(Mistake::NotAllow(ALLOW.into())),
        };
        entry.map_err(|mistake| (format!("entry {number}: "), mistake))
    };
    numbered.map(entry).collect()
}

fn entry(fields: &Fields) -> Result<Entry, Mistake> {
    if let Some(key) = fields.0.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(Mistake::Unknown(key.clone()));
    }
    Ok(Entry {
        scope: fields.scope()?,
        port: fields.0.get("port").map(|_| fields.port()).transpose()?,
        connections: fields.number("connections", "100", PROCS_MAX * CONNS_MAX)?,
        requests_per_s: fields.number("requests_per_s", "100", RATE_MAX)?,
        attempts_per_s: fields.number("attempts_per_s", "100", RATE_MAX)?,
        expires: fields.expires()?,
        contact: fields.text("contact", "\"ops@example.org\"")?,
        purpose: fields.text("purpose", "\"capacity of the spring release\"")?,
    })
}

/// The keys of one entry, each read by name.
struct Fields<'a>(&'a Table);

impl Fields<'_> {
    fn value(&self, key: &'static str, example: &'static str) -> Result<&Value, Mistake> {
        self.0.get(key).ok_or(Mistake::Missing(key, example))
    }

    fn string(&self, key: &'static str, example: &'static str) -> Result<&str, Mistake> {
        let value = self.value(key, example)?;
        value.as_str().ok_or_else(|| Mistake::Kind(key, kind(value), example))
    }

    fn scope(&self) -> Result<Scope, Mistake> {
        match (self.0.contains_key("host"), self.0.contains_key("network")) {
            (true, true) => Err(Mistake::Scope("make two entries of it")),
            (false, false) => Err(Mistake::Scope("add host = \"example.org\"")),
            (true, false) => {
                let host = list::host(self.string("host", "\"example.org\"")?);
                host.map(Scope::Host).map_err(Mistake::Host)
            }
            (false, true) => {
                network(self.string("network", "\"192.0.2.0/24\"")?).map(Scope::Network)
            }
        }
    }

    fn number(&self, key: &'static str, example: &'static str, max: u64) -> Result<u64, Mistake> {
        let value = self.value(key, example)?;
        let number = value.as_integer().ok_or_else(|| Mistake::Kind(key, kind(value), example))?;
        let in_range = u64::try_from(number).ok().filter(|number| (1..=max).contains(number));
        in_range.ok_or(Mistake::Range { key, value: number, max })
    }

    fn port(&self) -> Result<u16, Mistake> {
        self.number("port", "8080", u16::MAX.into()).map(|port| port as u16)
    }

    fn text(&self, key: &'static str, example: &'static str) -> Result<String, Mistake> {
        let text = self.string(key, example)?;
        let mistake = if text.trim().is_empty() {
            "nothing"
        } else if text.chars().any(char::is_control) {
            "a control character"
        } else if text.chars().count() > CHARACTERS_MAX {
            "too many characters"
        } else {
            return Ok(text.to_owned());
        };
        Err(Mistake::Text(key, mistake))
    }

    fn expires(&self) -> Result<Expiry, Mistake> {
        const EXAMPLE: &str = "2027-01-31";
        let value = self.value("expires", EXAMPLE)?;
        let written =
            value.as_datetime().ok_or_else(|| Mistake::Kind("expires", kind(value), EXAMPLE))?;
        let text = written.to_string();
        match end(written) {
            Some(at) => Ok(Expiry { at, text }),
            None => Err(Mistake::NoInstant(text)),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a broken number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "an array",
        Value::Table(_) => "a table",
    }
}

/// Reads `ADDRESS/PREFIX`, the address being the block's first: whoever names another may mean that one
/// alone. An IPv4-mapped network is the IPv4 one that it means.
fn network(text: &str) -> Result<Network, Mistake> {
    let no_network = || Mistake::Network(text.into());
    let (address, prefix) = text.split_once('/').ok_or_else(no_network)?;
    let address: IpAddr = address.parse().map_err(|_| no_network())?;
    let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
    let prefix: u8 = prefix.parse().ok().filter(|_| digits).ok_or_else(no_network)?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    if prefix > bits {
        return Err(no_network());
    }
    let network = match (address.to_canonical(), prefix.checked_sub(bits - 32)) {
        (address @ IpAddr::V4(_), Some(prefix)) => Network { address, prefix },
        _ => Network { address, prefix },
    };
    let min = if network.address.is_ipv4() { PREFIX_MIN_IPV4 } else { PREFIX_MIN_IPV6 };
    if network.prefix < min {
        return Err(Mistake::Wide { text: text.into(), min });
    }
    if network.address != network.first() {
        let host = Network { prefix: if network.address.is_ipv4() { 32 } else { 128 }, ..network };
        return Err(Mistake::Inside { text: text.into(), block: network, host });
    }
    Ok(network)
}

impl Network {
    /// Whether `address` is in it; an IPv4-mapped one is the IPv4 address that it means.
    pub fn holds(&self, address: IpAddr) -> bool {
        self.first_of(address.to_canonical()) == Some(self.first())
    }

    /// Its first address.
    fn first(&self) -> IpAddr {
        self.first_of(self.address).expect("an address is of its own family")
    }

    /// The first address of the block of this size in which `address` is; none in the other family.
    fn first_of(&self, address: IpAddr) -> Option<IpAddr> {
        let prefix = u32::from(self.prefix);
        match (self.address, address) {
            (IpAddr::V4(_), IpAddr::V4(v4)) => {
                let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
                Some(Ipv4Addr::from(u32::from(v4) & mask).into())
            }
            (IpAddr::V6(_), IpAddr::V6(v6)) => {
                let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
                Some(Ipv6Addr::from(u128::from(v6) & mask).into())
            }
            _ => None,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first(), self.prefix)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => f.write_str(host),
            Self::Network(network) => network.fmt(f),
        }
    }
}

impl Expiry {
    /// Whether it is over at `now`.
    pub fn is_over(&self, now: SystemTime) -> bool {
        now >= self.at
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The first instant after what is written: a day ends with its last second, in UTC as is a time
/// without an offset. None of a time alone, and none before 1970.
fn end(written: &Datetime) -> Option<SystemTime> {
    let day = u64::try_from(days_from_civil(written.date?)).ok()?;
    let seconds = match written.time {
        None => (day + 1) * SECONDS_OF_DAY,
        Some(time) => (day * SECONDS_OF_DAY + seconds_of(time))
            .checked_add_signed(-60 * minutes_east(written.offset))?,
    };
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn seconds_of(time: Time) -> u64 {
    let [hour, minute, second] = [time.hour, time.minute, time.second.unwrap_or(0)].map(u64::from);
    (hour * 60 + minute) * 60 + second
}

fn minutes_east(offset: Option<Offset>) -> i64 {
    match offset {
        None | Some(Offset::Z) => 0,
        Some(Offset::Custom { minutes }) => minutes.into(),
    }
}

/// Days from 1970-01-01 to `date` in the Gregorian calendar (H. Hinnant, "chrono-compatible low-level
/// date algorithms": years begin in March, so that the leap day is their last).
fn days_from_civil(date: Date) -> i64 {
    let (month, day) = (i64::from(date.month), i64::from(date.day));
    let year = i64::from(date.year) - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "[[allow]]\nhost = 'example.org'\nconnections = 20\nrequests_per_s = 50\n\
                         attempts_per_s = 5\nexpires = 2027-01-31\ncontact = 'ops@example.org'\n\
                         purpose = 'spring'\n";

    /// The entries of a file with this text.
    fn of_text(text: &str) -> Result<Vec<Entry>, String> {
        let table: Table = text.parse().unwrap();
        entries(&table).map_err(|(place, mistake)| format!("{place}{mistake}"))
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_whole_entry_is_taken_as_it_stands() {
        let entry = of_text(WHOLE).unwrap().remove(0);
        assert_eq!(entry.scope, Scope::Host("example.org".into()));
        let ceilings = (entry.connections, entry.requests_per_s, entry.attempts_per_s);
        assert_eq!((entry.port, ceilings), (None, (20, 50, 5)));
        assert_eq!((entry.contact.as_str(), entry.purpose.as_str()), ("ops@example.org", "spring"));
        assert_eq!(entry.expires.to_string(), "2027-01-31");
        let two = format!("{WHOLE}port = 8080\n{WHOLE}");
        assert_eq!(
            of_text(&two).unwrap().iter().map(|e| e.port).collect::<Vec<_>>(),
            [Some(8080), None]
        );
    }

    #[test]
    fn what_cannot_be_meant_is_named_with_place_and_remedy() {
        for (from, to, mistake) in [
            ("host =", "hots =", "entry 1: key `hots` is not known; write host, network, port, "),
            (
                "host = 'example.org'\n",
                "",
                "entry 1: there must be one of `host` and `network`; add",
            ),
            ("host", "network = '192.0.2.0/24'\nhost", "entry 1: there must be one of `host` and"),
            (
                "host = 'example.org'",
                "host = 'http://a'",
                "entry 1: key `host` `http://a` is not a",
            ),
            ("host = 'example.org'", "host = '*'", "entry 1: key `host` `*` is not a host; write"),
            ("host = 'example.org'", "host = 5", "entry 1: key `host` cannot be a whole number; "),
            (
                "connections = 20\n",
                "",
                "entry 1: key `connections` is missing; add connections = 1",
            ),
            (
                "= 20",
                "= 0",
                "entry 1: key `connections` 0 is out of range; write a number from 1 to",
            ),
            ("= 50", "= -1", "entry 1: key `requests_per_s` -1 is out of range; write a number"),
            ("= 5\n", "= 5.5\n", "entry 1: key `attempts_per_s` cannot be a broken number; write"),
            ("= 5\n", "= 5\nport = 65536\n", "entry 1: key `port` 65536 is out of range; write a"),
            ("2027-01-31", "'2027-01-31'", "entry 1: key `expires` cannot be a string; write expi"),
            ("2027-01-31", "12:00:00", "entry 1: key `expires` 12:00:00 names no instant; write"),
            ("2027-01-31", "1969-12-31", "entry 1: key `expires` 1969-12-31 names no instant; "),
            ("'spring'", "' '", "entry 1: key `purpose` holds nothing; write 1 to 200 characters"),
            (
                "'spring'",
                "\"a\\u001bb\"",
                "entry 1: key `purpose` holds a control character; write",
            ),
            (
                "contact = 'ops@example.org'\n",
                "",
                "entry 1: key `contact` is missing; add contact =",
            ),
            ("[[allow]]", "[all]\nx = 1\n[[allow]]", "key `all` is not known; write [[allow]]"),
            ("[[allow]]", "[allow]", "key `allow` is not known; write [[allow]] above each entry"),
        ] {
            let said = of_text(&WHOLE.replacen(from, to, 1)).unwrap_err();
            assert!(said.starts_with(mistake) && !said.contains('\n'), "{said}\n{mistake}");
        }
        let long = |count| WHOLE.replace("spring", &"ä".repeat(count));
        assert!(of_text(&long(200)).is_ok());
        assert!(of_text(&long(201)).unwrap_err().contains("too many characters"));
        let second = of_text(&format!("{WHOLE}[[allow]]\n")).unwrap_err();
        assert!(second.starts_with("entry 2: there must be one of"), "{second}");
        for empty in ["", "allow = []"] {
            assert!(of_text(empty).unwrap_err().starts_with("there is no entry; write [[allow]]"));
        }
    }

    #[test]
    fn networks_hold_their_addresses_in_either_notation() {
        for (text, inside, outside) in [
            ("192.0.2.0/24", ["192.0.2.0", "::ffff:192.0.2.255"], "192.0.3.0"),
            ("10.9.0.0/16", ["10.9.0.0", "10.9.255.255"], "10.10.0.0"),
            ("192.0.2.1/32", ["192.0.2.1", "::ffff:192.0.2.1"], "192.0.2.2"),
            ("::ffff:192.0.2.0/120", ["192.0.2.9", "::ffff:192.0.2.9"], "2001:db8::1"),
            ("2001:db8::/32", ["2001:db8::1", "2001:db8:ffff::"], "2001:db9::"),
            ("2001:db8::1/128", ["2001:db8::1", "2001:db8::1"], "2001:db8::2"),
        ] {
            let network = network(text).unwrap();
            for address in inside {
                assert!(network.holds(address.parse().unwrap()), "{address} in {text}");
            }
            assert!(!network.holds(outside.parse().unwrap()), "{outside} in {text}");
        }
        assert_eq!(network("::ffff:192.0.2.0/120").unwrap().to_string(), "192.0.2.0/24");
    }

    #[test]
    fn no_network_is_a_blanket() {
        let wide = [
            "10.0.0.0/8",
            "10.0.0.0/15",
            "0.0.0.0/0",
            "::/0",
            "2001:db8::/31",
            "::ffff:0.0.0.0/96",
        ];
        for text in wide {
            let mistake = network(text).unwrap_err();
            assert!(matches!(mistake, Mistake::Wide { .. }), "{text}: {mistake}");
        }
        let mistake = network("10.0.0.0/8").unwrap_err().to_string();
        assert!(mistake.starts_with("key `network` `10.0.0.0/8` is wider than /16; "), "{mistake}");
        for text in
            ["", "192.0.2.1", "192.0.2.0/33", "192.0.2.0/", "::1/129", "a/24", "10.0.0.0/+8"]
        {
            assert_eq!(network(text), Err(Mistake::Network(text.into())));
        }
    }

    #[test]
    fn an_address_inside_a_block_is_not_the_block() {
        for (text, said) in [
            (
                "10.9.0.77/24",
                "inside 10.9.0.0/24; write 10.9.0.0/24 if that block is meant, or 10.9.0.77/32",
            ),
            ("2001:db8::1/48", "inside 2001:db8::/48; write 2001:db8::/48 if"),
            ("::ffff:192.0.2.1/120", "inside 192.0.2.0/24; write 192.0.2.0/24 if"),
        ] {
            let mistake = network(text).unwrap_err().to_string();
            assert!(mistake.contains(said) && !mistake.contains('\n'), "{mistake}");
        }
    }

    #[test]
    fn days_are_counted_as_by_the_calendar() {
        let days = |year, month, day| days_from_civil(Date { year, month, day });
        for (date, expected) in [
            ((1970, 1, 1), 0),
            ((1969, 12, 31), -1),
            ((1970, 3, 1), 59),
            ((1972, 2, 29), 789),
            ((2000, 2, 29), 11_016),
            ((2000, 3, 1), 11_017),
            ((2026, 12, 31), 20_818),
            ((2100, 2, 28), 47_540),
            ((2100, 3, 1), 47_541),
            ((9999, 12, 31), 2_932_896),
            ((0, 3, 1), -719_468),
        ] {
            assert_eq!(days(date.0, date.1, date.2), expected, "{date:?}");
        }
    }

    #[test]
    fn a_leave_ends_with_its_day_or_at_its_instant() {
        for (written, over_at) in [
            ("1970-01-01", 86_400),
            ("2027-01-31", 1_801_440_000),
            ("2027-01-31T00:00:00Z", 1_801_353_600),
            ("2027-01-31T12:30:01Z", 1_801_398_601),
            ("2027-01-31T12:30:01", 1_801_398_601),
            ("2027-01-31T12:30:01+02:00", 1_801_391_401),
            ("2027-01-31T12:30:01-00:30", 1_801_400_401),
        ] {
            let expires = of_text(&WHOLE.replace("2027-01-31", written)).unwrap().remove(0).expires;
            assert!(!expires.is_over(at(over_at - 1)), "{written}");
            assert!(expires.is_over(at(over_at)), "{written}");
        }
    }
}
