//! A request with its values put in. What comes from a server or a file cannot break it: in a path it is
//! percent-encoded, in a header it has to be one line.

use super::program::{FeedPlay, Hole, Piece, Program, RequestPlay};
use super::users::{User, between};
use crate::wall;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;
use wire::{PlaceKind, ValueCode};

/// A value that would break the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadValue;

/// Where values come from beside the user.
pub struct Values<'a> {
    /// Sessions and feeds.
    pub program: &'a Program,
    /// What is drawn.
    pub random: &'a mut Xoshiro256PlusPlus,
    /// The number that no other request gets.
    pub counter: u64,
}

/// Writes the request of `play` for `user` to `out`; `scratch` is for its body.
///
/// # Errors
/// A value that would break it.
pub fn render(
    play: &RequestPlay,
    user: &User,
    values: &mut Values<'_>,
    out: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
) -> Result<(), BadValue> {
    if play.body.is_empty() {
        return put_all(&play.head, user, values, 0, out);
    }
    scratch.clear();
    put_all(&play.body, user, values, 0, scratch)?;
    put_all(&play.head, user, values, scratch.len(), out)?;
    out.extend_from_slice(scratch);
    Ok(())
}

fn put_all(
    pieces: &[Piece],
    user: &User,
    values: &mut Values<'_>,
    body_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), BadValue> {
    for Piece { text, hole } in pieces {
        out.extend_from_slice(text);
        let drawn = match hole {
            Hole::None => continue,
            Hole::Length => body_bytes as u64,
            Hole::Value(ValueCode::Counter, _) => values.counter,
            Hole::Value(ValueCode::Random(from, to), _) => {
                between(*from, *to, values.random.next_u64())
            }
            Hole::Value(ValueCode::Seconds, _) => millis() / 1_000,
            Hole::Value(ValueCode::Millis, _) => millis(),
            Hole::Value(ValueCode::Variable(index), place) => {
                place_value(&user.values[usize::from(*index)], *place, out)?;
                continue;
            }
            Hole::Value(ValueCode::Column(feed, column), place) => {
                place_value(column_of(values.program, user, *feed, *column), *place, out)?;
                continue;
            }
        };
        out.extend_from_slice(itoa::Buffer::new().format(drawn).as_bytes());
    }
    Ok(())
}

fn column_of<'a>(program: &'a Program, user: &User, drawn: u16, column: u16) -> &'a [u8] {
    let feeds = &program.sessions[usize::from(user.session)].feeds;
    let feed: &FeedPlay = &program.feeds[usize::from(feeds[usize::from(drawn)])];
    feed.value(user.rows[usize::from(drawn)], column)
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
    use super::*;
    use proptest::prelude::*;

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
