//! The wall clock, read here and nowhere else: it may be set at any time, so it labels what happened and
//! measures only what no other clock can, which is how long nobody ran. Durations are of `CLOCK_MONOTONIC`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What it shows.
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Time since the Unix epoch; zero where it is set before that.
pub fn since_epoch() -> Duration {
    now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
