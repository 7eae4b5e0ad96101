//! CPU time, memory and descriptors of processes, from proc(5).

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// The unit of times under `/proc`: Linux reports them in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// Measures one process over a while.
pub(crate) struct Stopwatch<'p> {
    /// The process measured, and the others that belong to the measurement.
    processes: &'p [u32],
    start: Instant,
    cpu: Vec<Duration>,
    machine: Duration,
}

/// The CPU time of a process in an interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    pub(crate) wall: Duration,
    /// User and system time of all its threads.
    pub(crate) cpu: Duration,
    /// CPU time of everything on the machine that had no part in the measurement, stolen time
    /// included.
    pub(crate) others: Duration,
}

impl<'p> Stopwatch<'p> {
    /// Measures the first of these processes. The others are what else the measurement runs.
    pub(crate) fn start(processes: &'p [u32]) -> anyhow::Result<Self> {
        Ok(Self {
            processes,
            machine: machine_cpu()?,
            cpu: all_cpu(processes)?,
            start: Instant::now(),
        })
    }

    pub(crate) fn stop(&self) -> anyhow::Result<Spent> {
        let wall = self.start.elapsed();
        let cpu = all_cpu(self.processes)?;
        let machine = machine_cpu()?.saturating_sub(self.machine);
        let used: Vec<Duration> =
            cpu.iter().zip(&self.cpu).map(|(now, then)| now.saturating_sub(*then)).collect();
        let others = machine.saturating_sub(used.iter().sum());
        let cpu = used.first().copied().unwrap_or_default();
        Ok(Spent { wall, cpu, others })
    }
}

impl Spent {
    /// The share of one core.
    pub(crate) fn load(&self) -> f64 {
        self.cpu.as_secs_f64() / self.wall.as_secs_f64()
    }

    /// The cores' share that went to programs that have nothing to do with the run, in words.
    pub(crate) fn disturbance(&self) -> String {
        let wall = self.wall.max(TICK).as_secs_f64();
        format!("others used {:.2} cores", self.others.as_secs_f64() / wall)
    }
}

fn all_cpu(processes: &[u32]) -> anyhow::Result<Vec<Duration>> {
    processes.iter().map(|process| cpu(*process)).collect()
}

/// User and system time of a process and all its threads.
pub(crate) fn cpu(process: u32) -> anyhow::Result<Duration> {
    cpu_in(&format!("/proc/{process}"))
}

/// User and system time of the threads of a process, by their names.
pub(crate) fn cpu_of_threads(process: u32) -> anyhow::Result<BTreeMap<String, Duration>> {
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{process}/task"))? {
        let path = entry?.path();
        // A thread may end meanwhile.
        let (Ok(name), Ok(cpu)) =
            (fs::read_to_string(path.join("comm")), cpu_in(&path.display().to_string()))
        else {
            continue;
        };
        *threads.entry(name.trim_end().to_owned()).or_default() += cpu;
    }
    Ok(threads)
}

/// User and system time of a process or thread, which has this directory.
fn cpu_in(directory: &str) -> anyhow::Result<Duration> {
    let path = format!("{directory}/stat");
    let stat = fs::read_to_string(&path).with_context(|| path.clone())?;
    // The name of the program, in parentheses, may hold anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    ticks(fields, 11..13).with_context(|| format!("{path}: {stat:?}"))
}

/// Time all processors were neither idle nor waiting for disks.
fn machine_cpu() -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/stat").context("/proc/stat")?;
    let line = stat.lines().next().unwrap_or_default().trim_start_matches("cpu");
    // user, nice, system, idle, iowait, irq, softirq, steal
    let busy = ticks(line, 0..3)? + ticks(line, 5..8)?;
    Ok(busy)
}

/// The sum of some of the numbers in a line.
fn ticks(line: &str, fields: std::ops::Range<usize>) -> anyhow::Result<Duration> {
    let wanted = fields.len();
    let mut sum = 0;
    for field in line.split_whitespace().skip(fields.start).take(wanted) {
        sum += field.parse::<u32>()?;
    }
    Ok(TICK * sum)
}

/// Memory of a process in RAM, MB of 1,000,000 bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// All of it.
    pub(crate) resident: f64,
    /// Of which its own, not a part of the program's file.
    pub(crate) anonymous: f64,
}

pub(crate) fn memory(process: u32) -> anyhow::Result<Memory> {
    let path = format!("/proc/{process}/status");
    let mb = |key| anyhow::Ok(number(&path, key)? as f64 * 1024.0 / 1e6);
    Ok(Memory { resident: mb("VmRSS:")?, anonymous: mb("RssAnon:")? })
}

/// Returns the number of files and connections that a process has open.
pub(crate) fn descriptors(process: u32) -> anyhow::Result<usize> {
    let path = format!("/proc/{process}/fd");
    Ok(fs::read_dir(&path).context(path)?.count())
}

/// The number after `key` in a file of the kernel.
fn number(path: &str, key: &str) -> anyhow::Result<u64> {
    let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.with_context(|| format!("{path} does not say {key}"))?.parse().map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_time_of_this_process_grows() {
        let me = [std::process::id()];
        let watch = Stopwatch::start(&me).unwrap();
        let before = cpu(me[0]).unwrap();
        while cpu(me[0]).unwrap() == before {}
        let spent = watch.stop().unwrap();
        assert!(spent.cpu > Duration::ZERO, "{spent:?}");
        assert!(spent.wall > Duration::ZERO, "{spent:?}");
        let memory = memory(me[0]).unwrap();
        assert!(memory.resident > memory.anonymous && memory.anonymous > 0.1, "{memory:?}");
        assert!(descriptors(me[0]).unwrap() >= 3);
    }

    #[test]
    fn no_such_process_is_an_error() {
        assert!(cpu(u32::MAX).is_err());
        assert!(descriptors(u32::MAX).is_err());
    }
}
