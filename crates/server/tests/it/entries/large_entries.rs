//! A log of huge entries beside an honest one: what the server's process takes, and what a client of the
//! honest log notices.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Socket, logs, next_json};
use crate::program::Process;

/// The size of each certificate of the hostile log: nearly the most that a leaf can hold.
const HUGE: usize = (16 << 20) - 4096;
/// Answers with one each that the server has to take before the test is over.
const ANSWERS: u64 = 60;
/// Entries of the honest log that have to come.
const ENTRIES: u64 = 400;
/// The most anonymous memory of the process: the 64 MiB of `ct_log.in_flight_bytes`, the largest answer
/// beyond them, what taking two answers apart needs meanwhile, and the server itself.
const MOST: u64 = 384 << 20;

/// A log without a key whose tree has any size, and which gives one huge entry at a time.
struct Hostile {
    url: String,
    answers: Arc<AtomicU64>,
}

impl Hostile {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("bound"));
        let answers = Arc::<AtomicU64>::default();
        let (page, counted) = (Arc::new(page()), Arc::clone(&answers));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&page), Arc::clone(&counted)));
            }
        });
        Self { url, answers }
    }
}

fn page() -> Vec<u8> {
    let length = u32::try_from(HUGE).expect("24 bits").to_be_bytes();
    let time = 1_790_000_000_000_u64.to_be_bytes();
    let leaf = [&[0, 0][..], &time, &[0, 0], &length[1..], &vec![0x30; HUGE], &[0, 0]].concat();
    let leaf = base64_simd::STANDARD.encode_to_string(leaf);
    let entry = json!({ "leaf_input": leaf, "extra_data": "AAAA" });
    json!({ "entries": [entry] }).to_string().into_bytes()
}

async fn answer(mut stream: TcpStream, page: Arc<Vec<u8>>, answers: Arc<AtomicU64>) {
    let mut head = Vec::new();
    loop {
        head.clear();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else { return };
            head.push(byte);
        }
        let asked = String::from_utf8_lossy(&head).into_owned();
        let sth = json!({
            "tree_size": 1_000_000,
            "timestamp": 1_790_000_000_000_u64,
            "sha256_root_hash": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "tree_head_signature": "BAMACDAGAgEBAgEB",
        });
        let sth = sth.to_string().into_bytes();
        let (status, body) = match asked.split(' ').nth(1).unwrap_or_default() {
            path if path.contains("get-sth") && !path.contains("consistency") => (200, &sth),
            path if path.contains("get-entries") => (200, &*page),
            _ => (404, &sth),
        };
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len());
        let sent = async {
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body).await
        };
        if sent.await.is_err() {
            return;
        }
        if body.len() > HUGE {
            answers.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The anonymous memory of a process, in bytes (proc(5)).
fn anonymous(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a line");
    let kib = line.trim().trim_end_matches("kB").trim();
    kib.parse::<u64>().expect("a number") * 1024
}

async fn next_of(socket: &mut Socket, log: &str) -> u64 {
    loop {
        let message = next_json(socket).await;
        let kind = message["message_type"].as_str();
        assert_eq!(kind, Some("certificate_update"), "the client lost something: {message}");
        if message["data"]["source"]["name"] == log {
            return message["data"]["cert_index"].as_u64().expect("a number");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_with_huge_entries_uses_at_most_its_memory_share() {
    let config = ctsim::Config { rfc6962: 1, static_ct: 0, rate: 20.0, ..ctsim::Config::default() };
    let honest = logs(config).await;
    let hostile = Hostile::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key.pem");
    fs::write(&key, honest.list_key_pem()).expect("writable");
    let file: Value = json!({
        "ct_log": {
            "log_list_url": honest.list_url(),
            "log_list_key_file": key,
            "poll_interval_ms": 100,
            "start": 0,
        },
        "custom_logs": [{ "name": "hostile", "url": hostile.url }],
    });
    let process = Process::start(&file.to_string(), &[], &[]);
    let url = format!("ws://{}/", process.address);
    let mut socket = tokio_tungstenite::connect_async(url).await.expect("accepts").0;
    let id = process.id();
    let peak = Arc::<AtomicU64>::default();
    let (seen, watched) = (Arc::clone(&peak), tokio::time::interval(Duration::from_millis(20)));
    let watch = tokio::spawn(async move {
        let mut watched = watched;
        loop {
            watched.tick().await;
            seen.fetch_max(anonymous(id), Ordering::Relaxed);
        }
    });
    let name = honest.logs()[0].description().to_owned();
    let mut last = next_of(&mut socket, &name).await;
    let mut entries = 1;
    while entries < ENTRIES || hostile.answers.load(Ordering::Relaxed) < ANSWERS {
        let next = next_of(&mut socket, &name).await;
        assert_eq!(next, last + 1, "an entry of the honest log is missing");
        (last, entries) = (next, entries + 1);
    }
    watch.abort();
    let (peak, answers) = (peak.load(Ordering::Relaxed), hostile.answers.load(Ordering::Relaxed));
    println!(
        "{answers} answers of {} MiB, {entries} honest entries: at most {} MiB anonymous memory",
        HUGE >> 20,
        peak >> 20
    );
    assert!(peak < MOST, "{} MiB", peak >> 20);
    process.stop();
}
