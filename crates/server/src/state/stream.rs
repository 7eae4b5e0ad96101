//! The stream at a start: its commit log, its state, and the positions that its logs resume from.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use config::Config;
use follow::position::{self, StateFile};
use ingest::{CommitLog, MemoryLog};
use journal::Journal;
use record::{State, StreamId};

use super::journal_log::Pause;
use super::{persistent, resume};
use crate::first_seen::FirstSeen;

/// A stream about to be published.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The commit log.
    pub(crate) log: Box<dyn CommitLog>,
    /// The fold, after the begin of the term.
    pub(crate) state: State,
    /// The positions that followers resume from.
    pub(crate) saved: position::State,
    /// The state file to write, if there is one.
    pub(crate) state_file: Option<StateFile>,
    /// The journal, if there is one.
    pub(crate) journal: Option<Journal>,
    /// The domains that it has seen, if there is a journal.
    pub(crate) first_seen: Option<Arc<FirstSeen>>,
}

impl Stream {
    /// Opens the journal, or else the state file.
    ///
    /// # Errors
    /// If one of them is configured and cannot be used.
    pub(crate) fn open(config: &Config, random: u64, pause: &Arc<Pause>) -> anyhow::Result<Self> {
        match &config.data_dir {
            Some(data_dir) => Self::persistent(config, data_dir, pause),
            None => Self::in_memory(config, random),
        }
    }

    /// Opens the journal: positions come from it, and nothing is read twice.
    fn persistent(config: &Config, data_dir: &Path, pause: &Arc<Pause>) -> anyhow::Result<Self> {
        let persistent::Persistent { journal, log, state } =
            persistent::open(config, data_dir, pause)?;
        let saved = position::State {
            imported: resume::imported(config)?,
            ..position::State::of_stream(&state)
        };
        let first_seen = FirstSeen::open(config, data_dir, &journal)?;
        let exported = config.compat.export_state.as_deref().map(StateFile::open).transpose()?;
        Ok(Self {
            log: Box::new(log),
            state,
            saved,
            state_file: exported.map(|opened| opened.file),
            journal: Some(journal),
            first_seen: Some(first_seen),
        })
    }

    /// Begins a stream in memory, whose name and positions are in the state file if there is one.
    fn in_memory(config: &Config, random: u64) -> anyhow::Result<Self> {
        let (state_file, mut saved) = resume::open(config)?;
        let first_offset = first_offset(saved.last_offset);
        let stream = saved.stream.unwrap_or_else(|| StreamId::from_random(random));
        saved.stream = Some(stream);
        saved.resent_from = Some(saved.resent_from(first_offset));
        let (log, state) = MemoryLog::begin(first_offset, stream)?;
        Ok(Self { log: Box::new(log), state, saved, state_file, journal: None, first_seen: None })
    }
}

/// Returns the first offset of a process. Offsets only grow, across restarts too.
fn first_offset(last_saved: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_micros()).unwrap_or(0);
    now.max(last_saved.saturating_add(1))
}
