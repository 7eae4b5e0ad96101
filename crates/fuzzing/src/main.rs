//! Writes the seeds of each target into a folder of its own, `<folder>/<target>/seed-00`, and prints
//! the names of the targets: `cargo run -p fuzzing -- fuzz/corpus`.
#![allow(clippy::print_stdout, reason = "a command for people and for xtask")]

use std::path::PathBuf;

use fuzzing::TARGETS;

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).map_or_else(|| "fuzz/corpus".into(), PathBuf::from);
    for target in TARGETS {
        let folder = folder.join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:02}")), seed)?;
        }
        println!("{}", target.name);
    }
    Ok(())
}
