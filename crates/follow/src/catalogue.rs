//! The log lists, and the selection of their logs.
//!
//! One list is signed: it alone can stop a log. Others only add logs, and
//! [`Listing::signed`](crate::Listing::signed) shows which. A list is never replaced by an older one,
//! across restarts too if there is a cache, which also serves a start without network.

pub(crate) mod as_text;
mod cache;
mod error;
mod fetch;
mod merge;
mod select;

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ct::log_list::{LogList, SkipReason, Skipped};
use ct::signature::PublicKey;
use ctclient::{Client, Log};
use serde::{Deserialize, Serialize};

use self::cache::{Cache, Stored};
pub use self::error::{CatalogueError, Edition};
use self::fetch::Fetched;
pub(crate) use self::merge::Selected;
pub use self::select::Selection;

/// Chrome's log list.
pub const CHROME_LIST_URL: &str = "https://www.gstatic.com/ct/log_list/v3/log_list.json";
/// Chrome's list of all known logs, including those for tests.
pub const CHROME_ALL_LOGS_URL: &str = "https://www.gstatic.com/ct/log_list/v3/all_logs_list.json";

/// Bound of the lookup of a list's host: logs from the cache do not wait for a resolver that does not
/// answer.
const LONGEST_LOOKUP: Duration = Duration::from_secs(2);
/// The age at which a list counts as abandoned, or as withheld from us: Chrome uses the same.
const STALE_AFTER: Duration = Duration::from_secs(70 * 86_400);

/// The lists to read, and the selection of their logs.
#[derive(Debug, Clone)]
pub struct CatalogueOptions {
    /// URL of the signed list; its signature is beside it, `.json` replaced by `.sig`.
    pub url: String,
    /// The key that signs it.
    pub key: PublicKey,
    /// Further lists, without signatures.
    pub extra: Vec<String>,
    /// The logs of the lists that are followed.
    pub selection: Selection,
    /// True if a log that leaves the signed list is still followed.
    pub keep_removed: bool,
    /// The file that keeps the lists for a start without network.
    pub cache: Option<PathBuf>,
    /// The time between fetches of the lists; zero for never.
    pub refresh: Duration,
}

impl CatalogueOptions {
    /// Returns options for the list at `url`, signed by `key`, fetched every hour and not cached.
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

/// The state of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListStatus {
    /// URL of the list.
    pub url: String,
    /// True for the list whose signature is verified.
    pub signed: bool,
    /// The edition in use, if there is one.
    pub edition: Option<Edition>,
    /// Logs in it that can be read, selected or not.
    pub logs: usize,
    /// Logs in it that cannot be read.
    pub skipped: usize,
    /// Time of the last fetch of the edition in use, Unix seconds.
    pub fetched: Option<u64>,
    /// True if it comes from the cache and has not been fetched since the start.
    pub cached: bool,
    /// True if it is too old to stop a log.
    pub stale: bool,
    /// The error of the last attempt to fetch it.
    pub error: Option<String>,
}

/// The logs that may be stopped because they are not in the signed list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// No log.
    Nothing,
    /// Every log, except those with these names or URLs, whose entries in the list cannot be read.
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
    lists: Vec<List>,
}

#[derive(Debug)]
struct List {
    url: String,
    signed: bool,
    /// True if it is at a private address: then its logs may be, too.
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
    /// Begins with the lists in the cache.
    pub(crate) async fn open(options: CatalogueOptions, client: Client) -> Self {
        let cache = options.cache.clone().map(Cache::new);
        let lists = List::none_yet(&options);
        let mut catalogue = Self { lists, options, client, cache };
        catalogue.load().await;
        catalogue.find().await;
        catalogue
    }

    /// Finds the lists at private addresses. Only their hosts may have such addresses: the host of a
    /// public list may be that of a log too. Without an answer of the resolver nothing changes, and the
    /// next refresh asks again.
    async fn find(&mut self) {
        for held in &mut self.lists {
            let lookup = Client::has_private_host(&held.url);
            if let Ok(private) = tokio::time::timeout(LONGEST_LOOKUP, lookup).await {
                held.private = private;
            }
            if held.private {
                self.client.trust(&held.url);
            }
        }
    }

    /// Reads missing lists from the cache.
    async fn load(&mut self) {
        let Some(cache) = &self.cache else { return };
        for stored in cache.load().await {
            self.restore(stored);
        }
    }

    /// Changes the lists or the selection. Lists in memory stay. Returns the URLs of the logs that were
    /// selected and are not any more, except those that depend on a signed list which is not fetched yet.
    pub(crate) async fn change(&mut self, options: CatalogueOptions) -> HashSet<String> {
        let cache_moved = self.options.cache != options.cache;
        let mut before = std::mem::replace(&mut self.lists, List::none_yet(&options));
        let old = std::mem::replace(&mut self.options, options);
        for held in &mut self.lists {
            let same = |other: &&mut List| other.url == held.url && other.signed == held.signed;
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

    /// Reports whether there is a list that has never been fetched.
    pub(crate) fn lacks_a_list(&self) -> bool {
        self.lists.iter().any(|held| held.current.is_none() && held.error.is_none())
    }

    /// Uses a list from the cache, if it is configured and valid.
    fn restore(&mut self, stored: Stored) {
        let missing = |held: &&mut List| held.url == stored.url && held.current.is_none();
        let Some(held) = self.lists.iter_mut().find(missing) else { return };
        let read = match held.signed {
            true => stored.verify(&self.options.key),
            false => stored.parse(),
        };
        match read {
            Ok(list) => {
                let edition = Edition::of(&list);
                tracing::info!(url = held.url, %edition, "using the cached log list");
                held.current = Some(Current { list, stored, cached: true });
            }
            Err(error) => tracing::warn!(%error, "not using the cached log list"),
        }
    }

    pub(crate) const fn options(&self) -> &CatalogueOptions {
        &self.options
    }

    /// Fetches all lists again.
    ///
    /// # Errors
    /// If the signed list is unavailable; the one in use stays in use. The others' errors are
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
            tracing::error!(%error, "cannot save the log lists for a start without network");
        }
    }

    /// Returns the selected logs of all lists in use.
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

    /// Returns the logs that may be stopped because they are not [selected](Self::selected): none while
    /// the signed list is cached or stale.
    pub(crate) fn removal(&self) -> Removal {
        let signed = self.lists.iter().find(|held| held.signed);
        let current = signed.and_then(|held| held.current.as_ref());
        let acted_on = current.filter(|current| !current.cached && !current.is_stale());
        match if self.options.keep_removed { None } else { acted_on } {
            None => Removal::Nothing,
            Some(current) => {
                let unreadable = current.list.skipped.iter();
                Removal::AllBut(unreadable.map(|skipped| skipped.what.clone()).collect())
            }
        }
    }

    /// Returns the state of each list, the signed one first.
    pub(crate) fn statuses(&self) -> Vec<ListStatus> {
        self.lists.iter().map(List::status).collect()
    }
}

fn selected(lists: &[List], selection: &Selection) -> Vec<Selected> {
    let current = lists
        .iter()
        .filter_map(|held| Some((held.url.as_str(), held.signed, &held.current.as_ref()?.list)));
    merge::merge(&current.collect::<Vec<_>>(), selection)
}

fn urls(lists: &[List], selection: &Selection) -> HashSet<String> {
    selected(lists, selection).into_iter().map(|selected| selected.log.url).collect()
}

impl List {
    /// Returns the configured lists, none of them fetched.
    fn none_yet(options: &CatalogueOptions) -> Vec<Self> {
        let signed = [(options.url.clone(), true)].into_iter();
        let extra = options.extra.iter().filter(|url| **url != options.url);
        let lists = signed.chain(extra.map(|url| (url.clone(), false)));
        let list = |(url, signed)| Self { url, signed, private: false, current: None, error: None };
        lists.map(list).collect()
    }

    /// Replaces the edition in use, unless the new one is older.
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
                tracing::warn!(url, names, "names in the log list are too long and were truncated");
            }
            let placeholder = |skipped: &&Skipped| skipped.why == SkipReason::Placeholder;
            for Skipped { what, why, .. } in new.list.skipped.iter().filter(|s| !placeholder(s)) {
                tracing::warn!(url, what, %why, "cannot read an entry of the log list");
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
            assert!(
                !client.may_be_private(&public) && client.may_be_private("http://127.0.0.1/log")
            );
            assert!(catalogue.refresh().await.is_err(), "there is no such host");
        }
    }
}
