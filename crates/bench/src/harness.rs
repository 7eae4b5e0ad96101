//! Starting, querying and watching the programs under test.

pub(crate) mod http;
pub(crate) mod proc;
pub(crate) mod site;
pub(crate) mod tls;

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use xtask::process::target;

/// Returns the folder of the benchmarks' files, which it creates if it is absent.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    let folder = target().join("bench");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Sleeps between two steps of a measurement.
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Returns the time, microseconds since 1970.
pub(crate) fn now() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_micros()).unwrap_or(0)
}
