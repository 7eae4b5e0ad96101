//! Certificates with new domains: a server that is killed again and again marks each domain once, and
//! streams, searches and look-ups agree with the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cert::{Certificate, Dialect, registered_domain};
use config::ByteSize;
use journal::storage::Disk;
use journal::{Directory, Item, System};
use parking_lot::Mutex;
use serde_json::Value;

use super::client::{Client, Transport};
use super::{configuration, random};
use crate::harness::{Running, eventually, logs, reads_all};
use crate::program::Process;

/// Entries of each log in the end, and those that it gains in a second.
const SIZE: u64 = 500;
const RATE: f64 = 250.0;
const KILLS: u32 = 4;

/// The records of a journal by offset: its domains, and the mark.
pub(crate) type Records = BTreeMap<u64, (BTreeSet<String>, bool)>;

pub(crate) fn records(data_dir: &Path) -> Records {
    let directory = Directory::open(Arc::new(Disk), &System::new(), data_dir).expect("a journal");
    let mut contents = directory.contents(0).expect("readable");
    let mut records = Records::new();
    while let Some(item) = contents.next_item().expect("readable") {
        let Item::Batch(stored) = item else { continue };
        for (offset, record) in (stored.batch.first_offset..).zip(&stored.batch.records) {
            let certificate = Certificate::read(&record.certificate);
            let names = certificate.all_domains(Dialect::Calidog);
            let domains = names.filter_map(|name| Some(registered_domain(&name)?.into_owned()));
            records.insert(offset, (domains.collect(), record.is_new));
        }
    }
    records
}

/// Returns the first offset of each domain, and the offsets of certificates with a new one.
pub(crate) fn expected(records: &Records) -> (BTreeMap<&str, u64>, BTreeSet<u64>) {
    let (mut first, mut new) = (BTreeMap::new(), BTreeSet::new());
    for (offset, (domains, _)) in records {
        for domain in domains {
            first.entry(domain.as_str()).or_insert_with(|| {
                new.insert(*offset);
                *offset
            });
        }
    }
    (first, new)
}

async fn json(url: &str) -> Option<Value> {
    reqwest::get(url).await.ok()?.json().await.ok()
}

/// Returns the offsets that a search finds, on as many pages as it takes.
async fn searched(address: &str) -> BTreeSet<u64> {
    let (mut found, mut cursor) = (BTreeSet::new(), String::new());
    loop {
        let url = format!("{address}/api/search?new=true&order=oldest&limit=300{cursor}");
        let page = json(&url).await.expect("an answer");
        let results = page["results"].as_array().expect("results");
        found.extend(results.iter().map(|result| result["offset"].as_u64().expect("an offset")));
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_is_new_once_however_often_the_server_is_killed() {
    let sim = logs(ctsim::Config {
        rfc6962: 1,
        static_ct: 1,
        rate: RATE,
        initial_size: 0,
        max_size: Some(SIZE),
        publish_interval: Duration::from_millis(50),
        ..ctsim::Config::default()
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let file = configuration(&sim, folder.path(), &data_dir, true, "interval");
    let start = || Process::start(&file, &[], &[]);
    let mut server = start();
    let servers = Arc::new(Mutex::new(vec![server.address]));
    let [all, events, socket] = [
        (Transport::WebSocket, ""),
        (Transport::Events, "&new=true"),
        (Transport::WebSocket, "&new=true"),
    ]
    .map(|(transport, filter)| Client::start(&servers, transport, filter));
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(random(800))).await;
        drop(server); // SIGKILL
        server = start();
        *servers.lock() = vec![server.address];
    }
    let address = format!("http://{}", server.address);
    eventually("all entries are read", async || {
        let logs = json(&format!("{address}/api/logs")).await?;
        let is_read = |log: &Value| log["current_index"] == SIZE;
        let logs = logs["logs"].as_array()?;
        (logs.len() == 2 && logs.iter().all(is_read)).then_some(())
    })
    .await;
    server.stop();
    let kept = records(&data_dir);
    let server = start();
    *servers.lock() = vec![server.address];
    let address = format!("http://{}", server.address);
    let newest = kept.keys().next_back().copied();
    eventually("all are received", async || (all.last() == newest).then_some(())).await;
    let late = Client::start(&servers, Transport::WebSocket, "&new=true");
    let (first, new) = expected(&kept);
    let marked: BTreeSet<u64> =
        kept.iter().filter(|(_, (_, is_new))| *is_new).map(|(offset, _)| *offset).collect();
    assert!(marked == new, "each domain is new once: {} and {}", marked.len(), new.len());
    assert!(new.len() > 50 && new.len() < kept.len(), "{} of {}", new.len(), kept.len());
    for client in [events, socket, late] {
        eventually("the clients have all", async || {
            (client.last() == new.last().copied()).then_some(())
        })
        .await;
        let received = client.received.lock();
        // A server that stops may send what is left to a later connection.
        let is_stop = |wrong: &String| wrong.contains(r#""reason":"shutdown""#);
        assert!(received.wrong.iter().all(is_stop), "{:?}", received.wrong);
        assert!(received.records.keys().copied().collect::<BTreeSet<u64>>() == new);
    }
    assert!(searched(&address).await == new);
    for (domain, offset) in first.iter().step_by(20) {
        let url = format!("{address}/api/first-seen?domain=a.b.{domain}");
        let answer = json(&url).await.expect("JSON");
        assert_eq!(
            (answer["domain"].as_str(), answer["offset"].as_u64()),
            (Some(*domain), Some(*offset))
        );
        assert!(answer["entry"]["cert_index"].is_number(), "{answer}");
    }
    let never = reqwest::get(format!("{address}/api/first-seen?domain=never-seen.example")).await;
    let never = never.expect("an answer");
    assert_eq!(never.status(), 404);
    let never: Value = never.json().await.expect("JSON");
    assert!(never["domain"] == "never-seen.example" && never["since"].is_number(), "{never}");
    server.stop();
}

/// The journal deletes certificates, and the set still knows their domains. A damaged set is made again
/// from what is left.
#[tokio::test(flavor = "multi_thread")]
async fn domains_are_remembered_longer_than_their_certificates() {
    let simulated = ctsim::Config { rfc6962: 1, static_ct: 0, rate: 0.0, ..Default::default() };
    let sim = logs(ctsim::Config { initial_size: 100, ..simulated }).await;
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let mut config = reads_all(&sim, &folder);
    config.data_dir = Some(data_dir.clone());
    config.protocols.api = true;
    config.journal.max_bytes = ByteSize::new(4 * ByteSize::MIB / 10);
    let server = Running::start(config.clone()).await;
    let journal = async |server: &Running| {
        let stats: Value = server.get("/api/stats").await.json().await.expect("JSON");
        stats["journal"].clone()
    };
    eventually("the log is read", async || {
        (journal(&server).await["entries"] == 100).then_some(())
    })
    .await;
    server.stop().await;
    let (domain, offset) = {
        let kept = records(&data_dir);
        let (first, _) = expected(&kept);
        first
            .into_iter()
            .map(|(domain, offset)| (domain.to_owned(), offset))
            .min_by_key(|one| one.1)
            .expect("one")
    };
    let server = Running::start(config.clone()).await;
    let path = format!("/api/first-seen?domain={domain}");
    let answer = async |server: &Running| {
        let answer = server.get(&path).await;
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default())
    };
    let (status, known) = answer(&server).await;
    assert!(status == 200 && known["offset"] == offset && known["entry"].is_object(), "{known}");
    eventually("its certificate is deleted", async || {
        sim.logs()[0].grow(100).expect("it grows");
        let first = journal(&server).await["first_offset"].as_u64();
        (first > Some(offset)).then_some(())
    })
    .await;
    let (status, deleted) = answer(&server).await;
    assert!(
        status == 200 && deleted["offset"] == offset && deleted["entry"].is_null(),
        "{deleted}"
    );
    server.stop().await;
    // Of the set nothing can be read.
    let set = data_dir.join("first-seen");
    let runs: Vec<_> = std::fs::read_dir(&set).expect("a folder").flatten().collect();
    assert!(!runs.is_empty());
    runs.iter().for_each(|run| std::fs::write(run.path(), b"damaged").expect("writable"));
    let server = Running::start(config).await;
    let answer = eventually("the set is made again", async || {
        let (status, answer) = answer(&server).await;
        (status != 503).then_some((status, answer))
    })
    .await;
    // Unless a certificate that is kept has the domain, too.
    assert!(answer.0 == 404 || answer.1["offset"].as_u64() > Some(offset), "{answer:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_journal_refuses_to_say_what_is_new() {
    let simulated = ctsim::Config { rfc6962: 1, static_ct: 0, rate: 0.0, ..Default::default() };
    let sim = logs(ctsim::Config { initial_size: 1, ..simulated }).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    config.protocols.api = true;
    let server = Running::start(config).await;
    for path in ["/sse?new=true", "/sse?domain=a.com&new=true", "/api/search?new=true"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), 400, "{path}");
        let text = answer.text().await.expect("text");
        assert!(text.starts_with("new: only a server with a journal (data_dir)"), "{text}");
    }
    let url = format!("ws://{}/?new=true", server.address);
    let refused = tokio_tungstenite::connect_async(url).await.expect_err("it is refused");
    assert!(refused.to_string().contains("400"), "{refused}");
    assert_eq!(server.get("/api/first-seen?domain=a.com").await.status(), 404);
    assert_eq!(server.get("/api/first-seen?domain=co.uk").await.status(), 400);
    assert_eq!(server.get("/sse?new=maybe").await.status(), 400);
    server.stop().await;
}
