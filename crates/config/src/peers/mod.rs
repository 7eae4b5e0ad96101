//! What becomes of the configuration that people already have: each key and variable of
//! certstream-server-rust, certstream-server-go and CaliDog's server (`wire.md` 4.1 to 4.3).
//!
//! [`PEER_KEYS`] is the one table of them. Keys that are also ours are in it for the documentation
//! (`docs/peers.md`); the others are looked up in it when a file or a variable has one, and mean a
//! setting of ours, or nothing, or that the server does not start.

mod convert;
mod keys;
mod translate;

use serde_json::Value;

use super::kind::Kind;
use super::table::{self, Setting};
pub use keys::PEER_KEYS;
pub use translate::ProfileOrigin;
pub(super) use translate::{PeerProblem, PeerValue, Theirs, Translated, translate};

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// certstream-server-rust, from 1.5.3 to 1.6.
    Rust,
    /// certstream-server-go, from 1.9 to 1.10.
    Go,
    /// CaliDog's certstream-server.
    Elixir,
}

/// A key of another server.
#[derive(Debug, Clone, Copy)]
pub struct PeerKey {
    /// Whose.
    pub peer: Peer,
    /// The key in its file; empty for what is only a variable.
    pub key: &'static str,
    /// Its variable.
    pub env: Option<&'static str>,
    /// What its value may be.
    pub kind: Kind,
    /// What becomes of it.
    pub fate: Fate,
    /// What a user should know of that.
    pub note: &'static str,
}

/// What becomes of a key of another server.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    /// It is a key of ours too.
    Honoured,
    /// It means this setting of ours, with the value converted; `None` where it says nothing.
    Mapped(&'static str, fn(&Value) -> Option<Value>),
    /// It does nothing, which is said.
    Accepted,
    /// What it can switch on is not built: then the server does not start.
    Refused(fn(&Value) -> bool),
}

impl Fate {
    /// The word for it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Honoured => "honoured",
            Self::Mapped(..) => "mapped",
            Self::Accepted => "accepted with a warning",
            Self::Refused(_) => "refused when enabled",
        }
    }
}

/// The key of another server that stands in a file under this name, in the form of the table.
pub(super) fn find(key: &str) -> Option<&'static PeerKey> {
    PEER_KEYS.iter().find(|known| known.key == key && !matches!(known.fate, Fate::Honoured))
}

/// The setting that a key of a file sets under its own name, or under another that serde knows.
pub(super) fn setting(key: &str) -> Option<&'static Setting> {
    let of = ALIASES.iter().find(|(alias, _)| *alias == key).map_or(key, |(_, of)| of);
    table::find(of)
}

/// The other name of a setting.
pub(super) fn alias(key: &str) -> Option<&'static str> {
    ALIASES.iter().find(|(_, of)| *of == key).map(|(alias, _)| *alias)
}

/// Other names of keys, which serde knows as such.
const ALIASES: [(&str, &str); 3] = [
    ("rate_limit.max_tokens", "rate_limit.free_max_tokens"),
    ("rate_limit.refill_rate", "rate_limit.free_refill_rate"),
    ("rate_limit.burst", "rate_limit.free_burst"),
];
