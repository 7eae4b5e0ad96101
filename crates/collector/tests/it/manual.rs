//! The manual pages and the completions of shells, made from the command lines of both programs and
//! checked in.

use std::path::Path;

use clap::Command;
use clap_complete::Shell;

/// The command lines of the programs that are packaged.
fn programs() -> [Command; 2] {
    [server::config::command(), collector::cli::command()]
}

/// Compares a checked-in file with what it should be, or writes it where `UPDATE_EXPECT` is set.
fn check(file: &str, expected: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging").join(file);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, expected).expect(file);
    }
    let actual = std::fs::read(&path).unwrap_or_default();
    assert!(
        actual == expected,
        "packaging/{file} is not that of the command line; to write it again, run\n\n    \
         UPDATE_EXPECT=1 cargo test -p collector --test it manual::\n",
    );
}

#[test]
fn the_manual_pages_are_those_of_the_command_lines() {
    for command in programs() {
        let file = format!("man/{}.1", command.get_name());
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).expect("memory");
        check(&file, &page);
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
            check(&format!("completions/{file}"), &script);
        }
    }
}
