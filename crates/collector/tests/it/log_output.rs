//! A log that cannot be written: the collector continues, and ends when it is stopped.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use crate::harness::{Collector, Running, eventually, has_rows, logs, program, reads_all};

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
        let id = collector.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill").success());
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
