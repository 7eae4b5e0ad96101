//! The settings of a run, after the command line was checked.

use std::path::PathBuf;
use std::time::Duration;

use client::{Address, Proxy};
use columns::{Compression, Rows};

/// The settings of a run.
#[derive(Debug)]
pub struct Settings {
    /// The stream to collect.
    pub address: Address,
    /// The proxy to connect through.
    pub proxy: Option<Proxy>,
    /// A file of additional certificates to trust.
    pub ca_file: Option<PathBuf>,
    /// The kind of rows.
    pub rows: Rows,
    /// True if a new output starts with the oldest message that the server has.
    pub from_oldest: bool,
    /// The number of rows that are written together.
    pub buffer_size: usize,
    /// The longest time before a row is written.
    pub flush_interval: Duration,
    /// The output.
    pub output: OutputSettings,
    /// The interval of status log lines; none for no lines.
    pub stats: Option<Duration>,
}

/// The settings of the output.
#[derive(Clone, Debug)]
pub struct OutputSettings {
    /// The file, or the folder of parts.
    pub target: Target,
    /// The codec of columns.
    pub compression: Compression,
    /// The only folders in which files may be created; empty for anywhere.
    pub allowed: Vec<PathBuf>,
}

/// The kind of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One growing Feather file.
    File(PathBuf),
    /// Parts below a folder.
    Parts(PartSettings),
}

impl Target {
    /// Returns the place at which readers find the rows.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Self::Parts(PartSettings { store: Some(store), .. }) => store.clone(),
            Self::File(path) | Self::Parts(PartSettings { folder: path, .. }) => {
                path.display().to_string()
            }
        }
    }
}

/// The settings of parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartSettings {
    /// The folder.
    pub folder: PathBuf,
    /// The format of closed parts.
    pub format: Format,
    /// The limits at which a part is closed.
    pub rotation: Rotation,
    /// The limits beyond which closed parts are deleted.
    pub retention: Retention,
    /// The object store that closed parts are copied to, and then deleted here.
    pub store: Option<String>,
}

/// The format of closed parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Arrow IPC.
    Feather,
    /// Parquet.
    Parquet,
}

impl Format {
    /// Returns the format of a file extension.
    #[must_use]
    pub fn from_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "feather" | "arrow" | "ipc" => Some(Self::Feather),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// Returns the file extension.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Feather => "feather",
            Self::Parquet => "parquet",
        }
    }
}

impl From<Format> for columns::archive::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Feather => Self::Feather,
            Format::Parquet => Self::Parquet,
        }
    }
}

/// The limits at which a part is closed: the first one reached applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// The size of the open part, in bytes.
    pub size: Option<u64>,
    /// The time since it was started.
    pub time: Option<Duration>,
}

/// The limits beyond which closed parts are deleted, oldest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// The largest total size, in bytes.
    pub bytes: Option<u64>,
    /// The longest age of a part.
    pub age: Option<Duration>,
}
