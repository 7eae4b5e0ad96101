//! Saved positions: that of a log, and its update.

use ctclient::Log;

use crate::position::{self, Position, SavedTree, State};
use crate::status::LogStatus;
use crate::status::resume::Resume;

/// Returns the saved position of a log: by its URL, or by its id if the log has moved. A log that took
/// another's URL has none.
pub(super) fn saved_position<'a>(saved: &'a State, log: &Log) -> Option<&'a Position> {
    let id = log.id.map(|id| id.to_string());
    let other = |position: &&Position| position.log_id.is_some() && position.log_id != id;
    let there = saved.logs.get(&log.url).filter(|position| id.is_none() || !other(position));
    let by_id = || saved.logs.values().find(|position| position.log_id == id);
    there.or_else(|| id.as_ref().and_then(|_| by_id()))
}

/// Returns the position that another server had reached.
pub(super) fn imported_position(saved: &State, log: &Log) -> Option<Position> {
    let index = *saved.imported.get(position::without_scheme(&log.url))?;
    Some(Position { current_index: index, ..Position::default() })
}

/// Updates a saved position to where a log is to be resumed; nothing changes before the log has
/// answered.
///
/// Returns the offset after which all entries of the log are read again from there.
pub(super) fn update(position: &mut Position, status: &LogStatus) -> u64 {
    let Some((Resume { index, tree }, resent_from)) = status.saved() else { return 0 };
    let snapshot = status.snapshot();
    position.current_index = index;
    position.has_not_begun = false;
    position.tree = tree.as_ref().map(SavedTree::new);
    position.alarms = snapshot.alarms;
    position.name = Some(status.log.name.clone());
    position.tree_size = position.tree_size.max(snapshot.tree_size);
    if let Some(last_success) = snapshot.last_success {
        position.last_success = last_success.try_into().unwrap_or(i64::MAX);
    }
    position.log_id = status.log.id.map(|id| id.to_string());
    // A log that has left the list is not followed after a restart.
    if status.is_retired() { status.newest_offset() } else { resent_from }
}
