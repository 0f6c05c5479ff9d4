//! Where the time of requests went, summed exactly.

/// Sums over the requests due in measurement that have ended, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// From due to the end.
    pub response: u128,
    /// Of it, our own lateness.
    pub sched_lag: u128,
    /// Of it, the wait for a free connection.
    pub blocked: u128,
    /// Of it, from the request's first byte to the end.
    pub service: u128,
}

impl Times {
    /// Whether the parts make the whole, as they do when every request has ended.
    pub const fn balance(&self) -> bool {
        let parts = self.sched_lag.saturating_add(self.blocked).saturating_add(self.service);
        self.response == parts
    }

    /// Adds another worker's. Saturates: what another process says cannot overflow a sum.
    pub const fn add(&mut self, other: &Self) {
        self.response = self.response.saturating_add(other.response);
        self.sched_lag = self.sched_lag.saturating_add(other.sched_lag);
        self.blocked = self.blocked.saturating_add(other.blocked);
        self.service = self.service.saturating_add(other.service);
    }
}
