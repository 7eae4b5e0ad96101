//! The collector killed again and again while certificates pass.

use serde_json::json;

use crate::figures::report::Report;
use crate::plan::{Benchmark, Plan};
use xtask::collect::{self, Kills};
use xtask::process::release_binary;

/// The number of kills of each program.
const KILLED: Kills =
    Kills { programs: release_binary, collector: 200, server: 50, entries: 50_000, rate: 250 };

pub(crate) const KILLS: Benchmark =
    Benchmark { name: "collect-kill", cases: &["collect-kill"], is_long: true, run: killed };

fn killed(_: &Plan, _: &str, report: &mut Report) -> anyhow::Result<()> {
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
