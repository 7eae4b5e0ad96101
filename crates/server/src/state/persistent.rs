//! Opening the journal in `data_dir`: the stream continues where it stopped, or with the positions of a
//! state file if the journal is new.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use config::Config;
use follow::position::{self, StateFile};
use journal::storage::Disk;
use journal::{
    Damage, Directory, Journal, OpenError, Opened, Settings, Start, Stats, System, Writer,
};
use record::{
    Acknowledgement, Advance, Batch, LogChange, LogIdentity, LogNumber, Position, Protocol, State,
};

use super::journal_log::{JournalLog, Pause};
use super::resume;
use crate::options;

/// An open journal with its term begun.
#[derive(Debug)]
pub(crate) struct Persistent {
    /// The handle for readers.
    pub(crate) journal: Journal,
    /// The commit log to publish through.
    pub(crate) log: JournalLog,
    /// The fold after the begin of the term.
    pub(crate) state: State,
}

/// Opens the journal, imports a state file if it is new, and begins a term.
///
/// # Errors
/// If the directory cannot be used; the message says why.
pub(crate) fn open(
    config: &Config,
    data_dir: &Path,
    pause: &Arc<Pause>,
) -> anyhow::Result<Persistent> {
    let settings = options::journal(config);
    let opened = open_journal(data_dir, settings)?;
    let Opened { journal, mut writer, state, is_lossless, damage, is_new } = opened;
    report(&damage, &state, is_lossless, is_new);
    // Not only if it is new: the server may have been killed before it could import.
    let is_empty = state.logs().len() == 0;
    if let Some(coverage) = coverage(&journal.stats(), config) {
        tracing::info!("{coverage}");
    }
    let imported = if is_empty { Imported::read(config)? } else { None };
    let min_offset = imported.as_ref().map_or(0, |imported| imported.state.last_offset + 1);
    let start = Start { configuration: options::configuration_hash(config), min_offset };
    let mut state = writer.begin(&start).with_context(|| {
        let shown = data_dir.display();
        format!("data_dir: the journal in {shown} cannot be begun; make room on its disk")
    })?;
    if let Some(imported) = imported {
        imported.commit(&mut writer, &journal, &mut state)?;
    }
    let shows_synced = settings.sync == record::SyncMode::Batch;
    let log = JournalLog::start(journal.clone(), writer, Arc::clone(pause), shows_synced)
        .context("cannot start the thread that syncs the journal")?;
    Ok(Persistent { journal, log, state })
}

fn open_journal(data_dir: &Path, settings: Settings) -> anyhow::Result<Opened> {
    let (storage, host) = (Arc::new(Disk), Arc::new(System::new()));
    Journal::open(storage, host, data_dir, settings).context("data_dir")
}

/// Checks that a start can use the directory, and changes nothing that lasts. Returns what the limits
/// mean, if that can be told.
///
/// # Errors
/// The reason why it cannot, for the operator.
pub(crate) fn check(data_dir: &Path, config: &Config) -> Result<Option<String>, String> {
    let shown = data_dir.display();
    match std::fs::metadata(data_dir) {
        Ok(metadata) if !metadata.is_dir() => {
            return Err(format!("{shown} is not a directory"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return check_parent(data_dir),
        Err(error) => return Err(format!("{shown} cannot be read: {error}")),
    }
    try_write(data_dir).map_err(|error| format!("{shown} cannot be written: {error}"))?;
    match Directory::open(Arc::new(Disk), &System::new(), data_dir) {
        Ok(journal) if journal.is_running() => {
            Ok(Some(format!("data_dir: {shown} is in use by a running server")))
        }
        Ok(journal) => Ok(coverage(&journal.stats(&options::journal(config)), config)),
        Err(OpenError::NoJournal(_)) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// Checks that a directory can be created.
fn check_parent(data_dir: &Path) -> Result<Option<String>, String> {
    let parents = data_dir.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty());
    let mut parents = parents;
    let parent = parents.find(|parent| parent.is_dir()).unwrap_or_else(|| Path::new("."));
    try_write(parent).map(|()| None).map_err(|error| {
        format!("{} cannot be created in {}: {error}", data_dir.display(), parent.display())
    })
}

/// Says what time span the limits of the journal cover at the rate of what it has.
fn coverage(stats: &Stats, config: &Config) -> Option<String> {
    let span = stats.coverage?;
    let (number, unit) = match span.as_secs() {
        seconds @ 172_800.. => (seconds / 86_400, "days"),
        seconds @ 7_200.. => (seconds / 3_600, "hours"),
        seconds => (seconds / 60, "minutes"),
    };
    Some(format!(
        "the journal covers about {number} {unit} at the present rate (journal.max_bytes: {})",
        config.journal.max_bytes
    ))
}

/// Creates a file of one block, and removes it: on a full disk, an empty one can still be created.
fn try_write(folder: &Path) -> std::io::Result<()> {
    const BLOCK: usize = 4096;
    let path = folder.join(format!(".writable-{}", std::process::id()));
    let written = std::fs::File::create_new(&path)?.write_all(&[0; BLOCK]);
    std::fs::remove_file(path)?;
    written
}

/// Acknowledges the alarms of the logs with these names, URLs or ids, in the journal of a stopped
/// server. Returns `false` if a server uses it.
///
/// # Errors
/// If the journal cannot be read or written.
pub(crate) fn acknowledge(
    config: &Config,
    data_dir: &Path,
    names: &[String],
) -> anyhow::Result<bool> {
    let (storage, host) = (Arc::new(Disk), Arc::new(System::new()));
    let opened = match Journal::open(storage, host, data_dir, options::journal(config)) {
        Err(OpenError::Locked { .. }) => return Ok(false),
        opened => opened.context("data_dir")?,
    };
    let Opened { mut writer, .. } = opened;
    let start = Start { configuration: options::configuration_hash(config), min_offset: 0 };
    let state = writer.begin(&start)?;
    let mut batch = Batch::new(state.next_header(), state.next_offset());
    let saved = position::State::of_stream(&state);
    for (number, log) in state.logs().filter(|(_, log)| !log.alarms.is_empty()) {
        let url = &log.identity.url;
        let is_of =
            |name: &String| saved.logs.get(url).is_some_and(|position| position.is_of(url, name));
        if names.iter().any(is_of) {
            batch.acknowledgements.push(Acknowledgement { log: number });
        }
    }
    writer.append(&batch)?;
    writer.close()?;
    Ok(true)
}

/// Logs what was found.
fn report(damage: &[Damage], state: &State, is_lossless: bool, is_new: bool) {
    for damage in damage {
        tracing::error!(%damage, "the journal is damaged: the rest of it is served");
    }
    let (stream, next_offset) = (state.stream(), state.next_offset());
    if is_new {
        tracing::info!(%stream, "a new journal");
    } else if is_lossless {
        tracing::info!(%stream, next_offset, logs = state.logs().len(), "the journal continues");
    } else {
        tracing::warn!(
            %stream,
            next_offset,
            "the end of the journal may be lost: what it contained is read from the logs again, and \
             offsets continue after a hole"
        );
    }
}

/// The positions of a state file, for a new journal.
#[derive(Debug)]
struct Imported {
    path: PathBuf,
    /// Keeps other processes from using the file meanwhile.
    _file: StateFile,
    state: position::State,
}

impl Imported {
    /// Reads the configured state file, if there is one.
    fn read(config: &Config) -> anyhow::Result<Option<Self>> {
        let Some(path) = &config.ct_log.state_file else { return Ok(None) };
        if !path.try_exists().with_context(|| format!("ct_log.state_file: {}", path.display()))? {
            return Ok(None);
        }
        let (file, state) = resume::open(config)?;
        Ok(file.map(|file| Self { path: path.clone(), _file: file, state }))
    }

    /// Commits the positions, and then renames the file: it is not read again.
    fn commit(
        self,
        writer: &mut Writer,
        journal: &Journal,
        state: &mut State,
    ) -> anyhow::Result<()> {
        let batch = self.batch(state);
        let logs = batch.advances.len();
        let hash = writer.append(&batch).context("data_dir: the journal cannot be written")?;
        journal.sync().context("data_dir: the journal cannot be synced")?;
        state.apply(&batch, hash)?;
        let age = self.age().map_or(0, |age| age.as_secs());
        let renamed = follow::file::with_suffix(&self.path, ".imported");
        std::fs::rename(&self.path, &renamed)
            .with_context(|| format!("cannot rename {}", self.path.display()))?;
        tracing::info!(
            state_file = %self.path.display(),
            renamed = %renamed.display(),
            logs,
            age_seconds = age,
            "the state file was imported into the journal"
        );
        Ok(())
    }

    /// Returns the time since the file was written.
    fn age(&self) -> Option<Duration> {
        std::fs::metadata(&self.path).ok()?.modified().ok()?.elapsed().ok()
    }

    /// Makes the batch that moves each log to its position.
    fn batch(&self, state: &State) -> Batch {
        let mut batch = Batch::new(state.next_header(), state.next_offset());
        for (url, saved) in &self.state.logs {
            let identity = identity(url, saved);
            let is_known = batch.logs.iter().any(|row: &LogChange| row.identity.is_same(&identity));
            if is_known {
                continue;
            }
            let number = LogNumber(u32::try_from(batch.logs.len()).unwrap_or(u32::MAX));
            batch.logs.push(LogChange { number, identity });
            let tree = saved.tree().filter(|tree| tree.is_consistent(saved.current_index));
            let next = saved.current_index;
            let position = Position { next, largest_head: saved.tree_size.max(next), tree };
            batch.advances.push(Advance { log: number, first: next, position });
            batch.alarms.extend(saved.alarms.iter().map(|alarm| alarm.to_record(number)));
        }
        batch
    }
}

/// Returns the log of a saved position as far as the file knows it; the rest is committed once the log
/// is followed.
fn identity(url: &str, saved: &position::Position) -> LogIdentity {
    LogIdentity {
        id: saved.log_id.as_deref().and_then(|id| id.parse().ok()),
        url: url.trim_end_matches('/').to_owned(),
        name: saved.name.clone().unwrap_or_else(|| url.to_owned()),
        operator: String::new(),
        protocol: Protocol::Rfc6962,
    }
}
