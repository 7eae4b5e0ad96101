//! Stores of cursors that refuse to save.

use std::sync::Arc;

use parking_lot::Mutex;
use sinks::{Overtaken, Pending, Store, StoreError};

use crate::fixture::*;

/// A store in memory, whose saves have the outcome that a test sets.
#[derive(Clone, Debug)]
struct Shared {
    contents: Arc<Mutex<Option<Vec<u8>>>>,
    outcome: Arc<Mutex<Result<(), StoreError>>>,
}

impl Store for Shared {
    fn place(&self) -> String {
        "of a test".to_owned()
    }

    fn load(&mut self) -> Pending<'_, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(async { Ok(self.contents.lock().clone()) })
    }

    fn save(&mut self, contents: Vec<u8>) -> Pending<'_, Result<(), StoreError>> {
        Box::pin(async {
            self.outcome.lock().clone()?;
            *self.contents.lock() = Some(contents);
            Ok(())
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_whose_cursor_is_not_saved_continues_and_ends_once_another_node_runs_it() {
    let (broker, stream) = (broker().await, Stream::new());
    let store = Shared { contents: Arc::default(), outcome: Arc::new(Mutex::new(Ok(()))) };
    let output = Running::with_store(&stream, &settings(&broker), Box::new(store.clone())).await;
    stream.publish(10);
    output.wait("the first", |status| status.figures().next == 10).await;
    *store.outcome.lock() = Err(StoreError::Unavailable("no answer".to_owned()));
    stream.publish(10);
    output.wait("an error", |status| status.figures().cursor_errors > 0).await;
    output.wait("the next", |status| status.figures().next == 20).await;
    let status = Arc::clone(&output.status);
    assert!(status.figures().running);
    *store.outcome.lock() = Err(StoreError::Overtaken);
    assert_eq!(output.outcome().await, Err(Overtaken));
    let figures = status.figures();
    assert!(!figures.running && !figures.connected && figures.behind == 0, "{figures:?}");
    // Another node continues at the last save, and repeats what came after it.
    *store.outcome.lock() = Ok(());
    stream.publish(5);
    stream.close();
    Running::with_store(&stream, &settings(&broker), Box::new(store)).await.ended().await;
    assert_eq!(distinct(&broker), (0..25).collect::<Vec<_>>());
}
