//! The place of an archive: a folder, or an object store with a folder for parts that are being written.
//! A part appears there in one step, complete and proved.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::part::{self, Span};
use crate::output::CopyError;
use crate::output::paths;
#[cfg(feature = "s3")]
use crate::output::store::Store;
use crate::output::{OutputError, StagingFolder};
use crate::settings::Format;

/// The ending of files that are being written.
const TEMPORARY: &str = ".tmp";

/// A place that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// A folder or file.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// An object store.
    #[error(transparent)]
    Copy(#[from] CopyError),
}

impl From<paths::PathError> for PlaceError {
    fn from(error: paths::PathError) -> Self {
        Self::Output(error.into())
    }
}

/// The place of an archive, locked against others.
#[derive(Debug)]
pub struct Place {
    name: String,
    folder: PathBuf,
    staging: StagingFolder,
    #[cfg(feature = "s3")]
    store: Option<Store>,
}

impl Place {
    /// Opens a folder, or `s3://BUCKET/PREFIX` with the folder `spool`, and removes what an earlier run
    /// left incomplete.
    ///
    /// # Errors
    ///
    /// If it is refused, another program writes there, or the system refuses.
    pub fn open(output: &str, spool: &Path, allowed: &[PathBuf]) -> Result<Self, PlaceError> {
        let is_store = output.starts_with("s3://");
        let folder = if is_store { spool.to_owned() } else { PathBuf::from(output) };
        paths::check(&folder, allowed)?;
        #[cfg(feature = "s3")]
        let store = if is_store {
            Some(Store::new(output, &folder).map_err(CopyError::from)?)
        } else {
            None
        };
        #[cfg(not(feature = "s3"))]
        if is_store {
            return Err(CopyError::NotBuilt.into());
        }
        paths::make_folder(&folder)?;
        let place = Self {
            name: output.to_owned(),
            staging: StagingFolder::open(&folder, allowed, is_store)?,
            folder,
            #[cfg(feature = "s3")]
            store,
        };
        place.clean()?;
        Ok(place)
    }

    /// Returns the place as the user named it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the folder for what belongs to no part.
    #[must_use]
    pub fn staging(&self) -> &Path {
        self.staging.path()
    }

    /// Removes files that are incomplete.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn clean(&self) -> Result<(), PlaceError> {
        let folder = self.staging.path();
        for entry in fs::read_dir(folder).map_err(paths::at(folder))? {
            let path = entry.map_err(paths::at(folder))?.path();
            if path.to_string_lossy().ends_with(TEMPORARY) {
                match fs::remove_file(&path) {
                    // The thread that wrote it has removed it.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    removed => removed.map_err(paths::at(&path))?,
                }
            }
        }
        Ok(())
    }

    /// Returns the path at which a part is written.
    #[must_use]
    pub fn temporary(&self, name: &str) -> PathBuf {
        self.staging.path().join(format!("{name}{TEMPORARY}"))
    }

    /// Returns the parts of a log.
    ///
    /// # Errors
    ///
    /// If they cannot be listed.
    pub async fn parts(&self, slug: &str) -> Result<Vec<(Span, Format)>, PlaceError> {
        #[cfg(feature = "s3")]
        if let Some(store) = &self.store {
            let names = store.names(&part::folder(slug)).await.map_err(CopyError::from)?;
            return Ok(names.iter().filter_map(|name| part::parse(slug, name)).collect());
        }
        let folder = self.folder.join(part::folder(slug));
        let listed = match fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed.map_err(paths::at(&folder))?,
        };
        let mut parts = Vec::new();
        for entry in listed {
            let name = entry.map_err(paths::at(&folder))?.file_name();
            parts.extend(name.to_str().and_then(|name| part::parse(slug, name)));
        }
        Ok(parts)
    }

    /// Opens a part.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub async fn fetch(&self, slug: &str, name: &str) -> Result<File, PlaceError> {
        #[cfg(feature = "s3")]
        if let Some(store) = &self.store {
            let key = format!("{}/{name}", part::folder(slug));
            let path = self.temporary(name);
            store.fetch(&key, &path).await.map_err(CopyError::from)?;
            let file = File::open(&path).map_err(paths::at(&path))?;
            fs::remove_file(&path).map_err(paths::at(&path))?;
            return Ok(file);
        }
        let path = self.folder.join(part::folder(slug)).join(name);
        Ok(File::open(&path).map_err(paths::at(&path))?)
    }

    /// Lets a complete part appear.
    ///
    /// # Errors
    ///
    /// If it cannot be moved or copied there.
    pub async fn publish(&self, slug: &str, name: &str, bytes: u64) -> Result<(), PlaceError> {
        let temporary = self.temporary(name);
        #[cfg(feature = "s3")]
        if let Some(store) = &self.store {
            let key = format!("{}/{name}", part::folder(slug));
            let put = store.put(&temporary, &key, bytes).await;
            let removed = fs::remove_file(&temporary).map_err(paths::at(&temporary));
            put.map_err(CopyError::from)?;
            return Ok(removed?);
        }
        let _length = bytes;
        let into = paths::make_folders(&self.folder, &[&part::folder(slug)])?;
        let path = into.join(name);
        fs::rename(&temporary, &path).map_err(paths::at(&path))?;
        Ok(paths::sync_folder(&into)?)
    }
}
