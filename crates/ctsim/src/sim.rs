//! The simulator: logs built, served and growing.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use ct::LogId;
use ct::merkle::RangeError;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::{self, JoinSet};

use crate::config::{Config, ConfigError};
use crate::corpus::{Corpus, CorpusError, CorpusLog};
use crate::fault::Faults;
use crate::http::host::Host;
use crate::http::rfc6962::Pages;
use crate::http::server;
use crate::http::site::Site;
use crate::list::{List, ListDraft};
use crate::log::entries::{Entries, Generated};
use crate::log::growth::{Growth, unix_ms};
use crate::log::handle::LogHandle;
use crate::log::history;
use crate::log::schedule::Schedule;
use crate::log::stats::Stats;
use crate::log::tree::Tree;
use crate::log::{Identity, Log, Parts, Protocol};
use crate::pki::authority::Authorities;
use crate::pki::certificate::Generator;
use crate::pki::key::{KeyError, LogKey};

const OPERATORS: [&str; 3] = ["Alder Log Operations", "Birch Transparency", "Cedar Trust Works"];
/// Leaf hashes kept of an RFC 6962 log, which finds leaves by hash: 2 MB.
const LEAVES_KEPT_RFC6962: usize = 65_536;
/// Leaf hashes kept of a static log, which serves level-0 tiles.
const LEAVES_KEPT_STATIC_CT: usize = 4_096;

/// A running simulator. Dropping it ends it at once, connections too.
#[derive(Debug)]
pub struct Sim {
    base_url: String,
    site: Arc<Site>,
    logs: Vec<LogHandle>,
    growth: Option<Growth>,
    /// One task for each host.
    servers: JoinSet<()>,
}

/// An error in starting a simulator.
#[derive(Debug, Error)]
pub enum SimError {
    /// The configuration is out of bounds.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The folder of real entries cannot be served.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// A key cannot be made, or a head not be signed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The tree over the entries at the start is not consistent.
    #[error(transparent)]
    Tree(#[from] RangeError),
    /// The listener or a thread failed.
    #[error("cannot serve: {0}")]
    Io(#[from] io::Error),
}

impl Sim {
    /// Builds the logs of `config` and serves them on `listener`, on the current Tokio runtime. When
    /// this returns, every log has a head and answers.
    ///
    /// # Errors
    /// If `config` is out of bounds or its corpus unreadable, or the system refuses a thread or the
    /// listener's address.
    pub async fn start(config: Config, listener: TcpListener) -> Result<Self, SimError> {
        config.validate()?;
        let listeners = bind(listener, config.hosts).await?;
        let hosts: Vec<_> = listeners
            .iter()
            .map(|listener| Host::new(listener).map(Arc::new))
            .collect::<Result<_, _>>()?;
        let base_urls: Vec<_> = hosts.iter().map(|host| host.base_url()).collect();
        let base_url = base_urls.first().cloned().unwrap_or_default();
        let pages = Pages { limit: config.page_limit, aligned: config.page_aligned };
        let interval = config.publish_interval;
        let epoch = config.epoch.unwrap_or_else(unix_ms);
        let builder = Builder { config, base_urls, epoch };
        // Hashing a history takes seconds; no other task should wait for it.
        let (list, logs) = match task::spawn_blocking(move || builder.build()).await {
            Ok(built) => built?,
            Err(panicked) => return Err(io::Error::other(panicked).into()),
        };
        let by_name = logs.iter().map(|log| (log.identity.name.clone(), Arc::clone(log))).collect();
        let growth = Growth::start(logs.clone(), interval)?;
        let site = Arc::new(Site { list, logs: by_name, hosts: hosts.clone(), pages });
        let mut servers = JoinSet::new();
        for (host, listener) in hosts.into_iter().zip(listeners) {
            servers.spawn(server::run(Arc::clone(&site), host, listener));
        }
        let logs = logs.into_iter().map(|log| LogHandle { log }).collect();
        Ok(Self { base_url, site, logs, growth: Some(growth), servers })
    }

    /// Returns the base URL of the log list and of `stats.json`, which counts requests and
    /// violations of limits. With a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.base_url.clone()
    }

    /// The log list. Its signature is at `log_list.sig` beside it, its key at `log_list_pubkey.pem`.
    #[must_use]
    pub fn list_url(&self) -> String {
        format!("{}log_list.json", self.base_url)
    }

    /// The key that signs the log list, ECDSA P-256, as PEM.
    #[must_use]
    pub fn list_key_pem(&self) -> String {
        self.site.list.key_pem.clone()
    }

    /// The faults of the log list.
    #[must_use]
    pub fn list_faults(&self) -> &Faults {
        &self.site.list.faults
    }

    /// Publishes another log list, signed now.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub fn edit_list(&self, change: impl FnOnce(&mut ListDraft)) -> Result<(), KeyError> {
        self.site.list.edit(unix_ms(), change)
    }

    /// Returns the counts of requests for the log list.
    #[must_use]
    pub fn list_stats(&self) -> &Stats {
        &self.site.list.stats
    }

    /// Returns the hosts of logs; the first one also serves the log list.
    #[must_use]
    pub fn hosts(&self) -> &[Arc<Host>] {
        &self.site.hosts
    }

    /// The logs: generated ones first, of each kind RFC 6962 before static.
    #[must_use]
    pub fn logs(&self) -> &[LogHandle] {
        &self.logs
    }

    /// Ends everything; when this returns the ports are free.
    pub async fn shutdown(mut self) {
        self.servers.shutdown().await;
        let growth = self.growth.take();
        if let Err(error) = task::spawn_blocking(move || drop(growth)).await {
            tracing::error!(%error, "growth ended");
        }
    }
}

/// The listener and as many more, on other ports of its address, as it takes to have `hosts`.
async fn bind(listener: TcpListener, hosts: usize) -> io::Result<Vec<TcpListener>> {
    let address = listener.local_addr()?.ip();
    let mut listeners = vec![listener];
    while listeners.len() < hosts {
        listeners.push(TcpListener::bind((address, 0)).await?);
    }
    Ok(listeners)
}

/// Builds what is served.
struct Builder {
    config: Config,
    /// Those of the hosts.
    base_urls: Vec<String>,
    /// The end of the entries present at the start, in ms since the Unix epoch.
    epoch: u64,
}

impl Builder {
    fn build(&self) -> Result<(List, Vec<Arc<Log>>), SimError> {
        let authorities = Arc::new(Authorities::new()?);
        let mut parts = Vec::new();
        for (protocol, count) in
            [(Protocol::Rfc6962, self.config.rfc6962), (Protocol::StaticCt, self.config.static_ct)]
        {
            for number in 0..count {
                parts.push(self.generated(protocol, number, &authorities)?);
            }
        }
        if let Some(folder) = &self.config.corpus {
            for (number, log) in Corpus::load(folder)?.logs.into_iter().enumerate() {
                parts.push(self.real(log, number, &authorities)?);
            }
        }
        let now = unix_ms();
        let mut logs = Vec::new();
        for mut parts in parts {
            parts.begin_growth(self.config.epoch.unwrap_or(now));
            logs.push(Arc::new(Log::new(parts, now)?));
        }
        Ok((List::new(self.config.seed, logs.clone(), now)?, logs))
    }

    fn generated(
        &self,
        protocol: Protocol,
        number: usize,
        authorities: &Arc<Authorities>,
    ) -> Result<Parts, SimError> {
        let (_, title) = labels(protocol);
        let name = name(protocol, number);
        let description = format!("Simulated {title} log {}", number + 1);
        let key = LogKey::derive(self.config.seed, &name)?;
        let schedule = self.schedule(self.config.initial_size);
        let first = self.first_with(protocol, number)?;
        // As different from log to log as their ids.
        let stream = first.0.as_chunks().0.first().copied().map_or(0, u64::from_be_bytes);
        let certificates =
            Generator::new(self.config.seed, stream, first, schedule, Arc::clone(authorities));
        let is_first = protocol == Protocol::Rfc6962 && number == 0;
        let planted = if is_first { self.config.planted.clone() } else { BTreeMap::new() };
        let certificates = certificates.planting(planted).named(self.config.named.clone());
        let entries = Entries::Generated(Generated::new(certificates, protocol));
        let identity = self.identity(name, description, protocol, number, true);
        self.parts(identity, key, entries, schedule, authorities)
    }

    /// The id of the first log that holds the certificates of this one: the one whose SCTs are in
    /// them.
    fn first_with(&self, protocol: Protocol, number: usize) -> Result<LogId, KeyError> {
        let Config { rfc6962, static_ct, copies, seed, .. } = self.config;
        let groups = (rfc6962 + static_ct).div_ceil(copies).max(1);
        let place = match protocol {
            Protocol::Rfc6962 => number,
            Protocol::StaticCt => rfc6962 + number,
        };
        let first = match place % groups {
            group if group < rfc6962 => name(Protocol::Rfc6962, group),
            group => name(Protocol::StaticCt, group - rfc6962),
        };
        Ok(LogKey::derive(seed, &first)?.log_id)
    }

    fn real(
        &self,
        log: CorpusLog,
        number: usize,
        authorities: &Arc<Authorities>,
    ) -> Result<Parts, SimError> {
        let (label, title) = labels(log.protocol);
        let plain: String =
            log.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let name = format!("{label}-corpus-{plain}");
        let description = format!("Real entries of {} as {title} log", log.name);
        let key = LogKey::derive(self.config.seed, &name)?;
        let schedule = self.schedule(self.config.initial_size.min(log.entries.len() as u64));
        let identity = self.identity(name, description, log.protocol, number, false);
        self.parts(identity, key, Entries::Corpus(log.entries), schedule, authorities)
    }

    fn identity(
        &self,
        name: String,
        description: String,
        protocol: Protocol,
        number: usize,
        sharded: bool,
    ) -> Identity {
        let base_url = &self.base_urls[number % self.base_urls.len()];
        let url = format!("{base_url}{name}/");
        let submission_url = match protocol {
            Protocol::Rfc6962 => None,
            Protocol::StaticCt => Some(format!("{base_url}submit/{name}/")),
        };
        let operator = OPERATORS[number % OPERATORS.len()];
        Identity { name, description, operator, protocol, url, submission_url, sharded }
    }

    fn parts(
        &self,
        identity: Identity,
        key: LogKey,
        entries: Entries,
        schedule: Schedule,
        authorities: &Arc<Authorities>,
    ) -> Result<Parts, SimError> {
        let keep = match identity.protocol {
            Protocol::Rfc6962 => LEAVES_KEPT_RFC6962,
            Protocol::StaticCt => LEAVES_KEPT_STATIC_CT,
        };
        let tree: Tree = history::build(&entries, identity.protocol, schedule.initial_size, keep)?;
        let max_size = self.config.max_size.unwrap_or(u64::MAX);
        let authorities = Arc::clone(authorities);
        Ok(Parts { identity, key, entries, authorities, schedule, max_size, tree })
    }

    fn schedule(&self, initial_size: u64) -> Schedule {
        let Self { epoch, config, .. } = self;
        Schedule { initial_size, rate: config.rate, history_end: *epoch, growth_start: *epoch }
    }
}

/// The name of a generated log, by its number from 0.
fn name(protocol: Protocol, number: usize) -> String {
    format!("{}-{}", labels(protocol).0, number + 1)
}

/// Returns the part of a log's name and description for its protocol.
fn labels(protocol: Protocol) -> (&'static str, &'static str) {
    match protocol {
        Protocol::Rfc6962 => ("rfc6962", "RFC 6962"),
        Protocol::StaticCt => ("static", "static-ct"),
    }
}
