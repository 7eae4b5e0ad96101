//! The log lines of the writer's own thread: it writes them at once, to know whether that succeeds.

use std::cell::RefCell;

thread_local! {
    /// The lines of this thread while they are collected.
    static COLLECTED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Returns the lines that `log` logs, which are not queued; none if they are filtered out.
pub(crate) fn lines_of(log: impl FnOnce()) -> Vec<u8> {
    COLLECTED.set(Some(Vec::new()));
    log();
    COLLECTED.take().unwrap_or_default()
}

/// Takes a line if those of this thread are collected. Returns whether they are.
pub(crate) fn collect(line: &[u8]) -> bool {
    COLLECTED.with_borrow_mut(|collected| match collected {
        Some(lines) => {
            lines.extend_from_slice(line);
            true
        }
        None => false,
    })
}
