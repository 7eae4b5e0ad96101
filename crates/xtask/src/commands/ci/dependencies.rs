//! The dependencies of our crates, as cargo knows them, against the table in `ARCHITECTURE.md`.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use xtask::process::command;
use xtask::root;

/// The page with the table, and the heading above it.
const PAGE: &str = "ARCHITECTURE.md";
const HEADING: &str = "## Crates";

/// A dependency of one crate of ours on another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Arrow {
    from: String,
    to: String,
    /// True if only tests, examples and benchmarks have it.
    tests_only: bool,
}

/// The crates of the workspace.
#[derive(Debug, Default)]
struct Workspace {
    crates: BTreeSet<String>,
    arrows: BTreeSet<Arrow>,
}

/// The section of the page: the crates from top to bottom, and the arrows that may point up.
#[derive(Debug, Default)]
struct Table {
    crates: Vec<String>,
    exceptions: BTreeSet<Arrow>,
}

/// Fails unless every dependency points down the table or is one of its exceptions.
pub(super) fn check() -> anyhow::Result<()> {
    let page = std::fs::read_to_string(root().join(PAGE)).context(PAGE)?;
    let errors = compare(&Table::parse(&page), &Workspace::read()?);
    ensure!(errors.is_empty(), "the crates and {PAGE} disagree:\n  {}", errors.join("\n  "));
    Ok(())
}

/// Returns the differences between table and workspace, one sentence each.
fn compare(table: &Table, workspace: &Workspace) -> Vec<String> {
    let row = |name: &str| table.crates.iter().position(|known| known == name);
    let mut errors = Vec::new();
    for name in workspace.crates.iter().filter(|name| row(name).is_none()) {
        errors.push(format!("the crate {name} is not in the table"));
    }
    for name in table.crates.iter().filter(|name| !workspace.crates.contains(*name)) {
        errors.push(format!("the table has a row for {name}, which is no crate"));
    }
    for arrow in &workspace.arrows {
        let Arrow { from, to, tests_only } = arrow;
        let points_up = row(from).zip(row(to)).is_some_and(|(from, to)| to <= from);
        if points_up && !table.exceptions.contains(arrow) {
            let kind = if *tests_only { "in its tests " } else { "" };
            errors.push(format!(
                "{from} {kind}depends on {to}, which is not below it; turn the dependency round, or \
                 add an exception with its reason below the table"
            ));
        }
    }
    for arrow in table.exceptions.difference(&workspace.arrows) {
        errors.push(format!("the exception {} → {} is not needed", arrow.from, arrow.to));
    }
    errors
}

impl Workspace {
    fn read() -> anyhow::Result<Self> {
        let words = ["cargo", "metadata", "--no-deps", "--format-version=1", "--locked"];
        let output = command(&words).output()?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "cargo metadata failed: {error}");
        Self::parse(&serde_json::from_slice(&output.stdout)?).context("cargo metadata")
    }

    fn parse(metadata: &Value) -> Option<Self> {
        let mut workspace = Self::default();
        for package in metadata.get("packages")?.as_array()? {
            let from = package.get("name")?.as_str()?;
            workspace.crates.insert(from.to_owned());
            for dependency in package.get("dependencies")?.as_array()? {
                // Crates of other people have no path.
                if dependency.get("path").is_none_or(Value::is_null) {
                    continue;
                }
                workspace.arrows.insert(Arrow {
                    from: from.to_owned(),
                    to: dependency.get("name")?.as_str()?.to_owned(),
                    tests_only: dependency.get("kind")?.as_str() == Some("dev"),
                });
            }
        }
        // A test may use whatever the crate itself uses.
        let arrows = workspace.arrows.clone();
        workspace.arrows.retain(|arrow| {
            !arrow.tests_only || !arrows.contains(&Arrow { tests_only: false, ..arrow.clone() })
        });
        Some(workspace)
    }
}

impl Table {
    fn parse(page: &str) -> Self {
        let mut table = Self::default();
        let lines = page.lines().skip_while(|line| *line != HEADING).skip(1);
        for line in lines.take_while(|line| !line.starts_with("## ")) {
            if let Some(row) = line.strip_prefix("| `") {
                let cell = row.split('|').next().unwrap_or_default();
                // A parenthesis names the crate's programs.
                let names = cell.split('(').next().unwrap_or_default();
                let names = names.split([',', ' ', '`']).filter(|name| !name.is_empty());
                table.crates.extend(names.map(str::to_owned));
            } else if let Some((from, rest)) = line.split_once("` → `")
                && let Some((to, reason)) = rest.split_once('`')
            {
                table.exceptions.insert(Arrow {
                    from: from.trim_start_matches("* `").to_owned(),
                    to: to.to_owned(),
                    tests_only: reason.starts_with(" in tests"),
                });
            }
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
# Title
| `outside` | of the section |
## Crates
Text.

| crate | knows |
|---|---|
| `server` (bin `certstream-server`) | routes |
| `client` | streams |
| `alerts`, `sinks` | outputs |
| `wire` | messages |
| `ct` | logs |
| `ctsim` | simulated logs |

* `ctsim` → `ct`: the simulator writes what `ct` reads.
* `client` → `server` in tests: a real server.

## Inside them
| `other` | no crate |
";

    fn workspace(arrows: &[(&str, &str, bool)]) -> Workspace {
        let crates = ["server", "client", "alerts", "sinks", "wire", "ct", "ctsim"];
        let needed = [("ctsim", "ct", false), ("client", "server", true)];
        let arrows = needed.iter().chain(arrows).map(|(from, to, tests_only)| Arrow {
            from: (*from).to_owned(),
            to: (*to).to_owned(),
            tests_only: *tests_only,
        });
        Workspace { crates: crates.map(str::to_owned).into(), arrows: arrows.collect() }
    }

    fn errors(arrows: &[(&str, &str, bool)]) -> Vec<String> {
        compare(&Table::parse(TABLE), &workspace(arrows))
    }

    #[test]
    fn the_crates_of_this_repository_match_the_table() {
        check().unwrap();
    }

    #[test]
    fn a_dependency_that_points_up_this_repositorys_table_is_refused() {
        let page = std::fs::read_to_string(root().join(PAGE)).unwrap();
        let mut workspace = Workspace::read().unwrap();
        let planted = Arrow { from: "ct".into(), to: "wire".into(), tests_only: false };
        workspace.arrows.insert(planted);
        let errors = compare(&Table::parse(&page), &workspace);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].starts_with("ct depends on wire"), "{errors:?}");
    }

    #[test]
    fn dependencies_that_point_down_pass() {
        let down = [("server", "ct", false), ("alerts", "sinks", false), ("wire", "ctsim", true)];
        assert_eq!(errors(&down), Vec::<String>::new());
    }

    #[test]
    fn dependencies_that_point_up_are_refused_also_in_tests() {
        for tests_only in [false, true] {
            assert_eq!(errors(&[("wire", "client", tests_only)]).len(), 1);
        }
        assert_eq!(errors(&[("sinks", "alerts", false)]).len(), 1, "to the left in a row");
    }

    #[test]
    fn an_exception_for_tests_does_not_cover_the_crate_itself() {
        assert_eq!(errors(&[("client", "server", false)]).len(), 1);
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_refused() {
        let table = Table::parse(TABLE);
        let mut workspace = workspace(&[]);
        workspace.crates.remove("sinks");
        workspace.crates.insert("relay".to_owned());
        let errors = compare(&table, &workspace);
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(errors[0].contains("relay") && errors[1].contains("sinks"), "{errors:?}");
    }

    #[test]
    fn an_exception_that_no_crate_needs_is_refused() {
        let mut workspace = workspace(&[]);
        workspace.arrows.retain(|arrow| arrow.from != "client");
        let errors = compare(&Table::parse(TABLE), &workspace);
        assert_eq!(errors, ["the exception client → server is not needed"]);
    }

    #[test]
    fn metadata_is_reduced_to_arrows_between_our_crates() {
        let metadata = serde_json::json!({ "packages": [
            { "name": "wire", "dependencies": [
                { "name": "serde", "kind": null, "path": null },
                { "name": "cert", "kind": null, "path": "/x/cert" },
                { "name": "cert", "kind": "dev", "path": "/x/cert" },
                { "name": "ctsim", "kind": "dev", "path": "/x/ctsim" },
            ]},
            { "name": "cert", "dependencies": [] },
        ]});
        let workspace = Workspace::parse(&metadata).unwrap();
        let arrow = |to: &str, tests_only| Arrow { from: "wire".into(), to: to.into(), tests_only };
        assert_eq!(workspace.arrows, [arrow("cert", false), arrow("ctsim", true)].into());
        assert_eq!(workspace.crates.len(), 2);
    }
}
