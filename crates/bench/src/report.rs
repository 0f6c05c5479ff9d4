//! What the programs print.

use crate::arguments::Load;
use crate::conductor::Outcome;
use crate::tally::{Seen, Tally};
use std::fmt::Write;
use std::time::Duration;

/// Of `http-processing`: the answers by status, the failures by reason.
pub fn http_processing(tally: &Tally) -> String {
    let seconds = tally.elapsed.as_secs_f64();
    let (completed, rate) = (tally.completed(), tally.rate_per_s());
    format!("{completed} requests in {seconds:.3} s, {rate:.0}/s\n") + &outcomes(tally)
}

/// Of `saturate`: one client, its latencies, the processor time of both ends.
pub fn saturate(load: &Load, outcome: &Outcome) -> String {
    let total = outcome.total();
    let latencies = &total.latencies;
    let head = format!("{} connections GET {}\n", load.connections(), outcome.url.text());
    let latency = format!(
        "  latency: mean {}, median {}, p99 {}, longest {}\n",
        time(latencies.mean()),
        time(latencies.quantile(0.5)),
        time(latencies.quantile(0.99)),
        time(latencies.longest()),
    );
    let client = per_request(total.cpu, total.completed());
    let server = outcome.seen.map(|seen| per_request(seen.cpu, seen.requests));
    let server = server.map_or(String::new(), |server| format!(", server {server}"));
    let cpu = format!("  processor time per request: client {client}{server}\n");
    head + &http_processing(&total) + &latency + &cpu + &comparison(outcome)
}

/// Of `bench`: a line for each process, one for all.
pub fn bench(loads: &[Load], outcome: &Outcome) -> String {
    let total = outcome.total();
    let mut text = format!("{}\n", outcome.url.text());
    let head = ["process", "sends", "conns", "answered", "per s", "mean", "median", "p99"];
    text += &line(&head.map(str::to_owned), "cpu/req", "failed");
    for (index, (load, tally)) in loads.iter().zip(&outcome.tallies).enumerate() {
        text += &row(&(index + 1).to_string(), load.method(), load.connections(), tally);
    }
    let connections = loads.iter().map(Load::connections).sum();
    text += &row("all", "", connections, &total);
    text += &outcomes(&total);
    if let Some(seen) = outcome.seen {
        let cpu = per_request(seen.cpu, seen.requests);
        let _ = writeln!(text, "  processor time per request: server {cpu}");
    }
    text + &comparison(outcome)
}

fn row(name: &str, method: &str, connections: usize, tally: &Tally) -> String {
    let latencies = &tally.latencies;
    let cells = [
        name.to_owned(),
        method.to_owned(),
        connections.to_string(),
        tally.completed().to_string(),
        format!("{:.0}", tally.rate_per_s()),
        time(latencies.mean()),
        time(latencies.quantile(0.5)),
        time(latencies.quantile(0.99)),
    ];
    let cpu = per_request(tally.cpu, tally.completed());
    line(&cells, &cpu, &(tally.failures() + tally.unanswered).to_string())
}

fn line(cells: &[String; 8], cpu: &str, failed: &str) -> String {
    let [name, method, connections, answered, rate, mean, median, p99] = cells;
    format!(
        "{name:<8}{method:<6}{connections:>6}{answered:>11}{rate:>10}\
         {mean:>10}{median:>10}{p99:>10}{cpu:>10}{failed:>8}\n"
    )
}

fn outcomes(tally: &Tally) -> String {
    let mut text = String::new();
    for (status, count) in &tally.statuses {
        let _ = writeln!(text, "  status {status}: {count}");
    }
    for (why, count) in &tally.failures {
        let _ = writeln!(text, "  failed, {why}: {count}");
    }
    if tally.unanswered > 0 {
        let _ = writeln!(text, "  unanswered when the time was up: {}", tally.unanswered);
    }
    text
}

/// The server's own count beside the clients'.
fn comparison(outcome: &Outcome) -> String {
    let total = outcome.total();
    let Some(Seen { requests, bad, .. }) = outcome.seen else { return String::new() };
    let (begun, completed) = (total.begun, total.completed());
    let verdict = match outcome.seen.is_some_and(|seen| seen.agrees_with(&total)) {
        true if requests == completed => "as many as were answered".to_owned(),
        true => format!("{completed} were answered of {begun} that were begun"),
        false => format!(
            "but {completed} were answered of {begun} that were begun: the counts disagree \
             ({bad} broke the protocol)"
        ),
    };
    format!("  the server saw {requests} requests; {verdict}\n")
}

fn per_request(cpu: Duration, requests: u64) -> String {
    if cpu.is_zero() || requests == 0 {
        return "unknown".into();
    }
    time(Duration::from_nanos((cpu.as_nanos() / u128::from(requests)) as u64))
}

/// Three figures or four, with a unit.
fn time(duration: Duration) -> String {
    let nanos = duration.as_nanos() as f64;
    let (value, unit) = match nanos {
        ..1e3 => (nanos, "ns"),
        ..1e6 => (nanos / 1e3, "us"),
        ..1e9 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    };
    if value < 100.0 && nanos >= 1e3 {
        format!("{value:.2} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::Url;

    #[test]
    fn times_have_the_unit_that_fits() {
        for (nanos, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_500, "1.50 us"),
            (258_000, "258 us"),
            (12_345_678, "12.35 ms"),
            (2_000_000_000, "2.00 s"),
        ] {
            assert_eq!(time(Duration::from_nanos(nanos)), text);
        }
    }

    #[test]
    fn counts_that_disagree_are_said_and_are_no_good() {
        let mut tally = Tally { begun: 3, ..Tally::default() };
        tally.statuses.insert(200, 3);
        let url = Url::parse("http://127.0.0.1:80").unwrap();
        for (requests, good, said) in
            [(3, true, "as many as were answered"), (2, false, "disagree"), (4, false, "disagree")]
        {
            let seen = Some(Seen { requests, ..Seen::default() });
            let outcome = Outcome { url: url.clone(), tallies: vec![tally.clone()], seen };
            assert_eq!(outcome.is_good(), good, "{requests} seen");
            assert!(comparison(&outcome).contains(said), "{}", comparison(&outcome));
        }
    }
}
