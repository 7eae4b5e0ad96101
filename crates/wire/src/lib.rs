//! The certstream message: one certificate of one log as JSON, in the forms that the clients of the
//! existing servers expect.
//!
//! An [`Event`] is rendered by a [`Renderer`] as one of three [`StreamKind`]s under one of three
//! [`Profile`]s. A profile is a table of choices ([`profile`]), not a code path: there is one
//! renderer, and it writes straight into the caller's buffer. The parts that do not change from message
//! to message are rendered once: the log in its [`Source`], each certificate of a chain in its
//! [`Issuer`]. [`decode`](decode()) is the way back, for clients of any of these servers. A
//! [`filter`] says which events a client wants.
//!
//! Every message is one JSON object in UTF-8 that escapes only what JSON requires (RFC 8259
//! section 7) and writes no number with an exponent.

pub mod decode;
pub mod event;
pub mod filter;
mod heartbeat;
pub mod issuer;
mod json;
pub mod profile;
pub mod render;
mod sample;
pub mod source;

pub use decode::{DecodeError, Incoming, decode};
pub use event::{EntryKind, Event, StreamKind};
pub use heartbeat::heartbeat;
pub use issuer::Issuer;
pub use profile::Profile;
pub use render::{DEFAULT_MAX_MESSAGE_BYTES, Rendered, Renderer};
pub use sample::{sample, sample_rendered_by};
pub use source::{Source, SourceKind};
