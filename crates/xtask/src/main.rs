//! The developer's commands, each as one word: `cargo xtask ci` is what a change must pass.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]

mod alert;
mod bench;
mod ci;
mod clients;
mod collect;
mod command;
mod differential;
mod docs;
mod e2e;
mod fuzz;
mod packaging;
mod processes;
mod release;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Command as Cli;

fn cli() -> Cli {
    let differential = "How we read real certificates against how others do";
    Cli::new("cargo xtask")
        .about("The developer's commands")
        .subcommand_required(true)
        .subcommand(Cli::new("ci").about("Everything a change must pass"))
        .subcommand(alert::command_line())
        .subcommand(Cli::new("differential").about(differential))
        .subcommand(docs::command_line())
        .subcommand(e2e::command_line())
        .subcommand(packaging::command_line())
        .subcommand(
            Cli::new("release").about("The programs and what belongs to them, in one archive"),
        )
        .subcommand(fuzz::command_line())
        .subcommands(bench::commands())
}

/// Whether `cargo xtask` has this command.
fn is_command(name: &str) -> bool {
    cli().find_subcommand(name).is_some()
}

fn main() -> ExitCode {
    let outcome = match cli().get_matches().subcommand() {
        Some(("ci", _)) => ci::run(),
        Some((alert::NAME, arguments)) => alert::run(arguments),
        Some(("differential", _)) => differential::run(),
        Some((docs::NAME, arguments)) => docs::run(arguments),
        Some((e2e::NAME, arguments)) => e2e::run_some(arguments),
        Some((packaging::NAME, arguments)) => packaging::run(arguments),
        Some(("release", _)) => release::run(),
        Some((fuzz::NAME, arguments)) => fuzz::run(arguments),
        Some((name, arguments)) => bench::run(name, arguments),
        None => Ok(()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the workspace.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}
