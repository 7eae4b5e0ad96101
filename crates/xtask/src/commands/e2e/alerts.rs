//! Alerts of a server that is killed again and again, while receivers fail. `e2e/alerts` has the receivers.

use std::process::Command;

use anyhow::Context as _;

use xtask::collect::empty_folder;
use xtask::process::complete;
use xtask::{python, root};

use crate::commands::clients;

/// The variable with the number of kills.
const VARIABLE: &str = "ALERTS_KILLS";
const KILLS: u32 = 5;
/// The SMTP server and its certificates, from PyPI.
const PACKAGES: [&str; 2] = ["aiosmtpd>=1.4,<2", "trustme>=1.2,<2"];
const CHECK: &str = "import aiosmtpd, trustme";

/// Kills the server; then each certificate that matches a rule must have arrived at each receiver.
pub(super) fn run() -> anyhow::Result<()> {
    let kills = match std::env::var(VARIABLE) {
        Ok(text) => text.parse().with_context(|| format!("{VARIABLE}={text}"))?,
        Err(_) => KILLS,
    };
    let here = empty_folder("alerts")?;
    let mut script = Command::new(python::environment("venv-alerts", &PACKAGES, CHECK)?);
    script.arg("-B").arg(root().join("crates/xtask/e2e/alerts/run.py"));
    complete(script.arg(here).arg(kills.to_string()).env("PATH", clients::path()?))
}
