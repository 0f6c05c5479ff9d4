//! What this process has used.

use nix::sys::resource::{UsageWho, getrusage};

/// Processor time so far, user and system, in microseconds.
pub fn cpu_micros() -> u64 {
    cpu_micros_and_switches().0
}

/// Processor time so far in microseconds, and the context switches that were not asked for.
pub fn cpu_micros_and_switches() -> (u64, u64) {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return (0, 0) };
    let micros =
        |time: nix::sys::time::TimeVal| time.tv_sec() as u64 * 1_000_000 + time.tv_usec() as u64;
    let switches = usage.involuntary_context_switches().try_into().unwrap_or(0);
    (micros(usage.user_time()) + micros(usage.system_time()), switches)
}

/// The largest resident set so far, in bytes.
pub fn rss_peak_bytes() -> u64 {
    field("/proc/self/status", "VmHWM:")
}

/// The resident set now, in bytes: counted exactly, page by page, which the figure in
/// /proc/self/statm is not (per-processor counters are folded in late).
pub fn rss_bytes() -> u64 {
    field("/proc/self/smaps_rollup", "Rss:")
}

/// Whether this process ignores signal number `signal`, as whoever started it may have wanted.
pub fn ignores(signal: u32) -> bool {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = text.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

/// A field of a /proc file that is given in kB; 0 where it cannot be read.
fn field(path: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        assert!(rss_bytes() > 0 && rss_peak_bytes() >= rss_bytes() / 2);
    }
}
