//! The rows of a collector's files.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::inspect;
use crate::process::Programs;

/// The longest wait for rows.
const PATIENCE: Duration = Duration::from_secs(600);

/// Waits until the files in a folder, including the open one, have so many rows.
///
/// # Errors
/// If they do not within ten minutes, or the folder cannot be read.
pub fn wait_for_rows(programs: Programs, folder: &Path, wanted: u64) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut rows = 0;
    while start.elapsed() < PATIENCE {
        rows = rows_in(programs, folder)?;
        if rows >= wanted {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    bail!("{} has {rows} rows, not {wanted}", folder.display())
}

/// Returns the rows of all files in a folder and below it, as far as they can be read now.
fn rows_in(programs: Programs, folder: &Path) -> anyhow::Result<u64> {
    let mut rows = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            // Parts that are closed while this looks are found the next time.
            rows += rows_in(programs, &path).unwrap_or(0);
        } else if path
            .extension()
            .is_some_and(|it| ["feather", "parquet", "open"].iter().any(|name| it == *name))
        {
            let report = inspect(programs, &path).ok();
            rows += report.and_then(|it| it.get("rows")?.as_u64()).unwrap_or(0);
        }
    }
    Ok(rows)
}
