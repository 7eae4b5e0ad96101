use std::collections::VecDeque;

use follow::position::{Position, State};
use follow::{Alarm, AlarmKind, Client, FleetOptions, FollowOptions, Notice, Page};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::*;

/// A failure of one request to the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// It does not arrive.
    Lost,
    /// It arrives, and the response does not.
    Unanswered,
    /// It arrives later, just before another one that sets the value.
    Late,
}

/// An entry in memory, that fails as a server behind a network does.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Arc<Mutex<Stored>>);

#[derive(Debug, Default)]
struct Stored {
    value: Option<(u64, Bytes)>,
    faults: VecDeque<Fault>,
    late: Vec<(Option<u64>, Bytes)>,
}

impl Stored {
    fn set(&mut self, revision: Option<u64>, value: Bytes) -> bool {
        let present = self.value.as_ref().map(|(revision, _)| *revision);
        let is_set = present == revision;
        if is_set {
            self.value = Some((present.unwrap_or(0) + 1, value));
        }
        is_set
    }
}

impl Memory {
    /// Makes the next requests fail like this, and no others.
    pub(super) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.0.lock().faults = faults.into_iter().collect();
    }

    pub(super) fn overwrite(&self, value: Vec<u8>) {
        let mut stored = self.0.lock();
        let revision = stored.value.as_ref().map(|(revision, _)| *revision);
        assert!(stored.set(revision, value.into()));
    }

    pub(super) fn value(&self) -> Bytes {
        self.0.lock().value.as_ref().map(|(_, value)| value.clone()).unwrap_or_default()
    }
}

impl Entry for Memory {
    async fn get(&self) -> anyhow::Result<Option<(u64, Bytes)>> {
        let mut stored = self.0.lock();
        match stored.faults.pop_front() {
            None | Some(Fault::None) => Ok(stored.value.clone()),
            Some(_) => anyhow::bail!("no response"),
        }
    }

    async fn set(&self, revision: Option<u64>, value: Bytes) -> anyhow::Result<Option<u64>> {
        let mut stored = self.0.lock();
        for (revision, value) in std::mem::take(&mut stored.late) {
            stored.set(revision, value);
        }
        match stored.faults.pop_front().unwrap_or(Fault::None) {
            Fault::None => {
                let is_set = stored.set(revision, value);
                return Ok(is_set.then_some(revision.unwrap_or(0) + 1));
            }
            Fault::Lost => {}
            Fault::Unanswered => {
                stored.set(revision, value);
            }
            Fault::Late => stored.late.push((revision, value)),
        }
        anyhow::bail!("no response")
    }
}

const URL: &str = "https://ct.example/2027";

/// Starts followers of nothing, with an alarm of an earlier log. Its acknowledgement is committed if the
/// pages are.
fn alarmed() -> (Arc<Fleet>, mpsc::Receiver<Page>) {
    let alarm = Alarm {
        kind: AlarmKind::Fork,
        at: 7,
        text: "two trees".to_owned(),
        first: 0,
        end: 1,
        evidence: None,
    };
    let position = Position { alarms: vec![alarm], ..Position::default() };
    let saved = State { logs: [(URL.to_owned(), position)].into(), ..State::default() };
    let follow = FollowOptions::default();
    let options = FleetOptions { follow, configured: Vec::new(), catalogue: None, saved };
    let client = Client::new("server-tests/1", Duration::from_secs(1)).expect("a client");
    let (sender, pages) = mpsc::channel(8);
    (Fleet::start(Arc::new(client), options, sender), pages)
}

fn alarms(fleet: &Fleet) -> usize {
    fleet.state(None).logs.values().map(|position| position.alarms.len()).sum()
}

/// A node of which the followers are set while it leads.
#[derive(Debug)]
struct Node {
    folder: TempDir,
    fleet: Arc<Mutex<Option<Arc<Fleet>>>>,
    task: Acknowledgements,
}

impl Node {
    fn start(entry: &Memory) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let fleet: Arc<Mutex<Option<Arc<Fleet>>>> = Arc::default();
        let leads = Arc::clone(&fleet);
        let place = Some(folder.path().join("alarms"));
        let tasks = Supervisor::default();
        let leads = move || leads.lock().clone();
        let task = Acknowledgements::start(place, entry.clone(), leads, &tasks);
        Self { folder, fleet, task }
    }

    fn place(&self) -> PathBuf {
        self.folder.path().join("alarms")
    }

    fn leave(&self, name: &str) {
        acknowledge::leave(&self.place(), &[name.to_owned()]).expect("it is left");
    }
}

fn is_waiting(place: &Path) -> bool {
    acknowledge::is_waiting(place).expect("the folder can be read")
}

async fn until(is_true: impl Fn() -> bool) {
    while !is_true() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_reaches_the_node_that_leads_from_any_node() {
    let entry = Memory::default();
    let [edge, leader] = [Node::start(&entry), Node::start(&entry)];
    for node in [&edge, &leader] {
        let (fleet, mut pages) = alarmed();
        *leader.fleet.lock() = Some(Arc::clone(&fleet));
        node.leave(URL);
        let page = pages.recv().await.expect("the acknowledgement is published");
        assert_eq!((page.notice, alarms(&fleet)), (Some(Notice::Acknowledgement), 1));
        page.committed.expect("the leader waits").send(()).expect("the leader waits");
        until(|| alarms(&fleet) == 0).await;
        assert!(!is_waiting(&node.place()));
    }
    edge.task.finish().await;
    leader.task.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_waits_while_the_servers_do_not_respond_or_no_node_leads() {
    let entry = Memory::default();
    let node = Node::start(&entry);
    entry.fail([Fault::Lost; 20]);
    node.leave(URL);
    until(|| !is_waiting(&node.place())).await;
    node.leave("another log");
    until(|| entry.0.lock().faults.is_empty()).await;
    until(|| !is_waiting(&node.place())).await;

    let (fleet, mut pages) = alarmed();
    *node.fleet.lock() = Some(Arc::clone(&fleet));
    let page = pages.recv().await.expect("the acknowledgement is published");
    page.committed.expect("the leader waits").send(()).expect("the leader waits");
    until(|| alarms(&fleet) == 0).await;
    node.task.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_passed_on_waits_for_the_next_start() {
    let entry = Memory::default();
    let node = Node::start(&entry);
    entry.fail([Fault::Lost; 1000]);
    node.leave(URL);
    until(|| !is_waiting(&node.place())).await;
    let place = node.place();
    let Node { task, folder, .. } = node;
    task.finish().await;
    assert_eq!(acknowledge::take(&place).expect("the folder can be read"), [URL]);
    drop(folder);
}
