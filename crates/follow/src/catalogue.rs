//! The log lists: which logs there are, and which of them are wanted.
//!
//! One list is signed, and rules: it alone can have a log stopped. Others only add logs, and say so
//! in [`Listing::signed`](crate::Listing::signed). A list is never replaced by an older one, across
//! restarts too where there is a cache, from which a start without network is served.

mod cache;
mod fetch;
mod merge;
mod select;

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ct::log_list::{ListError, LogList, SkipReason, Skipped, Timestamp, Version};
use ct::signature::{PublicKey, SignatureError};

use self::cache::{Cache, Stored};
use self::fetch::Fetched;
pub(crate) use self::merge::Selected;
pub use self::select::Selection;
use crate::client::{Client, FetchError};
use crate::log::Log;

/// Chrome's log list.
pub const CHROME_LIST_URL: &str = "https://www.gstatic.com/ct/log_list/v3/log_list.json";
/// Chrome's list of all logs it ever heard of, those for tests among them.
pub const CHROME_ALL_LOGS_URL: &str = "https://www.gstatic.com/ct/log_list/v3/all_logs_list.json";

/// A list this old has been abandoned, or is kept from us: Chrome goes by the same time.
const STALE_AFTER: Duration = Duration::from_secs(70 * 86_400);

/// Which lists, and which of their logs.
#[derive(Debug, Clone)]
pub struct CatalogueOptions {
    /// Where the signed list is; its signature lies beside it, `.json` replaced by `.sig`.
    pub url: String,
    /// The key that signs it.
    pub key: PublicKey,
    /// Further lists, without signatures.
    pub extra: Vec<String>,
    /// Which logs are followed.
    pub selection: Selection,
    /// Whether a log that leaves the signed list is followed nevertheless.
    pub keep_removed: bool,
    /// The file that keeps the lists for a start without network.
    pub cache: Option<PathBuf>,
    /// How often the lists are fetched again; zero for never.
    pub refresh: Duration,
}

impl CatalogueOptions {
    /// The list at `url`, signed by `key`, read every hour and kept nowhere.
    #[must_use]
    pub fn new(url: String, key: PublicKey) -> Self {
        Self {
            url,
            key,
            extra: Vec::new(),
            selection: Selection::default(),
            keep_removed: false,
            cache: None,
            refresh: Duration::from_secs(3600),
        }
    }
}

/// Why there is no (new) log list.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The list could not be fetched.
    #[error("log list: {0}")]
    Fetch(#[from] FetchError),
    /// The list is there, its signature is not.
    #[error("log list {url}: cannot fetch its signature: {source}")]
    NoSignature {
        /// The list.
        url: String,
        /// Why.
        source: FetchError,
    },
    /// The bytes are not what the key signed.
    #[error("log list {url}: the signature does not verify: {source}")]
    Signature {
        /// The list.
        url: String,
        /// What the check found.
        source: SignatureError,
    },
    /// Not a list this program understands.
    #[error("log list {url}: {source}")]
    List {
        /// The list.
        url: String,
        /// What is wrong with it.
        source: ListError,
    },
    /// Older than the one in use.
    #[error("log list {url}: {offered} is older than {current}, which is in use")]
    RolledBack {
        /// The list.
        url: String,
        /// The edition just fetched.
        offered: Edition,
        /// The edition in use.
        current: Edition,
    },
}

/// Which edition of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edition {
    /// Its version, which only grows.
    pub version: Option<Version>,
    /// When it was made.
    pub timestamp: Option<Timestamp>,
}

impl Edition {
    const fn of(list: &LogList) -> Self {
        Self { version: list.version, timestamp: list.timestamp }
    }

    /// Whether version or time has gone back.
    fn is_before(&self, other: &Self) -> bool {
        let version = self.version.zip(other.version).is_some_and(|(a, b)| a < b);
        let timestamp = self.timestamp.zip(other.timestamp).is_some_and(|(a, b)| a < b);
        version || timestamp
    }
}

impl std::fmt::Display for Edition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.version {
            Some(version) => write!(f, "version {version}")?,
            None => f.write_str("a list without version")?,
        }
        self.timestamp.map_or(Ok(()), |timestamp| write!(f, " of {timestamp}"))
    }
}

/// How a list fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListStatus {
    /// Where it is.
    pub url: String,
    /// Whether it is the one whose signature is verified.
    pub signed: bool,
    /// The edition in use, if there is one.
    pub edition: Option<Edition>,
    /// Logs in it that could be read, wanted or not.
    pub logs: usize,
    /// Logs in it that could not be read.
    pub skipped: usize,
    /// When the edition in use was fetched last, Unix seconds.
    pub fetched: Option<u64>,
    /// Whether it comes from the cache and has not been had from its place since the start.
    pub cached: bool,
    /// Whether it is too old to have a log stopped.
    pub stale: bool,
    /// Why the last attempt to fetch it failed.
    pub error: Option<String>,
}

/// What may be stopped because the signed list does not want it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// No log.
    Nothing,
    /// Every log, except where the list says something of a log by this name, or at this URL, that
    /// cannot be read.
    AllBut(HashSet<String>),
}

impl Removal {
    pub(crate) fn concerns(&self, log: &Log) -> bool {
        match self {
            Self::Nothing => false,
            Self::AllBut(unreadable) => !unreadable
                .iter()
                .any(|what| *what == log.name || what.trim_end_matches('/') == log.url),
        }
    }
}

/// The lists in use.
#[derive(Debug)]
pub(crate) struct Catalogue {
    options: CatalogueOptions,
    client: Client,
    cache: Option<Cache>,
    /// The signed one first.
    lists: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    url: String,
    signed: bool,
    /// Whether it is at a private address: then its logs may be, too.
    private: bool,
    current: Option<Current>,
    error: Option<String>,
}

/// The edition of a list that is in use.
#[derive(Debug, Clone)]
struct Current {
    list: LogList,
    stored: Stored,
    cached: bool,
}

impl Catalogue {
    /// Begins with what the cache holds.
    pub(crate) async fn open(options: CatalogueOptions, client: Client) -> Self {
        let cache = options.cache.clone().map(Cache::new);
        let lists = Held::none_yet(&options);
        let mut catalogue = Self { lists, options, client, cache };
        catalogue.load().await;
        catalogue.find().await;
        catalogue
    }

    /// Finds out which lists are at private addresses. Only their hosts may have such addresses: the
    /// host of a public list may be that of a log too.
    async fn find(&mut self) {
        for held in &mut self.lists {
            held.private = Client::has_private_host(&held.url).await;
            if held.private {
                self.client.trust(&held.url);
            }
        }
    }

    /// Takes what the cache holds for lists that are not there yet.
    async fn load(&mut self) {
        let Some(cache) = &self.cache else { return };
        for stored in cache.load().await {
            self.restore(stored);
        }
    }

    /// Wants other lists or other logs of them from now on. Lists at hand stay at hand. Returns the
    /// URLs of the logs that were wanted and are not any more; what only the signed list can tell,
    /// because it is another one now, is left to that.
    pub(crate) async fn change(&mut self, options: CatalogueOptions) -> HashSet<String> {
        let cache_moved = self.options.cache != options.cache;
        let mut before = std::mem::replace(&mut self.lists, Held::none_yet(&options));
        let old = std::mem::replace(&mut self.options, options);
        for held in &mut self.lists {
            let same = |other: &&mut Held| other.url == held.url && other.signed == held.signed;
            let Some(known) = before.iter_mut().find(same) else { continue };
            held.current.clone_from(&known.current);
            held.error.clone_from(&known.error);
            let key = &self.options.key;
            let verified = |current: &Current| current.stored.verify(key).is_ok();
            if held.signed && !held.current.as_ref().is_some_and(verified) {
                held.current = None;
            }
        }
        if self.lists.iter().all(|held| !held.signed || held.current.is_none()) {
            before.retain(|held| !held.signed);
        }
        if cache_moved {
            self.cache = self.options.cache.clone().map(Cache::new);
            self.keep().await;
        }
        if self.lacks_a_list() {
            self.load().await;
        }
        self.find().await;
        let wanted = urls(&self.lists, &self.options.selection);
        urls(&before, &old.selection).into_iter().filter(|url| !wanted.contains(url)).collect()
    }

    /// Whether there is a list to be fetched that has never been.
    pub(crate) fn lacks_a_list(&self) -> bool {
        self.lists.iter().any(|held| held.current.is_none() && held.error.is_none())
    }

    /// Takes a list out of the cache, if it is one of those wanted and what it should be.
    fn restore(&mut self, stored: Stored) {
        let missing = |held: &&mut Held| held.url == stored.url && held.current.is_none();
        let Some(held) = self.lists.iter_mut().find(missing) else { return };
        let read = match held.signed {
            true => stored.verify(&self.options.key),
            false => stored.parse(),
        };
        match read {
            Ok(list) => {
                let edition = Edition::of(&list);
                tracing::info!(url = held.url, %edition, "log list taken from the cache");
                held.current = Some(Current { list, stored, cached: true });
            }
            Err(error) => tracing::warn!(%error, "log list in the cache is not used"),
        }
    }

    pub(crate) const fn options(&self) -> &CatalogueOptions {
        &self.options
    }

    /// Fetches all lists anew.
    ///
    /// # Errors
    /// When the signed list cannot be had; what is in use stays in use. The others' errors are
    /// shown in their [`status`](Self::statuses) only.
    pub(crate) async fn refresh(&mut self) -> Result<(), CatalogueError> {
        let mut outcome = Ok(());
        let mut fetched = false;
        self.find().await;
        for held in &mut self.lists {
            let result = match held.signed {
                true => fetch::signed(&self.client, &held.url, &self.options.key).await,
                false => fetch::unsigned(&self.client, &held.url).await,
            };
            match result.and_then(|new| held.replace(new)) {
                Ok(()) => {
                    held.error = None;
                    fetched = true;
                }
                Err(error) => {
                    tracing::warn!(%error, signed = held.signed, "cannot fetch the log list");
                    held.error = Some(error.to_string());
                    if held.signed {
                        outcome = Err(error);
                    }
                }
            }
        }
        if fetched {
            self.keep().await;
        }
        outcome
    }

    /// Writes the lists in use to the cache.
    async fn keep(&self) {
        let Some(cache) = &self.cache else { return };
        let current = self.lists.iter().filter_map(|held| held.current.as_ref());
        let stored = current.map(|current| current.stored.clone()).collect();
        if let Err(error) = cache.save(stored).await {
            tracing::error!(%error, "log lists could not be kept for a start without network");
        }
    }

    /// The wanted logs of all lists in use.
    pub(crate) fn selected(&self) -> Vec<Selected> {
        let selected = selected(&self.lists, &self.options.selection);
        let private = self.lists.iter().filter(|held| held.private).map(|held| &held.url);
        let private: HashSet<&String> = private.collect();
        for Selected { log, listing } in &selected {
            if listing.lists.iter().any(|url| private.contains(url)) {
                self.client.trust(&log.url);
            }
        }
        selected
    }

    /// What may be stopped because it is not [selected](Self::selected); nothing where the signed
    /// list is not such that a log which is not in it should be.
    pub(crate) fn removal(&self) -> Removal {
        let signed = self.lists.iter().find(|held| held.signed);
        let current = signed.and_then(|held| held.current.as_ref());
        let acted_on = current.filter(|current| !current.cached && !current.is_stale());
        match acted_on.filter(|_| !self.options.keep_removed) {
            None => Removal::Nothing,
            Some(current) => {
                let unreadable = current.list.skipped.iter();
                Removal::AllBut(unreadable.map(|skipped| skipped.what.clone()).collect())
            }
        }
    }

    /// How each list fares, the signed one first.
    pub(crate) fn statuses(&self) -> Vec<ListStatus> {
        self.lists.iter().map(Held::status).collect()
    }
}

fn selected(lists: &[Held], selection: &Selection) -> Vec<Selected> {
    let current = lists
        .iter()
        .filter_map(|held| Some((held.url.as_str(), held.signed, &held.current.as_ref()?.list)));
    merge::merge(&current.collect::<Vec<_>>(), selection)
}

fn urls(lists: &[Held], selection: &Selection) -> HashSet<String> {
    selected(lists, selection).into_iter().map(|selected| selected.log.url).collect()
}

impl Held {
    /// The lists that are wanted, none of them at hand.
    fn none_yet(options: &CatalogueOptions) -> Vec<Self> {
        let signed = [(options.url.clone(), true)].into_iter();
        let extra = options.extra.iter().filter(|url| **url != options.url);
        let lists = signed.chain(extra.map(|url| (url.clone(), false)));
        let list = |(url, signed)| Self { url, signed, private: false, current: None, error: None };
        lists.map(list).collect()
    }

    /// Puts a new edition into use unless it is older than the one in use.
    fn replace(&mut self, new: Fetched) -> Result<(), CatalogueError> {
        let offered = Edition::of(&new.list);
        let before = self.current.as_ref().map(|current| Edition::of(&current.list));
        if let Some(current) = before.filter(|current| self.signed && offered.is_before(current)) {
            return Err(CatalogueError::RolledBack { url: self.url.clone(), offered, current });
        }
        if before != Some(offered) {
            let (url, logs) = (&self.url, new.list.logs.len());
            tracing::info!(url, edition = %offered, signed = self.signed, logs, "log list read");
            if new.list.shortened > 0 {
                let names = new.list.shortened;
                tracing::warn!(url, names, "names in the log list are too long, they are cut");
            }
            let placeholder = |skipped: &&Skipped| skipped.why == SkipReason::Placeholder;
            for Skipped { what, why, .. } in new.list.skipped.iter().filter(|s| !placeholder(s)) {
                tracing::warn!(url, what, %why, "entry of the log list cannot be read");
            }
        }
        let Fetched { list, text, signature } = new;
        let stored = Stored { url: self.url.clone(), fetched: unix_seconds(), text, signature };
        self.current = Some(Current { list, stored, cached: false });
        Ok(())
    }

    fn status(&self) -> ListStatus {
        let current = self.current.as_ref();
        ListStatus {
            url: self.url.clone(),
            signed: self.signed,
            edition: current.map(|current| Edition::of(&current.list)),
            logs: current.map_or(0, |current| current.list.logs.len()),
            skipped: current.map_or(0, |current| current.list.skipped.len()),
            fetched: current.map(|current| current.stored.fetched),
            cached: current.is_some_and(|current| current.cached),
            stale: current.is_some_and(Current::is_stale),
            error: self.error.clone(),
        }
    }
}

impl Current {
    fn is_stale(&self) -> bool {
        let made = self.list.timestamp.map(SystemTime::from);
        made.is_some_and(|made| made.elapsed().is_ok_and(|age| age > STALE_AFTER))
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edition(version: &str, timestamp: &str) -> Edition {
        Edition { version: version.parse().ok(), timestamp: timestamp.parse().ok() }
    }

    #[test]
    fn neither_version_nor_time_may_go_back() {
        let current = edition("9.100", "2026-05-29T13:42:48Z");
        for (version, timestamp, before) in [
            ("9.100", "2026-05-29T13:42:48Z", false),
            ("10.2", "2026-05-30T00:00:00Z", false),
            ("9.99", "2026-05-30T00:00:00Z", true),
            ("9.101", "2026-05-29T13:42:47Z", true),
            ("9.2", "2026-05-29T13:42:48Z", true),
            ("9.101", "", false),
            ("", "2026-05-01T00:00:00Z", true),
        ] {
            let offered = edition(version, timestamp);
            assert_eq!(offered.is_before(&current), before, "{offered}");
        }
        assert_eq!(current.to_string(), "version 9.100 of 2026-05-29T13:42:48Z");
    }

    #[tokio::test]
    async fn only_the_hosts_of_lists_at_private_addresses_may_have_such_addresses() {
        let client = Client::new("follow-tests/1", Duration::from_secs(1)).expect("a client");
        let key = PublicKey::from_pem(ct::log_list::CHROME_KEY_PEM).expect("a key");
        let public = "http://lists.invalid/list.json".to_owned();
        let mut options = CatalogueOptions::new(public.clone(), key);
        options.extra = vec!["http://127.0.0.1:9/list.json".to_owned()];
        let mut catalogue = Catalogue::open(options, client.clone()).await;
        for _ in 0..2 {
            let found = catalogue.lists.iter().map(|held| held.private).collect::<Vec<_>>();
            assert_eq!(found, [false, true]);
            assert!(!client.trusts(&public) && client.trusts("http://127.0.0.1/log"));
            assert!(catalogue.refresh().await.is_err(), "there is no such host");
        }
    }
}
