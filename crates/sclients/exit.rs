//! Exit codes: a contract. Exactly one, the first that applies.

use dispatch::Signal;
use serde::{Deserialize, Serialize};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitCode {
    /// All went as it should; a suspect verdict is no failure.
    Success = 0,
    /// Our own mistake.
    Internal = 1,
    /// Options or files that cannot be meant.
    Usage = 2,
    /// The plan does not fit this host.
    Refused = 3,
    /// A limit failed, or nothing answered as expected.
    NotAsExpected = 4,
    /// Incomplete or invalid, or a target process of ours died.
    Invalid = 5,
    /// The target may not be loaded without being named again.
    NotAuthorized = 6,
    /// SIGINT, after a full report.
    Interrupted = 130,
    /// SIGTERM or SIGHUP, after a full report.
    Terminated = 143,
}

impl ExitCode {
    /// Of what reported in full and was ended by `signal`.
    pub fn ended_by(signal: Signal) -> Self {
        if signal == Signal::SIGINT { Self::Interrupted } else { Self::Terminated }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
