//! `kill -9` in the middle, a new start with the state file, and a client that connects again at
//! once and asks for what came after the last message it has.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use super::program::Program;
use super::record::{self, Received};
use super::report::{Report, folder};
use super::system::{LogGroup, Logs, Server};
use super::{Benchmark, Plan, pause};

/// Before the kill: longer than a saved position trails the stream.
const BEFORE: Duration = Duration::from_secs(14);
const AFTER: Duration = Duration::from_secs(10);

pub(super) const BENCHMARK: Benchmark = Benchmark { name: "restart", cases: &["restart"], run };

fn run(_plan: &Plan, _case: &str, report: &mut Report) -> anyhow::Result<()> {
    let logs = Logs::start(&LogGroup {
        rfc6962: 2,
        static_ct: 2,
        initial_size: 2000,
        rate: 200.0,
        publish_interval: Duration::from_millis(500),
    })?;
    let folder = folder()?;
    let state = folder.join("restart.state.json");
    if state.try_exists()? {
        std::fs::remove_file(&state)?;
    }
    let state = state.display().to_string();
    let settings = [("ct_log.state_file", state.as_str()), ("ct_log.partial_tile_wait_ms", "500")];
    let server = Server::start(&logs, &settings)?;
    let file = folder.join("restart.received");
    let mut options = server.lite(1, BEFORE + AFTER);
    options.warmup = Duration::ZERO;
    options.record = Some(file.clone());
    options.reconnect = true;
    let mut load = Program::load(&options)?;
    load.wait_for("measuring")?;
    pause(BEFORE);
    let port = server.port();
    drop(server); // SIGKILL
    let server = Server::start_at(port, &logs, &settings)?;
    load.wait_for("done")?;
    drop(server);

    let counts = Counts::of(&record::read(&file)?);
    let Counts { received, different, lost, repeated } = counts;
    report.add(
        format!("kill -9, restart with a state file, client resumes: {different} certificates"),
        format!("{lost} lost, {repeated} repeated (same log and index, new offset)"),
        "0 lost, 0 repeated",
        json!({
            "received": received,
            "different": different,
            "lost": lost,
            "repeated": repeated,
        }),
    );
    Ok(())
}

/// Messages counted by log and index.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    received: usize,
    different: usize,
    /// Indexes between the first and the last of a log that never came.
    lost: u64,
    repeated: usize,
}

impl Counts {
    fn of(messages: &[Received]) -> Self {
        let mut logs: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        for message in messages {
            logs.entry(&message.log).or_default().insert(message.index);
        }
        let different = logs.values().map(BTreeSet::len).sum();
        let lost = logs.values().map(holes).sum();
        let received = messages.len();
        Self { received, different, lost, repeated: received - different }
    }
}

fn holes(indexes: &BTreeSet<u64>) -> u64 {
    let (Some(first), Some(last)) = (indexes.first(), indexes.last()) else { return 0 };
    last - first + 1 - indexes.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_and_repeats_are_counted_by_log() {
        let message = |log: &str, index| {
            let log = log.to_owned();
            Received { at: 0, client: 0, offset: 0, index, submitted: 0, log, domains: vec![] }
        };
        let messages =
            [("a", 5), ("b", 90), ("a", 6), ("a", 9), ("a", 6), ("b", 91), ("a", 7), ("a", 6)];
        let messages = messages.map(|(log, index)| message(log, index));
        let expected = Counts { received: 8, different: 6, lost: 1, repeated: 2 };
        assert_eq!(Counts::of(&messages), expected);
    }
}
