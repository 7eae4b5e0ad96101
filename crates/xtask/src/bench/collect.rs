//! The collector killed again and again while certificates pass.

use serde_json::json;

use super::report::Report;
use super::{Benchmark, Plan};
use crate::collect::{self, Kills};
use crate::command::{command, complete};

/// How often each is killed.
const KILLED: Kills = Kills { collector: 200, server: 50, entries: 50_000, rate: 160 };

pub(super) const KILLS: Benchmark =
    Benchmark { name: "collect-kill", cases: &["collect-kill"], run: killed };

/// With the programs of the end-to-end run, which are those that it tests in small.
fn killed(_: &Plan, _: &str, report: &mut Report) -> anyhow::Result<()> {
    complete(&mut command(&["cargo", "build", "--workspace", "--all-targets", "--locked"]))?;
    let outcome = collect::kills(KILLED)?;
    let Kills { collector, server, .. } = KILLED;
    report.add(
        format!("{collector} × kill -9 of the collector, {server} × of the server"),
        format!(
            "{} certificates, each once; {} gaps, {} of unknown size; {:.0} s",
            outcome.rows,
            outcome.gaps,
            outcome.open_gaps,
            outcome.took.as_secs_f64()
        ),
        "each once",
        json!({
            "rows": outcome.rows,
            "gaps": outcome.gaps,
            "open_gaps": outcome.open_gaps,
            "seconds": outcome.took.as_secs_f64(),
        }),
    );
    Ok(())
}
