//! The reverse proxies of `docs/hosting.md`, with the files of that page, between clients and a server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{bail, ensure};

use xtask::process::{Process, binary, free_port, is_installed, start_logs, wait_for};
use xtask::python::folder;
use xtask::root;

use crate::commands::{clients, docs};

/// A proxy: its name, the page's file for it, and the package of Debian that has it.
#[derive(Clone, Copy)]
struct Proxy {
    name: &'static str,
    file: &'static str,
    version: &'static [&'static str],
    package: &'static str,
}

const PROXIES: [Proxy; 3] = [
    Proxy { name: "nginx", file: "nginx.conf", version: &["nginx", "-v"], package: "nginx-light" },
    Proxy { name: "caddy", file: "Caddyfile", version: &["caddy", "version"], package: "caddy" },
    Proxy { name: "haproxy", file: "haproxy.cfg", version: &["haproxy", "-v"], package: "haproxy" },
];

/// The outcome of a check, or the reason why it was skipped.
pub(super) type Outcome = Result<anyhow::Result<Duration>, String>;

/// Entries of each log, which no longer grows: the streams become silent after them.
const ENTRIES: &str = "40";

/// Checks every proxy that is installed, all at the same time.
pub(super) fn run() -> anyhow::Result<Vec<(String, Outcome)>> {
    let folder = folder()?.join("proxies");
    if folder.try_exists()? {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let page = root().join("docs/hosting.md");
    let write = |name: &str, folder: &Path| -> anyhow::Result<PathBuf> {
        let path = folder.join(name);
        std::fs::write(&path, docs::file_of_page(&page, name)?)?;
        Ok(path)
    };
    let logs = ["--port", "0", "--rfc6962", "1", "--static-ct", "1", "--rate", "0"];
    let (_logs, said) = start_logs(&[&logs[..], &["--initial-size", ENTRIES]].concat())?;
    let port = free_port()?;
    let mut server = super::server(&said, port, &folder.join("state.json"), binary)?;
    server.arg("--config").arg(write("config.yaml", &folder)?);
    server.env("CERTSTREAM_CT_LOG_START", "0").env("CERTSTREAM_STATS_CLIENT_ADDRESSES", "true");
    server.env("CERTSTREAM_HEARTBEAT_INTERVAL_SECS", "3600");
    let _server = Process::start(&mut server)?;
    wait_for(&format!("http://127.0.0.1:{port}/health/deep"))?;

    let check = |proxy: Proxy| -> anyhow::Result<()> {
        let folder = folder.join(proxy.name);
        std::fs::create_dir_all(&folder)?;
        let recipe = write(proxy.file, &folder)?;
        let mut script = Command::new(clients::python()?);
        script.arg(root().join("crates/xtask/e2e/proxies.py")).args([proxy.name]).arg(recipe);
        let output = script.env("SERVER", format!("127.0.0.1:{port}")).output()?;
        let said = [output.stdout, output.stderr].concat();
        ensure!(output.status.success(), "{}\n{}", output.status, String::from_utf8_lossy(&said));
        Ok(())
    };
    let outcome = |proxy: Proxy| match is_installed(proxy.version) {
        false => Err(format!("it is not installed (apt-get install {})", proxy.package)),
        true => Ok(super::timed(|| check(proxy))),
    };
    std::thread::scope(|scope| {
        let start = |proxy| scope.spawn(move || outcome(proxy));
        let running = PROXIES.map(|proxy| (format!("proxy {}", proxy.name), start(proxy)));
        let ended = running.map(|(name, thread)| match thread.join() {
            Ok(outcome) => Ok((name, outcome)),
            Err(_) => bail!("{name} panicked"),
        });
        ended.into_iter().collect()
    })
}
