//! The laws of the codec: round trip, every split point, garbage and oversize refused, and the
//! bytes of a message as they were when its format was fixed.

use proptest::prelude::*;
use stats::{Counter, Gaps, Histogram, Interval, Latency, Outcome, Phase, Strain};
use wire::{
    Command, Decoder, FRAME_HEADER_BYTES, Final, GapsRecord, IntervalRecord, Message, Report,
    WireError, frame,
};

fn interval() -> Interval {
    let mut interval = Interval::new(7, Phase::Measurement);
    interval.counters.count_many(Counter::RequestsSent, 12);
    interval.counters.requests_failed[Outcome::Reset as usize] = 3;
    interval.counters.count_statuses(200, 9);
    interval.gauges.live = 5;
    interval.strain = Strain { wall: 1_000_000_000, wait: 7, gap_max: 9, ..Strain::default() };
    let mut histogram = Histogram::default();
    for nanos in [1_000, 70_000, 2_000_000_000] {
        histogram.record(nanos);
    }
    interval.histograms[Latency::FromDue as usize] = histogram;
    interval.samples.record(Outcome::HttpVersion, b"SSH-2.0-\x1b]0;owned\x07evil\r\n");
    interval.samples.record(Outcome::HttpHeader, &[0xff; 65]);
    interval.samples.add_others(Outcome::HttpHeader, 4);
    interval
}

fn arrivals() -> Gaps {
    let mut arrivals = Gaps::default();
    for at in [10_000_000, 10_400_000, u64::MAX / 2] {
        arrivals.note(at, 2);
    }
    arrivals
}

fn reports() -> Vec<Report> {
    vec![
        Report::Ready { listening: Some("127.0.0.1:8080".parse().unwrap()) },
        Report::Opened { first_connect_nanos: 1, last_established_nanos: 2 },
        Report::Interval(IntervalRecord::new(&interval(), 99)),
        Report::Gaps(GapsRecord::new(&arrivals())),
        Report::Final(Final { cpu_micros: 17, ..Final::default() }),
        Report::Fatal("no ports".into()),
        Report::Alive,
        Report::Panicked("why".into()),
    ]
}

fn stream(reports: &[Report]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (sequence, report) in reports.iter().enumerate() {
        frame(report, sequence as u32, &mut bytes);
    }
    bytes
}

fn decode_in_pieces<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Report>, WireError> {
    let mut decoder = Decoder::default();
    let mut reports = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        while let Some(report) = decoder.next_message()? {
            reports.push(report);
        }
    }
    Ok(reports)
}

#[test]
fn every_message_reads_back_whole_and_byte_by_byte() {
    let bytes = stream(&reports());
    assert_eq!(decode_in_pieces([&bytes[..]]).unwrap(), reports());
    assert_eq!(decode_in_pieces(bytes.chunks(1)).unwrap(), reports());
}

#[test]
fn every_split_point_gives_the_same_messages() {
    let bytes = stream(&reports());
    for split in 0..bytes.len() {
        let (head, tail) = bytes.split_at(split);
        assert_eq!(decode_in_pieces([head, tail]).unwrap(), reports(), "split at {split}");
    }
}

#[test]
fn an_interval_survives_the_journey() {
    let record = IntervalRecord::new(&interval(), 99);
    let back = record.interval().unwrap();
    assert_eq!(back.counters, interval().counters);
    assert_eq!(back.gauges, interval().gauges);
    assert_eq!(back.samples, interval().samples);
    let due = Latency::FromDue as usize;
    assert_eq!(back.histograms[due].encode(), interval().histograms[due].encode());
}

#[test]
fn arrivals_survive_the_journey() {
    let (before, after) = (arrivals(), GapsRecord::new(&arrivals()).arrivals().unwrap());
    assert_eq!((after.count, after.most_in_1ms), (6, 4));
    assert_eq!(after.gap_mean_nanos(), before.gap_mean_nanos());
    assert_eq!(after.gap_cv(), before.gap_cv());
}

#[test]
fn a_length_over_the_bound_is_refused_before_its_body_comes() {
    for length in [Report::BYTES_MAX + 1, u32::MAX, 1 << 31] {
        let mut bytes = stream(&reports()[..1]);
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        let refused = decode_in_pieces([&bytes[..FRAME_HEADER_BYTES]]);
        assert_eq!(refused, Err(WireError::TooLong(length)));
    }
}

#[test]
fn another_version_another_kind_and_a_gap_are_refused() {
    let good = stream(&reports()[..1]);
    for (at, value, error) in [
        (4, 9, WireError::Version(9)),
        (5, Command::KIND, WireError::Kind(Command::KIND)),
        (8, 3, WireError::Sequence(3, 0)),
    ] {
        let mut bytes = good.clone();
        bytes[at] = value;
        assert_eq!(decode_in_pieces([&bytes[..]]), Err(error));
    }
}

#[test]
fn trailing_bytes_in_a_body_are_refused() {
    let mut bytes = stream(&reports()[..1]);
    bytes.push(0);
    let length = (bytes.len() - FRAME_HEADER_BYTES) as u32;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    assert!(matches!(decode_in_pieces([&bytes[..]]), Err(WireError::Body(_))));
}

#[test]
fn the_bytes_of_a_message_are_fixed() {
    let mut bytes = Vec::new();
    frame(&Command::Start { at_nanos: 0x0102, run_nanos: 0x03 }, 5, &mut bytes);
    let body = [2, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0];
    let header = [20, 0, 0, 0, 1, 1, 0, 0, 5, 0, 0, 0];
    assert_eq!(bytes, [&header[..], &body[..]].concat());
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_in_pieces([&bytes[..]]);
    }

    #[test]
    fn a_flipped_byte_never_panics(at in 0_usize..4096, value in any::<u8>()) {
        let mut bytes = stream(&reports());
        let at = at % bytes.len();
        bytes[at] = value;
        if let Ok(reports) = decode_in_pieces([&bytes[..]]) {
            for report in reports {
                match report {
                    Report::Interval(record) => drop(record.interval()),
                    Report::Gaps(record) => drop(record.arrivals()),
                    _ => {}
                }
            }
        }
    }
}
