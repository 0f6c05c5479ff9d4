//! The `sclients` program.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    sclients::program::main(std::env::args_os()).into()
}
