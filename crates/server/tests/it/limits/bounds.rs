//! Bounds on what one address may take of the program, in a process of its own: what it needed at
//! most, and what a client at another address noticed meanwhile.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::harness::PATIENCE;
use crate::program::Process;
use crate::raw::{self, CLOSE, PING, masked};

/// Connections of one address that are no streams.
const MOST_PENDING: usize = 16;

/// A program that publishes nothing, with these lines in its configuration.
fn start(lines: &str) -> Process {
    let file = format!("protocols: {{sse: true, api: true}}\n{lines}");
    Process::start(&file, &[], &["--dry-run"])
}

/// The maxima seen.
#[derive(Debug, Default)]
struct Seen {
    descriptors: usize,
    resident_kb: u64,
    /// Requests of a client at another address, and the longest it waited for an answer.
    answers: usize,
    slowest: Duration,
}

/// Watches the program, and is its client at another address, until asked what it has seen.
struct Watch {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
    cpu: Duration,
    id: u32,
}

impl Watch {
    fn begin(process: &Process) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let (told, address, id) = (Arc::clone(&ends), process.address, process.id());
        let thread = std::thread::spawn(move || {
            let mut seen = Seen::default();
            while seen.answers == 0 || !told.load(Ordering::Relaxed) {
                seen.look(address, id);
            }
            seen
        });
        Self { ends, thread, cpu: cpu(id), id }
    }

    fn end(self, what: &str) {
        self.ends.store(true, Ordering::Relaxed);
        let seen = self.thread.join().expect("the other client is served");
        let cpu = cpu(self.id).saturating_sub(self.cpu);
        println!("{what}: {seen:?}, CPU {cpu:?}");
    }
}

impl Seen {
    fn look(&mut self, address: SocketAddr, id: u32) {
        let begun = Instant::now();
        let mut tcp = connect(address, [127, 0, 0, 2]);
        let head =
            request(&mut tcp, b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(head.is_some_and(|head| head.starts_with("HTTP/1.1 200 ")), "not served");
        self.slowest = self.slowest.max(begun.elapsed());
        self.answers += 1;
        let files = std::fs::read_dir(format!("/proc/{id}/fd")).map_or(0, Iterator::count);
        self.descriptors = self.descriptors.max(files);
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|text| text.split_whitespace().next()?.parse().ok());
        self.resident_kb = self.resident_kb.max(resident.unwrap_or(0));
    }
}

/// The processor time a process has used, at 100 ticks a second.
fn cpu(id: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn connect(address: SocketAddr, from: [u8; 4]) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((from, 0)).into()).expect("the loopback interface");
    socket.connect(&address.into()).expect("the kernel accepts");
    let tcp = TcpStream::from(socket);
    tcp.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    tcp
}

/// The head of the answer; none where the connection is closed instead.
fn request(tcp: &mut TcpStream, request: &[u8]) -> Option<String> {
    tcp.write_all(request).ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match tcp.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            Ok(_) => return None,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
            Err(error) => panic!("{error}"),
        }
    }
    let head = String::from_utf8(head).expect("text");
    let length = raw::header(&head, "content-length").and_then(|text| text.parse().ok());
    if !request.starts_with(b"HEAD") {
        let mut body = vec![0; length.unwrap_or(0)];
        tcp.read_exact(&mut body).ok()?;
    }
    Some(head)
}

/// Connections that are answered twice, of so many opened.
fn kept(address: SocketAddr, count: usize, text: &str) -> Vec<TcpStream> {
    let request_all = |mut crowd: Vec<TcpStream>| {
        crowd.retain_mut(|tcp| request(tcp, text.as_bytes()).is_some());
        crowd
    };
    let crowd = (0..count).map(|_| connect(address, [127, 0, 0, 1])).collect();
    request_all(request_all(crowd))
}

/// Waits until a request is served, as those of the requests before may not be gone yet, and checks
/// that its connection ends.
fn is_served_and_closed(address: SocketAddr, text: &str) {
    let deadline = Instant::now() + PATIENCE;
    let head = loop {
        let answer = request(&mut connect(address, [127, 0, 0, 1]), text.as_bytes());
        if let Some(head) = answer.filter(|head| head.contains(" 200 ")) {
            break head;
        }
        assert!(Instant::now() < deadline, "never served: {text}");
    };
    assert_eq!(raw::header(&head, "connection"), Some("close"), "{head}");
}

#[test]
fn no_request_escapes_the_limits_of_its_address() {
    let process = start(&format!(
        "connection_limit: {{enabled: true, per_ip_limit: 3, max_pending_per_ip: {MOST_PENDING}}}\n"
    ));
    let watch = Watch::begin(&process);
    let plain = |line: &str| format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n");
    let requests = [
        (300, plain("HEAD /sse")),
        (300, plain("HEAD /sse?stream=full&since=0&match=example")),
        (60, plain("GET /nothing")),
        (60, plain("GET /latest.json")),
        (60, plain("GET /sse?since=x")),
        (60, plain("POST /sse")),
        (60, plain("OPTIONS /sse")),
        (60, plain("HEAD /full-stream")),
        (60, String::from_utf8(raw::handshake("/", "")).expect("text").replace("13", "12")),
        (60, String::from_utf8(raw::handshake("/", "")).expect("text").replace("GET", "HEAD")),
    ];
    for (count, text) in requests {
        let line = text.lines().next().unwrap_or_default().to_owned();
        let crowd = kept(process.address, count, &text);
        if line.starts_with("HEAD /sse") {
            assert!(crowd.is_empty(), "{line}: a connection is used again");
            is_served_and_closed(process.address, &text);
        }
        assert!(crowd.len() <= MOST_PENDING, "{line}: {} of {count} are served", crowd.len());
    }
    watch.end("300 connections of one address with HEAD /sse, and other requests");
    process.stop();
}

#[test]
fn streams_of_an_address_are_limited_and_close_their_connection() {
    let process = start("connection_limit: {enabled: true, per_ip_limit: 3}\n");
    let watch = Watch::begin(&process);
    let get = b"GET /sse HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut crowd: Vec<TcpStream> =
        (0..100).map(|_| connect(process.address, [127, 0, 0, 1])).collect();
    let heads: Vec<String> =
        crowd.iter_mut().map(|tcp| request(tcp, get).expect("an answer")).collect();
    let streams: Vec<&String> = heads.iter().filter(|head| head.contains(" 200 ")).collect();
    assert_eq!(streams.len(), 3);
    for head in streams {
        assert_eq!(raw::header(head, "connection"), Some("close"), "{head}");
    }
    watch.end("100 connections of one address with GET /sse");
    process.stop();
}

/// Sends frames without a pause until the server ends the connection; the frame it ends with.
fn flood(address: SocketAddr, frame: &[u8]) -> Vec<u8> {
    let mut tcp = connect(address, [127, 0, 0, 1]);
    let head = request(&mut tcp, &raw::handshake("/", "")).expect("an answer");
    assert!(raw::is_accepted(&head), "{head}");
    let mut reading = tcp.try_clone().expect("a descriptor");
    let reader = std::thread::spawn(move || {
        let mut said = Vec::new();
        // The end may be a reset: the server does not read all that comes.
        let _end = reading.read_to_end(&mut said);
        said
    });
    let frames = frame.repeat(64);
    while tcp.write_all(&frames).is_ok() {}
    reader.join().expect("it reads")
}

#[test]
fn a_flooding_client_is_disconnected() {
    let process = start("");
    let watch = Watch::begin(&process);
    for (frame, rounds) in [(masked(PING, b""), 5), (masked(0x82, &[7; 60_000]), 5)] {
        for _ in 0..rounds {
            let said = flood(process.address, &frame);
            let reason = b"\x03\xe9too much sent: more than 8192 bytes or 20 frames a second";
            let close = [&[CLOSE, reason.len() as u8], &reason[..]].concat();
            let found = said.windows(close.len()).any(|bytes| bytes == close);
            assert!(found, "no Close frame at the end of {} bytes", said.len());
        }
    }
    let mut tcp = connect(process.address, [127, 0, 0, 1]);
    tcp.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("taken");
    let mut metrics = String::new();
    tcp.read_to_string(&mut metrics).expect("text");
    assert!(metrics.contains("certstream_connections_closed_for_flooding_total 10\n"), "{metrics}");
    watch.end("10 floods of frames");
    process.stop();
}
