//! What the command line, checked, comes to.

use std::path::PathBuf;
use std::time::Duration;

use crate::address::Address;
use crate::feather::Compression;
use crate::stream::proxy::Proxy;
use crate::table::schema::Rows;

/// What to collect and how.
#[derive(Debug)]
pub struct Settings {
    /// The server.
    pub address: Address,
    /// What is between here and the server.
    pub proxy: Option<Proxy>,
    /// More certificates to trust.
    pub ca_file: Option<PathBuf>,
    /// What a row is about.
    pub rows: Rows,
    /// Whether a new output begins with the oldest message that the server has.
    pub from_oldest: bool,
    /// Rows that are written together.
    pub buffer_size: usize,
    /// The longest time that a row waits to be written.
    pub flush_interval: Duration,
    /// Where rows go.
    pub output: OutputSettings,
    /// How often to say how things stand; none never.
    pub stats: Option<Duration>,
}

/// Where rows go, and in what form.
#[derive(Clone, Debug)]
pub struct OutputSettings {
    /// The file, or the folder of parts.
    pub target: Target,
    /// How columns are compressed.
    pub compression: Compression,
    /// The only folders in which files may be made; none is anywhere.
    pub allowed: Vec<PathBuf>,
}

/// What the output is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One growing Feather file.
    File(PathBuf),
    /// Parts below a folder.
    Parts(PartSettings),
}

impl Target {
    /// Returns where readers find the rows in the end.
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

/// How parts are made and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartSettings {
    /// The folder.
    pub folder: PathBuf,
    /// The form of closed parts.
    pub format: Format,
    /// When a part is closed.
    pub rotation: Rotation,
    /// Which closed parts are deleted.
    pub retention: Retention,
    /// Where closed parts are copied to, after which they are deleted here.
    pub store: Option<String>,
}

/// The form of closed parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Arrow IPC.
    Feather,
    /// Parquet.
    Parquet,
}

impl Format {
    /// The format that a name's extension stands for.
    #[must_use]
    pub fn of_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "feather" | "arrow" | "ipc" => Some(Self::Feather),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// The end of a file's name.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Feather => "feather",
            Self::Parquet => "parquet",
        }
    }
}

/// When a part is closed: at the first of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Bytes of the open part.
    pub size: Option<u64>,
    /// Time since it was begun.
    pub time: Option<Duration>,
}

/// Which closed parts are deleted, oldest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// All that there is may not be larger than this.
    pub bytes: Option<u64>,
    /// No part may be older than this.
    pub age: Option<Duration>,
}
