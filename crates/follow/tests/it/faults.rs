//! Logs that misbehave: no entry is lost or doubled once the fault passes, what is forged or altered
//! is noticed, and other logs do not notice.
//!
//! [`table`] says of each fault what an operator sees of it and what the server does; the test tries
//! every row, and `docs/faults.md` is written from them.

mod document;
mod lines;
mod lists;
mod single;
mod table;
mod trial;

use std::future::Future;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use self::lines::Lines;
use self::table::{GROUPS, Row};
use self::trial::try_row;

/// Rows tried at a time: most of the time each of them waits.
const AT_ONCE: usize = 24;

#[test]
fn no_fault_loses_an_entry_and_forgeries_are_noticed() {
    let tried = |row: &'static Row| row.protocols().iter().map(move |protocol| (row, *protocol));
    let only = std::env::var("FAULT").unwrap_or_default();
    let rows = GROUPS.iter().flat_map(|group| group.rows);
    let rows = rows.filter(|row| row.fault.contains(&only)).flat_map(tried);
    let rows = Mutex::new(rows);
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((row, protocol)) = next(&rows) {
                    let lines = Lines::default();
                    let start = Instant::now();
                    let tried = on_this_thread(&lines, try_row(row, protocol, &lines));
                    println!(
                        "{:5.1} s: {}, {protocol:?}",
                        start.elapsed().as_secs_f64(),
                        row.fault
                    );
                    if let Err(reason) = tried {
                        let mut failed = failed.lock().expect("no panic");
                        failed.push(format!("{}, {protocol:?}: {reason}", row.fault));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no panic");
    assert!(failed.is_empty(), "{} of the table:\n{}", failed.len(), failed.join("\n"));
}

fn next<T>(rows: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    rows.lock().expect("no panic").next()
}

/// Each row has a runtime of its own on this thread, so that its log lines can be told from others'.
fn on_this_thread<T>(lines: &Lines, row: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let _listening = tracing::subscriber::set_default(lines.subscriber());
    runtime.expect("a runtime").block_on(row)
}
