//! `sclients-bench`: small client programs for stress-testing servers.
//!
//! ```text
//! http-processing ─────────▶ client               one process
//! saturate, bench ─▶ conductor ══pipes══▶ server  one process, unless there is a URL
//!                        └──────pipes══▶ client   one process each
//! ```
//!
//! Start at [`client`], which all programs share; then [`conductor`].

#![forbid(unsafe_code)]

mod arguments;
mod client;
mod conductor;
mod latencies;
mod limits;
mod link;
mod parent;
mod process;
mod report;
mod server;
mod tally;
mod url;
mod usage;

use arguments::Program;
use std::error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let ended = Program::parse(&words).map_err(Into::into).and_then(run);
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("sclients-bench: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs a program; returns whether it found what it expects: answers, and counts that agree.
fn run(program: Program) -> Result<bool, Box<dyn Error>> {
    match program {
        Program::Help(text) => {
            print!("{text}");
            Ok(true)
        }
        Program::HttpProcessing(url, load) => {
            limits::open_files_suffice(false, std::slice::from_ref(&load))?;
            let tally = client::run(&url, &load)?;
            print!("{}", report::http_processing(&tally));
            Ok(tally.completed() > 0)
        }
        Program::Saturate(url, load) => {
            let outcome = conductor::run(url, std::slice::from_ref(&load))?;
            print!("{}", report::saturate(&load, &outcome));
            Ok(outcome.is_good())
        }
        Program::Bench(url, loads) => {
            let outcome = conductor::run(url, &loads)?;
            print!("{}", report::bench(&loads, &outcome));
            Ok(outcome.is_good())
        }
        Program::Client(url, load) => child(client::run_as_child(&url, &load)),
        Program::Server => child(server::run()),
    }
}

/// The end of a child: what made it give up is a line for its parent, who says it. Where the parent is
/// gone nobody is left to be told.
fn child(ended: Result<(), Box<dyn Error>>) -> Result<bool, Box<dyn Error>> {
    if let Err(error) = &ended {
        let why = error.to_string().replace('\n', " ");
        let _ = parent::tell(&format!("{}{why}\n", process::GAVE_UP));
    }
    Ok(ended.is_ok())
}
