//! Many generated entries through many logs to one client.

use std::collections::HashMap;

use futures_util::StreamExt as _;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{PATIENCE, Running, logs, reads_all};

const LOGS: usize = 8;
const ENTRIES: u64 = 200_000;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_thousand_entries_arrive_once_each_and_in_order() {
    let each = ENTRIES / LOGS as u64;
    let sim = logs(ctsim::Config {
        rfc6962: LOGS / 2,
        static_ct: LOGS / 2,
        rate: 5_000.0,
        initial_size: 100,
        max_size: Some(each),
        publish_interval: std::time::Duration::from_millis(200),
        ..ctsim::Config::default()
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let server = Running::start(reads_all(&sim, &folder)).await;
    let mut socket = server.connect_from_oldest("/").await;
    let mut next: HashMap<String, u64> = HashMap::new();
    let mut received = 0;
    while received < ENTRIES {
        let frame = tokio::time::timeout(PATIENCE, socket.next()).await.expect("in time");
        let Message::Text(text) = frame.expect("open").expect("no error") else { continue };
        let Some((url, index)) = identity(&text) else { continue };
        let expected = next.entry(url.to_owned()).or_default();
        assert_eq!(index, *expected, "{url}: each index once, in order");
        *expected += 1;
        received += 1;
    }
    assert_eq!(next.len(), LOGS);
    assert!(next.values().all(|count| *count == each), "{next:?}");
    drop(socket);
    server.stop().await;
    sim.shutdown().await;
}

/// Log and index of a lite message, without parsing 200,000 documents.
fn identity(text: &str) -> Option<(&str, u64)> {
    let index = after(text, "\"cert_index\":")?.split(',').next()?.parse().ok()?;
    let source = after(text, "\"source\":{")?;
    let url = after(source, "\"url\":\"")?.split('"').next()?;
    Some((url, index))
}

fn after<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    Some(text.split_once(mark)?.1)
}
