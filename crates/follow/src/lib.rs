//! Reading Certificate Transparency logs over the network.
//!
//! A [`Fleet`] decides which logs are followed (the [`catalogue`] of a signed log list, plus logs
//! named by hand) and runs one follower for each. A follower asks its [`source`] (RFC 6962 or
//! static-ct-api) for the tree head, fetches ahead in a bounded window, and emits the entries in
//! index order, each exactly once, as [`Page`]s on one bounded channel.
//!
//! Invariants:
//! * Entries of a log are emitted in index order, without holes, from its start position on.
//! * A tree head whose signature fails is never acted on (unless verification is off).
//! * The log's tree is recomputed from every entry as served, and its root compared with that of
//!   every signed head that reading reaches (`frontier`, `heads`).
//! * What is in flight is bounded: pages per follower; bytes per answer, of all answers, and of all
//!   pages that wait; requests per host and in all.
//! * A failing log is isolated: it backs off by itself and the others do not notice.

pub mod acknowledge;
mod ahead;
mod alarm;
mod breaker;
mod budget;
mod caller;
pub mod catalogue;
mod client;
mod counters;
mod entry;
mod evidence;
mod failure;
pub mod file;
mod fleet;
mod follower;
mod frontier;
mod heads;
mod hybrid;
mod integrity;
mod issuers;
mod link;
mod listing;
mod locate;
mod log;
mod options;
mod pace;
mod page;
mod paging;
mod poll;
pub mod position;
mod queue;
mod resume;
mod rfc6962;
mod saves;
pub mod source;
mod static_ct;
mod status;
mod throttle;
mod view;

pub use alarm::{Alarm, AlarmKind};
pub use breaker::{Backoff, BreakerState};
pub use client::{Client, FetchError, Intervals};
pub use counters::{Counters, Counts};
pub use entry::{Batch, Entry, Issuer, Page, Served};
pub use fleet::{Fleet, FleetOptions, Reason, Standing};
pub use heads::{HeadError, ServedHead};
pub use issuers::{IssuerCounts, IssuerStore};
pub use listing::Listing;
pub use log::{Log, LogError, Protocol, Start};
pub use options::{CatchUp, FollowOptions, Verification};
pub use pace::HostSnapshot;
pub use saves::Saves;
pub use status::{Health, LogStatus, Snapshot};
pub use view::{HeldBytes, IssuersView, LogView, LogsView};
