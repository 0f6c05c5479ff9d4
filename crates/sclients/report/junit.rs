//! Limits and verdict as JUnit XML, for CI systems: one suite, a case for each limit, one for the verdict and
//! one for whether anything was answered as expected.
//!
//! There is no standard; this is what Ant's JUnit task writes and Jenkins, GitLab and their like read.

use super::text::figure;
use super::{Focus, json};
use crate::limits::{Judged, of_run};
use crate::summary::Summary;
use crate::verdict::{self, State, Verdict};
use humantime::format_rfc3339_seconds;
use serde_json::Value;
use std::fmt::Write as _;
use std::time::UNIX_EPOCH;

/// The figures of the summary that the suite has as properties.
const HEADLINES: [&str; 14] = [
    "/plan/load",
    "/plan/connections",
    "/plan/rate",
    "/plan/seed",
    "/connections/peak_live",
    "/requests/due",
    "/requests/completed",
    "/requests/failed_share",
    "/throughput/requests_per_s",
    "/latency_us/from_due/p50",
    "/latency_us/from_due/p99",
    "/latency_us/from_due/p999",
    "/latency_us/from_due/max",
    "/latency_us/from_due/lower_bound_from",
];

/// A case of the suite.
struct Case {
    class: &'static str,
    name: String,
    /// Its kind and message, where it failed.
    failure: Option<(&'static str, String)>,
    /// What else there is to say, in XML.
    beside: String,
}

/// The whole file.
pub fn suite(summary: &Summary) -> String {
    let verdict = Verdict::of(summary);
    let of_run = || verdict.clone();
    let object = json::figures(summary, &of_run, &Verdict::of_phase, &Focus::ALL);
    let limits = of_run::of_object(summary, &object);
    let mut cases: Vec<Case> = limits.iter().map(of_limit).collect();
    cases.push(of_verdict(&verdict));
    cases.push(of_answers(summary));
    let failures = cases.iter().filter(|case| case.failure.is_some()).count();
    let started = format_rfc3339_seconds(UNIX_EPOCH + summary.course.started).to_string();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"sclients\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\" time=\"{:.3}\" timestamp=\"{}\">\n",
        cases.len(),
        summary.course.phase_seconds.iter().sum::<f64>(),
        started.trim_end_matches('Z'),
    );
    properties(&mut xml, &object, &verdict);
    cases.iter().for_each(|case| put(&mut xml, case));
    xml.push_str("</testsuite>\n");
    xml
}

/// The file of a run that could not begin, and `why`: whoever reads only this must not take it for a success.
pub fn suite_of_no_run(why: &str) -> String {
    let why = escaped(why);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"sclients\" tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\" time=\"0\">\n  <testcase classname=\"sclients\" name=\"run\" time=\"0\">\n    <error type=\"no run\" message=\"{why}\"/>\n  </testcase>\n</testsuite>\n"
    )
}

fn of_limit(judged: &Judged) -> Case {
    let failure = (!judged.held()).then(|| {
        let why = judged.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        let said = format!("{}: {} is {}{why}", judged.state.name(), judged.figure, figure(judged));
        (judged.state.name(), said)
    });
    let beside = escaped(&format!("{} is {}", judged.figure, figure(judged)));
    Case { class: "sclients.limit", name: judged.limit.clone(), failure, beside }
}

/// A suspect run is no failure, and says why it is one.
fn of_verdict(verdict: &Verdict) -> Case {
    let invalid = verdict.state == State::Invalid;
    let reasons = || verdict.reasons.join("; ");
    let told = verdict.reasons.iter().chain(&verdict.notes);
    Case {
        class: "sclients",
        name: "verdict".to_owned(),
        failure: invalid.then(|| ("invalid", reasons())),
        beside: told.map(|line| escaped(line)).collect::<Vec<_>>().join("\n"),
    }
}

/// Beside it is what servers sent where they broke the protocol.
fn of_answers(summary: &Summary) -> Case {
    let mut beside = String::new();
    for told in summary.fold.samples().told() {
        for (sent, count) in &told.most {
            let _ = writeln!(beside, "{}: {count} × {}", told.outcome.name(), sent.xml());
        }
    }
    let unanswered = verdict::unanswered(summary).join("; ");
    Case {
        class: "sclients",
        name: "answered as expected".to_owned(),
        failure: (!unanswered.is_empty()).then_some(("unanswered", unanswered)),
        beside,
    }
}

fn properties(xml: &mut String, object: &Value, verdict: &Verdict) {
    xml.push_str("  <properties>\n");
    let mut property = |name: &str, value: &str| {
        let _ = writeln!(xml, "    <property name=\"{name}\" value=\"{}\"/>", escaped(value));
    };
    property("verdict", verdict.state.name());
    for path in HEADLINES {
        let name = path[1..].replace('/', ".");
        match object.pointer(path) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => property(&name, text),
            Some(value) => property(&name, &value.to_string()),
        }
    }
    xml.push_str("  </properties>\n");
}

fn put(xml: &mut String, case: &Case) {
    let (class, name) = (case.class, escaped(&case.name));
    let _ = writeln!(xml, "  <testcase classname=\"{class}\" name=\"{name}\" time=\"0\">");
    if let Some((kind, message)) = &case.failure {
        let message = escaped(message);
        let _ = writeln!(xml, "    <failure type=\"{kind}\" message=\"{message}\"/>");
    }
    if !case.beside.is_empty() {
        let _ = writeln!(xml, "    <system-out>{}</system-out>", case.beside.trim_end());
    }
    xml.push_str("  </testcase>\n");
}

/// Our own text, between tags or in quotes. What XML 1.0 (section 2.2) has no place for is left out.
fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\'' => xml.push_str("&apos;"),
            '\n' => xml.push_str("&#10;"),
            '\u{fffe}' | '\u{ffff}' => {}
            _ if character.is_control() => {}
            _ => xml.push(character),
        }
    }
    xml
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::{Fold, Who};
    use crate::limits::Limits;
    use crate::plan::samples::{config, plan_on_ample_host};
    use crate::summary::Course;
    use dispatch::Instant;
    use stats::{Counter, Interval, Outcome, Phase};

    /// A run of two connections with `completed` requests, a reset and a forged answer.
    fn run(limits: &str, completed: u64) -> Summary {
        let mut config = config(1, 2);
        let Limits(limits) = limits.parse().unwrap();
        config.limits = limits;
        let mut interval = Interval::new(0, Phase::Measurement);
        interval.gauges.live = 2;
        for counter in [Counter::ConnectionsAttempted, Counter::ConnectionsEstablished] {
            interval.counters.count_many(counter, 2);
        }
        for counter in [Counter::RequestsDue, Counter::RequestsSent] {
            interval.counters.count_many(counter, completed + 1);
        }
        interval.counters.count_many(Counter::RequestsCompleted, completed);
        interval.counters.requests_failed[Outcome::Reset as usize] = 1;
        interval.samples.record(Outcome::HttpHeader, b"</system-out>]]>\"&\x1b\xff");
        let mut fold = Fold::default();
        fold.take(Who::Worker(0, 0), &interval, Instant::from_nanos(1)).unwrap();
        fold.cut();
        Summary { plan: plan_on_ample_host(config, None), fold, course: Course::default() }
    }

    #[test]
    fn each_limit_is_a_case_that_fails_where_it_does_not_hold() {
        let xml = suite(&run("requests.completed >= 3, failed < 1%, p99 < 1s", 3));
        for part in [
            "tests=\"5\" failures=\"2\" errors=\"0\"",
            "<property name=\"requests.completed\" value=\"3\"/>",
            "<property name=\"requests.failed_share\" value=\"0.25\"/>",
            "<testcase classname=\"sclients.limit\" name=\"requests.completed &gt;= 3\" time=\"0\">\n    <system-out>",
            "<failure type=\"broken\" message=\"broken: requests.failed_share is 25%\"/>",
            "<failure type=\"cannot tell\" message=\"cannot tell: latency_us.from_due.p99 is without a value: ",
            "name=\"verdict\" time=\"0\">",
            "http.header: 1 × &lt;/system-out&gt;]]&gt;&quot;&amp;\\x1b\\xff</system-out>",
        ] {
            assert!(xml.contains(part), "{part}\n{xml}");
        }
        assert_eq!(xml.matches("<failure ").count(), 2);
    }

    #[test]
    fn a_run_that_could_not_begin_is_an_error() {
        let xml = suite_of_no_run("nothing accepts <connections>");
        assert!(xml.contains("tests=\"1\" failures=\"0\" errors=\"1\""), "{xml}");
        assert!(xml.contains("message=\"nothing accepts &lt;connections&gt;\""), "{xml}");
    }

    #[test]
    fn verdict_and_answers_are_cases_of_their_own() {
        let mut invalid = run("failed <= 1", 0);
        invalid.course.faults.push("a < b & \"c\"\n\x07".to_owned());
        let xml = suite(&invalid);
        assert!(xml.contains("tests=\"3\" failures=\"2\""), "{xml}");
        assert!(
            xml.contains("<failure type=\"invalid\" message=\"a &lt; b &amp; &quot;c&quot;&#10;"),
            "{xml}"
        );
        assert!(xml.contains("<failure type=\"unanswered\""), "{xml}");
        assert!(!xml.contains('\x07'));
    }
}
