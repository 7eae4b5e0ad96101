//! `certstream-server backfill`: lists entries of logs that are missing in the journal, or has them read
//! into it: by the server that uses the journal, or else by this process; or by the node that leads, into
//! the stream of a cluster.

mod alone;
mod in_cluster;

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use config::{BackfillCommand, Config};
use journal::storage::Disk;
use journal::{Directory, System};

use crate::state::backfill::missing::{Missing, OfLog};
use crate::state::backfill::requests::{self, Stage};

/// The time that a running server has to take a request.
const PATIENCE: Duration = Duration::from_secs(20);
/// The time between two looks at its answer.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Executes the command and returns the text to print. `progress` gets lines to print before.
///
/// # Errors
/// If there is no usable journal or cluster, a log is not known or lacks nothing, or what is missing
/// cannot be read.
pub fn run(
    config: &Config,
    command: &BackfillCommand,
    progress: impl Fn(&str),
) -> anyhow::Result<String> {
    if config.cluster.is_on() && command.directory.is_none() {
        return in_cluster::run(config, &command.logs, progress);
    }
    let data_dir = command.directory.as_deref().or(config.data_dir.as_deref());
    let data_dir = data_dir.context("no directory is named: give one, or set data_dir")?;
    let journal = open(data_dir)?;
    let missing = Missing::of(journal.state());
    if command.logs.is_empty() {
        return Ok(list(&missing.all()));
    }
    // A mistake is found before anything is read.
    missing.select(&command.logs).map_err(anyhow::Error::msg)?;
    if journal.is_running() {
        return ask(data_dir, &command.logs, progress);
    }
    drop(journal);
    let config = Config { data_dir: Some(data_dir.to_path_buf()), ..config.clone() };
    alone::run(&config, data_dir, &command.logs, progress)
}

fn open(data_dir: &Path) -> anyhow::Result<Directory> {
    let opened = Directory::open(Arc::new(Disk), &System::new(), data_dir);
    opened.with_context(|| format!("cannot read the journal in {}", data_dir.display()))
}

fn list(missing: &[OfLog]) -> String {
    let lines: Vec<String> = missing.iter().map(OfLog::describe).collect();
    if lines.is_empty() { "no entry is missing".to_owned() } else { lines.join("\n") }
}

/// Has the running server read, and waits until it has.
fn ask(data_dir: &Path, logs: &[String], progress: impl Fn(&str)) -> anyhow::Result<String> {
    if let Some(answer) = requests::answer(data_dir)?
        && answer.stage == Stage::Running
    {
        bail!("the server is still at work on an earlier request: {}", answer.text);
    }
    requests::leave(data_dir, logs)
        .with_context(|| format!("cannot leave a request in {}", data_dir.display()))?;
    let deadline = Instant::now() + PATIENCE;
    while requests::is_waiting(data_dir)? {
        if Instant::now() > deadline {
            requests::withdraw(data_dir)?;
            bail!(
                "the server that uses {} has not taken the request; see its log",
                data_dir.display()
            );
        }
        thread::sleep(LOOK_EVERY);
    }
    let mut shown = String::new();
    loop {
        if let Some(answer) = requests::answer(data_dir)? {
            match answer.stage {
                Stage::Done => return Ok(answer.text),
                Stage::Failed => bail!(answer.text),
                Stage::Running if answer.text != shown => {
                    progress(&answer.text);
                    shown = answer.text;
                }
                Stage::Running => {}
            }
        }
        if !open(data_dir)?.is_running() {
            bail!(
                "the server has stopped; run the command again, and it continues with what is still \
                 missing"
            );
        }
        thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_needs_a_journal_or_a_cluster() {
        let error = |config: &Config, directory: Option<&Path>| {
            let directory = directory.map(Path::to_path_buf);
            let command = BackfillCommand { logs: vec!["Example".to_owned()], directory };
            format!("{:#}", run(config, &command, |_| {}).expect_err("nothing to read into"))
        };
        let mut config = Config::default();
        assert!(error(&config, None).contains("data_dir"));
        let folder = tempfile::tempdir().expect("a folder");
        let there = error(&config, Some(folder.path()));
        assert!(there.contains("cannot read the journal"), "{there}");
        // Nothing listens there.
        config.cluster.url = vec!["nats://127.0.0.1:9".to_owned()];
        assert!(error(&config, None).contains("no server of the cluster can be reached"));
    }
}
