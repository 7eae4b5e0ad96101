//! The cases of a run, their size and their length.

use std::time::Duration;

use clap::ArgMatches;

use crate::figures::report::Report;

/// The usual number of clients of one server.
const CROWD: usize = 500;

/// One benchmark.
pub(crate) struct Benchmark {
    pub(crate) name: &'static str,
    /// The names of its cases, in the order in which they run.
    pub(crate) cases: &'static [&'static str],
    /// Takes so long that it runs only if it is named.
    pub(crate) is_long: bool,
    /// Measures one case.
    pub(crate) run: fn(&Plan, &str, &mut Report) -> anyhow::Result<()>,
}

/// The cases to measure, and their size and length.
pub(crate) struct Plan {
    /// The benchmark; none is all of them.
    which: Option<String>,
    /// Only the case of this name.
    only: Option<String>,
    /// Entries to ingest.
    pub(crate) entries: u64,
    /// Clients of the crowd, where their number is given.
    clients: Option<usize>,
    /// The length of a measurement over time, where it is given.
    time: Option<Duration>,
    /// The length of a soak.
    pub(crate) minutes: u64,
    /// The number of times that the server is killed.
    pub(crate) kills: u64,
    /// Entries a second of a cluster's logs.
    pub(crate) rate: u64,
    /// Servers of NATS in a cluster.
    pub(crate) nats: usize,
    /// The seed of a cluster's kills, where it is given.
    pub(crate) seed: Option<u64>,
}

impl Plan {
    /// Reads the plan from the command line.
    pub(crate) fn read(matches: &ArgMatches) -> anyhow::Result<Self> {
        let number = |name: &str| matches.get_one::<u64>(name).copied();
        let text = |name: &str| matches.get_one::<String>(name).cloned();
        Ok(Self {
            which: text("which").filter(|which| which != "all"),
            only: text("only"),
            entries: number("entries").unwrap_or(1),
            clients: number("clients").map(usize::try_from).transpose()?,
            time: number("seconds").map(Duration::from_secs),
            minutes: number("minutes").unwrap_or(1),
            kills: number("kills").unwrap_or(1),
            rate: number("rate").unwrap_or(1),
            nats: text("nats").map_or(Ok(1), |count| count.parse())?,
            seed: number("seed"),
        })
    }

    /// Returns the cases of a benchmark that this plan includes.
    pub(crate) fn cases(&self, benchmark: &Benchmark) -> Vec<&'static str> {
        let chosen = match &self.which {
            Some(which) => which == benchmark.name,
            None => !benchmark.is_long,
        };
        let wanted = |case: &str| self.only.as_ref().is_none_or(|only| only == case);
        benchmark.cases.iter().copied().filter(|case| chosen && wanted(case)).collect()
    }

    /// Returns the number of clients of one server.
    pub(crate) fn crowd(&self) -> usize {
        self.clients(CROWD)
    }

    /// Returns the number of clients: the given one, or `usual`.
    pub(crate) fn clients(&self, usual: usize) -> usize {
        self.clients.unwrap_or(usual)
    }

    /// Returns the length of a measurement: the given one, or `seconds`.
    pub(crate) fn time(&self, seconds: u64) -> Duration {
        self.time.unwrap_or_else(|| Duration::from_secs(seconds))
    }
}
