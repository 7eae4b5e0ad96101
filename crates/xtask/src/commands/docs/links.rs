//! Links between pages: each leads to a file that is there and a heading it has, and the book's
//! summary leads to every page. Pages clone the repository from the address in `Cargo.toml`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

/// The address of the repository, from the workspace's `Cargo.toml`.
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// Fails if a link of one of the pages leads nowhere, a page of the book is not in its summary, or a
/// page clones another repository.
pub(super) fn check(pages: &[PathBuf]) -> anyhow::Result<()> {
    let mut summarised = BTreeSet::new();
    for page in pages {
        let text = fs::read_to_string(page)?;
        for url in clone_urls(&text) {
            ensure!(url == REPOSITORY, "{}: clones {url}, not {REPOSITORY}", page.display());
        }
        for target in targets(&text).filter(|target| !target.contains("://")) {
            let linked = resolve(page, &text, target);
            let linked = linked.with_context(|| format!("{}: link {target}", page.display()))?;
            if page.ends_with("docs/SUMMARY.md") {
                summarised.insert(linked);
            }
        }
    }
    for page in
        pages.iter().filter(|page| page.parent().is_some_and(|folder| folder.ends_with("docs")))
    {
        let is_found = page.ends_with("SUMMARY.md") || summarised.contains(&page.canonicalize()?);
        ensure!(is_found, "{} is not in docs/SUMMARY.md", page.display());
    }
    Ok(())
}

/// Returns the addresses that the commands of a text clone.
fn clone_urls(text: &str) -> impl Iterator<Item = &str> {
    let commands = text.lines().filter_map(|line| line.trim().strip_prefix("git clone "));
    commands.filter_map(|rest| rest.split_whitespace().next())
}

/// Returns the targets of the links in a text.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    let pieces = text.split("](").skip(1);
    pieces
        .filter_map(|piece| piece.split([')', ' ', '\n']).next())
        .filter(|target| !target.is_empty())
}

/// The file that a link leads to.
fn resolve(page: &Path, text: &str, target: &str) -> anyhow::Result<PathBuf> {
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = match file {
        "" => page.to_owned(),
        file => page.parent().unwrap_or(page).join(file),
    };
    let path = path.canonicalize().context("there is no such file")?;
    if !heading.is_empty() {
        let text = if file.is_empty() { text.to_owned() } else { fs::read_to_string(&path)? };
        let has_it =
            text.lines().filter(|line| line.starts_with('#')).any(|line| slug(line) == heading);
        ensure!(has_it, "there is no such heading");
    }
    Ok(path)
}

/// The anchor of a heading.
fn slug(line: &str) -> String {
    let words = line.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_and_headings_have_anchors() {
        let found: Vec<_> = targets("a [b](c.md#d) and [e](f) but not `g`").collect();
        assert_eq!(found, ["c.md#d", "f"]);
        assert_eq!(slug("## When a log contradicts itself"), "when-a-log-contradicts-itself");
        assert_eq!(slug("# What's new?"), "whats-new");
    }

    #[test]
    fn the_address_that_a_page_clones_is_found() {
        let text = "```sh,network\ngit clone https://a.example/b && cd b\n```\nno `git clone c`\n";
        assert_eq!(clone_urls(text).collect::<Vec<_>>(), ["https://a.example/b"]);
        assert!(REPOSITORY.starts_with("https://"));
    }
}
