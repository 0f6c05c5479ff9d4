//! Sockets against the kernel, on loopback addresses of this process's own.

use dispatch::{BoxedContext, DispatchContext, Event, HandlerResult, Instant, Registered};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, getsockname, getsockopt, socket,
    sockopt,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;
use tcpsocket::{
    AcceptHandler, AcceptTarget, Acceptor, Read, SocketError, Source, SourceBlock, Sources, Stream,
    StreamHandler, StreamTarget, Written,
};

/// By when anything that is to happen has happened.
const PATIENCE_MS: u16 = 10_000;
const BACKLOG: i32 = 256;
/// The peer will send no more; nix has no name for it.
const RDHUP: PollFlags = PollFlags::from_bits_retain(nix::libc::POLLRDHUP);

/// An address of 127/8 for one test of this process, so that tests that run at the same time do
/// not meet.
fn own_address(test: u8) -> IpAddr {
    let process = std::process::id();
    Ipv4Addr::new(127, 64 + (process >> 8 & 0x7f) as u8, process as u8, test).into()
}

/// One explicit source pair, below the kernel's own range of ports.
fn source(address: IpAddr, port: u16) -> Source {
    let block = SourceBlock { address, first_port: port, last_port: port };
    Sources::new(&[block]).take().unwrap()
}

fn listen(address: IpAddr) -> (Acceptor, SocketAddr) {
    let acceptor = Acceptor::listen(SocketAddr::new(address, 0), BACKLOG).unwrap();
    let bound = acceptor.local_address().unwrap();
    (acceptor, bound)
}

/// Waits until the kernel says one of `flags` of `target`.
fn wait(target: &dyn Registered, flags: PollFlags) {
    let mut watched = [PollFd::new(target.descriptor(), flags)];
    assert_eq!(poll(&mut watched, PATIENCE_MS).unwrap(), 1, "nothing within {PATIENCE_MS} ms");
}

fn finish(stream: &mut Stream) -> Result<(), SocketError> {
    while !stream.finish_connect()? {
        wait(stream, PollFlags::POLLOUT);
    }
    Ok(())
}

fn accept(acceptor: &mut Acceptor) -> Stream {
    wait(acceptor, PollFlags::POLLIN);
    acceptor.accept().unwrap().expect("the kernel said that one waits")
}

/// Both ends of a connection.
fn pair(acceptor: &mut Acceptor, source: Option<Source>) -> (Stream, Stream) {
    let mut client = Stream::connect(acceptor.local_address().unwrap(), source).unwrap();
    finish(&mut client).unwrap();
    let server = accept(acceptor);
    (client, server)
}

/// Reads once there is something to read.
fn read(stream: &mut Stream, buffer: &mut [u8]) -> Read {
    wait(stream, PollFlags::POLLIN);
    stream.read(buffer)
}

#[test]
fn a_connection_comes_from_the_source_pair_that_it_was_given() {
    let address = own_address(1);
    let (mut acceptor, bound) = listen(address);
    let source = source(address, 20_001);
    let mut client = Stream::connect(bound, Some(source)).unwrap();
    finish(&mut client).unwrap();
    assert_eq!(client.local_address().unwrap(), source.address);
    let mut server = accept(&mut acceptor);
    assert_eq!(server.local_address().unwrap(), bound);
    assert_eq!(client.write(b"from the client"), Written::Bytes(15));
    let mut buffer = [0; 64];
    assert_eq!(read(&mut server, &mut buffer), Read::Bytes(15));
    assert_eq!(&buffer[..15], b"from the client");
    assert_eq!(server.read(&mut buffer), Read::Blocked);
    assert_eq!(acceptor.accept().unwrap().map(drop), None, "no other waits");
}

#[test]
fn without_a_source_pair_the_kernel_chooses() {
    let (mut acceptor, _) = listen(own_address(2));
    let (client, _server) = pair(&mut acceptor, None);
    assert_ne!(client.local_address().unwrap().port(), 0);
}

#[test]
fn a_receive_buffer_is_set_before_the_attempt_and_bounds_what_the_kernel_takes() {
    let (mut acceptor, bound) = listen(own_address(40));
    const ASKED: usize = 8192;
    let mut client = Stream::connect_with(bound, None, Some(ASKED)).unwrap();
    assert_eq!(getsockopt(&client.descriptor(), sockopt::RcvBuf).unwrap(), 2 * ASKED);
    finish(&mut client).unwrap();
    let mut server = accept(&mut acceptor);
    let mut sent = 0;
    while let Written::Bytes(bytes) = server.write(&[b'x'; 64 * 1024]) {
        sent += bytes;
    }
    let mut buffer = vec![0; sent];
    assert!(matches!(read(&mut client, &mut buffer), Read::Bytes(bytes) if bytes <= 2 * ASKED));
}

#[test]
fn connections_over_ipv6_work_as_well() {
    let Ok(mut acceptor) = Acceptor::listen("[::1]:0".parse().unwrap(), BACKLOG) else {
        eprintln!("skipped: this host has no IPv6 loopback");
        return;
    };
    let (mut client, mut server) = pair(&mut acceptor, None);
    client.write(b"six");
    assert_eq!(read(&mut server, &mut [0; 8]), Read::Bytes(3));
}

#[test]
fn an_explicit_pair_is_reused_at_once_after_our_close_to_another_peer() {
    let address = own_address(3);
    let source = source(address, 20_003);
    for _ in 0..100 {
        let (mut acceptor, _) = listen(address);
        let (client, mut server) = pair(&mut acceptor, Some(source));
        // We close first, so TIME_WAIT is on the explicit pair.
        drop(client);
        assert_eq!(read(&mut server, &mut [0; 8]), Read::End);
    }
}

#[test]
fn an_explicit_pair_is_reused_at_once_after_our_close_to_the_same_peer() {
    let address = own_address(4);
    let (mut acceptor, _) = listen(address);
    let source = source(address, 20_004);
    for _ in 0..100 {
        let (client, mut server) = pair(&mut acceptor, Some(source));
        drop(client);
        assert_eq!(read(&mut server, &mut [0; 8]), Read::End);
    }
}

#[test]
fn an_explicit_pair_is_reused_at_once_after_the_peers_close() {
    let address = own_address(5);
    let (mut acceptor, _) = listen(address);
    let source = source(address, 20_005);
    for _ in 0..100 {
        let (mut client, server) = pair(&mut acceptor, Some(source));
        drop(server);
        assert_eq!(read(&mut client, &mut [0; 8]), Read::End);
    }
}

#[test]
fn a_pair_that_is_connected_to_the_same_peer_is_taken() {
    let address = own_address(6);
    let (mut acceptor, bound) = listen(address);
    let source = source(address, 20_006);
    let (_client, _server) = pair(&mut acceptor, Some(source));
    let error = Stream::connect(bound, Some(source)).unwrap_err();
    assert_eq!(error, SocketError::SourceTaken);
    let (mut elsewhere, _) = listen(address);
    pair(&mut elsewhere, Some(source));
}

#[test]
fn a_source_address_that_is_not_ours_is_taken() {
    let (_acceptor, bound) = listen(own_address(7));
    // 192.0.2.0/24 is reserved for documentation (RFC 5737).
    let source = source(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 20_007);
    let error = Stream::connect(bound, Some(source)).unwrap_err();
    assert_eq!(error, SocketError::SourceTaken);
}

#[test]
fn a_port_where_nobody_listens_refuses() {
    let address = own_address(8);
    let reserved = Acceptor::reserve(SocketAddr::new(address, 0)).unwrap();
    let bound = bound_address(&reserved);
    let mut stream = Stream::connect(bound, None).expect("loopback answers behind the call");
    assert_eq!(finish(&mut stream), Err(SocketError::Refused));
    assert_eq!(stream.dispatch_state(), dispatch::DispatchState::Closed);
}

#[test]
fn each_end_can_stop_sending_and_go_on_reading() {
    let (mut acceptor, _) = listen(own_address(10));
    for we_first in [true, false] {
        let (client, server) = pair(&mut acceptor, None);
        let (mut first, mut second) = if we_first { (client, server) } else { (server, client) };
        let mut buffer = [0; 64];
        assert_eq!(first.write(b"all I say"), Written::Bytes(9));
        first.shut_down().unwrap();
        assert_eq!(first.dispatch_state(), dispatch::DispatchState::Closing);
        assert_eq!(first.write(b"more"), Written::Failed(SocketError::Reset), "it said so");
        assert_eq!(read(&mut second, &mut buffer), Read::Bytes(9));
        assert_eq!(read(&mut second, &mut buffer), Read::End);
        assert_eq!(second.write(b"the answer"), Written::Bytes(10));
        assert_eq!(read(&mut first, &mut buffer), Read::Bytes(10));
        assert_eq!(first.read(&mut buffer), Read::Blocked);
        second.shut_down().unwrap();
        assert_eq!(read(&mut first, &mut buffer), Read::End);
        assert_eq!(first.read(&mut buffer), Read::End, "the end stays the end");
    }
}

#[test]
fn reset_on_close_resets_the_peer_and_leaves_nothing_behind() {
    let address = own_address(11);
    let (mut acceptor, _) = listen(address);
    let source = source(address, 20_011);
    for _ in 0..10 {
        let (mut client, mut server) = pair(&mut acceptor, Some(source));
        client.reset_on_close();
        drop(client);
        assert_eq!(read(&mut server, &mut [0; 8]), Read::Failed(SocketError::Reset));
        let written = server.write(b"too late");
        assert_eq!(written, Written::Failed(SocketError::Reset));
    }
}

#[test]
fn a_write_takes_what_fits_and_goes_on_when_there_is_room() {
    let (mut acceptor, _) = listen(own_address(12));
    let (mut client, mut server) = pair(&mut acceptor, None);
    let message: Vec<u8> = (0..32 << 20).map(|i: u32| (i % 251) as u8).collect();
    let mut sent = 0;
    let (mut blocked, mut partial) = (0, 0);
    let mut received = Vec::with_capacity(message.len());
    let mut buffer = vec![0; 256 << 10];
    let give_up = Instant::now() + Duration::from_secs(60);
    while received.len() < message.len() {
        assert!(Instant::now() < give_up, "{} bytes came", received.len());
        while sent < message.len() {
            match client.write(&message[sent..]) {
                Written::Bytes(bytes) => {
                    partial += u32::from(bytes < message.len() - sent);
                    sent += bytes;
                }
                Written::Blocked => break,
                Written::Failed(error) => panic!("{error}"),
            }
        }
        if sent < message.len() {
            blocked += 1;
        }
        wait(&server, PollFlags::POLLIN);
        while let Read::Bytes(bytes) = server.read(&mut buffer) {
            received.extend_from_slice(&buffer[..bytes]);
        }
        if sent < message.len() {
            wait(&client, PollFlags::POLLOUT);
        }
    }
    assert!(blocked > 0 && partial > 0, "32 MiB fit into no socket at once");
    assert!(received == message);
}

#[test]
fn two_acceptors_on_one_port_both_get_connections() {
    let (mut first, bound) = listen(own_address(13));
    let mut second = Acceptor::listen(bound, BACKLOG).unwrap();
    let mut clients: Vec<Stream> = (0..64).map(|_| Stream::connect(bound, None).unwrap()).collect();
    for client in &mut clients {
        finish(client).unwrap();
    }
    let drain = |acceptor: &mut Acceptor| {
        let mut accepted = 0;
        while acceptor.accept().unwrap().is_some() {
            accepted += 1;
        }
        accepted
    };
    let (mut by_first, mut by_second) = (0, 0);
    let give_up = Instant::now() + Duration::from_secs(10);
    while by_first + by_second < clients.len() {
        assert!(Instant::now() < give_up, "{by_first} and {by_second} came");
        by_first += drain(&mut first);
        by_second += drain(&mut second);
    }
    // By a hash of the addresses: all 64 on one side has a chance of 1 in 2^63.
    assert!(by_first > 0 && by_second > 0, "{by_first} and {by_second}");
}

fn bound_address(descriptor: &impl AsRawFd) -> SocketAddr {
    let address: SockaddrStorage = getsockname(descriptor.as_raw_fd()).unwrap();
    let v4 = address.as_sockaddr_in().unwrap();
    SocketAddr::new(v4.ip().into(), v4.port())
}

#[test]
fn a_reserved_port_is_held_for_those_who_listen_there() {
    let address = own_address(14);
    let reserved = Acceptor::reserve(SocketAddr::new(address, 0)).unwrap();
    let bound = bound_address(&reserved);
    assert_ne!(bound.port(), 0);
    let stranger =
        socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    let refused = bind(stranger.as_raw_fd(), &SockaddrStorage::from(bound));
    assert_eq!(refused, Err(Errno::EADDRINUSE));
    for _ in 0..2 {
        let mut acceptor = Acceptor::listen(bound, BACKLOG).unwrap();
        pair(&mut acceptor, None);
    }
    let mut acceptor = Acceptor::listen(bound, BACKLOG).unwrap();
    for _ in 0..32 {
        // The reservation itself does not listen, so it takes no connection away.
        pair(&mut acceptor, None);
    }
}

#[test]
fn an_address_that_a_stranger_listens_at_is_taken() {
    let stranger = std::net::TcpListener::bind(SocketAddr::new(own_address(15), 0)).unwrap();
    let error = Acceptor::listen(stranger.local_addr().unwrap(), BACKLOG).unwrap_err();
    assert_eq!(error, SocketError::SourceTaken);
}

// As dispatch targets.

#[derive(Default)]
struct World {
    heard: Vec<(&'static str, Event)>,
    received: Vec<u8>,
    failed: Option<SocketError>,
    ended: bool,
    accepted: usize,
}

type Context = BoxedContext<World>;

/// Says hello when connected, keeps what it reads, notes the end.
struct Listening;

impl StreamHandler<Context> for Listening {
    fn connected(&mut self, stream: &mut Stream, context: &mut Context) -> HandlerResult {
        context.world.heard.push(("connected", Event::default()));
        assert_eq!(stream.write(b"hello"), Written::Bytes(5));
        Ok(())
    }

    fn connect_failed(
        &mut self,
        stream: &mut Stream,
        context: &mut Context,
        error: SocketError,
    ) -> HandlerResult {
        context.world.failed = Some(error);
        context.socket_closed(stream.dispatch_id().unwrap());
        Ok(())
    }

    fn readable(
        &mut self,
        stream: &mut Stream,
        context: &mut Context,
        event: Event,
    ) -> HandlerResult {
        context.world.heard.push(("readable", event));
        let mut buffer = [0; 64];
        loop {
            match stream.read(&mut buffer) {
                Read::Bytes(bytes) => context.world.received.extend_from_slice(&buffer[..bytes]),
                Read::Blocked => return Ok(()),
                Read::End => break,
                Read::Failed(error) => return Err(error.into()),
            }
        }
        context.world.ended = true;
        stream.mark_closed();
        context.socket_closed(stream.dispatch_id().unwrap());
        Ok(())
    }

    fn writable(&mut self, _stream: &mut Stream, _context: &mut Context) -> HandlerResult {
        Ok(())
    }
}

/// Sends every byte back, and the end as well.
struct Echoing;

impl StreamHandler<Context> for Echoing {
    fn connected(&mut self, _stream: &mut Stream, _context: &mut Context) -> HandlerResult {
        unreachable!("it was accepted")
    }

    fn connect_failed(
        &mut self,
        _stream: &mut Stream,
        _context: &mut Context,
        _error: SocketError,
    ) -> HandlerResult {
        unreachable!("it was accepted")
    }

    fn readable(&mut self, stream: &mut Stream, context: &mut Context, _: Event) -> HandlerResult {
        let mut buffer = [0; 64];
        while let Read::Bytes(bytes) = stream.read(&mut buffer) {
            assert_eq!(stream.write(&buffer[..bytes]), Written::Bytes(bytes));
            stream.shut_down()?;
            context.socket_closed(stream.dispatch_id().unwrap());
        }
        Ok(())
    }

    fn writable(&mut self, _stream: &mut Stream, _context: &mut Context) -> HandlerResult {
        Ok(())
    }
}

impl AcceptHandler<Context> for Echoing {
    fn accepted(
        &mut self,
        stream: Stream,
        _: &mut Acceptor,
        context: &mut Context,
    ) -> HandlerResult {
        context.world.accepted += 1;
        context.insert(dispatch::Boxed::new(StreamTarget::new(stream, Self)))?;
        Ok(())
    }

    fn exhausted(
        &mut self,
        _: &mut Acceptor,
        _: &mut Context,
        error: SocketError,
    ) -> HandlerResult {
        Err(error.into())
    }

    fn more(&mut self, acceptor: &Acceptor, context: &mut Context) {
        context.call_again(acceptor.dispatch_id().unwrap());
    }
}

fn context() -> Context {
    BoxedContext::new(World::default()).unwrap()
}

fn dispatch_until(context: &mut Context, done: impl Fn(&Context) -> bool) {
    let give_up = Instant::now() + Duration::from_secs(20);
    let mut policy: dispatch::ErrorInHandler<'_> =
        Box::new(|failure| panic!("a handler failed: {}", failure.error));
    while !done(context) {
        assert!(Instant::now() < give_up, "it never came: {:?}", context.world.heard);
        context.dispatch_once(Some(Duration::from_millis(100)), Some(&mut policy)).unwrap();
    }
}

#[test]
fn an_end_behind_data_is_announced_with_the_data() {
    let (mut acceptor, _) = listen(own_address(16));
    let (client, mut server) = pair(&mut acceptor, None);
    assert_eq!(server.write(b"last words"), Written::Bytes(10));
    drop(server);
    wait(&client, RDHUP);
    let mut context = context();
    context.insert(dispatch::Boxed::new(StreamTarget::new(client, Listening))).unwrap();
    assert_eq!(context.dispatch_once(Some(Duration::ZERO), None).unwrap(), 1);
    assert_eq!(context.world.received, b"last words");
    assert!(context.world.ended);
    let (_, event) = context.world.heard[0];
    assert!(event.readable && event.read_closed);
    assert!(context.is_empty());
}

#[test]
fn a_connecting_target_is_told_that_it_connected_before_anything_is_read() {
    let address = own_address(17);
    let (acceptor, bound) = listen(address);
    let mut context = context();
    let acceptor = dispatch::Boxed::new(AcceptTarget::new(acceptor, Echoing));
    context.insert(acceptor).unwrap();
    let stream = Stream::connect(bound, Some(source(address, 20_017))).unwrap();
    context.insert(dispatch::Boxed::new(StreamTarget::new(stream, Listening))).unwrap();
    dispatch_until(&mut context, |context| context.world.ended);
    assert_eq!(context.world.received, b"hello");
    assert_eq!(context.world.heard[0].0, "connected");
    assert_eq!(context.world.heard.iter().filter(|(what, _)| *what == "connected").count(), 1);
    assert_eq!(context.len(), 1, "only the listener is left");
}

#[test]
fn a_target_whose_attempt_fails_is_told_why() {
    let reserved = Acceptor::reserve(SocketAddr::new(own_address(18), 0)).unwrap();
    let mut context = context();
    let stream = Stream::connect(bound_address(&reserved), None).unwrap();
    context.insert(dispatch::Boxed::new(StreamTarget::new(stream, Listening))).unwrap();
    dispatch_until(&mut context, |context| context.is_empty());
    assert_eq!(context.world.failed, Some(SocketError::Refused));
    assert!(context.world.heard.is_empty());
}

#[test]
fn more_connections_than_one_turn_takes_are_all_accepted() {
    let (acceptor, bound) = listen(own_address(19));
    // A backlog of 256 holds 257; the turn takes 256.
    let clients: Vec<Stream> = (0..257).map(|_| Stream::connect(bound, None).unwrap()).collect();
    for client in &clients {
        wait(client, PollFlags::POLLOUT);
    }
    let mut context = context();
    context.insert(dispatch::Boxed::new(AcceptTarget::new(acceptor, Echoing))).unwrap();
    dispatch_until(&mut context, |context| context.world.accepted == clients.len());
}
