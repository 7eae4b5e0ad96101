//! Entries that are not as they should be, of which the certificate is whole all the same.

use std::path::Path;
use std::sync::atomic::Ordering;

use cert::Certificate;
use ctsim::fault::{Fault, PageFault, Scope, Times};
use follow::position::State;
use follow::{AlarmKind, FleetOptions, FollowOptions, Log, Protocol, Verification};
use serde_json::{Value, json};

use crate::harness::{Followed, eventually, options, simulate, still, url_of};
use crate::site::{Answer, Site};

/// A head without a verifiable signature.
fn head(size: usize) -> Value {
    json!({
        "tree_size": size,
        "timestamp": 1_760_000_000_000_u64,
        "sha256_root_hash": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "tree_head_signature": "BAMACDAGAgEBAgEB",
    })
}

/// A log that answers get-entries with these rows.
async fn log_of(rows: Vec<Value>) -> Site {
    let size = rows.len();
    Site::serve(move |asked| {
        if asked.path.ends_with("get-sth") {
            return Answer::ok(head(size).to_string());
        }
        let query = asked.path.split_once("start=").map(|(_, query)| query);
        let start = query.and_then(|query| query.split('&').next()?.parse::<usize>().ok());
        let Some(start) = start else { return Answer::status(404) };
        Answer::ok(json!({ "entries": rows[start.min(size)..] }).to_string())
    })
    .await
}

async fn follow_rows(site: &Site, rows: usize) -> Followed {
    let log = Log::configured(Protocol::Rfc6962, "log", &site.base, None, None).expect("usable");
    let follow = FollowOptions { verification: Verification::Off, ..options() };
    let (configured, saved) = (vec![log], State::default());
    let mut followed = Followed::with(FleetOptions { follow, configured, catalogue: None, saved });
    followed.read_to(1, rows as u64).await;
    followed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_certificate_keeps_its_names_beside_any_malformed_rest() {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/reports/entries.json");
    let Ok(text) = std::fs::read(file) else {
        println!("skipped: ../shared/data/reports is not here");
        return;
    };
    let file: Value = serde_json::from_slice(&text).expect("JSON");
    let mut rows = file["entries"].as_array().expect("rows").clone();
    // Bytes after the leaf, and more extra data than its lengths say.
    for (field, more) in [("leaf_input", "AQID"), ("extra_data", "AQID")] {
        let mut row = rows.last().expect("a row").clone();
        let text = row[field].as_str().expect("base64");
        let mut bytes = base64_simd::STANDARD.decode_to_vec(text).expect("base64");
        bytes.extend(base64_simd::STANDARD.decode_to_vec(more).expect("base64"));
        row[field] = base64_simd::STANDARD.encode_to_string(bytes).into();
        rows.push(row);
    }
    let site = log_of(rows.clone()).await;
    let followed = follow_rows(&site, rows.len()).await;
    let named = |entry: &record::Record| {
        let certificate = Certificate::read(&entry.certificate);
        certificate.dns_names().any(|name| name == "00-plain.case.example")
    };
    let entries = &followed.entries[&site.base];
    let names: Vec<_> = entries.iter().map(named).collect();
    // An entry of an unknown type, and bytes that are not a certificate, are delivered unchanged.
    assert_eq!(names, [true, false, true, false, true, true, true]);
    assert!(entries.iter().all(|entry| entry.chain.is_empty() && !entry.certificate.is_empty()));
    let status = followed.status(&site.base);
    assert_eq!(status.counters.malformed.load(Ordering::Relaxed), 3);
    assert_eq!(status.counters.undecodable.load(Ordering::Relaxed), 1);
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_precertificate_without_a_submission_has_the_names_of_its_leaf() {
    let sim = simulate(ctsim::Config { static_ct: 0, ..still(64) }).await;
    let url = format!("{}ct/v1/get-entries?start=0&end=63", sim.logs()[0].url());
    let page = reqwest::get(url).await.expect("an answer").bytes().await.expect("bytes");
    let page: Value = serde_json::from_slice(&page).expect("JSON");
    let is_precertificate = |row: &&Value| {
        let leaf = row["leaf_input"].as_str().expect("base64");
        base64_simd::STANDARD.decode_to_vec(leaf).expect("base64")[11] == 1
    };
    let rows = page["entries"].as_array().expect("rows");
    let sound = rows.iter().find(is_precertificate).expect("a precertificate").clone();
    let with = |extra: &str| json!({ "leaf_input": sound["leaf_input"], "extra_data": extra });
    // Nothing; eight bytes that are no certificate, and an empty chain.
    let rows = vec![sound.clone(), with(""), with("AAAIAQIDBAUGBwgAAAA=")];
    let site = log_of(rows).await;
    let followed = follow_rows(&site, 3).await;
    let names = |entry: &record::Record| {
        let certificate = Certificate::read(&entry.certificate);
        certificate.dns_names().map(std::borrow::Cow::into_owned).collect::<Vec<_>>()
    };
    let entries = &followed.entries[&site.base];
    assert!(!names(&entries[0]).is_empty());
    assert_eq!(names(&entries[1]), names(&entries[0]));
    assert_eq!(names(&entries[2]), names(&entries[0]));
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undecodable_entry_of_a_tile_loses_no_other() {
    let sim = simulate(ctsim::Config { rfc6962: 0, ..still(600) }).await;
    let log = &sim.logs()[0];
    let unknown = Fault::Page(PageFault::UnknownType { index: Some(256 + 100) });
    log.faults().inject(Scope::Entries, unknown, Times::UntilCleared);
    let follow = FollowOptions { unreadable_wait: std::time::Duration::ZERO, ..options() };
    let mut followed = Followed::start(&sim, follow, State::default());
    // The fault never ends.
    followed.read_to(1, 600).await;
    let entries = &followed.entries[&url_of(log)];
    assert_eq!(entries.len(), 600);
    assert_eq!(entries[356].submitted, 0, "its bytes are passed on");
    let readable =
        |entry: &record::Record| Certificate::read(&entry.certificate).parse_error.is_none();
    assert!(entries.iter().all(|entry| readable(entry) == (entry.index != 356)));
    let status = followed.status(&url_of(log));
    assert_eq!(status.counters.unreadable.load(Ordering::Relaxed), 1);
    let alarms = status.snapshot().alarms;
    let gaps: Vec<_> = alarms.iter().map(|alarm| (alarm.kind, alarm.first, alarm.end)).collect();
    assert_eq!(gaps, [(AlarmKind::Gap, 356, 357)]);
    eventually("the rest is proved", || status.snapshot().proved == Some(357..600)).await;
    followed.fleet.stop().await;
}
