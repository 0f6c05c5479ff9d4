//! One connection: connecting, connected, half closed, closed.
//!
//! ```text
//! connect ──▶ Connecting ──finish_connect──▶ Connected ──shut_down──▶ Closing
//!                 │                              │                       │
//!                 └──────────── failed ──────────┴── end, error, drop ───┴──▶ Closed
//! ```

use crate::error::SocketError;
use crate::sources::Source;
use dispatch::{DispatchState, Filter, Registration};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket, sockopt,
};
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// So many bytes, at least one. Fewer than were asked for: the socket is drained (epoll(7)).
    Bytes(usize),
    /// Nothing now.
    Blocked,
    /// The peer will send no more.
    End,
    /// The connection is broken.
    Failed(SocketError),
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The kernel took so many bytes. Fewer than were offered: it will say when it takes more.
    Bytes(usize),
    /// None now.
    Blocked,
    /// The connection is broken.
    Failed(SocketError),
}

/// A connecting or connected socket: non-blocking, 4 bytes and its registration.
#[derive(Debug)]
pub struct Stream {
    socket: TcpStream,
    registration: Registration,
}

impl Stream {
    /// Starts connecting to `peer`, from `source` where one is given.
    ///
    /// Sets `SO_REUSEADDR`, which makes an explicit source port reusable at once while it is in
    /// TIME_WAIT, provided that every socket on it has had it from the first; and `TCP_NODELAY`.
    ///
    /// # Errors
    /// What the kernel refuses at once: `SourceTaken` for a pair in use, the limits of this host,
    /// `Unreachable` and sometimes `Refused`. All else is told by [`Stream::finish_connect`].
    pub fn connect(peer: SocketAddr, source: Option<Source>) -> Result<Self, SocketError> {
        Self::connect_with(peer, source, None)
    }

    /// The same with a receive buffer of so many bytes, where they are given: the kernel doubles them,
    /// and has a least and a most of its own (socket(7), `net.core.rmem_max`). Set before the attempt,
    /// since the SYN tells the peer how far the window may open.
    ///
    /// # Errors
    /// As above, and the kernel's refusal of the buffer.
    pub fn connect_with(
        peer: SocketAddr,
        source: Option<Source>,
        receive_buffer_bytes: Option<usize>,
    ) -> Result<Self, SocketError> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let descriptor = socket(family(peer), SockType::Stream, flags, None)?;
        if let Some(bytes) = receive_buffer_bytes {
            setsockopt(&descriptor, sockopt::RcvBuf, &bytes)?;
        }
        setsockopt(&descriptor, sockopt::ReuseAddr, &true)?;
        setsockopt(&descriptor, sockopt::TcpNoDelay, &true)?;
        if let Some(source) = source {
            bind(descriptor.as_raw_fd(), &SockaddrStorage::from(source.address))?;
        }
        match connect(descriptor.as_raw_fd(), &SockaddrStorage::from(peer)) {
            Ok(()) | Err(Errno::EINPROGRESS) => Ok(Self::of(descriptor, DispatchState::Connecting)),
            Err(errno) => Err(errno.into()),
        }
    }

    /// A stream over a socket that is connected and non-blocking.
    pub(crate) fn accepted(socket: TcpStream) -> Self {
        Self::of(socket.into(), DispatchState::Connected)
    }

    fn of(descriptor: OwnedFd, state: DispatchState) -> Self {
        Self { socket: descriptor.into(), registration: Registration::new(Filter::STREAM, state) }
    }

    /// Whether the connection attempt has succeeded; to be asked at each event while connecting.
    ///
    /// # Errors
    /// What it failed with.
    pub fn finish_connect(&mut self) -> Result<bool, SocketError> {
        if self.socket.peer_addr().is_ok() {
            self.registration.state = DispatchState::Connected;
            return Ok(true);
        }
        match self.socket.take_error() {
            Ok(None) => Ok(false),
            Ok(Some(error)) | Err(error) => {
                self.registration.state = DispatchState::Closed;
                Err(error.into())
            }
        }
    }

    /// Reads once.
    pub fn read(&mut self, buffer: &mut [u8]) -> Read {
        match self.socket.read(buffer) {
            Ok(0) => Read::End,
            Ok(bytes) => Read::Bytes(bytes),
            Err(error) if would_block(&error) => Read::Blocked,
            Err(error) => Read::Failed(error.into()),
        }
    }

    /// Writes once.
    pub fn write(&mut self, bytes: &[u8]) -> Written {
        match self.socket.write(bytes) {
            Ok(bytes) => Written::Bytes(bytes),
            Err(error) if would_block(&error) => Written::Blocked,
            Err(error) => Written::Failed(error.into()),
        }
    }

    /// Half close: tells the peer that no more will be sent. Reading goes on.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn shut_down(&mut self) -> Result<(), SocketError> {
        self.registration.state = DispatchState::Closing;
        Ok(self.socket.shutdown(Shutdown::Write)?)
    }

    /// Makes the close that follows a reset (`SO_LINGER` 0): what was not delivered is dropped, and
    /// nothing waits in TIME_WAIT. Without it the close is a FIN, after what was sent.
    pub fn reset_on_close(&mut self) {
        let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        // Where the option is refused the connection is gone already, and closing is enough.
        let _ = setsockopt(&self.socket, sockopt::Linger, &linger);
    }

    /// Notes that the connection is over; it closes when the stream is dropped.
    pub fn mark_closed(&mut self) {
        self.registration.state = DispatchState::Closed;
    }

    /// Our address.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn local_address(&self) -> Result<SocketAddr, SocketError> {
        Ok(self.socket.local_addr()?)
    }
}

pub(crate) fn family(address: SocketAddr) -> AddressFamily {
    match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    }
}

/// Whether there is nothing to do now. A signal cannot interrupt a non-blocking call for long:
/// epoll says again what was missed.
fn would_block(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock)
}

dispatch::registered!(Stream, socket);
