//! Simulated logs, a fleet that follows them, and a reader that checks what is emitted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ct::signature::PublicKey;
use ctsim::Sim;
use follow::catalogue::CatalogueOptions;
use follow::position::State;
use follow::{Backoff, Client, Fleet, FleetOptions, FollowOptions, Gap, LogStatus, Page, Start};
use record::Record;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// The longest wait on a slow machine before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn simulate(config: ctsim::Config) -> Sim {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    Sim::start(config, listener).await.expect("simulated logs")
}

/// One log of each protocol that holds `size` entries and grows only when told to.
pub(crate) fn still(size: u64) -> ctsim::Config {
    ctsim::Config {
        rfc6962: 1,
        static_ct: 1,
        rate: 0.0,
        initial_size: size,
        publish_interval: Duration::from_millis(10),
        ..ctsim::Config::default()
    }
}

/// Short waits, so that tests are quick; the whole log.
pub(crate) fn options() -> FollowOptions {
    let wait = Duration::from_millis(10);
    FollowOptions {
        batch_size: 256,
        fetch_concurrency: 4,
        poll_interval: wait,
        retry_attempts: 2,
        backoff: Backoff { initial: wait, max: wait * 10 },
        healthy_threshold: 1,
        unhealthy_threshold: 3,
        unhealthy_wait: wait * 10,
        start: Start::Index(0),
        start_overlap: 0,
        resume_overlap: Duration::ZERO,
        tbs_ids: true,
        partial_tile_wait: wait,
        ..FollowOptions::default()
    }
}

pub(crate) fn catalogue(sim: &Sim) -> CatalogueOptions {
    let key = PublicKey::from_pem(&sim.list_key_pem()).expect("a key");
    let refresh = Duration::from_millis(50);
    CatalogueOptions { refresh, ..CatalogueOptions::new(sim.list_url(), key) }
}

/// A fleet and the entries it has emitted so far, checked on arrival.
pub(crate) struct Followed {
    pub(crate) fleet: Arc<Fleet>,
    pages: mpsc::Receiver<Page>,
    /// By log URL: the entries from the first emitted on.
    pub(crate) entries: BTreeMap<String, Vec<Record>>,
    /// By log URL: indexes without an entry.
    pub(crate) gaps: BTreeMap<String, Vec<Gap>>,
    /// By log URL: the end of the last page.
    ends: BTreeMap<String, u64>,
    /// The newest offset: entries are numbered as they come.
    pub(crate) offset: u64,
}

/// Checks that a page accounts for each of its indexes once, keeps its bounds, and has the tree of its
/// end.
pub(crate) fn check_page(page: &Page) {
    let gap = page.gap.as_ref().map_or(page.end..page.end, |gap| gap.range.clone());
    let indexes = page.entries.iter().map(|entry| entry.index);
    assert!(indexes.eq(page.first..gap.start), "{}..{}: {gap:?}", page.first, page.end);
    assert_eq!(gap.end, page.end);
    let bytes: usize = page.entries.iter().map(Record::weight).sum();
    assert!(page.entries.len() <= 1 || page.entries.len() <= 256 && bytes <= 512 << 10, "{bytes}");
    assert!(page.tree.as_ref().is_none_or(|tree| tree.is_consistent(page.end)));
}

/// Commits notices at once, and forwards all other pages.
pub(crate) async fn commit_notices(mut emitted: mpsc::Receiver<Page>, forward: mpsc::Sender<Page>) {
    while let Some(mut page) = emitted.recv().await {
        if let Some(committed) = page.committed.take() {
            let _waits = committed.send(());
        } else if forward.send(page).await.is_err() {
            return;
        }
    }
}

impl Followed {
    pub(crate) fn start(sim: &Sim, follow: FollowOptions, saved: State) -> Self {
        let catalogue = Some(catalogue(sim));
        Self::with(FleetOptions { follow, configured: Vec::new(), catalogue, saved })
    }

    pub(crate) fn with(options: FleetOptions) -> Self {
        let (sender, emitted) = mpsc::channel(1);
        let (forward, pages) = mpsc::channel(4);
        tokio::spawn(commit_notices(emitted, forward));
        let client = Client::new("follow-tests/1", Duration::from_secs(10)).expect("a client");
        let fleet = Fleet::start(Arc::new(client), options, sender);
        Self {
            fleet,
            pages,
            entries: BTreeMap::new(),
            gaps: BTreeMap::new(),
            ends: BTreeMap::new(),
            offset: 0,
        }
    }

    /// Reads until `done`, checking that each log's entries come in order and without holes.
    pub(crate) async fn read_until(&mut self, mut done: impl FnMut(&Self) -> bool) {
        while !done(self) {
            let page = tokio::time::timeout(PATIENCE, self.pages.recv()).await;
            let page = page.expect("entries within the patience").expect("a running fleet");
            self.take(page);
        }
    }

    fn take(&mut self, page: Page) {
        check_page(&page);
        let before = self.ends.insert(page.log.log.url.clone(), page.end);
        assert!(before.is_none_or(|end| end == page.first), "{before:?}, then {}", page.first);
        if let Some(gap) = page.gap {
            self.gaps.entry(page.log.log.url.clone()).or_default().push(gap);
        }
        let entries = self.entries.entry(page.log.log.url.clone()).or_default();
        for entry in page.entries {
            if let Some(last) = entries.last() {
                assert_eq!(entry.index, last.index + 1, "{}", page.log.log.name);
            }
            entries.push(entry);
            self.offset += 1;
        }
        page.log.published(page.end, page.tree.clone(), self.offset);
    }

    /// Takes pages until `done`, which must become true even without further pages, and then those that
    /// have arrived by then.
    pub(crate) async fn read_until_quiet(&mut self, mut done: impl FnMut() -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let moment = Duration::from_millis(5);
        loop {
            match tokio::time::timeout(moment, self.pages.recv()).await {
                Ok(page) => self.take(page.expect("a running fleet")),
                Err(_) if done() => return,
                Err(_) => assert!(tokio::time::Instant::now() < deadline, "it never comes to that"),
            }
        }
    }

    /// Reads until each log has emitted everything below `size`.
    pub(crate) async fn read_to(&mut self, logs: usize, size: u64) {
        self.read_until(|this| {
            let at_end =
                |entries: &Vec<Record>| entries.last().is_some_and(|e| e.index + 1 == size);
            this.entries.len() == logs && this.entries.values().all(at_end)
        })
        .await;
    }

    pub(crate) fn status(&self, url: &str) -> Arc<LogStatus> {
        let logs = self.fleet.logs();
        logs.into_iter().find(|status| status.log.url == url).expect("a followed log")
    }
}

/// Waits for a condition that is not about entries.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A simulated log's URL as followers name it.
pub(crate) fn url_of(log: &ctsim::LogHandle) -> String {
    log.url().trim_end_matches('/').to_owned()
}
