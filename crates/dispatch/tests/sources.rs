//! Timers and pipes against the kernel.

use dispatch::{BoxedContext, DispatchContext, Event, Handler, Instant, Pipe, Timer};
use std::io::ErrorKind;
use std::time::Duration;

/// By when anything that is to happen has happened.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was heard, by name.
#[derive(Default)]
struct World {
    fired: Vec<(&'static str, u64, Instant)>,
    events: Vec<Event>,
}

type Context = BoxedContext<World>;

fn context() -> Context {
    BoxedContext::new(World::default()).unwrap()
}

/// Watches `timer`, which writes down its name, how often it ran out, and when that was seen.
fn watch_timer(context: &mut Context, name: &'static str, timer: Timer) {
    let target = Handler::boxed(timer, move |timer: &mut Timer, context: &mut Context, _event| {
        let expirations = timer.expirations()?;
        context.world.fired.push((name, expirations, Instant::now()));
        Ok(())
    });
    context.insert(target).unwrap();
}

fn watch_pipe(context: &mut Context, pipe: Pipe) -> dispatch::DispatchId {
    let target = Handler::boxed(pipe, |_: &mut Pipe, context: &mut Context, event| {
        context.world.events.push(event);
        Ok(())
    });
    context.insert(target).unwrap()
}

fn timer_at(deadline: Instant) -> Timer {
    let mut timer = Timer::new().unwrap();
    timer.set(Some(deadline)).unwrap();
    timer
}

fn dispatch_until(context: &mut Context, done: impl Fn(&World) -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !done(&context.world) {
        assert!(Instant::now() < give_up, "nothing came within {PATIENCE:?}");
        context.dispatch_once(Some(Duration::from_millis(100)), None).unwrap();
    }
}

#[test]
fn a_timer_never_fires_before_its_deadline() {
    for micros in [0, 1, 250, 999, 1_000, 1_001, 7_777] {
        let mut context = context();
        let deadline = Instant::now() + Duration::from_micros(micros);
        watch_timer(&mut context, "timer", timer_at(deadline));
        dispatch_until(&mut context, |world| !world.fired.is_empty());
        let [(_, expirations, at)] = context.world.fired[..] else { panic!("it fired twice") };
        assert_eq!(expirations, 1);
        assert!(at >= deadline, "{micros} µs: early by {:?}", deadline.since(at));
    }
}

#[test]
fn a_deadline_in_the_past_fires_at_once() {
    let now = Instant::now();
    for deadline in [Instant::from_nanos(0), now - Duration::from_secs(1), now] {
        let mut context = context();
        watch_timer(&mut context, "timer", timer_at(deadline));
        assert_eq!(context.dispatch_once(Some(Duration::ZERO), None).unwrap(), 1);
        assert_eq!(context.world.fired[0].1, 1);
    }
}

#[test]
fn several_timers_fire_once_each_and_none_before_its_own_deadline() {
    let mut context = context();
    let now = Instant::now();
    let deadline = |name| match name {
        "first" => now + Duration::from_millis(2),
        "second" => now + Duration::from_millis(15),
        _ => now + Duration::from_millis(30),
    };
    for name in ["third", "first", "second"] {
        watch_timer(&mut context, name, timer_at(deadline(name)));
    }
    dispatch_until(&mut context, |world| world.fired.len() == 3);
    for (name, expirations, at) in &context.world.fired {
        assert!(*at >= deadline(name), "{name} was early");
        assert_eq!(*expirations, 1);
    }
}

#[test]
fn a_timer_that_was_unset_does_not_fire() {
    let mut context = context();
    let now = Instant::now();
    let mut unset = timer_at(now + Duration::from_millis(2));
    unset.set(None).unwrap();
    assert_eq!(unset.deadline(), None);
    watch_timer(&mut context, "unset", unset);
    watch_timer(&mut context, "set", timer_at(now + Duration::from_millis(20)));
    dispatch_until(&mut context, |world| !world.fired.is_empty());
    assert_eq!(context.world.fired.len(), 1);
    assert_eq!(context.world.fired[0].0, "set");
}

#[test]
fn a_timer_without_a_deadline_or_with_one_at_the_end_of_time_is_silent() {
    let mut context = context();
    watch_timer(&mut context, "none", Timer::new().unwrap());
    watch_timer(&mut context, "never", timer_at(Instant::FAR_FUTURE));
    assert_eq!(context.dispatch_once(Some(Duration::from_millis(5)), None).unwrap(), 0);
}

#[test]
fn the_same_deadline_set_twice_fires_once_and_set_again_after_it_fired_fires_again() {
    let mut context = context();
    let deadline = Instant::now() + Duration::from_millis(2);
    let mut timer = timer_at(deadline);
    timer.set(Some(deadline)).unwrap();
    let mut rounds = 0;
    let target = Handler::boxed(timer, move |timer: &mut Timer, context: &mut Context, _event| {
        let expirations = timer.expirations()?;
        context.world.fired.push(("timer", expirations, Instant::now()));
        rounds += 1;
        if rounds == 1 {
            timer.set(Some(deadline))?;
        }
        Ok(())
    });
    context.insert(target).unwrap();
    dispatch_until(&mut context, |world| world.fired.len() == 2);
    assert!(context.world.fired.iter().all(|(_, expirations, _)| *expirations == 1));
    assert_eq!(context.dispatch_once(Some(Duration::from_millis(5)), None).unwrap(), 0);
}

#[test]
fn a_deadline_that_moved_fires_where_it_moved_to() {
    for (from, to) in [(2, 80), (20_000, 80)] {
        let mut context = context();
        let now = Instant::now();
        let mut timer = timer_at(now + Duration::from_millis(from));
        let deadline = now + Duration::from_millis(to);
        timer.set(Some(deadline)).unwrap();
        assert_eq!(timer.expirations().unwrap(), 0, "asked too early");
        watch_timer(&mut context, "timer", timer);
        dispatch_until(&mut context, |world| !world.fired.is_empty());
        assert!(context.world.fired[0].2 >= deadline);
        assert_eq!(context.world.fired.len(), 1);
    }
}

#[test]
fn a_pipe_takes_what_fits_and_says_when_there_is_room_again() {
    let (mut reading, mut writing) = Pipe::pair().unwrap();
    let sent: Vec<u8> = (0..1 << 20).map(|i: u32| (i % 251) as u8).collect();
    let first = writing.write(&sent).unwrap().expect("an empty pipe has room");
    assert!(first < sent.len(), "a pipe of the usual size takes a part");
    let mut gone = first;
    assert_eq!(writing.write(&sent[gone..]).unwrap(), None);

    let mut context = context();
    let target = Handler::boxed(writing, {
        let sent = sent.clone();
        move |writing: &mut Pipe, context: &mut Context, event: Event| {
            context.world.events.push(event);
            while gone < sent.len() {
                let Some(bytes) = writing.write(&sent[gone..])? else { return Ok(()) };
                gone += bytes;
            }
            let id = dispatch::Registered::dispatch_id(writing).unwrap();
            context.socket_closed(id);
            Ok(())
        }
    });
    context.insert(target).unwrap();
    assert_eq!(context.dispatch_once(Some(Duration::ZERO), None).unwrap(), 0, "the pipe is full");

    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    let give_up = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < give_up);
        match reading.read(&mut buffer).unwrap() {
            Some(0) => break,
            Some(bytes) => received.extend_from_slice(&buffer[..bytes]),
            None => {
                context.dispatch_once(Some(PATIENCE), None).unwrap();
            }
        }
    }
    assert!(context.world.events.iter().all(|event| event.writable));
    assert!(received == sent, "{} of {} bytes", received.len(), sent.len());
}

#[test]
fn a_pipe_whose_writer_is_gone_gives_what_was_written_and_then_its_end() {
    let (reading, mut writing) = Pipe::pair().unwrap();
    writing.write(b"last words").unwrap();
    drop(writing);
    let mut context = context();
    let target = Handler::boxed(reading, |pipe: &mut Pipe, context: &mut Context, event| {
        context.world.events.push(event);
        let mut buffer = [0; 64];
        assert_eq!(pipe.read(&mut buffer)?, Some(10));
        assert_eq!(pipe.read(&mut buffer)?, Some(0));
        assert_eq!(pipe.read(&mut buffer)?, Some(0), "the end stays the end");
        Ok(())
    });
    context.insert(target).unwrap();
    assert_eq!(context.dispatch_once(Some(PATIENCE), None).unwrap(), 1);
    assert!(context.world.events[0].readable && context.world.events[0].read_closed);
}

#[test]
fn an_empty_pipe_says_nothing_yet() {
    let (mut reading, _writing) = Pipe::pair().unwrap();
    assert_eq!(reading.read(&mut [0; 8]).unwrap(), None);
}

#[test]
fn a_pipe_whose_reader_is_gone_says_so_and_a_write_is_a_broken_pipe() {
    let (reading, mut writing) = Pipe::pair().unwrap();
    drop(reading);
    assert_eq!(writing.write(b"hello").unwrap_err().kind(), ErrorKind::BrokenPipe);
    let mut context = context();
    watch_pipe(&mut context, writing);
    assert_eq!(context.dispatch_once(Some(PATIENCE), None).unwrap(), 1);
    assert!(context.world.events[0].error);
}
