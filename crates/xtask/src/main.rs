//! The developer's commands, each as one word: `cargo xtask ci` is what a change must pass.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]

mod commands;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(status) = commands::as_rustdoc() {
        return status;
    }
    match commands::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
