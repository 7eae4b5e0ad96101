//! Offsets that continue after a hole, because the end of the journal may be lost.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, pin_mut};
use journal::storage::Disk;
use journal::{Host, Journal, Opened, Settings, Start, System};
use record::Batch;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Running, eventually, logs, next_frame, next_json, reads_all};

/// This machine before it was restarted.
#[derive(Debug)]
struct BeforeRestart(System);

impl Host for BeforeRestart {
    fn now(&self) -> Duration {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn boot(&self) -> [u8; 16] {
        [7; 16]
    }

    fn random(&self) -> u64 {
        self.0.random()
    }
}

/// Appends a term that ended with the power of the machine.
fn lose_power(data_dir: &Path) {
    let host = Arc::new(BeforeRestart(System::new()));
    let opened = Journal::open(Arc::new(Disk), host, data_dir, Settings::default());
    let Opened { mut writer, .. } = opened.expect("a journal");
    let state = writer.begin(&Start::default()).expect("it begins");
    let batch = Batch::new(state.next_header(), state.next_offset());
    writer.append(&batch).expect("it is written");
}

async fn stats(server: &Running) -> Value {
    server.get("/api/stats").await.json().await.expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_gets_offsets_is_notified_when_they_continue_after_a_hole() {
    let sim = logs(ctsim::Config {
        rfc6962: 1,
        static_ct: 0,
        rate: 0.0,
        initial_size: 20,
        publish_interval: Duration::from_millis(20),
        ..ctsim::Config::default()
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let mut config = reads_all(&sim, &folder);
    (config.data_dir, config.protocols.api) = (Some(data_dir.clone()), true);
    let server = Running::start(config.clone()).await;
    let last = eventually("the log is read", async || {
        let stats = stats(&server).await;
        (stats["journal"]["entries"] == 20).then(|| stats["offset"].as_u64())?
    })
    .await;
    server.stop().await;
    lose_power(&data_dir);
    let server = Running::start(config).await;
    let stream = server.stream_id().await;
    let gap = json!({
        "message_type": "gap", "dropped": 0, "disconnecting": false,
        "reason": "renumbered", "stream": stream,
    });
    // Before the first entry after the hole, and with entries before it to read first.
    let paths = ["/?", "/full-stream?", "/domains-only?", "/?compat=go&heartbeat=true&"];
    let mut waiting = Vec::new();
    for path in paths {
        waiting.push(server.connect(&format!("{path}since={last}")).await);
    }
    let mut quiet = server.connect(&format!("/?domain=no.example&since={last}")).await;
    let mut without_offsets = server.connect(&format!("/?compat=go&since={last}")).await;
    let mut fresh = server.connect("/").await;
    sim.logs()[0].grow(5).expect("it grows");
    for since in [last, last + 1000] {
        for path in paths {
            waiting.push(server.connect(&format!("{path}since={since}")).await);
        }
    }
    for socket in &mut waiting {
        assert_eq!(next_json(socket).await, gap);
        let message = next_json(socket).await;
        assert_ne!(message["message_type"], "gap", "once");
        assert!(message["offset"].as_u64().is_none_or(|offset| offset >= last + (1 << 24)));
    }
    assert_ne!(next_json(&mut fresh).await["message_type"], "gap", "it knows no older offset");
    let other = next_json(&mut without_offsets).await;
    assert_ne!(other["message_type"], "gap", "it gets no offsets");
    // A client for which there is nothing is notified before a heartbeat has a later offset.
    let mut announced = false;
    loop {
        let Message::Text(text) = next_frame(&mut quiet).await else { continue };
        let message: Value = serde_json::from_str(&text).expect("JSON");
        announced |= message == gap;
        if message["offset"].as_u64().is_some_and(|offset| offset >= last + (1 << 24)) {
            assert!(announced, "{message}");
            break;
        }
    }
    for encoding in ["identity", "gzip"] {
        let url = format!("http://{}/sse?since={}", server.address, last - 2);
        let client = reqwest::Client::builder().gzip(encoding == "gzip").build().expect("a client");
        let response = client.get(url).header("accept-encoding", encoding).send().await;
        let bytes = response.expect("an answer").bytes_stream();
        pin_mut!(bytes);
        let mut text = String::new();
        while text.matches("\"message_type\":\"certificate_update\"").count() < 4 {
            let more = bytes.next().await.expect("more").expect("no broken answer");
            text.push_str(str::from_utf8(&more).expect("UTF-8"));
        }
        let kinds: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        let gaps: Vec<_> =
            kinds.iter().enumerate().filter(|(_, data)| data.contains("\"gap\"")).collect();
        let [(2, data)] = gaps[..] else { panic!("{encoding}: one gap after two: {gaps:?}") };
        assert_eq!(serde_json::from_str::<Value>(data).expect("JSON"), gap);
    }
    assert_eq!(stats(&server).await["throughput"]["messages_lost"], 0);
    server.stop().await;
}
