//! The cost of collecting: the program receives lite messages as fast as it reads them, and writes
//! them to a file. `cargo bench -p collector --bench collect`
//!
//! CPU is the user and system time of the program's process with all its threads; memory is its peak
//! in RAM. Messages differ in every field that differs between certificates.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::accept;
use wire::{Profile, StreamKind};

#[path = "support/process.rs"]
mod process;

use process::{cpu, peak, size};

/// The number of different messages. They are repeated with other indexes and offsets.
const DIFFERENT: usize = 4_000;
/// The number of repetitions.
const ROUNDS: u64 = 150;
/// The first offset, so that all have the same number of digits.
const FIRST: u64 = 1_000_000_000;

fn main() {
    let rounds = messages();
    println!("{} different messages of {} bytes", DIFFERENT, rounds.len() / DIFFERENT);
    println!(
        "{:<28} {:>9} {:>9} {:>11} {:>9} {:>8}",
        "", "msg/s", "CPU µs", "msg/s/core", "B/row", "MB RAM"
    );
    for (what, arguments) in [
        ("feather, zstd", &[][..]),
        ("feather, lz4", &["--compression", "lz4"]),
        ("feather, none", &["--compression", "none"]),
        ("feather, zstd, -b 10000", &["-b", "10000"]),
        ("parts of parquet, zstd", &["--format", "parquet", "--rotate", "64MB"]),
    ] {
        measure(what, arguments, &rounds);
    }
}

/// Returns the frames of one round. Each has an offset and an index of ten digits, whose initial value
/// occurs nowhere else.
fn messages() -> Vec<u8> {
    let mut frames = Vec::new();
    let mut random = 1_u64;
    let mut hex = |length: usize| {
        let mut text = String::with_capacity(length + 16);
        while text.len() < length {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text.push_str(&format!("{:08X}", random >> 32));
        }
        text.truncate(length);
        text
    };
    let mut sample = Vec::new();
    wire::sample(StreamKind::Lite, Profile::Calidog, &mut sample);
    let sample: Value = serde_json::from_slice(&sample).unwrap();
    for number in 0..DIFFERENT {
        let mut message = sample.clone();
        message["offset"] = json!(FIRST);
        message["data"]["cert_index"] = json!(FIRST);
        message["data"]["source"]["name"] = json!(format!("Log {}", number % 30));
        message["data"]["source"]["url"] = json!(format!("https://ct{}.example/2026", number % 30));
        message["data"]["source"]["log_id"] = json!(format!("{:044}", number % 30));
        let leaf = &mut message["data"]["leaf_cert"];
        let domain = hex(12).to_lowercase();
        leaf["all_domains"] = json!([format!("{domain}.example"), format!("www.{domain}.example")]);
        leaf["subject"]["CN"] = json!(format!("{domain}.example"));
        leaf["subject"]["aggregated"] = json!(format!("/CN={domain}.example"));
        leaf["serial_number"] = json!(hex(32));
        for key in ["fingerprint", "sha1"] {
            leaf[key] = json!(hex(59));
        }
        leaf["sha256"] = json!(hex(95));
        leaf["extensions"]["subjectKeyIdentifier"] = json!(hex(59));
        leaf["extensions"]["ctlSignedCertificateTimestamp"] = json!(hex(330));
        let message = message.to_string();
        frames.extend([0x81, 126]);
        frames.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
        frames.extend(message.as_bytes());
    }
    frames
}

/// Returns the places of the changing numbers.
fn places(frames: &[u8]) -> Vec<usize> {
    let digits = FIRST.to_string().into_bytes();
    let places = frames.windows(digits.len()).enumerate().filter(|(_, window)| *window == digits);
    places.map(|(place, _)| place).collect()
}

fn measure(what: &str, arguments: &[&str], frames: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_certstream-arrow"));
    command.args(["--url", &url, "--log-level", "warn"]).args(arguments);
    let mut child = command.current_dir(&folder).stdout(Stdio::null()).spawn().unwrap();
    let (socket, _) = listener.accept().unwrap();
    let mut socket = accept(socket).unwrap().into_inner();
    let start = Instant::now();
    let cpu = cpu(&child);
    send(&mut socket, frames.to_vec());
    let total = ROUNDS * DIFFERENT as u64;
    // The answer to a ping that follows the messages shows that all of them were read.
    wait_for_pong(&mut socket);
    let (wall, cpu) = (start.elapsed(), process::cpu(&child) - cpu);
    let memory = peak(&child).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    let bytes = size(folder.path());
    println!(
        "{what:<28} {:>9.0} {:>9.2} {:>11.0} {:>9.1} {:>8.1}",
        total as f64 / wall.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / total as f64,
        total as f64 / cpu.as_secs_f64(),
        bytes as f64 / total as f64,
        memory,
    );
}

fn send(socket: &mut TcpStream, mut frames: Vec<u8>) {
    let places = places(&frames);
    assert_eq!(places.len(), 2 * DIFFERENT);
    let mut next = FIRST;
    for _ in 0..ROUNDS {
        for pair in places.chunks(2) {
            for place in pair {
                frames[*place..*place + 10].copy_from_slice(next.to_string().as_bytes());
            }
            next += 1;
        }
        socket.write_all(&frames).unwrap();
    }
}

fn wait_for_pong(socket: &mut TcpStream) {
    use std::io::Read as _;
    socket.write_all(&[0x89, 0]).unwrap();
    // Pings of the program's own may come before. All are short, and masked with four bytes.
    let mut head = [0; 2];
    while head[0] & 0x0f != 0x0a {
        socket.read_exact(&mut head).unwrap();
        let rest = 4 + usize::from(head[1] & 0x7f);
        socket.read_exact(&mut vec![0; rest]).unwrap();
    }
    // The last batch may still be under way.
    thread::sleep(Duration::from_millis(300));
}
