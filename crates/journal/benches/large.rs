//! A large journal: `cargo bench -p journal --bench large -- fill DIRECTORY GIB`, then
//! `cargo bench -p journal --bench large -- measure DIRECTORY`.
//!
//! The time to open it, look-ups by hash with all files in the system's memory and with none, and the
//! memory that the indexes take. Batches have 10 records, as when many logs are followed at their heads.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

#[path = "shared/certificates.rs"]
mod certificates;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use certificates::{Template, batch};
use journal::storage::Disk;
use journal::storage::simulated::Random;
use journal::{Digest, Indexes, Journal, Opened, Settings, Start, System};
use record::Issuer;
use rustix::fs::{Advice, fadvise};

const BATCH: usize = 10;
const WARM: usize = 5_000;
const COLD: usize = 300;

fn open(dir: &Path) -> Opened {
    let settings = Settings { max_bytes: u64::MAX, ..Settings::default() };
    Journal::open(Arc::new(Disk), Arc::new(System::new()), dir, settings).unwrap()
}

fn fill(dir: &Path, bytes: u64) {
    let Opened { mut writer, journal, .. } = open(dir);
    let mut state = writer.begin(&Start::default()).unwrap();
    let (mut random, template) = (Random::new(1), Template::new());
    let chain = [Arc::new(Issuer::new(template.der.clone().into()))];
    let (indexes, is_over) = (Indexes::new(&journal), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            indexes.follow(|| is_over.load(Ordering::Relaxed) && indexes.is_complete());
        });
        scope.spawn(|| journal.sync_until_closed().unwrap());
        while journal.stats().bytes < bytes {
            for _ in 0..10_000 {
                let certificates: Vec<_> =
                    (0..BATCH).map(|_| template.certificate(&mut random)).collect();
                let batch = batch(&state, &certificates, &chain);
                let hash = writer.append(&batch).unwrap();
                state.apply(&batch, hash).unwrap();
            }
        }
        writer.close().unwrap();
        is_over.store(true, Ordering::Relaxed);
    });
}

/// Takes all files out of the system's memory.
fn forget(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            forget(&path);
        } else {
            fadvise(File::open(path).unwrap(), 0, None, Advice::DontNeed).unwrap();
        }
    }
}

/// The memory of this process that is not a file, in megabytes.
fn memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() * 1024.0 / 1e6
}

/// Returns the digests of records all over the journal.
fn digests(journal: &Journal, count: usize) -> Vec<Digest> {
    let (first, head) = (journal.oldest().unwrap(), journal.head());
    let step = (head.next_offset - first) / count as u64;
    let offsets = (0..count as u64).map(|number| first + number * step);
    let mut digests: Vec<_> = offsets
        .map(|offset| {
            let read = journal.read(offset, u64::MAX, 0).unwrap();
            Digest::Sha256(read[0].batch.records[0].fingerprint)
        })
        .collect();
    // In no order.
    digests.sort_unstable_by_key(|digest| format!("{digest:?}"));
    digests
}

fn look_up(indexes: &Indexes, digest: &Digest) -> Duration {
    let started = Instant::now();
    assert!(indexes.certificate(digest).unwrap().is_some());
    started.elapsed()
}

fn quantiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |part: usize| times[times.len() * part / 100];
    format!("p50 {:.2?}, p99 {:.2?}", at(50), at(99))
}

fn measure(dir: &Path) {
    let before = memory();
    forget(dir);
    let started = Instant::now();
    let Opened { mut writer, journal, .. } = open(dir);
    writer.begin(&Start::default()).unwrap();
    let opened = started.elapsed();
    let indexes = Indexes::new(&journal);
    indexes.follow(|| indexes.is_complete());
    let indexed = started.elapsed();
    let stats = journal.stats();
    println!(
        "{:.2} GiB, {} records, {:.0} bytes a record with indexes; cold: open {opened:.0?}, all indexes \
         {indexed:.0?}; {:.1} MB",
        stats.bytes as f64 / (1_u64 << 30) as f64,
        stats.entries,
        stats.bytes as f64 / stats.entries as f64,
        memory() - before
    );
    let digests = digests(&journal, WARM);
    // Everything is in the system's memory after this.
    assert!(digests.iter().map(|digest| look_up(&indexes, digest)).max().is_some());
    let warm = digests.iter().map(|digest| look_up(&indexes, digest)).collect();
    println!("look-ups, warm: {}; {:.1} MB", quantiles(warm), memory() - before);
    let cold = digests.iter().take(COLD).map(|digest| {
        forget(dir);
        look_up(&indexes, digest)
    });
    println!("look-ups, cold: {}", quantiles(cold.collect()));
    writer.close().unwrap();
}

fn main() {
    let arguments: Vec<String> =
        std::env::args().filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    match words.as_slice() {
        ["fill", dir, gib] => fill(Path::new(dir), gib.parse::<u64>().unwrap() << 30),
        ["measure", dir] => measure(Path::new(dir)),
        _ => println!("skipped: fill DIRECTORY GIB, or measure DIRECTORY"),
    }
}
