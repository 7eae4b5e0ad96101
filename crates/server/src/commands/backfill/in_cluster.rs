//! `certstream-server backfill` in a cluster: lists what is missing, or requests it of the nodes.

use client::text::shown_lines;
use config::Config;

use super::list;
use crate::cluster::backfill::Visit;
use crate::state::backfill::missing::Missing;

/// Lists what is missing, or has the node that leads read what is missing of these logs. Returns what to
/// print.
///
/// # Errors
/// If the servers of the cluster do not respond, a log is not known or lacks nothing, or what is missing
/// cannot be read.
pub(super) fn run(
    config: &Config,
    logs: &[String],
    progress: impl Fn(&str),
) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // Names and reports come from logs and other machines.
    let progress = |line: &str| progress(&shown_lines(line));
    match runtime.block_on(visit(config, logs, progress)) {
        Ok(text) => Ok(shown_lines(&text)),
        Err(error) => Err(anyhow::anyhow!(shown_lines(&format!("{error:#}")))),
    }
}

async fn visit(
    config: &Config,
    logs: &[String],
    progress: impl Fn(&str),
) -> anyhow::Result<String> {
    let visit = Visit::open(config).await?;
    let state = visit.state().await?;
    let missing = Missing::of(&state);
    if logs.is_empty() {
        return Ok(list(&missing.all()));
    }
    // A mistake is found before anything is requested. Of one under way some may be read.
    if !visit.is_under_way(state.stream(), logs).await? {
        missing.select(logs).map_err(anyhow::Error::msg)?;
    }
    let asked = visit.ask(state.stream(), logs).await?;
    visit.outcome(asked, progress).await
}
