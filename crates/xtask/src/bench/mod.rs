//! `cargo xtask bench`: what the server costs, measured on this machine over loopback.
//!
//! Server, simulated logs and load client are release binaries in processes of their own. CPU is
//! user and system time of the server's process alone. All figures are CPU time, ratios within one
//! run, or delays; none is a promise for another machine.

mod client;
mod counts;
mod fanout;
mod freshness;
mod heads;
mod http;
mod ingest;
mod load;
mod memory;
mod proc;
mod record;
mod report;
mod restart;
mod soak;
mod system;
mod writer;

use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command as Cli, value_parser};

use crate::command::{command, complete};
use report::Report;

const NAME: &str = "bench";

type Benchmark = (&'static str, fn(&Plan) -> anyhow::Result<Report>);

const BENCHMARKS: [Benchmark; 7] = [
    ("ingest", ingest::run),
    ("fanout", fanout::run),
    ("memory", memory::run),
    ("freshness", freshness::run),
    ("restart", restart::run),
    ("kill", restart::run_kills),
    ("soak", soak::run),
];

/// Those that take so long that they are only run when they are named.
const LONG: [&str; 2] = ["kill", "soak"];

/// How large and how long.
struct Plan {
    /// Entries to ingest.
    entries: u64,
    /// Clients of the crowd.
    clients: usize,
    /// Of a measurement over time.
    time: Duration,
    /// Of a soak.
    minutes: u64,
    /// How often to kill the server.
    kills: u64,
    /// Measure only cases with this in their name.
    only: Option<String>,
}

impl Plan {
    fn wants(&self, case: &str) -> bool {
        self.only.as_ref().is_none_or(|only| case.contains(only.as_str()))
    }
}

/// `bench`, and the programs it starts, which are this one under other names.
pub(crate) fn commands() -> [Cli; 3] {
    let names = BENCHMARKS.map(|(name, _)| name);
    let number = |name: &'static str, default: &'static str, help: &'static str| {
        let parse = value_parser!(u64).range(1..1_000_000_000);
        Arg::new(name)
            .long(name)
            .value_name("N")
            .default_value(default)
            .value_parser(parse)
            .help(help)
    };
    let bench = Cli::new(NAME)
        .about("What the server costs; raw figures go to target/bench")
        .after_help("soak and kill take minutes and are not among all")
        .arg(
            Arg::new("which")
                .value_parser(names.into_iter().chain(["all"]).collect::<Vec<_>>())
                .default_value("all"),
        )
        .arg(number("entries", "150000", "Entries to ingest"))
        .arg(number("clients", "500", "Clients of the crowd"))
        .arg(number("seconds", "20", "Length of a measurement over time"))
        .arg(number("minutes", "10", "Length of a soak"))
        .arg(number("kills", "50", "How often to kill the server"))
        .arg(Arg::new("only").long("only").value_name("CASE").help("Only cases named like this"))
        .arg(
            Arg::new("no-build")
                .long("no-build")
                .action(ArgAction::SetTrue)
                .help("Measure the release binaries that are there"),
        );
    [bench, load::command(), writer::command()]
}

/// Runs one of [`commands`].
pub(crate) fn run(name: &str, matches: &ArgMatches) -> anyhow::Result<()> {
    match name {
        load::NAME => load::run(matches),
        writer::NAME => writer::run(matches),
        _ => bench(matches),
    }
}

fn bench(matches: &ArgMatches) -> anyhow::Result<()> {
    let number = |name: &str| matches.get_one::<u64>(name).copied().unwrap_or(1);
    let plan = Plan {
        entries: number("entries"),
        clients: usize::try_from(number("clients"))?,
        time: Duration::from_secs(number("seconds")),
        minutes: number("minutes"),
        kills: number("kills"),
        only: matches.get_one::<String>("only").cloned(),
    };
    let which = matches.get_one::<String>("which").map_or("all", String::as_str);
    if !matches.get_flag("no-build") {
        build()?;
    }
    let mut reports = Vec::new();
    for (name, benchmark) in BENCHMARKS {
        if which == name || which == "all" && !LONG.contains(&name) {
            println!("== {name}");
            let report = benchmark(&plan)?;
            report.save()?;
            reports.push(report);
        }
    }
    report::print_table(&reports);
    Ok(())
}

fn build() -> anyhow::Result<()> {
    let build = "cargo build --release --locked --bins -p server -p ctsim -p xtask";
    complete(&mut command(&build.split(' ').collect::<Vec<_>>()))
}

fn pause(time: Duration) {
    std::thread::sleep(time);
}
