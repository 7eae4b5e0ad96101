//! `certstream-server alerts`: lists alerts, sends those again that did not arrive, and tests receivers.

mod letters;
mod output;
mod remote;
mod retry;
mod sample;
mod test;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use alerts::delivery::DeadLetters;
use anyhow::Context as _;
use config::{AlertsCommand, Config};

/// Executes the command. It prints lines by itself, and returns the last one.
///
/// # Errors
/// If the command cannot be executed, or an alert did not arrive.
pub fn run(
    config: &Config,
    command: &AlertsCommand,
    environment: &HashMap<OsString, OsString>,
    print: impl Fn(&str),
) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        match command {
            AlertsCommand::List(list) => remote::list(config, list, environment).await,
            AlertsCommand::DeadLetters(directory, filter) => {
                letters::list(&dead_letters(config, directory.as_deref())?, filter)
            }
            AlertsCommand::Retry(retry) => {
                let letters = dead_letters(config, retry.directory.as_deref())?;
                retry::run(config, &letters, retry, print).await
            }
            AlertsCommand::Test(receivers) => test::run(config, receivers, print).await,
        }
    });
    // A name lookup may still hang in a thread that nothing can interrupt.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

/// Returns the dead letters in a directory, or else in that of the configuration.
fn dead_letters(config: &Config, directory: Option<&Path>) -> anyhow::Result<DeadLetters> {
    let directory: PathBuf = directory
        .or(config.data_dir.as_deref())
        .context("name the data directory of the server: data_dir is not configured")?
        .to_owned();
    anyhow::ensure!(directory.is_dir(), "{} is not a directory", directory.display());
    Ok(DeadLetters::new(crate::alerts::dead_letters_in(&directory)))
}
