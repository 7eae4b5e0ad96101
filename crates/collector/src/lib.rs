//! `certstream-arrow`: stores the stream of a certstream server in columns, in Arrow Feather or
//! Parquet, and never loses a row.
//!
//! ```text
//!  client ─────────► intake ──► columns::Table ──► writer ──► output
//!  (connect, resume,  (rows)     a batch of rows    (thread)   one file, or parts
//!   gaps, duplicates)            and the progress
//! ```
//!
//! A batch of rows and the [`Progress`](client::Progress) that the rows reach are written in one
//! step. So whatever ends the program, the file itself contains the position to resume from.

pub mod archive;
pub mod backfill;
pub mod cli;
pub mod inspect;
pub mod intake;
pub mod output;
pub mod quantity;
pub mod run;
pub mod settings;
pub mod state;
pub mod status;
mod writer;
