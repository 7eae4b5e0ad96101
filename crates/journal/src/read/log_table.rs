//! The log table as of a batch.

use std::sync::Arc;

use record::{LogChange, LogIdentity, LogNumber, State};

/// The identity that each log had at a place of the stream. Cheap to clone: batches between two changes
/// share one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogTable(Arc<Vec<LogIdentity>>);

impl From<&State> for LogTable {
    fn from(state: &State) -> Self {
        Self(Arc::new(state.logs().map(|(_, log)| log.identity.clone()).collect()))
    }
}

impl LogTable {
    /// Returns the identity of a log.
    #[must_use]
    pub fn get(&self, log: LogNumber) -> Option<&LogIdentity> {
        self.0.get(usize::try_from(log.0).ok()?)
    }

    /// Applies the changes of a batch.
    pub(crate) fn change(&mut self, changes: &[LogChange]) {
        for LogChange { number, identity } in changes {
            let logs = Arc::make_mut(&mut self.0);
            match usize::try_from(number.0).ok().and_then(|at| logs.get_mut(at)) {
                Some(known) => *known = identity.clone(),
                // Numbers are given in order.
                None => logs.push(identity.clone()),
            }
        }
    }

    /// Continues with the table of a state.
    pub(crate) fn replace(&mut self, state: &State) {
        let is_same = state.logs().len() == self.0.len()
            && state.logs().zip(&*self.0).all(|((_, log), known)| log.identity == *known);
        if !is_same {
            *self = Self::from(state);
        }
    }
}
