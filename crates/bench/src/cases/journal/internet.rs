//! The journal on the internet in a box: two servers read the same logs at the same time, one of them
//! with a journal.

use std::time::Duration;

use serde_json::json;

use super::{data_dir, delete, figure, wait_for_indexes};
use crate::cases::internet;
use crate::clients::load::LoadOptions;
use crate::clients::program::Program;
use crate::figures::report::Report;
use crate::harness::proc::{self, Stopwatch};
use crate::harness::site::Server;
use crate::plan::Plan;

/// Bytes that a sighting may take.
const SIGHTING: f64 = 32.0;
/// Before the measurement.
const WARMUP: Duration = Duration::from_secs(10);
/// Longer than any run.
const STAY: Duration = Duration::from_secs(3600);

pub(super) fn run(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let logs = internet::logs()?;
    let dir = data_dir("internet")?;
    delete(&dir)?;
    let path = dir.display().to_string();
    let settings = [("data_dir", path.as_str()), ("protocols.api", "true")];
    let without = Server::start(&logs, &settings[1..])?;
    let with = Server::start(&logs, &settings)?;
    let mut clients = Vec::new();
    for server in [&without, &with] {
        let mut client = Program::load(&LoadOptions::lite(server, 1, STAY))?;
        client.wait_for("connected")?;
        clients.push(client);
    }
    std::thread::sleep(WARMUP);
    let read = |server: &Server| -> anyhow::Result<f64> {
        Ok(server.metric("certstream_certificates_total")? + duplicates(server)?)
    };
    let before = read(&with)?;
    let [plain, journal] = [[without.id()], [with.id()]];
    let (plain, journal) = (Stopwatch::start(&plain)?, Stopwatch::start(&journal)?);
    std::thread::sleep(plan.time(60));
    let (plain, journal) = (plain.stop()?, journal.stop()?);
    let entries = read(&with)? - before;
    let threads = proc::cpu_of_threads(with.id())?;
    let sightings = duplicates(&with)?;
    let memory = [proc::memory(without.id())?.anonymous, proc::memory(with.id())?.anonymous];
    drop((clients, without));
    with.stop()?;
    // A start closes the last segment, which has its index after that.
    let server = Server::start(&logs, &settings)?;
    wait_for_indexes(&server)?;
    let (bytes, records) = (figure(&server, "bytes")?, figure(&server, "entries")?);
    drop(server);
    delete(&dir)?;
    let added = (journal.cpu.as_secs_f64() - plain.cpu.as_secs_f64()) / entries * 1e6;
    report.add(
        "journal on the internet in a box, one client",
        format!(
            "{added:.1} µs CPU per entry more ({:.3} core with, {:.3} without); {:.0} bytes per record if a \
             sighting takes {SIGHTING} ({records} records, {sightings} sightings, {bytes} bytes); {:.1} MB \
             anonymous with, {:.1} without",
            journal.load(),
            plain.load(),
            (bytes - SIGHTING * sightings) / records,
            memory[1],
            memory[0],
        ),
        "≤ 3 µs, ≤ 650 bytes per record, ≤ 32 per sighting",
        json!({
            "cores": [plain.load(), journal.load()],
            "entries": entries,
            "threads_s": threads.iter().map(|(name, cpu)| (name.clone(), cpu.as_secs_f64())).collect::<Vec<_>>(),
            "records": records,
            "sightings": sightings,
            "bytes": bytes,
            "anonymous_mb": memory,
        }),
    );
    Ok(())
}

fn duplicates(server: &Server) -> anyhow::Result<f64> {
    Ok(server.metric("certstream_duplicates_total").unwrap_or(0.0))
}
