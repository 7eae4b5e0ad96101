//! The program as a child process, and what it has written.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray as _;
use arrow_array::types::UInt64Type;
use arrow_array::{Array as _, RecordBatch};
use arrow_ipc::reader::FileReader;
use ctsim::Sim;
use server::app::{Mode, Server};
use server::config::{ByteSize, Config, Start};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long anything may take on a slow machine before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A running collector; killed when it goes out of scope.
pub(crate) struct Collector {
    child: Child,
    log: PathBuf,
}

impl Collector {
    /// Starts one that writes at once, and logs into `folder`.
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = program();
        command.args(["--flush-interval", "100ms", "--log-level", "debug"]).args(arguments);
        Self::start_command(folder, command)
    }

    pub(crate) fn start_command(folder: &Path, mut command: Command) -> Self {
        let log = folder.join("collector.log");
        let file = File::options().create(true).append(true).open(&log).expect("a log");
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        Self { child: command.spawn().expect("the program starts"), log }
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("a log")
    }

    pub(crate) async fn logs(&self, text: &str) {
        eventually(text, || self.log().contains(text).then_some(())).await;
    }

    /// As an operator ends it; the status and all it has logged.
    pub(crate) async fn terminate(self) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill").success());
        self.end().await
    }

    /// Waits until it ends by itself.
    pub(crate) async fn end(mut self) -> (Option<i32>, String) {
        let status: ExitStatus =
            eventually("the end", || self.child.try_wait().expect("a child")).await;
        (status.code(), self.log())
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // SIGKILL; it may have ended already.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_certstream-arrow"));
    command.env_remove("CERTSTREAM_TOKEN").process_group(0);
    command
}

/// Asks again and again until there is an answer.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a file knows of itself, as it can be read at this moment.
pub(crate) fn walked(path: &Path) -> Option<collector::feather::Walked> {
    collector::feather::walk(&File::open(path).ok()?).ok()
}

/// Waits until a file has so many rows.
pub(crate) async fn has_rows(path: &Path, rows: u64) {
    let what = format!("{rows} rows in {}", path.display());
    eventually(&what, || walked(path).filter(|walked| walked.state.rows >= rows)).await;
}

/// All batches of a Feather file, as any reader of the format finds them.
pub(crate) fn batches(path: &Path) -> Vec<RecordBatch> {
    let file = File::open(path).expect("the file is there");
    let reader = FileReader::try_new(file, None).expect("a whole file");
    reader.collect::<Result<_, _>>().expect("whole batches")
}

/// The indexes of each log in the order of the rows.
pub(crate) fn indexes(batches: &[RecordBatch]) -> BTreeMap<String, Vec<u64>> {
    let mut logs: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for batch in batches {
        let urls = batch.column_by_name("source_url").expect("logs").as_string::<i32>();
        let indexes = batch.column_by_name("cert_index").expect("indexes");
        let indexes = indexes.as_primitive::<UInt64Type>();
        for row in 0..batch.num_rows() {
            assert!(urls.is_valid(row) && indexes.is_valid(row));
            logs.entry(urls.value(row).to_owned()).or_default().push(indexes.value(row));
        }
    }
    logs
}

/// Simulated logs on a free port.
pub(crate) async fn logs(config: ctsim::Config) -> Sim {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    Sim::start(config, listener).await.expect("simulated logs")
}

/// A configuration that reads every entry of the simulated logs and keeps them.
pub(crate) fn reads_all(sim: &Sim, folder: &Path) -> Config {
    let key = folder.join("log_list_key.pem");
    std::fs::write(&key, sim.list_key_pem()).expect("a writable folder");
    let mut config = Config { host: [127, 0, 0, 1].into(), port: 0, ..Config::default() };
    config.dedup.enabled = false;
    config.feed.ring_bytes = ByteSize::new(256 * ByteSize::MIB);
    config.ct_log.log_list_url = sim.list_url();
    config.ct_log.log_list_key_file = Some(key);
    config.ct_log.start = Start::Index(0);
    config.ct_log.poll_interval_ms = 50;
    config.ct_log.partial_tile_wait_ms = 50;
    config.ct_log.retry_initial_delay_ms = 50;
    config
}

/// A server in this process.
pub(crate) struct Running {
    pub(crate) port: u16,
    stop: oneshot::Sender<()>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    pub(crate) async fn start(config: Config) -> Self {
        let server = Server::start(config, Mode::Serve).await.expect("the server starts");
        let port = server.address().expect("bound").port();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async {
            // A test that ends early drops the sender, which stops the server as well.
            let _told = stopped.await;
        }));
        Self { port, stop, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/", self.port)
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).expect("the server runs");
        let ended = tokio::time::timeout(PATIENCE, self.task).await.expect("stops");
        ended.expect("no panic").expect("ends well");
    }
}

/// The folder of real CT data beside the checkout, if it is there.
pub(crate) fn shared_data() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: ../shared/data is not here");
    None
}
