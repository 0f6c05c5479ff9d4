//! No allocation per event, counted by the allocator of this test's own process.

use dispatch::{BoxedContext, DispatchContext, Handler, Instant, Pipe, Registered, Timer};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

thread_local! {
    /// Allocations of this thread; the harness's own threads are none of our business.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above; `pointer` came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as above; `pointer` came from `System`.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PINGS: u64 = 10_000;

/// The other end of the pipe, and what was heard.
struct World {
    writing: Pipe,
    pings: u64,
    turns: u64,
    ticks: u64,
}

type Context = BoxedContext<World>;

/// Reads the ping, sends the next, and asks for one more turn at every second one.
fn ping_pong(reading: Pipe) -> dispatch::Boxed<World> {
    Handler::boxed(reading, |reading: &mut Pipe, context: &mut Context, event| {
        if event.called_again {
            context.world.turns += 1;
            return Ok(());
        }
        let mut buffer = [0; 8];
        while reading.read(&mut buffer)?.is_some() {
            context.world.pings += 1;
        }
        context.world.writing.write(b"!")?;
        if context.world.pings.is_multiple_of(2) {
            context.call_again(reading.dispatch_id().expect("it is in the context"));
        }
        Ok(())
    })
}

/// Sets itself again whenever it fires.
fn ticking() -> dispatch::Boxed<World> {
    let mut timer = Timer::new().unwrap();
    timer.set(Some(Instant::now())).unwrap();
    Handler::boxed(timer, |timer: &mut Timer, context: &mut Context, _event| {
        context.world.ticks += timer.expirations()?;
        timer.set(Some(context.now()))?;
        Ok(())
    })
}

fn dispatch_pings(context: &mut Context, pings: u64) {
    let until = context.world.pings + pings;
    while context.world.pings < until {
        let delivered = context.dispatch_once(Some(Duration::from_secs(10)), None).unwrap();
        assert!(delivered > 0, "a ping was lost");
    }
}

#[test]
fn ten_thousand_dispatches_allocate_nothing() {
    let before_all = ALLOCATIONS.get();
    let (reading, mut writing) = Pipe::pair().unwrap();
    writing.write(b"!").unwrap();
    let world = World { writing, pings: 0, turns: 0, ticks: 0 };
    let mut context = Context::new(world).unwrap();
    context.insert(ping_pong(reading)).unwrap();
    context.insert(ticking()).unwrap();
    dispatch_pings(&mut context, 100);
    let before = ALLOCATIONS.get();
    assert!(before > before_all, "the allocator counts");
    dispatch_pings(&mut context, PINGS);
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert!(context.world.turns >= PINGS / 2 && context.world.ticks > 0);
}
