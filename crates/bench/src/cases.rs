//! The benchmarks: what each sets up, measures and requires.

mod cluster;
mod collect;
mod fanout;
mod faults;
mod filters;
mod freshness;
mod hostile;
mod ingest;
mod internet;
mod journal;
mod memory;
mod restart;
mod search;
mod soak;

use crate::plan::Benchmark;

/// All benchmarks, in the order in which they run.
pub(crate) const BENCHMARKS: [Benchmark; 15] = [
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
    journal::BENCHMARK,
    search::BENCHMARK,
    cluster::BENCHMARK,
];
