//! A stream in memory, and outputs of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use krafka::testing::FakeBroker;
use parking_lot::Mutex;
use record::StreamId;
use sinks::{
    BrokerSettings, Compression, Cursor, FileStore, KafkaKey, KafkaSettings, Log, Message, Missed,
    OnFull, Output, OutputSettings, Overtaken, Page, Position, Resume, Source, Status, Store,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) const TOPIC: &str = "certs";
/// Messages of a page.
const PAGE: usize = 7;
/// Longest wait for a condition.
const PATIENCE: Duration = Duration::from_secs(60);

/// A stream that a test publishes to. Offsets are indexes.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    messages: Arc<Mutex<Vec<Message>>>,
    /// Entries before this one are not kept.
    oldest: Arc<Mutex<u64>>,
    head: Arc<watch::Sender<(u64, bool)>>,
}

impl Stream {
    pub(crate) fn new() -> Self {
        let head = Arc::new(watch::Sender::new((0, false)));
        Self { messages: Arc::default(), oldest: Arc::default(), head }
    }

    /// Publishes so many certificates.
    pub(crate) fn publish(&self, count: u64) {
        self.add(count, |index| Some(format!("*.www.site{}.co.uk", index % 3)), text);
    }

    /// Publishes a certificate without a name.
    pub(crate) fn publish_unnamed(&self) {
        self.add(1, |_| None, text);
    }

    fn add(&self, count: u64, name: impl Fn(u64) -> Option<String>, body: impl Fn(u64) -> Bytes) {
        let log = Arc::new(Log {
            id: Some("aWQ=".to_owned()),
            url: "https://ct.example/log".to_owned(),
            name: "A log".to_owned(),
            operator: "Example".to_owned(),
        });
        let mut messages = self.messages.lock();
        let first = messages.len() as u64;
        messages.extend((first..first + count).map(|index| Message {
            log: Arc::clone(&log),
            index,
            name: name(index),
            body: body(index),
        }));
        self.head.send_replace((messages.len() as u64, false));
    }

    /// Publishes a certificate with so many bytes.
    pub(crate) fn publish_large(&self, bytes: usize) {
        self.add(1, |_| None, |_| vec![b'x'; bytes].into());
    }

    /// Forgets all entries before an offset.
    pub(crate) fn expire(&self, oldest: u64) {
        *self.oldest.lock() = oldest;
    }

    pub(crate) fn close(&self) {
        self.head.send_modify(|head| head.1 = true);
    }

    pub(crate) fn reader(&self, next: u64) -> Reader {
        Reader { stream: self.clone(), head: self.head.subscribe(), next }
    }
}

fn text(index: u64) -> Bytes {
    format!("certificate {index}\n").into()
}

/// A place in the stream.
pub(crate) struct Reader {
    stream: Stream,
    head: watch::Receiver<(u64, bool)>,
    next: u64,
}

impl Source for Reader {
    fn position(&self) -> Position {
        Position { next: self.next, entries: Some(self.next) }
    }

    async fn ready(&mut self) -> bool {
        let next = self.next;
        let news = self.head.wait_for(|(head, closed)| *head > next || *closed).await;
        news.is_ok_and(|head| head.0 > next)
    }

    async fn read(&mut self) -> Page {
        let oldest = *self.stream.oldest.lock();
        let missed = match oldest.saturating_sub(self.next) {
            0 => Missed::Nothing,
            entries => Missed::Entries(entries),
        };
        self.next = self.next.max(oldest);
        let from = usize::try_from(self.next).expect("small");
        let messages: Vec<Message> =
            self.stream.messages.lock().iter().skip(from).take(PAGE).cloned().collect();
        self.next += messages.len() as u64;
        Page { messages, missed, end: self.position() }
    }

    fn behind(&self) -> u64 {
        self.head.borrow().0.saturating_sub(self.next)
    }

    fn skip(&mut self) -> (u64, Position) {
        let head = self.head.borrow().0;
        let passed = head - self.next;
        self.next = head;
        (passed, self.position())
    }
}

/// A broker with the topic.
pub(crate) async fn broker() -> FakeBroker {
    let broker = FakeBroker::start().await.expect("a broker");
    assert!(broker.create_topic(TOPIC, 2));
    broker
}

pub(crate) fn settings(broker: &FakeBroker) -> OutputSettings {
    let kafka = KafkaSettings {
        brokers: broker.bootstrap_servers().split(',').map(str::to_owned).collect(),
        topic: TOPIC.to_owned(),
        compression: Compression::Zstd,
        key: KafkaKey::Domain,
        sasl: None,
        tls: None,
    };
    OutputSettings {
        name: "kafka".to_owned(),
        broker: BrokerSettings::Kafka(kafka),
        on_full: OnFull::Block,
        publish_timeout: Duration::from_secs(1),
    }
}

/// A running output.
pub(crate) struct Running {
    pub(crate) status: Arc<Status>,
    stopping: watch::Sender<bool>,
    task: JoinHandle<Result<(), Overtaken>>,
}

impl Running {
    /// Starts an output whose cursor is in a folder.
    pub(crate) async fn start(stream: &Stream, settings: &OutputSettings, folder: &Path) -> Self {
        let store = FileStore::new(folder, &settings.name);
        Self::with_store(stream, settings, Box::new(store)).await
    }

    /// Starts an output whose cursor is in a store.
    pub(crate) async fn with_store(
        stream: &Stream,
        settings: &OutputSettings,
        store: Box<dyn Store>,
    ) -> Self {
        let id = StreamId::from_random(1);
        let (cursor, resume) = Cursor::open(store, id).await.expect("a cursor");
        let next = match resume {
            Resume::At(position) => position.next,
            Resume::Head | Resume::Oldest => 0,
        };
        let status = Arc::new(Status::new(settings.name.clone()));
        let (stopping, stop) = watch::channel(false);
        let output = Output::new(settings.clone(), cursor, Arc::clone(&status), stop);
        let task = tokio::spawn(output.run(stream.reader(next)));
        Self { status, stopping, task }
    }

    /// Waits until the figures are as wanted.
    pub(crate) async fn wait(&self, what: &str, is_so: impl Fn(&Status) -> bool) {
        let start = std::time::Instant::now();
        while !is_so(&self.status) {
            assert!(
                start.elapsed() < PATIENCE,
                "waited for {what}: {:?} {:?}",
                self.status.figures(),
                self.status.problem()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the reason of failures has this text.
    pub(crate) async fn wait_for_problem(&self, text: &str) {
        self.wait(text, |status| status.problem().is_some_and(|(why, _)| why.contains(text))).await;
    }

    /// Stops the output as a server does, and waits for its end.
    pub(crate) async fn stop(self) {
        self.stopping.send_replace(true);
        self.ended().await;
    }

    /// Waits for its end.
    pub(crate) async fn ended(self) {
        self.outcome().await.expect("no other node runs it");
    }

    /// Waits for its end, and returns it.
    pub(crate) async fn outcome(self) -> Result<(), Overtaken> {
        let ended = tokio::time::timeout(PATIENCE, self.task).await;
        ended.expect("it ends").expect("without a panic")
    }

    /// Ends it at once, as `kill -9` does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.is_err_and(|error| error.is_cancelled()));
    }
}

/// The indexes of all messages that the broker has, in order.
pub(crate) fn indexes(broker: &FakeBroker) -> Vec<u64> {
    let records = broker.all_records(TOPIC).expect("readable");
    let mut indexes: Vec<u64> = records
        .iter()
        .map(|record| {
            let text = record.value_str().expect("text");
            let index = text.trim_end().rsplit(' ').next().expect("an index");
            index.parse().expect("a number")
        })
        .collect();
    indexes.sort_unstable();
    indexes
}

/// The same, each once.
pub(crate) fn distinct(broker: &FakeBroker) -> Vec<u64> {
    let mut indexes = indexes(broker);
    indexes.dedup();
    indexes
}
