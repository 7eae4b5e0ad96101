use std::sync::Arc;
use std::time::Duration;

use ct::log_list::FinalTreeHead;
use ctclient::{AlarmKind, Client, IssuerCounts, Log, Protocol};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use tokio::sync::mpsc;

use super::*;
use crate::alarm::Alarm;
use crate::breaker::BreakerState;
use crate::catalogue::Edition;
use crate::fleet::{Fleet, FleetOptions};
use crate::options::FollowOptions;
use crate::position::State;
use crate::status::counters::Counts;
use crate::status::listing::Listing;
use crate::status::progress::{Health, Snapshot};

/// A status of version 1, as one of its programs wrote it, and with a field of a later program.
const VERSION_1: &str = r#"{
  "taken_at": 1760000000123, "later": [1],
  "logs": [{
    "name": "Example 2027", "operator": "Example", "url": "https://ct.example/2027",
    "protocol": "static-ct", "id": "sh4FzIuizYogTodm+Su5iiUgZ2va+nDnsklTLe+LkF4=",
    "at": {
      "next_index": 7, "tree_size": 9, "head_timestamp": 1760000000000, "last_timestamp": 5,
      "health": "degraded", "breaker": "half_open", "last_success": 1760000000,
      "last_error": "no answer", "proved": {"start": 3, "end": 7}, "unproved": null,
      "overdue": true,
      "alarms": [{"kind": "final_head", "at": 4, "text": "another end", "first": 1, "end": 2}]
    },
    "counts": {"entries": 11, "later": 2},
    "listing": {
      "state": "readonly", "lists": ["https://lists.example/a.json"], "signed": true,
      "final_head": {"size": 9, "root":
        [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31]},
      "mmd": {"secs": 86400, "nanos": 0}
    },
    "draining": true,
    "host": {"host": "ct.example", "rate": "2.5", "interval": {"secs": 0, "nanos": 1000},
      "in_flight": 3, "requests": 4, "limited": 5},
    "paused_for": {"secs": 6, "nanos": 0}
  }],
  "hosts": [],
  "lists": [{
    "url": "https://lists.example/a.json", "signed": true,
    "edition": {"version": "9.100", "timestamp": "2026-05-29T13:42:48Z"},
    "logs": 40, "skipped": 1, "fetched": 1760000000, "cached": false, "stale": true,
    "error": "no route"
  }],
  "reason": "the list is stale",
  "held": {"responses": 12, "waiting": 13},
  "issuers": {"known": 14, "counts": {"fetched": 15, "failed": 16}}
}"#;

fn version_1() -> LogsSnapshot {
    let log = Log::configured(
        Protocol::StaticCt,
        "Example 2027",
        "https://ct.example/2027",
        None,
        Some("sh4FzIuizYogTodm+Su5iiUgZ2va+nDnsklTLe+LkF4="),
    );
    let log = Log { operator: "Example".to_owned(), ..log.expect("usable") };
    let alarm = Alarm {
        kind: AlarmKind::FinalHead,
        at: 4,
        text: "another end".to_owned(),
        first: 1,
        end: 2,
        evidence: None,
    };
    let list = "https://lists.example/a.json".to_owned();
    let root = std::array::from_fn(|n| u8::try_from(n).expect("below 32"));
    LogsSnapshot {
        taken_at: 1_760_000_000_123,
        logs: vec![LogView {
            log: Arc::new(log),
            at: Snapshot {
                next_index: Some(7),
                tree_size: 9,
                head_timestamp: 1_760_000_000_000,
                last_timestamp: Some(5),
                health: Health::Degraded,
                breaker: BreakerState::HalfOpen,
                last_success: Some(1_760_000_000),
                last_error: Some("no answer".to_owned()),
                proved: Some(3..7),
                unproved: None,
                overdue: true,
                alarms: vec![alarm],
            },
            counts: Counts { entries: 11, ..Counts::default() },
            listing: Listing {
                state: Some("readonly".to_owned()),
                lists: vec![list.clone()],
                signed: true,
                final_head: Some(FinalTreeHead { size: 9, root }),
                mmd: Some(Duration::from_secs(86_400)),
            },
            draining: true,
            host: Some(HostSnapshot {
                host: "ct.example".to_owned(),
                rate: Some(2.5),
                interval: Duration::from_micros(1),
                in_flight: 3,
                requests: 4,
                limited: 5,
            }),
            paused_for: Some(Duration::from_secs(6)),
        }],
        hosts: Vec::new(),
        lists: vec![ListStatus {
            url: list,
            signed: true,
            edition: Some(Edition {
                version: "9.100".parse().ok(),
                timestamp: "2026-05-29T13:42:48Z".parse().ok(),
            }),
            logs: 40,
            skipped: 1,
            fetched: Some(1_760_000_000),
            cached: false,
            stale: true,
            error: Some("no route".to_owned()),
        }],
        reason: Some(Reason("the list is stale".to_owned())),
        held: HeldBytes { responses: 12, waiting: 13 },
        issuers: IssuersView { known: 14, counts: IssuerCounts { fetched: 15, failed: 16 } },
    }
}

/// Returns the bytes of a status with this JSON.
fn bytes_of(json: &[u8]) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend(zstd::bulk::compress(json, LEVEL).expect("compresses"));
    bytes
}

/// Returns all that readers see.
fn seen(view: &dyn LogsView) -> String {
    let (count, logs, hosts) = (view.count(), view.logs(), view.hosts());
    let (lists, reason, held) = (view.lists(), view.reason(), view.held_bytes());
    format!("{:#?}", (count, logs, hosts, lists, reason, held, view.issuers()))
}

#[test]
fn the_form_of_version_1_is_still_read_and_written() {
    let expected = version_1();
    let read = LogsSnapshot::decode(&bytes_of(VERSION_1.as_bytes())).expect("it is read");
    assert_eq!(seen(&read), seen(&expected));
    assert_eq!(read.taken_at(), 1_760_000_000_123);

    let mut json: serde_json::Value = serde_json::from_str(VERSION_1).expect("JSON");
    let written = serde_json::to_value(Document::from(expected)).expect("JSON");
    json.as_object_mut().expect("an object").remove("later");
    let all_counts = Counts { entries: 11, ..Counts::default() };
    json["logs"][0]["counts"] = serde_json::to_value(all_counts).expect("JSON");
    assert_eq!(written, json);
}

#[tokio::test]
async fn a_fleet_looks_the_same_on_another_node() {
    let pem = ct::log_list::CHROME_KEY_PEM.lines().filter(|line| !line.starts_with('-'));
    let key = pem.collect::<String>();
    let url = "http://127.0.0.1:9/log";
    let log = Log::configured(Protocol::Rfc6962, "a", url, Some(&key), None).expect("a log");
    let client = Client::new("follow-tests/1", Duration::from_secs(1)).expect("a client");
    let (pages, _waiting) = mpsc::channel(1);
    let (follow, saved) = (FollowOptions::default(), State::default());
    let options = FleetOptions { follow, configured: vec![log], catalogue: None, saved };
    let fleet = Fleet::start(Arc::new(client), options, pages);
    // Nothing changes any more; the log is still shown.
    fleet.stop().await;
    let status = fleet.logs().remove(0);
    status.head(10, 1_760_000_000_000);
    status.emitted(8, 8, 1_759_999_000_000);
    status.set_proved(Ok(2..8));
    status.failed("no route".to_owned(), BreakerState::Open, 1);
    status.raise(version_1().logs[0].at.alarms[0].clone());

    let bytes = LogsSnapshot::take(&*fleet).encode().expect("it is written");
    let read = LogsSnapshot::decode(&bytes).expect("it is read");
    let mut expected = LogsSnapshot::take(&*fleet);
    assert!(expected.logs[0].log.key.is_some());
    Arc::make_mut(&mut expected.logs[0].log).key = None;
    assert_eq!(seen(&read), seen(&expected));
    let (log, at) = (&read.logs[0].log, &read.logs[0].at);
    assert!(log.id.is_some() && log.id == status.log.id);
    assert_eq!((at.lag_entries(), at.lag()), (2, Duration::from_secs(1000)));
}

#[test]
fn unusable_bytes_are_refused_with_the_reason() {
    let json: serde_json::Value = serde_json::from_str(VERSION_1).expect("JSON");
    let changed = |pointer: &str, value: serde_json::Value| {
        let mut json = json.clone();
        *json.pointer_mut(pointer).expect(pointer) = value;
        bytes_of(json.to_string().as_bytes())
    };
    let repeated = |pointer: &str, times| {
        let one = json.pointer(pointer).and_then(|all| all.get(0)).expect(pointer);
        changed(pointer, vec![one.clone(); times].into())
    };
    let huge = bytes_of(&vec![b' '; MOST_BYTES + 1]);
    let mut later = bytes_of(VERSION_1.as_bytes());
    later[0] = 2;
    let mut cut = bytes_of(VERSION_1.as_bytes());
    cut.pop();
    let cases = [
        (Vec::new(), "empty"),
        (later, "has version 2, and this program reads version 1"),
        (vec![VERSION], "cannot be decompressed"),
        (vec![VERSION, 1, 2, 3, 4, 5, 6, 7, 8, 9], "cannot be decompressed"),
        (cut, "cannot be decompressed"),
        (huge, "has 4194305 bytes; at most 4194304"),
        (bytes_of(b"[1]"), "cannot be read"),
        (bytes_of(br#"{"taken_at":1}"#), "missing field `logs`"),
        (changed("/logs/0/url", json!("javascript:x")), "not an http or https URL"),
        (changed("/logs/0/id", json!("AAAA")), "does not agree"),
        (changed("/logs/0/at/health", json!("x".repeat(9000))), "unknown variant"),
        (changed("/logs/0/host/rate", json!("fast")), "invalid float"),
        (changed("/lists/0/edition/version", json!("x")), "is not major.minor"),
        (repeated("/logs", 4097), "4097 logs; at most 4096"),
        (repeated("/lists", 65), "65 log lists; at most 64"),
        (repeated("/logs/0/at/alarms", 17), "17 alarms of one log; at most 16"),
        (repeated("/logs/0/listing/lists", 65), "65 log lists of one log"),
        (changed("/logs/0/counts/entries", json!(u64::MAX)), "Example 2027 has a count of"),
        (changed("/logs/0/host/requests", json!(u64::MAX)), "ct.example has a count of"),
        (changed("/issuers/counts/failed", json!(u64::MAX)), "the issuers has a count of"),
    ];
    for (bytes, expected) in cases {
        let error = LogsSnapshot::decode(&bytes).expect_err(expected).to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(error.len() < LONGEST_TEXT + 100, "{expected}: {} bytes", error.len());
    }
    for rate in ["inf", "NaN"] {
        let read = LogsSnapshot::decode(&changed("/logs/0/host/rate", json!(rate)));
        let read = read.expect("it is read");
        assert_eq!(read.logs[0].host.as_ref().map(|host| host.rate), Some(None), "{rate}");
    }
}

#[test]
fn more_than_can_be_read_is_not_written() {
    let mut snapshot = version_1();
    snapshot.logs = vec![snapshot.logs[0].clone(); MOST_LOGS + 1];
    assert!(matches!(snapshot.encode(), Err(SnapshotError::TooMany { .. })));
    snapshot.logs.truncate(MOST_LOGS);
    for log in &mut snapshot.logs {
        log.at.last_error = Some("x".repeat(LONGEST_TEXT));
    }
    assert!(matches!(snapshot.encode(), Err(SnapshotError::TooLarge(_))));
}

#[test]
fn long_texts_are_shortened_once_and_stay_readable() {
    let mut snapshot = version_1();
    let long = "ü".repeat(LONGEST_TEXT);
    let at = &mut snapshot.logs[0].at;
    at.last_error = Some(long.clone());
    at.alarms[0].text.clone_from(&long);
    snapshot.reason = Some(Reason(long.clone()));
    snapshot.lists[0].error = Some(long);
    let taken = LogsSnapshot::take(&snapshot);
    let shortened = taken.reason().expect("a reason").0;
    assert!(shortened.len() <= LONGEST_TEXT && shortened.ends_with("ü…"), "{shortened}");
    let at = &taken.logs[0].at;
    assert_eq!(at.last_error.as_ref(), Some(&shortened));
    assert_eq!(at.alarms[0].text, shortened);
    assert_eq!(taken.lists[0].error.as_ref(), Some(&shortened));
    let read = LogsSnapshot::decode(&taken.encode().expect("it is written"));
    assert_eq!(seen(&read.expect("it is read")), seen(&taken));
}

fn text() -> impl Strategy<Value = String> {
    "(?s).{0,12}"
}

/// Counts of which each has another value.
fn counts() -> impl Strategy<Value = Counts> {
    any::<u64>().prop_map(|seed| {
        let mut counts = serde_json::to_value(Counts::default()).expect("JSON");
        let each = counts.as_object_mut().expect("an object").values_mut();
        for (value, n) in each.zip(0..) {
            *value = json!(seed.rotate_left(n) >> 13);
        }
        serde_json::from_value(counts).expect("counts")
    })
}

prop_compose! {
    fn alarm()(
        kind in select(vec![AlarmKind::Equivocation, AlarmKind::Fork, AlarmKind::Mismatch,
            AlarmKind::FinalHead, AlarmKind::Gap]),
        at: u64, text in text(), first: u64, end: u64, evidence in option::of(text()),
    ) -> Alarm {
        Alarm { kind, at, text, first, end, evidence }
    }
}

prop_compose! {
    fn progress()(
        numbers: (Option<u64>, u64, u64, Option<u64>, Option<u64>),
        health in select(vec![Health::Healthy, Health::Degraded, Health::Unhealthy]),
        breaker in select(vec![BreakerState::Closed, BreakerState::Open, BreakerState::HalfOpen]),
        texts in (option::of(text()), option::of(text())),
        proved: Option<(u64, u64)>,
        overdue: bool,
        alarms in prop::collection::vec(alarm(), 0..4),
    ) -> Snapshot {
        let (next_index, tree_size, head_timestamp, last_timestamp, last_success) = numbers;
        let (last_error, unproved) = texts;
        let proved = proved.map(|(from, to)| from..to);
        Snapshot { next_index, tree_size, head_timestamp, last_timestamp, health, breaker,
            last_success, last_error, proved, unproved, overdue, alarms }
    }
}

prop_compose! {
    fn listing()(
        state in option::of(text()),
        lists in prop::collection::vec(text(), 0..3),
        signed: bool,
        final_head: Option<(u64, [u8; 32])>,
        mmd: Option<Duration>,
    ) -> Listing {
        let final_head = final_head.map(|(size, root)| FinalTreeHead { size, root });
        Listing { state, lists, signed, final_head, mmd }
    }
}

prop_compose! {
    fn host()(
        host in text(),
        rate in option::of(any::<f64>().prop_filter("finite", |rate| rate.is_finite())),
        interval: Duration, in_flight: u32, requests: u32, limited: u32,
    ) -> HostSnapshot {
        let in_flight = in_flight as usize;
        HostSnapshot { host, rate, interval, in_flight, requests: requests.into(),
            limited: limited.into() }
    }
}

prop_compose! {
    fn log()(
        names in (text(), text(), "https://[a-z]{1,9}\\.example(:8443)?(/[a-z0-9%]{0,9}[a-z])?"),
        id: Option<[u8; 32]>,
        protocol in select(vec![Protocol::Rfc6962, Protocol::StaticCt]),
        at in progress(),
        counts in counts(),
        listing in listing(),
        draining: bool,
        host in option::of(host()),
        paused_for: Option<Duration>,
    ) -> LogView {
        let (name, operator, url) = names;
        let id = id.map(|id| ct::LogId(id).to_string());
        let log = Log::configured(protocol, &name, &url, None, id.as_deref()).expect("usable");
        let log = Arc::new(Log { operator, ..log });
        LogView { log, at, counts, listing, draining, host, paused_for }
    }
}

prop_compose! {
    fn list()(
        url in text(),
        edition: Option<(Option<(u64, u64)>, Option<u32>)>,
        sizes: (u32, u32),
        fetched: Option<u64>,
        flags: [bool; 3],
        error in option::of(text()),
    ) -> ListStatus {
        let edition = edition.map(|(version, seconds)| Edition {
            version: version.map(|(major, minor)| ct::log_list::Version { major, minor }),
            timestamp: seconds.map(|seconds| {
                ct::log_list::Timestamp::from_second(seconds.into()).expect("in range")
            }),
        });
        let [signed, cached, stale] = flags;
        let (logs, skipped) = (sizes.0 as usize, sizes.1 as usize);
        ListStatus { url, signed, edition, logs, skipped, fetched, cached, stale, error }
    }
}

prop_compose! {
    fn status()(
        logs in prop::collection::vec(log(), 0..4),
        hosts in prop::collection::vec(host(), 0..4),
        lists in prop::collection::vec(list(), 0..4),
        reason in option::of(text()),
        held: (u32, u32),
        issuers: (u32, u32, u32),
    ) -> LogsSnapshot {
        let (known, fetched, failed) = issuers;
        let counts = IssuerCounts { fetched: fetched.into(), failed: failed.into() };
        let held = HeldBytes { responses: held.0 as usize, waiting: held.1 as usize };
        let issuers = IssuersView { known: known as usize, counts };
        LogsSnapshot { taken_at: 0, logs, hosts, lists, reason: reason.map(Reason), held, issuers }
    }
}

proptest! {
    #[test]
    fn readers_see_the_same_after_a_round_trip(status in status()) {
        let taken = LogsSnapshot::take(&status);
        let read = LogsSnapshot::decode(&taken.encode().expect("it is written"));
        let read = read.expect("it is read");
        prop_assert_eq!(seen(&read), seen(&status));
        prop_assert_eq!(read.taken_at(), taken.taken_at());
        prop_assert!(taken.taken_at() > 1_700_000_000_000);
    }

    #[test]
    fn damaged_bytes_never_cause_a_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        is_compressed: bool,
    ) {
        let change = |mut bytes: Vec<u8>| {
            for (index, byte) in &changes {
                let place = index.index(bytes.len());
                bytes[place] = *byte;
            }
            bytes
        };
        let bytes = if is_compressed {
            change(bytes_of(VERSION_1.as_bytes()))
        } else {
            bytes_of(&change(VERSION_1.as_bytes().to_vec()))
        };
        // Bytes that can be read are a status that can be written and read again.
        if let Ok(read) = LogsSnapshot::decode(&bytes) {
            let again = LogsSnapshot::decode(&read.encode().expect("it is written"));
            prop_assert_eq!(seen(&again.expect("it is read")), seen(&read));
        }
    }
}
