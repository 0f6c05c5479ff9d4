//! Payloads of histograms: our reader against the library's.

use hdrhistogram::serialization::Deserializer;
use stats::{HIGHEST_NANOS, Histogram};

/// Bytes of a payload's header, and where its length stands in it.
const HEADER_BYTES: usize = 40;
const LENGTH_AT: usize = 4;

const QUANTILES: [f64; 8] = [0.0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0];

/// The first byte says what the rest is (lowest bit: the buckets alone, a right header is put in front) and how many
/// values were too high (the other bits).
///
/// Laws: what is refused is refused without a panic; what is accepted the library reads too, with the same count and
/// quantiles, and it encodes to something that reads back as itself.
///
/// # Panics
/// Where a law is broken.
pub fn histogram(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    let bytes = if choice & 1 == 1 { with_header(data) } else { data.to_vec() };
    let Ok(ours) = Histogram::decode(&bytes, u64::from(choice >> 1)) else {
        return;
    };
    reads_back(&ours);
    if !has_endless_gap(&bytes[HEADER_BYTES..]) {
        agrees(&ours, &bytes);
    }
}

fn with_header(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Histogram::default().encode();
    bytes.truncate(HEADER_BYTES);
    let length = u32::try_from(payload.len()).expect("inputs are small");
    bytes[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

fn reads_back(ours: &Histogram) {
    let encoded = ours.encode();
    let back = Histogram::decode(&encoded, ours.overflow()).expect("what we wrote we read");
    assert_eq!(back.encode(), encoded);
    assert_eq!((back.count(), back.overflow()), (ours.count(), ours.overflow()));
    for quantile in QUANTILES {
        assert_eq!(back.quantile(quantile), ours.quantile(quantile), "at {quantile}");
    }
}

fn agrees(ours: &Histogram, bytes: &[u8]) {
    let read = Deserializer::new().deserialize(&mut &*bytes);
    let theirs: hdrhistogram::Histogram<u64> = read.expect("the library reads what we do");
    assert_eq!(theirs.len(), ours.count());
    assert_eq!((theirs.low(), theirs.high()), (1, HIGHEST_NANOS));
    for quantile in QUANTILES {
        // As `stats::rank` has it: how a decimal is stored moves no rank.
        let lower = quantile.next_down().max(0.0);
        let value = (!theirs.is_empty()).then(|| theirs.value_at_quantile(lower));
        assert_eq!(ours.quantile(quantile), value, "at {quantile}");
    }
}

/// Exception: the lowest number that there is, as a count of empty buckets, which the library negates and overflows.
fn has_endless_gap(payload: &[u8]) -> bool {
    payload.windows(9).any(|nine| nine == [0xff; 9])
}
