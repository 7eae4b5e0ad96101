//! Environments of Python with packages from PyPI, under `target/e2e`.

use std::path::PathBuf;
use std::process::Command;

use crate::process::{complete, is_installed};

/// Returns the folder of everything that is installed for a run, which it creates if it is absent.
///
/// # Errors
/// If the folder cannot be created.
pub fn folder() -> anyhow::Result<PathBuf> {
    let folder = crate::root().join("target/e2e");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Returns the interpreter of the environment `name`. If the program `check` fails in it, the
/// environment is created anew with `packages`.
///
/// # Errors
/// If the environment cannot be created or the packages cannot be installed.
pub fn environment(name: &str, packages: &[&str], check: &str) -> anyhow::Result<PathBuf> {
    let venv = folder()?.join(name);
    let python = venv.join("bin/python");
    if !is_installed(&[&python.to_string_lossy(), "-c", check]) {
        complete(Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        complete(Command::new(&python).args(pip).args(packages))?;
    }
    Ok(python)
}
