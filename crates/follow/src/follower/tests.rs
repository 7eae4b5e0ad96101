//! The frequency of requests to a failing log, with a paused clock.

use bytes::Bytes;
use ct::head::SignedHead;
use ct::merkle::CompactRange;
use ctclient::failure::{BEGINNING, LONGEST_AT_FIRST};
use ctclient::{Batch, FetchError, Log, Protocol, ServedHead, SourceError};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::*;
use crate::status::progress::Health;

/// The way in which a log fails.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Refused,
    Status500,
    /// The client cancels the request after this time.
    Stalled(Duration),
    /// The client pauses by itself; the log asks for no pause.
    Limited,
    /// The log asks for a pause, and then others leave no room for its responses.
    Starved,
    /// The responses contain bytes that cannot be parsed.
    Unreadable,
}

/// A log whose requests fail: those for entries, or all.
#[derive(Debug)]
struct Failing {
    trouble: Trouble,
    has_heads: bool,
    asked: Mutex<Vec<Instant>>,
}

impl Failing {
    async fn fail<T>(&self) -> Result<T, SourceError> {
        self.asked.lock().push(Instant::now());
        if matches!(self.trouble, Trouble::Unreadable) {
            let (url, reason, answer) = (String::new(), "no entry".to_owned(), Box::default());
            return Err(SourceError::Unreadable { url, index: 0, reason, answer });
        }
        let is_first = self.asked.lock().len() == 1;
        let url = String::new();
        let error = match self.trouble {
            Trouble::Refused => FetchError::Transport { url, reason: "refused".to_owned() },
            Trouble::Status500 => FetchError::Status { url, status: 500 },
            Trouble::Limited => FetchError::Limited { url, status: 429, retry_after: None },
            Trouble::Starved if is_first => {
                let retry_after = Some(Duration::from_secs(1));
                FetchError::Limited { url, status: 429, retry_after }
            }
            Trouble::Starved => {
                tokio::time::sleep(Duration::from_secs(4)).await;
                FetchError::NoRoom { url }
            }
            Trouble::Stalled(waited) => {
                tokio::time::sleep(waited).await;
                FetchError::Unanswered { url, waited }
            }
            Trouble::Unreadable => unreachable!("answered above"),
        };
        Err(error.into())
    }
}

const HEAD: &[u8] = br#"{"tree_size":5000,"timestamp":1790000000000,
    "sha256_root_hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "tree_head_signature":"BAMACDAGAgEBAgEB"}"#;

/// The log as the follower and the test share it.
struct Shared(Arc<Failing>);

impl Source for Shared {
    fn page_size(&self) -> u64 {
        256
    }

    async fn head(&self) -> Result<ServedHead, SourceError> {
        let is_starved =
            matches!(self.0.trouble, Trouble::Starved) && !self.0.asked.lock().is_empty();
        if !self.0.has_heads || is_starved {
            return self.0.fail().await;
        }
        let signed = SignedHead::from_sth(HEAD).expect("a head");
        Ok(ServedHead { signed, body: Bytes::from_static(HEAD) })
    }

    async fn entries(&self, _: Range<u64>, _: u64) -> Result<Batch, SourceError> {
        self.0.fail().await
    }

    async fn frontier(&self, _: u64, _: &TreeHead) -> Result<CompactRange, SourceError> {
        self.0.fail().await
    }

    async fn extends(&self, _: &CompactRange, _: &TreeHead) -> Result<bool, SourceError> {
        self.0.fail().await
    }

    fn unreadable(&self, index: u64, _: u64) -> Option<Range<u64>> {
        matches!(self.0.trouble, Trouble::Unreadable).then(|| index..index + 1)
    }
}

/// Returns the times of requests to a log that fails for this time.
async fn asked(trouble: Trouble, has_heads: bool, lasts: Duration) -> Vec<Instant> {
    asked_with(trouble, has_heads, lasts, options()).await.0
}

fn options() -> FollowOptions {
    FollowOptions {
        verification: Verification::Off,
        start: Start::Index(0),
        ..FollowOptions::default()
    }
}

/// Returns the times of requests with these options, and the log's status.
async fn asked_with(
    trouble: Trouble,
    has_heads: bool,
    lasts: Duration,
    options: FollowOptions,
) -> (Vec<Instant>, Arc<LogStatus>) {
    let source = Failing { trouble, has_heads, asked: Mutex::default() };
    let source = Arc::new(source);
    let log = Log::configured(Protocol::Rfc6962, "a", "http://a.example", None, None);
    let status = Arc::new(LogStatus::new(log.expect("usable"), Duration::ZERO));
    let (sender, _pages) = mpsc::channel(1);
    let pages = Pages::new(sender);
    let follower =
        Follower::new(Shared(Arc::clone(&source)), Arc::clone(&status), options, pages, None, 0);
    let ended = tokio::time::timeout(lasts, follower.run()).await;
    assert!(ended.is_err(), "it follows for ever");
    let asked = source.asked.lock().clone();
    (asked, status)
}

fn longest(asked: &[Instant]) -> Duration {
    let gaps = asked.iter().zip(asked.iter().skip(1)).map(|(one, next)| *next - *one);
    gaps.max().unwrap_or(Duration::MAX)
}

#[tokio::test(start_paused = true)]
async fn a_failing_log_is_requested_every_four_seconds_in_the_first_minute() {
    for trouble in [
        Trouble::Refused,
        Trouble::Status500,
        Trouble::Limited,
        Trouble::Stalled(LONGEST_AT_FIRST),
        Trouble::Stalled(Duration::from_secs(3)),
    ] {
        for has_heads in [false, true] {
            let asked = asked(trouble, has_heads, BEGINNING).await;
            assert!(asked.len() >= 15, "{trouble:?}: {}", asked.len());
            let longest = longest(&asked);
            // The clock counts in milliseconds.
            let most = LONGEST_AT_FIRST + Duration::from_millis(5);
            assert!(longest <= most, "{trouble:?}, heads {has_heads}: {longest:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_proof_is_requested_every_few_seconds_in_the_first_minute() {
    // At the head there is nothing to read: all that is asked for besides heads is the proof.
    let asked = async |lasts| {
        let options = FollowOptions { start: Start::Head, ..FollowOptions::default() };
        asked_with(Trouble::Status500, true, lasts, options).await.0
    };
    let first = asked(BEGINNING).await;
    // It is asked for with a head, and those come once a second or so.
    let most = LONGEST_AT_FIRST + Duration::from_millis(1500);
    assert!(first.len() >= 10 && longest(&first) <= most, "{} {:?}", first.len(), longest(&first));
    assert!(longest(&asked(10 * BEGINNING).await) > Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_fails_for_long_is_requested_less_often() {
    let asked = asked(Trouble::Refused, false, 10 * BEGINNING).await;
    assert!(longest(&asked) > Duration::from_secs(20), "{:?}", longest(&asked));
}

#[tokio::test(start_paused = true)]
async fn a_log_without_room_has_neither_failed_nor_recovered() {
    let (asked, status) = asked_with(Trouble::Starved, true, 2 * BEGINNING, options()).await;
    assert!(asked.len() > 10, "it tries again: {}", asked.len());
    let snapshot = status.snapshot();
    assert_eq!(snapshot.health, Health::Degraded, "as the first answer left it");
    assert!(snapshot.last_error.is_some_and(|error| error.contains("429")));
    assert_eq!(status.counters.errors.load(std::sync::atomic::Ordering::Relaxed), 1);
}

/// Returns the next page with indexes; notices are not committed.
async fn next_page(pages: &mut mpsc::Receiver<Page>) -> Page {
    loop {
        let page = pages.recv().await.expect("a running follower");
        if page.notice.is_none() {
            return page;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn unreadable_entries_are_skipped_within_a_minute() {
    let source = Failing { trouble: Trouble::Unreadable, has_heads: true, asked: Mutex::default() };
    let log = Log::configured(Protocol::Rfc6962, "a", "http://a.example", None, None);
    let status = Arc::new(LogStatus::new(log.expect("usable"), Duration::ZERO));
    let (sender, mut pages) = mpsc::channel(1);
    let (source, pages_in) = (Shared(Arc::new(source)), Pages::new(sender));
    let follower = Follower::new(source, status, options(), pages_in, None, 0);
    let first = next_page(&mut pages);
    let page = tokio::select! {
        () = follower.run() => panic!("the follower has ended"),
        page = tokio::time::timeout(Duration::from_secs(60), first) => page.expect("within a minute"),
    };
    assert_eq!((page.first, page.end, page.entries.len()), (0, 1, 0));
    assert_eq!(page.gap.expect("the skipped entry").range, 0..1);
}

#[tokio::test(start_paused = true)]
async fn a_log_is_read_again_from_its_position_after_a_refused_page() {
    let source = Failing { trouble: Trouble::Unreadable, has_heads: true, asked: Mutex::default() };
    let log = Log::configured(Protocol::Rfc6962, "a", "http://a.example", None, None);
    let status = Arc::new(LogStatus::new(log.expect("usable"), Duration::ZERO));
    let (sender, mut pages) = mpsc::channel(1);
    let (source, pages_in) = (Shared(Arc::new(source)), Pages::new(sender));
    let (log, options) = (Arc::clone(&status), options());
    let follower = Follower::new(source, log, options, pages_in, None, 0);
    let ranges = async {
        let first = next_page(&mut pages).await;
        status.refused(0);
        let second = next_page(&mut pages).await;
        [first, second].map(|page| page.first..page.end)
    };
    let ranges = tokio::select! {
        () = follower.run() => panic!("the follower has ended"),
        ranges = tokio::time::timeout(Duration::from_secs(600), ranges) => ranges.expect("in time"),
    };
    assert_eq!(ranges, [0..1, 0..1]);
}
