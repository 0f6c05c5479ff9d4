//! Feeds a client machine as a connection does, in any reads, and checks the law of [`Machine`] on the way.
//!
//! Where an answer ends inside a read, the machine is told at once that there is more, and a connection that would have
//! lasted ends; where a read ends with the answer, it lasts. So the events are the same in any cut only if no read goes
//! past the end of an answer, as with a server that answers when it is asked. [`in_any_reads`] finds those ends byte by
//! byte, and makes every other way of cutting respect them; [`surplus_is_told`] looks at the reads that go past one.

use std::rc::Rc;

use protocols::http1::{Client, Request};
use protocols::{Answer, ClientEvent, ClientMachine, Failure, Machine};

/// Streams up to this length are split at every point; longer ones at [`FEW_SPLITS`] of them.
const EVERY_SPLIT_BYTES_MAX: usize = 2 << 10;
const FEW_SPLITS: usize = 64;

/// What is asked, and how much of it leaves before the answer comes.
#[derive(Clone)]
pub(crate) struct Asking {
    pub(crate) request: Rc<Request>,
    /// Bytes of each request that leave.
    pub(crate) sent: usize,
    /// Most exchanges on the connection.
    pub(crate) exchanges: usize,
    /// Whether the peer ends its side behind the stream.
    pub(crate) end: bool,
}

impl Asking {
    /// One exchange, fully asked, on a connection that stays open.
    pub(crate) fn once(request: Request) -> Self {
        let sent = request.bytes().len();
        Self { request: Rc::new(request), sent, exchanges: 1, end: false }
    }
}

/// What came out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Story {
    /// Each event with the place in the stream behind which it happened; a failure has none, since how much of a
    /// broken body was taken before it depends on the reads.
    pub(crate) told: Vec<(ClientEvent, Option<usize>)>,
}

impl Story {
    /// Where answers ended.
    pub(crate) fn ends(&self) -> impl Iterator<Item = usize> + '_ {
        let end = |(event, at): &(ClientEvent, Option<usize>)| match event {
            ClientEvent::Completed(_) => *at,
            _ => None,
        };
        self.told.iter().filter_map(end)
    }
}

/// Tells `stream` byte by byte, whole, and split at every point, and demands the same story; returns it.
pub(crate) fn in_any_reads(asking: &Asking, stream: &[u8]) -> Story {
    let story = told(asking, stream, &(1..=stream.len()).collect::<Vec<_>>());
    let ends: Vec<usize> = story.ends().collect();
    assert_eq!(told(asking, stream, &reads(&ends, None, stream.len())), story, "whole");
    for split in splits(stream) {
        let reads = reads(&ends, Some(split), stream.len());
        assert_eq!(told(asking, stream, &reads), story, "split at {split}");
    }
    story
}

/// Where reads end: at the ends of answers, at `split`, and at the end of the stream.
fn reads(ends: &[usize], split: Option<usize>, len: usize) -> Vec<usize> {
    let mut reads = ends.to_vec();
    reads.extend(split);
    reads.push(len);
    reads.sort_unstable();
    reads.dedup();
    reads
}

/// Every point, or as many as there is time for, drawn from the stream's length so that a run repeats.
fn splits(stream: &[u8]) -> Vec<usize> {
    if stream.len() <= EVERY_SPLIT_BYTES_MAX {
        return (1..stream.len()).collect();
    }
    let mut state = stream.len() as u64;
    let draw = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        1 + (state >> 33) as usize % (stream.len() - 1)
    };
    std::iter::repeat_with(draw).take(FEW_SPLITS).collect()
}

/// The story of `stream` in reads that end at `reads`.
fn told(asking: &Asking, stream: &[u8], reads: &[usize]) -> Story {
    let mut feed = Feed::new(asking, stream);
    reads.iter().for_each(|end| feed.read(*end));
    feed.finish()
}

/// One connection with its stream.
struct Feed<'a> {
    asking: &'a Asking,
    stream: &'a [u8],
    client: Client,
    /// Bytes consumed.
    done: usize,
    /// Bytes read.
    read: usize,
    exchanges_left: usize,
    told: Vec<(ClientEvent, Option<usize>)>,
}

impl<'a> Feed<'a> {
    fn new(asking: &'a Asking, stream: &'a [u8]) -> Self {
        let client = Client::new(asking.request.clone());
        let exchanges_left = asking.exchanges;
        let mut feed =
            Self { asking, stream, client, done: 0, read: 0, exchanges_left, told: Vec::new() };
        feed.ask();
        feed
    }

    /// Opens an exchange if there may be another, and sends what is to leave of it.
    fn ask(&mut self) {
        if self.exchanges_left == 0 {
            return;
        }
        self.exchanges_left -= 1;
        self.client.start();
        // What the last request still owes goes first.
        let owed = self.client.pending().len() % self.asking.request.bytes().len();
        self.client.transmitted(owed);
        let sent = self.asking.sent.min(self.client.pending().len());
        self.client.transmitted(sent);
    }

    /// Whether what comes now is asked for.
    fn asked(&self) -> bool {
        self.client.busy() && self.asking.sent > 0
    }

    /// Presents the stream up to `end` until the machine comes to rest.
    fn read(&mut self, end: usize) {
        self.read = end;
        let calls_max = end - self.done + 3;
        for calls in 0.. {
            assert!(calls <= calls_max, "the machine never comes to rest");
            if self.step() {
                break;
            }
        }
        let carried = self.read - self.done;
        if self.client.finished() {
            assert_eq!(self.client.carry_limit(), 0, "a finished machine wants no input");
            assert!(self.client.pending().is_empty(), "a finished machine sends nothing");
        } else {
            assert!(carried < self.client.carry_limit(), "reading would stop for ever");
        }
    }

    /// One call; whether the machine rests.
    fn step(&mut self) -> bool {
        let rest = &self.stream[self.done..self.read];
        let (was_finished, was_asked) = (self.client.finished(), self.asked());
        let received = self.client.receive(rest);
        let rests = received.consumed == 0 && received.event.is_none();
        assert!(received.consumed <= rest.len(), "more was consumed than there is");
        assert!(rests || !was_finished, "a finished machine consumed or told something");
        self.done += received.consumed;
        if let Some(event) = received.event {
            self.tell(if was_asked { event } else { unasked(event, rest) });
        }
        rests
    }

    fn tell(&mut self, event: ClientEvent) {
        let failed = matches!(event, ClientEvent::Failed(_));
        self.told.push((event, (!failed).then_some(self.done)));
        assert!(!failed || self.client.finished(), "a failure ends the connection");
        if let ClientEvent::Completed(answer) = event {
            assert_eq!(answer.reusable, !self.client.finished(), "{answer:?}");
            if answer.reusable && self.done == self.read {
                self.ask();
            }
        }
    }

    fn finish(mut self) -> Story {
        if self.asking.end {
            let rest = &self.stream[self.done..self.read];
            let event = self.client.end_of_input(rest);
            assert!(self.client.finished(), "the end of input ends the connection");
            if let Some(event) = event {
                self.tell(event);
            }
        }
        Story { told: self.told }
    }
}

/// Checks that unasked bytes are called by what of them is there, and gives them one name for all cuts.
fn unasked(event: ClientEvent, rest: &[u8]) -> ClientEvent {
    let name = if begins_answer(rest) { Failure::Unsolicited } else { Failure::ExtraData };
    assert_eq!(event, ClientEvent::Failed(name), "unasked bytes");
    ClientEvent::Failed(Failure::ExtraData)
}

/// Whether `bytes`, as far as they go, could begin an answer.
fn begins_answer(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HTTP/") || b"HTTP/".starts_with(bytes)
}

/// A read that goes past the end of the first answer: the same answer, told with its surplus, ends the connection.
pub(crate) fn surplus_is_told(asking: &Asking, stream: &[u8], story: &Story) {
    let Some(end) = story.ends().next().filter(|end| *end < stream.len()) else {
        return;
    };
    let place = story.told.iter().position(|(_, at)| *at == Some(end));
    let (before, rest) = story.told.split_at(place.unwrap_or(0));
    let Some((ClientEvent::Completed(answer), _)) = rest.first() else {
        return;
    };
    let unsolicited = begins_answer(&stream[end..]);
    let surplus = (stream.len() - end) as u32;
    let expected = Answer { reusable: false, surplus, unsolicited, ..*answer };
    for split in [None, Some(1), Some(end / 2), Some(end.saturating_sub(1))] {
        let reads = reads(&[], split.filter(|split| (1..end).contains(split)), stream.len());
        let seen = told(asking, stream, &reads).told;
        assert_eq!(seen[..before.len()], *before, "before the surplus");
        let answered = [(ClientEvent::Completed(expected), Some(end))];
        assert_eq!(seen[before.len()..], answered, "the answer with its surplus");
    }
}
