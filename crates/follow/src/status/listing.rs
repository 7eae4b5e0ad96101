//! The description of a followed log in the log lists.

use std::time::Duration;

use ct::log_list::FinalTreeHead;
use serde::{Deserialize, Serialize};

/// The description of a log in the lists in use; empty for a configured log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Its state as lists spell it, such as `usable`; that of the signed list, if the log is in it.
    pub state: Option<String>,
    /// The URLs of the lists that contain it.
    pub lists: Vec<String>,
    /// True if the signed list is one of them.
    pub signed: bool,
    /// The head it must end with, once it is read-only.
    pub final_head: Option<FinalTreeHead>,
    /// Its maximum merge delay: the time within which it has to include a submitted entry.
    pub mmd: Option<Duration>,
}
