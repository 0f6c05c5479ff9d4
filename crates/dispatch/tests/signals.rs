//! Signals as a readable source; alone in its process because of the signal mask.

use dispatch::{BoxedContext, DispatchContext, Handler, Signal, Signals};
use nix::sys::signal::raise;
use std::time::Duration;

type Context = BoxedContext<Vec<Signal>>;

const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn signals_are_read_instead_of_delivered_and_merge_while_they_wait() {
    let mut context: Context = BoxedContext::new(Vec::new()).unwrap();
    // From here on both are blocked for this thread, and `raise` speaks to this thread alone.
    let signals = Signals::new(&[Signal::SIGUSR1, Signal::SIGUSR2]).unwrap();
    let target = Handler::boxed(signals, |signals: &mut Signals, context: &mut Context, _event| {
        while let Some(signal) = signals.next_signal()? {
            context.world.push(signal);
        }
        Ok(())
    });
    context.insert(target).unwrap();
    assert_eq!(context.dispatch_once(Some(Duration::ZERO), None).unwrap(), 0);

    raise(Signal::SIGUSR1).unwrap();
    assert_eq!(context.dispatch_once(Some(PATIENCE), None).unwrap(), 1);
    assert_eq!(context.world, [Signal::SIGUSR1]);

    context.world.clear();
    raise(Signal::SIGUSR2).unwrap();
    raise(Signal::SIGUSR1).unwrap();
    raise(Signal::SIGUSR1).unwrap();
    assert_eq!(context.dispatch_once(Some(PATIENCE), None).unwrap(), 1);
    assert_eq!(context.world, [Signal::SIGUSR1, Signal::SIGUSR2], "one of each kind");

    assert_eq!(context.dispatch_once(Some(Duration::ZERO), None).unwrap(), 0, "all were read");
}
