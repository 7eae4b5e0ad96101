//! Nodes that compete for the lease, and publish a stream to a real server of NATS.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use record::StreamId;
use relay::{Bucket, Link, Settings};
use sinks::{
    BrokerSettings, Cursor, Log, Message, Missed, NatsCredentials, NatsSettings, OnFull, Output,
    OutputSettings, Page, Position, Resume, Source, Status, Store as _, StoreError,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use xtask::nats::Nats;

use super::store::BucketStore;
use super::{Holder, random_name};

const PATIENCE: Duration = Duration::from_secs(60);
const STREAM: u64 = 7;

/// The entries of a stream, whose offsets are their numbers, up to a head that grows.
struct Numbers {
    log: Arc<Log>,
    head: watch::Receiver<u64>,
    /// Becomes true when the node stops, and the stream ends.
    stop: watch::Receiver<bool>,
    next: u64,
}

impl Source for Numbers {
    fn position(&self) -> Position {
        Position { next: self.next, entries: Some(self.next) }
    }

    async fn ready(&mut self) -> bool {
        let next = self.next;
        tokio::select! {
            biased;
            more = self.head.wait_for(|head| *head > next) => more.is_ok(),
            _ = self.stop.wait_for(|stop| *stop) => false,
        }
    }

    async fn read(&mut self) -> Page {
        let end = self.next.saturating_add(10).min(*self.head.borrow());
        let message = |index: u64| Message {
            log: Arc::clone(&self.log),
            index,
            name: None,
            body: Bytes::from(index.to_string()),
        };
        let messages = (self.next..end).map(message).collect();
        self.next = end;
        Page { messages, missed: Missed::Nothing, end: self.position() }
    }

    fn behind(&self) -> u64 {
        self.head.borrow().saturating_sub(self.next)
    }

    fn skip(&mut self) -> (u64, Position) {
        (0, self.position())
    }
}

/// A server of NATS, and the head of the stream.
struct Site {
    nats: Nats,
    head: watch::Sender<u64>,
    _folder: TempDir,
}

impl Site {
    /// Starts the server; `None` if it cannot be installed, and the test is skipped.
    fn start() -> Option<Self> {
        if let Err(error) = xtask::nats::program() {
            println!("SKIPPED: the server of NATS cannot be installed: {error:#}");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let nats = Nats::start(folder.path(), 1).expect("NATS starts");
        Some(Self { nats, head: watch::Sender::new(0), _folder: folder })
    }

    async fn bucket(&self) -> Bucket {
        let settings = Settings::new(vec![self.nats.urls()], "CTLOG");
        let link = Link::open(&settings).await.expect("NATS is there");
        Bucket::open(&link, &settings).await.expect("the bucket can be opened")
    }

    fn output(&self) -> OutputSettings {
        let nats = NatsSettings {
            servers: vec![self.nats.urls()],
            stream: "CERTSTREAM".to_owned(),
            subject_prefix: "certstream".to_owned(),
            max_bytes: 1 << 20,
            duplicate_window: Duration::from_secs(60),
            replicas: 1,
            credentials: NatsCredentials::None,
            tls: None,
        };
        OutputSettings {
            name: "nats".to_owned(),
            broker: BrokerSettings::Nats(nats),
            on_full: OnFull::Block,
            publish_timeout: Duration::from_secs(2),
        }
    }
}

/// A node with threads of its own, so that it can be killed.
struct Node {
    runtime: Runtime,
    status: Arc<Status>,
    bucket: Bucket,
    stop: Option<oneshot::Sender<Instant>>,
    holder: JoinHandle<()>,
}

impl Node {
    fn start(site: &Site) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("threads");
        let bucket = runtime.block_on(site.bucket());
        let (settings, head) = (site.output(), site.head.subscribe());
        let status = Arc::new(Status::new("nats"));
        let (name, shown, shared) = (random_name(), Arc::clone(&status), bucket.clone());
        let of = name.clone();
        let start = move |stop: &watch::Receiver<bool>| {
            let (settings, status, stop) = (settings.clone(), Arc::clone(&shown), stop.clone());
            let store = BucketStore::new(shared.clone(), of.clone(), "nats");
            let head = head.clone();
            vec![tokio::spawn(async move {
                let id = StreamId::from_random(STREAM);
                let (cursor, resume) = Cursor::open(Box::new(store), id).await.expect("a cursor");
                let next = match resume {
                    Resume::At(position) => position.next,
                    Resume::Head | Resume::Oldest => 0,
                };
                let log = Arc::new(Log {
                    id: Some("aWQ=".to_owned()),
                    url: "https://ct.example/log".to_owned(),
                    name: "log".to_owned(),
                    operator: "operator".to_owned(),
                });
                let numbers = Numbers { log, head, stop: stop.clone(), next };
                let output = Output::new(settings, cursor, status, stop);
                output.run(numbers).await.expect("it holds the lease");
            })]
        };
        let (stop, stopped) = oneshot::channel();
        let holder = Holder::new(bucket.clone(), name, start);
        let holder = runtime.spawn(holder.run(stopped));
        Self { runtime, status, bucket, stop: Some(stop), holder }
    }

    /// Waits for a condition.
    fn wait(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let start = std::time::Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < PATIENCE, "{what}: {:?}", self.status.figures());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait_until_it_runs(&self) {
        self.wait("the lease", |node| node.status.figures().running);
    }

    /// Waits until all entries up to one are published and the cursor is saved there.
    fn wait_for(&self, next: u64) {
        self.wait("the end", |node| node.status.figures().next == next);
        let saved = format!("\"next\":{next},");
        self.wait("the cursor", |node| {
            let saved_now = node.runtime.block_on(node.bucket.get("cursor.nats"));
            let (_, value) = saved_now.expect("NATS responds").expect("a cursor");
            String::from_utf8_lossy(&value).contains(&saved)
        });
    }

    /// Ends all its tasks at once.
    fn kill(self) {
        self.runtime.shutdown_background();
    }

    /// Ends it as a server does that stops.
    fn stop(mut self) {
        let deadline = Instant::now() + PATIENCE;
        self.stop.take().expect("it runs").send(deadline).expect("it runs");
        self.runtime.block_on(self.holder).expect("no panic");
    }
}

#[test]
fn a_node_that_is_killed_or_stopped_is_replaced_by_one_that_continues_at_its_cursor() {
    let Some(site) = Site::start() else { return };
    let first = Node::start(&site);
    first.wait_until_it_runs();
    let second = Node::start(&site);
    site.head.send_replace(95);
    first.wait_for(95);
    assert!(!second.status.figures().running, "one node has the lease");
    first.kill();
    site.head.send_replace(150);
    second.wait_until_it_runs();
    second.wait_for(150);
    assert_eq!(second.status.figures().published, 55);
    let third = Node::start(&site);
    second.stop();
    third.wait_until_it_runs();
    site.head.send_replace(180);
    third.wait_for(180);
    assert_eq!(third.status.figures().published, 30);
    third.stop();
}

#[test]
fn a_node_whose_lease_is_taken_ends_its_outputs_and_may_take_it_again() {
    let Some(site) = Site::start() else { return };
    let node = Node::start(&site);
    node.wait_until_it_runs();
    site.head.send_replace(20);
    node.wait_for(20);
    let taken = node.bucket.put("outputs", Bytes::from_static(b"another node"));
    node.runtime.block_on(taken).expect("NATS responds");
    node.wait("the end", |node| !node.status.figures().running);
    // The other node does not renew it.
    node.wait_until_it_runs();
    site.head.send_replace(40);
    node.wait_for(40);
    assert_eq!(node.status.figures().published, 40);
    node.stop();
}

#[test]
fn a_node_without_nats_ends_its_outputs_and_runs_them_again_after_it() {
    let Some(mut site) = Site::start() else { return };
    let node = Node::start(&site);
    node.wait_until_it_runs();
    site.head.send_replace(20);
    node.wait_for(20);
    site.nats.kill(0);
    node.wait("the end", |node| !node.status.figures().running);
    site.nats.resume(0).expect("NATS starts");
    node.wait_until_it_runs();
    site.head.send_replace(40);
    node.wait_for(40);
    node.stop();
}

#[tokio::test]
async fn a_cursor_that_another_node_has_written_is_not_saved() {
    let Some(site) = Site::start() else { return };
    let bucket = site.bucket().await;
    let store = |node: &str| BucketStore::new(bucket.clone(), node.to_owned(), "kafka");
    let (mut first, mut second) = (store("first"), store("second"));
    assert_eq!(first.load().await, Ok(None));
    first.save(b"{\"at\":1}".to_vec()).await.expect("saved");
    assert_eq!(second.load().await, Ok(Some(b"{\"at\":1}".to_vec())));
    first.save(b"{\"at\":2}".to_vec()).await.expect("saved");
    assert_eq!(second.save(b"{\"at\":9}".to_vec()).await, Err(StoreError::Overtaken));
    // The answer to a save was lost: the next one finds its own contents.
    let mut same = store("first");
    same.load().await.expect("NATS responds");
    same.save(b"{\"at\":3}".to_vec()).await.expect("saved");
    first.is_unsure = true;
    first.save(b"{\"at\":4}".to_vec()).await.expect("its own");
    assert_eq!(same.save(b"{\"at\":9}".to_vec()).await, Err(StoreError::Overtaken), "an operator");
    assert_eq!(second.load().await, Ok(Some(b"{\"at\":4}".to_vec())));
    second.save(b"{\"at\":5}".to_vec()).await.expect("loaded");
    assert_eq!(first.save(b"{\"at\":6}".to_vec()).await, Err(StoreError::Overtaken));
    bucket.put("cursor.kafka", Bytes::from_static(b"words")).await.expect("NATS responds");
    let opened = Cursor::open(Box::new(store("third")), StreamId::from_random(STREAM)).await;
    let error = opened.expect_err("no cursor").to_string();
    assert!(error.contains("cursor.kafka in the bucket of the cluster"), "{error}");
}
