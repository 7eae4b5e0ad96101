//! The manual page and the completions of shells, made from the command line and checked in.

use std::path::Path;

use clap_complete::Shell;

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
         UPDATE_EXPECT=1 cargo test -p server --test it manual::\n",
    );
}

#[test]
fn the_manual_page_is_that_of_the_command_line() {
    let mut page = Vec::new();
    let command = server::config::command();
    clap_mangen::Man::new(command).render(&mut page).expect("memory");
    check("man/certstream-server.1", &page);
}

#[test]
fn the_completions_are_those_of_the_command_line() {
    for (shell, file) in [
        (Shell::Bash, "certstream-server.bash"),
        (Shell::Fish, "certstream-server.fish"),
        (Shell::Zsh, "_certstream-server"),
    ] {
        let mut script = Vec::new();
        let mut command = server::config::command();
        clap_complete::generate(shell, &mut command, "certstream-server", &mut script);
        check(&format!("completions/{file}"), &script);
    }
}
