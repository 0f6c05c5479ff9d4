//! Connections over real sockets: a small client model in the test's own thread, and a small
//! server model (or a plain socket of the standard library) in another.

use dispatch::{DispatchId, Instant};
use protocols::{
    Answer, ClientEvent, ClientMachine, Failure, Machine, Received, ServerEvent, ServerMachine,
    http1,
};
use servicemodel::{
    Attempt, Connection, Context, End, Ending, Model, Slowness, catch_up, connect, connections,
    context, listen, run, with_connection,
};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tcpsocket::{Acceptor, SocketError, SourceBlock, Sources};

/// By when anything that is to happen has happened.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a server looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(5);

// The client's side.

/// What a connection was told, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Note {
    Connected,
    Event(ClientEvent),
    Woken,
    Expired,
    Ended(End),
}

type Decide = Box<dyn FnMut(&mut Connection<Caller>, Note, Instant)>;

/// Writes down what each connection (its place is its number) is told; what it does then is the
/// test's.
struct Caller {
    notes: Vec<(usize, Note, Instant)>,
    bytes_read: usize,
    /// What came with the last event.
    input: Vec<u8>,
    decide: Option<Decide>,
    /// The run ends when so many connections have ended.
    ends: usize,
    give_up: Instant,
}

impl Caller {
    fn new(decide: impl FnMut(&mut Connection<Self>, Note, Instant) + 'static) -> Self {
        Self {
            notes: Vec::new(),
            bytes_read: 0,
            input: Vec::new(),
            decide: Some(Box::new(decide)),
            ends: 1,
            give_up: Instant::now() + PATIENCE,
        }
    }

    fn note(&mut self, connection: &mut Connection<Self>, note: Note, at: Instant) {
        self.notes.push((connection.place, note, at));
        let mut decide = self.decide.take().expect("one turn at a time");
        decide(connection, note, at);
        self.decide = Some(decide);
    }

    fn told(&self) -> Vec<Note> {
        self.notes.iter().map(|(_, note, _)| *note).collect()
    }

    fn ended(&self) -> usize {
        self.notes.iter().filter(|(_, note, _)| matches!(note, Note::Ended(_))).count()
    }
}

impl Model for Caller {
    type Machine = protocols::Client;
    type Place = usize;

    fn turn(context: &mut Context<Self>, now: Instant) -> ControlFlow<()> {
        let model = &context.world.model;
        if model.ended() >= model.ends {
            return ControlFlow::Break(());
        }
        assert!(now < model.give_up, "not within {PATIENCE:?}; so far {:?}", model.notes);
        ControlFlow::Continue(())
    }

    // What ends in this turn's own deadlines and wake-ups is seen in the next one, at once.
    fn next_turn(&self, now: Instant) -> Instant {
        if self.ended() >= self.ends { now } else { self.give_up }
    }

    fn connected(&mut self, connection: &mut Connection<Self>, now: Instant) {
        assert!(connection.established() && connection.id().is_some());
        self.note(connection, Note::Connected, now);
    }

    fn event(
        &mut self,
        connection: &mut Connection<Self>,
        event: ClientEvent,
        input: &[u8],
        at: Instant,
    ) {
        self.input = input.to_vec();
        self.note(connection, Note::Event(event), at);
    }

    fn woken(&mut self, connection: &mut Connection<Self>, _asked: Instant, now: Instant) {
        self.note(connection, Note::Woken, now);
    }

    fn expired(&mut self, connection: &mut Connection<Self>, now: Instant) {
        self.note(connection, Note::Expired, now);
    }

    fn ended(&mut self, connection: &mut Connection<Self>, end: End) {
        self.note(connection, Note::Ended(end), Instant::now());
    }

    fn read(&mut self, _connection: &mut Connection<Self>, bytes: usize, _at: Instant) {
        self.bytes_read += bytes;
    }
}

fn client_machine() -> protocols::Client {
    let request = http1::Request::builder("GET", "localhost", "/").build().unwrap();
    protocols::Client::Http1(http1::Client::new(Rc::new(request)))
}

fn call_with_deadline(context: &mut Context<Caller>, peer: SocketAddr, place: usize) -> Attempt {
    connect(context, peer, client_machine(), place, Instant::now() + PATIENCE)
}

/// One connection to `peer`, from connect to end.
fn call(
    peer: SocketAddr,
    decide: impl FnMut(&mut Connection<Caller>, Note, Instant) + 'static,
) -> Caller {
    let mut context = context(Caller::new(decide), None, 1).unwrap();
    call_with_deadline(&mut context, peer, 0).connection.unwrap();
    run(&mut context).unwrap();
    assert_eq!(connections(&context).count(), 0);
    context.world.model
}

/// Asks once, and closes when the answer is there.
fn ask_once(connection: &mut Connection<Caller>, note: Note, _at: Instant) {
    match note {
        Note::Connected => connection.machine.start(),
        Note::Event(ClientEvent::Completed(_)) => connection.close(Ending::Close),
        _ => {}
    }
}

const OK: Note = Note::Event(ClientEvent::Completed(Answer {
    status: 200,
    reusable: true,
    early: false,
    surplus: 0,
    unsolicited: false,
    forgiven: false,
}));

// The server's side.

/// Answers each request when `delay` has passed, outside its event if there is a delay.
struct Answerer {
    responses: Rc<http1::Responses>,
    delay: Option<Duration>,
    /// The connection is closed once so many were answered.
    close_after: u32,
    due: VecDeque<(Instant, DispatchId)>,
    bound: Sender<SocketAddr>,
    stop: Arc<AtomicBool>,
    pause: Arc<AtomicBool>,
}

impl Answerer {
    fn answer(connection: &mut Connection<Self>) {
        connection.machine.respond();
        connection.place += 1;
    }
}

impl Model for Answerer {
    type Machine = protocols::Server;
    /// Answers so far.
    type Place = u32;

    fn first_dispatch(context: &mut Context<Self>) -> io::Result<()> {
        let bound =
            listen(context, "127.0.0.1:0".parse().unwrap(), 64).map_err(io::Error::other)?;
        context.world.model.bound.send(bound).map_err(io::Error::other)
    }

    fn turn(context: &mut Context<Self>, now: Instant) -> ControlFlow<()> {
        if context.world.model.stop.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        if context.world.model.paused() {
            return ControlFlow::Continue(());
        }
        catch_up(context);
        while let Some((due, id)) = context.world.model.due.front().copied() {
            if due > now {
                break;
            }
            context.world.model.due.pop_front();
            with_connection(context, id, |_, connection| Self::answer(connection));
        }
        ControlFlow::Continue(())
    }

    fn next_turn(&self, now: Instant) -> Instant {
        let due = self.due.front().map_or(Instant::FAR_FUTURE, |(due, _)| *due);
        due.min(now + LOOK)
    }

    fn paused(&self) -> bool {
        self.pause.load(Ordering::Relaxed)
    }

    fn accept(&mut self) -> Option<(protocols::Server, u32)> {
        let machine = http1::Server::new(Rc::clone(&self.responses));
        Some((protocols::Server::Http1(machine), 0))
    }

    fn connected(&mut self, _connection: &mut Connection<Self>, _now: Instant) {}

    fn event(
        &mut self,
        connection: &mut Connection<Self>,
        event: ServerEvent,
        _input: &[u8],
        at: Instant,
    ) {
        match (event, self.delay) {
            (ServerEvent::BadRequest, _) => {}
            (ServerEvent::Requested, Some(delay)) => {
                self.due.push_back((at + delay, connection.id().unwrap()));
            }
            (ServerEvent::Requested, None) => {
                if connection.place == self.close_after {
                    connection.close(Ending::Close);
                } else {
                    Self::answer(connection);
                }
            }
        }
    }

    fn expired(&mut self, _connection: &mut Connection<Self>, _now: Instant) {
        unreachable!("it sets no deadline")
    }

    fn ended(&mut self, _connection: &mut Connection<Self>, _end: End) {}
}

/// A server in a thread of its own, stopped when dropped.
struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    pause: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What a server does.
#[derive(Clone, Copy)]
struct Behaviour {
    body_bytes: u64,
    delay: Option<Duration>,
    close_after: u32,
}

impl Behaviour {
    const PROMPT: Self = Self { body_bytes: 100, delay: None, close_after: u32::MAX };
}

impl Server {
    fn start(behaviour: Behaviour) -> Self {
        let (bound, address) = channel();
        let [stop, pause] = [(), ()].map(|()| Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (stop, pause) = (Arc::clone(&stop), Arc::clone(&pause));
            move || {
                let Behaviour { body_bytes, delay, close_after } = behaviour;
                let responses = Rc::new(http1::Responses::new(body_bytes));
                let due = VecDeque::new();
                let model = Answerer { responses, delay, close_after, due, bound, stop, pause };
                run(&mut context(model, None, 64).unwrap()).unwrap();
            }
        });
        let address = address.recv_timeout(PATIENCE).expect("the server listens");
        Self { address, stop, pause, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().expect("joined once").join();
        assert!(ended.is_ok() || std::thread::panicking(), "the server panicked");
    }
}

/// A peer of the standard library that accepts one connection and does `act` with it.
fn plain_peer(act: impl FnOnce(TcpStream) + Send + 'static) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (address, std::thread::spawn(move || act(listener.accept().unwrap().0)))
}

/// Holds the connection until its client is gone, and says nothing.
fn silent(mut stream: TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
}

// The life of a connection.

#[test]
fn a_connection_is_told_that_it_connected_completed_and_ended_in_this_order() {
    let server = Server::start(Behaviour::PROMPT);
    let caller = call(server.address, ask_once);
    assert_eq!(caller.told(), [Note::Connected, OK, Note::Ended(End::ByUs)]);
    assert!(caller.bytes_read > 100);
}

#[test]
fn one_connection_carries_many_exchanges() {
    let server = Server::start(Behaviour::PROMPT);
    let mut left = 100;
    let caller = call(server.address, move |connection, note, _| match note {
        Note::Connected => connection.machine.start(),
        OK => {
            left -= 1;
            match left {
                0 => connection.close(Ending::Reset),
                _ => connection.machine.start(),
            }
        }
        _ => {}
    });
    assert_eq!(caller.told().iter().filter(|note| **note == OK).count(), 100);
    assert_eq!(caller.told().last(), Some(&Note::Ended(End::ByUs)));
}

/// An address at which nobody listens, nor can while what holds it lives.
fn closed() -> (TcpListener, SocketAddr) {
    let reserved = Acceptor::reserve(([127, 0, 0, 1], 0).into()).unwrap();
    let holder = TcpListener::from(reserved);
    let address = holder.local_addr().unwrap();
    (holder, address)
}

#[test]
fn a_refused_attempt_ends_as_not_connected() {
    let (_closed, address) = closed();
    let caller = call(address, |connection, _, _| assert!(!connection.established()));
    assert_eq!(caller.told(), [Note::Ended(End::NotConnected(SocketError::Refused))]);
}

#[test]
fn an_attempt_that_is_given_up_at_its_deadline_ends_as_timed_out() {
    // A full accept queue: the kernel drops the SYN, and the attempt stays pending.
    let full = tcpsocket::Acceptor::listen("127.0.0.1:0".parse().unwrap(), 0).unwrap();
    let address = full.local_address().unwrap();
    let _fills_the_queue = TcpStream::connect(address).unwrap();
    let mut context = context(
        Caller::new(|connection, note, _| {
            if note == Note::Expired {
                assert!(!connection.established());
                connection.close(Ending::Reset);
            }
        }),
        None,
        1,
    )
    .unwrap();
    let deadline = Instant::now() + Duration::from_millis(30);
    connect(&mut context, address, client_machine(), 0, deadline).connection.unwrap();
    run(&mut context).unwrap();
    let model = context.world.model;
    let ended = Note::Ended(End::NotConnected(SocketError::TimedOut));
    assert_eq!(model.told(), [Note::Expired, ended]);
    assert!(model.notes[0].2 >= deadline);
}

#[test]
fn a_server_that_closes_ends_the_connection_by_peer() {
    let server = Server::start(Behaviour { close_after: 0, ..Behaviour::PROMPT });
    let caller = call(server.address, ask_once);
    let failed = Note::Event(ClientEvent::Failed(Failure::ClosedBeforeResponse));
    assert_eq!(caller.told(), [Note::Connected, failed, Note::Ended(End::ByPeer)]);
    assert!(caller.input.is_empty());
}

#[test]
fn an_idle_connection_that_the_peer_closes_ends_by_peer() {
    let (address, peer) = plain_peer(drop);
    let caller = call(address, |_, _, _| {});
    peer.join().unwrap();
    assert_eq!(caller.told().first(), Some(&Note::Connected));
    assert_eq!(caller.told().last(), Some(&Note::Ended(End::ByPeer)));
}

#[test]
fn a_reset_by_the_peer_ends_the_connection_as_broken() {
    let (address, peer) = plain_peer(|mut stream| {
        // Closed with a byte unread, which resets; the others tell that the request is there.
        stream.read_exact(&mut [0; 8]).unwrap();
    });
    let caller = call(address, ask_once);
    peer.join().unwrap();
    let broken = Note::Ended(End::Broken(SocketError::Reset));
    assert_eq!(caller.told(), [Note::Connected, broken]);
}

#[test]
fn a_peer_that_sends_garbage_is_a_failure_and_no_panic() {
    for garbage in [&b"\0\xff\xfe garbage\r\n\r\n"[..], b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 9x"]
    {
        let (address, peer) = plain_peer(move |mut stream| {
            stream.read_exact(&mut [0; 8]).unwrap();
            stream.write_all(garbage).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            silent(stream);
        });
        let caller = call(address, ask_once);
        peer.join().unwrap();
        let told = caller.told();
        assert!(matches!(told[1], Note::Event(ClientEvent::Failed(_))), "{told:?}");
        assert!(matches!(told[2..], [Note::Ended(End::ByUs | End::ByPeer)]), "{told:?}");
        assert_eq!(caller.input, garbage);
    }
}

#[test]
fn a_client_that_sends_garbage_is_refused_and_the_server_goes_on() {
    let server = Server::start(Behaviour::PROMPT);
    let mut stream = plain_client(server.address);
    stream.write_all(b"\0\0\0 nonsense\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&answer));
    let caller = call(server.address, ask_once);
    assert_eq!(caller.told()[1], OK);
}

// Deadlines and wake-ups.

#[test]
fn a_deadline_expires_once_and_not_early() {
    let (address, peer) = plain_peer(silent);
    const TIMEOUT: Duration = Duration::from_millis(20);
    let caller = call(address, |connection, note, at| match note {
        Note::Connected => {
            connection.machine.start();
            connection.deadline = at + TIMEOUT;
        }
        Note::Expired => connection.wake_at(at + TIMEOUT),
        Note::Woken => connection.close(Ending::Reset),
        _ => {}
    });
    peer.join().unwrap();
    let told = [Note::Connected, Note::Expired, Note::Woken, Note::Ended(End::ByUs)];
    assert_eq!(caller.told(), told, "once, though it was left open as long again");
    assert!(caller.notes[1].2 >= caller.notes[0].2 + TIMEOUT);
}

#[test]
fn a_deadline_that_is_moved_later_does_not_fire_early() {
    let (address, peer) = plain_peer(silent);
    const MOVED: Duration = Duration::from_millis(60);
    let caller = call(address, |connection, note, at| match note {
        Note::Connected => {
            connection.deadline = at + Duration::from_millis(10);
            connection.wake_at(at + Duration::from_micros(100));
        }
        Note::Woken => connection.deadline = at + MOVED,
        Note::Expired => connection.close(Ending::Reset),
        _ => {}
    });
    peer.join().unwrap();
    // On a machine that stood still for 10 ms both are due at once, and the deadline is first.
    let told = caller.told();
    if told[1] == Note::Woken {
        assert_eq!(told, [Note::Connected, Note::Woken, Note::Expired, Note::Ended(End::ByUs)]);
        assert!(caller.notes[2].2 >= caller.notes[1].2 + MOVED);
    }
}

#[test]
fn a_deadline_that_is_moved_earlier_fires_where_it_moved_to() {
    let (address, peer) = plain_peer(silent);
    let caller = call(address, |connection, note, at| match note {
        Note::Connected => {
            connection.deadline = at + Duration::from_secs(3600);
            connection.wake_at(at + Duration::from_millis(1));
        }
        Note::Woken => connection.deadline = at + Duration::from_millis(2),
        Note::Expired => connection.close(Ending::Reset),
        _ => {}
    });
    peer.join().unwrap();
    let told = [Note::Connected, Note::Woken, Note::Expired, Note::Ended(End::ByUs)];
    assert_eq!(caller.told(), told);
}

#[test]
fn a_deadline_that_is_taken_away_does_not_fire() {
    let (address, peer) = plain_peer(silent);
    let caller = call(address, |connection, note, at| match note {
        Note::Connected => {
            connection.deadline = at + Duration::from_millis(200);
            connection.wake_at(at);
        }
        Note::Woken if connection.deadline != Instant::FAR_FUTURE => {
            connection.deadline = Instant::FAR_FUTURE;
            connection.wake_at(at + Duration::from_millis(250));
        }
        Note::Woken => connection.close(Ending::Reset),
        _ => {}
    });
    peer.join().unwrap();
    assert!(!caller.told().contains(&Note::Expired), "{:?}", caller.notes);
}

#[test]
fn connections_are_woken_in_the_order_of_their_instants_and_none_early() {
    let server = Server::start(Behaviour::PROMPT);
    const PAUSES: [u64; 4] = [30, 10, 40, 20];
    // Far enough ahead for all to be connected by then.
    let start = Instant::now() + Duration::from_millis(200);
    let wake = move |place: usize| start + Duration::from_millis(PAUSES[place]);
    let caller = Caller::new(move |connection, note, _| match note {
        Note::Connected => connection.wake_at(wake(connection.place)),
        Note::Woken => connection.close(Ending::Reset),
        _ => {}
    });
    let mut context = context(caller, None, 4).unwrap();
    context.world.model.ends = PAUSES.len();
    for place in 0..PAUSES.len() {
        call_with_deadline(&mut context, server.address, place).connection.unwrap();
    }
    run(&mut context).unwrap();
    let woken = context.world.model.notes.iter().filter(|(_, note, _)| *note == Note::Woken);
    let woken: Vec<(usize, Instant)> = woken.map(|(place, _, at)| (*place, *at)).collect();
    assert!(woken.iter().all(|(place, at)| *at >= wake(*place)), "{woken:?}");
    let places: Vec<usize> = woken.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, [1, 3, 0, 2]);
}

#[test]
fn of_several_wishes_to_be_woken_the_last_one_counts() {
    let (address, peer) = plain_peer(silent);
    let caller = call(address, |connection, note, at| match note {
        Note::Connected => {
            connection.wake_at(at + Duration::from_millis(1));
            connection.wake_at(at + Duration::from_millis(15));
        }
        Note::Woken => connection.close(Ending::Reset),
        _ => {}
    });
    peer.join().unwrap();
    assert_eq!(caller.told(), [Note::Connected, Note::Woken, Note::Ended(End::ByUs)]);
    assert!(caller.notes[1].2 >= caller.notes[0].2 + Duration::from_millis(15));
}

// Source pairs.

/// Source pairs of this process's own, below the kernel's range of ports.
fn sources(test: u8, pairs: u16) -> Sources {
    let process = std::process::id();
    let address = Ipv4Addr::new(127, 64 + (process >> 8 & 0x7f) as u8, process as u8, test);
    let address = IpAddr::V4(address);
    Sources::new(&[SourceBlock { address, first_port: 21_000, last_port: 21_000 + pairs - 1 }])
}

fn free(context: &Context<Caller>) -> usize {
    context.world.sources.as_ref().unwrap().free()
}

#[test]
fn a_source_pair_is_given_back_when_its_connection_has_ended() {
    let server = Server::start(Behaviour::PROMPT);
    let caller = Caller::new(|connection, note, _| match note {
        Note::Connected => connection.machine.start(),
        // A reset frees the pair in the kernel at once; a FIN would wait for the peer's.
        OK => connection.close(Ending::Reset),
        _ => {}
    });
    let mut context = context(caller, Some(sources(101, 1)), 1).unwrap();
    for round in 1..=10 {
        context.world.model.ends = round;
        call_with_deadline(&mut context, server.address, round).connection.unwrap();
        assert_eq!(free(&context), 0);
        let second = call_with_deadline(&mut context, server.address, 99);
        assert_eq!(second.connection.unwrap_err(), SocketError::NoSource);
        run(&mut context).unwrap();
        assert_eq!(free(&context), 1);
    }
    assert_eq!(context.world.model.told().iter().filter(|note| **note == OK).count(), 10);
}

#[test]
fn a_source_pair_is_given_back_when_the_attempt_failed() {
    let (_closed, address) = closed();
    let mut context = context(Caller::new(|_, _, _| {}), Some(sources(102, 1)), 1).unwrap();
    call_with_deadline(&mut context, address, 0).connection.unwrap();
    run(&mut context).unwrap();
    assert_eq!(free(&context), 1);
}

#[test]
fn a_source_pair_that_is_in_use_is_passed_over_and_counted() {
    let server = Server::start(Behaviour::PROMPT);
    let mut theirs = sources(103, 2);
    let taken = theirs.take().unwrap();
    let _held = tcpsocket::Stream::connect(server.address, Some(taken)).unwrap();
    let mut context = context(Caller::new(ask_once), Some(sources(103, 2)), 1).unwrap();
    let attempt = call_with_deadline(&mut context, server.address, 0);
    assert_eq!(attempt.skipped, 1);
    run(&mut context).unwrap();
    assert_eq!(context.world.model.told()[1], OK);
    assert_eq!(free(&context), 2);
}

// Much, slowly, at once.

#[test]
fn a_large_answer_arrives_whole_though_a_turn_reads_one_buffer() {
    const BODY: u64 = 5_000_000;
    let server = Server::start(Behaviour { body_bytes: BODY, ..Behaviour::PROMPT });
    let caller = call(server.address, ask_once);
    assert_eq!(caller.told(), [Note::Connected, OK, Note::Ended(End::ByUs)]);
    assert!(caller.bytes_read as u64 > BODY);
}

#[test]
fn an_answer_larger_than_any_socket_buffer_goes_on_whenever_there_is_room() {
    const BODY: usize = 20_000_000;
    let server = Server::start(Behaviour { body_bytes: BODY as u64, ..Behaviour::PROMPT });
    let mut stream = plain_client(server.address);
    stream.write_all(&requests(1)).unwrap();
    assert_eq!(answers(&mut stream, 1), BODY);
}

#[test]
fn a_delayed_answer_goes_out_outside_its_event() {
    let delay = Duration::from_millis(25);
    let server = Server::start(Behaviour { delay: Some(delay), ..Behaviour::PROMPT });
    let caller = call(server.address, ask_once);
    assert_eq!(caller.told(), [Note::Connected, OK, Note::Ended(End::ByUs)]);
    assert!(caller.notes[1].2 >= caller.notes[0].2 + delay);
}

fn plain_client(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn requests(count: usize) -> Vec<u8> {
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(count)
}

/// Reads until `count` answers came; the bytes of their bodies.
fn answers(stream: &mut TcpStream, count: usize) -> usize {
    let mut reader = io::BufReader::new(stream);
    let mut bodies = 0;
    for answer in 0..count {
        let mut length = 0;
        loop {
            let mut line = String::new();
            let read = io::BufRead::read_line(&mut reader, &mut line);
            assert!(matches!(read, Ok(1..)), "answer {answer} of {count}: {read:?}");
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        bodies += length;
    }
    bodies
}

#[test]
fn pipelined_requests_are_all_answered_also_beyond_what_the_machine_holds_at_once() {
    // The machine holds 16 unanswered requests; the rest of one segment waits behind them.
    for delay in [None, Some(Duration::from_millis(2))] {
        for count in [2, 15, 16, 17, 40, 200] {
            let server = Server::start(Behaviour { delay, ..Behaviour::PROMPT });
            let mut stream = plain_client(server.address);
            stream.write_all(&requests(count)).unwrap();
            assert_eq!(answers(&mut stream, count), count * 100);
        }
    }
}

#[test]
fn pipelined_requests_are_all_answered_though_the_client_has_stopped_sending() {
    for delay in [None, Some(Duration::from_millis(2))] {
        let server = Server::start(Behaviour { delay, ..Behaviour::PROMPT });
        let mut stream = plain_client(server.address);
        stream.write_all(&requests(40)).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(answers(&mut stream, 40), 40 * 100);
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0, "then it closes");
    }
}

#[test]
fn pipelined_large_answers_come_whole_and_in_order() {
    let server = Server::start(Behaviour { body_bytes: 1_000_000, ..Behaviour::PROMPT });
    let mut stream = plain_client(server.address);
    stream.write_all(&requests(40)).unwrap();
    assert_eq!(answers(&mut stream, 40), 40 * 1_000_000);
}

// Pauses.

/// Nothing comes, for as long as nothing plausibly would.
fn assert_silent(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(20 * LOOK)).unwrap();
    let read = stream.read(&mut [0; 8]).map_err(|error| error.kind());
    assert_eq!(read, Err(io::ErrorKind::WouldBlock));
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
}

#[test]
fn a_paused_server_answers_and_accepts_nothing_and_then_all_of_it() {
    let server = Server::start(Behaviour::PROMPT);
    let mut known = plain_client(server.address);
    for pause in 0..3 {
        known.write_all(&requests(1)).unwrap();
        assert_eq!(answers(&mut known, 1), 100, "before pause {pause}");
        server.pause.store(true, Ordering::Relaxed);
        let mut newcomer = plain_client(server.address);
        newcomer.write_all(&requests(2)).unwrap();
        for _ in 0..3 {
            known.write_all(&requests(1)).unwrap();
            assert_silent(&mut known);
        }
        assert_silent(&mut newcomer);
        server.pause.store(false, Ordering::Relaxed);
        assert_eq!(answers(&mut known, 3), 300);
        assert_eq!(answers(&mut newcomer, 2), 200);
    }
}

#[test]
fn what_a_client_said_before_it_left_in_a_pause_is_answered_and_its_end_noticed() {
    let server = Server::start(Behaviour::PROMPT);
    let mut stream = plain_client(server.address);
    stream.write_all(&requests(1)).unwrap();
    assert_eq!(answers(&mut stream, 1), 100);
    server.pause.store(true, Ordering::Relaxed);
    stream.write_all(&requests(1)).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_silent(&mut stream);
    server.pause.store(false, Ordering::Relaxed);
    assert_eq!(answers(&mut stream, 1), 100);
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0, "then it closes");
}

#[test]
fn answers_that_are_under_way_wait_in_a_pause() {
    let body_bytes = 64 << 20;
    let server = Server::start(Behaviour { body_bytes, ..Behaviour::PROMPT });
    let mut stream = plain_client(server.address);
    stream.write_all(&requests(1)).unwrap();
    stream.read_exact(&mut [0; 64]).unwrap();
    server.pause.store(true, Ordering::Relaxed);
    stream.set_read_timeout(Some(20 * LOOK)).unwrap();
    let mut before = 0;
    let mut buffer = vec![0; 1 << 20];
    while let Ok(bytes) = stream.read(&mut buffer) {
        before += bytes as u64;
    }
    assert!(before < body_bytes, "all {before} bytes came");
    server.pause.store(false, Ordering::Relaxed);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let rest = io::copy(&mut stream, &mut io::sink()).unwrap();
    assert!(before + rest > body_bytes, "{before} before, {rest} after");
}

// Slow clients.

const SLOW_BODY: u64 = 10_000;

fn slow_reader(bytes_per_s: u64) -> Slowness {
    Slowness { read_bytes_per_s: NonZeroU64::new(bytes_per_s), ..Slowness::default() }
}

fn slow_writer(bytes_per_s: u64) -> Slowness {
    Slowness { write_bytes_per_s: NonZeroU64::new(bytes_per_s), ..Slowness::default() }
}

/// One connection to `peer`, as slow as that, whose requests are `machine`'s.
fn call_slowly(
    peer: SocketAddr,
    slowness: Slowness,
    machine: protocols::Client,
    decide: impl FnMut(&mut Connection<Caller>, Note, Instant) + 'static,
) -> Caller {
    let mut context = context(Caller::new(decide), None, 1).unwrap();
    context.world.slowness = slowness;
    connect(&mut context, peer, machine, 0, Instant::now() + PATIENCE).connection.unwrap();
    run(&mut context).unwrap();
    assert_eq!(connections(&context).count(), 0);
    context.world.model
}

/// A client whose request has a body of so many bytes.
fn posting_machine(body_bytes: u64) -> protocols::Client {
    let body = vec![b'x'; body_bytes as usize];
    let request = http1::Request::builder("POST", "localhost", "/").body(&body).build().unwrap();
    protocols::Client::Http1(http1::Client::new(Rc::new(request)))
}

/// From the first note to the first answer.
fn time_of_answer(caller: &Caller) -> Duration {
    let answer = caller.notes.iter().find(|(_, note, _)| *note == OK).expect("it was answered");
    answer.2.since(caller.notes[0].2)
}

/// From the first note to the last.
fn time_between(caller: &Caller) -> Duration {
    caller.notes.last().unwrap().2.since(caller.notes[0].2)
}

#[test]
fn a_slow_reader_reads_the_same_bytes_in_the_time_that_its_rate_says() {
    let server = Server::start(Behaviour { body_bytes: SLOW_BODY, ..Behaviour::PROMPT });
    let prompt = call(server.address, ask_once);
    let slowness = slow_reader(SLOW_BODY);
    let slow = call_slowly(server.address, slowness, client_machine(), ask_once);
    assert_eq!(slow.told(), [Note::Connected, OK, Note::Ended(End::ByUs)]);
    assert_eq!(slow.bytes_read, prompt.bytes_read);
    let time = time_of_answer(&slow);
    assert!(time >= Duration::from_millis(800), "{SLOW_BODY} bytes in {time:?}");
}

#[test]
fn a_slow_reader_keeps_its_rate_over_many_answers() {
    let server = Server::start(Behaviour { body_bytes: 1_000, ..Behaviour::PROMPT });
    let mut left = 10;
    let again = move |connection: &mut Connection<Caller>, note, _| match note {
        Note::Connected => connection.machine.start(),
        OK => {
            left -= 1;
            match left {
                0 => connection.close(Ending::Close),
                _ => connection.machine.start(),
            }
        }
        _ => {}
    };
    let caller = call_slowly(server.address, slow_reader(10_000), client_machine(), again);
    assert_eq!(caller.told().iter().filter(|note| **note == OK).count(), 10);
    let (first, last) = (caller.notes[0].2, caller.notes.last().unwrap().2);
    let most = 10_000.0 * last.since(first).as_secs_f64() + 1_000.0;
    assert!(caller.bytes_read as f64 <= most, "{} bytes of {most} at most", caller.bytes_read);
}

#[test]
fn a_slow_reader_reads_to_the_end_what_came_before_the_peer_closed() {
    let (address, peer) = plain_peer(|mut stream| {
        stream.read_exact(&mut [0; 8]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        stream.write_all(&[b'x'; 3_000]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        silent(stream);
    });
    let caller = call_slowly(address, slow_reader(10_000), client_machine(), ask_once);
    peer.join().unwrap();
    assert_eq!(caller.bytes_read, 3_019);
    let told = caller.told();
    assert!(matches!(told[1], Note::Event(ClientEvent::Completed(_))), "{told:?}");
    assert!(time_between(&caller) >= Duration::from_millis(200), "{:?}", caller.notes);
}

#[test]
fn a_server_feels_that_its_reader_is_slow_since_it_cannot_send() {
    // The client stays for a second: at full speed it would take a hundred times as much.
    const HOLDS: usize = 8 << 20;
    let (said, taken) = channel();
    let (address, peer) = plain_peer(move |mut stream| {
        stream.read_exact(&mut [0; 8]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n").unwrap();
        stream.set_nonblocking(true).unwrap();
        let (mut total, mut blocked) = (0, false);
        let give_up = Instant::now() + PATIENCE;
        while Instant::now() < give_up {
            match stream.write(&[b'x'; 16 * 1024]) {
                Ok(bytes) => total += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    blocked = true;
                    std::thread::sleep(LOOK);
                }
                Err(_) => break,
            }
        }
        said.send((total, blocked)).unwrap();
    });
    let slowness = Slowness { receive_buffer_bytes: Some(4096), ..slow_reader(1_000) };
    let caller =
        call_slowly(address, slowness, client_machine(), |connection, note, at| match note {
            Note::Connected => {
                connection.machine.start();
                connection.wake_at(at + Duration::from_secs(1));
            }
            Note::Woken => connection.close(Ending::Reset),
            _ => {}
        });
    peer.join().unwrap();
    let (total, blocked) = taken.recv_timeout(PATIENCE).unwrap();
    let read = caller.bytes_read;
    let most = 1_000.0 * time_between(&caller).as_secs_f64() + 100.0;
    assert!(read > 0 && read as f64 <= most, "{read} bytes of {most} at most");
    assert!(blocked && total < HOLDS, "the server could send {total} bytes");
    assert!(caller.told().contains(&Note::Woken), "the model is woken beside the rate");
}

#[test]
fn a_slow_writer_sends_the_same_bytes_in_the_time_that_its_rate_says() {
    let server = Server::start(Behaviour::PROMPT);
    let machine = posting_machine(SLOW_BODY);
    let caller = call_slowly(server.address, slow_writer(SLOW_BODY), machine, ask_once);
    assert_eq!(caller.told(), [Note::Connected, OK, Note::Ended(End::ByUs)]);
    let time = time_of_answer(&caller);
    assert!(time >= Duration::from_millis(800), "{SLOW_BODY} bytes in {time:?}");
}

#[test]
fn a_connection_may_be_slow_in_both_directions() {
    let server = Server::start(Behaviour { body_bytes: SLOW_BODY, ..Behaviour::PROMPT });
    let slowness = Slowness { write_bytes_per_s: NonZeroU64::new(20_000), ..slow_reader(20_000) };
    let caller = call_slowly(server.address, slowness, posting_machine(SLOW_BODY), ask_once);
    assert_eq!(caller.told(), [Note::Connected, OK, Note::Ended(End::ByUs)]);
    let time = time_of_answer(&caller);
    assert!(time >= Duration::from_millis(800), "twice {SLOW_BODY} bytes in {time:?}");
}

#[test]
fn a_rate_beyond_what_a_buffer_holds_costs_nothing() {
    const BODY: u64 = 5_000_000;
    let server = Server::start(Behaviour { body_bytes: BODY, ..Behaviour::PROMPT });
    let slowness = slow_reader(1 << 30);
    let caller = call_slowly(server.address, slowness, client_machine(), ask_once);
    assert_eq!(caller.told(), [Note::Connected, OK, Note::Ended(End::ByUs)]);
    assert!(caller.bytes_read as u64 > BODY);
}

#[test]
fn a_deadline_ends_a_slow_connection_as_any_other() {
    let server = Server::start(Behaviour { body_bytes: SLOW_BODY, ..Behaviour::PROMPT });
    let decide = |connection: &mut Connection<Caller>, note, at: Instant| match note {
        Note::Connected => {
            connection.machine.start();
            connection.deadline = at + Duration::from_millis(100);
        }
        Note::Expired => connection.close(Ending::Close),
        _ => {}
    };
    let caller = call_slowly(server.address, slow_reader(1), client_machine(), decide);
    assert_eq!(caller.told(), [Note::Connected, Note::Expired, Note::Ended(End::ByUs)]);
    assert!(caller.bytes_read <= 2 + time_between(&caller).as_secs() as usize);
}

// The bound of one turn.

/// Sends many small pieces and wants no input, as a machine that is full does.
struct Dripping {
    left: usize,
}

impl Machine for Dripping {
    type Event = ();

    fn pending(&self) -> &[u8] {
        if self.left > 0 { b"." } else { b"" }
    }

    fn transmitted(&mut self, n: usize) {
        self.left -= n;
    }

    fn receive(&mut self, _input: &[u8]) -> Received<()> {
        Received { consumed: 0, event: None }
    }

    fn end_of_input(&mut self, _rest: &[u8]) -> Option<()> {
        None
    }

    fn finished(&self) -> bool {
        self.left == 0
    }

    fn carry_limit(&self) -> usize {
        0
    }
}

/// Lets a [`Dripping`] machine run dry.
struct Drip {
    end: Option<End>,
    give_up: Instant,
}

impl Model for Drip {
    type Machine = Dripping;
    type Place = ();

    fn turn(context: &mut Context<Self>, now: Instant) -> ControlFlow<()> {
        let Self { end, give_up } = context.world.model;
        assert!(now < give_up, "it stopped half-way");
        if end.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn next_turn(&self, now: Instant) -> Instant {
        if self.end.is_some() { now } else { self.give_up }
    }

    fn connected(&mut self, _connection: &mut Connection<Self>, _now: Instant) {}

    fn event(&mut self, _: &mut Connection<Self>, (): (), _input: &[u8], _at: Instant) {}

    fn expired(&mut self, _connection: &mut Connection<Self>, _now: Instant) {}

    fn ended(&mut self, _connection: &mut Connection<Self>, end: End) {
        self.end = Some(end);
    }
}

#[test]
fn a_machine_that_wants_no_input_is_sent_to_its_end_over_as_many_turns_as_it_takes() {
    let (address, peer) = plain_peer(|mut stream| {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        assert_eq!(received.len(), 1000);
    });
    let drip = Drip { end: None, give_up: Instant::now() + Duration::from_secs(5) };
    let mut context = context(drip, None, 1).unwrap();
    let deadline = Instant::FAR_FUTURE;
    connect(&mut context, address, Dripping { left: 1000 }, (), deadline).connection.unwrap();
    run(&mut context).unwrap();
    assert_eq!(context.world.model.end, Some(End::ByUs));
    drop(context);
    peer.join().unwrap();
}
