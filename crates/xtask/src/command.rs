//! Running other programs.

use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// A command from words, run at the root of the workspace.
pub(crate) fn command(words: &[&str]) -> Command {
    let (program, arguments) = words.split_first().map_or(("true", &[][..]), |(p, a)| (*p, a));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(crate::root());
    command
}

/// Runs a command to its end with its output shown; an error unless it succeeds.
pub(crate) fn complete(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}

/// Whether a program is there: it prints its version.
pub(crate) fn is_installed(words: &[&str]) -> bool {
    let mut command = command(words);
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}
