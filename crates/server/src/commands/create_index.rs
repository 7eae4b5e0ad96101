//! `certstream-server create-index`: writes every log's current end in certstream-server-go's
//! format (`wire.md` 6). A server that starts later with `ct_log.import_index` resumes there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use config::{Config, CreateIndex};
use follow::position::{State, without_scheme, write_go_index};
use follow::{Fleet, FleetOptions, FollowOptions, file};
use tokio::time::Instant;

use crate::app;
use crate::options;

/// The time limit for the logs' answers.
const PATIENCE: Duration = Duration::from_secs(60);
/// The interval at which the answers are checked.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Writes the file and returns what to print.
///
/// # Errors
/// If the file exists already, cannot be written, or no log can be queried.
pub fn run(config: &Config, command: &CreateIndex) -> anyhow::Result<String> {
    let named = command.file.clone().or_else(|| config.ct_log.import_index.clone());
    let path = named.unwrap_or_else(|| PathBuf::from("ct_index.json"));
    if !command.replace && path.try_exists()? {
        bail!("{} already exists; --force replaces it", path.display());
    }
    // A FIFO or a device, which `replace` would replace with a file.
    if path.try_exists()? {
        file::open(&path).with_context(|| format!("cannot replace {}", path.display()))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (sizes, silent) = runtime.block_on(sizes(config))?;
    write_go_index(&path, &sizes).with_context(|| format!("cannot write {}", path.display()))?;
    let mut text = format!("{}: {} logs", path.display(), sizes.len());
    for name in silent {
        text += &format!("\n{name} did not respond and is omitted");
    }
    Ok(text)
}

/// Returns the tree size of each log, and the names of those that have not answered.
async fn sizes(config: &Config) -> anyhow::Result<(BTreeMap<String, u64>, Vec<String>)> {
    let follow = FollowOptions { start: follow::Start::Head, ..options::follow_options(config) };
    let configured = options::configured_logs(config)?;
    let options = FleetOptions {
        follow: FollowOptions {
            start_overlap: 0,
            evidence_dir: None,
            first_position: follow::FirstPosition::Forgotten,
            ..follow
        },
        configured,
        catalogue: options::catalogue(config)?,
        saved: State::default(),
    };
    // No task reads the pages: a log that gets a new entry meanwhile waits.
    let (pages, _unread) = tokio::sync::mpsc::channel(1);
    let fleet = Fleet::start(Arc::new(app::http_client(config)?), options, pages);
    let deadline = Instant::now() + PATIENCE;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let lists = fleet.lists();
        if let Some(error) = lists.iter().find_map(|list| list.error.as_ref()) {
            bail!("{error}");
        }
        let logs = fleet.logs();
        let size = |status: &follow::LogStatus| {
            let snapshot = status.snapshot();
            snapshot.last_success.is_some().then_some(snapshot.tree_size)
        };
        let is_read = lists.iter().all(|list| list.fetched.is_some());
        let answered = is_read && !logs.is_empty() && logs.iter().all(|log| size(log).is_some());
        if answered || Instant::now() > deadline {
            let known = |log: &Arc<follow::LogStatus>| {
                Some((without_scheme(&log.log.url).to_owned(), size(log)?))
            };
            let silent = logs.iter().filter(|log| size(log).is_none());
            let silent = silent.map(|log| log.log.name.clone()).collect();
            let sizes: BTreeMap<_, _> = logs.iter().filter_map(known).collect();
            fleet.stop().await;
            if sizes.is_empty() {
                bail!("no log responded");
            }
            return Ok((sizes, silent));
        }
    }
}
