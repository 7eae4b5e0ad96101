//! The documentation of libraries: its tests, and rustdoc's warnings as errors.
//!
//! `cargo test --doc` gives rustdoc the libraries as they were built for the tests; `cargo doc` would
//! check every dependency a second time. Cargo starts this program in rustdoc's place, which then runs
//! rustdoc twice: for the tests, and for the pages.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use xtask::process::{binary, target};

/// The variable that makes this program behave like rustdoc, and has its path.
const RUSTDOC: &str = "XTASK_RUSTDOC";

/// Options of `rustdoc --test` that come with a value and mean nothing without it.
const OF_TESTS: [&str; 4] =
    ["--test-run-directory", "--test-args", "--test-runtool", "--persist-doctests"];

/// Returns the command that tests the documentation of all libraries.
pub(super) fn command() -> Command {
    let mut command =
        xtask::process::command(&["cargo", "test", "--workspace", "--doc", "--locked"]);
    let rustdoc = std::env::var_os("RUSTDOC").unwrap_or_else(|| "rustdoc".into());
    command.env("RUSTDOC", binary("xtask").get_program()).env(RUSTDOC, rustdoc);
    command
}

/// Behaves like rustdoc and returns its status, if cargo started this program in its place.
pub(crate) fn as_rustdoc() -> Option<ExitCode> {
    let rustdoc = std::env::var_os(RUSTDOC)?;
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let succeeds = |command: &mut Command| command.status().is_ok_and(|status| status.success());
    let mut passed = succeeds(Command::new(&rustdoc).args(&arguments));
    if passed && arguments.iter().any(|it| it == "--test") {
        let mut pages = Command::new(&rustdoc);
        pages.args(pages_of(arguments)).arg("--out-dir").arg(target().join("doc"));
        passed = succeeds(pages.args(["--deny", "warnings"]));
    }
    Some(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the arguments without those that are about tests.
fn pages_of(arguments: Vec<OsString>) -> Vec<OsString> {
    let mut left = Vec::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        if OF_TESTS.contains(&&*text) {
            arguments.next();
        } else if text != "--test" && !OF_TESTS.iter().any(|it| text.starts_with(it)) {
            left.push(argument);
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_about_tests_are_left_out() {
        let given = "--crate-name ct --test crates/ct/src/lib.rs --test-run-directory /a --extern b \
                     --test-args=x -L d";
        let given = given.split(' ').map(OsString::from).collect();
        let wanted = "--crate-name ct crates/ct/src/lib.rs --extern b -L d";
        assert_eq!(pages_of(given), wanted.split(' ').map(OsString::from).collect::<Vec<_>>());
    }
}
