//! A server under load with its clients, and the checks of what they have received in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ctsim::fault::{Fault, Scope, Times};
use journal::storage::Disk;
use journal::{Directory, Item, System};
use parking_lot::Mutex;
use record::{Batch, LogNumber};

use super::Entry;
use super::client::{Client, Transport};
use crate::harness::{eventually, logs};
use crate::program::Process;

/// The interval of the watchdog, in microseconds.
const WATCHDOG: &str = "300000";

/// A server that follows two logs of the same certificates, and three clients.
pub(super) struct Run {
    sim: ctsim::Sim,
    folder: tempfile::TempDir,
    pub(super) data_dir: PathBuf,
    file: String,
    /// The entries of each log in the end.
    size: u64,
    dedup: bool,
    /// Notifications of the watchdog so far.
    notified: Arc<AtomicU64>,
    /// None while it is killed.
    pub(super) server: Option<Process>,
    address: Arc<Mutex<std::net::SocketAddr>>,
    clients: [Client; 3],
}

impl Run {
    /// Starts the server, with its journal in `data_dir` if that is not to be in a folder of its own.
    /// Each log gains `rate` entries a second until it has `size`; at a rate of 0, `grow` adds entries.
    pub(super) async fn start(
        dedup: bool,
        sync: &str,
        (rate, size): (f64, u64),
        data_dir: Option<&Path>,
    ) -> Self {
        let sim = logs(ctsim::Config {
            rfc6962: 1,
            static_ct: 1,
            copies: 2,
            rate,
            initial_size: 0,
            max_size: (rate > 0.0).then_some(size),
            publish_interval: Duration::from_millis(50),
            ..ctsim::Config::default()
        })
        .await;
        let broken = Fault::Status { code: 500, retry_after: None };
        sim.logs()[0].faults().inject(Scope::Entries, broken, Times::Next(3));
        let folder = tempfile::tempdir().expect("a folder");
        let own = folder.path().join("data");
        let data_dir = data_dir.unwrap_or(&own).to_owned();
        let file = configuration(&sim, folder.path(), &data_dir, dedup, sync);
        let notified = hear(&folder.path().join("notify"));
        let server = start(&folder, &file);
        let address = Arc::new(Mutex::new(server.address));
        let clients = [
            Client::start(&address, Transport::WebSocket, ""),
            Client::start(&address, Transport::Events, ""),
            Client::start(&address, Transport::WebSocket, "&entry=precert"),
        ];
        let server = Some(server);
        Self { sim, folder, data_dir, file, size, dedup, notified, server, address, clients }
    }

    /// Kills the server, and starts it again.
    pub(super) fn restart(&mut self) {
        drop(self.server.take()); // SIGKILL
        let server = start(&self.folder, &self.file);
        *self.address.lock() = server.address;
        self.server = Some(server);
    }

    pub(super) fn server(&self) -> &Process {
        self.server.as_ref().expect("it runs")
    }

    /// Waits until the server notifies the watchdog.
    pub(super) async fn watchdog_is_notified(&self) {
        let before = self.notified.load(Ordering::Relaxed);
        eventually("the watchdog is notified", async || {
            (self.notified.load(Ordering::Relaxed) > before).then_some(())
        })
        .await;
    }

    /// Adds entries to each log.
    pub(super) fn grow(&mut self, count: u64) {
        self.sim.logs().iter().for_each(|log| log.grow(count).expect("it grows"));
        self.size += count;
    }

    /// Returns the answer to the request for readiness.
    pub(super) async fn readiness(&self) -> String {
        eventually("readiness is answered", async || {
            let ready = format!("http://{}/health/ready", *self.address.lock());
            reqwest::get(ready).await.ok()?.text().await.ok()
        })
        .await
    }

    /// Waits until the readiness is this, as part of the answer.
    pub(super) async fn ready_is(&self, part: &str) {
        eventually(part, async || self.readiness().await.contains(part).then_some(())).await;
    }

    /// Waits until the clients have all that is published at present.
    pub(super) async fn clients_catch_up(&self) {
        let newest = eventually("something is published", async || {
            let stats = format!("http://{}/api/stats", *self.address.lock());
            let stats = reqwest::get(stats).await.ok()?.bytes().await.ok()?;
            serde_json::from_slice::<serde_json::Value>(&stats).ok()?["offset"].as_u64()
        })
        .await;
        let [first, others @ .., filtered] = &self.clients;
        eventually("the clients catch up", async || {
            let all = others.iter().chain([first]).all(|client| client.last() >= Some(newest));
            let received = first.received.lock();
            let precert = received.precerts.range(..=newest).next_back().copied();
            drop(received);
            (all && filtered.last() >= precert).then_some(())
        })
        .await;
    }

    /// Waits until everything is read and received, stops the server, and checks what the clients and
    /// the journal have. `is_whole` says that the journal has everything.
    pub(super) async fn finish(mut self, is_whole: bool) {
        let (size, clients) = (self.size, &self.clients);
        let read = format!("\"current_index\":{size},");
        eventually("both logs are read to their ends", async || {
            let status = format!("http://{}/api/logs", *self.address.lock());
            let text = reqwest::get(status).await.ok()?.text().await.ok()?;
            (text.matches(&read).count() == 2).then_some(())
        })
        .await;
        // Each certificate is in both logs; it is recognised after restarts, too.
        let expected = if self.dedup { (size, size) } else { (2 * size, 0) };
        eventually("the clients have all records", async || {
            let first = clients[0].received.lock();
            let (count, precert) = (first.records.len() as u64, first.precerts.last().copied());
            drop(first);
            let have_it = clients[1].last() == clients[0].last() && clients[2].last() == precert;
            (have_it && count >= expected.0).then_some(())
        })
        .await;
        for Client { received, transport, filter, .. } in clients {
            assert_eq!(received.lock().wrong, [""; 0], "{transport:?} {filter}");
        }
        self.server.take().expect("it runs").stop();
        let journal = journalled(&self.data_dir, self.sim.logs().len());
        if is_whole {
            assert_eq!((journal.records.len() as u64, journal.sightings), expected);
            assert_eq!(journal.indexes, 2 * size, "an index is not accounted for");
        }
        let all = clients[0].received.lock().records.clone();
        assert_eq!(all.len() as u64, expected.0, "each record is received once");
        let entries: BTreeSet<&Entry> = all.values().collect();
        assert_eq!(entries.len() as u64, expected.0, "no entry is received twice");
        let holes: Vec<_> = all
            .keys()
            .zip(all.keys().skip(1))
            .filter(|(last, next)| **last + 1 != **next)
            .collect();
        assert!(holes.is_empty(), "the offsets have holes: {holes:?}");
        let oldest = *journal.records.keys().next().expect("a record");
        assert!(all.range(oldest..).eq(&journal.records), "the journal has other records");
        for client in clients {
            let received = client.received.lock();
            if client.filter.is_empty() {
                assert!(received.records == all, "{:?} differs", client.transport);
            } else {
                let precerts = &clients[0].received.lock().precerts;
                assert!(!precerts.is_empty() && precerts.len() < all.len());
                assert!(received.records.keys().eq(precerts), "the filtered client differs");
                assert!(received.records.iter().all(|(at, entry)| all.get(at) == Some(entry)));
            }
        }
        let (records, sightings) = (all.len(), journal.sightings);
        println!("{records} records, {sightings} sightings, no gap, no hole");
    }
}

/// Counts the notifications of the watchdog at a socket. They have to be read: the server waits until
/// there is room for one.
fn hear(path: &Path) -> Arc<AtomicU64> {
    let socket = UnixDatagram::bind(path).expect("a socket");
    let notified = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&notified);
    std::thread::spawn(move || {
        let mut message = [0; 256];
        while let Ok(length) = socket.recv(&mut message) {
            if message[..length].starts_with(b"WATCHDOG=1") {
                counts.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    notified
}

fn start(folder: &tempfile::TempDir, file: &str) -> Process {
    let notify = folder.path().join("notify");
    let notify = notify.to_str().expect("a path in UTF-8");
    Process::start(file, &[("NOTIFY_SOCKET", notify), ("WATCHDOG_USEC", WATCHDOG)], &[])
}

/// Returns a configuration that reads the logs from their beginning, with a journal.
pub(super) fn configuration(
    sim: &ctsim::Sim,
    folder: &Path,
    data_dir: &Path,
    dedup: bool,
    sync: &str,
) -> String {
    let key = folder.join("key.pem");
    std::fs::write(&key, sim.list_key_pem()).expect("writable");
    format!(
        "data_dir: {data_dir:?}\ndedup: {dedup}\njournal: {{sync: {sync}}}\n\
         protocols: {{sse: true, api: true}}\n\
         ct_log: {{log_list_url: {:?}, log_list_key_file: {key:?}, start: zero, \
         poll_interval_ms: 50, partial_tile_wait_ms: 50, retry_initial_delay_ms: 50}}\n",
        sim.list_url()
    )
}

/// The contents of a journal.
#[derive(Debug, Default)]
pub(super) struct Journalled {
    /// Its records by offset.
    pub(super) records: BTreeMap<u64, Entry>,
    /// Indexes that are accounted for, each once.
    pub(super) indexes: u64,
    pub(super) sightings: u64,
}

/// Reads a journal; checks that no index of a log is accounted for twice.
pub(super) fn journalled(data_dir: &Path, logs: usize) -> Journalled {
    let directory = Directory::open(Arc::new(Disk), &System::new(), data_dir).expect("a journal");
    let state = directory.state();
    assert_eq!(state.logs().len(), logs);
    let url = |log: LogNumber| state.log(log).expect("a log").identity.url.clone();
    let mut records = BTreeMap::new();
    let mut counted = BTreeSet::new();
    let mut sightings = 0_u64;
    let mut contents = directory.contents(0).expect("readable");
    while let Some(item) = contents.next_item().expect("readable") {
        let Item::Batch(stored) = item else {
            assert!(!matches!(item, Item::Damage(_) | Item::Misfit(..)), "{item:?}");
            continue;
        };
        let Batch { first_offset, records: batch, sightings: seen, gaps, .. } = &stored.batch;
        for (offset, record) in (*first_offset..).zip(batch) {
            let entry = (url(record.log), record.index);
            assert!(counted.insert(entry.clone()), "{entry:?} is accounted for twice");
            assert_eq!(records.insert(offset, entry), None, "an offset for two records");
        }
        for sighting in seen {
            let entry = (url(sighting.log), sighting.index);
            assert!(counted.insert(entry.clone()), "{entry:?} is accounted for twice");
            assert!(records.contains_key(&sighting.offset), "a sighting of a record");
            sightings += 1;
        }
        assert!(gaps.is_empty(), "{gaps:?}");
    }
    Journalled { records, indexes: counted.len() as u64, sightings }
}
