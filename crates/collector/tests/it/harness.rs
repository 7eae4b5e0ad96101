//! The program as a child process, and its output.

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
use collector::state::State;
use rustix::process::{Pid, Signal, kill_process};

pub(crate) use crate::support::{PATIENCE, Running, logs, reads_all, shared_data};

/// A running collector; killed when it goes out of scope.
pub(crate) struct Collector {
    child: Child,
    log: PathBuf,
}

impl Collector {
    /// Starts a collector that writes at once, and logs into `folder`.
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

    /// Returns its log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("a log")
    }

    /// Returns its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) async fn logs(&self, text: &str) {
        eventually(text, || self.log().contains(text).then_some(())).await;
    }

    /// Ends it as an operator does; returns the status and the log.
    pub(crate) async fn terminate(self) -> (Option<i32>, String) {
        terminate(&self.child);
        self.end().await
    }

    /// Waits until it ends by itself; returns the status and the log.
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

/// Sends SIGTERM to a process that has not been waited for.
pub(crate) fn terminate(child: &Child) {
    kill_process(Pid::from_child(child), Signal::TERM).expect("a child of this process");
}

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_certstream-arrow"));
    command.env_remove("CERTSTREAM_TOKEN").process_group(0);
    command
}

/// Polls until there is a value.
pub(crate) async fn eventually<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = poll() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The state of a Feather file at this moment.
pub(crate) fn state(path: &Path) -> Option<State> {
    let scanned = columns::feather::scan(&File::open(path).ok()?).ok()?;
    Some(collector::output::state_of(&scanned))
}

/// Finds the open part in a staging folder.
pub(crate) fn open_part(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut entries = entries.into_iter();
    entries.find(|path| path.extension().is_some_and(|it| it == "open") && state(path).is_some())
}

/// Waits until a file has this number of rows.
pub(crate) async fn has_rows(path: &Path, rows: u64) {
    let what = format!("{rows} rows in {}", path.display());
    eventually(&what, || state(path).filter(|state| state.rows >= rows)).await;
}

/// Reads all batches of a Feather file, as any reader of the format does.
pub(crate) fn batches(path: &Path) -> Vec<RecordBatch> {
    let file = File::open(path).expect("the file is there");
    let reader = FileReader::try_new(file, None).expect("a whole file");
    reader.collect::<Result<_, _>>().expect("whole batches")
}

/// Returns the indexes of each log in the order of the rows.
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
