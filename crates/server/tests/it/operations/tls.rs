//! TLS: the streams over it, and certificates that change while the server runs.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use config::Config;
use ctsim::Sim;
use futures_util::{SinkExt as _, StreamExt as _};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use server::app;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{PATIENCE, Running, eventually, logs, reads_all};

/// A certificate for `localhost` and its key, in PEM.
struct Made {
    cert: String,
    key: String,
}

fn made() -> Made {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let cert = params.self_signed(&key).expect("a certificate").pem();
    Made { cert, key: key.serialize_pem() }
}

impl Made {
    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.cert.as_bytes()).expect("PEM")
    }

    /// Writes both files into a folder, which is made if need be.
    fn write(&self, folder: &Path) {
        fs::create_dir_all(folder).expect("a folder");
        fs::write(folder.join("cert.pem"), &self.cert).expect("writable");
        fs::write(folder.join("key.pem"), &self.key).expect("writable");
    }
}

/// A server with several hundred entries, and certificate files in `tls/` of a folder.
struct Secure {
    sim: Sim,
    server: Running,
    folder: tempfile::TempDir,
}

async fn start(prepare: impl FnOnce(&Path)) -> Secure {
    let sim = logs(ctsim::Config {
        rfc6962: 1,
        static_ct: 0,
        rate: 100.0,
        initial_size: 300,
        publish_interval: Duration::from_millis(50),
        ..ctsim::Config::default()
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    prepare(folder.path());
    let mut config = reads_all(&sim, &folder);
    configure(&mut config, &folder.path().join("tls"));
    let server = Running::start(config).await;
    Secure { sim, server, folder }
}

fn configure(config: &mut Config, tls: &Path) {
    config.tls_cert = Some(tls.join("cert.pem"));
    config.tls_key = Some(tls.join("key.pem"));
}

/// A client that trusts these certificates.
fn connector(trusted: &[&Made], alpn: &[&[u8]]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for made in trusted {
        roots.add(made.der()).expect("a certificate");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config).into()
}

async fn connect(address: SocketAddr, connector: &TlsConnector) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(address).await.expect("the server listens");
    let name = "localhost".try_into().expect("a name");
    connector.connect(name, tcp).await.expect("a handshake")
}

/// The certificate the server shows.
async fn shown(address: SocketAddr, trusted: &[&Made]) -> CertificateDer<'static> {
    let stream = connect(address, &connector(trusted, &[])).await;
    let chain = stream.get_ref().1.peer_certificates().expect("a certificate");
    chain[0].clone().into_owned()
}

async fn websocket(
    address: SocketAddr,
    trusted: &[&Made],
    path: &str,
) -> WebSocketStream<TlsStream<TcpStream>> {
    let stream = connect(address, &connector(trusted, &[b"h2", b"http/1.1"])).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let url = format!("wss://localhost{path}");
    tokio_tungstenite::client_async(url, stream).await.expect("a WebSocket").0
}

async fn message(socket: &mut WebSocketStream<TlsStream<TcpStream>>) -> Value {
    loop {
        let next = tokio::time::timeout(PATIENCE, socket.next()).await.expect("in time");
        if let Message::Text(text) = next.expect("open").expect("no error") {
            let message: Value = serde_json::from_str(&text).expect("JSON");
            if message["message_type"] != "heartbeat" {
                return message;
            }
        }
    }
}

fn https(made: &Made) -> reqwest::Client {
    let root = reqwest::Certificate::from_pem(made.cert.as_bytes()).expect("PEM");
    reqwest::Client::builder().tls_certs_only([root]).build().expect("a client")
}

fn url(address: SocketAddr, path: &str) -> String {
    format!("https://localhost:{}{path}", address.port())
}

async fn metric(address: SocketAddr, client: &reqwest::Client, name: &str) -> u64 {
    let answer = client.get(url(address, "/metrics")).send().await.expect("an answer");
    let text = answer.text().await.expect("text");
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {name}: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_streams_are_the_same_over_tls() {
    const COUNT: usize = 250;
    let pair = made();
    let Secure { server, folder: _folder, sim: _sim } =
        start(|folder| pair.write(&folder.join("tls"))).await;
    let mut socket = websocket(server.address, &[&pair], "/?since=0").await;
    assert_eq!(message(&mut socket).await["message_type"], "gap");
    let mut messages = Vec::new();
    while messages.len() < COUNT {
        messages.push(message(&mut socket).await);
    }

    let client = https(&pair);
    let events = client.get(url(server.address, "/sse?since=0")).send().await.expect("an answer");
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    let mut body = events.bytes_stream();
    let mut text = String::new();
    let mut data = Vec::new();
    while data.len() < COUNT + 1 {
        let more = tokio::time::timeout(PATIENCE, body.next()).await.expect("in time");
        text += str::from_utf8(&more.expect("open").expect("no error")).expect("UTF-8");
        let whole = text.rsplit_once("\n\n").map_or("", |(whole, _)| whole);
        data = whole.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    }
    let events = data.iter().skip(1).take(COUNT).map(|data| serde_json::from_str(data));
    assert_eq!(events.collect::<Result<Vec<Value>, _>>().expect("JSON"), messages);

    // The page and the rest are there too, and a ping is answered in the midst of the stream.
    let page = client.get(url(server.address, "/")).send().await.expect("an answer");
    assert!(page.text().await.expect("text").contains("<html"));
    socket.send(Message::Ping("over TLS".into())).await.expect("open");
    loop {
        let next = tokio::time::timeout(PATIENCE, socket.next()).await.expect("in time");
        if next.expect("open").expect("no error") == Message::Pong("over TLS".into()) {
            break;
        }
    }
    // At the end it is closed as it is without TLS.
    let stopping = tokio::spawn(server.stop());
    let close = loop {
        let next = tokio::time::timeout(PATIENCE, socket.next()).await.expect("in time");
        if let Message::Close(close) = next.expect("a Close frame").expect("no error") {
            break close.expect("a code");
        }
    };
    assert_eq!(u16::from(close.code), 1001);
    while socket.next().await.is_some() {}
    stopping.await.expect("stops");
}

/// Bytes that a client does not read at once stay in the TLS buffer. Nothing is published after
/// them that could push it out, so it must be flushed; a Ping would do that too, but comes later
/// than this test waits.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_message_reaches_a_slow_client() {
    const ENTRIES: u64 = 1_500;
    const BEFORE_THE_PING: Duration = Duration::from_secs(20);
    let sim = logs(ctsim::Config {
        rfc6962: 1,
        static_ct: 0,
        rate: 0.0,
        initial_size: 1,
        ..ctsim::Config::default()
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let pair = made();
    pair.write(&folder.path().join("tls"));
    let mut config = reads_all(&sim, &folder);
    configure(&mut config, &folder.path().join("tls"));
    config.heartbeat.mode = config::HeartbeatMode::Off;
    let server = Running::start(config).await;
    let small = TcpSocket::new_v4().expect("a socket");
    small.set_recv_buffer_size(16 * 1024).expect("a small buffer");
    let tcp = small.connect(server.address).await.expect("the server listens");
    let name = "localhost".try_into().expect("a name");
    let stream = connector(&[&pair], &[]).connect(name, tcp).await.expect("a handshake");
    let opened = tokio_tungstenite::client_async("wss://localhost/full-stream?since=0", stream);
    let mut socket = opened.await.expect("a WebSocket").0;
    sim.logs()[0].grow(ENTRIES).expect("it grows");
    let client = https(&pair);
    eventually("the log is read", async || {
        let answer = client.get(url(server.address, "/example.json")).send().await;
        let newest: Value = answer.expect("an answer").json().await.expect("JSON");
        (newest["data"]["cert_index"] == ENTRIES).then_some(())
    })
    .await;
    let mut index = Value::Null;
    while index != ENTRIES {
        let next = tokio::time::timeout(BEFORE_THE_PING, socket.next()).await;
        let Message::Text(text) = next.expect("flushed").expect("open").expect("no error") else {
            continue;
        };
        let message: Value = serde_json::from_str(&text).expect("JSON");
        index = message["data"]["cert_index"].clone();
    }
    drop(socket);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_served_without_restart() {
    let [first, renamed, linked] = [made(), made(), made()];
    let all = [&first, &renamed, &linked];
    // As certbot and Kubernetes lay it out: the files are reached through a link.
    let Secure { server, folder, sim: _sim } = start(|folder| {
        first.write(&folder.join("1"));
        std::os::unix::fs::symlink(folder.join("1"), folder.join("tls")).expect("linked");
    })
    .await;
    let address = server.address;
    let at = |name: &str| folder.path().join(name);
    assert_eq!(shown(address, &all).await, first.der());
    let mut old = websocket(address, &all, "/").await;

    // Each file by its own rename.
    renamed.write(&at("2"));
    for file in ["cert.pem", "key.pem"] {
        fs::rename(at("2").join(file), at("1").join(file)).expect("renamed");
    }
    eventually("the renamed certificate", async || {
        (shown(address, &all).await == renamed.der()).then_some(())
    })
    .await;

    // Both at once, by another link.
    linked.write(&at("3"));
    std::os::unix::fs::symlink(at("3"), at("tls.new")).expect("linked");
    fs::rename(at("tls.new"), at("tls")).expect("renamed");
    eventually("the linked certificate", async || {
        (shown(address, &all).await == linked.der()).then_some(())
    })
    .await;

    // What cannot be used changes nothing, and is counted.
    let client = https(&linked);
    let errors = metric(address, &client, "certstream_tls_reload_errors_total").await;
    assert_eq!(metric(address, &client, "certstream_tls_reloads_total").await, 2);
    fs::write(at("3").join("cert.pem"), "no certificate").expect("writable");
    eventually("the bad certificate is noticed", async || {
        let now = metric(address, &client, "certstream_tls_reload_errors_total").await;
        (now == errors + 1).then_some(())
    })
    .await;
    assert_eq!(shown(address, &all).await, linked.der());
    first.write(&at("3"));
    eventually("a good certificate after a bad one", async || {
        (shown(address, &all).await == first.der()).then_some(())
    })
    .await;

    assert!(message(&mut old).await["offset"].is_u64(), "the old connection stays open");
    drop(old);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_on_a_tls_port_is_refused() {
    let pair = made();
    let Secure { server, folder: _folder, sim: _sim } =
        start(|folder| pair.write(&folder.join("tls"))).await;
    let address = server.address;
    let mut plain = TcpStream::connect(address).await.expect("the server listens");
    plain.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("it takes it");
    let mut silent = TcpStream::connect(address).await.expect("the server listens");
    // The beginning of a handshake, and no more.
    let mut half = TcpStream::connect(address).await.expect("the server listens");
    half.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await.expect("it takes it");

    for (name, tcp) in [("plain", &mut plain), ("silent", &mut silent), ("half", &mut half)] {
        let mut answer = Vec::new();
        let end = tokio::time::timeout(PATIENCE, tcp.read_to_end(&mut answer)).await;
        // A reset is an end as well.
        let _ended = end.unwrap_or_else(|_| panic!("{name}: never ended"));
        assert!(answer.len() <= 7, "{name}: more than an alert: {answer:?}");
    }
    let client = https(&pair);
    assert_eq!(metric(address, &client, "certstream_tls_handshake_errors_total").await, 3);
    server.stop().await;
}

#[test]
fn an_unusable_certificate_prevents_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = Config::default();
    configure(&mut config, folder.path());
    let problem =
        |config: &Config| format!("{:#}", app::check(config).first().expect("not usable"));
    assert!(problem(&config).starts_with("tls_cert: cannot read "), "{}", problem(&config));
    Made { key: made().key, ..made() }.write(folder.path());
    assert!(problem(&config).contains("is not the key of the certificate"));
    made().write(folder.path());
    assert!(app::check(&config).is_empty(), "usable");
}
