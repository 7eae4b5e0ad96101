//! Clients that cost without asking for anything.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::harness::{PATIENCE, Running, eventually, logs, reads_all};
use crate::raw;

/// A server to which nothing happens: its logs are gone.
async fn quiet() -> Running {
    let sim = logs(ctsim::Config { rate: 0.0, ..ctsim::Config::default() }).await;
    let folder = tempfile::tempdir().expect("a folder");
    Running::start(reads_all(&sim, &folder)).await
}

/// Returns the bytes of a server until it ends the connection.
async fn all_of(mut tcp: TcpStream) -> String {
    let mut said = Vec::new();
    let end = tokio::time::timeout(PATIENCE, tcp.read_to_end(&mut said)).await;
    // A reset is an end as well.
    let _ended = end.expect("the server ends the connection");
    String::from_utf8(said).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_request_is_closed() {
    let server = quiet().await;
    let silent = async {
        let tcp = raw::connect(server.address).await.expect("the server listens");
        assert!(!all_of(tcp).await.contains("200"));
    };
    let dribbling = async {
        let mut tcp = raw::connect(server.address).await.expect("the server listens");
        tcp.write_all(b"GET / HTTP/1.1\r\nX-Long: ").await.expect("it takes it");
        // A byte now and then, for ever: it ends when the server does not take it any more.
        while tcp.write_all(b"a").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let once = async {
        let mut tcp = raw::connect(server.address).await.expect("the server listens");
        tcp.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("it takes it");
        // An answer, and then the end although nobody asked for it.
        assert!(all_of(tcp).await.ends_with("\r\n\r\nOK"));
    };
    let ended = tokio::time::timeout(PATIENCE, async { tokio::join!(silent, dribbling, once) });
    ended.await.expect("all are closed");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unwanted_request_body_is_harmless() {
    let server = quiet().await;
    let ask = async |request: Vec<u8>| {
        let mut tcp = raw::connect(server.address).await.expect("the server listens");
        tcp.write_all(&request).await.expect("it takes it");
        tcp
    };
    // A WebSocket handshake with a body: its bytes would be taken for frames.
    for headers in ["Content-Length: 6\r\n", "Transfer-Encoding: chunked\r\n"] {
        let mut request = raw::handshake("/", headers);
        request.extend_from_slice(b"\x88\x80\0\0\0\0");
        let mut tcp = BufReader::new(ask(request).await);
        let head = raw::response_head(&mut tcp).await.expect("an answer");
        assert!(head.starts_with("HTTP/1.1 400 "), "{headers}: {head}");
    }
    // A request in a body is no request.
    let inner = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let outer = format!(
        "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{inner}",
        inner.len()
    );
    let said = all_of(ask(outer.into_bytes()).await).await;
    assert!(said.starts_with("HTTP/1.1 200 OK") && said.ends_with("\r\n\r\nOK"), "{said}");
    // A body that never comes is not waited for.
    let endless = b"GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n";
    let said = all_of(ask(endless.to_vec()).await).await;
    assert!(said.starts_with("HTTP/1.1 200 OK") && said.ends_with("\r\n\r\nOK"), "{said}");
    server.stop().await;
}

/// The program itself, ended when the test ends.
struct Program {
    child: Child,
    address: SocketAddr,
}

impl Program {
    /// Runs with so many file descriptors, and reads no logs.
    async fn start(descriptors: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        let program = env!("CARGO_BIN_EXE_certstream-server");
        let child = Command::new("sh")
            .arg("-c")
            .arg(format!(
                "ulimit -n {descriptors}; exec {program:?} --dry-run --host 127.0.0.1 --port 0"
            ))
            .current_dir(folder.path())
            .stderr(Stdio::from(std::fs::File::create(&log).expect("writable")))
            .spawn()
            .expect("it runs");
        let address = eventually("it listens", async || {
            let log = std::fs::read_to_string(&log).expect("readable");
            let (_, rest) = log.split_once("listening on http://")?;
            rest.split_once('/')?.0.parse().ok()
        })
        .await;
        Self { child, address }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ran");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_file_descriptors_recovers() {
    let program = Program::start(40).await;
    let mut crowd = Vec::new();
    for _ in 0..100 {
        // The kernel takes them even while the server cannot.
        crowd.push(TcpStream::connect(program.address).await.expect("the kernel accepts"));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(crowd);
    let metrics = eventually("the server answers again", async || {
        let answer = reqwest::get(format!("http://{}/metrics", program.address)).await;
        answer.ok()?.text().await.ok()
    })
    .await;
    let rejected = metrics.lines().find_map(|line| {
        line.strip_prefix("certstream_descriptor_limit_rejected_total ")?.parse::<u64>().ok()
    });
    assert!(rejected.is_some_and(|rejected| rejected > 0), "{metrics}");
}
