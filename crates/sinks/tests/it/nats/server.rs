//! A server of NATS as a child process on loopback.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use async_nats::jetstream::{self, Context};
use sinks::{BrokerSettings, NatsCredentials, NatsSettings, OnFull, OutputSettings};
use tempfile::TempDir;
use xtask::process::{Process, free_port};

pub(super) const STREAM: &str = "CERTS";

/// A running server with its own folder.
pub(super) struct Server {
    folder: TempDir,
    port: u16,
    _process: Process,
}

impl Server {
    /// Starts a server with JetStream and further lines of configuration. `None` if the program is not
    /// available: the test is then skipped.
    pub(super) fn start(configuration: &str) -> Option<Self> {
        Self::start_with(|folder| {
            let store = folder.join("store");
            format!("jetstream {{ store_dir: \"{}\" }}\n{configuration}\n", store.display())
        })
    }

    pub(super) fn without_jetstream() -> Option<Self> {
        Self::start_with(|_| String::new())
    }

    fn start_with(configuration: impl FnOnce(&Path) -> String) -> Option<Self> {
        let program = match xtask::nats::program() {
            Ok(program) => program,
            Err(error) => {
                eprintln!("SKIPPED: the server of NATS cannot be installed: {error:#}");
                return None;
            }
        };
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port().expect("a port");
        let (file, log) = (folder.path().join("nats.conf"), folder.path().join("log"));
        let text = format!("listen: \"127.0.0.1:{port}\"\n{}", configuration(folder.path()));
        std::fs::write(&file, text).expect("writable");
        let output = std::fs::File::create(&log).expect("writable");
        let mut command = Command::new(program);
        command.arg("-c").arg(file).stdout(Stdio::null()).stderr(output);
        let process = Process::start(&mut command).expect("it starts");
        let start = std::time::Instant::now();
        let said = || std::fs::read_to_string(&log).expect("readable");
        while !said().contains("Server is ready") {
            assert!(start.elapsed() < Duration::from_secs(30), "{}", said());
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { folder, port, _process: process })
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Connects as an anonymous client.
    pub(super) async fn context(&self) -> Context {
        jetstream::new(async_nats::connect(self.url()).await.expect("it runs"))
    }

    /// Returns the settings of an output.
    pub(super) fn settings(&self) -> OutputSettings {
        let nats = NatsSettings {
            servers: vec![self.url()],
            stream: STREAM.to_owned(),
            subject_prefix: "certs".to_owned(),
            max_bytes: 1 << 20,
            duplicate_window: Duration::from_secs(60),
            replicas: 1,
            credentials: NatsCredentials::None,
            tls: None,
        };
        OutputSettings {
            name: "nats".to_owned(),
            broker: BrokerSettings::Nats(nats),
            on_full: OnFull::Block,
            publish_timeout: Duration::from_secs(1),
        }
    }

    /// Returns the settings of an output with credentials.
    pub(super) fn settings_with(&self, credentials: NatsCredentials) -> OutputSettings {
        let mut settings = self.settings();
        if let BrokerSettings::Nats(nats) = &mut settings.broker {
            nats.credentials = credentials;
        }
        settings
    }
}

pub(super) fn set_max_bytes(settings: &mut OutputSettings, max_bytes: u64) {
    if let BrokerSettings::Nats(nats) = &mut settings.broker {
        nats.max_bytes = max_bytes;
    }
}
