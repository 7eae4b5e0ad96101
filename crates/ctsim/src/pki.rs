//! Certificate authorities, the certificates that they issue, and the keys of logs.

pub(crate) mod authority;
pub(crate) mod certificate;
pub(crate) mod der;
mod extension;
pub(crate) mod key;
pub(crate) mod names;
pub(crate) mod oid;
pub(crate) mod random;
