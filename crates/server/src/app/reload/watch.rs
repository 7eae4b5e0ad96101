//! Detecting that files have changed, by whatever means.
//!
//! The folders are watched, not the files: editors replace a file by renaming another, Kubernetes
//! replaces the link to the folder that the file is in. Only a change of contents counts. Since some
//! file systems report nothing, the files are also read every few seconds.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ct::Hash;
use follow::file;
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

/// The interval at which files are read without a notification.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The quiet time after which a change is complete.
const QUIET: Duration = Duration::from_millis(100);
/// Bytes of a file that are compared; larger files are not configuration.
const LARGEST: u64 = 1 << 20;
/// Maximum number of files of a folder, in the order of their names.
const MOST_FILES: usize = 100;

/// A watch on files and folders of files.
#[derive(Debug)]
pub(super) struct Watch {
    paths: Vec<PathBuf>,
    told: mpsc::Receiver<()>,
    /// `None` where the system cannot watch.
    _watcher: Option<RecommendedWatcher>,
    look: Look,
}

/// The digests of the files; `None` for one that cannot be read.
type Look = Vec<(PathBuf, Option<Hash>)>;

impl Watch {
    /// Begins to watch. Later reads are compared with the current contents.
    pub(super) fn new(paths: Vec<PathBuf>) -> Self {
        let (tell, told) = mpsc::channel(1);
        let watcher = watcher(&paths, tell);
        if let Err(error) = &watcher {
            tracing::warn!(%error, "cannot watch the configuration file: changes are noticed \
                                    with a delay");
        }
        let look = look_at(&paths);
        Self { paths, told, _watcher: watcher.ok(), look }
    }

    /// Resolves when the contents of a file have changed and nothing more happens for a moment.
    /// Never resolves where nothing is watched.
    pub(super) async fn changed(watch: Option<&mut Self>) {
        let Some(watch) = watch else { return std::future::pending().await };
        loop {
            // Without a watcher, only the interval counts.
            if let Ok(None) = tokio::time::timeout(LOOK_EVERY, watch.told.recv()).await {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            if watch.look().await == watch.look {
                continue;
            }
            loop {
                let before = watch.look().await;
                tokio::time::sleep(QUIET).await;
                let is_quiet = watch.told.try_recv().is_err();
                let look = watch.look().await;
                if is_quiet && look == before {
                    let is_new = look != watch.look;
                    watch.look = look;
                    if is_new {
                        return;
                    }
                    break;
                }
            }
        }
    }

    async fn look(&self) -> Look {
        let paths = self.paths.clone();
        spawn_blocking(move || look_at(&paths)).await.unwrap_or_default()
    }
}

fn watcher(paths: &[PathBuf], tell: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| is_reading(event.kind)) {
            return;
        }
        // One notification in the queue is enough.
        let _told = tell.try_send(());
    })?;
    let folders: BTreeSet<PathBuf> = paths.iter().flat_map(|path| folders_of(path)).collect();
    for folder in folders {
        watcher.watch(&folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

/// Reports whether an event is only a read, as this module's own.
const fn is_reading(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => !matches!(access, AccessKind::Close(AccessMode::Write)),
        _ => false,
    }
}

/// Returns the folders that are changed with a file: its own, and that of its link's target.
fn folders_of(path: &Path) -> Vec<PathBuf> {
    let folder = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => path.to_owned(),
    };
    let mut folders = vec![folder(path)];
    if path.is_dir() {
        folders.push(path.to_owned());
    }
    folders.extend(path.canonicalize().map(|target| folder(&target)));
    folders
}

fn look_at(paths: &[PathBuf]) -> Look {
    let files = paths.iter().flat_map(|path| match fs::read_dir(path) {
        Ok(entries) => {
            let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
            files.sort_unstable();
            files.truncate(MOST_FILES);
            files
        }
        Err(_) => vec![path.clone()],
    });
    files.map(|file| (digest(&file).ok(), file)).map(|(digest, file)| (file, digest)).collect()
}

fn digest(path: &Path) -> io::Result<Hash> {
    let mut bytes = Vec::new();
    file::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(ct::sha256(&bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// The time that detecting a change may take on a slow machine.
    const PATIENCE: Duration = Duration::from_secs(60);

    async fn notices(watch: &mut Watch, what: &str, change: impl FnOnce()) {
        change();
        let noticed = tokio::time::timeout(PATIENCE, Watch::changed(Some(watch))).await;
        assert!(noticed.is_ok(), "not noticed: {what}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_change_is_detected_in_place_by_rename_by_link_and_by_removal() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| fs::write(at(name), text).expect("writable");
        // As Kubernetes lays it out: file → ..data/file, ..data → a folder for each edition.
        for edition in ["..1", "..2"] {
            fs::create_dir(at(edition)).expect("a folder");
            write(&format!("{edition}/config.yaml"), edition);
        }
        symlink("..1", at("..data")).expect("linked");
        symlink("..data/config.yaml", at("config.yaml")).expect("linked");
        let mut watch = Watch::new(vec![at("config.yaml"), at("more")]);

        notices(&mut watch, "in place", || write("..1/config.yaml", "edited")).await;
        notices(&mut watch, "another link to the folder", || {
            symlink("..2", at("..new")).expect("linked");
            fs::rename(at("..new"), at("..data")).expect("renamed");
        })
        .await;
        notices(&mut watch, "by rename", || {
            write("config.tmp", "renamed");
            fs::rename(at("config.tmp"), at("config.yaml")).expect("renamed");
        })
        .await;
        notices(&mut watch, "removed", || fs::remove_file(at("config.yaml")).expect("removed"))
            .await;
        notices(&mut watch, "made", || write("config.yaml", "made")).await;
        notices(&mut watch, "a folder", || {
            fs::create_dir(at("more")).expect("a folder");
            write("more/a", "a");
        })
        .await;

        // The same contents are no change.
        write("config.yaml", "made");
        write("config.yaml.swp", "of an editor");
        let quiet = tokio::time::timeout(QUIET * 5, Watch::changed(Some(&mut watch))).await;
        assert!(quiet.is_err());
    }
}
