//! `cargo xtask differential`: how we read real certificates against how `cryptography` does.

use std::process::Command;

use crate::clients;
use crate::command::{command, complete};
use crate::processes::target;

pub(crate) fn run() -> anyhow::Result<()> {
    let data = crate::root().join("../shared/data");
    if !data.is_dir() {
        println!("skipped: ../shared/data is not here");
        return Ok(());
    }
    // Of the whole workspace: so the features are those of the tests, and nothing is built a second
    // time. Only one package has this example.
    let build = ["cargo", "build", "--workspace", "--example", "describe", "--locked"];
    complete(&mut command(&build))?;
    let compare = crate::root().join("crates/xtask/differential/compare.py");
    let describe = target().join("debug/examples/describe");
    // -B: no compiled files beside the sources.
    complete(Command::new(clients::python()?).arg("-B").arg(compare).arg(describe).arg(data))
}
