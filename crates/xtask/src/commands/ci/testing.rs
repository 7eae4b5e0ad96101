//! The test programs of the workspace, several at a time: they wait more than they compute.

use std::collections::VecDeque;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::build::Program;
use anyhow::{Context as _, ensure};

/// The number of programs that run at a time. More would make tests slow that wait for little.
const AT_ONCE: usize = 2;

/// The number of tests of one program that run at a time, which may be more than there are cores.
const THREADS: &str = "4";

/// The packages whose integration tests take longest, which start first.
const LONGEST: [&str; 3] = ["server", "follow", "collector"];

/// Limits the wait for names that do not exist, where the resolver does not answer: see resolv.conf(5).
const RESOLVER: &str = "attempts:1 timeout:1";

/// A command whose output ends with the summary of a test harness.
struct Job {
    name: String,
    command: Command,
}

/// The sums of the summaries.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
}

/// Runs the programs and the tests in documentation; prints each one's output when it ends.
pub(super) fn run(mut programs: Vec<Program>, documentation: Command) -> anyhow::Result<()> {
    ensure!(!programs.is_empty(), "there is no test program");
    programs.sort_by_key(|program| {
        let place = LONGEST.iter().position(|name| program.folder.ends_with(name));
        (program.target != "it", place.unwrap_or(LONGEST.len()))
    });
    let mut jobs: VecDeque<Job> = programs.iter().map(job).collect();
    jobs.push_back(Job { name: "documentation".to_owned(), command: documentation });
    let start = Instant::now();
    let (counts, failed) = run_jobs(jobs);
    println!("test programs took {:.1} s", start.elapsed().as_secs_f64());
    println!("tests: {} passed, {} failed", counts.passed, counts.failed);
    ensure!(failed.is_empty(), "these failed: {}", failed.join(", "));
    Ok(())
}

fn job(program: &Program) -> Job {
    let mut command = Command::new(&program.path);
    command.current_dir(&program.folder).env("CARGO_MANIFEST_DIR", &program.folder);
    command.env("RUST_TEST_THREADS", THREADS).env("RES_OPTIONS", RESOLVER);
    let package = program.folder.file_name().unwrap_or_default().to_string_lossy();
    Job { name: format!("{package}: {}", program.target), command }
}

/// Returns the counts, and the names of jobs that failed.
fn run_jobs(jobs: VecDeque<Job>) -> (Counts, Vec<String>) {
    let jobs = Mutex::new(jobs);
    let done = Mutex::new((Counts::default(), Vec::new()));
    let next = || jobs.lock().ok()?.pop_front();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(Job { name, mut command }) = next() {
                    let start = Instant::now();
                    let output = command.output();
                    let Ok(mut done) = done.lock() else { return };
                    let reported = report(&name, output, start.elapsed(), &mut done.0);
                    if let Err(error) = reported {
                        println!("{name}: FAILED: {error:#}");
                        done.1.push(name);
                    }
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Prints the output of a job that has ended, and adds its counts to those of the others.
fn report(
    name: &str,
    output: std::io::Result<Output>,
    took: Duration,
    counts: &mut Counts,
) -> anyhow::Result<()> {
    let Output { status, stdout, stderr } = output.context("cannot be started")?;
    println!("== {name}, {:.1} s", took.as_secs_f64());
    let text = String::from_utf8_lossy(&stdout);
    println!("{}{}", text.trim_start(), String::from_utf8_lossy(&stderr));
    counts.add(&text);
    ensure!(status.success(), "{status}");
    Ok(())
}

impl Counts {
    /// Adds those of the lines `test result: ok. 5 passed; 0 failed; …`.
    fn add(&mut self, text: &str) {
        for line in text.lines().filter(|line| line.starts_with("test result: ")) {
            let mut count = 0;
            for word in line.split([' ', ';']) {
                match word {
                    "passed" => self.passed += count,
                    "failed" => self.failed += count,
                    _ => count = word.parse().unwrap_or_default(),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_all_summaries_are_added() {
        let text = "running 3 tests\n\
            test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; finished in 0.10s\n\
            test passed ... ok\n\
            test result: FAILED. 40 passed; 3 failed; 0 ignored; 0 measured\n";
        let mut counts = Counts { passed: 1, failed: 0 };
        counts.add(text);
        assert_eq!(counts, Counts { passed: 43, failed: 3 });
    }

    #[test]
    fn a_job_that_fails_is_named_and_the_others_run() {
        let shell = |name: &str, script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            Job { name: name.to_owned(), command }
        };
        let jobs = VecDeque::from([
            shell("bad", "echo 'test result: FAILED. 1 passed; 1 failed'; exit 101"),
            shell("good", "echo 'test result: ok. 7 passed; 0 failed'"),
            Job { name: "absent".to_owned(), command: Command::new("/nonexistent") },
        ]);
        let (counts, mut failed) = run_jobs(jobs);
        failed.sort();
        assert_eq!(counts, Counts { passed: 8, failed: 1 });
        assert_eq!(failed, ["absent", "bad"]);
    }
}
