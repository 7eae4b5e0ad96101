//! Certificates as columns: the table of columns and its versions, Feather files that are valid
//! after every append, and Parquet.
//!
//! A [`Row`] is anything that has the values of the columns: a message of a server
//! ([`MessageRow`]) or a committed record ([`RecordRow`]). [`Table`] collects rows into
//! batches; [`feather`] and `parquet` write batches. They know nothing of where rows come from.
//!
//! To add a column, add a line to [`COLUMNS`](column::COLUMNS), and a method to [`Row`] if no method
//! returns its value yet. Files of earlier versions stay readable.

pub mod archive;
pub mod column;
pub mod digest;
pub mod feather;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod row;
pub mod schema;
pub mod sorted;
pub mod table;
mod validate;

mod compression;

pub use compression::Compression;
pub use row::{MessageRow, RecordRow, Row};
pub use schema::Rows;
pub use table::Table;

/// The key of the caller's text in the metadata of a file or a batch.
pub(crate) const NOTE_KEY: &str = "certstream.note";
