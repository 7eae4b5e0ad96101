//! The manual pages and the completions of shells, made from the command lines of both programs and
//! checked in.

use clap::Command;
use clap_complete::Shell;

/// The command lines of the programs that are packaged.
fn programs() -> [Command; 2] {
    [server::config::command(), collector::cli::command()]
}

const REMAKE: &str = "-p collector --test it manual::";

#[test]
fn the_manual_pages_are_those_of_the_command_lines() {
    for command in programs() {
        let file = format!("packaging/man/{}.1", command.get_name());
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).expect("memory");
        golden::check(&file, page, REMAKE);
    }
}

#[test]
fn the_completions_are_those_of_the_command_lines() {
    for mut command in programs() {
        let name = command.get_name().to_owned();
        for (shell, file) in [
            (Shell::Bash, format!("{name}.bash")),
            (Shell::Fish, format!("{name}.fish")),
            (Shell::Zsh, format!("_{name}")),
        ] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, name.as_str(), &mut script);
            golden::check(&format!("packaging/completions/{file}"), script, REMAKE);
        }
    }
}
