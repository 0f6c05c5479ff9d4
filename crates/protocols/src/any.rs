//! Any protocol's machine as one concrete type, so that whoever drives connections needs no type parameter.
//!
//! A further protocol is one variant in each enum and one line in the `match` that delegates.

use crate::{
    ClientEvent, ClientMachine, Machine, Received, ServerEvent, ServerMachine, echo, hostile, http1,
};

/// The client's side of some protocol.
#[derive(Debug)]
pub enum Client {
    /// HTTP/1.0 and HTTP/1.1.
    Http1(http1::Client),
    /// Bytes that come back.
    Echo(echo::Client),
}

/// The server's side of some protocol.
#[derive(Debug)]
pub enum Server {
    /// HTTP/1.0 and HTTP/1.1.
    Http1(http1::Server),
    /// Bytes that go back.
    Echo(echo::Server),
    /// HTTP/1 as it should not be.
    Hostile(Box<hostile::Server>),
}

/// `$call` on whichever machine `$self` holds, one of `$variant`.
macro_rules! delegate {
    ([$($variant:ident)+] $self:ident, $machine:ident => $call:expr) => {
        match $self {
            $(Self::$variant($machine) => $call,)+
        }
    };
}

/// `Machine` for an enum of machines `$variant` with the event `$event`.
macro_rules! machine {
    ($any:ty, $event:ty, $variants:tt) => {
        impl Machine for $any {
            type Event = $event;

            #[inline]
            fn pending(&self) -> &[u8] {
                delegate!($variants self, machine => machine.pending())
            }

            #[inline]
            fn transmitted(&mut self, n: usize) {
                delegate!($variants self, machine => machine.transmitted(n))
            }

            #[inline]
            fn receive(&mut self, input: &[u8]) -> Received<$event> {
                delegate!($variants self, machine => machine.receive(input))
            }

            #[inline]
            fn end_of_input(&mut self, rest: &[u8]) -> Option<$event> {
                delegate!($variants self, machine => machine.end_of_input(rest))
            }

            #[inline]
            fn finished(&self) -> bool {
                delegate!($variants self, machine => machine.finished())
            }

            #[inline]
            fn carry_limit(&self) -> usize {
                delegate!($variants self, machine => machine.carry_limit())
            }
        }
    };
}

machine!(Client, ClientEvent, [Http1 Echo]);
machine!(Server, ServerEvent, [Http1 Echo Hostile]);

impl ClientMachine for Client {
    #[inline]
    fn start(&mut self) {
        delegate!([Http1 Echo] self, machine => machine.start())
    }

    #[inline]
    fn busy(&self) -> bool {
        delegate!([Http1 Echo] self, machine => machine.busy())
    }
}

impl ServerMachine for Server {
    #[inline]
    fn respond(&mut self) {
        delegate!([Http1 Echo Hostile] self, machine => machine.respond())
    }
}
