//! The HTTP side of the simulator: reading requests, answering them in both protocols, hosts and their
//! limits.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod call;
pub(crate) mod host;
pub(crate) mod limit;
mod page;
pub(crate) mod rfc6962;
pub(crate) mod server;
pub(crate) mod site;
mod static_ct;
