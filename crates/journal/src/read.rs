//! Reading: frames of a file, messages of a stream across its segments, batches for readers.

pub(crate) mod blocks;
mod reader;
pub(crate) mod scan;
pub(crate) mod time;
pub(crate) mod walk;

pub(crate) use self::reader::Cursor;
pub use self::reader::{Reader, StoredBatch};
