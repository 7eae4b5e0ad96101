//! `kill -9` in the middle, a new start with the state file, and a client that connects again at
//! once and asks for what came after the last message it has.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::clients::load::LoadOptions;
use crate::clients::program::Program;
use crate::figures::counts::Counts;
use crate::figures::record;
use crate::figures::report::Report;
use crate::harness::folder;
use crate::harness::pause;
use crate::harness::site::{LogGroup, Logs, Server};
use crate::plan::{Benchmark, Plan};

/// Before the first kill: longer than a saved position trails the stream.
const BEFORE: Duration = Duration::from_secs(14);
/// After the last one: enough to read again what was read before.
const AFTER: Duration = Duration::from_secs(10);
/// The longest time for a start, before the next pause begins.
const START: Duration = Duration::from_secs(1);
/// Between kills: from sooner than a position is saved to later than it trails the stream.
const BETWEEN: [u64; 6] = [1, 4, 2, 14, 7, 3];

/// One kill.
pub(crate) const BENCHMARK: Benchmark = Benchmark {
    name: "restart",
    cases: &["restart"],
    is_long: false,
    run: |_, _, report| killed(&[], report),
};

/// Many kills of one stream.
pub(crate) const KILLS: Benchmark =
    Benchmark { name: "kill", cases: &["kill"], is_long: true, run: run_kills };

fn run_kills(plan: &Plan, _case: &str, report: &mut Report) -> anyhow::Result<()> {
    let more = usize::try_from(plan.kills)?.saturating_sub(1);
    let pauses: Vec<_> = BETWEEN.into_iter().cycle().take(more).map(Duration::from_secs).collect();
    killed(&pauses, report)
}

/// Kills the server once, and again after each of these pauses.
fn killed(pauses: &[Duration], report: &mut Report) -> anyhow::Result<()> {
    let logs = Logs::start(&LogGroup {
        rfc6962: 2,
        static_ct: 2,
        initial_size: 2000,
        rate: 200.0,
        publish_interval: Duration::from_millis(500),
    })?;
    let folder = folder()?;
    let state = folder.join(format!("{}.state.json", report.name()));
    if state.try_exists()? {
        std::fs::remove_file(&state)?;
    }
    let state = state.display().to_string();
    // Without it a certificate that two logs hold would count as lost.
    let every_entry = ("dedup.enabled", "false");
    let settings = [
        ("ct_log.state_file", state.as_str()),
        ("ct_log.partial_tile_wait_ms", "500"),
        every_entry,
    ];
    let mut server = Server::start(&logs, &settings)?;
    let file = folder.join(format!("{}.received", report.name()));
    let kills: Vec<Duration> = [BEFORE].iter().chain(pauses).copied().collect();
    let starting = START * u32::try_from(kills.len())?;
    let mut options =
        LoadOptions::lite(&server, 1, kills.iter().sum::<Duration>() + starting + AFTER);
    options.warmup = Duration::ZERO;
    options.record = Some(file.clone());
    options.reconnect = true;
    let mut load = Program::load(&options)?;
    load.wait_for("measuring")?;
    let port = server.port();
    let mut due = Instant::now();
    for kill in kills {
        due += kill;
        pause(due.saturating_duration_since(Instant::now()));
        drop(server); // SIGKILL
        server = Server::start_at(port, &logs, &settings)?;
        due += START;
    }
    load.wait_for("done")?;
    drop(server);
    count(&file, pauses.len() + 1, report)
}

fn count(file: &Path, kills: usize, report: &mut Report) -> anyhow::Result<()> {
    let mut counts = Counts::default();
    record::for_each(file, |message| counts.add(&message))?;
    let (different, lost, repeated) = (counts.different(), counts.lost(), counts.repeated());
    let what = match kills {
        1 => "kill -9, restart with a state file, client resumes".to_owned(),
        _ => format!("{kills} times kill -9 and restart with a state file, client resumes"),
    };
    report.add(
        format!("{what}: {different} certificates"),
        format!("{lost} lost, {repeated} repeated (same log and index, new offset)"),
        "0 lost, 0 repeated",
        json!({
            "kills": kills,
            "received": counts.received,
            "different": different,
            "lost": lost,
            "repeated": repeated,
        }),
    );
    Ok(())
}
