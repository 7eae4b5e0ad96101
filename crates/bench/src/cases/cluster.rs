//! A cluster on NATS: kills of its processes while clients follow the stream, and its cost.

mod account;
mod chaos;
mod cost;
mod kills;
mod schedule;
mod silence;

use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;

use crate::harness::folder;
use crate::harness::site::Logs;
use crate::plan::Benchmark;

pub(crate) const BENCHMARK: Benchmark = Benchmark {
    name: "cluster",
    cases: &["kills", "cost"],
    is_long: true,
    run: |plan, case, report| match case {
        "cost" => cost::run(plan, report),
        _ => kills::run(plan, report),
    },
};

/// Returns an empty folder for the files of a cluster.
fn empty_folder() -> anyhow::Result<PathBuf> {
    let folder = folder()?.join("cluster");
    if folder.try_exists()? {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir(&folder)?;
    Ok(folder)
}

/// Returns a function that gives the command of a server of a cluster that follows these logs.
fn server(
    logs: &Rc<Logs>,
    settings: &'static [(&'static str, &'static str)],
) -> impl Fn(u16) -> anyhow::Result<Command> + use<> {
    let logs = Rc::clone(logs);
    move |port| Ok(logs.server(port, settings))
}
