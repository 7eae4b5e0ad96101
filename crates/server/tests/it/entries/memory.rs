//! The memory that the ring counts, against that of the process.

use serde_json::json;

use crate::harness::{eventually, logs};
use crate::program::Process;

const LOGS: usize = 6;
/// Entries of a page that no other log had before.
const NEW: u64 = 120;
/// Enough to fill the ring, and some more.
const ROUNDS: usize = 60;
/// So large that what is not counted of it is far more than what others take.
const RING: u64 = 8 * 1024 * 1024;
/// The growth allowed to other parts meanwhile: connections, the dedup window, the logs' trees.
const OTHERS: u64 = 2 * 1024 * 1024;

struct Memory {
    ring: u64,
    allocated: u64,
}

async fn metrics(process: &Process) -> String {
    let answer = reqwest::get(format!("http://{}/metrics", process.address)).await;
    answer.expect("an answer").text().await.expect("text")
}

fn sum(text: &str, name: &str) -> u64 {
    let of_name = |line: &&str| line.split(['{', ' ']).next() == Some(name);
    let values = text.lines().filter(of_name).filter_map(|line| line.rsplit_once(' '));
    values.filter_map(|(_, value)| value.parse::<u64>().ok()).sum()
}

async fn memory(process: &Process) -> Memory {
    let text = metrics(process).await;
    let number = |name: &str| sum(&text, name);
    Memory {
        ring: number("certstream_ring_bytes"),
        allocated: number("certstream_jemalloc_allocated_bytes"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_certificate_does_not_keep_its_page_in_memory() {
    let sim = logs(ctsim::Config {
        rfc6962: LOGS,
        static_ct: 0,
        copies: LOGS,
        rate: 0.0,
        initial_size: 1,
        ..ctsim::Config::default()
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key.pem");
    std::fs::write(&key, sim.list_key_pem()).expect("writable");
    let file = json!({
        "ct_log": {
            "log_list_url": sim.list_url(),
            "log_list_key_file": key,
            "poll_interval_ms": 50,
            "start": "zero",
        },
        "feed": { "ring_bytes": RING },
    });
    let process = tokio::task::block_in_place(|| Process::start(&file.to_string(), &[], &[]));
    let published = |text: &str| {
        sum(text, "certstream_certificates_total") + sum(text, "certstream_duplicates_total")
    };
    let mut read = LOGS as u64;
    let mut before = None;
    for round in 0..ROUNDS {
        eventually("all that the logs have is published", async || {
            (published(&metrics(&process).await) == read).then_some(())
        })
        .await;
        if round == 3 {
            before = Some(memory(&process).await);
        }
        // Each log in turn has what the others have, which is five parts in six, and some more.
        let log = &sim.logs()[round % LOGS];
        let more = 1 + (round as u64 + 1) * NEW - log.size();
        log.grow(more).expect("it grows");
        read += more;
    }
    let before = before.expect("some rounds");
    // The last pages may still be freed.
    let fits = eventually("the process takes what the ring counts", async || {
        let after = memory(&process).await;
        let counted = after.ring - before.ring;
        let taken = after.allocated.saturating_sub(before.allocated);
        println!("the ring counts {counted} more bytes, the process takes {taken}");
        assert!(after.ring > RING / 2 && after.ring <= RING, "{}", after.ring);
        (taken <= counted + OTHERS).then_some(())
    });
    fits.await;
    process.signal(rustix::process::Signal::TERM);
    sim.shutdown().await;
}
