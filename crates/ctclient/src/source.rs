//! Reading the heads, entries and proofs of one log in either protocol.

pub(crate) mod error;
mod hybrid;
pub(crate) mod integrity;
pub(crate) mod issuers;
mod link;
mod page;
pub(crate) mod paging;
mod proofs;
pub(crate) mod reader;
mod rfc6962;
mod select;
mod static_ct;
mod tile_entries;

pub use self::select::AnySource;
