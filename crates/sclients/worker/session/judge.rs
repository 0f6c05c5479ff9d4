//! What is expected of an answer, and what is taken out of it.

use super::program::{CheckPlay, ExcerptPlay, FoundPlay, RequestPlay};
use crate::scenario::scalar;
use protocols::http1::Seen;
use std::io::Write;

/// The longest value that is taken out of an answer; a longer one is not found.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// What an answer was found to lack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The checks that failed, a bit each.
    pub failed: u32,
    /// Something was to be taken out and is not there.
    pub empty_handed: bool,
}

/// Judges an answer that took `nanos`; `seen` is none where nothing of it is looked at. Values go to `values`.
#[inline]
pub fn judge(
    play: &RequestPlay,
    seen: Option<Seen<'_>>,
    nanos: u64,
    values: &mut [Vec<u8>],
) -> Verdict {
    let mut verdict = Verdict::default();
    for (index, check) in play.checks.iter().enumerate() {
        if !holds(check, seen, nanos) {
            verdict.failed |= 1 << index;
        }
    }
    if !play.extracts.is_empty() {
        verdict.empty_handed = !take_out(&play.extracts, seen, values);
    }
    verdict
}

/// Returns whether all of it was there.
#[inline(never)]
fn take_out(extracts: &[(u16, FoundPlay)], seen: Option<Seen<'_>>, values: &mut [Vec<u8>]) -> bool {
    let mut all = true;
    for (variable, found) in extracts {
        let value = &mut values[usize::from(*variable)];
        value.clear();
        let taken = seen.and_then(|seen| extract(found, seen, value));
        all &= taken.is_some() && value.len() <= VALUE_BYTES_MAX;
    }
    all
}

fn holds(check: &CheckPlay, seen: Option<Seen<'_>>, nanos: u64) -> bool {
    match (check, seen) {
        (CheckPlay::Within(most), _) => nanos <= *most,
        (_, None) => false,
        (CheckPlay::Header(name, part), Some(seen)) => header_has(seen, name, part),
        (CheckPlay::Contains(text), Some(seen)) => text.find(seen.body).is_some(),
        (CheckPlay::Matches(expression), Some(seen)) => expression.is_match(seen.body),
        (CheckPlay::Bytes(from, to), Some(seen)) => (*from..=*to).contains(&seen.body_bytes),
    }
}

#[inline(never)]
fn header_has(seen: Seen<'_>, name: &str, part: &[u8]) -> bool {
    seen.headers(name).any(|value| contains(&value.to_ascii_lowercase(), part))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

fn extract(found: &FoundPlay, seen: Seen<'_>, value: &mut Vec<u8>) -> Option<()> {
    match found {
        FoundPlay::Status => {
            write!(value, "{}", seen.status).expect("writing to memory does not fail");
        }
        FoundPlay::Header(name, None) => value.extend_from_slice(seen.headers(name).next()?),
        FoundPlay::Header(name, Some(part)) => {
            let mut headers = seen.headers(name);
            value.extend_from_slice(headers.find_map(|header| excerpt_of(header, part))?);
        }
        FoundPlay::Cookie(name) => {
            let mut set = seen.headers("set-cookie");
            value.extend_from_slice(set.find_map(|set| cookie(set, name.as_bytes()))?);
        }
        FoundPlay::Body(part) => value.extend_from_slice(excerpt_of(seen.body, part)?),
        FoundPlay::Json(pointer) => {
            let json: serde_json::Value = serde_json::from_slice(seen.body).ok()?;
            value.extend_from_slice(scalar(json.pointer(pointer)?)?.as_bytes());
        }
    }
    Some(())
}

fn excerpt_of<'a>(text: &'a [u8], part: &ExcerptPlay) -> Option<&'a [u8]> {
    match part {
        ExcerptPlay::Regex(expression) => {
            let groups = expression.captures(text)?;
            let group = if groups.len() > 1 { groups.get(1)? } else { groups.get(0)? };
            Some(group.as_bytes())
        }
        ExcerptPlay::Between(ends) => {
            let [before, behind] = &**ends;
            let rest = &text[before.find(text)? + before.needle().len()..];
            Some(&rest[..behind.find(rest)?])
        }
    }
}

/// The value of cookie `name`, if it is the one that `set` sets (RFC 6265, 5.2).
fn cookie<'a>(set: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let pair = set.split(|byte| *byte == b';').next()?;
    let end = pair.iter().position(|byte| *byte == b'=')?;
    (pair[..end].trim_ascii() == name).then(|| pair[end + 1..].trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::super::samples::request;
    use super::*;
    use proptest::prelude::*;
    use protocols::http1::{Client, Manner, Request};
    use protocols::{ClientMachine, Machine};
    use std::rc::Rc;
    use wire::{CheckCode, ExcerptCode, FoundCode};

    /// An answer as a machine finds it, and the input it lies in.
    fn kept(head: &str, body: &[u8]) -> (Client, Vec<u8>) {
        let manner = Manner { kept_max: 200, ..Manner::STRICT };
        let request = Request::encoded(b"GET".to_vec(), "GET", true, manner);
        let mut client = Client::new(Rc::new(request));
        client.start();
        client.transmitted(3);
        let head = format!("HTTP/1.1 200 OK\r\n{head}Content-Length: {}\r\n\r\n", body.len());
        let input = [head.as_bytes(), body].concat();
        client.receive(&input);
        (client, input)
    }

    fn judged(
        checks: Vec<CheckCode>,
        found: Vec<FoundCode>,
        (client, input): &(Client, Vec<u8>),
    ) -> (Verdict, Vec<String>) {
        let play = request(checks, found);
        let mut values = vec![Vec::new(); play.extracts.len()];
        let verdict = judge(&play, client.seen(input, 0), 5, &mut values);
        (verdict, values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect())
    }

    #[test]
    fn each_check_holds_or_not() {
        let header = |name: &str, holds: &str| CheckCode::Header(name.into(), holds.into());
        let kept = kept("X-A: Hello\r\n", b"{\"a\": [\"x.y\"]}");
        for (check, holds) in [
            (header("x-a", "hell"), true),
            (header("X-A", ""), true),
            (header("x-a", "bye"), false),
            (header("x-b", ""), false),
            (CheckCode::Contains(b"x.y".to_vec()), true),
            (CheckCode::Contains(b"x+y".to_vec()), false),
            (CheckCode::Matches("x.y".into()), true),
            (CheckCode::Matches("^x".into()), false),
            (CheckCode::Bytes(14, 14), true),
            (CheckCode::Bytes(15, 99), false),
            (CheckCode::Within(5), true),
            (CheckCode::Within(4), false),
        ] {
            let (verdict, _) = judged(vec![check.clone()], Vec::new(), &kept);
            assert_eq!((verdict.failed == 0, verdict.empty_handed), (holds, false), "{check:?}");
        }
    }

    #[test]
    fn values_are_found_where_they_are() {
        let kept = kept(
            "X-A: Hello\r\nX-A: id=7; q\r\n",
            b"{\"a\": [\"x.y\", 7, true, null, {}], \"id=\": \"1&2\"}",
        );
        let json = |pointer: &str| FoundCode::Json(pointer.into());
        let of_regex = |text: &str| ExcerptCode::Regex(text.into());
        let of_between = |from: &str, to: &str| ExcerptCode::Between(from.into(), to.into());
        let regex = |text: &str| FoundCode::Body(of_regex(text));
        let between = |from: &str, to: &str| FoundCode::Body(of_between(from, to));
        let header = |name: &str, part| FoundCode::Header(name.into(), part);
        for (found, value) in [
            (json("/a/0"), Some("x.y")),
            (json("/a/1"), Some("7")),
            (json("/a/2"), Some("true")),
            (json("/a/3"), None),
            (json("/a/4"), None),
            (json("/b"), None),
            (regex("[a-z]\\.([a-z])"), Some("y")),
            (regex("[0-9]"), Some("7")),
            (regex("z(z)?"), None),
            (between("\": \"", "&"), Some("1")),
            (between("[", "]"), Some("\"x.y\", 7, true, null, {}")),
            (between("]", "["), None),
            (header("x-a", None), Some("Hello")),
            (header("x-b", None), None),
            (header("x-a", Some(of_regex("id=(.)"))), Some("7")),
            (header("x-a", Some(of_regex("[0-9]x"))), None),
            (header("x-a", Some(of_between("=", ";"))), Some("7")),
            (header("x-b", Some(of_between("=", ";"))), None),
            (FoundCode::Status, Some("200")),
        ] {
            let (verdict, values) = judged(Vec::new(), vec![found.clone()], &kept);
            assert_eq!(verdict.empty_handed, value.is_none(), "{found:?}");
            assert_eq!(values[0], value.unwrap_or_default(), "{found:?}");
        }
    }

    #[test]
    fn a_cookie_is_taken_without_its_attributes() {
        let head = "Set-Cookie: theme=sid=9\r\nset-cookie: sid = a=b; Path=/; HttpOnly\r\n\
                    Set-Cookie: last=\r\nSet-Cookie: sid=second\r\n";
        let kept = kept(head, b"");
        for (name, value) in [
            ("theme", Some("sid=9")),
            ("sid", Some("a=b")),
            ("last", Some("")),
            ("SID", None),
            ("Path", None),
        ] {
            let (verdict, values) = judged(vec![], vec![FoundCode::Cookie(name.into())], &kept);
            assert_eq!(verdict.empty_handed, value.is_none(), "{name}");
            assert_eq!(values[0], value.unwrap_or_default(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_body_is_judged(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let checks = vec![CheckCode::Matches("(a|b)*c".into()), CheckCode::Bytes(0, 300)];
            let found = vec![
                FoundCode::Json("/a/0".into()),
                FoundCode::Body(ExcerptCode::Between("\u{0}".into(), "\u{1}".into())),
                FoundCode::Body(ExcerptCode::Regex("(.)(.)".into())),
            ];
            let (verdict, _) = judged(checks, found, &kept("", &body));
            prop_assert_eq!(verdict.failed & 2, 0);
        }
    }
}
