//! The floor under opening: bare processes that connect and accept with raw epoll, and do nothing
//! else. `scripts/bench/open` measures sclients against it.
//!
//! usage: open_floor WORKERS CONNECTIONS TARGETS
//!
//! Each worker connects CONNECTIONS sockets from explicit source pairs, at most 256 pending, to one
//! port that TARGETS processes share; prints the seconds from the first connect to the last.

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::error::Error;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use tcpsocket::{Acceptor, SourceBlock, Sources, Stream};

const PENDING: usize = 256;
const PORTS: u32 = 27_000;
const FIRST_PORT: u32 = 33_000;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["target", port] => target(port.parse()?),
        ["worker", port, index, count] => worker(port.parse()?, index.parse()?, count.parse()?),
        [workers, count, targets] => conduct(workers.parse()?, count, targets.parse()?),
        _ => Err("usage: open_floor WORKERS CONNECTIONS TARGETS".into()),
    }
}

fn conduct(workers: u32, count: &str, targets: u32) -> Outcome {
    let localhost = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let reserved = Acceptor::reserve(localhost)?;
    let port = std::net::TcpListener::from(reserved.try_clone()?).local_addr()?.port().to_string();
    let mut servers =
        (0..targets).map(|_| part(&["target", &port])).collect::<Result<Vec<_>, _>>()?;
    servers.iter_mut().try_for_each(hear)?;
    let begun = Instant::now();
    let parts = (0..workers).map(|index| part(&["worker", &port, &index.to_string(), count]));
    let mut clients = parts.collect::<Result<Vec<_>, _>>()?;
    clients.iter_mut().try_for_each(hear)?;
    println!("open_seconds={:.3}", begun.elapsed().as_secs_f64());
    for mut child in clients.into_iter().chain(servers) {
        drop(child.stdin.take());
        child.wait()?;
    }
    Ok(())
}

fn part(words: &[&str]) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
}

/// Waits for a part's one line.
fn hear(child: &mut Child) -> Outcome {
    let said = child.stdout.take().ok_or("the part's output is heard once")?;
    if BufReader::new(said).read_line(&mut String::new())? == 0 {
        return Err("a part ended early".into());
    }
    Ok(())
}

/// Says that this part is ready and stays until the conductor is done.
fn stay() -> Outcome {
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn flags() -> EpollFlags {
    EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET
}

fn target(port: u16) -> Outcome {
    use dispatch::Registered;
    let mut acceptor =
        Acceptor::listen(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port), 4096)?;
    std::thread::spawn(|| {
        let _ = stay();
        std::process::exit(0);
    });
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(acceptor.descriptor(), EpollEvent::new(flags(), 0))?;
    let mut events = vec![EpollEvent::empty(); 1024];
    let mut accepted = Vec::new();
    loop {
        epoll.wait(&mut events, EpollTimeout::NONE)?;
        while let Some(stream) = acceptor.accept()? {
            epoll.add(stream.descriptor(), EpollEvent::new(flags(), 1))?;
            accepted.push(stream);
        }
    }
}

fn worker(port: u16, index: u32, count: u32) -> Outcome {
    use dispatch::Registered;
    let peer = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let mut sources = Sources::new(&blocks(index * count, count));
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let mut events = vec![EpollEvent::empty(); 1024];
    let mut streams: Vec<Stream> = Vec::with_capacity(count as usize);
    let mut established = 0;
    while established < count as usize {
        while streams.len() - established < PENDING
            && let Some(source) = sources.take()
        {
            let stream = Stream::connect(peer, Some(source))?;
            let event = EpollEvent::new(flags(), streams.len() as u64);
            epoll.add(stream.descriptor(), event)?;
            streams.push(stream);
        }
        let ready = epoll.wait(&mut events, EpollTimeout::NONE)?;
        for event in &events[..ready] {
            established += usize::from(streams[event.data() as usize].finish_connect()?);
        }
    }
    stay()
}

/// `count` source pairs from pair number `first` on, counted through 127.250.0.1 and up.
fn blocks(first: u32, count: u32) -> Vec<SourceBlock> {
    let (mut next, end) = (first, first + count);
    let mut blocks = Vec::new();
    while next < end {
        let (address, offset) = (next / PORTS, next % PORTS);
        let pairs = (PORTS - offset).min(end - next);
        let [_, _, high, low] = (address + 1).to_be_bytes();
        blocks.push(SourceBlock {
            address: IpAddr::V4(Ipv4Addr::new(127, 250, high, low)),
            first_port: (FIRST_PORT + offset) as u16,
            last_port: (FIRST_PORT + offset + pairs - 1) as u16,
        });
        next += pairs;
    }
    blocks
}
