//! TLS, tokens, and servers that refuse.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::harness::{Collector, has_rows, program};
use crate::replay::{Replay, Session, certified, message};

#[tokio::test(flavor = "multi_thread")]
async fn tls_and_tokens() {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, tls) = certified("localhost");
    let session = Session::of([message(Some(1), "log", 1)], true);
    let replay = Replay::start_with(vec![session], Some(tls)).await;
    let port = replay.address.port();
    let url = format!("wss://localhost:{port}/");

    let untrusting = Collector::start(folder.path(), &["--url", &url]);
    untrusting.logs("give its authority with --ca-file").await;
    drop(untrusting);
    let plain = Collector::start(folder.path(), &["--url", &format!("ws://localhost:{port}/")]);
    plain.logs("trying again").await;
    drop(plain);

    std::fs::write(folder.path().join("ca.pem"), certificate).expect("writable");
    let other_name = format!("wss://127.0.0.1:{port}/");
    let other = Collector::start(folder.path(), &["--url", &other_name, "--ca-file", "ca.pem"]);
    other.logs("for another name than the one in --url").await;
    drop(other);

    let mut command = program();
    command.args(["--url", &url, "--ca-file", "ca.pem", "--flush-interval", "100ms"]);
    command.env("CERTSTREAM_TOKEN", "hush");
    let collector = Collector::start_command(folder.path(), command);
    has_rows(&folder.path().join("certstream_data.feather"), 1).await;
    assert_eq!(replay.asked()[0].authorization.as_deref(), Some("Bearer hush"));
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    assert!(!log.contains("hush"), "{log}");
}

/// Answers every connection with the same text.
async fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("ws://{}/", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let Ok(_) = socket.read(&mut request).await else { continue };
            drop(socket.write_all(answer.as_bytes()).await);
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_explained() {
    for (answer, expected) in [
        ("HTTP/1.1 401 Unauthorized\r\ncontent-length: 12\r\n\r\nUnauthorized", "CERTSTREAM_TOKEN"),
        (
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 9\r\n\r\nbad terms",
            "are the filters right?",
        ),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "is the path in --url right?"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let url = answering(answer).await;
        let (status, log) = Collector::start(folder.path(), &["--url", &url]).end().await;
        assert_eq!(status, Some(1), "{log}");
        assert!(log.contains(expected), "{log}");
        assert!(!log.contains("Unauthorized: Unauthorized"), "said twice: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_servers_are_waited_for() {
    for answer in [
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n",
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let url = answering(answer).await;
        let collector = Collector::start(folder.path(), &["--url", &url]);
        collector.logs("trying again in 7.0 s").await;
        let (status, log) = collector.terminate().await;
        assert_eq!(status, Some(0), "{log}");
    }
}
