//! The command line: one module for each command.

mod alert;
mod bench;
mod ci;
mod clients;
mod differential;
mod docs;
mod e2e;
mod fresh;
mod fuzz;
mod lookalikes;
mod packaging;
mod release;
mod screenshots;
mod system;

use clap::Command as Cli;

pub(crate) use ci::as_rustdoc;
use ci::words;

fn command_line() -> Cli {
    Cli::new("cargo xtask")
        .about("The developer's commands")
        .subcommand_required(true)
        .subcommand(ci::command_line())
        .subcommand(alert::command_line())
        .subcommand(bench::command_line())
        .subcommand(
            Cli::new(differential::NAME)
                .about("Compare our reading of real certificates with that of another library"),
        )
        .subcommand(docs::command_line())
        .subcommand(e2e::command_line())
        .subcommand(fresh::command_line())
        .subcommand(fuzz::command_line())
        .subcommand(lookalikes::command_line())
        .subcommand(packaging::command_line())
        .subcommand(release::command_line())
        .subcommand(screenshots::command_line())
        .subcommand(Cli::new(words::NAME).about("Words to replace in comments, names and pages"))
}

/// Reports whether `cargo xtask` has this command.
fn is_command(name: &str) -> bool {
    command_line().find_subcommand(name).is_some()
}

/// Runs the command that the command line names.
pub(crate) fn run() -> anyhow::Result<()> {
    match command_line().get_matches().subcommand() {
        Some((alert::NAME, arguments)) => alert::run(arguments),
        Some((bench::NAME, arguments)) => bench::run(arguments),
        Some((ci::NAME, arguments)) => ci::run(arguments),
        Some((differential::NAME, _)) => differential::run(),
        Some((docs::NAME, arguments)) => docs::run(arguments),
        Some((e2e::NAME, arguments)) => e2e::run_some(arguments),
        Some((fresh::NAME, arguments)) => fresh::run(arguments),
        Some((fuzz::NAME, arguments)) => fuzz::run(arguments),
        Some((lookalikes::NAME, arguments)) => lookalikes::run(arguments),
        Some((packaging::NAME, arguments)) => packaging::run(arguments),
        Some((release::NAME, arguments)) => release::run(arguments),
        Some((screenshots::NAME, arguments)) => screenshots::run(arguments),
        Some((words::NAME, _)) => words::run(),
        _ => Ok(()),
    }
}
