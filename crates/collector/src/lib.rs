//! `certstream-arrow`: keeps the stream of a certstream server as columns, in Arrow Feather or
//! Parquet, and never loses a row.
//!
//! ```text
//!  socket ──► stream ──► intake (decode, doubles, gaps) ──► table (columns) ──► writer ──► output
//!            (connect,                                      a batch of rows    (thread)   one file,
//!             resume)                                       and a note                    or parts
//! ```
//!
//! A batch of rows and the [`Note`](note::Note) that says up to which offset of the stream the rows
//! go are written in one piece. So whatever ends the program, the file says itself where to go on.

pub mod address;
pub mod cli;
mod copier;
pub mod dedup;
pub mod feather;
pub mod gaps;
mod hush;
pub mod inspect;
pub mod intake;
pub mod note;
pub mod output;
pub mod progress;
pub mod quantity;
pub mod run;
pub mod settings;
pub mod stream;
pub mod table;
mod writer;
