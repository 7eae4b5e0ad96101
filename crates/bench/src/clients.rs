//! Clients of a server, each kind a process of its own, and the benchmarks' side of these processes.

pub(crate) mod delivery;
pub(crate) mod events;
pub(crate) mod hostile;
pub(crate) mod load;
pub(crate) mod loopback;
pub(crate) mod program;
pub(crate) mod request;
pub(crate) mod writer;

use clap::{ArgMatches, Command as Cli};

/// Returns the command lines of the client programs.
pub(crate) fn commands() -> [Cli; 3] {
    [load::command(), writer::command(), hostile::command()]
}

/// Runs one of the client programs.
pub(crate) fn run(name: &str, options: &ArgMatches) -> anyhow::Result<()> {
    match name {
        load::NAME => events::reporting(load::run(options)),
        hostile::NAME => events::reporting(hostile::run(options)),
        _ => writer::run(options),
    }
}
