//! What a hostile target is asked for: cases by name, and how their bytes are cut.

use super::check::first;
use super::quoted::quoted;
use super::{ConfigError, Protocol};
use crate::kept;
use protocols::hostile::{CASES, Case, Chop, Listening};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use thiserror::Error;

/// The word that asks for the list of cases.
pub const LIST: &str = "list";

/// Pieces are at most so long.
const PIECE_BYTES_MAX: u32 = 1 << 20;

/// How a target misbehaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hostile {
    /// The cases; each connection gets one by the seed.
    #[serde(with = "kept::cases")]
    pub cases: Vec<&'static Case>,
    /// In which pieces bytes leave.
    #[serde(with = "kept::chop")]
    pub chop: Chop,
    /// Plain answers on each connection first.
    pub after: u32,
    /// Only the first so many connections of each process.
    pub connections: u64,
}

/// What a hostile option cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HostileError {
    /// No such case.
    #[error("{} is no case; sclients serve --hostile list shows all {}", quoted(.0), CASES.len())]
    NoCase(String),
    /// No way to cut.
    #[error("{} is no way to cut; write whole, bytes, split, gaps or a number of bytes", quoted(.0))]
    NoChop(String),
}

/// Reads the name of a case, or `list`.
pub fn case(text: &str) -> Result<Asked, HostileError> {
    if text == LIST {
        return Ok(Asked::List);
    }
    Case::named(text).map(Asked::Case).ok_or_else(|| HostileError::NoCase(text.into()))
}

/// One word of `--hostile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Every case, printed.
    List,
    /// This one.
    Case(&'static Case),
}

/// Reads a way to cut.
pub fn chop(text: &str) -> Result<Chop, HostileError> {
    Ok(match text {
        "whole" => Chop::Whole,
        "bytes" => Chop::Each(1),
        "split" => Chop::Split,
        "gaps" => Chop::Gaps,
        number => match number.parse() {
            Ok(bytes @ 1..=PIECE_BYTES_MAX) => Chop::Each(bytes),
            _ => return Err(HostileError::NoChop(text.into())),
        },
    })
}

/// What the options of `serve`, or those of the embedded target, say of hostility.
#[derive(Debug)]
pub struct Wish<'a> {
    /// What the options are called: cases, chop, after, connections.
    pub names: [&'static str; 4],
    /// The cases.
    pub cases: &'a [Asked],
    /// How bytes are cut.
    pub chop: Option<Chop>,
    /// Plain answers first.
    pub after: Option<u32>,
    /// How many connections.
    pub connections: Option<u64>,
    /// Where the target listens.
    pub listen: SocketAddr,
    /// What it speaks.
    pub protocol: Protocol,
    /// Each case has a port of its own.
    pub case_per_port: bool,
}

/// The hostility that is wished for; none where no case is named.
///
/// # Errors
/// Options without a case, the echo protocol, an address off loopback, a case that has to be alone.
pub fn checked(wish: Wish<'_>) -> Result<Option<Hostile>, ConfigError> {
    let [option, chop, after, connections] = wish.names;
    if wish.cases.is_empty() {
        let given = [
            (chop, wish.chop.is_some()),
            (after, wish.after.is_some()),
            (connections, wish.connections.is_some()),
        ];
        let lacks = |lonely| Err(ConfigError::Needs { option: lonely, needs: option });
        return first(&given).map_or(Ok(None), lacks);
    }
    let conflict = |with| Err(ConfigError::Conflict { option, with });
    if wish.protocol == Protocol::Echo {
        return conflict("the echo protocol");
    }
    if !wish.listen.ip().is_loopback() {
        return conflict("an address off loopback");
    }
    let case = |asked: &Asked| match asked {
        Asked::Case(case) => Ok(*case),
        Asked::List => Err(ConfigError::Conflict { option: LIST, with: "cases or a run" }),
    };
    let cases: Vec<_> = wish.cases.iter().map(case).collect::<Result<_, _>>()?;
    if !wish.case_per_port
        && let Some(case) = loner(&cases)
    {
        return Err(ConfigError::Loner(case.name));
    }
    Ok(Some(Hostile {
        cases,
        chop: wish.chop.unwrap_or_default(),
        after: wish.after.unwrap_or(0),
        connections: wish.connections.unwrap_or(u64::MAX),
    }))
}

/// The first case that cannot stand beside others: how it listens is the process's.
fn loner(cases: &[&'static Case]) -> Option<&'static Case> {
    let alone = |case: &&&Case| case.listening != Listening::Accepting;
    (cases.len() > 1).then(|| cases.iter().find(alone).copied()).flatten()
}

/// Every case, a line each: name, class and on what it depends, what it does, where the fact was found.
pub fn list() -> String {
    let mut text = String::new();
    for case in CASES {
        let mut class = case.class.to_owned();
        if case.reused != case.class {
            class += &format!("; reused: {}", case.reused);
        }
        if !case.when.is_empty() {
            class += &format!(" ({})", case.when);
        }
        text += &format!("{:<22}  {:<25}  {}  [{}]\n", case.name, class, case.about, case.source);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_to_cut() {
        for (text, cut) in [
            ("whole", Chop::Whole),
            ("bytes", Chop::Each(1)),
            ("7", Chop::Each(7)),
            ("gaps", Chop::Gaps),
        ] {
            assert_eq!(chop(text), Ok(cut));
        }
        for text in ["0", "", "-1", "half", "1048577"] {
            assert!(chop(text).unwrap_err().to_string().contains("write whole"), "{text}");
        }
    }

    #[test]
    fn cases_go_by_name() {
        assert!(matches!(case("mute"), Ok(Asked::Case(case)) if case.number == 3));
        assert_eq!(case("list"), Ok(Asked::List));
        assert!(case("mutes").unwrap_err().to_string().contains("--hostile list"));
    }

    #[test]
    fn the_list_has_a_line_for_each_case() {
        assert_eq!(list().lines().count(), CASES.len());
        assert!(list().contains("closed_before_response; reused: stale_keepalive"));
        for line in list().lines() {
            assert!(line.starts_with(|first: char| first.is_ascii_lowercase()), "{line}");
        }
    }

    #[test]
    fn the_list_says_on_what_a_class_depends() {
        for said in [
            "stall                   timeout.idle (with --idle-timeout; else timeout.total)  half",
            "ok + unsolicited (with --think over 5ms; else it passes for the next answer)  a sec",
        ] {
            assert!(list().contains(said), "{said}\n{}", list());
        }
    }
}
