//! One line that says how the run stands.

use crate::fold::Fold;
use crate::number::{duration, grouped};
use dispatch::Instant;
use stats::{Counter, Latency, Phase};
use std::time::Duration;

/// What was known at the last line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    at: Instant,
    completed: u64,
    established: u64,
}

impl Progress {
    /// The line for `now`, `elapsed` into the run; rates are since the last line.
    pub fn line(&mut self, fold: &Fold, phase: Phase, elapsed: Duration, now: Instant) -> String {
        let counters = fold.counters();
        let completed = counters.of(Counter::RequestsCompleted);
        let established = counters.of(Counter::ConnectionsEstablished);
        let since = now.since(self.at).min(elapsed).as_secs_f64().max(1e-3);
        let rate = |now: u64, then: u64| (now.saturating_sub(then) as f64 / since) as u64;
        let gauges = fold.gauges();
        let pace = match phase {
            Phase::Open => format!("opening {}/s", grouped(rate(established, self.established))),
            _ => format!(
                "{} req/s · {} done",
                grouped(rate(completed, self.completed)),
                grouped(completed)
            ),
        };
        let p99 = fold.histogram(Latency::FromDue).quantile(0.99);
        let p99 =
            p99.map_or_else(String::new, |nanos| format!(" · p99 {}", duration(nanos as f64)));
        let failed = counters.requests_failed() + counters.connections_failed();
        *self = Self { at: now, completed, established };
        format!(
            "{:>6.1} s  {:<11}  {} live · {pace}{p99} · {} failed",
            elapsed.as_secs_f64(),
            phase.name(),
            grouped(gauges.live),
            grouped(failed),
        )
    }
}
