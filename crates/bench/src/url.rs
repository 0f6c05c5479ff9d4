//! Where the requests go: an http:// URL of this host.

use std::net::{SocketAddr, ToSocketAddrs};

/// A URL that was found to lead to loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// `host:port` as typed.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// Where to connect.
    pub peer: SocketAddr,
}

impl Url {
    /// Reads one.
    ///
    /// # Errors
    /// One line with the words and what is wanted instead: these programs load this host alone.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text
            .strip_prefix("http://")
            .ok_or_else(|| format!("`{text}` is not an http:// URL"))?;
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
        Ok(Self { authority: authority.to_owned(), path: path.to_owned(), peer })
    }

    /// The root of a server of our own.
    pub fn of_server(peer: SocketAddr) -> Self {
        Self { authority: peer.to_string(), path: "/".into(), peer }
    }

    /// The URL as text.
    pub fn text(&self) -> String {
        format!("http://{}{}", self.authority, self.path)
    }
}
