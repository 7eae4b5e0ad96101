//! HTTP GET for log readers: paced per host, bounded in time and in bytes.

pub(crate) mod addresses;
mod body;
pub(crate) mod budget;
mod caller;
pub(crate) mod client;
pub(crate) mod disk;
pub(crate) mod error;
pub(crate) mod intervals;
pub(crate) mod pace;
pub(crate) mod remembered;
pub(crate) mod retry_after;
mod zips;
