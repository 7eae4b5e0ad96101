use bytes::Bytes;
use ct::leaf::EntryType;
use ctclient::{Client, Log, Protocol};
use record::Record;

use super::*;

fn status() -> Arc<LogStatus> {
    let log = Log::configured(Protocol::Rfc6962, "a", "http://a.example", None, None);
    Arc::new(LogStatus::new(log.expect("usable"), Duration::ZERO))
}

fn alarm(kind: AlarmKind, entries: Range<u64>) -> Alarm {
    let text = "a contradiction".to_owned();
    Alarm { kind, at: 0, text, first: entries.start, end: entries.end, evidence: None }
}

/// While it finds what was published, the follower raises an alarm.
struct Meanwhile(Arc<LogStatus>);

impl Published for Meanwhile {
    async fn offsets(&self, fingerprints: Vec<Hash>) -> Result<Vec<Option<u64>>, String> {
        self.0.raise(alarm(AlarmKind::Mismatch, 0..9));
        Ok(vec![None; fingerprints.len()])
    }
}

#[tokio::test]
async fn nothing_is_published_once_an_alarm_stops_the_log() {
    let log = status();
    let client = Client::new("follow-tests/1", Duration::from_secs(1)).expect("a client");
    let read = ReadOptions::default();
    let source = AnySource::new(&log.log, &Arc::new(client), &Arc::default(), read);
    let (sender, mut pages) = mpsc::channel(1);
    let reader = Backfill {
        log: Arc::clone(&log),
        source: Arc::new(source),
        pages: Pages::new(sender),
        retries: RangeOptions::default().retries,
        committed: None,
        evidence_dir: None,
        is_enforced: true,
    };
    let entry = Record::as_read(1, 0, EntryType::X509, Bytes::new(), Vec::new());
    let mut gathered = Gathered::of(vec![entry]);
    let handed_in = reader.publish(&mut gathered, &Meanwhile(Arc::clone(&log)), &mut |_| {}).await;
    assert!(matches!(handed_in, Err(BackfillError::Stopped)), "{handed_in:?}");
    assert!(pages.try_recv().is_err());
}

#[test]
fn a_fork_is_the_same_one_although_the_log_grows() {
    let log = status();
    let found = |kind, entries| Evidence::new(&log.log, kind, String::new(), entries);
    let fork = alarm(AlarmKind::Fork, 5..9);
    assert!(is_of(&fork, &found(AlarmKind::Fork, 5..20)));
    assert!(!is_of(&fork, &found(AlarmKind::Mismatch, 5..9)));
    let mismatch = alarm(AlarmKind::Mismatch, 5..9);
    assert!(is_of(&mismatch, &found(AlarmKind::Mismatch, 5..9)));
    assert!(!is_of(&mismatch, &found(AlarmKind::Mismatch, 5..20)));
}
