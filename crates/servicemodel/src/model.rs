//! The trait by which a model decides who acts next.

use crate::connection::{Connection, End};
use crate::service::Context;
use dispatch::Instant;
use protocols::Machine;
use std::io;
use std::ops::ControlFlow;

/// Decides when and how often each connection gets to produce or consume.
///
/// The methods that get a connection act by what they leave in it: bytes begun in its machine are
/// sent, [`Connection::deadline`] and [`Connection::wake_at`] are kept, [`Connection::close`] ends
/// it. They are called from inside a turn of the loop and must not block.
pub trait Model: Sized + 'static {
    /// The protocol's machine, client's or server's.
    type Machine: Machine;
    /// The model's own values beside each connection.
    type Place: Copy;

    /// Hands the model its context, once, before the first dispatch: open the first connections
    /// or listen here.
    ///
    /// # Errors
    /// Ends the run before it began.
    fn first_dispatch(context: &mut Context<Self>) -> io::Result<()> {
        let _ = context;
        Ok(())
    }

    /// The model's own turn, before each wait and before any connection is woken: begin what is due.
    /// `Break` ends [`run`].
    ///
    /// [`run`]: crate::run
    fn turn(context: &mut Context<Self>, now: Instant) -> ControlFlow<()> {
        let _ = (context, now);
        ControlFlow::Continue(())
    }

    /// By when the model wants another turn at the latest; [`Instant::FAR_FUTURE`] is when anything
    /// happens.
    fn next_turn(&self, now: Instant) -> Instant {
        let _ = now;
        Instant::FAR_FUTURE
    }

    /// Whether nothing may be read, sent or accepted now: events of connections and listeners are
    /// put off until [`catch_up`], and so are deadlines and wake-ups. Other targets, pipes and the
    /// model's own turns go on. What is connecting is not put off. Asked before each event.
    ///
    /// [`catch_up`]: crate::catch_up
    #[inline]
    fn paused(&self) -> bool {
        false
    }

    /// Whether the loop looks for events all the time instead of sleeping until there is one.
    fn spins(&self) -> bool {
        false
    }

    /// A machine and values for a connection that was accepted; a model that only connects has none.
    fn accept(&mut self) -> Option<(Self::Machine, Self::Place)> {
        None
    }

    /// The connection is established.
    fn connected(&mut self, connection: &mut Connection<Self>, now: Instant);

    /// The machine reports an event; its last byte was read at `at`. `input` is what the machine
    /// was given when it did so, also where it then consumed nothing of it; empty where the event
    /// is that the input has ended.
    fn event(
        &mut self,
        connection: &mut Connection<Self>,
        event: <Self::Machine as Machine>::Event,
        input: &[u8],
        at: Instant,
    );

    /// The instant `asked` has come, which the model asked for with [`Connection::wake_at`].
    fn woken(&mut self, connection: &mut Connection<Self>, asked: Instant, now: Instant) {
        let _ = (connection, asked, now);
    }

    /// The connection's deadline has passed. It is cleared; a connection that is left as it is
    /// goes on without one.
    fn expired(&mut self, connection: &mut Connection<Self>, now: Instant);

    /// The connection has ended, or was never established ([`End::NotConnected`]). Its socket
    /// closes right after.
    fn ended(&mut self, connection: &mut Connection<Self>, end: End);

    /// Bytes were read on the connection, at `at`.
    fn read(&mut self, connection: &mut Connection<Self>, bytes: usize, at: Instant) {
        let _ = (connection, bytes, at);
    }

    /// All that the machine had to send has been handed to the kernel, or it had nothing: after
    /// each turn of a connection that stays.
    fn flushed(&mut self, connection: &mut Connection<Self>) {
        let _ = connection;
    }

    /// Bytes were handed to the kernel.
    fn wrote(&mut self, bytes: usize) {
        let _ = bytes;
    }

    /// A listener could not accept: this host has nothing left to accept with. It tries again by
    /// timer.
    fn exhausted(&mut self, error: tcpsocket::SocketError) {
        let _ = error;
    }
}
