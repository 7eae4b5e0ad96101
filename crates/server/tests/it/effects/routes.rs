//! The settings of routes and streams take effect.

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::{Group, ways};
use crate::harness::Running;

pub(super) const GROUPS: &[Group] =
    &[SWITCHES, STREAMS, PATHS, PATHS_OF_GO, CLIENTS, ADDRESS, ADDRESS_OF_GO];

fn flags() -> Vec<String> {
    ["--host=127.0.0.1", "--port=0", "--ct-log-log-list-url=http://127.0.0.1:9/none"]
        .map(str::to_owned)
        .to_vec()
}

async fn status(server: &Running, path: &str) -> u16 {
    server.get(path).await.status().as_u16()
}

/// The headers that a WebSocket handshake is answered with, or the status that refuses it.
async fn handshake(server: &Running, path: &str) -> Result<axum::http::HeaderMap, u16> {
    let url = format!("ws://{}{path}", server.address);
    let mut request = url.into_client_request().expect("a request");
    let offer = "permessage-deflate".parse().expect("a header");
    request.headers_mut().insert("sec-websocket-extensions", offer);
    match tokio_tungstenite::connect_async(request).await {
        Ok((_, response)) => Ok(response.headers().clone()),
        // The client has not asked for what it was given.
        Err(Error::Protocol(_)) => Ok(axum::http::HeaderMap::new()),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{path}: {error}"),
    }
}

const SWITCHES: Group = &[
    ("protocols.websocket", "false"),
    ("protocols.sse", "true"),
    ("protocols.metrics", "false"),
    ("protocols.health", "false"),
    ("protocols.example_json", "false"),
    ("protocols.api", "true"),
    ("protocols.page", "false"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_protocol_has_no_routes() {
    for (way, config) in ways(SWITCHES, &flags()) {
        let server = Running::start(config).await;
        assert_eq!(handshake(&server, "/").await, Err(404), "{way}");
        assert_eq!(status(&server, "/sse").await, 200, "{way}");
        assert_eq!(status(&server, "/api/logs").await, 200, "{way}");
        for path in ["/metrics", "/health", "/health/deep", "/example.json", "/latest.json", "/"] {
            assert_eq!(status(&server, path).await, 404, "{path} {way}");
        }
        server.stop().await;
    }
}

const STREAMS: Group =
    &[("streams.full", "false"), ("streams.lite", "false"), ("streams.domains_only", "false")];

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_stream_has_no_routes() {
    for off in 0..STREAMS.len() {
        let group: &[_] = STREAMS.get(off..=off).expect("a stream");
        for (way, config) in ways(group, &flags()) {
            let server = Running::start(config).await;
            let paths = ["/full-stream", "/", "/domains-only"];
            for (position, path) in paths.iter().enumerate() {
                let there = handshake(&server, path).await.is_ok();
                assert_eq!(there, position != off, "{path} {way}");
            }
            server.stop().await;
        }
    }
}

const PATHS: Group = &[
    ("streams.full_path", "/a/full"),
    ("streams.lite_path", "/b.lite"),
    ("streams.domains_only_path", "/c-names"),
];

const PATHS_OF_GO: Group = &[
    ("webserver.full_url", "/a/full"),
    ("webserver.lite_url", "/b.lite"),
    ("webserver.domains_only_url", "/c-names"),
];

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_served_at_their_configured_paths() {
    for (way, config) in ways(PATHS, &flags()).into_iter().chain(ways(PATHS_OF_GO, &flags())) {
        let server = Running::start(config).await;
        for path in ["/a/full", "/a/full/", "/b.lite", "/b.lite/", "/c-names", "/c-names/", "/"] {
            assert!(handshake(&server, path).await.is_ok(), "{path} {way}");
        }
        for path in ["/full-stream", "/domains-only"] {
            assert_eq!(handshake(&server, path).await, Err(404), "{path} {way}");
        }
        for path in ["/a/full", "/b.lite", "/c-names", ""] {
            assert_eq!(status(&server, &format!("{path}/example.json")).await, 200, "{path} {way}");
        }
        server.stop().await;
    }
}

const CLIENTS: Group = &[
    ("heartbeat.mode", "always"),
    ("heartbeat.interval_secs", "1"),
    ("compression.websocket", "false"),
    ("compression.sse", "false"),
    ("filters.max_terms", "2"),
    ("filters.max_distinct", "12"),
];

#[tokio::test(flavor = "multi_thread")]
async fn stream_settings_take_effect() {
    let flags = [flags(), vec!["--protocols-sse".to_owned()]].concat();
    for (way, config) in ways(CLIENTS, &flags) {
        let server = Running::start(config).await;
        let headers = handshake(&server, "/").await.expect("accepted");
        assert!(!headers.contains_key("sec-websocket-extensions"), "{way}");
        assert!(headers.contains_key("upgrade"), "it was not taken for compressed: {way}");
        let client = reqwest::Client::new();
        let url = format!("http://{}/sse", server.address);
        let events = client.get(url).header("accept-encoding", "gzip").send().await;
        let events = events.expect("an answer");
        assert!(!events.headers().contains_key("content-encoding"), "{way}");

        // Variables of certstream-server-go imply its profile, which has no heartbeats.
        let mut socket = server.connect("/?compat=calidog").await;
        for _ in 0..2 {
            let text = loop {
                let frame = crate::harness::next_frame(&mut socket).await;
                // An idle stream also has Pings.
                if frame.is_text() {
                    break frame.into_text().expect("text");
                }
            };
            assert!(text.contains("heartbeat"), "{way}: {text}");
        }
        assert_eq!(handshake(&server, "/?domain=a.com,b.com,c.com").await, Err(400), "{way}");
        let two = server.connect("/?domain=a.com,b.com").await;
        let one = server.connect("/?domain=c.com").await;
        assert_eq!(handshake(&server, "/?domain=d.com").await, Err(503), "{way}");
        drop((one, two, events, socket));
        server.stop().await;
    }
}

/// The files of a new certificate for localhost and of its key, and a client that trusts it.
pub(super) fn certificate(folder: &tempfile::TempDir) -> ([String; 2], reqwest::ClientBuilder) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let cert = params.self_signed(&key).expect("a certificate").pem();
    let files = [("cert.pem", &cert), ("key.pem", &key.serialize_pem())].map(|(name, text)| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("writable");
        path.display().to_string()
    });
    let root = reqwest::Certificate::from_pem(cert.as_bytes()).expect("PEM");
    (files, reqwest::Client::builder().tls_certs_only([root]))
}

const ADDRESS: Group = &[("host", "127.0.0.7"), ("port", "1"), ("tls_cert", "c"), ("tls_key", "k")];
const ADDRESS_OF_GO: Group = &[
    ("webserver.listen_addr", "127.0.0.7"),
    ("webserver.listen_port", "1"),
    ("webserver.cert_path", "c"),
    ("webserver.cert_key_path", "k"),
    ("webserver.compression_enabled", "false"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_server_listens_on_the_configured_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, client) = certificate(&folder);
    let port = std::net::TcpListener::bind("127.0.0.7:0").expect("a port");
    let address = port.local_addr().expect("bound");
    drop(port);
    let client = client.resolve("localhost", address).build().expect("a client");
    let [cert, key] = files;
    // Leaked, because the descriptions of groups are static.
    let values = [address.port().to_string(), cert, key];
    let values = values.map(|text| -> &'static str { Box::leak(text.into_boxed_str()) });
    let flags = ["--ct-log-log-list-url=http://127.0.0.1:9/none".to_owned()];
    for group in [ADDRESS, ADDRESS_OF_GO] {
        let said = group.iter().map(|(key, value)| match *value {
            "1" => (*key, values[0]),
            "c" => (*key, values[1]),
            "k" => (*key, values[2]),
            other => (*key, other),
        });
        for (way, config) in ways(&said.collect::<Vec<_>>(), &flags) {
            let server = Running::start(config).await;
            assert_eq!(server.address, address, "{way}");
            let url = format!("https://localhost:{}/health", address.port());
            let answer = client.get(url).send().await.expect("TLS");
            assert_eq!(answer.status(), 200, "{way}");
            server.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_of_each_other_server_starts_this_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    for (text, sse) in [
        (include_str!("../../../../config/src/tests/rust_server.yaml"), 200),
        (include_str!("../../../../config/src/tests/go_server.yaml"), 404),
    ] {
        let file: serde_json::Value = serde_saphyr::from_str(text).expect("YAML");
        let flags = [
            "--port=0".to_owned(),
            "--ct-log-log-list-url=http://127.0.0.1:9/none".to_owned(),
            format!("--ct-log-state-file={}", at("state.json")),
            format!("--ct-log-import-index={}", at("index.json")),
            "--prometheus-enabled=false".to_owned(),
        ];
        let server = Running::start(super::configured(&file, &[], &flags)).await;
        assert_eq!(status(&server, "/health").await, 200);
        assert_eq!(status(&server, "/sse").await, sse);
        let path = if sse == 200 { "/full-stream" } else { "/full" };
        assert!(handshake(&server, path).await.is_ok());
        server.stop().await;
    }
}
