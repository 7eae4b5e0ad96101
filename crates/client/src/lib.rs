//! A client of certstream servers, of this project's and of others: connects (TLS, proxies), keeps
//! the connection alive, backs off, resumes, and reports duplicates and gaps.
//!
//! ```text
//!  socket ──► Connection ──────────► Session ─────────────────────► Client
//!            (TLS, proxy, pings,    (decodes; Position: offset,     (one stream
//!             back-off)              stream id, gaps; Window:        of events)
//!                                    duplicates; LocalFilter)
//! ```
//!
//! A [`Client`] takes [`Settings`] and returns one [`Event`] after the other: connected, a message,
//! disconnected. Every message carries the gaps that were found with it. What must survive a restart
//! is one value, [`Progress`]; the next client resumes from it ([`Resume`]). The crate opens no file
//! except trusted certificates and a token, and keeps nothing on disk.

pub mod address;
pub mod backoff;
mod client;
pub mod connection;
pub mod credentials;
pub mod dedup;
pub mod gaps;
pub mod local_filter;
pub mod log_limit;
mod position;
pub mod progress;
pub mod session;
pub mod text;
pub mod tls;

pub use address::{Address, Since, Subscription};
pub use backoff::Backoff;
pub use client::{Client, Event, Settings};
pub use connection::Failure;
pub use connection::proxy::Proxy;
pub use progress::{Progress, Resume};
pub use session::{Content, Counters, Message, Session};
