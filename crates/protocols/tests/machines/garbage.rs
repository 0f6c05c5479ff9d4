//! Streams that nobody thought of: no panic, an end, nothing consumed that is not there, and the same class in any cut.

use std::rc::Rc;

use proptest::prelude::*;
use protocols::http1::{Responses, Server};
use protocols::{Answer, ClientEvent, Failure};

use crate::driver::{answers, get, served};

/// Words out of which streams are made that come far before they break.
const WORDS: &[&str] = &[
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 200 OK\r\n",
    "HTTP/1.1 103 Early\r\n",
    "HTTP/1.1 304 X\r\n",
    "HTTP/1.1 ",
    "200",
    "GET / HTTP/1.1\r\n",
    "POST /a HTTP/1.1\r\n",
    "HEAD / HTTP/1.0\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: ",
    "Transfer-Encoding: chunked\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Expect: 100-continue\r\n",
    "\r\n",
    "\r\n\r\n",
    "\r",
    "\n",
    " ",
    "\t",
    ":",
    ";",
    "\"",
    "\\",
    "\0",
    "\u{7f}",
    "\u{e9}",
    "A: b\r\n",
    "A:\r\n",
    "5",
    "0",
    "5\r\nhello\r\n",
    "0\r\n\r\n",
    "0\r\n",
    "1;x=y\r\nz\r\n",
    "hello",
    "H",
    "x",
    "/",
];

fn streams() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::collection::vec(prop::sample::select(WORDS), 0..14);
    let woven = words.prop_map(|words| words.concat().into_bytes());
    prop_oneof![4 => woven, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

/// A head with bytes replaced.
fn spoiled_heads() -> impl Strategy<Value = Vec<u8>> {
    let head = "HTTP/1.1 200 OK\r\nServer: some server\r\nA:\r\nContent-Length: 12\r\nDate: \t now \r\n\r\n";
    let changes = prop::collection::vec((0..head.len(), any::<u8>()), 0..4);
    changes.prop_map(move |changes| {
        let mut bytes = head.as_bytes().to_vec();
        changes.into_iter().for_each(|(place, byte)| bytes[place] = byte);
        bytes
    })
}

/// What does not depend on whether surplus bytes came together with the answer or later.
fn settled(events: &[ClientEvent]) -> Vec<ClientEvent> {
    let on = |event: &ClientEvent| matches!(event, ClientEvent::Interim(_) | ClientEvent::Extra(_));
    let end = events.iter().position(|event| !on(event));
    let mut events = events[..end.map_or(events.len(), |end| end + 1)].to_vec();
    if let Some(ClientEvent::Completed(Answer { reusable, surplus, unsolicited, .. })) =
        events.last_mut()
    {
        (*reusable, *surplus, *unsolicited) = (false, 0, false);
    }
    events
}

/// What `httparse` says of a head, lines ended by LF alone and impossible statuses refused: its length, none while there
/// is more to come.
fn judged(bytes: &[u8]) -> Result<Option<usize>, ()> {
    let mut room = [httparse::EMPTY_HEADER; 100];
    let mut answer = httparse::Response::new(&mut room);
    let status = answer.parse(bytes).map_err(|_| ())?;
    let seen = match status {
        httparse::Status::Complete(len) => &bytes[..len],
        httparse::Status::Partial => bytes,
    };
    let lone = seen
        .iter()
        .enumerate()
        .any(|(at, &byte)| byte == b'\n' && (at == 0 || seen[at - 1] != b'\r'));
    // Behind `HTTP/1.1 ` is the first digit, which tells an impossible status at once.
    let code = seen.get(9).is_none_or(|digit| (b'1'..=b'5').contains(digit));
    let begins = seen.first().is_none_or(|&byte| byte == b'H');
    if lone || !code || !begins {
        return Err(());
    }
    Ok((status != httparse::Status::Partial).then_some(seen.len()))
}

fn without_expectations(mut stream: Vec<u8>) -> Vec<u8> {
    while let Some(at) = stream.windows(6).position(|window| window.eq_ignore_ascii_case(b"Expect"))
    {
        stream[at] = b'X';
    }
    stream
}

/// Whether it is the form of the head that was refused, and not what its fields mean.
fn is_form(event: &ClientEvent) -> bool {
    let form = [Failure::StatusLine, Failure::Version, Failure::StatusCode, Failure::Header];
    matches!(event, ClientEvent::Failed(failure) if form.contains(failure))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn clients_judge_a_stream_alike_in_any_cut(stream in streams(), len in 1usize..20, end: bool) {
        let whole = answers(&get(), 1, &[&stream], end);
        let pieces: Vec<_> = stream.chunks(len).collect();
        let cut = answers(&get(), 1, &pieces, end);
        prop_assert_eq!(settled(&whole), settled(&cut));
    }

    #[test]
    fn servers_answer_a_stream_alike_in_any_cut(stream in streams(), len in 1usize..20, end: bool) {
        // A `100 Continue` is left out when the body comes with the head, so it depends on the cut.
        let stream = without_expectations(stream);
        let responses = Rc::new(Responses::new(3));
        let whole = served(&mut Server::new(responses.clone()), &[&stream], end);
        let pieces: Vec<_> = stream.chunks(len).collect();
        let cut = served(&mut Server::new(responses), &pieces, end);
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn servers_survive_expectations(stream in streams(), len in 1usize..20, end: bool) {
        let pieces: Vec<_> = stream.chunks(len).collect();
        served(&mut Server::new(Rc::new(Responses::new(3))), &pieces, end);
    }

    #[test]
    fn heads_are_judged_as_httparse_does(stream in prop_oneof![spoiled_heads(), streams()], bytewise: bool) {
        let len = if bytewise { 1 } else { stream.len().max(1) };
        let verdict = judged(&stream);
        // Interim answers and bodies come behind the first head; only that is compared.
        let first = &stream[..verdict.ok().flatten().unwrap_or(stream.len())];
        let pieces: Vec<_> = first.chunks(len).collect();
        let events = answers(&get(), 1, &pieces, false);
        match verdict {
            Ok(Some(_)) => prop_assert!(!events.iter().any(is_form), "{:?}", events),
            Ok(None) => prop_assert!(events.is_empty(), "{:?}", events),
            Err(()) => {
                let length = ClientEvent::Failed(Failure::Length);
                prop_assert!(events.iter().any(|event| is_form(event) || *event == length), "{:?}", events);
            }
        }
    }
}
