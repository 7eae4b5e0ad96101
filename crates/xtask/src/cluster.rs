//! Servers that share one stream on NATS: nodes that read logs, and edges.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::nats::Nats;
use crate::process::{Process, answers, free_port};

/// The longest wait until the servers respond and the edges are ready.
const PATIENCE: Duration = Duration::from_secs(120);

/// The name of the stream.
pub const STREAM: &str = "CTLOG";

/// The number of each kind of process.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Servers of NATS, which all have everything.
    pub nats: usize,
    /// Nodes that read logs.
    pub ingest: usize,
    /// Nodes that serve clients.
    pub edges: usize,
}

/// The part that a server has in a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It reads logs, or is ready to.
    Ingest,
    /// It serves clients.
    Edge,
}

/// A server, which may be stopped at present.
#[derive(Debug)]
pub struct Server {
    /// Its part.
    pub role: Role,
    port: u16,
    /// The file that it logs to.
    log: PathBuf,
    process: Option<Process>,
}

/// All processes of a cluster. Dropping this kills them.
pub struct Cluster {
    /// The servers of NATS.
    pub nats: Nats,
    /// The servers that share the stream: those that read logs first.
    pub servers: Vec<Server>,
    size: Size,
    /// Returns the command of a server with its port.
    command: Box<dyn Fn(u16) -> anyhow::Result<Command>>,
}

impl Role {
    /// Returns its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Edge => "edge",
        }
    }
}

impl Server {
    /// Returns the address that it listens on.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns the port that it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns its process, if it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        drop(self.process.take());
    }

    /// Reports whether it responds, and if it is an edge, is ready for clients.
    fn is_ready(&self) -> anyhow::Result<bool> {
        let path = if self.role == Role::Edge { "health/ready" } else { "health" };
        answers(&format!("http://{}/{path}", self.address()))
    }
}

impl Cluster {
    /// Starts a cluster with its files in a folder, and waits until all of it is ready. `command`
    /// returns the command of a server with a port, which gets its part in the cluster in addition.
    ///
    /// # Errors
    /// If a process does not start, or the servers are not ready within two minutes.
    pub fn start(
        folder: &Path,
        size: Size,
        command: impl Fn(u16) -> anyhow::Result<Command> + 'static,
    ) -> anyhow::Result<Self> {
        let nats = Nats::start(folder, size.nats)?;
        let roles = [(Role::Ingest, size.ingest), (Role::Edge, size.edges)];
        let mut servers = Vec::new();
        for (role, count) in roles {
            for number in 1..=count {
                let log = folder.join(format!("{}-{number}.log", role.name()));
                servers.push(Server { role, port: free_port()?, log, process: None });
            }
        }
        let mut cluster = Self { nats, servers, size, command: Box::new(command) };
        for number in 0..cluster.servers.len() {
            cluster.start_server(number)?;
        }
        cluster.wait_until_ready()?;
        Ok(cluster)
    }

    /// Starts a server, whether it was stopped or not.
    ///
    /// # Errors
    /// If there is no such server, or it does not start.
    pub fn start_server(&mut self, number: usize) -> anyhow::Result<()> {
        let server = self.servers.get_mut(number).context("there is no such server")?;
        drop(server.process.take());
        let log = OpenOptions::new().create(true).append(true).open(&server.log)?;
        let mut command = (self.command)(server.port)?;
        command.stdout(log.try_clone()?).stderr(log);
        command.arg(format!("--role={}", server.role.name()));
        command.arg(format!("--cluster-url={}", self.nats.urls()));
        command.arg(format!("--cluster-replicas={}", self.size.nats));
        // All servers of NATS share one disk.
        command.args(["--cluster-stream=CTLOG", "--cluster-max-bytes=2GiB"]);
        server.process = Some(Process::start(&mut command)?);
        Ok(())
    }

    /// Waits until all servers respond and the edges are ready for clients.
    ///
    /// # Errors
    /// If they are not within two minutes, or one has ended.
    pub fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let mut is_ready = true;
            for server in &mut self.servers {
                if let Some(process) = &mut server.process
                    && let Some(status) = process.ended()?
                {
                    bail!("a server has ended ({status}): see {}", server.log.display());
                }
                is_ready &= server.is_ready()?;
            }
            if is_ready {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let logs = self.servers.first().and_then(|server| server.log.parent());
        bail!("the cluster is not ready; its log files are in {logs:?}")
    }

    /// Returns the addresses of the edges.
    #[must_use]
    pub fn edges(&self) -> Vec<String> {
        let edges = self.servers.iter().filter(|server| server.role == Role::Edge);
        edges.map(Server::address).collect()
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("nats", &self.nats)
            .field("servers", &self.servers)
            .finish_non_exhaustive()
    }
}
