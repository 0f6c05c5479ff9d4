//! The panic of a child: told in one line before it ends the process.

use super::{Outbox, Role};
use servicemodel::Context;
use std::any::Any;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use wire::{Report, frame};

/// How a process ends that panicked, as where nobody catches it.
const PANICKED: i32 = 101;

/// A full pipe is tried so often, and each time so much later: the supervisor may be stopped.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// Runs a child's loop. What it counts is not to be trusted after a panic: it says so and ends.
///
/// # Errors
/// The poller's failure.
pub fn run<R: Role>(context: &mut Context<R>) -> io::Result<()> {
    match catch_unwind(AssertUnwindSafe(|| servicemodel::run(context))) {
        Ok(ended) => ended,
        Err(payload) => {
            let child = context.world.model.child();
            let bytes = last_bytes(&mut child.outbox, first_line(&*payload));
            if let Some(pipe) = child.in_need.take() {
                write_in_need(pipe.into(), &bytes);
            }
            super::exit(PANICKED)
        }
    }
}

fn first_line(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.and_then(|text| text.lines().next()).unwrap_or("without a word")
}

/// What follows in the pipe: a frame that it has taken in part goes out in full before.
fn last_bytes(outbox: &mut Outbox, line: &str) -> Vec<u8> {
    let mut bytes = outbox.begun().to_vec();
    frame(&Report::Panicked(line.to_owned()), outbox.next_sequence(), &mut bytes);
    bytes
}

/// Nobody is left to tell if this fails.
fn write_in_need(mut pipe: std::fs::File, mut bytes: &[u8]) {
    for _ in 0..TRIES {
        match pipe.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(PAUSE),
            Err(_) => return,
        }
        if bytes.is_empty() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Decoder;

    #[test]
    fn the_first_line_of_a_panic_is_told() {
        let caught = |panic: fn()| catch_unwind(panic).unwrap_err();
        assert_eq!(first_line(&*caught(|| panic!("one\ntwo"))), "one");
        assert_eq!(first_line(&*caught(|| panic!("{} is {}", 2, 3))), "2 is 3");
        assert_eq!(first_line(&*caught(|| std::panic::panic_any(7))), "without a word");
    }

    #[test]
    fn last_words_follow_a_frame_that_is_out_in_part_and_nothing_else() {
        let (mut outbox, mut decoder) = (Outbox::default(), Decoder::<Report>::default());
        outbox.push(Report::Ready { listening: None });
        outbox.push(Report::Fatal("never sent".to_owned()));
        decoder.push(&outbox.pending()[..3]);
        outbox.written(3);
        decoder.push(&last_bytes(&mut outbox, "why"));
        assert_eq!(decoder.next_message(), Ok(Some(Report::Ready { listening: None })));
        assert_eq!(decoder.next_message(), Ok(Some(Report::Panicked("why".to_owned()))));
        assert_eq!(decoder.next_message(), Ok(None));
    }
}
