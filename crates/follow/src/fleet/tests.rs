use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ct::head::{SignedHead, TreeHead};
use ct::leaf::EntryType;
use ct::merkle::CompactRange;
use ctclient::{Batch, Budget, Findings, Protocol, ServedHead, SourceError};
use record::Record;

use super::*;
use crate::options::{CatchUp, Start};

fn fleet(follow: FollowOptions) -> (Arc<Fleet>, mpsc::Receiver<Page>) {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", closed.local_addr().expect("bound"));
    let log = Log::configured(Protocol::Rfc6962, "a", &url, None, None).expect("a log");
    let saved = State { last_offset: 7, resent_from: Some(5), ..State::default() };
    let client = Client::new("follow-tests/1", Duration::from_secs(1)).expect("a client");
    let (sender, pages) = mpsc::channel(1);
    let options = FleetOptions { follow, configured: vec![log], catalogue: None, saved };
    (Fleet::start(Arc::new(client), options, sender), pages)
}

#[tokio::test]
async fn resent_from_is_unknown_while_a_retired_log_drains() {
    let follow = FollowOptions { resume_overlap: Duration::ZERO, ..FollowOptions::default() };
    let (fleet, _pages) = fleet(follow);
    let status = Arc::clone(&fleet.logs()[0]);
    status.begin(Resume { index: 10, tree: None });
    assert_eq!(fleet.state(Some(8)).resent_from, Some(5));
    status.set_retired(true);
    let state = fleet.state(Some(8));
    assert_eq!((state.resent_from, state.last_offset), (None, 8));
    // What it has sent is published after its end.
    status.emitting(20);
    fleet.stop().await;
    assert_eq!(fleet.state(Some(8)).resent_from, None);
    status.published(20, None, 9);
    assert_eq!(fleet.state(Some(9)).resent_from, Some(9), "it is not read again");
}

#[tokio::test]
async fn an_alarm_of_a_log_without_a_position_is_restored_and_the_log_begins_as_a_new_one() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", closed.local_addr().expect("bound"));
    let log = Log::configured(Protocol::Rfc6962, "a", &url, None, None).expect("a log");
    let alarm = crate::alarm::Alarm {
        kind: ctclient::AlarmKind::Equivocation,
        at: 7,
        text: "two heads".to_owned(),
        first: 0,
        end: 0,
        evidence: None,
    };
    let position =
        Position { alarms: vec![alarm.clone()], has_not_begun: true, ..Position::default() };
    let saved = State { logs: [(url, position)].into(), ..State::default() };
    let client = Arc::new(Client::new("follow-tests/1", Duration::from_secs(1)).expect("a client"));
    let (sender, _pages) = mpsc::channel(1);
    let follow = FollowOptions::default();
    let options = FleetOptions { follow, configured: vec![log], catalogue: None, saved };
    let fleet = Fleet::start(client, options, sender);
    let snapshot = fleet.logs()[0].snapshot();
    assert_eq!((snapshot.alarms, snapshot.next_index), (vec![alarm], None));
    assert!(fleet.logs()[0].resume().is_none(), "it does not begin at index 0");
    fleet.stop().await;
}

#[tokio::test]
async fn resent_from_is_unknown_with_a_catch_up_limit() {
    let hour = Duration::from_secs(3600);
    for (max_entries, max_lag) in [(Some(10), None), (None, Some(hour))] {
        let catch_up = CatchUp { max_entries, max_lag };
        let (fleet, _pages) = fleet(FollowOptions { catch_up, ..FollowOptions::default() });
        let state = fleet.state(Some(8));
        assert_eq!((state.resent_from, state.last_offset), (None, 8));
        fleet.stop().await;
    }
}

/// A log of 100 entries, 10 a page. Its first request for the page at 50 meets a defect.
#[derive(Debug, Clone, Default)]
struct Defective {
    asked: Arc<Mutex<Vec<u64>>>,
    panics: Arc<AtomicUsize>,
}

const HEAD: &[u8] = br#"{"tree_size":100,"timestamp":1790000000000,
    "sha256_root_hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "tree_head_signature":"BAMACDAGAgEBAgEB"}"#;

impl Source for Defective {
    fn page_size(&self) -> u64 {
        10
    }

    async fn head(&self) -> Result<ServedHead, SourceError> {
        let signed = SignedHead::from_sth(HEAD).expect("a head");
        Ok(ServedHead { signed, body: Bytes::from_static(HEAD) })
    }

    async fn entries(&self, range: Range<u64>, _: u64) -> Result<Batch, SourceError> {
        self.asked.lock().push(range.start);
        let is_defect = range.contains(&50) && self.panics.fetch_add(1, Ordering::Relaxed) == 0;
        assert!(!is_defect, "a defect");
        let entry = |index| Record::as_read(index, 0, EntryType::X509, Bytes::new(), Vec::new());
        let entries = range.map(entry).collect();
        let lease = Budget::new(1).reserve(0, None).await;
        let findings = Findings::default();
        Ok(Batch {
            entries,
            leaf_hashes: Vec::new(),
            leaves: Vec::new(),
            findings,
            served: None,
            lease,
        })
    }

    async fn frontier(&self, _: u64, _: &TreeHead) -> Result<CompactRange, SourceError> {
        unreachable!("nothing is verified")
    }

    async fn extends(&self, _: &CompactRange, _: &TreeHead) -> Result<bool, SourceError> {
        unreachable!("nothing is verified")
    }

    fn unreadable(&self, _: u64, _: u64) -> Option<Range<u64>> {
        None
    }
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_panics_is_started_again_where_it_stood() {
    let log = Log::configured(Protocol::Rfc6962, "a", "http://a.example", None, None);
    let status = Arc::new(LogStatus::new(log.expect("usable"), Duration::ZERO));
    let (sender, mut pages) = mpsc::channel(1);
    let options = FollowOptions {
        verification: Verification::Off,
        start: Start::Index(0),
        fetch_concurrency: 1,
        ..FollowOptions::default()
    };
    let (source, supervisor) = (Defective::default(), Supervisor::default());
    let (pages_in, made) = (Pages::new(sender), || source.clone());
    let resume = Some(Resume { index: 20, tree: None });
    let follow = supervised(&supervisor, &status, &options, &pages_in, resume, 0, made);
    let read = async {
        let mut indexes = Vec::new();
        while indexes.last() != Some(&99) {
            let page = pages.recv().await.expect("a running follower");
            indexes.extend(page.entries.iter().map(|entry| entry.index));
        }
        indexes
    };
    let indexes = tokio::select! {
        () = follow => panic!("the follower has ended"),
        indexes = tokio::time::timeout(Duration::from_secs(600), read) => {
            indexes.expect("it is started again")
        }
    };
    assert_eq!(indexes, (20..100).collect::<Vec<u64>>(), "neither a hole nor a repetition");
    assert_eq!(status.counters.panics.load(Ordering::Relaxed), 1);
    let tasks: Vec<_> = supervisor.tasks().iter().map(|task| (task.panics, task.down)).collect();
    assert_eq!(tasks, [(1, 0)]);
    let asked = source.asked.lock().clone();
    assert_eq!(asked.iter().filter(|start| **start == 20).count(), 1, "{asked:?}");
}
