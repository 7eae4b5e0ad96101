//! Programs that others wrote, installed under `target/e2e` from their registries.

use std::path::PathBuf;
use std::process::Command;

use crate::command::{complete, is_installed};

/// The packages from PyPI. What `crates/xtask/differential/explained.json` says holds for this
/// version of cryptography.
const PYTHON: [&str; 3] = ["certstream==1.12", "cryptography==50.0.2", "websockets"];

/// Fails unless they are there.
const PYTHON_CHECK: &str = "import certstream, cryptography, websockets
assert cryptography.__version__ == '50.0.2'";

/// Where they are installed and files of the run lie.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    let folder = crate::root().join("target/e2e");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The interpreter of an environment that has the Python packages.
pub(crate) fn python() -> anyhow::Result<PathBuf> {
    let venv = folder()?.join("venv");
    let python = venv.join("bin/python");
    if !is_installed(&[&python.to_string_lossy(), "-c", PYTHON_CHECK]) {
        complete(Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        complete(Command::new(&python).args(pip).args(PYTHON))?;
    }
    Ok(python)
}

/// Installs the packages from npm, in [`folder`].
pub(crate) fn install_node() -> anyhow::Result<()> {
    let folder = folder()?;
    if !folder.join("node_modules/certstream").try_exists()? {
        let npm = ["install", "--no-fund", "--no-audit", "--loglevel=error", "--prefix"];
        complete(Command::new("npm").args(npm).arg(&folder).arg("certstream@1.1.1"))?;
    }
    Ok(())
}
