//! Reading: frames of a file, messages of a stream across its segments, batches for readers, and a
//! whole journal from outside.

pub(crate) mod blocks;
mod directory;
mod log_table;
mod reader;
pub(crate) mod scan;
pub(crate) mod time;
pub(crate) mod walk;

pub use self::directory::{Contents, Directory, Item};
pub use self::log_table::LogTable;
pub(crate) use self::reader::Cursor;
pub use self::reader::{Reader, StoredBatch};
