//! A listening socket.

use crate::error::SocketError;
use crate::stream::{Stream, family};
use dispatch::{DispatchState, Filter, Registration};
use nix::sys::socket::{
    Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket, sockopt,
};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};

/// A listening socket: non-blocking, with `SO_REUSEADDR` and `SO_REUSEPORT`, so that several
/// processes share a port with a listener and an accept queue each.
#[derive(Debug)]
pub struct Acceptor {
    listener: TcpListener,
    registration: Registration,
}

impl Acceptor {
    /// Listens at `address` (port 0: the kernel chooses) with room for `backlog` connections that
    /// wait to be accepted; the kernel takes the smaller of it and `net.core.somaxconn`.
    ///
    /// # Errors
    /// `SourceTaken` when the address is in use or not ours, or a limit of this host.
    pub fn listen(address: SocketAddr, backlog: i32) -> Result<Self, SocketError> {
        let descriptor = Self::reserve(address)?;
        listen(&descriptor, Backlog::new(backlog).unwrap_or(Backlog::MAXCONN))?;
        Ok(Self {
            listener: descriptor.into(),
            registration: Registration::new(Filter::READABLE, DispatchState::Accepting),
        })
    }

    /// Binds `address` without listening: it holds a port for processes that will listen there.
    ///
    /// # Errors
    /// As [`Acceptor::listen`].
    pub fn reserve(address: SocketAddr) -> Result<OwnedFd, SocketError> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let descriptor = socket(family(address), SockType::Stream, flags, None)?;
        setsockopt(&descriptor, sockopt::ReuseAddr, &true)?;
        setsockopt(&descriptor, sockopt::ReusePort, &true)?;
        bind(descriptor.as_raw_fd(), &SockaddrStorage::from(address))?;
        Ok(descriptor)
    }

    /// Where it listens.
    ///
    /// # Errors
    /// None that a listening socket has.
    pub fn local_address(&self) -> Result<SocketAddr, SocketError> {
        Ok(self.listener.local_addr()?)
    }

    /// The next connection that waits; none when there is none.
    ///
    /// # Errors
    /// `FileLimit`, `FileTable` or `NoBuffers`: stop polling and come back by timer, since the
    /// kernel goes on saying readable. A connection that was reset while it waited is passed over.
    pub fn accept(&mut self) -> Result<Option<Stream>, SocketError> {
        loop {
            match self.listener.accept() {
                Ok((socket, _)) => {
                    socket.set_nonblocking(true)?;
                    return Ok(Some(Stream::accepted(socket)));
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => match SocketError::from(error) {
                    SocketError::Reset => {}
                    other => return Err(other),
                },
            }
        }
    }
}

dispatch::registered!(Acceptor, listener);
