//! A log that cannot be written: the server works on, and ends when it is asked to.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::harness::PATIENCE;
use crate::operations::process::{Ended, PROGRAM, free_port};

/// A pair of which the first end is full, and the second is read by nobody.
fn full_socket() -> (UnixStream, UnixStream) {
    let (mut output, reader) = UnixStream::pair().expect("a pair");
    output.set_nonblocking(true).expect("a mode");
    while output.write(&[b'x'; 4096]).is_ok() {}
    (output, reader)
}

fn get(port: u16, path: &str) -> Option<String> {
    let mut tcp = TcpStream::connect(("127.0.0.1", port)).ok()?;
    tcp.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(tcp, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    tcp.read_to_string(&mut text).ok()?;
    Some(text)
}

fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "never happened: {what}");
        sleep(Duration::from_millis(50));
    }
}

fn metric(port: u16, name: &str) -> Option<u64> {
    let text = get(port, "/metrics")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.trim().parse().ok()
}

/// Has the server log some lines: each filter that it refuses is one.
fn log_lines(port: u16) {
    for _ in 0..500 {
        let answer = get(port, "/sse?match=a").expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
}

/// Runs the server with this standard error until it has published and a line is counted as lost,
/// which it is where more were logged than may wait. Then stops it.
fn works_and_stops(what: &str, output: impl Into<Stdio>) {
    let port = free_port();
    let mut command = Command::new(PROGRAM);
    command.args(["--demo", "--host=127.0.0.1", "--log-level=debug", &format!("--port={port}")]);
    command.stdin(Stdio::null()).stderr(output);
    let mut server = Ended(command.spawn().expect("the program runs"));
    eventually("it is healthy", || {
        get(port, "/health/deep").filter(|answer| answer.contains(r#""status":"healthy""#))
    });
    eventually("it publishes", || metric(port, "certstream_offset").filter(|offset| *offset > 0));
    let counted = eventually("lost lines are counted", || {
        log_lines(port);
        metric(port, "certstream_log_lines_lost_total").filter(|count| *count > 0)
    });
    let asked = Instant::now();
    server.terminate();
    let status = server.0.wait().expect("it ends");
    println!("{what}: {counted} lines lost, ended {:?} after SIGTERM", asked.elapsed());
    assert_eq!(status.code(), Some(0), "{what}");
}

#[test]
fn a_full_disk_loses_only_log_lines() {
    let full = File::options().write(true).open("/dev/full").expect("a device that is full");
    works_and_stops("a full disk", full);
}

#[test]
fn a_closed_standard_error_loses_only_log_lines() {
    let (reader, output) = std::io::pipe().expect("a pipe");
    drop(reader);
    works_and_stops("a closed pipe", output);
}

#[test]
fn an_output_that_would_block_delays_neither_work_nor_stop() {
    let (output, _reader) = full_socket();
    works_and_stops("a full output that does not block", OwnedFd::from(output));
}

#[test]
fn a_full_pipe_delays_neither_work_nor_stop() {
    let (output, _reader) = full_socket();
    output.set_nonblocking(false).expect("a mode");
    works_and_stops("a full output that blocks", OwnedFd::from(output));
}

#[test]
fn commands_report_failed_output_but_not_a_closed_pipe() {
    let run = |output: Stdio| {
        let help = Command::new(PROGRAM).arg("--help").stdout(output).output();
        let help = help.expect("the program runs");
        (help.status.code(), String::from_utf8_lossy(&help.stderr).into_owned())
    };
    let full = File::options().write(true).open("/dev/full").expect("a device that is full");
    let (status, said) = run(full.into());
    assert_eq!(status, Some(1));
    assert!(said.starts_with("error: cannot write to standard output"), "{said}");
    let (reader, output) = std::io::pipe().expect("a pipe");
    drop(reader);
    assert_eq!(run(output.into()), (Some(0), String::new()));
}
