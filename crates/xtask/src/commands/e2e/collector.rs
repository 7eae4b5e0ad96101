//! The collector end to end: simulated logs, the server, `certstream-arrow`, and the programs that
//! analysts read its files with.

use anyhow::ensure;

use xtask::collect::{Site, analysts, empty_folder, script};
use xtask::process::{Process, binary, complete};
use xtask::root;

/// Entries of each of the logs.
const ENTRIES: u64 = 700;

/// The collectors that run at once beside one server.
const VARIANTS: [(&str, &[&str]); 5] = [
    ("none", &["--compression", "none"]),
    ("lz4", &["--compression", "lz4", "-b", "77"]),
    ("zstd", &["--with-der"]),
    ("parts", &["--rotate", "150kB", "-b", "100"]),
    ("parquet", &["--format", "parquet", "--rotate", "300kB", "-b", "500", "--with-der"]),
];

/// Every format: row count, order and every column against what the server sent and the logs hold,
/// read by pandas, pyarrow, Polars and DuckDB; then the examples of the documentation.
pub(crate) fn formats() -> anyhow::Result<()> {
    let python = analysts()?;
    let here = empty_folder("collect")?;
    let site = Site::start(binary, &here, &[("initial-size", ENTRIES), ("rate", 0)], &[])?;
    let truth = here.join("truth.jsonl");
    let total = site.entries(ENTRIES);
    let mut record = script(&python, "record.py");
    record.arg(site.url()).arg(total.to_string()).arg(&truth);
    let mut collectors = Vec::new();
    for (name, arguments) in VARIANTS {
        let within = here.join(name);
        std::fs::create_dir(&within)?;
        let mut command = binary("certstream-arrow");
        command.current_dir(&within).args(["--url", &site.url(), "--from-oldest"]);
        command.args(["--flush-interval", "200ms", "--log-level", "warn"]).args(arguments);
        collectors.push(Process::start(&mut command)?);
    }
    complete(&mut record)?;
    for (collector, (name, _)) in collectors.into_iter().zip(VARIANTS) {
        site.wait_for_rows(&here.join(name), total)?;
        let (status, _) = collector.terminate()?;
        ensure!(status.success(), "the collector of {name} ended with {status}");
    }
    let docs = root().join("docs/arrow.md");
    complete(script(&python, "tables.py").arg(&here).arg(&truth).args(site.log_urls()))?;
    complete(script(&python, "examples.py").arg(&here).arg(&truth).arg(docs))
}
