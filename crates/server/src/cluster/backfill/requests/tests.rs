use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::*;

/// An entry in memory.
#[derive(Debug, Clone, Default)]
struct Memory(Arc<Mutex<Option<(u64, Bytes)>>>);

impl Entry for Memory {
    async fn get(&self) -> anyhow::Result<Option<(u64, Bytes)>> {
        Ok(self.0.lock().clone())
    }

    async fn set(&self, revision: Option<u64>, value: Bytes) -> anyhow::Result<bool> {
        let mut known = self.0.lock();
        if known.as_ref().map(|(revision, _)| *revision) != revision {
            return Ok(false);
        }
        *known = Some((revision.unwrap_or_default() + 1, value));
        Ok(true)
    }
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
    match requests.leave(&names(logs)).await.expect("left") {
        Left::Waits(id) => id,
        Left::Busy(request) => panic!("{request:?}"),
    }
}

#[tokio::test]
async fn a_request_is_taken_once_and_answered() {
    let requests = Requests(Memory::default());
    assert_eq!(requests.take(5).await.expect("read"), None);
    let id = left(&requests, &["a", "b"]).await;
    assert_eq!(answer(&requests).await, None);
    let taken = requests.take(5).await.expect("read").expect("it waits");
    assert_eq!((taken.id, &taken.logs), (id, &names(&["a", "b"])));
    assert!(!taken.is_continued());
    assert!(requests.report(&taken, &running("half")).await.expect("reported"));
    assert_eq!(answer(&requests).await, Some(running("half")));
    assert!(requests.report(&taken, &done()).await.expect("reported"));
    assert_eq!(answer(&requests).await, Some(done()));
    assert_eq!(requests.take(5).await.expect("read"), None);
    assert!(!requests.withdraw(id).await.expect("read"));
}

#[tokio::test]
async fn while_one_is_under_way_the_same_request_joins_it_and_others_do_not() {
    let requests = Requests(Memory::default());
    let id = left(&requests, &["a"]).await;
    let taken = requests.take(1).await.expect("read").expect("it waits");
    assert_eq!(left(&requests, &["a"]).await, id);
    let Left::Busy(other) = requests.leave(&names(&["b"])).await.expect("read") else {
        panic!("another request is under way")
    };
    assert_eq!(other.logs, names(&["a"]));
    assert!(requests.report(&taken, &done()).await.expect("reported"));
    assert_ne!(left(&requests, &["a"]).await, id);
}

#[tokio::test]
async fn the_next_leader_continues_and_the_one_before_takes_nothing_from_it() {
    let requests = Requests(Memory::default());
    left(&requests, &["a"]).await;
    let first = requests.take(5).await.expect("read").expect("it waits");
    let second = requests.take(6).await.expect("read").expect("it is not done");
    assert!(second.is_continued());
    assert!(!requests.report(&first, &done()).await.expect("read"));
    assert_eq!(requests.take(5).await.expect("read"), None);
    assert!(requests.report(&second, &done()).await.expect("reported"));
    assert_eq!(answer(&requests).await, Some(done()));
}

#[tokio::test]
async fn a_request_that_ends_its_nodes_is_not_taken_forever() {
    let requests = Requests(Memory::default());
    left(&requests, &["a"]).await;
    for term in 0..u64::from(MOST_TAKEN) {
        assert!(requests.take(term).await.expect("read").is_some(), "{term}");
    }
    assert_eq!(requests.take(99).await.expect("read"), None);
    let answer = answer(&requests).await.expect("an answer");
    assert_eq!(answer.stage, Stage::Failed);
    assert!(answer.text.contains("10 times"), "{}", answer.text);
}

#[tokio::test]
async fn what_nobody_has_taken_can_be_withdrawn() {
    let requests = Requests(Memory::default());
    let id = left(&requests, &["a"]).await;
    assert!(!requests.withdraw(id.wrapping_add(1)).await.expect("read"));
    assert!(requests.withdraw(id).await.expect("read"));
    assert_eq!(requests.take(1).await.expect("read"), None);
    let id = left(&requests, &["a"]).await;
    assert!(requests.take(1).await.expect("read").is_some());
    assert!(!requests.withdraw(id).await.expect("read"), "a node is at work on it");
}

#[tokio::test]
async fn a_damaged_request_is_replaced_and_a_newer_one_is_not() {
    let memory = Memory::default();
    let requests = Requests(memory.clone());
    assert!(memory.set(None, Bytes::from_static(b"nonsense")).await.expect("set"));
    assert_eq!(requests.take(1).await.expect("read"), None);
    left(&requests, &["a"]).await;
    let newer = Bytes::from_static(b"{\"version\": 2, \"more\": true}");
    assert!(memory.set(Some(2), newer).await.expect("set"));
    for error in [
        requests.take(1).await.expect_err("newer"),
        requests.leave(&names(&["a"])).await.expect_err("newer"),
    ] {
        assert!(format!("{error:#}").contains("version 2"), "{error:#}");
    }
    *requests.0.0.lock() = None;
    let name = "x".repeat(LONGEST);
    let error = requests.leave(&[name]).await.expect_err("too long");
    assert!(format!("{error:#}").contains("fewer logs"), "{error:#}");
}
