//! The results of a benchmark: rows for people, lines of JSON for programs.

use std::fs::File;
use std::io::Write as _;

use serde_json::{Value, json};

use crate::harness::folder;

/// One figure.
pub(crate) struct Row {
    case: &'static str,
    what: String,
    ours: String,
    /// The target.
    target: &'static str,
    /// Everything measured.
    raw: Value,
}

/// The rows of one benchmark.
pub(crate) struct Report {
    name: &'static str,
    /// The case that is being measured.
    case: &'static str,
    rows: Vec<Row>,
    /// Cases that came to no end, or whose end is not what it must be.
    pub(crate) failures: usize,
}

impl Report {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, case: name, rows: Vec::new(), failures: 0 }
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn add(
        &mut self,
        what: impl Into<String>,
        ours: String,
        target: &'static str,
        raw: Value,
    ) {
        let what = what.into();
        println!("   {what}: {ours} (to reach: {target})");
        self.rows.push(Row { case: self.case, what, ours, target, raw });
    }

    /// Begins a case: rows added from here on belong to it.
    pub(crate) const fn begin(&mut self, case: &'static str) {
        self.case = case;
    }

    /// The case begun failed.
    pub(crate) fn failed(&mut self, error: &anyhow::Error) {
        self.failures += 1;
        let (what, error) = (format!("{}, {}", self.name, self.case), format!("{error:#}"));
        self.add(what, format!("FAILED: {error}"), "-", json!({ "error": error }));
    }

    /// Replaces `target/bench/<name>.jsonl`.
    pub(crate) fn save(&self) -> anyhow::Result<()> {
        let mut file = File::create(folder()?.join(format!("{}.jsonl", self.name)))?;
        for Row { case, what, ours, target, raw } in &self.rows {
            let line =
                json!({ "case": case, "what": what, "ours": ours, "target": target, "raw": raw });
            writeln!(file, "{line}")?;
        }
        Ok(())
    }
}

/// The table of all rows, in Markdown.
pub(crate) fn print_table(reports: &[Report]) {
    println!("\n| What | Ours | To reach | Command |\n|---|---|---|---|");
    for report in reports {
        for Row { case, what, ours, target, .. } in &report.rows {
            let command = format!("cargo xtask bench {} --only {case}", report.name);
            println!("| {what} | {ours} | {target} | `{command}` |");
        }
    }
}
