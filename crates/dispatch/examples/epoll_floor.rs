//! The floor under a closed-loop client: raw epoll, edge-triggered, one send and one recv per
//! request, nothing parsed. `scripts/bench` measures sclients against it.
//!
//! usage: epoll_floor ADDRESS:PORT CONNECTIONS SECONDS
//!
//! Prints the requests that were answered and the processor time that they took.

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::socket::{MsgFlags, recv, send};
use nix::sys::time::TimeVal;
use std::error::Error;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().collect();
    let [_, address, connections, seconds] = &words[..] else {
        return Err("usage: epoll_floor ADDRESS:PORT CONNECTIONS SECONDS".into());
    };
    let (connections, seconds): (usize, f64) = (connections.parse()?, seconds.parse()?);
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP;
    let mut streams = Vec::with_capacity(connections);
    for index in 0..connections {
        let stream = TcpStream::connect(address)?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let event = EpollEvent::new(flags | EpollFlags::EPOLLET, index as u64);
        epoll.add(&stream, event)?;
        streams.push(stream);
    }
    let before = cpu_micros()?;
    let answered = run(&epoll, &streams, Duration::from_secs_f64(seconds))?;
    let cpu = cpu_micros()? - before;
    println!("requests={answered} cpu_us={cpu} us_per_request={:.3}", cpu as f64 / answered as f64);
    Ok(())
}

fn run(epoll: &Epoll, streams: &[TcpStream], time: Duration) -> Result<u64, Box<dyn Error>> {
    let mut buffer = vec![0; 64 * 1024];
    let mut events = vec![EpollEvent::empty(); 1024];
    let deadline = Instant::now() + time;
    let mut answered = 0;
    for stream in streams {
        send(stream.as_raw_fd(), REQUEST, MsgFlags::MSG_NOSIGNAL)?;
    }
    while Instant::now() < deadline {
        let ready = epoll.wait(&mut events, EpollTimeout::from(100_u8))?;
        for event in &events[..ready] {
            if !event.events().contains(EpollFlags::EPOLLIN) {
                continue;
            }
            let descriptor = streams[event.data() as usize].as_raw_fd();
            if recv(descriptor, &mut buffer, MsgFlags::empty())? == 0 {
                return Err("the server closed a connection".into());
            }
            answered += 1;
            send(descriptor, REQUEST, MsgFlags::MSG_NOSIGNAL)?;
        }
    }
    Ok(answered)
}

fn cpu_micros() -> nix::Result<i64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = |time: TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    Ok(micros(usage.user_time()) + micros(usage.system_time()))
}
