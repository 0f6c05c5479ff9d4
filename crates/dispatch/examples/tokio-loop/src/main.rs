//! A foreign main loop: the context inside an async runtime.
//!
//! The runtime is tokio on one thread. It watches the context's descriptor, and whenever that is
//! readable the context's task does what one round of `iterate` does: before, one `dispatch_once`
//! that does not wait, after. Another task runs beside it, which shows that neither blocks the
//! other.

use dispatch::{BoxedContext, DispatchContext, Handler, Instant, Pipe, Timer};
use std::error::Error;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

type Context = BoxedContext<World>;

/// Ticks of the dispatched timer, after which the loop ends.
const TICKS: u64 = 5;

/// What the dispatched handlers share.
#[derive(Default)]
struct World {
    ticks: u64,
    heard: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (reading, writing) = Pipe::pair()?;
    let mut context = BoxedContext::new(World::default())?;
    context.insert(ticking()?)?;
    context.insert(hearing(reading))?;
    let mut rounds = 0_u64;
    let before = |_: &mut Context| ControlFlow::Continue(());
    let after = |context: &mut Context| {
        rounds += 1;
        let done = context.world.ticks >= TICKS && context.world.heard == 3;
        if done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let (iterated, spoken) = tokio::join!(iterate(&mut context, before, after), speak(writing));
    iterated?;
    spoken?;
    let World { ticks, heard } = context.world;
    println!("{ticks} ticks and {heard} bytes dispatched inside tokio");
    assert!(rounds >= TICKS, "each tick took a round of its own");
    Ok(())
}

/// `dispatch::iterate` for a runtime: the same steps, where the wait is the runtime's.
async fn iterate(
    context: &mut Context,
    mut before_dispatch: impl FnMut(&mut Context) -> ControlFlow<()>,
    mut after_dispatch: impl FnMut(&mut Context) -> ControlFlow<()>,
) -> io::Result<()> {
    // The runtime gets a name of its own for the descriptor, so that the context stays ours to use.
    let descriptor = context.as_fd().try_clone_to_owned()?;
    // SAFETY: an `OwnedFd` names the same open descriptor for as long as it lives, and `watched`
    // keeps it until it is deregistered.
    let watched = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE)? };
    loop {
        if before_dispatch(context).is_break() {
            return Ok(());
        }
        dispatch_once(context, &watched).await?;
        if after_dispatch(context).is_break() {
            return Ok(());
        }
    }
}

/// Waits as the runtime waits, then dispatches what is ready.
async fn dispatch_once(context: &mut Context, watched: &AsyncFd<OwnedFd>) -> io::Result<()> {
    if context.turn_is_due() {
        // A target asked for another turn, of which the descriptor knows nothing.
        tokio::task::yield_now().await;
        context.dispatch_once(Some(Duration::ZERO), None)?;
        return Ok(());
    }
    let mut ready = watched.readable().await?;
    // The runtime hears of edges only, so the descriptor counts as readable until a dispatch
    // found nothing; one dispatch hands out a bounded number.
    if context.dispatch_once(Some(Duration::ZERO), None)? == 0 {
        ready.clear_ready();
    }
    Ok(())
}

/// Another task of the runtime: speaks to the context now and then.
async fn speak(mut writing: Pipe) -> io::Result<()> {
    for word in [b"a", b"b", b"c"] {
        tokio::time::sleep(Duration::from_millis(3)).await;
        writing.write(word)?;
    }
    Ok(())
}

/// A timer that ticks every 2 ms.
fn ticking() -> io::Result<dispatch::Boxed<World>> {
    let mut timer = Timer::new()?;
    timer.set(Some(Instant::now() + Duration::from_millis(2)))?;
    Ok(Handler::boxed(timer, |timer: &mut Timer, context: &mut Context, _event| {
        context.world.ticks += timer.expirations()?;
        timer.set(Some(Instant::now() + Duration::from_millis(2)))?;
        Ok(())
    }))
}

fn hearing(pipe: Pipe) -> dispatch::Boxed<World> {
    Handler::boxed(pipe, |pipe: &mut Pipe, context: &mut Context, _event| {
        let mut buffer = [0; 64];
        while let Some(bytes @ 1..) = pipe.read(&mut buffer)? {
            context.world.heard += bytes;
        }
        Ok(())
    })
}
