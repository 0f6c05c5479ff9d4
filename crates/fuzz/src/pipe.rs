//! Frames and messages of the pipes.

use stats::{Histogram, Latency};
use wire::{
    Command, Decoder, FRAME_HEADER_BYTES, GapsRecord, IntervalRecord, Message, Report, WireError,
    frame,
};

/// What the first byte chooses, by its two lowest bits.
const AS_REPORT: u8 = 1;
const AS_COMMAND: u8 = 3;

/// The first byte says what the rest is: the body of a report (1), of a command (3), or else frames.
///
/// Laws: byte by byte equals whole; what is refused stays refused; what is decoded encodes to the same bytes; an
/// interval that is believed survives another journey, arrivals have figures.
///
/// # Panics
/// Where a law is broken.
pub fn wire_frame(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    match choice & 3 {
        AS_REPORT => reports(&framed::<Report>(data)),
        AS_COMMAND => drop(checked::<Command>(&framed::<Command>(data))),
        _ => {
            reports(data);
            checked::<Command>(data);
        }
    }
}

/// `body` in a frame, as the first of its stream.
fn framed<M: Message>(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("inputs are small");
    let header = [&length.to_le_bytes()[..], &[1, M::KIND, 0, 0], &[0; 4]].concat();
    assert_eq!(header.len(), FRAME_HEADER_BYTES);
    [&header, body].concat()
}

fn reports(data: &[u8]) {
    for report in checked::<Report>(data) {
        match report {
            Report::Interval(record) => journey(&record),
            Report::Gaps(record) => figures(&record),
            _ => {}
        }
    }
}

/// What is believed once is believed again, and is the same.
fn journey(record: &IntervalRecord) {
    let Ok(mut interval) = record.interval() else {
        return;
    };
    let again = IntervalRecord::new(&interval, record.ended_nanos);
    let back = again.interval().expect("what was believed is believed again");
    assert_eq!(back.counters, interval.counters);
    assert_eq!(back.gauges, interval.gauges);
    assert_eq!(back.samples, interval.samples);
    assert_eq!(back.strain, interval.strain);
    for (back, histogram) in back.histograms.iter().zip(&interval.histograms) {
        assert_eq!((back.count(), back.overflow()), (histogram.count(), histogram.overflow()));
    }
    interval.add_up_steps();
    let from_send = &interval.histograms[Latency::FromSend as usize];
    Histogram::decode(&from_send.encode(), 0).expect("what is added up is believed too");
}

/// What is believed gives figures that can be printed.
fn figures(record: &GapsRecord) {
    let Ok(arrivals) = record.arrivals() else {
        return;
    };
    assert_eq!(GapsRecord::new(&arrivals), *record);
    let figures = [arrivals.gap_mean_nanos(), arrivals.gap_cv()];
    assert!(figures.iter().flatten().all(|figure| figure.is_finite()));
}

/// The messages of a stream that may break off, under the laws of the decoder.
fn checked<M: Message + PartialEq + std::fmt::Debug>(data: &[u8]) -> Vec<M> {
    let whole = decoded::<M>([data]);
    assert_eq!(decoded::<M>(data.chunks(1)), whole, "byte by byte");
    let (messages, _) = whole;
    let mut again = Vec::new();
    for (sequence, message) in messages.iter().enumerate() {
        frame(message, u32::try_from(sequence).expect("inputs are small"), &mut again);
    }
    assert_eq!(again, data[..again.len()], "a message has one encoding");
    messages
}

/// All messages that `pieces` hold, and what ended them, if anything did.
fn decoded<'a, M: Message>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<M>, Option<WireError>) {
    let mut decoder = Decoder::default();
    let mut messages = Vec::new();
    let mut refused = None;
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => {
                    assert_eq!(refused, None, "what is refused stays refused");
                    messages.push(message);
                }
                Ok(None) => break assert_eq!(refused, None, "what is refused stays refused"),
                Err(error) => {
                    let first = refused.get_or_insert_with(|| error.clone());
                    break assert_eq!(*first, error, "refused for one reason");
                }
            }
        }
    }
    (messages, refused)
}
