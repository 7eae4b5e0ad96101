//! Certificate Transparency logs to test followers against: any number of them, of both protocols
//! (RFC 6962 and static-ct-api), in one process, on one host or several, with a signed log list.
//!
//! ```no_run
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! use ctsim::{Config, Sim};
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let sim = Sim::start(Config { rate: 50.0, ..Config::default() }, listener).await?;
//! println!("follow the logs of {}", sim.list_url());
//! # Ok(())
//! # }
//! ```
//!
//! Real are: keys and log ids, signed tree heads and checkpoints, every hash, tile and proof, the
//! log list's signature, the CA certificates and their signatures, and how precertificate, leaf,
//! issuer key hash and chain fit together. What is not: the signatures of generated subscribers'
//! certificates and of their embedded SCTs are random bytes in the right form.
//!
//! Faults of real logs are injected on demand: each log, and the log list, has its [`fault`]s; logs
//! and hosts can be [limited](Limiter) to so many requests; a [`Host`] can be away; the list [can
//! be changed](Sim::edit_list) while it is served. Of what they were asked logs keep [`Stats`],
//! which `stats.json` shows from outside.
//!
//! Nothing of an entry is stored: entry `i` of a log follows from the seed, the log and `i` alone
//! (and, in its times, from [`Config::epoch`]). A log that starts with 65,536 entries or more repeats
//! its first 65,536, so that it starts quickly: of an RFC 6962 log a repetition has the same hashes
//! and costs nothing; in a static log each leaf holds its own index, and costs about 0.5 µs of one
//! core (10 million entries start in under 3 s on two). Serving costs 1 to 2 µs of CPU an entry,
//! growing 2; `cargo bench -p ctsim` measures it.

mod config;
pub mod corpus;
pub mod fault;
mod http;
mod list;
mod log;
mod pki;
mod sim;

pub use config::{Config, ConfigError, Named};
pub use http::call::Endpoint;
pub use http::host::Host;
pub use http::limit::{Limit, Limiter};
pub use list::{ListDraft, Listing};
pub use log::Protocol;
pub use log::handle::LogHandle;
pub use log::stats::Stats;
pub use pki::key::KeyError;
pub use sim::{Sim, SimError};
