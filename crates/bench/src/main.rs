//! `sclients-bench`: small client programs for stress-testing servers, one process each.

#![forbid(unsafe_code)]

mod arguments;
mod http_processing;

use arguments::Arguments;
use std::process::ExitCode;

const USAGE: &str = "\
sclients-bench: client programs for stress-testing servers

usage: sclients-bench http-processing [--get N] [--post N] [--requests N] [--body-bytes N] URL

  http-processing   one process; N connections that GET and N that POST, each sending its next
                    request when the answer to the last has come

options:
  --get N           connections that GET (4)
  --post N          connections that POST (4)
  --requests N      requests in all (10000)
  --body-bytes N    bytes that each POST carries (64)
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match program(&words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("sclients-bench: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs the program that the first word names; its exit code is 1 when nothing was answered.
fn program(words: &[String]) -> Result<ExitCode, Box<dyn std::error::Error>> {
    match words.split_first() {
        Some((name, rest)) if name == "http-processing" => {
            let summary = http_processing::run(&Arguments::parse(rest)?)?;
            print!("{summary}");
            Ok(ExitCode::from(u8::from(summary.tally.completed() == 0)))
        }
        Some((name, _)) if name == "--help" || name == "-h" => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        Some((name, _)) => Err(format!("no program `{name}`; try --help").into()),
        None => Err("name a program; try --help".into()),
    }
}
