//! Reading Certificate Transparency logs over the network.
//!
//! A [`Fleet`] decides which logs are followed (the [`catalogue`] of a signed log list, plus logs
//! named by hand) and runs one follower for each. A follower asks its [`source`] (RFC 6962 or
//! static-ct-api) for the tree head, fetches ahead in a bounded window, and emits the entries in
//! index order, each exactly once, as [`Page`]s on one bounded channel.
//!
//! Invariants:
//! * Entries of a log are emitted in index order, without holes, from its start position on.
//! * A tree head whose signature fails is never acted on.
//! * What is in flight is bounded: pages per follower, bytes per answer, requests per host.
//! * A failing log is isolated: it backs off by itself and the others do not notice.

mod breaker;
pub mod catalogue;
mod client;
mod entry;
mod fleet;
mod follower;
mod issuers;
mod link;
mod log;
mod pace;
pub mod position;
mod proof;
mod rfc6962;
pub mod source;
mod static_ct;
mod status;

pub use breaker::{Backoff, BreakerState};
pub use client::{Client, FetchError};
pub use entry::{Entry, Issuer, Page};
pub use fleet::{Fleet, FleetOptions, Reason};
pub use follower::FollowOptions;
pub use issuers::IssuerStore;
pub use log::{Log, LogError, Protocol, Start};
pub use proof::HeadError;
pub use status::{Counters, Health, LogStatus, Snapshot};
