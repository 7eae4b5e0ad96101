//! Requests made to be misunderstood: smuggling, huge heads, tricks with paths, injected headers.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{PATIENCE, Running};
use crate::limits::guard::guarded;
use crate::raw;

/// Returns the server's answer to these bytes, until it ends the connection.
async fn said(server: &Running, bytes: &[u8]) -> String {
    let mut tcp = raw::connect(server.address).await.expect("the server listens");
    // It may end the connection before it has read everything.
    let _sent = tcp.write_all(bytes).await;
    let mut said = Vec::new();
    let end = tokio::time::timeout(PATIENCE, tcp.read_to_end(&mut said)).await;
    // A reset is an end as well.
    let _ended = end.expect("the server ends the connection");
    String::from_utf8_lossy(&said).into_owned()
}

/// A request that would be answered if anybody took it for one.
const SMUGGLED: &str = "GET /health HTTP/1.1\r\nHost: smuggled\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn request_smuggling_is_refused() {
    let server = guarded(|_| {}).await;
    let heads = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        " Transfer-Encoding: chunked\r\n",
        "X: y\r\n Transfer-Encoding: chunked\r\n",
        "X: y\r\n\tfolded\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Content-Length: 0, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length : 5\r\n",
        "Host: another\r\n",
        "Host:\r\n",
        "X: a\0b\r\n",
        "X: a\rInjected: b\r\n",
        "no colon\r\n",
        ": no name\r\n",
    ];
    for head in heads {
        let request = format!("GET /health HTTP/1.1\r\nHost: a\r\n{head}\r\n0\r\n\r\n{SMUGGLED}");
        let said = said(&server, request.as_bytes()).await;
        assert!(said.starts_with("HTTP/1.1 400 "), "{head:?}: {said}");
        assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{head:?}: {said}");
    }
    for (request, status) in [
        ("GET /health HTTP/1.1\r\nConnection: close\r\n\r\n", "400"),
        ("GET http://a/health HTTP/1.1\r\nConnection: close\r\n\r\n", "400"),
        ("GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n", "400"),
        ("GET /health HTTP/1.0\r\n\r\n", "200"),
    ] {
        let said = said(&server, request.as_bytes()).await;
        assert_eq!(said.split(' ').nth(1), Some(status), "{request:?}: {said}");
    }
    let lines = [
        "GET  /health HTTP/1.1",
        "GET /health HTTP/1.1 HTTP/1.1",
        "GET /health HTTP/1.9",
        "GET /he alth HTTP/1.1",
        "GET health HTTP/1.1",
        "G\u{0}T /health HTTP/1.1",
        "PRI * HTTP/2.0",
    ];
    for line in lines {
        let said =
            said(&server, format!("{line}\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes())
                .await;
        assert!(!said.contains("HTTP/1.1 200 "), "{line:?}: {said}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn request_heads_are_bounded() {
    let server = guarded(|_| {}).await;
    let get = |target: &str, headers: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n")
    };
    let many = |count: usize| "X: y\r\n".repeat(count);
    let long = |bytes: usize| format!("X: {}\r\n", "y".repeat(bytes));
    let target = |bytes: usize| format!("/health?{}", "q".repeat(bytes - 8));
    let cases = [
        (get("/health", &many(98)), "200"),
        (get("/health", &many(99)), "431"),
        (get("/health", &many(5000)), "431"),
        (get("/health", &long(15_000)), "200"),
        (get("/health", &long(17_000)), "431"),
        (get("/health", &long(1_000_000)), "431"),
        (get(&target(12 * 1024), ""), "200"),
        (get(&target(12 * 1024 + 1), ""), "414"),
    ];
    for (request, status) in cases {
        let said = said(&server, request.as_bytes()).await;
        // Where much is left unread the answer may be lost in the reset.
        let lost = said.is_empty() && request.len() > 20_000;
        let line = said.lines().next().unwrap_or_default();
        assert!(lost || line.contains(status), "{} bytes, {status}: {line}", request.len());
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_of_a_path_bypasses_the_guard() {
    let server = guarded(|config| {
        config.auth.enabled = true;
        config.auth.tokens = ["token"].into_iter().collect();
        config.protocols.sse = true;
    })
    .await;
    let mut targets: Vec<String> = Vec::new();
    for path in ["latest.json", "api/logs", "sse", "full-stream", "domains-only"] {
        targets.extend([
            format!("/{path}"),
            format!("//{path}"),
            format!("/./{path}"),
            format!("/health/../{path}"),
            format!("/health/%2e%2e/{path}"),
            format!("/health/..%2f{path}"),
            format!("/{path}/"),
            format!("/{path}/."),
            format!("/{path};a=b"),
            format!("/{path}%00"),
            format!("/{path}%20"),
            format!("/{path}?token=token"),
            format!("/{path}#health"),
            path.split_at_checked(1).map_or_else(String::new, |(first, rest)| {
                format!("/%{:02x}{rest}", first.as_bytes()[0])
            }),
            format!("/{}", path.to_uppercase()),
            format!("/\\{path}"),
            format!("http://a/{path}"),
            format!("http://a/health/../{path}"),
            format!("http://user:token@a/{path}"),
        ]);
    }
    for target in targets {
        let plain = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let plain = plain.into_bytes();
        for request in [plain, raw::handshake(&target, "X-Original-URL: /health\r\n")] {
            let mut tcp = tokio::io::BufReader::new(
                raw::connect(server.address).await.expect("the server listens"),
            );
            tcp.write_all(&request).await.expect("it takes it");
            let head = tokio::time::timeout(PATIENCE, raw::response_head(&mut tcp)).await;
            let head = head.expect("in time").expect("an answer");
            let refused = ["400", "401", "404"]
                .iter()
                .any(|status| head.starts_with(&format!("HTTP/1.1 {status} ")));
            assert!(refused, "{target}: {head}");
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_value_is_injected_into_a_header() {
    let server = guarded(|config| {
        config.protocols.sse = true;
        config.auth.query_token = true;
        config.auth.premium_tokens = ["gold"].into_iter().collect();
    })
    .await;
    let values =
        ["%0d%0aInjected:%20yes", "%0aInjected:%20yes", "%00", "\u{e9}", "<script>", "%ff"];
    for value in values {
        for name in ["since", "compat", "stream", "domain", "issuer", "match", "log", "token", "x"]
        {
            for path in ["/sse", "/latest.json", "/"] {
                let request = format!(
                    "GET {path}?{name}={value} HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 1\r\n\r\n"
                );
                let mut tcp = tokio::io::BufReader::new(
                    raw::connect(server.address).await.expect("the server listens"),
                );
                tcp.write_all(request.as_bytes()).await.expect("it takes it");
                let head = tokio::time::timeout(PATIENCE, raw::response_head(&mut tcp)).await;
                let head = head.expect("in time").expect("an answer");
                assert_eq!(raw::header(&head, "injected"), None, "{request}: {head}");
                let is_page = path == "/" && head.starts_with("HTTP/1.1 200 ");
                let kind = raw::header(&head, "content-type").unwrap_or_default();
                assert!(is_page || !kind.contains("html"), "{request}: {head}");
            }
        }
    }
    server.stop().await;
}
