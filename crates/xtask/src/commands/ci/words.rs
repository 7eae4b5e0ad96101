//! `cargo xtask words`: refuses words in comments, names and pages that `CONTRIBUTING.md` replaces.

mod rules;
mod source;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use rules::findings;
use xtask::root;

pub(crate) const NAME: &str = "words";

/// Pages that are checked besides those of `docs/`.
const PAGES: [&str; 4] = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "ARCHITECTURE.md"];

/// Prints each finding with its place and what to write instead; fails if there is one.
pub(crate) fn run() -> anyhow::Result<()> {
    let root = root();
    let mut files: Vec<PathBuf> = PAGES.iter().map(|page| root.join(page)).collect();
    collect(&root.join("docs"), "md", &mut files)?;
    collect(&root.join("crates"), "rs", &mut files)?;
    files.sort();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let name = file.strip_prefix(&root).unwrap_or(file);
        let texts = if name.extension().is_some_and(|it| it == "rs") {
            source::rust(&text)
        } else {
            source::markdown(&text)
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
