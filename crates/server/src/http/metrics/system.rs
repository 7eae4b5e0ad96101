//! The metrics of the process (proc(5)), under the names that every Prometheus client library gives
//! them, and those of its allocator.

use std::fs;
use std::path::Path;

use tikv_jemalloc_ctl::{epoch, stats};

use super::text::{Exposition, Kind};

/// Times under `/proc` are in hundredths of a second on Linux.
const TICKS_PER_SECOND: f64 = 100.0;
/// The size of a page, as the kernel counts resident memory; that of all machines we build for.
const PAGE: u64 = 4096;

/// Appends the metrics that are available: few where there is no `/proc`.
pub(super) fn write(out: &mut Exposition) {
    let process = Process::read(Path::new("/proc/self"));
    for (name, kind, help, value) in process.rows() {
        if let Some(value) = value {
            out.family(name, kind, help);
            out.sample(name, &[], value);
        }
    }
    for (name, help, value) in allocator() {
        if let Some(value) = value {
            out.family(name, Kind::Gauge, help);
            out.sample(name, &[], value);
        }
    }
}

/// Returns the bytes of memory in RAM, if the kernel reports them.
pub(crate) fn resident_bytes() -> Option<u64> {
    Process::read(Path::new("/proc/self")).resident
}

#[derive(Debug, Default)]
struct Process {
    cpu_seconds: Option<f64>,
    resident: Option<u64>,
    virtual_bytes: Option<u64>,
    threads: Option<u64>,
    /// Unix seconds.
    started: Option<f64>,
    open_files: Option<u64>,
    most_files: Option<u64>,
}

impl Process {
    fn read(folder: &Path) -> Self {
        let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let stat = text("stat");
        // The name of the program, in parentheses, may hold anything.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let field = |number: usize| fields.split_whitespace().nth(number)?.parse::<u64>().ok();
        let seconds = |ticks: u64| ticks as f64 / TICKS_PER_SECOND;
        let limits = text("limits");
        let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
        Self {
            cpu_seconds: field(11).zip(field(12)).map(|(user, system)| seconds(user + system)),
            threads: field(17),
            started: field(19).zip(booted()).map(|(ticks, booted)| booted + seconds(ticks)),
            virtual_bytes: field(20),
            resident: field(21).map(|pages| pages * PAGE),
            open_files: fs::read_dir(folder.join("fd")).ok().map(|files| files.count() as u64),
            most_files: files.and_then(|line| line.split_whitespace().next()?.parse().ok()),
        }
    }

    fn rows(&self) -> [(&'static str, Kind, &'static str, Option<f64>); 7] {
        let whole = |value: Option<u64>| value.map(|value| value as f64);
        [
            (
                "process_cpu_seconds_total",
                Kind::Counter,
                "User and system CPU time of the process",
                self.cpu_seconds,
            ),
            (
                "process_resident_memory_bytes",
                Kind::Gauge,
                "Memory of the process in RAM",
                whole(self.resident),
            ),
            (
                "process_virtual_memory_bytes",
                Kind::Gauge,
                "Address space of the process",
                whole(self.virtual_bytes),
            ),
            ("process_threads", Kind::Gauge, "Threads of the process", whole(self.threads)),
            (
                "process_start_time_seconds",
                Kind::Gauge,
                "When the process started, Unix time",
                self.started,
            ),
            (
                "process_open_fds",
                Kind::Gauge,
                "Open files and connections of the process",
                whole(self.open_files),
            ),
            (
                "process_max_fds",
                Kind::Gauge,
                "Maximum number of open files and connections",
                whole(self.most_files),
            ),
        ]
    }
}

/// Returns the start of the machine, Unix seconds.
fn booted() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// Reads the figures of jemalloc, under the names that certstream-server-rust gives them. Without values
/// where another allocator is in use, as in tests.
fn allocator() -> [(&'static str, &'static str, Option<usize>); 6] {
    // Its figures are as of the last advance of its epoch.
    let fresh = epoch::advance().is_ok();
    let value = |read: tikv_jemalloc_ctl::Result<usize>| if fresh { read.ok() } else { None };
    [
        (
            "certstream_jemalloc_allocated_bytes",
            "Bytes in use by the program",
            value(stats::allocated::read()),
        ),
        (
            "certstream_jemalloc_active_bytes",
            "Bytes in pages that are at least partly in use",
            value(stats::active::read()),
        ),
        (
            "certstream_jemalloc_resident_bytes",
            "Bytes of the allocator in RAM",
            value(stats::resident::read()),
        ),
        (
            "certstream_jemalloc_mapped_bytes",
            "Bytes the allocator has mapped",
            value(stats::mapped::read()),
        ),
        (
            "certstream_jemalloc_retained_bytes",
            "Bytes of address space kept for later, without memory behind it",
            value(stats::retained::read()),
        ),
        (
            "certstream_jemalloc_metadata_bytes",
            "Bytes of the allocator's own records",
            value(stats::metadata::read()),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_this_process_are_plausible() {
        let process = Process::read(Path::new("/proc/self"));
        assert!(process.resident > Some(1 << 20), "{process:?}");
        assert!(process.open_files >= Some(3) && process.open_files < process.most_files);
        assert!(process.threads >= Some(1) && process.virtual_bytes > process.resident);
        // Later than 2020.
        assert!(process.started > Some(1.5e9), "{process:?}");
    }

    #[test]
    fn without_proc_there_are_no_values() {
        let process = Process::read(Path::new("/nonexistent"));
        assert!(process.rows().iter().all(|(.., value)| value.is_none()), "{process:?}");
    }
}
