//! The words of the command line: which program, its options, its URL.

use crate::url::Url;
use crate::usage;
use std::time::Duration;

/// Most connections of a run, inclusive: they share one port of the server, and so the ports from
/// which the kernel connects (28,000 where nobody changed it).
const CONNECTIONS_MAX: u64 = 20_000;
/// Most client processes of a run, inclusive.
const PROCESSES_MAX: u64 = 128;
/// Most bytes of a POST, inclusive.
const BODY_BYTES_MAX: u64 = 64 << 20;
/// The longest duration, inclusive.
const DURATION_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The hidden word for a child that is a client.
pub const CLIENT: &str = "__client";
/// The hidden word for a child that is a server.
pub const SERVER: &str = "__server";

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// Print how to use a program, or all.
    Help(&'static str),
    /// One process, GET and POST.
    HttpProcessing(Url, Load),
    /// One server process, unless there is a URL, and one client process.
    Saturate(Option<Url>, Load),
    /// One server process, unless there is a URL, and several client processes.
    Bench(Option<Url>, Vec<Load>),
    /// A child: a client.
    Client(Url, Load),
    /// A child: a server.
    Server,
}

/// What one client process does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Connections that GET.
    pub get: usize,
    /// Connections that POST.
    pub post: usize,
    /// Bytes of a POST.
    pub body_bytes: usize,
    /// Requests in all; none: as many as there is time for.
    pub requests: Option<u64>,
    /// How long requests begin.
    pub duration: Duration,
}

impl Load {
    /// Its connections.
    pub const fn connections(&self) -> usize {
        self.get + self.post
    }

    /// What it sends, as the tables say it.
    pub const fn method(&self) -> &'static str {
        match (self.get, self.post) {
            (_, 0) => "GET",
            (0, _) => "POST",
            _ => "GET, POST",
        }
    }

    /// The words after [`CLIENT`] that are read as this load.
    pub fn words(&self, url: &Url) -> Vec<String> {
        let mut words: Vec<String> = [
            ("--get", self.get.to_string()),
            ("--post", self.post.to_string()),
            ("--body-bytes", self.body_bytes.to_string()),
            ("--duration", format!("{}ms", self.duration.as_millis())),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect();
        if let Some(requests) = self.requests {
            words.extend(["--requests".to_owned(), requests.to_string()]);
        }
        words.push(url.text());
        words
    }
}

impl Program {
    /// Reads the words after the name of the executable.
    ///
    /// # Errors
    /// One line with the word and what to write instead.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let Some((name, rest)) = words.split_first() else {
            return Err("name a program; try --help".into());
        };
        let help = rest.iter().any(|word| word == "--help" || word == "-h");
        match name.as_str() {
            "--help" | "-h" => Ok(Self::Help(usage::ALL)),
            "http-processing" if help => Ok(Self::Help(usage::HTTP_PROCESSING)),
            "saturate" if help => Ok(Self::Help(usage::SATURATE)),
            "bench" if help => Ok(Self::Help(usage::BENCH)),
            "http-processing" => http_processing(rest),
            "saturate" => saturate(rest),
            "bench" => bench(rest),
            CLIENT => client(rest),
            SERVER => Ok(Self::Server),
            _ => Err(format!("no program `{name}`; try --help")),
        }
    }
}

fn http_processing(words: &[String]) -> Result<Program, String> {
    let options = Options::parse(words, &["get", "post", "requests", "body-bytes", "duration"])?;
    let load = options.load(options.get.unwrap_or(4), options.post.unwrap_or(4))?;
    let requests = Some(options.requests.unwrap_or(10_000));
    let duration = options.duration.unwrap_or(Duration::from_secs(60));
    Ok(Program::HttpProcessing(options.url()?, Load { requests, duration, ..load }))
}

fn saturate(words: &[String]) -> Result<Program, String> {
    let options = Options::parse(words, &["connections", "requests", "duration"])?;
    let load = options.load(options.connections.unwrap_or(64), 0)?;
    Ok(Program::Saturate(options.url, load))
}

/// Each process has the connections; the requests are shared out.
fn bench(words: &[String]) -> Result<Program, String> {
    let options = ["get", "post", "connections", "body-bytes", "requests", "duration"];
    let options = Options::parse(words, &options)?;
    let (get, post) = (options.get.unwrap_or(2), options.post.unwrap_or(2));
    let connections = options.connections.unwrap_or(16);
    let processes = get.saturating_add(post);
    if processes > PROCESSES_MAX {
        return Err(format!("{processes} client processes are too many; at most {PROCESSES_MAX}"));
    }
    if processes == 0 {
        return Err("no client processes; give --get or --post at least 1".into());
    }
    let all = processes * connections;
    if all > CONNECTIONS_MAX {
        return Err(format!(
            "{processes} processes with {connections} connections each are {all}; \
             at most {CONNECTIONS_MAX} in all"
        ));
    }
    if let Some(requests) = options.requests.filter(|requests| *requests < processes) {
        return Err(format!(
            "--requests {requests} leaves nothing to some of {processes} processes"
        ));
    }
    let loads = (0..processes).map(|index| {
        let (get, post) = if index < get { (connections, 0) } else { (0, connections) };
        let requests =
            options.requests.map(|all| all / processes + u64::from(index < all % processes));
        Ok(Load { requests, ..options.load(get, post)? })
    });
    Ok(Program::Bench(options.url.clone(), loads.collect::<Result<_, String>>()?))
}

fn client(words: &[String]) -> Result<Program, String> {
    let options = Options::parse(words, &["get", "post", "requests", "body-bytes", "duration"])?;
    let load = options.load(options.get.unwrap_or(0), options.post.unwrap_or(0))?;
    Ok(Program::Client(options.url()?, load))
}

/// The options as typed.
#[derive(Debug, Default)]
struct Options {
    get: Option<u64>,
    post: Option<u64>,
    connections: Option<u64>,
    requests: Option<u64>,
    body_bytes: Option<u64>,
    duration: Option<Duration>,
    url: Option<Url>,
}

impl Options {
    fn parse(words: &[String], allowed: &[&str]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.strip_prefix("--") {
                Some(name) if allowed.contains(&name) => {
                    let value = words.next().ok_or_else(|| format!("--{name} wants a value"))?;
                    options.set(name, value)?;
                }
                Some(_) => return Err(format!("no option `{word}`; try --help")),
                None if word.starts_with('-') => {
                    return Err(format!("no option `{word}`; try --help"));
                }
                None if options.url.is_none() => options.url = Some(Url::parse(word)?),
                None => return Err(format!("`{word}` is one URL too many")),
            }
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let (place, least, most) = match name {
            "get" => (&mut self.get, 0, CONNECTIONS_MAX),
            "post" => (&mut self.post, 0, CONNECTIONS_MAX),
            "connections" => (&mut self.connections, 1, CONNECTIONS_MAX),
            "requests" => (&mut self.requests, 1, u64::MAX),
            "body-bytes" => (&mut self.body_bytes, 0, BODY_BYTES_MAX),
            _ => {
                self.duration = Some(duration(name, value)?);
                return Ok(());
            }
        };
        let number = value.parse();
        let number = number.map_err(|_| format!("--{name} `{value}` is not a whole number"))?;
        if number < least {
            return Err(format!("--{name} {number} is too few; at least {least}"));
        }
        if number > most {
            return Err(format!("--{name} {number} is too many; at most {most}"));
        }
        *place = Some(number);
        Ok(())
    }

    fn url(&self) -> Result<Url, String> {
        let wanted = "a URL is wanted, such as http://127.0.0.1:8080/";
        self.url.clone().ok_or_else(|| wanted.into())
    }

    /// The load of a process with so many connections.
    fn load(&self, get: u64, post: u64) -> Result<Load, String> {
        match get + post {
            0 => return Err("no connections; give --get or --post at least 1".into()),
            all if all > CONNECTIONS_MAX => {
                return Err(format!("{all} connections are too many; at most {CONNECTIONS_MAX}"));
            }
            _ => {}
        }
        Ok(Load {
            get: get as usize,
            post: post as usize,
            body_bytes: self.body_bytes.unwrap_or(64) as usize,
            requests: self.requests,
            duration: self.duration.unwrap_or(Duration::from_secs(5)),
        })
    }
}

/// `250ms`, `5s`, `2m`: whole numbers, from 1 ms to [`DURATION_MAX`].
fn duration(name: &str, value: &str) -> Result<Duration, String> {
    let digits = value.find(|character: char| !character.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let unit_millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "" if !number.is_empty() => {
            return Err(format!("--{name} `{value}` has no unit; write {value}s or {value}ms"));
        }
        _ => return Err(format!("--{name} `{value}` is not a duration; write 5s or 250ms")),
    };
    let millis = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_millis));
    let duration = millis.map_or(Duration::MAX, Duration::from_millis);
    if number.is_empty() || duration.is_zero() || duration > DURATION_MAX {
        return Err(format!("--{name} `{value}` is out of bounds; from 1ms to 1440m"));
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Program, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Program::parse(&words)
    }

    #[test]
    fn a_url_alone_takes_the_defaults() {
        let Ok(Program::HttpProcessing(url, load)) = parse("http-processing http://127.0.0.1:8080")
        else {
            panic!("http-processing is a program")
        };
        assert_eq!((load.get, load.post, load.requests), (4, 4, Some(10_000)));
        assert_eq!((url.path.as_str(), url.peer.port()), ("/", 8080));
    }

    #[test]
    fn a_child_reads_the_load_that_its_parent_wrote() {
        for requests in [None, Some(7)] {
            let url = Url::parse("http://127.0.0.1:80/a?b=c").unwrap();
            let duration = Duration::from_millis(1250);
            let load = Load { get: 3, post: 0, body_bytes: 9, requests, duration };
            let words = [vec![CLIENT.to_owned()], load.words(&url)].concat();
            assert_eq!(Program::parse(&words), Ok(Program::Client(url, load)));
        }
    }

    #[test]
    fn the_requests_of_bench_are_shared_out_whole() {
        let Ok(Program::Bench(None, loads)) = parse("bench --get 2 --post 1 --requests 11") else {
            panic!("bench is a program")
        };
        let methods: Vec<_> = loads.iter().map(Load::method).collect();
        assert_eq!(methods, ["GET", "GET", "POST"]);
        let requests: Vec<_> = loads.iter().map(|load| load.requests).collect();
        assert_eq!(requests, [Some(4), Some(4), Some(3)]);
    }

    #[test]
    fn durations_have_a_unit() {
        for (text, millis) in
            [("250ms", 250), ("5s", 5_000), ("2m", 120_000), ("1440m", 86_400_000)]
        {
            assert_eq!(duration("duration", text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for (text, said) in [
            ("5", "write 5s or 5ms"),
            ("", "not a duration"),
            ("s", "out of bounds"),
            ("0s", "out of bounds"),
            ("1441m", "out of bounds"),
            ("99999999999999999999s", "out of bounds"),
            ("1h", "not a duration"),
            ("-5s", "not a duration"),
            ("1.5s", "not a duration"),
        ] {
            let error = duration("duration", text).unwrap_err();
            assert!(error.contains(said), "`{text}` said `{error}`");
        }
    }

    #[test]
    fn each_mistake_is_named() {
        for (line, said) in [
            ("", "name a program"),
            ("soak", "no program"),
            ("http-processing", "a URL is wanted"),
            ("http-processing ftp://127.0.0.1/", "not an http:// URL"),
            ("http-processing http://127.0.0.1:1/ http://127.0.0.1:2/", "too many"),
            ("http-processing --get x http://127.0.0.1:1/", "not a whole number"),
            ("http-processing --got 1 http://127.0.0.1:1/", "no option"),
            ("http-processing --get 0 --post 0 http://127.0.0.1:1/", "no connections"),
            ("http-processing --get 20000 http://127.0.0.1:1/", "too many"),
            ("http-processing http://192.0.2.1/", "loopback only"),
            ("saturate --connections 0", "at least 1"),
            ("saturate --connections 20001", "at most 20000"),
            ("saturate --requests 0", "at least 1"),
            ("saturate --post 1", "no option"),
            ("saturate --duration", "wants a value"),
            ("saturate --duration 5", "has no unit"),
            ("saturate -n 5", "no option"),
            ("saturate http://192.0.2.1/", "loopback only"),
            ("bench --get 0 --post 0", "no client processes"),
            ("bench --get 100 --post 100", "at most 128"),
            ("bench --get 100 --connections 1000", "at most 20000 in all"),
            ("bench --requests 3", "leaves nothing"),
            ("bench --body-bytes 67108865", "at most"),
            ("bench http://[2001:db8::1]/", "loopback only"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(said), "`{line}` said `{error}`");
        }
    }
}
