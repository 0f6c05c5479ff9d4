//! Histograms against known answers (`oracles/hdr.json`, the Java reference's cases, and
//! `oracles/merge.json`) and against sorting.

mod random;

use base64::Engine as _;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use random::Random;
use serde_json::Value;
use stats::{HIGHEST_NANOS, Histogram, Latency, hlog, rank};
use std::time::Duration;

const NANOS_PER_US: u64 = 1000;
/// The largest error of a value: one bucket of 2,048 to 1,024 of a doubling.
const ERROR: f64 = 1.0 / 1024.0;

type Hdr = hdrhistogram::Histogram<u64>;

fn oracle() -> Value {
    serde_json::from_str(include_str!("oracles/hdr.json")).unwrap()
}

fn of(values: impl IntoIterator<Item = u64>) -> Histogram {
    let mut histogram = Histogram::default();
    values.into_iter().for_each(|value| histogram.record(value));
    histogram
}

fn decoded(base64: &str) -> Hdr {
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64).unwrap();
    Deserializer::new().deserialize(&mut &*bytes).unwrap()
}

fn near(value: f64, expected: f64) -> bool {
    (value - expected).abs() <= expected * ERROR
}

/// The percentiles of a case: `p99.9` and its value.
fn percentiles(case: &Value) -> Vec<(f64, u64)> {
    let entries = case.as_object().unwrap().iter();
    let parsed = entries.filter_map(|(key, value)| {
        Some((key.strip_prefix('p')?.parse::<f64>().ok()?, value.as_u64()?))
    });
    parsed.collect()
}

/// 10,000 times 1 ms and once 100 s, in microseconds.
fn raw_us() -> Vec<u64> {
    [vec![1000; 10_000], vec![100_000_000]].concat()
}

/// The same where one was due every 10 ms: what had to wait for the long one is there too.
fn corrected_us() -> Vec<u64> {
    [raw_us(), (1..10_000).map(|late| late * 10_000).collect()].concat()
}

#[test]
fn the_reference_case_has_the_reference_answers() {
    let oracle = oracle();
    for (name, values) in [("raw", raw_us()), ("corrected", corrected_us())] {
        let case = &oracle["java_reference"][name];
        let histogram = of(values.iter().map(|us| us * NANOS_PER_US));
        assert_eq!(Some(histogram.count()), case["total"].as_u64());
        let mean_us = histogram.mean().unwrap() / NANOS_PER_US as f64;
        assert!(near(mean_us, case["mean_us"].as_f64().unwrap()), "mean of {name}: {mean_us}");
        let found = percentiles(case);
        assert!(found.len() >= 4);
        for (percent, us) in found {
            let value = histogram.quantile(percent / 100.0).unwrap() / NANOS_PER_US;
            assert!(near(value as f64, us as f64), "{name} p{percent}: {value}");
        }
        let above = histogram.count_above(5000 * NANOS_PER_US) as f64;
        let below = 100.0 - above * 100.0 / histogram.count() as f64;
        let expected = case["percentile_at_or_below_5ms"].as_f64().unwrap();
        assert!((below - expected).abs() < 0.001, "{name}: {below}");
    }
}

#[test]
fn encodings_of_others_decode_to_the_reference_case() {
    let oracle = oracle();
    for (name, values) in [("raw", raw_us()), ("corrected", corrected_us())] {
        let key = format!("v2_compressed_base64_{name}");
        let theirs = decoded(oracle[&key].as_str().unwrap());
        assert_eq!(theirs.len(), values.len() as u64, "{name}");
        for (percent, us) in percentiles(&oracle["java_reference"][name]) {
            let value = theirs.value_at_percentile(percent);
            assert!(near(value as f64, us as f64), "{name} p{percent}: {value}");
        }
        // All buckets, not only some percentiles: ours of the same microseconds.
        let used = theirs.iter_recorded();
        let buckets = used.map(|at| (at.value_iterated_to(), at.count_at_value()));
        assert!(buckets.eq(of(values).iter()), "{name}");
    }
    let corrected = decoded(oracle["v2_compressed_base64_corrected"].as_str().unwrap());
    for (percent, us) in oracle["python_check"].as_object().unwrap() {
        let value = corrected.value_at_percentile(percent.parse().unwrap());
        assert_eq!(Some(value), us.as_u64(), "p{percent}");
    }
}

#[test]
fn a_percentile_within_a_rounding_of_a_rank_is_that_rank() {
    let oracle = oracle();
    let case = &oracle["percentile_rounding"];
    let mut histogram = of([1, 2]);
    for percent in ["50", "50.00000000000001", "50.0000000000001"] {
        let quantile = percent.parse::<f64>().unwrap() / 100.0;
        let expected = case[&format!("p{percent}")].as_u64();
        assert_eq!(histogram.quantile(quantile), expected, "p{percent}");
    }
    histogram.merge(&of([2, 2, 2]));
    for (percent, quantile) in [("p25", 0.25), ("p30", 0.3)] {
        assert_eq!(histogram.quantile(quantile), case[percent].as_u64(), "{percent}");
    }
}

#[test]
fn a_histogram_has_the_buckets_of_the_layout() {
    let oracle = oracle();
    let rows = [
        ("1us..1h, 3 digits (us units)", 3_600_000_000, 3),
        ("1ns..1h, 3 digits", HIGHEST_NANOS, 3),
        ("1ns..1h, 2 digits", HIGHEST_NANOS, 2),
        ("1ns..60s, 4 digits (nighthawk)", 60_000_000_000, 4),
        ("1us..24h 3 digits (wrk2)", 86_400_000_000, 3),
    ];
    for (name, highest, digits) in rows {
        let layout = &oracle["layout"][name];
        let theirs = Hdr::new_with_bounds(1, highest, digits).unwrap();
        assert_eq!(Some(theirs.distinct_values() as u64), layout["counts_len"].as_u64(), "{name}");
        assert_eq!(Some(u64::from(theirs.buckets())), layout["bucket_count"].as_u64(), "{name}");
    }
    let ours: Hdr = Deserializer::new().deserialize(&mut &*of([1]).encode()).unwrap();
    assert_eq!((ours.low(), ours.high(), ours.sigfig()), (1, HIGHEST_NANOS, 3));
}

#[test]
fn merged_workers_have_the_percentiles_of_all_their_requests() {
    const MS: u64 = 1_000_000;
    let oracle: Value = serde_json::from_str(include_str!("oracles/merge.json")).unwrap();
    let (a, b) = (of([MS; 1000]), of([vec![MS; 950], vec![100 * MS; 50]].concat()));
    let mut merged = a.clone();
    merged.merge(&b);
    let table = [
        (&a, 0.99, "p99_A"),
        (&b, 0.99, "p99_B"),
        (&merged, 0.99, "merged_p99"),
        (&merged, 0.97, "merged_p97"),
        (&merged, 0.975, "merged_p97.5"),
    ];
    for (histogram, quantile, name) in table {
        let ms = histogram.quantile(quantile).unwrap() as f64 / MS as f64;
        assert!(near(ms, oracle[name].as_f64().unwrap()), "{name}: {ms}");
    }
}

#[test]
fn what_a_log_holds_reads_back() {
    let recorded = [of(corrected_us()), Histogram::default(), of([1, HIGHEST_NANOS, u64::MAX])];
    let start = Duration::from_millis(1_700_000_000_250);
    let at = |interval: usize| Duration::from_millis(500) * interval as u32;
    let mut log = hlog::header(start);
    for (interval, histogram) in recorded.iter().enumerate() {
        log += &hlog::line(Latency::FromDue, at(interval), at(1), histogram);
        log += &hlog::line(Latency::SchedLag, at(interval), at(1), histogram);
    }
    let read: Result<Vec<LogEntry<'_>>, _> = IntervalLogIterator::new(log.as_bytes()).collect();
    let mut read = read.unwrap().into_iter();
    assert_eq!(read.next(), Some(LogEntry::StartTime(start)));
    assert_eq!(read.next(), Some(LogEntry::BaseTime(start)));
    for (interval, histogram) in recorded.iter().enumerate() {
        for tag in ["from_due", "sched_lag"] {
            let Some(LogEntry::Interval(line)) = read.next() else { panic!("no line {interval}") };
            assert_eq!(line.tag().map(|tag| tag.as_str()), Some(tag));
            assert_eq!((line.start_timestamp(), line.duration()), (at(interval), at(1)));
            let max_ms = histogram.max().unwrap_or(0) as f64 / 1e6;
            assert!((line.max() - max_ms).abs() <= 0.0005, "{}", line.max());
            let back = decoded(line.encoded_histogram());
            let used = back.iter_recorded();
            assert!(
                used.map(|at| (at.value_iterated_to(), at.count_at_value())).eq(histogram.iter())
            );
        }
    }
    assert_eq!(read.next(), None);
}

type Draw = fn(&mut Random) -> f64;

/// Durations in nanoseconds.
const DISTRIBUTIONS: [(&str, Draw); 10] = [
    ("uniform", |random| random.unit() * 1e9),
    ("exponential", |random| random.exponential(1e6)),
    ("normal", |random| 1e6 + random.normal() * 1e5),
    ("lognormal", |random| (random.normal() * 1.5 + 13.0).exp()),
    ("Pareto", |random| 1e5 * random.unit().powf(-1.0 / 1.1)),
    ("Weibull of 0.5", |random| random.exponential(1e3).powi(2)),
    ("two modes", |random| {
        if random.unit() < 0.98 { 2e5 + random.normal() * 1e4 } else { 4e8 * random.unit() }
    }),
    ("constant", |_| 1_234_567.0),
    ("whole milliseconds", |random| (random.unit() * 40.0).ceil() * 1e6),
    ("even in logarithms", |random| (random.unit() * (HIGHEST_NANOS as f64).ln()).exp()),
];

#[test]
fn quantiles_are_within_a_thousandth_of_sorting() {
    const N: u64 = 1_000_000;
    const MILLIONTHS: [u64; 10] =
        [1, 1000, 10_000, 250_000, 500_000, 900_000, 990_000, 999_000, 999_900, N];
    let mut random = Random(12);
    let mut worst: f64 = 0.0;
    for (name, draw) in DISTRIBUTIONS {
        let mut values: Vec<u64> =
            (0..N).map(|_| (draw(&mut random) as u64).min(HIGHEST_NANOS)).collect();
        let histogram = of(values.iter().copied());
        values.sort_unstable();
        // In millionths, so that ranks are whole without any rounding.
        for millionths in MILLIONTHS {
            let quantile = millionths as f64 / 1e6;
            assert_eq!(rank(N, quantile), millionths);
            let exact = values[millionths as usize - 1];
            let value = histogram.quantile(quantile).unwrap();
            assert!(value >= exact, "{name} at {quantile}: {value} for {exact}");
            let error = (value - exact) as f64 / exact.max(1) as f64;
            assert!(error < 0.001, "{name} at {quantile}: {value} for {exact}");
            worst = worst.max(error);
        }
    }
    println!("worst error {:.4} %", worst * 100.0);
}

#[test]
fn the_order_of_merging_changes_no_bit() {
    let mut random = Random(3);
    let parts: Vec<Histogram> = DISTRIBUTIONS
        .iter()
        .map(|(_, draw)| of((0..1000).map(|_| draw(&mut random) as u64)))
        .collect();
    let decoded = |part: &Histogram| Histogram::decode(&part.encode(), part.overflow()).unwrap();
    let merged = |order: &mut dyn Iterator<Item = usize>, sparse: bool| {
        let mut all = Histogram::default();
        order.for_each(|at| match sparse {
            true => all.merge(&decoded(&parts[at])),
            false => all.merge(&parts[at]),
        });
        (all.encode(), all.overflow())
    };
    let forward = merged(&mut (0..10), false);
    assert_eq!(merged(&mut (0..10).rev(), false), forward);
    for step in [3, 7, 9] {
        assert_eq!(merged(&mut (0..10).map(|at| at * step % 10), step == 7), forward);
    }
    let mut pairs = Histogram::default();
    for two in parts.chunks(2) {
        let mut pair = decoded(&two[1]);
        pair.merge(&two[0]);
        pairs.merge(&pair);
    }
    assert_eq!((pairs.encode(), pairs.overflow()), forward);
}
