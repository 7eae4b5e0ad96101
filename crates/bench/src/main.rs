//! `cargo xtask bench`: measurements of the programs on one machine, over loopback.
//!
//! Server, simulated logs and load client are release binaries in processes of their own. CPU is
//! user and system time of the server's process alone. All figures are CPU time, ratios within one
//! run, or delays; none is a promise for another machine.
//!
//! Modules depend on those further up in this list only: `harness` starts and watches the programs
//! under test, `figures` computes and reports, `clients` are the client programs, `plan` selects the
//! cases of a run, `cases` are the benchmarks.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]

mod cases;
mod clients;
mod figures;
mod harness;
mod plan;

use std::process::ExitCode;

use anyhow::ensure;
use clap::{Arg, ArgAction, ArgMatches, Command as Cli, value_parser};

use cases::BENCHMARKS;
use figures::report::{Report, print_table};
use plan::Plan;

/// Returns the command line: that of `cargo xtask bench`, and the client programs as subcommands.
fn command_line() -> Cli {
    let number = |name: &'static str, help: &'static str| {
        let parse = value_parser!(u64).range(1..1_000_000_000);
        Arg::new(name).long(name).value_name("N").value_parser(parse).help(help)
    };
    let names = BENCHMARKS.iter().map(|it| it.name).chain(["all"]).collect::<Vec<_>>();
    Cli::new("cargo xtask bench")
        .about("What the server costs; raw figures go to target/bench")
        .after_help(all_cases())
        .args_conflicts_with_subcommands(true)
        .subcommands(clients::commands())
        .arg(Arg::new("which").value_parser(names).default_value("all"))
        .arg(number("entries", "Entries to ingest").default_value("150000"))
        .arg(number("clients", "Clients of the crowd [default: 500, of a cluster 100]"))
        .arg(number("seconds", "Length of a measurement over time [default: 12 to 60]"))
        .arg(number("minutes", "Length of a soak").default_value("10"))
        .arg(number("kills", "How often to kill the server").default_value("50"))
        .arg(number("rate", "Entries a second of a cluster's logs").default_value("2500"))
        .arg(
            Arg::new("nats")
                .long("nats")
                .value_parser(["1", "3"])
                .default_value("3")
                .help("Servers of NATS in a cluster"),
        )
        .arg(number("seed", "The seed of the kills of a cluster [default: a random one]"))
        .arg(Arg::new("only").long("only").value_name("CASE").help("Only the case of this name"))
        .arg(
            // For xtask, which builds the binaries before it starts this program.
            Arg::new("no-build")
                .long("no-build")
                .action(ArgAction::SetTrue)
                .help("Measure the release binaries that are there"),
        )
}

fn all_cases() -> String {
    let lines = BENCHMARKS.iter().map(|it| format!("  {:<10} {}", it.name, it.cases.join(", ")));
    let lines = lines.collect::<Vec<_>>().join("\n");
    let long = BENCHMARKS.iter().filter(|it| it.is_long).map(|it| it.name);
    let long = long.collect::<Vec<_>>().join(", ");
    format!("Cases:\n{lines}\n{long} take minutes and are not among all")
}

fn main() -> ExitCode {
    let matches = command_line().get_matches();
    let outcome = match matches.subcommand() {
        Some((name, options)) => clients::run(name, options),
        None => run(&matches),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the chosen benchmarks; prints a table and writes the raw figures to `target/bench`.
fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let plan = Plan::read(matches)?;
    let chosen = BENCHMARKS.iter().map(|benchmark| (benchmark, plan.cases(benchmark)));
    let chosen: Vec<_> = chosen.filter(|(_, cases)| !cases.is_empty()).collect();
    ensure!(!chosen.is_empty(), "no case has that name. {}", all_cases());
    let mut reports = Vec::new();
    for (benchmark, cases) in chosen {
        println!("== {}", benchmark.name);
        let mut report = Report::new(benchmark.name);
        for case in cases {
            report.begin(case);
            if let Err(error) = (benchmark.run)(&plan, case, &mut report) {
                report.failed(&error);
            }
        }
        report.save()?;
        reports.push(report);
    }
    print_table(&reports);
    let failed: usize = reports.iter().map(|report| report.failures).sum();
    ensure!(failed == 0, "{failed} cases failed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command_line().debug_assert();
    }
}
