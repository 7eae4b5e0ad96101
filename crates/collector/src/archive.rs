//! Archives: parts that hold the entries of a range of one log, and the proof that they are the log's.

pub mod compact;
pub mod part;
pub mod place;
pub mod proof;
pub mod verify;
pub mod views;
pub(crate) mod writer;
