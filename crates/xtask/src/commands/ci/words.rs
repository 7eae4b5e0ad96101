//! `cargo xtask words`: refuses words that `CONTRIBUTING.md` replaces, in comments, names, messages,
//! pages, and the texts of the web page and of packaged files.

mod rules;
mod source;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use rules::findings;
use xtask::root;

pub(crate) const NAME: &str = "words";

/// Crates of the programs, whose string literals are checked too: messages, help, metrics.
const PRODUCT: [&str; 17] = [
    "cert",
    "client",
    "collector",
    "columns",
    "config",
    "ct",
    "ctclient",
    "feed",
    "follow",
    "ingest",
    "journal",
    "logging",
    "record",
    "server",
    "supervise",
    "usage",
    "wire",
];

/// Other files with texts for users: the folder, and the extension of their names.
const OTHERS: [(&str, &str); 5] = [
    ("web", "js"),
    ("web", "html"),
    ("packaging/prometheus", "yml"),
    ("packaging/systemd", "service"),
    ("packaging/grafana", "json"),
];

/// Prints each finding with its place and what to write instead; fails if there is one.
pub(crate) fn run() -> anyhow::Result<()> {
    let root = root();
    let mut files = vec![root.join("config.example.yaml")];
    for entry in fs::read_dir(&root)? {
        let path = entry?.path();
        files.extend(path.extension().is_some_and(|it| it == "md").then_some(path));
    }
    for (folder, extension) in [("docs", "md"), ("crates", "md"), ("crates", "rs")] {
        collect(&root.join(folder), extension, &mut files)?;
    }
    for (folder, extension) in OTHERS {
        collect(&root.join(folder), extension, &mut files)?;
    }
    files.sort();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let name = file.strip_prefix(&root).unwrap_or(file);
        let texts = match name.extension().and_then(|it| it.to_str()) {
            Some("rs") => source::rust(&text, has_messages(name)),
            Some("md") => source::markdown(&text),
            Some("js") => source::script(&text),
            _ => source::lines(&text),
        };
        for finding in findings(&texts) {
            println!("{}:{}: {}", name.display(), finding.line, finding.message);
            *counts.entry(part(name)).or_default() += 1;
        }
    }
    let total: usize = counts.values().sum();
    counts.iter().for_each(|(part, count)| println!("{part:>16} {count:>5}"));
    ensure!(total == 0, "{total} words to replace; CONTRIBUTING.md has the list");
    Ok(())
}

/// Reports whether the string literals of a Rust file are messages: of a program, not of its tests.
fn has_messages(file: &Path) -> bool {
    let names: Vec<_> = file.iter().map(|name| name.to_string_lossy()).collect();
    let is_product = names.get(1).is_some_and(|name| PRODUCT.contains(&&**name));
    let is_test = names.iter().any(|name| matches!(&**name, "tests" | "tests.rs" | "benches"));
    is_product && !is_test
}

/// Returns the crate or folder in which a finding is counted.
fn part(file: &Path) -> String {
    let mut names = file.iter().map(|name| name.to_string_lossy());
    let first = names.next().unwrap_or_default();
    if first == "crates" { names.next().unwrap_or_default() } else { first }.into_owned()
}

/// Adds the files below a folder whose names have this extension.
fn collect(folder: &Path, extension: &str, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, extension, files)?;
        } else if path.extension().is_some_and(|it| it == extension) {
            files.push(path);
        }
    }
    Ok(())
}
