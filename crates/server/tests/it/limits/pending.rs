//! Connections that are no streams: how many there may be.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::harness::{PATIENCE, Running, eventually};
use crate::limits::guard::guarded;
use crate::raw;

async fn silent(server: &Running) -> TcpStream {
    raw::connect(server.address).await.expect("the kernel accepts")
}

/// Asks for the health on a connection of its own; none where it is closed without an answer.
async fn healthy(server: &Running) -> Option<String> {
    let mut tcp = BufReader::new(silent(server).await);
    tcp.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.ok()?;
    let head = tokio::time::timeout(PATIENCE, raw::response_head(&mut tcp)).await;
    head.expect("an answer or an end").ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_connections_of_an_address_are_limited() {
    let server = guarded(|config| {
        config.connection_limit.max_pending_per_ip = 3;
        config.protocols.sse = true;
    })
    .await;
    let mut crowd = vec![silent(&server).await, silent(&server).await, silent(&server).await];
    let mut closed = silent(&server).await;
    let end = tokio::time::timeout(PATIENCE, closed.read(&mut [0])).await.expect("an end");
    assert!(matches!(end, Ok(0) | Err(_)), "closed at once: {end:?}");
    crowd.pop();
    eventually("there is room again", async || healthy(&server).await).await;
    // Streams, of whatever kind, are not among them.
    let mut streams = Vec::new();
    for request in [raw::handshake("/", ""), b"GET /sse HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()] {
        for _ in 0..5 {
            let answered = async || {
                let mut tcp = BufReader::new(silent(&server).await);
                tcp.write_all(&request).await.ok()?;
                raw::response_head(&mut tcp).await.ok().map(|_| tcp)
            };
            streams.push(eventually("a stream begins", answered).await);
        }
    }
    eventually("there is still room", async || healthy(&server).await).await;
    drop((crowd, streams));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_connections_of_a_trusted_proxy_are_not_limited() {
    let server = guarded(|config| {
        config.connection_limit.max_pending_per_ip = 1;
        config.trusted_proxies = vec!["127.0.0.1".to_owned()];
    })
    .await;
    let crowd = [silent(&server).await, silent(&server).await, silent(&server).await];
    assert!(healthy(&server).await.is_some());
    drop(crowd);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_max_pending_wait_and_are_served() {
    let server = guarded(|config| config.connection_limit.max_pending = 16).await;
    let mut crowd = Vec::new();
    for _ in 0..16 {
        crowd.push(silent(&server).await);
    }
    let freeing = async {
        // Long enough for the server to wait; if it does not, the test is easier.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        drop(crowd);
    };
    let (answer, ()) = tokio::join!(healthy(&server), freeing);
    assert!(answer.is_some_and(|head| head.starts_with("HTTP/1.1 200 ")));
    server.stop().await;
}
