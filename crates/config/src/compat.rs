//! Compatibility with the configuration of other servers: each key and variable of
//! certstream-server-rust, certstream-server-go and CaliDog's server (`wire.md` 4.1 to 4.3).
//!
//! [`COMPAT_KEYS`] is the one table of them. Keys that are also ours are in it for the
//! documentation (`docs/peers.md`); the others are translated to a setting of ours, ignored with a
//! warning, or refused.

mod convert;
mod keys;
mod translate;

use serde_json::Value;

use crate::kind::Kind;
use crate::table::{self, Setting};
pub use keys::COMPAT_KEYS;
pub use translate::ProfileOrigin;
pub(crate) use translate::{CompatProblem, CompatValue, OtherVariables, Translated, translate};

/// Another server, whose configuration is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherServer {
    /// certstream-server-rust, from 1.5.3 to 1.6.
    Rust,
    /// certstream-server-go, from 1.9 to 1.10.
    Go,
    /// CaliDog's certstream-server.
    Elixir,
}

/// A key of another server.
#[derive(Debug, Clone, Copy)]
pub struct CompatKey {
    /// The server.
    pub server: OtherServer,
    /// The key in its file; empty for a variable without one.
    pub key: &'static str,
    /// Its variable.
    pub env: Option<&'static str>,
    /// The kind of its values, with bounds.
    pub kind: Kind,
    /// The support for it.
    pub support: Support,
    /// A note for users.
    pub note: &'static str,
}

/// The support for a key of another server.
#[derive(Debug, Clone, Copy)]
pub enum Support {
    /// It is also a key of ours.
    Honoured,
    /// It sets this setting of ours, with the value converted; `None` where it sets nothing.
    Mapped(&'static str, fn(&Value) -> Option<Value>),
    /// It is accepted with a warning and does nothing.
    Accepted,
    /// It enables something that is not offered; the server does not start if it does.
    Refused(fn(&Value) -> bool),
}

impl Support {
    /// Returns the word for it in the documentation.
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

/// Returns the key of another server with this name in a file, in the form of the table.
pub(crate) fn find(key: &str) -> Option<&'static CompatKey> {
    COMPAT_KEYS.iter().find(|known| known.key == key && !matches!(known.support, Support::Honoured))
}

/// Returns the setting that a key of a file sets, under its own name or an alias.
pub(crate) fn setting(key: &str) -> Option<&'static Setting> {
    let of = ALIASES.iter().find(|(alias, _)| *alias == key).map_or(key, |(_, of)| of);
    table::find(of)
}

/// Returns the alias of a setting.
pub(crate) fn alias(key: &str) -> Option<&'static str> {
    ALIASES.iter().find(|(_, of)| *of == key).map(|(alias, _)| *alias)
}

/// Returns the keys of other servers in a file that set a setting.
pub(crate) fn mapped_to(key: &str) -> impl Iterator<Item = &'static str> {
    let is_it = move |known: &&CompatKey| {
        matches!(known.support, Support::Mapped(to, _) if to == key) && !known.key.is_empty()
    };
    COMPAT_KEYS.iter().filter(is_it).map(|known| known.key)
}

/// Aliases of keys, which serde knows too.
const ALIASES: [(&str, &str); 3] = [
    ("rate_limit.max_tokens", "rate_limit.free_max_tokens"),
    ("rate_limit.refill_rate", "rate_limit.free_refill_rate"),
    ("rate_limit.burst", "rate_limit.free_burst"),
];
