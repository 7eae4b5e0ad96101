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

pub(crate) use crate::support::{PATIENCE, Running, logs, reads_all, shared_data};

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

    /// Its id as a process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
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

/// The open part in a folder of open parts.
pub(crate) fn open_part(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut entries = entries.into_iter();
    entries.find(|path| path.extension().is_some_and(|it| it == "open") && walked(path).is_some())
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
