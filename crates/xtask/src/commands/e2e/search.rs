//! Searches of many generated certificates and of all real ones, against a look at each of them.

use std::path::Path;

use anyhow::ensure;
use serde_json::Value;

use xtask::collect::empty_folder;
use xtask::process::{
    Process, command, complete, free_port, release_binary, start_ready, wait_for,
};
use xtask::root;

use crate::commands::clients;

/// The variable with the number of generated certificates, which the script reads too.
const VARIABLE: &str = "SEARCH_ENTRIES";
const ENTRIES: u64 = 500_000;
/// Queries, and results of each at most, where the script's variables are not set.
const DEFAULTS: [(&str, &str); 2] = [("SEARCH_QUERIES", "200"), ("SEARCH_RESULTS", "20000")];
/// Entries that each of the two generated logs gains in a second meanwhile.
const RATE: u64 = 4;

/// Builds the programs, which are too slow without optimisation.
pub(super) fn build() -> anyhow::Result<()> {
    let build = ["cargo", "build", "--release", "--locked", "--bin", "certstream-server"];
    complete(&mut command(&[build.as_slice(), &["--bin", "ctsim"]].concat()))
}

/// Runs the script against a server that has read all of them, and continues to read.
pub(super) fn run() -> anyhow::Result<()> {
    let python = clients::python()?;
    let entries = match std::env::var(VARIABLE) {
        Ok(text) => text.parse()?,
        Err(_) => ENTRIES,
    };
    let here = empty_folder("search")?;
    let scripts = root().join("crates/xtask/e2e");
    let mut logs = release_binary("ctsim");
    logs.args(["--port=0", "--rfc6962=1", "--static-ct=1"]);
    logs.arg(format!("--initial-size={}", entries.div_ceil(2))).arg(format!("--rate={RATE}"));
    let real = root().join("../shared/data");
    if real.try_exists()? {
        let corpus = here.join("corpus");
        let mut write = std::process::Command::new(&python);
        complete(write.arg(scripts.join("search/corpus.py")).arg(real).arg(&corpus))?;
        logs.arg("--corpus").arg(corpus);
    }
    let (_logs, said) = start_ready(&mut logs)?;
    let (_server, address) = server(&said, &here)?;
    let mut script = std::process::Command::new(python);
    script.arg(scripts.join("search.py")).env("HISTORY_ADDRESS", address);
    for (name, value) in DEFAULTS {
        script.env(name, std::env::var_os(name).unwrap_or_else(|| value.into()));
    }
    complete(script.env(VARIABLE, total(&said)?.to_string()))
}

/// Returns the number of entries that all logs had at their start.
fn total(said: &Value) -> anyhow::Result<u64> {
    let logs = said.get("logs").and_then(Value::as_array).into_iter().flatten();
    let total = logs.filter_map(|log| log.get("size")?.as_u64()).sum();
    ensure!(total > 0, "ctsim does not say how large its logs are");
    Ok(total)
}

fn server(said: &Value, here: &Path) -> anyhow::Result<(Process, String)> {
    let port = free_port()?;
    let mut command = super::server(said, port, &here.join("state.json"), release_binary)?;
    command
        .env_remove("CERTSTREAM_CT_LOG_STATE_FILE")
        .env("CERTSTREAM_CT_LOG_START", "zero")
        // Each entry counts, and one without names too.
        .env("CERTSTREAM_DEDUP_ENABLED", "false")
        .env("CERTSTREAM_FEED_SKIP_EMPTY_DOMAINS", "false")
        .env("CERTSTREAM_DATA_DIR", here.join("data"));
    let server = Process::start(&mut command)?;
    let address = format!("127.0.0.1:{port}");
    wait_for(&format!("http://{address}/health"))?;
    Ok((server, address))
}
