//! Limits and hostile clients.

mod bounds;
mod descriptors;
pub(crate) mod guard;
mod hostile;
mod pending;
mod proxies;
mod requests;
