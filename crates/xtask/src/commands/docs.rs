//! `cargo xtask docs`: every code block of the documentation is run, or says why it is not.
//!
//! The blocks of a page run from top to bottom in one empty folder, which is the home of the user who
//! follows it. The words after a fence's language say how the block is tested:
//!
//! | fence | test |
//! |---|---|
//! | `sh,run` | runs to its end and has to succeed |
//! | `sh,serve` | runs on until the page ends, or its next such block begins; `/health` has to answer |
//! | `sh,background` | runs on until the page ends |
//! | `sh,stream` | runs until it has printed three lines, then is ended |
//! | `sh,network` | is not run, for it needs the network; its syntax is checked |
//! | `sh,ci` | is not run, for CI is what runs it or it takes too long; its command has to exist |
//! | any language`,file=NAME` | is written to this file |
//! | any language`,same=PATH` | is an example of ours, word for word; it has to stream |
//! | `text`, `json` | something to look at |
//!
//! `,needs=PROGRAM` after that: is left out if the program is missing.
//!
//! The clients of `docs/clients.md` also meet a server that cuts messages (`e2e/documented`).
//!
//! Ports are replaced by free ones; the server follows simulated logs. `docs/clients.md` and the
//! like need what the end-to-end run installs.

mod blocks;
mod environment;
mod group;
mod links;
mod page;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command as Cli};

use xtask::collect::analysts;
use xtask::{process, root};

use crate::commands::clients;
use blocks::Use;
use environment::Environment;
use page::Page;

pub(crate) const NAME: &str = "docs";

pub(crate) fn command_line() -> Cli {
    let no_build = Arg::new("no-build").long("no-build").action(ArgAction::SetTrue);
    let page = Arg::new("page").value_name("PAGE").num_args(0..).help("Only these pages");
    Cli::new(NAME)
        .about("The documentation, followed literally")
        .arg(no_build.help("Take the programs as they lie in the target folder"))
        .arg(page)
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    let only: Vec<_> = arguments.get_many::<String>("page").into_iter().flatten().collect();
    if !arguments.get_flag("no-build") {
        process::build_programs()?;
    }
    let mut pages = pages()?;
    links::check(&pages)?;
    pages.retain(|page| only.is_empty() || only.iter().any(|wanted| page.ends_with(wanted)));
    follow_all(&pages)
}

/// Follows every page.
pub(crate) fn run_all() -> anyhow::Result<()> {
    run(&command_line().get_matches_from([NAME]))
}

fn follow_all(pages: &[PathBuf]) -> anyhow::Result<()> {
    clients::python()?;
    analysts()?;
    clients::install_node()?;
    let start = Instant::now();
    let arguments = ["--port", "0", "--rfc6962", "2", "--static-ct", "2", "--rate", "20"];
    let (_logs, said) = process::start_logs(&arguments)?;
    let environment = Environment::new(&said)?;
    let mut failures = Vec::new();
    std::thread::scope(|scope| {
        let environment = &environment;
        let follow = |page| scope.spawn(move || follow(page, environment));
        let running: Vec<_> = pages.iter().map(|page| (page, follow(page))).collect();
        for (page, thread) in running {
            let outcome = thread.join();
            let outcome = outcome.unwrap_or_else(|_| Err(anyhow::anyhow!("panicked")));
            match outcome {
                Ok(said) => println!("docs: {}: {said}", name(page)),
                Err(error) => {
                    println!("docs: {}: FAILED: {error:#}", name(page));
                    failures.push(name(page));
                }
            }
        }
    });
    ensure!(failures.is_empty(), "these pages cannot be followed: {}", failures.join(", "));
    println!("docs: {} pages in {:.1} s", pages.len(), start.elapsed().as_secs_f64());
    Ok(())
}

/// Returns the paths of `README.md` and all pages of `docs/`.
fn pages() -> anyhow::Result<Vec<PathBuf>> {
    let root = root();
    let mut pages = vec![root.join("README.md")];
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    Ok(pages)
}

/// Returns the text that a page has for this file.
pub(crate) fn file_of_page(page: &Path, name: &str) -> anyhow::Result<String> {
    let blocks = blocks::read(&std::fs::read_to_string(page)?)?;
    let wanted = Use::File(name.to_owned());
    let block = blocks.into_iter().find(|block| block.usage == wanted);
    block.map(|block| block.text).with_context(|| format!("{} has no {name}", page.display()))
}

/// The page with clients that resume.
const CLIENTS: &str = "docs/clients.md";

/// Has the clients of the page resume from a server that cuts messages and sends certificates twice.
fn cut_messages(page: &Path, environment: &Environment) -> anyhow::Result<()> {
    let folder = environment.scratch("documented-clients")?;
    for file in ["follow.sh", "alert.py", "main.go"] {
        std::fs::write(folder.join(file), file_of_page(page, file)?)?;
    }
    let mut python = Command::new(clients::python()?);
    process::complete(
        python.arg(root().join("crates/xtask/e2e/documented/clients.py")).arg(&folder),
    )
}

fn name(page: &Path) -> String {
    page.strip_prefix(root()).unwrap_or(page).display().to_string()
}

/// Runs the blocks of a page; returns a summary of them.
fn follow(page: &Path, environment: &Environment) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(page)?;
    let blocks = blocks::read(&text)?;
    let scratch = environment.scratch(&name(page).replace(['/', '.'], "-"))?;
    let mut run = Page::new(environment, scratch)?;
    for block in &blocks {
        run.run(block).with_context(|| format!("line {}", block.line))?;
    }
    if page.ends_with(CLIENTS) {
        cut_messages(page, environment)?;
    }
    let count =
        |wanted: fn(&Use) -> bool| blocks.iter().filter(|block| wanted(&block.usage)).count();
    let run = count(|usage| {
        matches!(usage, Use::Run | Use::Serve | Use::Background | Use::Stream | Use::Same(_))
    });
    let files = count(|usage| matches!(usage, Use::File(_)));
    let network = count(|usage| matches!(usage, Use::Network));
    let others = blocks.len() - run - files - network;
    Ok(format!("{run} run, {files} files, {network} need the network, {others} others"))
}
