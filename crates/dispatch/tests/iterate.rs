//! The contract of `iterate` and `DispatchVars`, sentence by sentence, on a context that only
//! writes down what it is asked.

use dispatch::{
    BoxedContext, Callback, DispatchContext, DispatchId, DispatchVars, ErrorInHandler, Handler,
    HandlerFailure, PollFlags, Registered, Timer, iterate,
};
use std::cell::RefCell;
use std::io;
use std::ops::ControlFlow::{self, Break, Continue};
use std::time::Duration;

/// Writes down the order of calls and what each dispatch was given.
#[derive(Default)]
struct Fake {
    log: Vec<&'static str>,
    timeouts: Vec<Option<Duration>>,
    with_policy: Vec<bool>,
    /// Handed to the policy in each dispatch.
    failing: Option<DispatchId>,
    /// The dispatch, counted from 1, that fails.
    breaks_down_at: Option<usize>,
}

impl Fake {
    fn dispatches(&self) -> usize {
        self.timeouts.len()
    }
}

impl DispatchContext for Fake {
    fn dispatch_once(
        &mut self,
        timeout: Option<Duration>,
        error_in_handler: Option<&mut ErrorInHandler<'_>>,
    ) -> io::Result<usize> {
        self.log.push("dispatch");
        self.timeouts.push(timeout);
        self.with_policy.push(error_in_handler.is_some());
        if self.breaks_down_at == Some(self.timeouts.len()) {
            return Err(io::Error::other("the poller is broken"));
        }
        if let (Some(policy), Some(id)) = (error_in_handler, self.failing) {
            policy(HandlerFailure { id, error: "the handler failed".into() });
        }
        Ok(0)
    }

    fn set_dispatch_filter(
        &mut self,
        _target: &mut dyn Registered,
        _readable: bool,
        _writable: bool,
        _exceptional: bool,
    ) -> io::Result<()> {
        unreachable!("iterate sets no filter")
    }

    fn set_poll_dispatch_filter(
        &mut self,
        _target: &mut dyn Registered,
        _flags: PollFlags,
    ) -> io::Result<()> {
        unreachable!("iterate sets no filter")
    }

    fn socket_closed(&mut self, _id: DispatchId) {
        unreachable!("iterate closes nothing")
    }
}

type Vars<'a, X = ()> = DispatchVars<'a, Fake, X>;

/// A callback that writes down its name.
fn says<'a, X>(name: &'static str) -> Callback<'a, Fake, X> {
    Callback::new(move |fake: &mut Fake, _vars| {
        fake.log.push(name);
        Continue(())
    })
}

/// A callback that writes down its name, then does something to the vars.
fn does<'a, X>(
    name: &'static str,
    mut act: impl FnMut(&mut Vars<'a, X>) -> ControlFlow<()> + 'a,
) -> Callback<'a, Fake, X> {
    Callback::new(move |fake: &mut Fake, vars: &mut Vars<'a, X>| {
        fake.log.push(name);
        act(vars)
    })
}

fn counted<'a>(count: u64) -> Vars<'a> {
    let mut vars = Vars::new(());
    vars.count = Some(count);
    vars
}

/// The calls of a run, as one line.
fn run<X>(vars: &mut Vars<'_, X>) -> String {
    let mut fake = Fake::default();
    iterate(&mut fake, vars).unwrap();
    fake.log.join(" ")
}

#[test]
fn each_round_is_before_then_dispatch_then_after() {
    let mut vars = counted(2);
    vars.before_dispatch = says("before");
    vars.after_dispatch = says("after");
    assert_eq!(run(&mut vars), "before dispatch after before dispatch after");
}

#[test]
fn either_callback_may_be_absent() {
    let mut vars = counted(2);
    assert_eq!(run(&mut vars), "dispatch dispatch");
    let mut vars = counted(2);
    vars.before_dispatch = says("before");
    assert_eq!(run(&mut vars), "before dispatch before dispatch");
    let mut vars = counted(2);
    vars.after_dispatch = says("after");
    assert_eq!(run(&mut vars), "dispatch after dispatch after");
}

#[test]
fn both_callbacks_get_the_dispatcher_and_the_vars() {
    let mut vars = Vars::new(Vec::new());
    vars.count = Some(2);
    vars.before_dispatch = Callback::new(|fake: &mut Fake, vars: &mut Vars<'_, Vec<_>>| {
        vars.values.push(("before", fake.dispatches()));
        Continue(())
    });
    vars.after_dispatch = Callback::new(|fake: &mut Fake, vars: &mut Vars<'_, Vec<_>>| {
        vars.values.push(("after", fake.dispatches()));
        Continue(())
    });
    run(&mut vars);
    assert_eq!(vars.values, [("before", 0), ("after", 1), ("before", 1), ("after", 2)]);
}

#[test]
fn a_callback_that_removes_itself_is_not_called_again() {
    let mut vars = counted(3);
    vars.before_dispatch = does("before", |vars| {
        vars.before_dispatch = Callback::Absent;
        Continue(())
    });
    vars.after_dispatch = does("after", |vars| {
        vars.after_dispatch = Callback::Absent;
        Continue(())
    });
    assert_eq!(run(&mut vars), "before dispatch after dispatch dispatch");
    assert!(matches!(vars.before_dispatch, Callback::Absent));
    assert!(matches!(vars.after_dispatch, Callback::Absent));
}

#[test]
fn a_callback_that_swaps_itself_is_followed_by_the_other_one() {
    let mut vars = counted(3);
    vars.before_dispatch = does("before", |vars| {
        vars.before_dispatch = says("second");
        Continue(())
    });
    assert_eq!(run(&mut vars), "before dispatch second dispatch second dispatch");
    let mut vars = counted(3);
    vars.after_dispatch = does("after", |vars| {
        vars.after_dispatch = says("second");
        Continue(())
    });
    assert_eq!(run(&mut vars), "dispatch after dispatch second dispatch second");
}

#[test]
fn what_before_does_to_after_holds_in_the_same_round() {
    let mut vars = counted(2);
    vars.before_dispatch = does("before", |vars| {
        vars.after_dispatch = says("set");
        Continue(())
    });
    assert_eq!(run(&mut vars), "before dispatch set before dispatch set");
    let mut vars = counted(2);
    vars.after_dispatch = says("after");
    vars.before_dispatch = does("before", |vars| {
        vars.after_dispatch = Callback::Absent;
        Continue(())
    });
    assert_eq!(run(&mut vars), "before dispatch before dispatch");
}

#[test]
fn what_after_does_to_before_holds_in_the_next_round() {
    let mut vars = counted(3);
    vars.before_dispatch = says("before");
    vars.after_dispatch = does("after", |vars| {
        vars.before_dispatch = says("set");
        Continue(())
    });
    assert_eq!(run(&mut vars), "before dispatch after set dispatch after set dispatch after");
    let mut vars = counted(2);
    vars.before_dispatch = says("before");
    vars.after_dispatch = does("after", |vars| {
        vars.before_dispatch = Callback::Absent;
        Continue(())
    });
    assert_eq!(run(&mut vars), "before dispatch after dispatch after");
}

#[test]
fn while_a_callback_runs_it_is_out_of_the_vars() {
    let mut vars = counted(1);
    vars.before_dispatch = does("before", |vars| {
        assert!(matches!(vars.before_dispatch, Callback::Itself));
        assert!(matches!(vars.after_dispatch, Callback::Run(_)));
        Continue(())
    });
    vars.after_dispatch = does("after", |vars| {
        assert!(matches!(vars.before_dispatch, Callback::Run(_)));
        assert!(matches!(vars.after_dispatch, Callback::Itself));
        Continue(())
    });
    assert_eq!(run(&mut vars), "before dispatch after");
}

#[test]
fn a_callback_that_leaves_itself_runs_again_whatever_stood_there_meanwhile() {
    let mut vars = counted(2);
    vars.before_dispatch = does("before", |vars| {
        vars.before_dispatch = says("never");
        vars.before_dispatch = Callback::Itself;
        Continue(())
    });
    assert_eq!(run(&mut vars), "before dispatch before dispatch");
}

#[test]
fn itself_in_a_place_that_is_not_running_means_absent() {
    let mut vars = counted(2);
    vars.before_dispatch = Callback::Itself;
    vars.after_dispatch = Callback::Itself;
    assert_eq!(run(&mut vars), "dispatch dispatch");
    let mut vars = counted(2);
    vars.before_dispatch = says("before");
    vars.after_dispatch = does("after", |vars| {
        vars.before_dispatch = Callback::Itself;
        Continue(())
    });
    assert_eq!(run(&mut vars), "before dispatch after dispatch after");
}

#[test]
fn a_callback_that_breaks_stays_in_the_vars() {
    let mut vars = Vars::new(());
    vars.before_dispatch = says("before");
    vars.after_dispatch = does("after", |_| Break(()));
    assert_eq!(run(&mut vars), "before dispatch after");
    assert_eq!(run(&mut vars), "before dispatch after", "the same vars serve again");
}

#[test]
fn count_is_the_number_of_dispatches_and_none_of_them_is_free() {
    for count in [0, 1, 2, 7] {
        let mut vars = counted(count);
        vars.before_dispatch = says("before");
        let expected = vec!["before dispatch"; count as usize].join(" ");
        assert_eq!(run(&mut vars), expected);
        assert_eq!(vars.count, Some(0));
    }
}

#[test]
fn count_none_means_for_ever() {
    let mut fake = Fake::default();
    let mut vars = Vars::new(());
    vars.after_dispatch = Callback::new(|fake: &mut Fake, vars: &mut Vars<'_>| {
        assert_eq!(vars.count, None);
        if fake.dispatches() == 10_000 { Break(()) } else { Continue(()) }
    });
    iterate(&mut fake, &mut vars).unwrap();
    assert_eq!(fake.dispatches(), 10_000);
}

#[test]
fn count_loses_one_per_dispatch_between_before_and_after() {
    let seen = RefCell::new(Vec::new());
    let mut vars = counted(2);
    vars.before_dispatch = does("before", |vars| {
        seen.borrow_mut().push(vars.count);
        Continue(())
    });
    vars.after_dispatch = does("after", |vars| {
        seen.borrow_mut().push(vars.count);
        Continue(())
    });
    run(&mut vars);
    drop(vars);
    assert_eq!(seen.into_inner(), [Some(2), Some(1), Some(1), Some(0)]);
}

#[test]
fn count_set_in_before_includes_the_coming_dispatch() {
    for (given, expected) in [(None, 3), (Some(1), 3), (Some(100), 3)] {
        let mut vars = Vars::new(());
        vars.count = given;
        vars.before_dispatch = does("before", |vars| {
            vars.count = Some(3);
            vars.before_dispatch = Callback::Absent;
            Continue(())
        });
        let mut fake = Fake::default();
        iterate(&mut fake, &mut vars).unwrap();
        assert_eq!(fake.dispatches(), expected, "from {given:?}");
    }
}

#[test]
fn count_set_in_after_counts_only_those_that_follow() {
    for (given, expected) in [(None, 4), (Some(1), 4), (Some(100), 4)] {
        let mut vars = Vars::new(());
        vars.count = given;
        vars.after_dispatch = does("after", |vars| {
            vars.count = Some(3);
            vars.after_dispatch = Callback::Absent;
            Continue(())
        });
        let mut fake = Fake::default();
        iterate(&mut fake, &mut vars).unwrap();
        assert_eq!(fake.dispatches(), expected, "from {given:?}");
    }
}

#[test]
fn count_zero_set_in_before_ends_at_once() {
    let mut vars = Vars::new(());
    vars.before_dispatch = does("before", |vars| {
        vars.count = Some(0);
        Continue(())
    });
    vars.after_dispatch = says("after");
    assert_eq!(run(&mut vars), "before");
}

#[test]
fn count_zero_set_in_after_ends_at_once() {
    let mut vars = Vars::new(());
    vars.before_dispatch = says("before");
    vars.after_dispatch = does("after", |vars| {
        vars.count = Some(0);
        Continue(())
    });
    assert_eq!(run(&mut vars), "before dispatch after");
}

#[test]
fn count_can_be_lifted_by_either_callback() {
    let mut vars = counted(1);
    vars.before_dispatch = does("before", |vars| {
        vars.count = None;
        vars.before_dispatch = does("second", |_| Break(()));
        Continue(())
    });
    assert_eq!(run(&mut vars), "before dispatch second");
    let mut vars = counted(1);
    vars.after_dispatch = does("after", |vars| {
        vars.count = None;
        vars.after_dispatch = does("second", |_| Break(()));
        Continue(())
    });
    assert_eq!(run(&mut vars), "dispatch after dispatch second");
    assert_eq!(vars.count, None);
}

#[test]
fn break_in_before_skips_the_dispatch_and_after() {
    let mut vars = counted(5);
    vars.before_dispatch = does("before", |_| Break(()));
    vars.after_dispatch = says("after");
    assert_eq!(run(&mut vars), "before");
    assert_eq!(vars.count, Some(5), "no dispatch took place");
}

#[test]
fn break_in_after_ends_at_once() {
    let mut vars = counted(5);
    vars.before_dispatch = says("before");
    vars.after_dispatch = does("after", |_| Break(()));
    assert_eq!(run(&mut vars), "before dispatch after");
    assert_eq!(vars.count, Some(4));
}

#[test]
fn timeout_is_forwarded_as_it_stands_and_a_change_holds_at_once() {
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let mut fake = Fake::default();
    let mut vars = counted(4);
    vars.timeout = seconds(1);
    vars.before_dispatch = Callback::new(move |fake: &mut Fake, vars: &mut Vars<'_>| {
        match fake.dispatches() {
            1 => vars.timeout = seconds(2),
            3 => vars.timeout = Some(Duration::ZERO),
            _ => {}
        }
        Continue(())
    });
    vars.after_dispatch = Callback::new(|fake: &mut Fake, vars: &mut Vars<'_>| {
        if fake.dispatches() == 2 {
            vars.timeout = None;
        }
        Continue(())
    });
    iterate(&mut fake, &mut vars).unwrap();
    assert_eq!(fake.timeouts, [seconds(1), seconds(2), None, Some(Duration::ZERO)]);
}

/// The name of some target, which only a context can give.
fn some_id() -> DispatchId {
    let mut context = BoxedContext::new(()).unwrap();
    let timer = Handler::boxed(Timer::new().unwrap(), |_: &mut Timer, _, _| Ok(()));
    context.insert(timer).unwrap()
}

#[test]
fn error_in_handler_is_only_forwarded_and_a_change_holds_at_once() {
    let id = some_id();
    let told = RefCell::new(Vec::new());
    let mut fake = Fake { failing: Some(id), ..Fake::default() };
    let mut vars = counted(4);
    vars.error_in_handler = Some(Box::new(|failure: HandlerFailure| {
        told.borrow_mut().push(("first", failure.id, failure.error.to_string()));
    }));
    vars.before_dispatch = Callback::new(|fake: &mut Fake, vars: &mut Vars<'_>| {
        if fake.dispatches() == 1 {
            vars.error_in_handler = Some(Box::new(|failure: HandlerFailure| {
                told.borrow_mut().push(("second", failure.id, failure.error.to_string()));
            }));
        }
        Continue(())
    });
    vars.after_dispatch = Callback::new(|fake: &mut Fake, vars: &mut Vars<'_>| {
        if fake.dispatches() == 3 {
            vars.error_in_handler = None;
        }
        Continue(())
    });
    iterate(&mut fake, &mut vars).unwrap();
    drop(vars);
    assert_eq!(fake.with_policy, [true, true, true, false]);
    let error = || "the handler failed".to_owned();
    let expected = [("first", id, error()), ("second", id, error()), ("second", id, error())];
    assert_eq!(told.into_inner(), expected);
}

#[test]
fn a_policy_that_is_not_there_is_forwarded_as_such() {
    let mut fake = Fake { failing: Some(some_id()), ..Fake::default() };
    iterate(&mut fake, &mut counted(1)).unwrap();
    assert_eq!(fake.with_policy, [false]);
    assert_eq!(fake.timeouts, [None]);
}

#[test]
fn the_callers_own_values_are_kept_between_runs() {
    let mut vars = Vars::new(40_u64);
    vars.after_dispatch = does("after", |vars| {
        vars.values += 1;
        Continue(())
    });
    for _ in 0..2 {
        vars.count = Some(1);
        run(&mut vars);
    }
    assert_eq!(vars.values, 42);
}

#[test]
fn an_error_of_the_dispatch_ends_iterate_and_leaves_the_vars_as_they_were() {
    let mut fake = Fake { breaks_down_at: Some(2), ..Fake::default() };
    let mut vars = counted(5);
    vars.timeout = Some(Duration::from_secs(9));
    vars.error_in_handler = Some(Box::new(drop));
    vars.before_dispatch = says("before");
    vars.after_dispatch = says("after");
    let error = iterate(&mut fake, &mut vars).unwrap_err();
    assert_eq!(error.to_string(), "the poller is broken");
    assert_eq!(fake.log.join(" "), "before dispatch after before dispatch");
    assert_eq!(vars.count, Some(4), "the dispatch that failed was none");
    assert_eq!(vars.timeout, Some(Duration::from_secs(9)));
    assert!(vars.error_in_handler.is_some());
    vars.count = Some(1);
    assert_eq!(run(&mut vars), "before dispatch after", "both callbacks are still there");
}
