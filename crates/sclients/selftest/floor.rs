//! How late this host wakes a process that sleeps until an instant: nothing is on time to less.

use dispatch::{BoxedContext, DispatchContext, Handler, Instant, Signal, Signals, Timer};
use stats::Histogram;
use std::io;
use std::time::Duration;

/// Between two wake-ups: 1,000 per second.
const EVERY: Duration = Duration::from_millis(1);

/// How late wake-ups were, and the signal that cut them short.
#[derive(Clone, Debug, Default)]
pub struct Lateness {
    /// From due to awake.
    pub late: Histogram,
    /// Where one came.
    pub signal: Option<Signal>,
}

/// The lateness of so many wake-ups by a timerfd, as workers wait, on an absolute schedule.
///
/// From here on `signals` are read and not died of, also between the runs that follow.
///
/// # Errors
/// No descriptors for the poller, the timer or the signals.
pub fn lateness(wakes: u64, signals: &[Signal]) -> io::Result<Lateness> {
    let mut context: BoxedContext<Lateness> = BoxedContext::new(Lateness::default())?;
    let mut timer = Timer::new()?;
    let mut due = Instant::now() + EVERY;
    timer.set(Some(due))?;
    context.insert(Handler::boxed(
        timer,
        move |timer: &mut Timer, context: &mut BoxedContext<Lateness>, _event| {
            let now = Instant::now();
            if timer.expirations()? > 0 {
                context.world.late.record(now.nanos_since(due));
                due = due + EVERY;
                timer.set(Some(due))?;
            }
            Ok(())
        },
    ))?;
    context.insert(Handler::boxed(
        Signals::new(signals)?,
        |signals: &mut Signals, context: &mut BoxedContext<Lateness>, _event| {
            context.world.signal = signals.next_signal()?.or(context.world.signal);
            Ok(())
        },
    ))?;
    while context.world.late.count() < wakes && context.world.signal.is_none() {
        context.dispatch_once(None, None)?;
    }
    Ok(context.world)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wake_up_is_recorded() {
        let lateness = lateness(20, &[]).unwrap();
        assert_eq!((lateness.late.count(), lateness.signal), (20, None));
    }
}
