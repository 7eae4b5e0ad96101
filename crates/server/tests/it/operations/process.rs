//! The program itself: what it tells systemd, and how it asks itself whether it is well.

use std::hash::{BuildHasher as _, RandomState};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::PATIENCE;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_certstream-server");

/// Ended when it goes out of scope, also where a test fails.
pub(crate) struct Ended(pub(crate) Child);

impl Ended {
    /// Asks it to stop, as an operator does.
    pub(crate) fn terminate(&self) {
        signal(&self.0, Signal::TERM);
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended already, which is all that is wanted.
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Sends a signal to a process that has not been waited for.
pub(crate) fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("a child of this process");
}

/// Returns a port of the loopback interface that is free now. It is below those that the system gives to
/// connections, so none of another test takes it meanwhile.
pub(crate) fn free_port() -> u16 {
    let mut ports = std::iter::repeat_with(|| 10_000 + RandomState::new().hash_one(0) % 20_000);
    let port = ports.find_map(|port| {
        let port = u16::try_from(port).expect("small");
        std::net::TcpListener::bind(("127.0.0.1", port)).is_ok().then_some(port)
    });
    port.expect("a free port")
}

fn server(port: u16) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["--demo", "--host=127.0.0.1", "--log-level=warn", &format!("--port={port}")]);
    command.stdin(Stdio::null());
    command
}

fn check(port: u16, arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(["--host=127.0.0.1", &format!("--port={port}"), "healthcheck"]).args(arguments);
    command.output().expect("the program runs")
}

#[test]
fn systemd_is_notified_of_ready_watchdog_and_stopping() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut said = Vec::new();
    let mut hear = |what: &str| {
        let mut buffer = [0; 1024];
        while !said.iter().any(|line| line == what) {
            let length = socket.recv(&mut buffer).expect("it says something");
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            said.extend(text.lines().map(str::to_owned));
        }
        std::mem::take(&mut said)
    };
    let mut command = server(free_port());
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "300000");
    let mut server = Ended(command.spawn().expect("the program runs"));
    let first = hear("READY=1");
    assert!(!first.contains(&"STOPPING=1".to_owned()), "{first:?}");
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    server.terminate();
    hear("STOPPING=1");
    assert!(server.0.wait().expect("it ends").success());
}

#[test]
fn the_healthcheck_command_succeeds_on_a_healthy_server() {
    let port = free_port();
    let silent = check(port, &[]);
    assert_eq!(silent.status.code(), Some(1));
    let told = String::from_utf8_lossy(&silent.stderr).into_owned();
    assert!(
        told.contains(&format!(
            "error: nothing listens on 127.0.0.1:{port}: is the server running?"
        )),
        "{told}"
    );

    let _server = Ended(server(port).spawn().expect("the program runs"));
    let begun = std::time::Instant::now();
    let well = loop {
        let answer = check(port, &[]);
        if answer.status.success() {
            break answer;
        }
        assert!(begun.elapsed() < PATIENCE, "never well: {answer:?}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(String::from_utf8_lossy(&well.stdout).contains(r#""status":"healthy""#), "{well:?}");
    let elsewhere = check(1, &["--url", &format!("http://127.0.0.1:{port}/health")]);
    assert!(elsewhere.status.success(), "{elsewhere:?}");
    let page = check(1, &["--url", &format!("http://127.0.0.1:{port}/page/page.js")]);
    assert_eq!(page.status.code(), Some(1), "no JSON with a status: {page:?}");
    let base = check(1, &["--url", &format!("http://127.0.0.1:{port}")]);
    assert!(base.status.success(), "{base:?}");
    assert!(String::from_utf8_lossy(&base.stdout).contains(r#""status":"healthy""#), "{base:?}");
    let missing = check(1, &["--url", &format!("http://127.0.0.1:{port}/nothing")]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("404"), "{missing:?}");
}

/// Waits until the server says that it runs.
fn is_up(base: &str) {
    let begun = std::time::Instant::now();
    while !check(1, &["--url", &format!("{base}/health")]).status.success() {
        assert!(begun.elapsed() < PATIENCE, "never up");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_healthcheck_command_fails_if_the_only_log_never_responds() {
    // It accepts connections, as far as the system does that by itself, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.yaml");
    let text = format!(
        "log_level: \"off\"\ncustom_logs: [{{name: a, url: \"http://{}/\"}}]\n\
         ct_log: {{disable_default_logs: true}}\n",
        silent.local_addr().expect("bound")
    );
    std::fs::write(&file, text).expect("writable");
    let port = free_port();
    let mut command = Command::new(PROGRAM);
    command.args(["--host=127.0.0.1", &format!("--port={port}"), "--config"]).arg(&file);
    let _server = Ended(command.stdin(Stdio::null()).spawn().expect("the program runs"));
    let base = format!("http://127.0.0.1:{port}");
    is_up(&base);
    let (mut request, _) = silent.accept().expect("the log is asked");
    std::io::Read::read_exact(&mut request, &mut [0; 4]).expect("a request");
    let unwell = check(port, &[]);
    assert_eq!(unwell.status.code(), Some(1), "{unwell:?}");
    let told = String::from_utf8_lossy(&unwell.stderr).into_owned();
    for expected in ["503", r#""status":"unhealthy""#, r#""logs_total":1"#] {
        assert!(told.contains(expected), "{expected:?} is missing in:\n{told}");
    }
}

#[test]
fn the_healthcheck_command_fails_if_no_log_is_followed() {
    let port = free_port();
    let mut command = Command::new(PROGRAM);
    command.args(["--host=127.0.0.1", "--log-level=off", &format!("--port={port}")]);
    // Nothing listens there: the list cannot be fetched, and no log is followed.
    command.args(["--ct-log-log-list-url=http://127.0.0.1:9/list.json"]);
    let _server = Ended(command.stdin(Stdio::null()).spawn().expect("the program runs"));
    let base = format!("http://127.0.0.1:{port}");
    is_up(&base);
    let unwell = check(1, &["--url", &base]);
    assert_eq!(unwell.status.code(), Some(1), "{unwell:?}");
    let told = String::from_utf8_lossy(&unwell.stderr).into_owned();
    assert!(told.contains("503") && told.contains("unhealthy"), "{told}");
}
