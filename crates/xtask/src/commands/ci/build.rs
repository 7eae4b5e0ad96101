//! The one build of CI: every target of the workspace, with the lints of clippy.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use xtask::process::command;

/// A program that a build made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    /// The folder of its package.
    pub(super) folder: PathBuf,
    /// The name of the target: `it` for `tests/it/main.rs`.
    pub(super) target: String,
    pub(super) path: PathBuf,
}

/// Sets the variables with which cargo runs clippy in place of the compiler: crates of the workspace
/// are linted as they are built, and what later steps build is the same.
///
/// # Errors
/// If rustc does not say where it is installed.
pub(super) fn lint(command: &mut Command) -> anyhow::Result<()> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output()?;
    ensure!(output.status.success(), "rustc does not run");
    let clippy = Path::new(String::from_utf8(output.stdout)?.trim()).join("bin/clippy-driver");
    ensure!(clippy.try_exists()?, "clippy is not installed: rustup component add clippy");
    // As cargo clippy separates the arguments.
    command
        .env("RUSTC_WORKSPACE_WRAPPER", clippy)
        .env("CLIPPY_ARGS", "-Dwarnings__CLIPPY_HACKERY__");
    Ok(())
}

/// Builds everything; returns the programs of tests.
///
/// # Errors
/// If the build fails.
pub(super) fn all() -> anyhow::Result<Vec<Program>> {
    let words = ["cargo", "build", "--workspace", "--all-targets", "--locked"];
    let mut cargo = command(&words);
    cargo.arg("--message-format=json-render-diagnostics").stdout(Stdio::piped());
    let mut child = cargo.spawn().context("cargo cannot be started")?;
    let stdout = child.stdout.take().context("cargo has no standard output")?;
    let mut programs = Vec::new();
    for line in BufReader::new(stdout).lines() {
        programs.extend(Program::of_test(&serde_json::from_str(&line?)?));
    }
    ensure!(child.wait()?.success(), "the build failed");
    Ok(programs)
}

impl Program {
    /// Returns the program of a message of cargo, if it is one that runs tests.
    fn of_test(message: &Value) -> Option<Self> {
        let target = message.get("target")?;
        let is_test = message.get("profile")?.get("test")?.as_bool()?;
        // A benchmark is built as a test too, but is not one.
        if !is_test || !target.get("test")?.as_bool()? {
            return None;
        }
        Some(Self {
            folder: Path::new(message.get("manifest_path")?.as_str()?).parent()?.to_owned(),
            target: target.get("name")?.as_str()?.to_owned(),
            path: PathBuf::from(message.get("executable")?.as_str()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(is_test: bool, runs: bool, executable: Option<&str>) -> Value {
        json!({
            "reason": "compiler-artifact",
            "manifest_path": "/w/crates/ct/Cargo.toml",
            "target": {"name": "it", "kind": ["test"], "test": runs},
            "profile": {"test": is_test},
            "executable": executable,
        })
    }

    #[test]
    fn only_programs_that_run_tests_are_taken() {
        let program = Program {
            folder: "/w/crates/ct".into(),
            target: "it".to_owned(),
            path: "/t/it-1".into(),
        };
        assert_eq!(Program::of_test(&message(true, true, Some("/t/it-1"))), Some(program));
        for other in [
            message(true, false, Some("/t/bench")),
            message(false, true, Some("/t/server")),
            message(true, true, None),
            json!({"reason": "build-finished", "success": true}),
        ] {
            assert_eq!(Program::of_test(&other), None);
        }
    }
}
