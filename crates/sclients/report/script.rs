//! What a session does, step by step, before it is done.

use crate::number::grouped;
use crate::scenario::{Body, Check, Extract, Part, Played, Request, Session, Step};
use humantime::format_duration;

/// The steps of `session` of `played`, a line each, and below it what is sent, expected and taken.
pub fn script(played: &Played, session: &Session) -> Vec<String> {
    let mut script = Script { played, requests: 0, lines: Vec::new() };
    script.steps(&session.steps, 0);
    script.lines
}

struct Script<'a> {
    played: &'a Played,
    requests: usize,
    lines: Vec<String>,
}

impl Script<'_> {
    fn steps(&mut self, steps: &[Step], depth: usize) {
        for step in steps {
            match step {
                Step::Request(request) => self.request(request, depth),
                Step::Think(from, to) if from == to => {
                    self.line(depth, &format!("pause {}", format_duration(*from)));
                }
                Step::Think(from, to) => {
                    let (from, to) = (format_duration(*from), format_duration(*to));
                    self.line(depth, &format!("think {from}..{to}"));
                }
                Step::Loop(times, steps) => {
                    self.line(depth, &format!("loop {} times", grouped((*times).into())));
                    self.steps(steps, depth + 1);
                }
            }
        }
    }

    fn request(&mut self, request: &Request, depth: usize) {
        self.requests += 1;
        let line = format!("{} {}", request.method, request.path);
        let line = match &request.name.it {
            name if name.starts_with(&line) => name.clone(),
            name => format!("{name}: {line}"),
        };
        self.lines.push(format!("  {:>6}  {}{line}", self.requests, indent(depth)));
        for more in [self.sent(request), expected(request), extracted(request)] {
            more.iter().for_each(|more| self.line(depth, more));
        }
    }

    /// What is sent beside the line, but for what may be secret.
    fn sent(&self, request: &Request) -> Option<String> {
        let body = match &request.body {
            Body::None => None,
            Body::Text(text) => {
                let bytes = grouped(text.texts().len() as u64);
                let holes = list(" with", text.holes().map(Part::to_string)).unwrap_or_default();
                Some(format!("body of {bytes} bytes{holes}"))
            }
            Body::File(file) => {
                let bytes = grouped(self.played.body_bytes(&file.it) as u64);
                Some(format!("body {} of {bytes} bytes", file.it))
            }
        };
        let headers = list("headers", request.headers.iter().map(|header| header.name.clone()));
        let parts: Vec<String> = headers.into_iter().chain(body).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    fn line(&mut self, depth: usize, text: &str) {
        self.lines.push(format!("          {}{text}", indent(depth)));
    }
}

fn expected(request: &Request) -> Option<String> {
    let status = Some(&request.statuses).filter(|own| !own.is_empty());
    let status = status.map(|own| format!("status {}", statuses(own)));
    list("expects", status.into_iter().chain(request.checks.iter().map(Check::name)))
}

fn extracted(request: &Request) -> Option<String> {
    list("extracts", request.extracts.iter().map(Extract::name))
}

fn indent(depth: usize) -> String {
    "  ".repeat(depth)
}

fn list(what: &str, all: impl Iterator<Item = String>) -> Option<String> {
    let all: Vec<String> = all.collect();
    (!all.is_empty()).then(|| format!("{what} {}", all.join(", ")))
}

/// Statuses as they are written.
pub fn statuses(ranges: &[(u16, u16)]) -> String {
    let range = |(first, last): &(u16, u16)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    ranges.iter().map(range).collect::<Vec<_>>().join(",")
}
