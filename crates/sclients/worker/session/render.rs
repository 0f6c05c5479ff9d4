//! A request with its values put in. What comes from a server or a file cannot break it: in a path it is
//! percent-encoded, in a header it has to be one line.

use super::program::{FeedPlay, Filling, RequestPlay, SessionPlay, Template, Text};
use super::users::{User, between};
use crate::wall;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;
use wire::PlaceKind;

/// A value that would break the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadValue;

/// Where values come from beside the user.
pub struct Values<'a> {
    /// What is played.
    pub sessions: &'a [SessionPlay],
    /// Where rows come from.
    pub feeds: &'a [FeedPlay],
    /// What is drawn.
    pub random: &'a mut Xoshiro256PlusPlus,
    /// The number that no other request gets.
    pub counter: u64,
}

/// Writes the request of `play` for `user` to `out`; `scratch` is for one value.
///
/// # Errors
/// A value that would break it.
#[inline]
pub fn render(
    play: &mut RequestPlay,
    user: &User,
    values: &mut Values<'_>,
    out: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
) -> Result<(), BadValue> {
    // The body first: the head may have its length.
    let mut body_bytes = 0;
    for template in [&mut play.body, &mut play.head] {
        fill(template, user, values, body_bytes, scratch)?;
        body_bytes = template.text.len();
    }
    out.extend_from_slice(&play.head.text);
    if !play.body.text.is_empty() {
        out.extend_from_slice(&play.body.text);
    }
    Ok(())
}

/// Puts what comes next into each hole of `template`, over what is in it.
#[inline]
fn fill(
    template: &mut Template,
    user: &User,
    values: &mut Values<'_>,
    body_bytes: usize,
    scratch: &mut Vec<u8>,
) -> Result<(), BadValue> {
    let Template { text, holes } = template;
    let mut holes = holes.as_mut_slice();
    while let Some((hole, behind)) = holes.split_first_mut() {
        let number = match hole.filling {
            Filling::Counter => values.counter,
            Filling::Random(from, to) => between(from, to, values.random.next_u64()),
            Filling::Seconds => millis() / 1_000,
            Filling::Millis => millis(),
            Filling::Length => body_bytes as u64,
            Filling::Text(from, place) => {
                scratch.clear();
                let value = text_of(from, user, values.sessions, values.feeds);
                place_value(value, place, scratch)?;
                hole.put(text, scratch, behind);
                holes = behind;
                continue;
            }
        };
        hole.put(text, itoa::Buffer::new().format(number).as_bytes(), behind);
        holes = behind;
    }
    Ok(())
}

#[inline(never)]
fn text_of<'a>(
    text: Text,
    user: &'a User,
    sessions: &[SessionPlay],
    feeds: &'a [FeedPlay],
) -> &'a [u8] {
    match text {
        Text::Variable(variable) => &user.values[usize::from(variable)],
        Text::Column(drawn, column) => {
            let drawn = usize::from(drawn);
            let feed = sessions[usize::from(user.session)].feeds[drawn];
            feeds[usize::from(feed)].value(user.rows[drawn], column)
        }
    }
}

#[inline(never)]
fn millis() -> u64 {
    let since = wall::since_epoch();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Puts `value` where it stands, as that needs it.
#[inline(never)]
fn place_value(value: &[u8], place: PlaceKind, out: &mut Vec<u8>) -> Result<(), BadValue> {
    match place {
        PlaceKind::Path => {
            let plain = value.iter().take_while(|byte| is_unreserved(**byte)).count();
            out.extend_from_slice(&value[..plain]);
            value[plain..].iter().for_each(|byte| percent(*byte, out));
        }
        PlaceKind::WholePath => {
            let plain = value.iter().all(u8::is_ascii_graphic);
            if !plain || value.first() != Some(&b'/') {
                return Err(BadValue);
            }
            out.extend_from_slice(value);
        }
        PlaceKind::Header => {
            // Obsolete text above ASCII is allowed, controls but the tab are not (RFC 9110, 5.5).
            if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
                return Err(BadValue);
            }
            out.extend_from_slice(value);
        }
        PlaceKind::Body => out.extend_from_slice(value),
    }
    Ok(())
}

/// Whether a byte stands in a path or query as it is (RFC 3986, 2.3).
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn percent(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if is_unreserved(byte) {
        out.push(byte);
    } else {
        out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::program::Program;
    use super::super::samples::program;
    use super::*;
    use proptest::prelude::*;
    use rand_xoshiro::rand_core::SeedableRng;
    use wire::{RequestCode, Segment, StepCode, ValueCode};

    fn placed(value: &[u8], place: PlaceKind) -> Result<Vec<u8>, BadValue> {
        let mut out = Vec::new();
        place_value(value, place, &mut out).map(|()| out)
    }

    #[test]
    fn values_are_put_in_as_their_place_needs_it() {
        assert_eq!(placed(b"a b/\xff~", PlaceKind::Path).unwrap(), b"a%20b%2F%FF~");
        assert_eq!(placed(b"/a?b=c%20", PlaceKind::WholePath).unwrap(), b"/a?b=c%20");
        assert_eq!(placed("ä\tb".as_bytes(), PlaceKind::Header).unwrap(), "ä\tb".as_bytes());
        assert_eq!(placed(b"\r\n\0", PlaceKind::Body).unwrap(), b"\r\n\0");
        for (value, place) in [
            (&b"http://a/"[..], PlaceKind::WholePath),
            (b"", PlaceKind::WholePath),
            (b"/a HTTP/1.1\r\nX: y", PlaceKind::WholePath),
            (b"a\r\nX: y", PlaceKind::Header),
            (b"a\nX: y", PlaceKind::Header),
            (b"\0", PlaceKind::Header),
        ] {
            assert_eq!(placed(value, place), Err(BadValue), "{value:?}");
        }
    }

    /// A request with a counter, a variable and the length of its body, which has the variable too.
    fn with_holes() -> (Program, User) {
        let value = |value, place| Segment::Value(value, place);
        let variable = ValueCode::Variable(0);
        let text = |text: &str| Segment::Text(text.as_bytes().to_vec());
        let code = RequestCode {
            method: "POST".into(),
            persistent: true,
            head: vec![
                text("POST /"),
                value(ValueCode::Counter, PlaceKind::Path),
                value(variable, PlaceKind::Path),
                text(" HTTP/1.1\r\nContent-Length: "),
                Segment::Length,
                text("\r\n\r\n"),
            ],
            body: vec![value(variable, PlaceKind::Body), text("!")],
            statuses: Vec::new(),
            checks: Vec::new(),
            extracts: Vec::new(),
        };
        let program = program(&[StepCode::Request(Box::new(code))], Vec::new()).unwrap();
        let mut user = User::default();
        user.values.push(Vec::new());
        (program, user)
    }

    #[test]
    fn what_was_in_a_hole_last_leaves_nothing_behind() {
        let (mut program, mut user) = with_holes();
        let Program { sessions, requests, feeds, .. } = &mut program;
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        for (counter, value) in
            [(9, ""), (10, "a b"), (11, "c d"), (1_234_567, "0123456789"), (5, "x")]
        {
            user.values[0] = value.as_bytes().to_vec();
            let mut out = Vec::new();
            let mut values = Values { sessions, feeds, random: &mut random, counter };
            render(&mut requests[0], &user, &mut values, &mut out, &mut Vec::new()).unwrap();
            let (path, length) = (value.replace(' ', "%20"), value.len() + 1);
            let wanted = format!(
                "POST /{counter}{path} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{value}!"
            );
            assert_eq!(String::from_utf8(out).unwrap(), wanted);
        }
    }

    proptest! {
        #[test]
        fn no_value_ends_a_line_of_a_head(value in prop::collection::vec(any::<u8>(), 0..40)) {
            for place in [PlaceKind::Path, PlaceKind::WholePath, PlaceKind::Header] {
                if let Ok(out) = placed(&value, place) {
                    prop_assert!(!out.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
                    let whole = place == PlaceKind::Header || out.iter().all(u8::is_ascii_graphic);
                    prop_assert!(whole, "a path has no blanks");
                }
            }
        }
    }
}
