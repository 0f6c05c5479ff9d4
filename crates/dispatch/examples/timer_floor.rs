//! How late the kernel wakes a process that sleeps until an absolute instant: the floor under every
//! schedule's lateness on this host. `timer_floor RATE SECONDS` prints p50 and p99 in microseconds.

use dispatch::{BoxedContext, DispatchContext, Handler, Instant, Timer};
use std::io;
use std::time::Duration;

fn main() -> io::Result<()> {
    let words: Vec<u64> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let (rate, seconds) =
        (words.first().copied().unwrap_or(1_000), words.get(1).copied().unwrap_or(2));
    let start = Instant::now() + Duration::from_millis(10);
    let due = move |tick: usize| start + Duration::from_nanos(tick as u64 * 1_000_000_000 / rate);
    let mut context: BoxedContext<Vec<u64>> = BoxedContext::new(Vec::new())?;
    let mut timer = Timer::new()?;
    timer.set(Some(due(0)))?;
    context.insert(Handler::boxed(
        timer,
        move |timer: &mut Timer, context: &mut BoxedContext<Vec<u64>>, _event| {
            if timer.expirations()? > 0 {
                context.world.push(Instant::now().nanos_since(due(context.world.len())));
                timer.set(Some(due(context.world.len())))?;
            }
            Ok(())
        },
    ))?;
    while (context.world.len() as u64) < rate * seconds {
        context.dispatch_once(None, None)?;
    }
    let mut late = context.world;
    late.sort_unstable();
    let micros = |percent: usize| late[late.len() * percent / 100] as f64 / 1e3;
    println!("{:.1} {:.1}", micros(50), micros(99));
    Ok(())
}
