//! The positions at which logs are resumed: the state file, and positions taken over from
//! certstream-server-go.

use std::path::Path;

use anyhow::Context as _;
use config::{Config, StateRecovery};
use follow::position::{self, State, StateFile};

/// Opens the state file, if one is configured, and returns the state to resume from.
pub(crate) fn open(config: &Config) -> anyhow::Result<(Option<StateFile>, State)> {
    let logs = &config.ct_log;
    let imported = imported(config)?;
    let Some(path) = &logs.state_file else {
        return Ok((None, State { imported, ..State::default() }));
    };
    if logs.state_recovery == StateRecovery::Fail && path.try_exists()? {
        State::read(path).context(
            "the state file cannot be used: repair it or move it away, or set \
             ct_log.state_recovery: fresh",
        )?;
    }
    let opened = StateFile::open(path)?;
    if let Some((aside, problem)) = opened.set_aside {
        tracing::error!(
            state_file = %path.display(),
            set_aside = %aside.display(),
            problem,
            "the state file cannot be read: it was moved aside, and all logs start afresh"
        );
    }
    if let Some(copy) = opened.offset_ignored {
        tracing::warn!(
            state_file = %path.display(),
            copy = %copy.display(),
            "last_offset in the state file is not a valid offset and is ignored: new offsets \
             start at the current time; positions and alarms are kept"
        );
    }
    Ok((Some(opened.file), State { imported, ..opened.state }))
}

/// Returns the positions of certstream-server-go, where they are to be used.
pub(crate) fn imported(config: &Config) -> anyhow::Result<position::Imported> {
    let index = config.ct_log.import_index.as_deref();
    Ok(index.map(import).transpose()?.unwrap_or_default())
}

/// Reads the positions of certstream-server-go; none if it has no file yet, as before its first run.
fn import(path: &Path) -> anyhow::Result<position::Imported> {
    let what = || format!("ct_log.import_index: {}", path.display());
    let Some(imported) = position::import(path).with_context(what)? else {
        tracing::info!(file = %path.display(), "no positions to import: the file does not exist");
        return Ok(position::Imported::default());
    };
    tracing::info!(file = %path.display(), logs = imported.len(), "positions imported");
    Ok(imported)
}
