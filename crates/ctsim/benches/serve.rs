//! The cost of serving: `cargo bench -p ctsim`.
//!
//! The simulator runs on one thread, whose CPU time is read from the kernel; a second thread asks it,
//! over one connection to the loopback address, for page after page. So the figures hold for all of
//! it: generating entries, encoding them, HTTP, and the kernel's part in sending.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench tells its figures or fails")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ctsim::{Config, Protocol, Sim};
use tokio::net::TcpListener;
use tokio::runtime;

const ENTRIES: u64 = 400_000;
const PAGE: u64 = 256;

fn main() {
    for protocol in [Protocol::Rfc6962, Protocol::StaticCt] {
        start(protocol, 0);
        serve(protocol);
        grow(protocol);
    }
    start(Protocol::Rfc6962, 100_000_000);
    start(Protocol::StaticCt, 10_000_000);
}

fn config(protocol: Protocol, initial_size: u64) -> Config {
    let [rfc6962, static_ct] = match protocol {
        Protocol::Rfc6962 => [1, 0],
        Protocol::StaticCt => [0, 1],
    };
    Config { rfc6962, static_ct, initial_size, rate: 0.0, ..Config::default() }
}

async fn simulate(config: Config) -> Sim {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Sim::start(config, listener).await.unwrap()
}

/// Runs `client` against a log of [`ENTRIES`]; returns what it returns, and the simulator's CPU time
/// meanwhile.
fn with_server<T>(protocol: Protocol, client: impl FnOnce(&str) -> T) -> (T, Duration) {
    let (ready, wait) = mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let sim = simulate(config(protocol, ENTRIES)).await;
            let task = fs::read_link("/proc/thread-self").unwrap();
            ready.send((sim.logs()[0].url().to_owned(), task)).unwrap();
            stopped.await.unwrap();
            sim.shutdown().await;
        });
    });
    let (url, task) = wait.recv().unwrap();
    let cpu = || -> Duration {
        let path = format!("/proc/{}/schedstat", task.display());
        let text = fs::read_to_string(path).unwrap();
        Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
    };
    let before = cpu();
    let result = client(&url);
    let spent = cpu() - before;
    stop.send(()).unwrap();
    server.join().unwrap();
    (result, spent)
}

fn serve(protocol: Protocol) {
    let pages = ENTRIES / PAGE;
    let ((elapsed, bytes), cpu) = with_server(protocol, |url| {
        let (address, prefix) = url.trim_start_matches("http://").split_once('/').unwrap();
        let mut connection = Connection::open(address);
        let start = Instant::now();
        let bytes: u64 = (0..pages)
            .map(|page| {
                let path = match protocol {
                    Protocol::Rfc6962 => {
                        let first = page * PAGE;
                        format!("ct/v1/get-entries?start={first}&end={}", first + PAGE - 1)
                    }
                    Protocol::StaticCt => {
                        format!("tile/data/x{:03}/{:03}", page / 1000, page % 1000)
                            .replace("x000/", "")
                    }
                };
                connection.get(&format!("/{prefix}{path}"))
            })
            .sum();
        (start.elapsed(), bytes)
    });
    let entries = (pages * PAGE) as f64;
    println!(
        "serve {protocol:?}: {:.0} entries/s, {:.2} CPU µs an entry ({:.0} entries/s of one core), \
         {:.0} bytes an entry, {:.0} MB/s",
        entries / elapsed.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / entries,
        entries / cpu.as_secs_f64(),
        bytes as f64 / entries,
        bytes as f64 / 1e6 / elapsed.as_secs_f64(),
    );
}

fn grow(protocol: Protocol) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let sim = simulate(config(protocol, 0)).await;
        let start = Instant::now();
        sim.logs()[0].grow(ENTRIES).unwrap();
        let each = start.elapsed().as_secs_f64() * 1e6 / ENTRIES as f64;
        println!("grow {protocol:?}: {each:.2} µs an entry, generated and hashed");
        sim.shutdown().await;
    });
}

fn start(protocol: Protocol, size: u64) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let start = Instant::now();
        let sim = simulate(config(protocol, size)).await;
        let elapsed = start.elapsed().as_secs_f64();
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let resident = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
        println!("start {protocol:?} of {size} entries: {elapsed:.2} s, {resident}");
        sim.shutdown().await;
    });
}

/// An HTTP connection that reads answers and throws them away.
struct Connection {
    stream: BufReader<TcpStream>,
    body: Vec<u8>,
}

impl Connection {
    fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream), body: Vec::new() }
    }

    /// The length of the answer's body.
    fn get(&mut self, path: &str) -> u64 {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 200"), "{path}: {line}");
        let mut length = 0;
        while line.trim() != "" {
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
            self.stream.read_line(&mut line).unwrap();
        }
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body).unwrap();
        length as u64
    }
}
