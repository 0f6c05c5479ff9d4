//! Client against server over a wire in memory that carries a few bytes at a time.

use std::rc::Rc;

use proptest::prelude::*;
use protocols::http1::{self, Request, Responses};
use protocols::{
    Client, ClientEvent, ClientMachine, Machine, Server, ServerEvent, ServerMachine, echo,
};

use crate::driver::Feeder;

/// More turns than any of these conversations needs.
const TURNS_MAX: usize = 2_000_000;

struct Wire {
    client: Client,
    server: Server,
    to_server: Feeder,
    to_client: Feeder,
    /// Bytes per write, repeated; each way takes the next.
    steps: Vec<usize>,
    turn: usize,
    seen: usize,
    unanswered: usize,
    completed: usize,
}

impl Wire {
    fn new(client: Client, server: Server, steps: Vec<usize>) -> Self {
        let (to_server, to_client) = Default::default();
        Self {
            client,
            server,
            to_server,
            to_client,
            steps,
            turn: 0,
            seen: 0,
            unanswered: 0,
            completed: 0,
        }
    }

    /// Runs `exchanges` one after another; returns (completed, seen by the server).
    fn run(mut self, exchanges: usize) -> (usize, usize) {
        while self.completed < exchanges {
            assert!(self.turn < TURNS_MAX, "the conversation does not end");
            if !self.client.busy() {
                self.client.start();
            }
            self.carry_request();
            self.answer();
            self.carry_answer();
        }
        (self.completed, self.seen)
    }

    fn step(&mut self) -> usize {
        self.turn += 1;
        self.steps[self.turn % self.steps.len()]
    }

    fn carry_request(&mut self) {
        let step = self.step();
        let piece = take(&mut self.client, step);
        let (seen, unanswered) = (&mut self.seen, &mut self.unanswered);
        self.to_server.feed(&mut self.server, &piece, |_, event, _| {
            assert_eq!(event, ServerEvent::Requested);
            *seen += 1;
            *unanswered += 1;
        });
    }

    /// Answers are let go now and then.
    fn answer(&mut self) {
        if self.unanswered > 0 && self.turn.is_multiple_of(3) {
            self.unanswered -= 1;
            self.server.respond();
        }
    }

    fn carry_answer(&mut self) {
        let step = self.step();
        let piece = take(&mut self.server, step);
        let completed = &mut self.completed;
        self.to_client.feed(&mut self.client, &piece, |_, event, _| {
            let ClientEvent::Completed(answer) = event else {
                panic!("{event:?}");
            };
            assert!(answer.reusable && answer.surplus == 0 && !answer.early);
            *completed += 1;
        });
    }
}

/// The first `step` bytes of what is pending, sent.
fn take(machine: &mut impl Machine, step: usize) -> Vec<u8> {
    let pending = machine.pending();
    let piece = pending[..pending.len().min(step)].to_vec();
    machine.transmitted(piece.len());
    piece
}

fn steps() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1usize..8, 1usize..5000], 1..10)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn http1_completed_is_seen(
        method in prop::sample::select(vec!["GET", "HEAD", "POST", "PUT"]),
        sent_bytes in 0usize..3000,
        body_bytes in prop_oneof![0u64..100, 0u64..200_000],
        steps in steps(),
    ) {
        let request = Request::builder(method, "h", "/").body(&vec![b'y'; sent_bytes]).build().unwrap();
        let client = Client::Http1(http1::Client::new(Rc::new(request)));
        let server = Server::Http1(http1::Server::new(Rc::new(Responses::new(body_bytes))));
        prop_assert_eq!(Wire::new(client, server, steps).run(3), (3, 3));
    }

    #[test]
    fn echo_comes_back(message in prop::collection::vec(any::<u8>(), 1..5000), limit in 1usize..3000, steps in steps()) {
        let client = Client::Echo(echo::Client::new(Rc::from(message)));
        let server = Server::Echo(echo::Server::new(limit));
        prop_assert_eq!(Wire::new(client, server, steps).run(3).0, 3);
    }
}
