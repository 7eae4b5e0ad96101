//! A log that cannot be written: the collector continues, and ends when it is stopped.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::harness::{
    Collector, Running, eventually, has_rows, logs, program, reads_all, terminate,
};

/// A process that is killed when it goes out of scope, also if a test fails.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended already.
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn full_disk() -> Stdio {
    File::options().write(true).open("/dev/full").expect("a device that is full").into()
}

fn nobody_reads() -> Stdio {
    let (output, reader) = std::io::pipe().expect("a pipe");
    drop(reader);
    output.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_delays_neither_rows_nor_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = logs(ctsim::Config { rate: 0.0, initial_size: 300, ..Default::default() }).await;
    let server = Running::start(reads_all(&sim, folder.path())).await;
    let url = format!("ws://{}/", server.address);
    let (mut full, _reader) = UnixStream::pair().expect("a pair");
    full.set_nonblocking(true).expect("a mode");
    while full.write(&[b'x'; 4096]).is_ok() {}
    let would_block = OwnedFd::from(full.try_clone().expect("the same socket"));
    let outputs = [
        ("full.feather", full_disk()),
        ("gone.feather", nobody_reads()),
        ("blocks.feather", would_block.into()),
    ];
    for (name, output) in outputs {
        let mut command = program();
        command.args(["--url", &url, "--from-oldest", "--flush-interval", "100ms"]);
        command.args(["--log-level", "debug", "--stats", "100ms", "-o", name]);
        command.current_dir(folder.path()).stdin(Stdio::null()).stderr(output);
        let mut collector = Ended(command.spawn().expect("the program starts"));
        has_rows(&folder.path().join(name), 1_200).await;
        terminate(&collector.0);
        let ended = || collector.0.try_wait().expect("a child");
        let status = eventually("the end", ended).await;
        assert_eq!(status.code(), Some(0), "{name}");
    }

    // The last line says how many lines were lost, where some were.
    let collector = Collector::start(folder.path(), &["--url", &url]);
    collector.logs("connected to").await;
    let (_, log) = collector.terminate().await;
    assert!(log.contains("stopped: 0 certificates in certstream_data.feather"), "{log}");
    assert!(!log.contains("lost log lines"), "{log}");
    server.stop().await;
}

/// Counts the files below a folder that may not be there yet.
fn count_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.map(|path| if path.is_dir() { count_files(&path) } else { 1 }).sum()
}

/// The output blocks until more lines were logged than may wait, and then works again.
#[tokio::test(flavor = "multi_thread")]
async fn lines_lost_while_the_output_blocks_are_counted_and_logged() {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = logs(ctsim::Config { rate: 0.0, initial_size: 200, ..Default::default() }).await;
    let server = Running::start(reads_all(&sim, folder.path())).await;
    let url = format!("ws://{}/", server.address);
    let (mut full, mut reader) = UnixStream::pair().expect("a pair");
    full.set_nonblocking(true).expect("a mode");
    while full.write(&[b'x'; 4096]).is_ok() {}
    full.set_nonblocking(false).expect("a mode");
    // Each part is logged when it is closed, with its path: 1.6 MB, of which 1 MiB may wait.
    let output = vec!["x".repeat(200); 16].join("/");
    std::fs::create_dir_all(folder.path().join(&output)).expect("folders");
    let output = format!("{output}/parts");
    let mut command = program();
    command.args(["--url", &url, "--from-oldest", "-b", "1", "--rotate", "1kB", "-o", &output]);
    command.current_dir(folder.path()).stdin(Stdio::null()).stderr(OwnedFd::from(full));
    let mut collector = Ended(command.spawn().expect("the program starts"));
    drop(command);
    let parts = folder.path().join(&output);
    eventually("many parts", || (count_files(&parts) >= 500).then_some(())).await;

    let said = Arc::new(Mutex::new(Vec::new()));
    let read = Arc::clone(&said);
    let reading = std::thread::spawn(move || {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(count @ 1..) = reader.read(&mut bytes) {
            read.lock().extend_from_slice(&bytes[..count]);
        }
    });
    let said = || String::from_utf8_lossy(&said.lock()).into_owned();
    let is_reported = || said().contains("log lines were lost").then_some(());
    eventually("lost lines are logged", is_reported).await;
    terminate(&collector.0);
    let ended = || collector.0.try_wait().expect("a child");
    assert_eq!(eventually("the end", ended).await.code(), Some(0));
    reading.join().expect("read to the end");
    let said = said();
    let count = said.rsplit_once(", lost log lines: ").expect("a count in the last line").1;
    let count: u64 = count.split_whitespace().next().unwrap_or(count).parse().expect("a number");
    assert!(count > 0);
    server.stop().await;
}

#[test]
fn commands_report_a_full_output_and_ignore_a_closed_pipe() {
    let run = |output: Stdio| {
        let help = program().arg("--help").stdout(output).output().expect("the program runs");
        (help.status.code(), String::from_utf8_lossy(&help.stderr).into_owned())
    };
    let (status, said) = run(full_disk());
    assert_eq!(status, Some(1));
    assert!(said.starts_with("error: cannot write to standard output"), "{said}");
    assert_eq!(run(nobody_reads()), (Some(0), String::new()));
}
