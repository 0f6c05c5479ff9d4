//! The words of the command line.

use std::net::{SocketAddr, ToSocketAddrs};

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// Connections that GET.
    pub get: usize,
    /// Connections that POST.
    pub post: usize,
    /// Requests in all.
    pub requests: u64,
    /// Bytes of a POST.
    pub body_bytes: usize,
    /// `host:port` as typed.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// Where to connect.
    pub peer: SocketAddr,
}

impl Arguments {
    /// Reads the words after the program's name.
    ///
    /// # Errors
    /// One line with the word and what to write instead.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let mut url = None;
        let mut counts = Counts { get: 4, post: 4, requests: 10_000, body_bytes: 64 };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.strip_prefix("--") {
                Some(name) => {
                    let value = words.next().ok_or_else(|| format!("--{name} wants a number"))?;
                    counts.set(name, value)?;
                }
                None if url.is_none() => url = Some(word),
                None => return Err(format!("`{word}` is one URL too many")),
            }
        }
        let url = url.ok_or("a URL is wanted, such as http://127.0.0.1:8080/")?;
        counts.with_url(url)
    }
}

struct Counts {
    get: u64,
    post: u64,
    requests: u64,
    body_bytes: u64,
}

impl Counts {
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let place = match name {
            "get" => &mut self.get,
            "post" => &mut self.post,
            "requests" => &mut self.requests,
            "body-bytes" => &mut self.body_bytes,
            _ => return Err(format!("no option `--{name}`; try --help")),
        };
        *place = value.parse().map_err(|_| format!("--{name} `{value}` is not a whole number"))?;
        Ok(())
    }

    fn with_url(self, url: &str) -> Result<Arguments, String> {
        let rest =
            url.strip_prefix("http://").ok_or_else(|| format!("`{url}` is not an http:// URL"))?;
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, "/"),
        };
        let named = if authority.ends_with(']') || !authority.contains(':') {
            format!("{authority}:80")
        } else {
            authority.to_owned()
        };
        let resolved = named.to_socket_addrs().ok().and_then(|mut all| all.next());
        let peer = resolved.ok_or_else(|| format!("no address for `{authority}`"))?;
        if !peer.ip().is_loopback() {
            return Err(format!(
                "`{authority}` is not this host; these programs load loopback only"
            ));
        }
        if self.get + self.post == 0 {
            return Err("no connections; give --get or --post at least 1".into());
        }
        Ok(Arguments {
            get: self.get as usize,
            post: self.post as usize,
            requests: self.requests,
            body_bytes: self.body_bytes as usize,
            authority: authority.to_owned(),
            path: path.to_owned(),
            peer,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Arguments::parse(&words)
    }

    #[test]
    fn a_url_alone_takes_the_defaults() {
        let arguments = parse("http://127.0.0.1:8080").unwrap();
        assert_eq!((arguments.get, arguments.post, arguments.requests), (4, 4, 10_000));
        assert_eq!(arguments.path, "/");
        assert_eq!(arguments.peer.port(), 8080);
    }

    #[test]
    fn each_mistake_is_named() {
        for (line, said) in [
            ("", "a URL is wanted"),
            ("ftp://127.0.0.1/", "not an http:// URL"),
            ("http://127.0.0.1:1/ http://127.0.0.1:2/", "too many"),
            ("--get x http://127.0.0.1:1/", "not a whole number"),
            ("--got 1 http://127.0.0.1:1/", "no option"),
            ("--get 0 --post 0 http://127.0.0.1:1/", "no connections"),
            ("http://192.0.2.1/", "loopback only"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(said), "`{line}` said `{error}`");
        }
    }
}
