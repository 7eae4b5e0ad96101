//! `cargo xtask differential`: how we read real certificates against how `cryptography` does.

use std::process::Command;

use xtask::process::{command, complete, target};
use xtask::root;

use crate::commands::clients;

pub(crate) const NAME: &str = "differential";

pub(crate) fn run() -> anyhow::Result<()> {
    let data = root().join("../shared/data");
    if !data.is_dir() {
        println!("skipped: ../shared/data is not here");
        return Ok(());
    }
    // Of the whole workspace: so the features are those of the tests, and nothing is built a second
    // time. Only one package has this example.
    let build = ["cargo", "build", "--workspace", "--example", "describe", "--locked"];
    complete(&mut command(&build))?;
    let compare = root().join("crates/xtask/differential/compare.py");
    let describe = target().join("debug/examples/describe");
    // -B: no compiled files beside the sources.
    complete(Command::new(clients::python()?).arg("-B").arg(compare).arg(describe).arg(data))
}
