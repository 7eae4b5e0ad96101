//! Following Certificate Transparency logs: which ones, and when.
//!
//! A [`Fleet`] decides which logs are followed (the [`catalogue`] of a signed log list, and configured
//! logs) and runs one follower for each. A follower polls the tree head, reads ahead in a bounded
//! window (crate `ctclient`), proves the entries and emits them in index order, each exactly once, as
//! [`Page`]s on one bounded channel. [`LogsView`] is the status of all logs for those who show it, and
//! a [`LogsSnapshot`] brings it to other nodes.
//!
//! Invariants:
//! * Entries of a log are emitted in index order from its start position on, and each index is
//!   accounted for once: by its entry, or in a [`Gap`] with its reason.
//! * A tree head whose signature fails is never acted on (unless verification is off).
//! * The log's tree is recomputed from every entry as served, and its root compared with that of
//!   every signed head that reading reaches.
//! * Everything in flight is bounded: pages per follower; bytes per response, of all responses, and of
//!   all waiting pages; requests per host and in total.
//! * A failing log is isolated: it backs off by itself and does not affect the others.

pub mod acknowledge;
mod alarm;
mod breaker;
pub mod catalogue;
pub mod file;
mod fleet;
mod follower;
mod options;
mod page;
pub mod position;
mod queue;
mod saves;
mod status;
mod view;

pub use alarm::Alarm;
pub use breaker::BreakerState;
pub use ctclient::{
    AlarmKind, Backoff, Client, FetchError, HostSnapshot, Intervals, IssuerCounts, IssuerStore,
    Log, LogError, Protocol,
};
pub use fleet::backfill::{Backfill, BackfillError, Gather, Published};
pub use fleet::{Fleet, FleetOptions, Reason};
pub use options::{CatchUp, FirstPosition, FollowOptions, Start, Verification};
pub use page::{Gap, Hold, Notice, Page};
pub use saves::Saves;
pub use status::LogStatus;
pub use status::counters::{Counters, Counts};
pub use status::listing::Listing;
pub use status::progress::{Health, Snapshot};
pub use view::snapshot::{LogsSnapshot, SnapshotError};
pub use view::{HeldBytes, IssuersView, LogView, LogsView};
