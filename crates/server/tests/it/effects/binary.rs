//! The settings that only the program shows take effect: its log lines and its threads.

use std::time::Duration;

use super::{Group, file_of, variables_of};
use crate::program::Process;

pub(super) const GROUPS: &[Group] = &[LINES, THREADS];

const LINES: Group = &[("log_level", "debug"), ("log_format", "json")];
const THREADS: Group = &[("worker_threads", "3")];

/// A server with these settings, each by its variable of this number; in a file for `None`.
fn start(group: Group, number: Option<usize>) -> Process {
    let variables = |(key, value): &(&'static str, &'static str)| {
        let names = variables_of(key);
        let name = names.get(number?).or_else(|| names.last())?;
        Some((*name, *value))
    };
    let variables: Vec<_> = group.iter().filter_map(variables).collect();
    let file = if number.is_some() { file_of(&[]) } else { file_of(group) };
    Process::start(&file.to_string(), &variables, &["--dry-run"])
}

#[test]
fn log_settings_take_effect() {
    for number in [None, Some(0), Some(1), Some(2)] {
        let process = start(LINES, number);
        process.wait_for_line("open files");
        let lines = process.lines();
        for line in &lines {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            assert!(line["level"].is_string(), "{line}");
        }
        assert!(lines.iter().any(|line| line.contains("\"DEBUG\"")), "{number:?}");
        process.stop();
    }
}

#[test]
fn worker_threads_takes_effect() {
    for number in [None, Some(0), Some(1)] {
        let process = start(THREADS, number);
        let tasks = format!("/proc/{}/task", process.id());
        let workers = || {
            let tasks = std::fs::read_dir(&tasks).expect("a process").flatten();
            let names =
                tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
            names.filter(|name| name.starts_with("tokio-")).count()
        };
        // Threads that block for a moment have the same name, and end when they are idle.
        let deadline = std::time::Instant::now() + crate::harness::PATIENCE;
        while workers() != 3 {
            assert!(std::time::Instant::now() < deadline, "{} threads", workers());
            std::thread::sleep(Duration::from_millis(50));
        }
        process.stop();
    }
}
