//! The programs of the system that the steps start, and their installation.

use std::process::{Command, Stdio};

use anyhow::{bail, ensure};

use xtask::process::{complete, is_installed};

/// Something that a step needs from the system.
struct Need {
    /// The packages of Debian and Ubuntu, separated by spaces.
    packages: &'static str,
    is_there: fn() -> bool,
    /// Explains the steps that are skipped without it. All fail without the others.
    optional: Option<&'static str>,
}

const NEEDS: [Need; 8] = [
    Need { packages: "build-essential", is_there: || has(&["cc", "--version"]), optional: None },
    Need { packages: "curl", is_there: || has(&["curl", "--version"]), optional: None },
    Need {
        packages: "python3-venv",
        is_there: || has(&["python3", "-c", "import ensurepip, venv"]),
        optional: None,
    },
    Need {
        packages: "chromium",
        is_there: || crate::commands::clients::chromium().is_some(),
        optional: Some("the tests in a browser"),
    },
    Need {
        packages: "golang-go golang-github-gorilla-websocket-dev",
        is_there: crate::commands::clients::has_gorilla,
        optional: Some("a client in Go"),
    },
    Need {
        packages: "haproxy nginx caddy",
        is_there: || has(&["haproxy", "-v"]) && has(&["nginx", "-v"]) && has(&["caddy", "version"]),
        optional: Some("reverse proxies"),
    },
    Need {
        packages: "man-db",
        is_there: || has(&["man", "--version"]),
        optional: Some("manual pages"),
    },
    Need {
        packages: "zsh fish",
        is_there: || has(&["zsh", "--version"]) && has(&["fish", "--version"]),
        optional: Some("their completions"),
    },
];

/// Fails if something is missing without which CI cannot pass, and names everything that is missing in
/// one command. Installs all of it first if `install`.
pub(super) fn check(install: bool) -> anyhow::Result<()> {
    if install
        && !missing().is_empty()
        && let Err(error) = apt_install(&missing())
    {
        println!("nothing was installed: {error:#}");
    }
    let missing = missing();
    let command = command(&missing);
    if missing.iter().any(|need| need.optional.is_none()) {
        bail!("programs are missing: {command}\n(or, as root: cargo xtask ci --install)");
    }
    for need in &missing {
        let steps = need.optional.unwrap_or_default();
        println!("skipping {steps}: not everything is installed of {}", need.packages);
    }
    if !missing.is_empty() {
        println!("to skip nothing: {command}");
    }
    Ok(())
}

fn missing() -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| !(need.is_there)()).collect()
}

fn command(needs: &[&Need]) -> String {
    let packages: Vec<_> = needs.iter().map(|need| need.packages).collect();
    format!("apt-get update && apt-get install --no-install-recommends {}", packages.join(" "))
}

/// Installs packages of Debian or Ubuntu. Services among them are not started.
fn apt_install(needs: &[&Need]) -> anyhow::Result<()> {
    ensure!(
        rustix::process::geteuid().is_root() && has(&["apt-get", "--version"]),
        "that needs root, and Debian or Ubuntu"
    );
    let packages = needs.iter().flat_map(|need| need.packages.split(' '));
    println!("installing {}", packages.clone().collect::<Vec<_>>().join(" "));
    complete(apt_get().args(["update", "--quiet=2"]))?;
    let install = ["install", "--yes", "--quiet=2", "--no-install-recommends"];
    complete(apt_get().args(install).args(packages))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    // With a run level in the environment, maintainer scripts leave services alone.
    command.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn has(words: &[&str]) -> bool {
    is_installed(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_command_names_everything_that_is_missing() {
        let needs: Vec<_> = NEEDS.iter().filter(|need| need.packages.contains('-')).collect();
        assert_eq!(
            command(&needs),
            "apt-get update && apt-get install --no-install-recommends build-essential python3-venv \
             golang-go golang-github-gorilla-websocket-dev man-db"
        );
    }
}
