//! Large numbers and sizes of entries.

mod corpus;
mod generated;
mod large_entries;
mod memory;
