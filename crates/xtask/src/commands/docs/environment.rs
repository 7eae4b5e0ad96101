//! The environment in which the pages are followed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use xtask::process::target;
use xtask::{python, root};

/// The simulated logs, the programs and the packages that all pages share.
pub(super) struct Environment {
    folder: PathBuf,
    /// Variables that point the server to the simulated logs.
    pub(super) logs: Vec<(&'static str, String)>,
    /// The simulated logs: URL and size.
    pub(super) sizes: BTreeMap<String, u64>,
    pub(super) path: OsString,
    /// The packages of analysts, for the interpreter in `path`.
    pub(super) python_path: OsString,
}

impl Environment {
    /// Creates the folders. `ready` is the first line of the simulated logs.
    pub(super) fn new(ready: &Value) -> anyhow::Result<Self> {
        let folder = root().join("target/docs");
        if folder.try_exists()? {
            fs::remove_dir_all(&folder)?;
        }
        let programs = folder.join("bin");
        fs::create_dir_all(&programs)?;
        for name in ["certstream-server", "certstream-arrow"] {
            std::os::unix::fs::symlink(target().join("debug").join(name), programs.join(name))?;
        }
        let text = |key: &str| ready.get(key).and_then(Value::as_str).map(str::to_owned);
        let url = text("list_url").context("ctsim does not say list_url")?;
        let key = folder.join("log_list_key.pem");
        let key_url = text("list_key_url").context("ctsim does not say list_key_url")?;
        let mut curl = Command::new("curl");
        let fetched =
            curl.args(["--silent", "--fail", "--output"]).arg(&key).arg(key_url).status()?;
        ensure!(fetched.success(), "the key of the simulated list is unavailable");
        let logs = vec![
            ("CERTSTREAM_CT_LOG_LOG_LIST_URL", url),
            ("CERTSTREAM_CT_LOG_LOG_LIST_KEY_FILE", key.display().to_string()),
            ("CERTSTREAM_CT_LOG_POLL_INTERVAL_MS", "200".to_owned()),
            ("CERTSTREAM_HOST", "127.0.0.1".to_owned()),
            ("CERTSTREAM_PROMETHEUS_LISTEN_ADDR", "127.0.0.1".to_owned()),
        ];
        let sizes = ready.get("logs").and_then(Value::as_array).into_iter().flatten();
        let sizes = sizes.filter_map(|log| {
            let url = log.get("url")?.as_str()?.trim_end_matches('/').to_owned();
            Some((url, log.get("size")?.as_u64()?))
        });
        let venv = python::folder()?.join("venv/bin");
        let system = std::env::var_os("PATH").unwrap_or_default();
        let path = [programs, venv].into_iter().chain(std::env::split_paths(&system));
        let path = std::env::join_paths(path)?;
        let python_path = packages(&python::folder()?.join("venv-analysts"))?;
        Ok(Self { folder, logs, sizes: sizes.collect(), path, python_path })
    }

    /// Creates an empty folder for a page.
    pub(super) fn scratch(&self, name: &str) -> anyhow::Result<PathBuf> {
        let scratch = self.folder.join(name);
        fs::create_dir_all(&scratch)?;
        Ok(scratch)
    }
}

/// Returns the folder of an environment's packages.
fn packages(venv: &Path) -> anyhow::Result<OsString> {
    for entry in fs::read_dir(venv.join("lib"))? {
        let packages = entry?.path().join("site-packages");
        if packages.is_dir() {
            return Ok(packages.into());
        }
    }
    bail!("{} has no packages", venv.display())
}
