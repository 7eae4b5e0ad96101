//! The client against a WebSocket server: events in order, gaps, and resume on a new connection.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::dedup::Window;
use client::{Address, Client, Content, Event, Failure, Progress, Resume, Settings, Subscription};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use wire::{Profile, StreamKind};

/// The longest time to wait for an event.
const PATIENCE: Duration = Duration::from_secs(120);

/// A message about the entry of a log.
fn entry(offset: u64, index: u64) -> String {
    let mut message = Vec::new();
    wire::sample(StreamKind::Lite, Profile::Calidog, &mut message);
    let mut message: Value = serde_json::from_slice(&message).expect("JSON");
    message["offset"] = json!(offset);
    message["data"]["cert_index"] = json!(index);
    message.to_string()
}

/// A server that sends the messages of one session after the other. The last connection stays open.
/// Returns its URL and the queries that it receives.
async fn serve(sessions: Vec<Vec<String>>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("ws://{}/", listener.local_addr().expect("bound"));
    let queries = Arc::new(Mutex::new(Vec::new()));
    let received = Arc::clone(&queries);
    tokio::spawn(async move {
        let last = sessions.len() - 1;
        for (number, messages) in sessions.into_iter().enumerate() {
            #[allow(clippy::result_large_err, reason = "the library's type")]
            let record = |request: &Request, response: Response| {
                let query = request.uri().query().unwrap_or_default().to_owned();
                received.lock().expect("no panic").push(query);
                Ok(response)
            };
            let (socket, _) = listener.accept().await.expect("a client");
            let accepted = tokio_tungstenite::accept_hdr_async(socket, record).await;
            let mut socket = accepted.expect("a request");
            for message in messages {
                socket.send(Message::text(message)).await.expect("sent");
            }
            if number == last {
                while let Some(Ok(_)) = socket.next().await {}
            }
        }
    });
    (url, queries)
}

fn client(url: &str, resume: Resume) -> Client {
    let subscription = Subscription {
        stream: StreamKind::Lite,
        filters: Vec::new(),
        token: None,
        user_agent: "test/1",
    };
    let address = Address::new(url, &subscription).expect("an address");
    let resume = Resume { server: address.name(), ..resume };
    let tls = client::tls::client_config(None).expect("TLS");
    Client::new(Settings { address, proxy: None, tls, resume, window: Window::default() })
}

/// Waits for the next event, and describes it.
async fn next(client: &mut Client) -> String {
    match tokio::time::timeout(PATIENCE, client.next()).await.expect("an event") {
        Event::Connected { since, gaps } => {
            let since = since.map_or_else(|| "now".to_owned(), |since| since.to_string());
            format!("connected since {since}, {} gaps", gaps.len())
        }
        Event::Message(message) => {
            let content = match &message.content {
                Content::Entry(update) => {
                    format!("entry {:?}", update.cert_index.expect("an index"))
                }
                Content::Domains(_) => "names".to_owned(),
                Content::Unknown { message_type } => format!("unknown {message_type}"),
                Content::Nothing => "nothing".to_owned(),
            };
            let gaps =
                message.gaps.iter().map(|gap| gap.missing.expect("a number")).collect::<Vec<_>>();
            format!("{content}, gaps {gaps:?}")
        }
        Event::Disconnected { failure: Failure::Closed(_) | Failure::Network(_), .. } => {
            "disconnected".to_owned()
        }
        Event::Disconnected { failure, .. } => panic!("{failure}"),
    }
}

#[tokio::test]
async fn events_come_in_order_and_a_new_connection_resumes() {
    let heartbeat = r#"{"message_type":"heartbeat","offset":9,"stream":"s1"}"#.to_owned();
    let unknown = r#"{"message_type":"tomorrow"}"#.to_owned();
    let sessions = vec![
        vec![entry(1, 10), entry(2, 11), entry(5, 14), entry(6, 14), heartbeat],
        vec![unknown, entry(10, 15)],
    ];
    let (url, queries) = serve(sessions).await;
    let mut client = client(&url, Resume::default());
    for expected in [
        "connected since now, 0 gaps",
        "entry 10, gaps []",
        "entry 11, gaps []",
        "entry 14, gaps [2]",
        "nothing, gaps []",
        "nothing, gaps []",
        "disconnected",
        "connected since 9@s1, 0 gaps",
        "unknown tomorrow, gaps []",
        "entry 15, gaps []",
    ] {
        assert_eq!(next(&mut client).await, expected);
    }
    let counters = client.counters();
    assert_eq!((counters.messages, counters.duplicates, counters.gaps), (7, 1, 1));
    assert!(client.has_progress());
    let progress = client.take_progress();
    assert_eq!(
        (progress.offset, progress.stream.as_deref()),
        (Some(10), None),
        "the second server names none"
    );
    assert_eq!(progress.gaps.iter().map(|gap| gap.missing).collect::<Vec<_>>(), [Some(2)]);
    assert!(!client.has_progress());
    client.close().await;
    let queries = queries.lock().expect("no panic").clone();
    let extras = "compat=calidog&heartbeat=true";
    assert_eq!(queries, [extras.to_owned(), format!("{extras}&since=9%40s1")]);
}

#[tokio::test]
async fn a_client_resumes_from_the_progress_of_an_earlier_one() {
    let (url, queries) = serve(vec![vec![entry(8, 20)]]).await;
    let saved = Progress { offset: Some(7), ..Progress::default() };
    let resume = Resume {
        offset: saved.offset,
        stream: saved.stream,
        has_entries: true,
        ..Resume::default()
    };
    let mut client = client(&url, resume);
    assert_eq!(next(&mut client).await, "connected since 7, 0 gaps");
    assert_eq!(next(&mut client).await, "entry 20, gaps []");
    assert_eq!(client.counters().gaps, 0);
    assert!(queries.lock().expect("no panic")[0].ends_with("&since=7"));
}
