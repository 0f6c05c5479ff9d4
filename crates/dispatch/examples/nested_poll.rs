//! A foreign main loop: the context nested in another poll loop by its descriptor.
//!
//! The outer loop here is poll(2); it could be any that watches descriptors. It watches one
//! descriptor of its own and the context's, and calls `dispatch_once` with a zero timeout whenever
//! that is readable, with the same steps as `iterate`.

use dispatch::{BoxedContext, DispatchContext, Handler, Instant, Pipe, Timer};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::error::Error;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

type Context = BoxedContext<World>;

/// What the dispatched handlers share.
#[derive(Default)]
struct World {
    ticks: u32,
    heard: Vec<u8>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut context = BoxedContext::new(World::default())?;
    context.insert(ticking()?)?;
    let (reading, mut writing) = Pipe::pair()?;
    context.insert(hearing(reading))?;
    let (mut outer, mut foreign) = UnixStream::pair()?;
    foreign.write_all(b"!")?;
    writing.write(b"from the pipe")?;
    let mut foreign_events = 0;
    while context.world.ticks < 3 {
        let (outer_ready, context_ready) = wait(&outer, &context)?;
        if outer_ready {
            outer.read_exact(&mut [0])?;
            foreign_events += 1;
        }
        if context_ready {
            context.dispatch_once(Some(Duration::ZERO), None)?;
        }
    }
    println!(
        "foreign events {foreign_events}, ticks {}, heard {:?}",
        context.world.ticks,
        String::from_utf8_lossy(&context.world.heard)
    );
    Ok(())
}

/// The outer loop's wait: whether its own descriptor, and whether the context's, is readable.
fn wait(outer: &UnixStream, context: &BoxedContext<World>) -> nix::Result<(bool, bool)> {
    let mut watched = [
        PollFd::new(outer.as_fd(), PollFlags::POLLIN),
        PollFd::new(context.as_fd(), PollFlags::POLLIN),
    ];
    poll(&mut watched, PollTimeout::NONE)?;
    Ok((watched[0].any().unwrap_or(false), watched[1].any().unwrap_or(false)))
}

/// A timer that counts three ticks of 2 ms.
fn ticking() -> std::io::Result<dispatch::Boxed<World>> {
    let mut timer = Timer::new()?;
    timer.set(Some(Instant::now() + Duration::from_millis(2)))?;
    Ok(Handler::boxed(timer, |timer: &mut Timer, context: &mut Context, _event| {
        context.world.ticks += timer.expirations()? as u32;
        timer.set(Some(Instant::now() + Duration::from_millis(2)))?;
        Ok(())
    }))
}

fn hearing(pipe: Pipe) -> dispatch::Boxed<World> {
    Handler::boxed(pipe, |pipe: &mut Pipe, context: &mut Context, _event| {
        let mut buffer = [0; 64];
        while let Some(bytes) = pipe.read(&mut buffer)? {
            if bytes == 0 {
                break;
            }
            context.world.heard.extend_from_slice(&buffer[..bytes]);
        }
        Ok(())
    })
}
