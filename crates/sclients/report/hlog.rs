//! The latencies of a run over time, for HdrHistogram's tools.

use crate::fold::OVER_TIME;
use crate::summary::Summary;
use stats::hlog;

/// The whole log: by interval, from due and from send. A run of more than `stats::WINDOWS_MAX` intervals
/// has as many lines of each, and longer ones.
pub fn log(summary: &Summary) -> String {
    let interval = summary.plan.config.interval;
    let mut text = hlog::header(summary.course.started);
    // Readers pass over it; a person should know on which of two axes this is.
    text.push_str("#[Latencies are of requests that ended within the interval]\n");
    let mut lines = Vec::new();
    for latency in OVER_TIME {
        for window in summary.fold.windows(latency).iter() {
            let times = |intervals: u64| interval * u32::try_from(intervals).unwrap_or(u32::MAX);
            let (start, length) = (times(window.first), times(window.width));
            lines.push((window.first, hlog::line(latency, start, length, &window.value)));
        }
    }
    lines.sort_by_key(|(first, _)| *first);
    lines.iter().for_each(|(_, line)| text.push_str(line));
    text
}
