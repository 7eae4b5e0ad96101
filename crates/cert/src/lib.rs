//! An X.509 certificate (RFC 5280) as plain borrowed fields, and the text forms that certstream
//! clients know.
//!
//! [`Certificate::read`] never fails and never panics: what certificate authorities and logs have
//! let through includes broken names, impossible dates and truncated files, and every one of them
//! must still reach the reader with whatever can be made out. The layers, outside in:
//!
//! * [`certificate`]: the order of fields that RFC 5280 prescribes, each field read on its own;
//! * `salvage`: when that order breaks, the fields that can be told by their shape;
//! * [`name`], [`time`], [`extension`], [`signature_algorithm`]: one kind of field each;
//! * [`text`]: the dialects in which servers write those fields;
//! * [`registered_domain`]: the part of a name that somebody has registered.
//!
//! Nothing here knows about JSON, logs or sockets. No field is copied out of the input.
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod certificate;
mod der;
pub mod extension;
pub mod general_name;
pub mod name;
pub mod oid;
pub mod precertificate;
mod registered_domain;
mod salvage;
pub mod signature_algorithm;
pub mod tbs;
pub mod text;
pub mod time;

pub use certificate::{Certificate, Digests, ParseError};
pub use der::Fault;
pub use extension::{Extension, ExtensionKind};
pub use general_name::GeneralName;
pub use name::{DirectoryString, Name, Part};
pub use oid::Oid;
pub use registered_domain::registered_domain;
pub use signature_algorithm::SignatureAlgorithm;
pub use text::Dialect;
