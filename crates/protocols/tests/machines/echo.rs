//! Echo, either side.

use std::rc::Rc;

use protocols::echo::{Client, Server};
use protocols::{Answer, ClientEvent, ClientMachine, Failure, Machine, ServerEvent, ServerMachine};

use crate::client::{completed, plain};
use crate::driver::{Feeder, ask, cuts, drain};

const MESSAGE: &[u8] = b"a message that comes back";

fn asked() -> Client {
    let mut client = Client::new(Rc::from(MESSAGE));
    ask(&mut client);
    client
}

fn events(pieces: &[&[u8]], end: bool) -> Vec<ClientEvent> {
    let mut client = asked();
    let mut feeder = Feeder::default();
    let mut events = Vec::new();
    for piece in pieces {
        feeder.feed(&mut client, piece, |_, event, _| events.push(event));
    }
    if end {
        events.extend(client.end_of_input(&feeder.carry));
        assert!(client.finished());
    }
    events
}

#[test]
fn what_comes_back_equal_is_an_answer() {
    for pieces in cuts(MESSAGE) {
        assert_eq!(events(&pieces, false), [completed(0, true)]);
    }
    let mut client = asked();
    for _ in 0..3 {
        assert_eq!(client.receive(MESSAGE).event, Some(completed(0, true)));
        assert!(!client.busy() && !client.finished());
        ask(&mut client);
    }
}

#[test]
fn a_difference_is_a_mismatch_at_once() {
    for place in 0..MESSAGE.len() {
        let mut back = MESSAGE.to_vec();
        back[place] ^= 1;
        for pieces in cuts(&back[..=place]) {
            assert_eq!(events(&pieces, true), [ClientEvent::Failed(Failure::EchoMismatch)]);
        }
    }
}

#[test]
fn more_than_was_sent_spoils_the_connection() {
    let more = [MESSAGE, b"x"].concat();
    let answer = Answer { surplus: 1, ..plain(0, false) };
    assert_eq!(events(&[&more], false), [ClientEvent::Completed(answer)]);
    let late = [completed(0, true), ClientEvent::Failed(Failure::Unsolicited)];
    assert_eq!(events(&[MESSAGE, b"x"], false), late);
}

#[test]
fn what_was_not_sent_cannot_come_back() {
    let mut client = Client::new(Rc::from(MESSAGE));
    client.start();
    assert_eq!(client.receive(MESSAGE).event, Some(ClientEvent::Failed(Failure::Unsolicited)));
    let mut client = Client::new(Rc::from(MESSAGE));
    client.start();
    client.transmitted(3);
    let received = client.receive(&MESSAGE[..5]);
    assert_eq!((received.consumed, received.event), (3, None));
    let received = client.receive(&MESSAGE[3..5]);
    assert_eq!(received.event, Some(ClientEvent::Failed(Failure::Unsolicited)));
}

#[test]
fn ends() {
    assert_eq!(events(&[], true), [ClientEvent::Failed(Failure::ClosedBeforeResponse)]);
    assert_eq!(events(&[&MESSAGE[..3]], true), [ClientEvent::Failed(Failure::Truncated)]);
    assert_eq!(events(&[MESSAGE], true), [completed(0, true)]);
}

#[test]
fn a_server_sends_each_piece_when_it_is_let_go() {
    let mut server = Server::new(100);
    assert_eq!(server.receive(b"one").event, Some(ServerEvent::Requested));
    assert_eq!(server.receive(b"two").event, Some(ServerEvent::Requested));
    assert!(server.pending().is_empty());
    server.respond();
    assert_eq!(server.pending(), b"one");
    server.transmitted(2);
    assert_eq!(server.receive(b"three").consumed, 5);
    assert_eq!(server.pending(), b"e");
    server.respond();
    server.respond();
    assert_eq!(server.pending(), b"etwothree");
    server.transmitted(9);
    assert!(server.pending().is_empty() && !server.finished());
}

#[test]
fn a_full_server_takes_no_more() {
    let mut server = Server::new(4);
    assert_eq!(server.receive(b"sixsix").consumed, 4);
    assert_eq!((server.receive(b"ix").consumed, server.carry_limit()), (0, 0));
    server.respond();
    server.transmitted(1);
    assert_eq!((server.receive(b"ix").consumed, server.pending()), (1, &b"ixs"[..]));
    let mut server = Server::new(usize::MAX);
    assert_eq!(server.receive(&[0; 100_000]).consumed, 64 << 10);
}

#[test]
fn unanswered_pieces_are_bounded() {
    let mut server = Server::new(1000);
    for _ in 0..8 {
        assert_eq!(server.receive(b"x").consumed, 1);
    }
    assert_eq!(server.receive(b"x").consumed, 0);
    server.respond();
    assert_eq!(server.receive(b"x").consumed, 1);
}

#[test]
fn a_half_closed_client_gets_everything_back() {
    let message: Vec<u8> = (0..200_000u32).map(|index| index as u8).collect();
    let mut server = Server::new(usize::MAX);
    let mut feeder = Feeder::default();
    let mut waiting = 0;
    feeder.feed(&mut server, &message, |_, _, _| waiting += 1);
    assert_eq!(server.end_of_input(&feeder.carry), None);
    let mut sent = Vec::new();
    while waiting > 0 {
        assert!(!server.finished());
        server.respond();
        waiting -= 1;
        drain(&mut server, &mut sent);
        feeder.feed(&mut server, b"", |_, _, _| waiting += 1);
    }
    assert!(sent == message && server.finished());
}

#[test]
#[should_panic(expected = "one answer to one request")]
fn responding_without_a_request_is_our_mistake() {
    Server::new(1).respond();
}
