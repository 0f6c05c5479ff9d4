//! Heads of answers: our client against `httparse` alone.

use std::rc::Rc;

use httparse::{Response, Status};
use protocols::http1::{Client, Manner, Request};
use protocols::{ClientEvent, ClientMachine, Failure, Machine};

/// Most lines of a head that we take.
const LINES_MAX: usize = 100;

/// What was made of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// A head of this length and status.
    Taken { bytes: usize, status: u16 },
    /// More is needed.
    Waiting,
    /// No head.
    Refused,
}

/// Why we refuse what `httparse` accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// A line ends in LF alone.
    BareLineFeed,
    /// Something else than `H` comes first.
    BlankLineInFront,
    /// A status that is not from 100 to 599.
    StatusRange,
    /// More than [`LINES_MAX`] lines.
    Lines,
    /// A length that is no number, or there twice, or beside a coding.
    Length,
    /// A coding other than chunked alone, or in HTTP/1.0.
    Encoding,
    /// Status 101.
    Upgrade,
}

/// `data` begins with a head, or not.
///
/// Laws: what we take `httparse` takes alike, and nothing in it is a reason to refuse it; what `httparse` takes, or
/// waits for, and we refuse, we refuse for a reason that is there. Strictly and leniently.
///
/// # Panics
/// Where a law is broken.
pub fn answer_head(data: &[u8]) {
    for lenient in [false, true] {
        compare(data, lenient);
    }
}

/// Compares once, with a client that takes answers in one manner.
fn compare(data: &[u8], lenient: bool) {
    let mut room = vec![httparse::EMPTY_HEADER; data.len() / 2 + 1];
    let mut answer = Response::new(&mut room);
    let theirs = match answer.parse(data) {
        Ok(Status::Complete(bytes)) => {
            Verdict::Taken { bytes, status: answer.code.expect("a whole head has a status") }
        }
        Ok(Status::Partial) => Verdict::Waiting,
        Err(_) => Verdict::Refused,
    };
    let reasons = match theirs {
        Verdict::Taken { bytes, .. } => {
            [of_form(&data[..bytes], lenient), of_fields(&answer, lenient)].concat()
        }
        Verdict::Waiting => of_form(data, lenient),
        Verdict::Refused => Vec::new(),
    };
    match ours(data, lenient) {
        (Verdict::Refused, Some(failure)) if theirs != Verdict::Refused => {
            let named = name(failure).is_some_and(|reason| reasons.contains(&reason));
            assert!(named, "{failure:?} is not among {reasons:?}, lenient {lenient}");
        }
        (ours, failure) => {
            assert_eq!(ours, theirs, "{failure:?}, lenient {lenient}");
            assert_eq!(reasons, [], "a head with reasons was taken, lenient {lenient}");
        }
    }
}

/// What the client makes of it. It asks with HEAD, so that an answer ends with its head.
fn ours(data: &[u8], lenient: bool) -> (Verdict, Option<Failure>) {
    let manner = Manner { lenient, ..Manner::STRICT };
    let request = Request::builder("HEAD", "h", "/").manner(manner).build();
    let mut client = Client::new(Rc::new(request.expect("the request is well formed")));
    client.start();
    client.transmitted(client.pending().len());
    let received = client.receive(data);
    let taken = |status| (Verdict::Taken { bytes: received.consumed, status }, None);
    match received.event {
        None => {
            assert_eq!(received.consumed, 0, "a head is consumed whole");
            (Verdict::Waiting, None)
        }
        Some(ClientEvent::Interim(status)) => taken(status),
        Some(ClientEvent::Completed(answer)) => taken(answer.status),
        Some(ClientEvent::Extra(_)) => panic!("a head has no bytes behind it"),
        Some(ClientEvent::Failed(failure)) => (Verdict::Refused, Some(failure)),
    }
}

/// The whole list of what we refuse and `httparse` does not, by what we call it.
fn name(failure: Failure) -> Option<Reason> {
    match failure {
        Failure::StatusLine => Some(Reason::BlankLineInFront),
        Failure::StatusCode => Some(Reason::StatusRange),
        Failure::Header => Some(Reason::BareLineFeed),
        Failure::TooLarge => Some(Reason::Lines),
        Failure::Length => Some(Reason::Length),
        Failure::Encoding => Some(Reason::Encoding),
        Failure::Upgrade => Some(Reason::Upgrade),
        Failure::Version
        | Failure::Chunk
        | Failure::InterimLimit
        | Failure::Truncated
        | Failure::ClosedBeforeResponse
        | Failure::Unsolicited
        | Failure::ExtraData
        | Failure::BodyLimit
        | Failure::EchoMismatch => None,
    }
}

/// What of the form of a head, or of the beginning of one, is a reason.
fn of_form(head: &[u8], lenient: bool) -> Vec<Reason> {
    let ends = |at: &usize| head[*at] == b'\n';
    let bare = (0..head.len()).filter(ends).any(|at| at == 0 || head[at - 1] != b'\r');
    // Behind `HTTP/1.1 ` is the first digit, which tells an impossible status.
    let blank = head.first().is_some_and(|byte| *byte != b'H');
    let status = !blank && head.get(9).is_some_and(|digit| !(b'1'..=b'5').contains(digit));
    // The status line, the lines that we take, and the beginning of another that is not the blank one.
    let lines: Vec<_> = head.split(|byte| *byte == b'\n').skip(1).collect();
    let beyond = lines.get(LINES_MAX).is_some_and(|line| !matches!(line, [] | [b'\r', ..]));
    let reasons = [
        (Reason::BareLineFeed, bare && !lenient),
        (Reason::BlankLineInFront, blank),
        (Reason::StatusRange, status),
        (Reason::Lines, beyond),
    ];
    holding(&reasons)
}

/// What of the meaning of a whole head is a reason.
fn of_fields(answer: &Response<'_, '_>, lenient: bool) -> Vec<Reason> {
    let lengths = values(answer, "Content-Length");
    let codings = values(answer, "Transfer-Encoding");
    let chunked = codings.len() == 1 && codings[0].eq_ignore_ascii_case(b"chunked");
    let understood = codings.is_empty() || (chunked && answer.version == Some(1));
    let framed_twice = !lengths.is_empty() && !codings.is_empty();
    let reasons = [
        (Reason::Length, framed_twice || !is_one_length(&lengths, lenient)),
        (Reason::Encoding, !understood),
        (Reason::Upgrade, answer.code == Some(101)),
    ];
    holding(&reasons)
}

fn holding(reasons: &[(Reason, bool)]) -> Vec<Reason> {
    reasons.iter().filter(|(_, holds)| *holds).map(|(reason, _)| *reason).collect()
}

fn values<'a>(answer: &Response<'_, 'a>, name: &str) -> Vec<&'a [u8]> {
    let named = answer.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
    named.map(|header| header.value).collect()
}

/// Whether there is no length, or one; to be lenient, the same as often as you like.
fn is_one_length(values: &[&[u8]], lenient: bool) -> bool {
    if values.is_empty() {
        return true;
    }
    let values = values.join(&b',');
    if !lenient {
        return number(&values).is_some();
    }
    let mut numbers = values.split(|byte| *byte == b',').map(|value| number(value.trim_ascii()));
    let first = numbers.next().flatten();
    first.is_some() && numbers.all(|number| number == first)
}

fn number(digits: &[u8]) -> Option<u64> {
    let plain = digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
}
