//! What log lists say of a log that is followed.

use std::time::Duration;

use ct::log_list::FinalTreeHead;

/// What the lists in use say of a log; nothing, of a log named by hand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Its state as lists spell it, such as `usable`; the signed list's, where that names the log.
    pub state: Option<String>,
    /// The URLs of the lists that name it.
    pub lists: Vec<String>,
    /// Whether the signed list is one of them.
    pub signed: bool,
    /// The head it must end with, once it is read-only.
    pub final_head: Option<FinalTreeHead>,
    /// The time within which it has to sign what it has taken in, its maximum merge delay.
    pub mmd: Option<Duration>,
}
