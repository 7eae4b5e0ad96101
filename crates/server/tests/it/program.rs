//! The program itself, in a process of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::Signal;

use crate::harness::PATIENCE;
use crate::operations::process::{self, PROGRAM};

/// A running server and what it has logged.
pub(crate) struct Process {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    pub(crate) address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Process {
    /// Starts the program with a configuration file, on a free port of the loopback interface.
    pub(crate) fn start(file: &str, variables: &[(&str, &str)], flags: &[&str]) -> Self {
        Self::start_as(Command::new(PROGRAM), file, variables, flags)
    }

    /// Starts the program with a limit on open descriptors.
    pub(crate) fn start_with_descriptors(most: u64, file: &str, flags: &[&str]) -> Self {
        let mut shell = Command::new("/bin/sh");
        let limited = format!("ulimit -n {most}; exec \"$0\" \"$@\"");
        shell.args(["-c", &limited, PROGRAM]);
        Self::start_as(shell, file, &[], flags)
    }

    fn start_as(
        mut program: Command,
        file: &str,
        variables: &[(&str, &str)],
        flags: &[&str],
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.yaml");
        std::fs::write(&path, file).expect("writable");
        let mut child = program
            .arg("--config")
            .arg(&path)
            .args(["--host=127.0.0.1", "--port=0"])
            .args(flags)
            .env_clear()
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let errors = BufReader::new(child.stderr.take().expect("piped"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let read = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                read.lock().push(line);
            }
        });
        let address = ([0, 0, 0, 0], 0).into();
        let mut process = Self { child, lines, address, folder };
        let line = process.wait_for_line("listening on ");
        let place = line.split("://").nth(1).and_then(|rest| rest.split('/').next());
        process.address = place.and_then(|place| place.parse().ok()).expect(&line);
        process
    }

    /// The first line that contains a text, as soon as there is one.
    pub(crate) fn wait_for_line(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.lines.lock().iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            assert!(Instant::now() < deadline, "no line has {text:?}: {:#?}", self.lines.lock());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().clone()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The path of its configuration file.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("config.yaml")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        process::signal(&self.child, signal);
    }

    /// Stops it as an operator would.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::TERM);
        assert!(self.child.wait().expect("it ends").success(), "{:#?}", self.lines.lock());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A test that fails leaves nothing behind; one that has stopped it has nothing to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
