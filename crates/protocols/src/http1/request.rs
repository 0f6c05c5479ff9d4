//! The request that a client sends: checked and encoded once, shared by every connection.
//!
//! Follows curl where users know curl: own fields replace the default ones, `Name:` with an empty value removes them.

use std::error::Error;
use std::fmt::{self, Display, Formatter};

use super::scan::{is_text, is_token};

const LENGTH: &str = "Content-Length";

/// An encoded request.
#[derive(Debug)]
pub struct Request {
    bytes: Vec<u8>,
    head_only: bool,
    persistent: bool,
    manner: Manner,
}

/// How the answers to a request are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// Takes lines of answers that end in LF alone, those of chunks and trailers too, and a Content-Length that is there
    /// twice and the same.
    pub lenient: bool,
    /// Sends the rest of a request that was answered early, so that the connection can be used again.
    pub finish_early: bool,
    /// Most bytes of data in an answer's body, inclusive; the framing of chunks and trailers are not counted. `u32::MAX`
    /// is any number.
    pub body_max: u32,
    /// Most bytes of a body that are kept to be looked at, inclusive. Where it is 0, nothing is kept of an answer that
    /// comes in pieces.
    pub kept_max: u32,
}

impl Manner {
    /// As the standard wants it, without a limit; nothing is kept.
    pub const STRICT: Self =
        Self { lenient: false, finish_early: false, body_max: u32::MAX, kept_max: 0 };
}

impl Request {
    /// Begins a request.
    ///
    /// `method` is any token but `CONNECT`; `authority` is the value of `Host` (`example.org:8080`, `[::1]`); `path` is
    /// what the request line asks for, query included (`/a?b=c`).
    pub fn builder(method: &str, authority: &str, path: &str) -> RequestBuilder {
        RequestBuilder {
            method: method.to_owned(),
            authority: authority.to_owned(),
            path: path.to_owned(),
            user_agent: concat!("sclients/", env!("CARGO_PKG_VERSION")).to_owned(),
            fields: Vec::new(),
            body: Vec::new(),
            announced: None,
            manner: Manner::STRICT,
        }
    }

    /// A request that a builder encoded elsewhere: `bytes` of this `method`, and whether the connection may last.
    pub fn encoded(bytes: Vec<u8>, method: &str, persistent: bool, manner: Manner) -> Self {
        Self { bytes, head_only: method == "HEAD", persistent, manner }
    }

    /// The whole request as it goes over the wire.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Becomes a request of the same kind as `of`, without bytes: the caller writes into the emptied buffer, whose
    /// memory is kept, what a builder would have encoded.
    pub fn refill(&mut self, of: &Self) -> &mut Vec<u8> {
        self.head_only = of.head_only;
        self.persistent = of.persistent;
        self.manner = of.manner;
        self.bytes.clear();
        &mut self.bytes
    }

    /// How its answers are taken.
    pub(super) fn manner(&self) -> Manner {
        self.manner
    }

    /// Whether the method is HEAD, so that no answer has a body.
    pub(super) fn is_head(&self) -> bool {
        self.head_only
    }

    /// Whether it lets the connection last: no `Connection: close` among its fields.
    pub fn is_persistent(&self) -> bool {
        self.persistent
    }
}

/// The parts of a [`Request`] before they are checked.
#[derive(Clone, Debug)]
pub struct RequestBuilder {
    method: String,
    authority: String,
    path: String,
    user_agent: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    announced: Option<String>,
    manner: Manner,
}

impl RequestBuilder {
    /// Sends `User-Agent: sclients/<version>`; without this call the version of this crate.
    pub fn version(mut self, version: &str) -> Self {
        self.user_agent = format!("sclients/{version}");
        self
    }

    /// Adds a field. It replaces a default one of the same name (`Host`, `User-Agent`, `Accept`, `Content-Length`); an
    /// empty value removes that and sends nothing.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.trim_ascii().to_owned()));
        self
    }

    /// Takes answers in this manner; strictly by default.
    pub fn manner(mut self, manner: Manner) -> Self {
        self.manner = manner;
        self
    }

    /// Sends these bytes as the body; none by default.
    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// Announces the length of the body in this word, and not that of the body that is there: what stands in a
    /// template.
    pub fn announced(mut self, length: &str) -> Self {
        self.announced = Some(length.to_owned());
        self
    }

    /// Checks the parts and encodes them.
    pub fn build(self) -> Result<Request, RequestError> {
        self.check()?;
        Ok(Request {
            bytes: self.encode(),
            head_only: self.method == "HEAD",
            persistent: !self.asks_to_close(),
            manner: self.manner,
        })
    }

    fn check(&self) -> Result<(), RequestError> {
        check_method(&self.method)?;
        let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if self.authority.is_empty()
            || !visible(&self.authority)
            || self.authority.contains(['/', '@'])
        {
            return Err(RequestError::Authority(self.authority.clone()));
        }
        if self.path.is_empty() || !visible(&self.path) {
            return Err(RequestError::Path(self.path.clone()));
        }
        check_field("User-Agent", &self.user_agent)?;
        self.fields.iter().try_for_each(|(name, value)| self.check_own(name, value))
    }

    fn check_own(&self, name: &str, value: &str) -> Result<(), RequestError> {
        check_field(name, value)?;
        let needless = self.announced.is_none() && self.body.is_empty() && value.is_empty();
        if name.eq_ignore_ascii_case(LENGTH) && !needless && value != self.length() {
            return Err(RequestError::Length(value.to_owned()));
        }
        Ok(())
    }

    /// The length of the body, as it is announced.
    fn length(&self) -> String {
        self.announced.clone().unwrap_or_else(|| self.body.len().to_string())
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        let defaults = self.defaults();
        for (name, default) in &defaults {
            if !self.mentions(name) {
                default.iter().for_each(|value| put(&mut out, name, value));
            }
            self.own(name).for_each(|(name, value)| put(&mut out, name, value));
        }
        for (name, value) in &self.fields {
            let placed = defaults.iter().any(|(default, _)| default.eq_ignore_ascii_case(name));
            if !placed && !value.is_empty() {
                put(&mut out, name, value);
            }
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
        out
    }

    /// The fields that are sent unless others replace them, in the order in which they go out.
    fn defaults(&self) -> [(&'static str, Option<String>); 4] {
        let announces = self.announced.is_some()
            || !self.body.is_empty()
            || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH");
        [
            ("Host", Some(self.authority.clone())),
            ("User-Agent", Some(self.user_agent.clone())),
            ("Accept", Some("*/*".to_owned())),
            (LENGTH, announces.then(|| self.length())),
        ]
    }

    fn mentions(&self, name: &str) -> bool {
        self.fields.iter().any(|(own, _)| own.eq_ignore_ascii_case(name))
    }

    /// The user's fields of this name that are to be sent.
    fn own(&self, name: &str) -> impl Iterator<Item = &(String, String)> {
        self.fields
            .iter()
            .filter(move |(own, value)| own.eq_ignore_ascii_case(name) && !value.is_empty())
    }

    fn asks_to_close(&self) -> bool {
        self.own("Connection")
            .flat_map(|(_, value)| value.split(','))
            .any(|token| token.trim_ascii().eq_ignore_ascii_case("close"))
    }
}

fn put(out: &mut Vec<u8>, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn check_method(method: &str) -> Result<(), RequestError> {
    if method.is_empty() || !method.bytes().all(is_token) {
        return Err(RequestError::Method(method.to_owned()));
    }
    if method == "CONNECT" {
        return Err(RequestError::Connect);
    }
    Ok(())
}

/// Whether a field of this name may have this value; its length is the body's affair.
///
/// # Errors
/// What would break the head, or change how the body is sent.
pub fn check_field(name: &str, value: &str) -> Result<(), RequestError> {
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(RequestError::FieldName(name.to_owned()));
    }
    if !value.bytes().all(is_text) {
        return Err(RequestError::FieldValue { name: name.to_owned(), value: value.to_owned() });
    }
    if name.eq_ignore_ascii_case("Transfer-Encoding") && !value.is_empty() {
        return Err(RequestError::Coding(value.to_owned()));
    }
    Ok(())
}

/// Why a request cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// The method is empty or holds something else than token characters.
    Method(String),
    /// The method is `CONNECT`, which turns the connection into a tunnel.
    Connect,
    /// The authority is empty or holds blanks, control characters, `/` or `@`.
    Authority(String),
    /// The path is empty or holds blanks, control or non-ASCII characters.
    Path(String),
    /// The name of a field is empty or holds something else than token characters.
    FieldName(String),
    /// The value of a field holds a line end, NUL or another control character.
    FieldValue {
        /// The field's name.
        name: String,
        /// The value as given.
        value: String,
    },
    /// A `Transfer-Encoding` was asked for; bodies are sent by length.
    Coding(String),
    /// A `Content-Length` was asked for that is not the body's: the server would wait for the rest, or take it
    /// for another request.
    Length(String),
}

impl Display for RequestError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method(method) => {
                write!(
                    f,
                    "method `{}` is not a token; write a word like GET",
                    method.escape_debug()
                )
            }
            Self::Connect => f.write_str("method `CONNECT` opens a tunnel; use another method"),
            Self::Authority(authority) => {
                write!(
                    f,
                    "authority `{}` is not a host; write host or host:port",
                    authority.escape_debug()
                )
            }
            Self::Path(path) => write!(
                f,
                "path `{}` is empty or holds blanks, control or non-ASCII characters; percent-encode them",
                path.escape_debug()
            ),
            Self::FieldName(name) => {
                write!(
                    f,
                    "header name `{}` is not a token; write letters, digits and -",
                    name.escape_debug()
                )
            }
            Self::FieldValue { name, value } => write!(
                f,
                "header `{name}` has the value `{}` with control characters; remove them",
                value.escape_debug()
            ),
            Self::Coding(value) => write!(
                f,
                "header `Transfer-Encoding: {}` cannot be sent; bodies go by length, remove it",
                value.escape_debug()
            ),
            Self::Length(value) => write!(
                f,
                "header `Content-Length: {}` is not the length of the body, which is counted and sent; remove it",
                value.escape_debug()
            ),
        }
    }
}

impl Error for RequestError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(builder: RequestBuilder) -> String {
        String::from_utf8(builder.version("9").build().unwrap().bytes().to_vec()).unwrap()
    }

    #[test]
    fn defaults_are_curls() {
        assert_eq!(
            text(Request::builder("GET", "h:1", "/a?b")),
            "GET /a?b HTTP/1.1\r\nHost: h:1\r\nUser-Agent: sclients/9\r\nAccept: */*\r\n\r\n"
        );
        assert!(text(Request::builder("PUT", "h", "/")).ends_with("Content-Length: 0\r\n\r\n"));
        assert!(
            text(Request::builder("POST", "h", "/").body(b"abc"))
                .ends_with("Content-Length: 3\r\n\r\nabc")
        );
        assert!(
            text(Request::builder("GET", "h", "/").body(b"abc"))
                .ends_with("Content-Length: 3\r\n\r\nabc")
        );
    }

    #[test]
    fn own_fields_replace_and_remove() {
        let builder = Request::builder("POST", "h", "/")
            .header("host", "other")
            .header("Accept", "")
            .header("X-Empty", "")
            .header("x-a", " b ")
            .header("content-length", "3")
            .body(b"abc");
        assert_eq!(
            text(builder),
            "POST / HTTP/1.1\r\nhost: other\r\nUser-Agent: sclients/9\r\ncontent-length: 3\r\nx-a: b\r\n\r\nabc"
        );
        let without = Request::builder("POST", "h", "/").header("Content-Length", "");
        assert!(!text(without).contains("ength"));
        let template = Request::builder("GET", "h", "/").announced("~1;");
        assert!(text(template).ends_with("Content-Length: ~1;\r\n\r\n"));
    }

    #[test]
    fn what_the_answer_depends_on() {
        let request = Request::builder("HEAD", "h", "/").build().unwrap();
        assert!(request.is_head() && request.is_persistent());
        let closing = Request::builder("GET", "h", "/").header("connection", "x, Close");
        assert!(!closing.build().unwrap().is_persistent());
    }

    #[test]
    fn refusals_name_the_value() {
        let get = || Request::builder("GET", "h", "/");
        for (builder, said) in [
            (Request::builder("G T", "h", "/"), "method `G T` "),
            (Request::builder("", "h", "/"), "method `` "),
            (Request::builder("CONNECT", "h", "/"), "method `CONNECT` "),
            (Request::builder("GET", "a b", "/"), "authority `a b` "),
            (Request::builder("GET", "u@h", "/"), "authority `u@h` "),
            (Request::builder("GET", "h", "/a b"), "path `/a b` "),
            (Request::builder("GET", "h", ""), "path `` "),
            (Request::builder("GET", "h", "/\u{e9}"), "path `/\u{e9}` "),
            (get().header("A:", "b"), "header name `A:` "),
            (get().header("A", "b\r\nC: d"), "header `A` has the value `b\\r\\nC: d` "),
            (get().header("A", "\0b"), "header `A` has the value `\\0b` "),
            (get().header("transfer-encoding", "chunked"), "header `Transfer-Encoding: chunked` "),
            (get().header("content-length", "5"), "header `Content-Length: 5` "),
            (get().body(b"abc").header("Content-Length", "2"), "header `Content-Length: 2` "),
            (get().body(b"abc").header("Content-Length", ""), "header `Content-Length: ` "),
            (get().announced("~").header("Content-Length", "1"), "header `Content-Length: 1` "),
            (get().version("1\n"), "header `User-Agent` "),
        ] {
            let message = builder.build().unwrap_err().to_string();
            assert!(message.starts_with(said), "{message}");
        }
    }
}
