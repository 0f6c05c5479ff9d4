//! `iterate`: the loop itself, and the values by which callbacks steer it.

use crate::context::{DispatchContext, ErrorInHandler};
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

/// What a callback is: it may use the dispatcher, change any of the vars, and end the loop at once
/// by returning `Break`.
type Function<'a, D, X> =
    Box<dyn FnMut(&mut D, &mut DispatchVars<'a, D, X>) -> ControlFlow<()> + 'a>;

/// The place of a callback in [`DispatchVars`].
///
/// While a callback runs it is out of the vars and its place reads [`Callback::Itself`]. What it
/// leaves there is what runs next: `Itself` (untouched) the same again, `Absent` nothing, `Run`
/// another.
#[derive(Default)]
pub enum Callback<'a, D, X> {
    /// None is called.
    #[default]
    Absent,
    /// The one that is running now. Outside a callback it means the same as `Absent`.
    Itself,
    /// The one to call.
    Run(Function<'a, D, X>),
}

impl<'a, D, X> Callback<'a, D, X> {
    /// A callback from a closure or function.
    pub fn new(
        function: impl FnMut(&mut D, &mut DispatchVars<'a, D, X>) -> ControlFlow<()> + 'a,
    ) -> Self {
        Self::Run(Box::new(function))
    }
}

/// The loop's own control values, and whatever the caller put beside them. A callback may change
/// any of them and [`iterate`] honours it at once.
pub struct DispatchVars<'a, D, X> {
    /// Called before each dispatch.
    pub before_dispatch: Callback<'a, D, X>,
    /// Called after each dispatch.
    pub after_dispatch: Callback<'a, D, X>,
    /// Dispatches that remain; 0 ends at once, none means for ever. Set in `before_dispatch` it
    /// counts the coming dispatch, set in `after_dispatch` only those that follow.
    pub count: Option<u64>,
    /// Forwarded to [`DispatchContext::dispatch_once`], not used otherwise.
    pub timeout: Option<Duration>,
    /// Forwarded to [`DispatchContext::dispatch_once`], not used otherwise.
    pub error_in_handler: Option<ErrorInHandler<'a>>,
    /// The caller's own values.
    pub values: X,
}

impl<D, X> DispatchVars<'_, D, X> {
    /// No callbacks, for ever, no timeout, no error policy.
    pub const fn new(values: X) -> Self {
        Self {
            before_dispatch: Callback::Absent,
            after_dispatch: Callback::Absent,
            count: None,
            timeout: None,
            error_in_handler: None,
            values,
        }
    }
}

/// Repeats, until `count` is used up or a callback breaks:
///
/// 1. End if `count` is 0.
/// 2. `before_dispatch`; `Break` ends here, without the dispatch and without `after_dispatch`.
/// 3. End if `count` is 0 now.
/// 4. One [`DispatchContext::dispatch_once`] with the vars' `timeout` and `error_in_handler`.
/// 5. Take one off `count`.
/// 6. `after_dispatch`; `Break` ends here.
///
/// May be used directly, or read as the reference for integrating with a foreign main loop.
///
/// # Errors
/// What `dispatch_once` returns: the poller's own failure. The vars stay as they were then.
pub fn iterate<'a, D: DispatchContext, X>(
    dispatcher: &mut D,
    vars: &mut DispatchVars<'a, D, X>,
) -> io::Result<()> {
    while vars.count != Some(0) {
        if call(dispatcher, vars, |vars| &mut vars.before_dispatch).is_break() {
            break;
        }
        if vars.count == Some(0) {
            break;
        }
        dispatcher.dispatch_once(vars.timeout, vars.error_in_handler.as_mut())?;
        vars.count = vars.count.map(|count| count - 1);
        if call(dispatcher, vars, |vars| &mut vars.after_dispatch).is_break() {
            break;
        }
    }
    Ok(())
}

/// Calls the callback at `place`, which is out of the vars meanwhile.
fn call<'a, D, X>(
    dispatcher: &mut D,
    vars: &mut DispatchVars<'a, D, X>,
    place: impl for<'v> Fn(&'v mut DispatchVars<'a, D, X>) -> &'v mut Callback<'a, D, X>,
) -> ControlFlow<()> {
    let Callback::Run(mut function) = std::mem::replace(place(vars), Callback::Itself) else {
        *place(vars) = Callback::Absent;
        return ControlFlow::Continue(());
    };
    let flow = function(dispatcher, vars);
    let left = place(vars);
    if matches!(left, Callback::Itself) {
        *left = Callback::Run(function);
    }
    flow
}
