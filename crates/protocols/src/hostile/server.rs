//! The hostile side of a connection: it reads requests as they should be, and answers as it should not.
//!
//! ```text
//! request ─▶ Requested ─▶ respond() ─▶ script: Send ─▶ Pause ─▶ … ─▶ next request, or an end
//!                                               │         │
//!                                      pending()│         │wish(): the caller waits, closes or resets,
//!                                                         └─ then go_on()
//! ```

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::cases::{Case, Listening, Trigger};
use super::script::{Chop, Cut, Send, Step, longest};
use crate::http1::RequestReader;
use crate::{Machine, Received, ServerEvent, ServerMachine};

/// What a well-behaved exchange looks like.
const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\nServer: sclients\r\nContent-Length: 2\r\n\r\nok";

/// How a target misbehaves.
#[derive(Clone, Debug)]
pub struct Manner {
    /// The cases; each connection gets one of them, drawn from the seed.
    pub cases: Vec<&'static Case>,
    /// In which pieces bytes leave.
    pub chop: Chop,
    /// Plain answers on each connection before it turns hostile.
    pub after: u32,
    /// Only so many connections are hostile, the first ones.
    pub connections: u64,
    /// Chooses the case of each connection, and split points of long streams.
    pub seed: u64,
}

/// What all hostile connections of a process share.
#[derive(Debug)]
pub struct Hostility {
    manner: Manner,
    scripts: Vec<Vec<Rc<[Step]>>>,
    plain: Rc<[Step]>,
    accepted: Cell<u64>,
    begun: Cell<u64>,
}

impl Hostility {
    /// Writes the scripts of `manner`'s cases.
    pub fn new(manner: Manner) -> Rc<Self> {
        let scripts = manner.cases.iter().map(|case| case.scripts()).collect();
        let plain = [super::script::send(PLAIN)].into();
        Rc::new(Self { manner, scripts, plain, accepted: Cell::new(0), begun: Cell::new(0) })
    }

    /// How the process listens: as its first case says.
    pub fn listening(&self) -> Listening {
        self.manner.cases.first().map_or(Listening::Accepting, |case| case.listening)
    }

    /// Hostile scripts begun so far, over all connections.
    pub fn begun(&self) -> u64 {
        self.begun.get()
    }

    /// The case of connection `number`, by its index; none behaves.
    fn case(&self, number: u64) -> Option<usize> {
        let count = self.manner.cases.len() as u64;
        let hostile = number < self.manner.connections && count > 0;
        hostile.then(|| (mixed(self.manner.seed ^ number) % count) as usize)
    }

    /// Begins a script of case `index`: its variants take turns.
    fn begin(&self, index: usize) -> Script {
        let turn = self.begun.replace(self.begun.get() + 1);
        let variants = &self.scripts[index];
        let count = variants.len() as u64;
        let steps = Rc::clone(&variants[(turn % count) as usize]);
        let drawn = mixed(self.manner.seed.wrapping_add(turn));
        let cut = Cut::new(self.manner.chop, turn / count, drawn, longest(&*steps));
        Script::new(steps, cut)
    }

    fn plain(&self) -> Script {
        Script::new(Rc::clone(&self.plain), Cut::new(Chop::Whole, 0, 0, 0))
    }
}

/// One round of SplitMix64's output function.
const fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What the caller is to do once all pending bytes are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Call [`Server::go_on`] after so long.
    Pause(Duration),
    /// Half close, and call [`Server::go_on`].
    Finish,
    /// Close.
    Close,
    /// Reset.
    Reset,
}

/// A script under way.
#[derive(Debug)]
struct Script {
    steps: Rc<[Step]>,
    cut: Cut,
    /// The step, and how many of its bytes are gone.
    at: usize,
    sent: usize,
    /// A pause within the step's bytes is due.
    waits: bool,
}

impl Script {
    const fn new(steps: Rc<[Step]>, cut: Cut) -> Self {
        Self { steps, cut, at: 0, sent: 0, waits: false }
    }

    fn send(&self) -> Option<&Send> {
        match self.steps.get(self.at) {
            Some(Step::Send(send)) if !self.waits => Some(send),
            _ => None,
        }
    }

    fn pending(&self) -> &[u8] {
        self.send().map_or(&[], |send| &send.bytes[self.sent..self.cut.end(send, self.sent)])
    }

    fn transmitted(&mut self, bytes: usize) {
        let Some(send) = self.send() else { return };
        let (end, len, endless) = (self.cut.end(send, self.sent), send.bytes.len(), send.endless);
        let pauses = self.cut.pause(send).is_some();
        self.sent += bytes;
        if self.sent < end {
            return;
        }
        self.waits = pauses;
        if self.sent == len {
            self.sent = 0;
            self.at += usize::from(!endless);
            self.waits &= endless;
        }
    }

    fn wish(&self) -> Option<Wish> {
        match self.steps.get(self.at)? {
            Step::Send(send) if self.waits => self.cut.pause(send).map(Wish::Pause),
            Step::Send(_) | Step::Mute => None,
            Step::Pause(time) => Some(Wish::Pause(*time)),
            Step::Finish => Some(Wish::Finish),
            Step::Close => Some(Wish::Close),
            Step::Reset => Some(Wish::Reset),
        }
    }

    fn go_on(&mut self) {
        if !std::mem::take(&mut self.waits) {
            self.at += 1;
        }
    }

    fn is_over(&self) -> bool {
        self.at == self.steps.len()
    }
}

/// A server machine that misbehaves.
#[derive(Debug)]
pub struct Server {
    hostility: Rc<Hostility>,
    case: Option<usize>,
    /// Hostile answers begin when the head of their request is there, and nothing is read meanwhile.
    early: bool,
    reader: RequestReader,
    script: Option<Script>,
    /// Requests that wait for their answer, let go or not.
    waiting: u32,
    released: u32,
    answered: u32,
    ended: bool,
}

impl Server {
    /// A machine on a fresh connection.
    pub fn new(hostility: Rc<Hostility>) -> Self {
        let number = hostility.accepted.replace(hostility.accepted.get() + 1);
        let case = hostility.case(number);
        let trigger = case.map(|index| hostility.manner.cases[index].trigger);
        let script = match (case, trigger) {
            (Some(index), Some(Trigger::Accept)) => Some(hostility.begin(index)),
            _ => None,
        };
        let reader = RequestReader::new();
        let early = trigger == Some(Trigger::Head);
        let (waiting, released, answered) = (0, 0, 0);
        let ended = false;
        Self { hostility, case, early, reader, script, waiting, released, answered, ended }
    }

    /// What to do, now that nothing is pending.
    pub fn wish(&self) -> Option<Wish> {
        self.script.as_ref()?.wish()
    }

    /// The caller has done what was wished.
    pub fn go_on(&mut self) {
        if let Some(script) = &mut self.script {
            script.go_on();
        }
        self.next_script();
    }

    /// Whether the answer that comes after `more` others is hostile.
    fn is_hostile(&self, more: u32) -> bool {
        self.case.is_some() && self.answered + more >= self.hostility.manner.after
    }

    /// Begins the answer to the next request that was let go, once the last script is over.
    fn next_script(&mut self) {
        if self.script.as_ref().is_some_and(|script| !script.is_over()) {
            return;
        }
        self.script = None;
        if self.released == 0 {
            return;
        }
        self.released -= 1;
        self.waiting -= 1;
        let hostile = self.case.filter(|_| self.is_hostile(0));
        self.answered += 1;
        self.script = Some(match hostile {
            Some(index) => self.hostility.begin(index),
            None => self.hostility.plain(),
        });
    }
}

impl Machine for Server {
    type Event = ServerEvent;

    fn pending(&self) -> &[u8] {
        self.script.as_ref().map_or(&[], Script::pending)
    }

    fn transmitted(&mut self, n: usize) {
        assert!(n <= self.pending().len(), "transmitted no more than was pending");
        if let Some(script) = &mut self.script {
            script.transmitted(n);
        }
        self.next_script();
    }

    fn receive(&mut self, input: &[u8]) -> Received<ServerEvent> {
        let received = self.reader.receive(input, self.early && self.is_hostile(self.waiting));
        match received.event {
            Some(ServerEvent::Requested) => self.waiting += 1,
            Some(ServerEvent::BadRequest) => self.ended = true,
            None => {}
        }
        received
    }

    fn end_of_input(&mut self, _rest: &[u8]) -> Option<ServerEvent> {
        self.ended = true;
        self.script = None;
        None
    }

    fn finished(&self) -> bool {
        self.ended
    }

    fn carry_limit(&self) -> usize {
        let deaf = self.early && self.script.is_some();
        if self.ended || deaf { 0 } else { self.reader.carry_limit() }
    }
}

impl ServerMachine for Server {
    fn respond(&mut self) {
        assert!(self.released < self.waiting, "one answer to one request");
        self.released += 1;
        self.next_script();
    }
}
