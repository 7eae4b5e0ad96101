//! Connections through a proxy that supports only CONNECT.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::harness::{Collector, has_rows, program};
use crate::replay::{Replay, Session, certified, message};

/// A name that only the proxy can resolve.
const HOST: &str = "certs.invalid";
/// All variables that name proxies.
const VARIABLES: [&str; 8] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// A proxy that connects every tunnel to one address.
struct Proxy {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// Starts a proxy that answers with `answer`, and opens a tunnel if that is `200`.
    async fn start(to: SocketAddr, answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(tunnel(socket, to, answer, Arc::clone(&seen)));
            }
        });
        Self { address, requests, task }
    }

    /// Returns the requests, without line ends.
    fn requests(&self) -> Vec<String> {
        self.requests.lock().clone()
    }
}

async fn tunnel(
    socket: TcpStream,
    to: SocketAddr,
    answer: &str,
    requests: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let mut socket = BufReader::new(socket);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") && socket.read_line(&mut request).await? > 0 {}
    requests.lock().push(request.trim_end().replace("\r\n", " | "));
    socket.write_all(format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes()).await?;
    if answer.starts_with("200") {
        copy_bidirectional(&mut socket, &mut TcpStream::connect(to).await?).await?;
    }
    Ok(())
}

/// Collects with these variables and no others.
fn collect(folder: &std::path::Path, url: &str, variables: &[(&str, &str)]) -> Collector {
    let mut command = program();
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    command.args(["--url", url, "--ca-file", "ca.pem", "--flush-interval", "100ms"]);
    command.envs(variables.iter().copied());
    Collector::start_command(folder, command)
}

#[tokio::test(flavor = "multi_thread")]
async fn both_schemes_are_tunnelled_through_the_proxy() {
    let (certificate, tls) = certified(HOST);
    for (scheme, variable, tls) in [
        ("ws", "HTTP_PROXY", None),
        ("wss", "https_proxy", Some(tls.clone())),
        ("wss", "ALL_PROXY", Some(tls)),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), &certificate).expect("writable");
        let session = Session::of([message(Some(1), "log", 1)], true);
        let replay = Replay::start_with(vec![session], tls).await;
        let proxy = Proxy::start(replay.address, "200 Connection established").await;
        let named = format!("http://user:p%40ss@{}", proxy.address);
        let url = format!("{scheme}://{HOST}:4711/");
        let collector = collect(folder.path(), &url, &[(variable, &named)]);
        has_rows(&folder.path().join("certstream_data.feather"), 1).await;
        let (status, log) = collector.terminate().await;
        assert_eq!(status, Some(0), "{log}");
        assert!(log.contains(&format!("through the proxy http://{}\n", proxy.address)), "{log}");
        assert!(!log.contains("user"), "{log}");
        let requests = "CONNECT certs.invalid:4711 HTTP/1.1 | Host: certs.invalid:4711 | \
                     Proxy-Authorization: Basic dXNlcjpwQHNz";
        assert_eq!(proxy.requests(), [requests], "{variable}");
        assert_eq!(replay.requests()[0].target, "/");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn excepted_hosts_are_reached_directly() {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, _) = certified(HOST);
    std::fs::write(folder.path().join("ca.pem"), certificate).expect("writable");
    let replay = Replay::start(vec![Session::of([message(Some(1), "log", 1)], true)]).await;
    let proxy = Proxy::start(replay.address, "200 OK").await;
    let named = format!("http://{}", proxy.address);
    // This machine always, and what is said to be.
    let url = format!("ws://{HOST}/");
    let no = [("HTTP_PROXY", named.as_str()), ("NO_PROXY", HOST)];
    let direct = collect(folder.path(), &url, &no);
    direct.logs("trying again").await;
    drop(direct);
    let collector = collect(folder.path(), &replay.url(), &no[..1]);
    has_rows(&folder.path().join("certstream_data.feather"), 1).await;
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    assert_eq!(proxy.requests(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_proxies_are_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, _) = certified(HOST);
    std::fs::write(folder.path().join("ca.pem"), certificate).expect("writable");
    let proxy = Proxy::start(([127, 0, 0, 1], 1).into(), "407 Proxy Authentication Required").await;
    let named = format!("http://{}", proxy.address);
    let collector = collect(folder.path(), "wss://certs.invalid/", &[("HTTPS_PROXY", &named)]);
    collector.logs(&format!("through the proxy {named}: tunnel error: proxy authorization")).await;
    drop(collector);
    let collector =
        collect(folder.path(), "wss://certs.invalid/", &[("HTTPS_PROXY", "socks5://p:1")]);
    let (status, log) = collector.end().await;
    assert_eq!(status, Some(64), "{log}");
    assert!(log.contains("HTTPS_PROXY is not the address of an HTTP proxy"), "{log}");
}
