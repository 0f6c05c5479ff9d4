//! Drives a machine as a connection does: keeps what was not consumed, presents it again in front of what is new.

use std::rc::Rc;

use protocols::http1::{self, Request};
use protocols::{ClientEvent, ClientMachine, Machine, ServerEvent, ServerMachine};

/// Streams up to this length are cut at every place; longer ones at a few.
const EVERY_CUT_BYTES_MAX: usize = 600;

/// One direction of a connection.
#[derive(Default)]
pub struct Feeder {
    /// Input that the machine has not consumed.
    pub carry: Vec<u8>,
}

impl Feeder {
    /// Presents `piece` behind what is kept until the machine comes to rest; `act` sees each event, and the
    /// input that it came of.
    pub fn feed<M: Machine>(
        &mut self,
        machine: &mut M,
        piece: &[u8],
        mut act: impl FnMut(&mut M, M::Event, &[u8]),
    ) {
        self.carry.extend_from_slice(piece);
        for turn in 0.. {
            assert!(
                turn <= 2 * piece.len() + self.carry.len() + 200,
                "the machine never comes to rest"
            );
            let received = machine.receive(&self.carry);
            let rests = received.consumed == 0 && received.event.is_none();
            if let Some(event) = received.event {
                act(machine, event, &self.carry);
            }
            self.carry.drain(..received.consumed);
            if rests {
                return;
            }
        }
    }
}

/// How a stream is cut.
pub fn cuts(stream: &[u8]) -> Vec<Vec<&[u8]>> {
    let every = 1..stream.len();
    let few = [1, 2, 9, stream.len() / 2, stream.len().saturating_sub(1)];
    let places: Vec<usize> =
        if stream.len() <= EVERY_CUT_BYTES_MAX { every.collect() } else { few.into() };
    let in_two = places.into_iter().map(|place| {
        let (front, back) = stream.split_at(place.min(stream.len()));
        vec![front, back]
    });
    let mut all: Vec<_> = in_two.collect();
    all.push(vec![stream]);
    all.extend([1, 3, 1000].map(|len| stream.chunks(len).collect()));
    all
}

/// A GET without fields of its own.
pub fn get() -> Rc<Request> {
    Rc::new(Request::builder("GET", "h", "/").build().unwrap())
}

/// A client that sends `request`, with its first exchange open and the request sent.
pub fn asked(request: &Rc<Request>) -> http1::Client {
    let mut client = http1::Client::new(request.clone());
    ask(&mut client);
    client
}

/// Opens an exchange and sends it.
pub fn ask(client: &mut impl ClientMachine) {
    client.start();
    while let n @ 1.. = client.pending().len() {
        client.transmitted(n.div_ceil(2));
    }
}

/// What a client reports when `pieces` come, then perhaps the end. It asks again while its connection lasts, as often as
/// `asks` says.
pub fn answers(
    request: &Rc<Request>,
    asks: usize,
    pieces: &[&[u8]],
    end: bool,
) -> Vec<ClientEvent> {
    let mut client = asked(request);
    let mut left = asks - 1;
    let mut events = Vec::new();
    let mut feeder = Feeder::default();
    for piece in pieces {
        feeder.feed(&mut client, piece, |client, event, _| {
            events.push(event);
            if left > 0 && !client.busy() && !client.finished() {
                left -= 1;
                ask(client);
            }
        });
        assert!(
            client.finished() || feeder.carry.len() < client.carry_limit(),
            "reading would stop for ever"
        );
    }
    if end {
        events.extend(client.end_of_input(&feeder.carry));
        assert!(client.finished());
    }
    events
}

/// What a server reports and sends when `pieces` come; it answers each request at once.
pub fn served(
    server: &mut http1::Server,
    pieces: &[&[u8]],
    end: bool,
) -> (Vec<ServerEvent>, Vec<u8>) {
    let (mut events, mut sent) = (Vec::new(), Vec::new());
    let mut feeder = Feeder::default();
    for piece in pieces {
        feeder.feed(server, piece, |server, event, _| {
            events.push(event);
            if event == ServerEvent::Requested {
                server.respond();
            }
            drain(server, &mut sent);
        });
        drain(server, &mut sent);
        assert!(
            server.finished() || feeder.carry.len() < server.carry_limit(),
            "reading would stop for ever"
        );
    }
    if end {
        assert_eq!(server.end_of_input(&feeder.carry), None);
        drain(server, &mut sent);
        assert!(server.finished());
    }
    (events, sent)
}

/// Sends all that is due, in two steps.
pub fn drain(machine: &mut impl Machine, sent: &mut Vec<u8>) {
    while let pending @ [_, ..] = machine.pending() {
        let n = pending.len().div_ceil(2);
        sent.extend_from_slice(&pending[..n]);
        machine.transmitted(n);
    }
}
