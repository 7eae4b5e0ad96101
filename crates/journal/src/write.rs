//! Writing: batches become frames, frames go into the active segment, and what is not durable yet is
//! kept in memory, so that it can be written again elsewhere.

mod active;
mod core;
mod names;
mod queue;
mod retention;
mod stage;
mod writer;

pub(crate) use self::core::{Core, is_full};
pub(crate) use self::names::Names;
pub(crate) use self::retention::{Ageing, enforce};
pub use self::writer::{Start, Writer};
