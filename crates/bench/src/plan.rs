//! `cargo xtask bench`: what the server costs, measured on this machine over loopback.
//!
//! Server, simulated logs and load client are release binaries in processes of their own. CPU is
//! user and system time of the server's process alone. All figures are CPU time, ratios within one
//! run, or delays; none is a promise for another machine.

mod collect;
mod counts;
mod delivery;
mod fanout;
mod faults;
mod filters;
mod freshness;
mod heads;
mod hostile;
mod http;
mod ingest;
mod internet;
mod load;
mod loopback;
mod memory;
mod proc;
mod program;
mod record;
mod report;
mod restart;
mod soak;
mod system;
mod tls;
mod writer;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::ensure;
use clap::{Arg, ArgAction, ArgMatches, Command as Cli, value_parser};

use crate::command::{command, complete};
use program::reporting;
use report::Report;

const NAME: &str = "bench";

/// One benchmark.
struct Benchmark {
    name: &'static str,
    /// What it measures, one after the other.
    cases: &'static [&'static str],
    /// Measures one of them.
    run: fn(&Plan, &str, &mut Report) -> anyhow::Result<()>,
}

const BENCHMARKS: [Benchmark; 12] = [
    internet::BENCHMARK,
    ingest::BENCHMARK,
    fanout::BENCHMARK,
    filters::BENCHMARK,
    memory::BENCHMARK,
    freshness::BENCHMARK,
    restart::BENCHMARK,
    faults::BENCHMARK,
    hostile::BENCHMARK,
    restart::KILLS,
    soak::BENCHMARK,
    collect::KILLS,
];

/// Those that take so long that they are only run when they are named.
const LONG: [&str; 5] = [
    internet::BENCHMARK.name,
    faults::BENCHMARK.name,
    restart::KILLS.name,
    soak::BENCHMARK.name,
    collect::KILLS.name,
];

/// What is to be measured, how large and how long.
struct Plan {
    /// The benchmark; none is all of them.
    which: Option<String>,
    /// Only the case of this name.
    only: Option<String>,
    /// Entries to ingest.
    entries: u64,
    /// Clients of the crowd.
    clients: usize,
    /// Of a measurement over time, where it is given.
    time: Option<Duration>,
    /// Of a soak.
    minutes: u64,
    /// How often to kill the server.
    kills: u64,
}

impl Plan {
    fn read(matches: &ArgMatches) -> anyhow::Result<Self> {
        let number = |name: &str| matches.get_one::<u64>(name).copied();
        let text = |name: &str| matches.get_one::<String>(name).cloned();
        Ok(Self {
            which: text("which").filter(|which| which != "all"),
            only: text("only"),
            entries: number("entries").unwrap_or(1),
            clients: usize::try_from(number("clients").unwrap_or(1))?,
            time: number("seconds").map(Duration::from_secs),
            minutes: number("minutes").unwrap_or(1),
            kills: number("kills").unwrap_or(1),
        })
    }

    /// The cases of a benchmark that are to be measured.
    fn cases(&self, benchmark: &Benchmark) -> Vec<&'static str> {
        let chosen = match &self.which {
            Some(which) => which == benchmark.name,
            None => !LONG.contains(&benchmark.name),
        };
        let wanted = |case: &str| self.only.as_ref().is_none_or(|only| only == case);
        benchmark.cases.iter().copied().filter(|case| chosen && wanted(case)).collect()
    }

    /// How long to measure, `seconds` unless somebody wants it otherwise.
    fn time(&self, seconds: u64) -> Duration {
        self.time.unwrap_or_else(|| Duration::from_secs(seconds))
    }
}

/// `bench`, and the programs it starts, which are this one under other names.
pub(crate) fn commands() -> [Cli; 4] {
    let number = |name: &'static str, help: &'static str| {
        let parse = value_parser!(u64).range(1..1_000_000_000);
        Arg::new(name).long(name).value_name("N").value_parser(parse).help(help)
    };
    let bench = Cli::new(NAME)
        .about("What the server costs; raw figures go to target/bench")
        .after_help(all_cases())
        .arg(
            Arg::new("which")
                .value_parser(
                    BENCHMARKS.map(|it| it.name).into_iter().chain(["all"]).collect::<Vec<_>>(),
                )
                .default_value("all"),
        )
        .arg(number("entries", "Entries to ingest").default_value("150000"))
        .arg(number("clients", "Clients of the crowd").default_value("500"))
        .arg(number("seconds", "Length of a measurement over time [default: 12 to 60]"))
        .arg(number("minutes", "Length of a soak").default_value("10"))
        .arg(number("kills", "How often to kill the server").default_value("50"))
        .arg(Arg::new("only").long("only").value_name("CASE").help("Only the case of this name"))
        .arg(
            Arg::new("no-build")
                .long("no-build")
                .action(ArgAction::SetTrue)
                .help("Measure the release binaries that are there"),
        );
    [bench, load::command(), writer::command(), hostile::command()]
}

/// Runs one of [`commands`].
pub(crate) fn run(name: &str, matches: &ArgMatches) -> anyhow::Result<()> {
    match name {
        load::NAME => reporting(load::run(matches)),
        hostile::NAME => reporting(hostile::run_clients(matches)),
        writer::NAME => writer::run(matches),
        _ => bench(&Plan::read(matches)?, matches.get_flag("no-build")),
    }
}

fn all_cases() -> String {
    let lines = BENCHMARKS.iter().map(|it| format!("  {:<10} {}", it.name, it.cases.join(", ")));
    let lines = lines.collect::<Vec<_>>().join("\n");
    format!("Cases:\n{lines}\n{} take minutes and are not among all", LONG.join(", "))
}

fn bench(plan: &Plan, no_build: bool) -> anyhow::Result<()> {
    let chosen = BENCHMARKS.iter().map(|benchmark| (benchmark, plan.cases(benchmark)));
    let chosen: Vec<_> = chosen.filter(|(_, cases)| !cases.is_empty()).collect();
    ensure!(!chosen.is_empty(), "no case has that name. {}", all_cases());
    if !no_build {
        build()?;
    }
    let mut reports = Vec::new();
    for (benchmark, cases) in chosen {
        println!("== {}", benchmark.name);
        let mut report = Report::new(benchmark.name);
        for case in cases {
            report.begin(case);
            if let Err(error) = (benchmark.run)(plan, case, &mut report) {
                report.failed(&error);
            }
        }
        report.save()?;
        reports.push(report);
    }
    report::print_table(&reports);
    let failed: usize = reports.iter().map(|report| report.failures).sum();
    ensure!(failed == 0, "{failed} cases failed");
    Ok(())
}

fn build() -> anyhow::Result<()> {
    let build = "cargo build --release --locked --bins -p server -p ctsim -p collector -p xtask";
    complete(&mut command(&build.split(' ').collect::<Vec<_>>()))
}

fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Microseconds since 1970.
fn now() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_micros()).unwrap_or(0)
}
