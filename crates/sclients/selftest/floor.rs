//! How late this host wakes a process that sleeps until an instant: nothing is on time to less.

use dispatch::{BoxedContext, DispatchContext, Handler, Instant, Timer};
use stats::Histogram;
use std::io;
use std::time::Duration;

/// Between two wake-ups: 1,000 per second.
const EVERY: Duration = Duration::from_millis(1);

/// The lateness of so many wake-ups by a timerfd, as workers wait, on an absolute schedule.
///
/// # Errors
/// No descriptors for the poller or the timer.
pub fn lateness(wakes: u64) -> io::Result<Histogram> {
    let mut context: BoxedContext<Histogram> = BoxedContext::new(Histogram::default())?;
    let mut timer = Timer::new()?;
    let mut due = Instant::now() + EVERY;
    timer.set(Some(due))?;
    context.insert(Handler::boxed(
        timer,
        move |timer: &mut Timer, context: &mut BoxedContext<Histogram>, _event| {
            let now = Instant::now();
            if timer.expirations()? > 0 {
                context.world.record(now.nanos_since(due));
                due = due + EVERY;
                timer.set(Some(due))?;
            }
            Ok(())
        },
    ))?;
    while context.world.count() < wakes {
        context.dispatch_once(None, None)?;
    }
    Ok(context.world)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wake_up_is_recorded() {
        assert_eq!(lateness(20).unwrap().count(), 20);
    }
}
