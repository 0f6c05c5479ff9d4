//! Small programs for the tests of this room.

use super::program::{Program, ProgramError, RequestPlay};
use protocols::http1::Manner;
use wire::{
    CheckCode, FeedShare, FoundCode, OrderKind, RequestCode, Segment, SessionShare, SessionsShare,
    StepCode,
};

/// A request with these checks and values, each in a variable of its own.
pub fn request(checks: Vec<CheckCode>, found: Vec<FoundCode>) -> RequestPlay {
    let step = StepCode::Request(Box::new(code(checks, found)));
    let mut program = program(&[step], Vec::new()).expect("a request is a session");
    program.requests.remove(0)
}

fn code(checks: Vec<CheckCode>, found: Vec<FoundCode>) -> RequestCode {
    RequestCode {
        method: "GET".into(),
        persistent: true,
        head: vec![Segment::Text(b"GET / HTTP/1.1\r\n\r\n".to_vec())],
        body: Vec::new(),
        statuses: vec![(200, 299)],
        checks,
        extracts: (0..).zip(found).collect(),
    }
}

/// A program of one session with these steps, which draws of all feeds.
///
/// # Errors
/// It cannot be played.
pub fn program(steps: &[StepCode], feeds: Vec<FeedShare>) -> Result<Program, ProgramError> {
    let drawn = (0..feeds.len() as u16).collect();
    let session = SessionShare { weight: 1, variables: 0, feeds: drawn, code: steps.to_vec() };
    let share = SessionsShare { feeds, sessions: vec![session], slot: 0, workers: 1 };
    Program::new(share, Manner::STRICT)
}

/// A step that is a plain request.
pub fn asks() -> StepCode {
    StepCode::Request(Box::new(code(Vec::new(), Vec::new())))
}

/// So many rows of one letter.
pub fn feed(order: OrderKind, rows: u32) -> FeedShare {
    let text = (0..rows).map(|row| b'a' + row as u8).collect();
    FeedShare { order, columns: 1, text, ends: (1..=rows).collect() }
}
