//! What a benchmark found: rows for people, lines of JSON for programs.

use std::fs::File;
use std::io::Write as _;

use serde_json::{Value, json};

use crate::processes::target;

/// One figure.
pub(super) struct Row {
    pub(super) what: String,
    pub(super) ours: String,
    /// What is to be reached.
    pub(super) target: &'static str,
    /// Everything measured.
    pub(super) raw: Value,
}

/// The rows of one benchmark.
pub(super) struct Report {
    pub(super) name: &'static str,
    pub(super) rows: Vec<Row>,
}

impl Report {
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name, rows: Vec::new() }
    }

    pub(super) fn add(
        &mut self,
        what: impl Into<String>,
        ours: String,
        target: &'static str,
        raw: Value,
    ) {
        let what = what.into();
        println!("   {what}: {ours} (to reach: {target})");
        self.rows.push(Row { what, ours, target, raw });
    }

    /// Replaces `target/bench/<name>.jsonl`.
    pub(super) fn save(&self) -> anyhow::Result<()> {
        let mut file = File::create(folder()?.join(format!("{}.jsonl", self.name)))?;
        for Row { what, ours, target, raw } in &self.rows {
            let line = json!({ "what": what, "ours": ours, "target": target, "raw": raw });
            writeln!(file, "{line}")?;
        }
        Ok(())
    }
}

/// Where the benchmarks keep their files.
pub(super) fn folder() -> anyhow::Result<std::path::PathBuf> {
    let folder = target().join("bench");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The table of all rows, in Markdown.
pub(super) fn print_table(reports: &[Report]) {
    println!("\n| What | Ours | To reach | Command |\n|---|---|---|---|");
    for report in reports {
        for Row { what, ours, target, .. } in &report.rows {
            println!("| {what} | {ours} | {target} | `cargo xtask bench {}` |", report.name);
        }
    }
}
