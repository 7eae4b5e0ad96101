//! A server whose journal is damaged in any file starts, reports it, and serves the rest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::Config;
use ctsim::Sim;
use serde_json::Value;

use crate::harness::{Running, eventually, logs, next_json, reads_all};

/// Entries of the log at the start, and those it gains each time a server starts.
const ENTRIES: u64 = 600;
const GROWTH: u64 = 5;

/// Certificates by their offsets: SHA-256 and the message's data.
type Messages = BTreeMap<u64, (String, Value)>;

fn config(sim: &Sim, folder: &Path, data: PathBuf) -> Config {
    let mut config = reads_all(sim, folder);
    config.data_dir = Some(data);
    config.protocols.api = true;
    // Look-ups and replays come from the disk.
    config.api.cache_capacity = 1;
    config.feed.ring_bytes = config::ByteSize::new(128 * config::ByteSize::KIB);
    config
}

/// Reads what is sent after an offset, up to the entry of the log with this index.
async fn read(server: &Running, since: u64, last: u64) -> Messages {
    let mut socket = server.connect(&format!("/?since={since}")).await;
    let mut messages = Messages::new();
    loop {
        let message = next_json(&mut socket).await;
        if message["message_type"] != "certificate_update" {
            continue; // A gap.
        }
        let data = &message["data"];
        let digest = data["leaf_cert"]["sha256"].as_str().expect("a digest").to_owned();
        let offset = message["offset"].as_u64().expect("a number");
        assert_eq!(messages.insert(offset, (digest, data.clone())).map(|(digest, _)| digest), None);
        if data["cert_index"] == last {
            return messages;
        }
    }
}

/// Returns the damage that the server reports.
async fn damage(server: &Running) -> u64 {
    let stats: Value = server.get("/api/stats").await.json().await.expect("JSON");
    stats["journal"]["damaged_frames"].as_u64().expect("a number")
}

/// Returns the status and the offset of a certificate that is looked up, once everything is indexed.
async fn looked_up(server: &Running, digest: &str) -> (u16, Option<u64>) {
    let answer = server.look_up(&format!("/api/cert/{digest}")).await;
    let status = answer.status().as_u16();
    let found: Option<Value> = answer.json().await.ok();
    (status, found.and_then(|found| found["offset"].as_u64()))
}

/// Writes a journal of two segments, the first one with its index, and returns everything in it.
async fn written(sim: &Sim, folder: &Path, data: &Path) -> Messages {
    let log = &sim.logs()[0];
    let server = Running::start(config(sim, folder, data.to_owned())).await;
    let all = read(&server, 0, ENTRIES - 1).await;
    server.stop().await;
    let server = Running::start(config(sim, folder, data.to_owned())).await;
    log.grow(GROWTH).expect("it grows");
    let (last, _) = all.last_key_value().expect("entries");
    let more = read(&server, *last, ENTRIES + GROWTH - 1).await;
    eventually("the first segment is indexed", async || {
        files(data).iter().any(|path| has_extension(path, "index")).then_some(())
    })
    .await;
    server.stop().await;
    all.into_iter().chain(more).collect()
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

/// Returns all files of a data directory, in their order.
fn files(data: &Path) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![data.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

pub(super) fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).expect("inside"));
        std::fs::create_dir_all(target.parent().expect("a folder")).expect("writable");
        std::fs::copy(file, target).expect("copied");
    }
}

fn flip(path: &Path, at: impl FnOnce(usize) -> usize) {
    let mut bytes = std::fs::read(path).expect("readable");
    let at = at(bytes.len());
    bytes[at] ^= 0x10;
    std::fs::write(path, bytes).expect("writable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_damaged_journal_starts_reports_it_and_serves_the_rest() {
    let sim = logs(ctsim::Config {
        rfc6962: 1,
        static_ct: 0,
        rate: 0.0,
        initial_size: ENTRIES,
        page_limit: 40,
        ..ctsim::Config::default()
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let original = folder.path().join("original");
    let all = written(&sim, folder.path(), &original).await;
    // The kind of file, and a place in it, of 1000; whether something can be lost.
    let cases = [
        ("segment", 0, false),
        ("segment", 300, true),
        ("segment", 803, true),
        ("segment", 970, true),
        ("index", 1, false),
        ("index", 500, false),
        ("lock", 0, false),
    ];
    let mut newest = ENTRIES + GROWTH;
    for (number, (kind, place, may_lose)) in cases.into_iter().enumerate() {
        let case = format!("{kind} at {place}/1000");
        let data = folder.path().join(format!("damaged{number}"));
        copy(&original, &data);
        let file = files(&data).into_iter().find(|path| has_extension(path, kind));
        flip(&file.expect(&case), |length| length * place / 1000);
        let server = Running::start(config(&sim, folder.path(), data.clone())).await;
        sim.logs()[0].grow(GROWTH).expect("it grows");
        newest += GROWTH;
        let (first, _) = all.first_key_value().expect("entries");
        let rest = read(&server, first - 1, newest - 1).await;
        let kept = rest.iter().filter(|(offset, message)| all.get(offset) == Some(message)).count();
        let reported = damage(&server).await;
        match may_lose {
            true => assert!(reported > 0 && kept >= 5 && kept < all.len(), "{case}: {kept}"),
            false => assert_eq!(kept, all.len(), "{case}"),
        }
        assert_eq!(reported > 0, kind == "segment", "{case}: {reported}");
        // Each index of the log is still read once.
        let indexes: Vec<u64> =
            rest.values().filter_map(|(_, d)| d["cert_index"].as_u64()).collect();
        assert!(indexes.is_sorted_by(|one, two| one < two), "{case}: {indexes:?}");
        let positions = rest.iter().step_by(97).chain(rest.iter().next_back());
        for (offset, (digest, _)) in positions {
            assert_eq!(looked_up(&server, digest).await, (200, Some(*offset)), "{case}");
        }
        if let Some((_, (lost, _))) = all.iter().find(|(offset, _)| !rest.contains_key(offset)) {
            assert_eq!(looked_up(&server, lost).await.0, 404, "{case}");
        }
        server.stop().await;
        std::fs::remove_dir_all(data).expect("removed");
    }
    sim.shutdown().await;
}
