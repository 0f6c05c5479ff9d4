//! What a run against known delays and stops has to show. Pure; in seconds.

/// A run at a constant rate against a server that stops once, holds all and goes on with all at once.
///
/// What is due u into a stop of D waits D - u. So of all requests of a run of T the share (D - x) / T
/// waits longer than x, however few the connections. A stop that lasts to the end is the same, with
/// the age of what was not answered for its wait.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gate {
    /// How long the run is.
    pub run: f64,
    /// How long the stop.
    pub stop: f64,
}

impl Gate {
    /// The wait at quantile `p` (0 to 1); 0 where the stop does not reach so far down.
    pub fn quantile(&self, p: f64) -> f64 {
        (self.stop - (1.0 - p) * self.run).max(0.0)
    }

    /// The mean wait.
    pub fn mean(&self) -> f64 {
        self.stop * self.stop / (2.0 * self.run)
    }
}

/// The law of the interactive system (Denning and Buzen 1978), N = X(R + Z): those who are served and
/// those who think are all there are.
pub fn population(throughput: f64, response: f64, think: f64) -> f64 {
    throughput * (response + think)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Run, stop; then p50, p90, p95, p99, p99.9, p100 and the mean. The first two were simulated
    /// request by request at 1,000/s (`tests/oracles/co_stall.json`), which puts half a request into
    /// the mean.
    const GATES: [(f64, f64, [f64; 6], f64); 3] = [
        (20.0, 2.0, [0.0, 0.0, 1.0, 1.8, 1.98, 2.0], 0.10005),
        (5.0, 1.0, [0.0, 0.5, 0.75, 0.95, 0.995, 1.0], 0.1001),
        (8.0, 2.0, [0.0, 1.2, 1.6, 1.92, 1.992, 2.0], 0.25),
    ];

    #[test]
    fn a_stop_of_known_length_has_known_quantiles() {
        for (run, stop, quantiles, mean) in GATES {
            let gate = Gate { run, stop };
            for (p, wait) in [0.5, 0.9, 0.95, 0.99, 0.999, 1.0].into_iter().zip(quantiles) {
                let told = gate.quantile(p);
                assert!((told - wait).abs() < 1e-9, "{gate:?} at {p}: {told} for {wait}");
            }
            assert!((gate.mean() - mean).abs() < 2e-4, "{gate:?}: {}", gate.mean());
        }
    }

    #[test]
    fn the_law_holds_for_a_queue_that_is_solved_exactly() {
        // One queue of 1 ms, 9 ms of thinking, by mean value analysis.
        for (connections, throughput, response) in
            [(10.0, 832.04, 0.003_018_7), (20.0, 999.38, 0.011_012_3)]
        {
            let told = population(throughput, response, 0.009);
            assert!((told - connections).abs() < 1e-3, "{told} for {connections}");
        }
    }
}
