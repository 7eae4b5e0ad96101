use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::*;

/// A revision and its value, if there is one.
type Stored = Option<(u64, Bytes)>;

/// An entry in memory, and what a server that is behind responds to the next reads.
#[derive(Debug, Clone, Default)]
struct Memory(Arc<Mutex<Stored>>, Arc<Mutex<VecDeque<Stored>>>);

impl Memory {
    fn stored(&self) -> Stored {
        self.0.lock().clone()
    }

    /// Has the next reads return what is older.
    fn is_behind(&self, responses: impl IntoIterator<Item = Stored>) {
        self.1.lock().extend(responses);
    }
}

impl Entry for Memory {
    async fn get(&self) -> anyhow::Result<Option<(u64, Bytes)>> {
        let older = self.1.lock().pop_front();
        Ok(older.unwrap_or_else(|| self.stored()))
    }

    async fn set(&self, revision: Option<u64>, value: Bytes) -> anyhow::Result<Option<u64>> {
        let mut known = self.0.lock();
        if known.as_ref().map(|(revision, _)| *revision) != revision {
            return Ok(None);
        }
        let next = revision.unwrap_or_default() + 1;
        *known = Some((next, value));
        Ok(Some(next))
    }
}

fn empty() -> Requests<Memory> {
    Requests::new(Memory::default())
}

fn stream() -> StreamId {
    StreamId::from_random(1)
}

async fn take(requests: &Requests<Memory>, term: u64) -> Option<Taken> {
    requests.take(stream(), term).await.expect("read")
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn running(text: &str) -> Answer {
    Answer { stage: Stage::Running, text: text.to_owned() }
}

fn done() -> Answer {
    Answer { stage: Stage::Done, text: "all read".to_owned() }
}

async fn answer(requests: &Requests<Memory>) -> Option<Answer> {
    requests.read().await.expect("read").1.expect("a request").answer
}

async fn left(requests: &Requests<Memory>, logs: &[&str]) -> u64 {
    match requests.leave(stream(), &names(logs)).await.expect("left") {
        Left::Waits(id) => id,
        Left::Busy(request) => panic!("{request:?}"),
    }
}

#[tokio::test]
async fn a_request_is_taken_once_and_answered() {
    let requests = empty();
    assert_eq!(take(&requests, 5).await, None);
    let id = left(&requests, &["a", "b"]).await;
    assert_eq!(answer(&requests).await, None);
    let taken = take(&requests, 5).await.expect("it waits");
    assert_eq!((taken.id, &taken.logs), (id, &names(&["a", "b"])));
    assert!(!taken.is_continued());
    assert!(requests.report(&taken, &running("half"), false).await.expect("reported"));
    assert_eq!(answer(&requests).await, Some(running("half")));
    assert!(requests.report(&taken, &done(), false).await.expect("reported"));
    assert_eq!(answer(&requests).await, Some(done()));
    assert_eq!(take(&requests, 5).await, None);
    assert!(!requests.withdraw(id).await.expect("read"));
}

#[tokio::test]
async fn while_one_is_under_way_the_same_request_joins_it_and_others_do_not() {
    let requests = empty();
    let id = left(&requests, &["a"]).await;
    let taken = take(&requests, 1).await.expect("it waits");
    assert_eq!(left(&requests, &["a"]).await, id);
    let Left::Busy(other) = requests.leave(stream(), &names(&["b"])).await.expect("read") else {
        panic!("another request is under way")
    };
    assert_eq!(other.logs, names(&["a"]));
    assert!(requests.report(&taken, &done(), false).await.expect("reported"));
    assert_ne!(left(&requests, &["a"]).await, id);
}

#[tokio::test]
async fn the_next_leader_continues_and_the_one_before_takes_nothing_from_it() {
    let requests = empty();
    left(&requests, &["a"]).await;
    let first = take(&requests, 5).await.expect("it waits");
    let second = take(&requests, 6).await.expect("it is not done");
    assert!(second.is_continued());
    assert!(!requests.report(&first, &done(), false).await.expect("read"));
    assert_eq!(take(&requests, 5).await, None);
    assert!(requests.report(&second, &done(), false).await.expect("reported"));
    assert_eq!(answer(&requests).await, Some(done()));
}

#[tokio::test]
async fn a_request_that_ends_its_nodes_is_not_taken_forever() {
    let requests = empty();
    left(&requests, &["a"]).await;
    for term in 0..u64::from(MOST_TAKEN) {
        assert!(take(&requests, term).await.is_some(), "{term}");
    }
    assert_eq!(take(&requests, 99).await, None);
    let answer = answer(&requests).await.expect("an answer");
    assert_eq!(answer.stage, Stage::Failed);
    assert!(answer.text.contains("10 times"), "{}", answer.text);
}

#[tokio::test]
async fn what_nobody_has_taken_can_be_withdrawn() {
    let requests = empty();
    let id = left(&requests, &["a"]).await;
    assert!(!requests.withdraw(id.wrapping_add(1)).await.expect("read"));
    assert!(requests.withdraw(id).await.expect("read"));
    assert_eq!(take(&requests, 1).await, None);
    let id = left(&requests, &["a"]).await;
    assert!(take(&requests, 1).await.is_some());
    assert!(!requests.withdraw(id).await.expect("read"), "a node is at work on it");
}

#[tokio::test]
async fn a_damaged_request_is_replaced_and_a_newer_one_is_not() {
    let memory = Memory::default();
    let requests = Requests::new(memory.clone());
    assert_eq!(memory.set(None, Bytes::from_static(b"nonsense")).await.expect("set"), Some(1));
    assert_eq!(take(&requests, 1).await, None);
    left(&requests, &["a"]).await;
    let newer = Bytes::from_static(b"{\"version\": 2, \"more\": true}");
    assert_eq!(memory.set(Some(2), newer).await.expect("set"), Some(3));
    for error in [
        requests.take(stream(), 1).await.expect_err("newer"),
        requests.leave(stream(), &names(&["a"])).await.expect_err("newer"),
    ] {
        assert!(format!("{error:#}").contains("version 2"), "{error:#}");
    }
    let requests = empty();
    let name = "x".repeat(LONGEST);
    let error = requests.leave(stream(), &[name]).await.expect_err("too long");
    assert!(format!("{error:#}").contains("fewer logs"), "{error:#}");
}

#[tokio::test(start_paused = true)]
async fn what_a_server_that_is_behind_responds_ends_nothing() {
    let requests = empty();
    let memory = requests.entry.clone();
    let id = left(&requests, &["a"]).await;
    let waiting = memory.stored();
    memory.is_behind([None, None]);
    let (_, read) = requests.read().await.expect("read");
    assert_eq!(read.expect("it is left").id, id);
    let taken = take(&requests, 5).await.expect("it waits");
    memory.is_behind([waiting, None]);
    assert!(requests.report(&taken, &running("half"), true).await.expect("reported"));
    // Nobody has it any more.
    *memory.0.lock() = None;
    let begun = Instant::now();
    assert!(!requests.report(&taken, &done(), false).await.expect("read"));
    assert!(Instant::now() - begun > SETTLED);
    assert_eq!(requests.read().await.expect("read"), (None, None));
}

#[tokio::test]
async fn leaders_that_read_hand_it_over_without_end() {
    let requests = empty();
    left(&requests, &["a"]).await;
    for term in 0..3 * u64::from(MOST_TAKEN) {
        let taken = take(&requests, term).await.expect("it is not done");
        assert_eq!(taken.is_continued(), term > 0);
        for has_read in [true, false] {
            let answer = running(&has_read.to_string());
            assert!(requests.report(&taken, &answer, has_read).await.expect("reported"));
        }
    }
}

#[tokio::test]
async fn the_request_of_another_stream_is_over() {
    let requests = empty();
    let id = left(&requests, &["a"]).await;
    let other = StreamId::from_random(2);
    assert_eq!(requests.take(other, u64::MAX).await.expect("read"), None);
    assert!(take(&requests, u64::MAX).await.is_some());
    let asked = requests.leave(other, &names(&["b"])).await.expect("left");
    assert!(matches!(asked, Left::Waits(new) if new != id), "{asked:?}");
    assert!(requests.take(other, 1).await.expect("read").is_some());
}

#[tokio::test]
async fn a_long_text_is_cut() {
    let requests = empty();
    left(&requests, &[&"x".repeat(LONGEST / 3)]).await;
    let taken = take(&requests, 1).await.expect("it waits");
    let text = "\u{1b}ä".repeat(LONGEST);
    assert!(requests.report(&taken, &running(&text), false).await.expect("reported"));
    let shown = answer(&requests).await.expect("an answer").text;
    assert!(shown.len() <= LONGEST_TEXT + "…".len() && shown.ends_with('…'), "{}", shown.len());
    assert!(text.starts_with(shown.trim_end_matches('…')));
}
