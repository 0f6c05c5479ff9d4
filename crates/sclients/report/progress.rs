//! One line that says how the run stands.

use crate::fold::Fold;
use crate::number::{duration, grouped};
use dispatch::Instant;
use stats::{Counter, Latency, Phase};
use std::time::Duration;

/// The state at the reports that the last rates were made from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    reported: Instant,
    completed: u64,
    established: u64,
    requests_per_s: u64,
    opened_per_s: u64,
}

impl Progress {
    /// The line, `elapsed` into the run, when `lost` connections are gone with their workers. Rates are those between the last reports, which come less
    /// often than a line may.
    pub fn line(&mut self, fold: &Fold, lost: u64, phase: Phase, elapsed: Duration) -> String {
        self.update(fold, elapsed);
        let counters = fold.counters();
        let pace = match phase {
            Phase::Open => format!("opening {}/s", grouped(self.opened_per_s)),
            _ => {
                format!("{} req/s · {} done", grouped(self.requests_per_s), grouped(self.completed))
            }
        };
        let p99 = fold.histogram(Latency::FromDue).quantile(0.99);
        let p99 =
            p99.map_or_else(String::new, |nanos| format!(" · p99 {}", duration(nanos as f64)));
        let failed = counters.requests_failed() + counters.connections_failed();
        format!(
            "{:>6.1} s  {:<11}  {} live · {pace}{p99} · {} failed",
            elapsed.as_secs_f64(),
            phase.name(),
            grouped(fold.gauges().live - lost),
            grouped(failed),
        )
    }

    fn update(&mut self, fold: &Fold, elapsed: Duration) {
        let Some(reported) = fold.workers().map(|part| part.ended).max() else { return };
        let since = reported.since(self.reported).min(elapsed).as_secs_f64();
        if reported == self.reported || since <= 0.0 {
            return;
        }
        let counters = fold.counters();
        let completed = counters.of(Counter::RequestsCompleted);
        let established = counters.of(Counter::ConnectionsEstablished);
        let rate = |now: u64, then: u64| (now.saturating_sub(then) as f64 / since) as u64;
        *self = Self {
            reported,
            completed,
            established,
            requests_per_s: rate(completed, self.completed),
            opened_per_s: rate(established, self.established),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::Who;
    use stats::Interval;

    fn report(fold: &mut Fold, second: u64, completed: u64) {
        let mut interval = Interval::new(second, Phase::Measurement);
        for counter in [Counter::RequestsDue, Counter::RequestsSent, Counter::RequestsCompleted] {
            interval.counters.count_many(counter, completed);
        }
        let ended = Instant::from_nanos((100 + second) * 1_000_000_000);
        fold.take(Who::Worker(0, 0), &interval, ended).unwrap();
    }

    #[test]
    fn the_rate_is_that_of_the_last_reports_also_between_them() {
        let (mut fold, mut progress) = (Fold::default(), Progress::default());
        let mut line = |fold: &Fold, ms: u64| {
            progress.line(fold, 0, Phase::Measurement, Duration::from_millis(ms))
        };
        report(&mut fold, 1, 5_000);
        assert!(line(&fold, 1_000).contains("5,000 req/s · 5,000 done"));
        report(&mut fold, 2, 7_000);
        assert!(line(&fold, 2_100).contains("7,000 req/s · 12,000 done"));
        assert!(line(&fold, 2_600).contains("7,000 req/s · 12,000 done"));
    }
}
