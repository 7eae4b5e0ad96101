//! One address that has the server search its whole ring again and again, and another that resumes
//! meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::SETTLE;
use crate::clients::request;
use crate::figures::report::Report;
use crate::harness::pause;
use crate::harness::proc;
use crate::harness::site::Server;

pub(super) const NAME: &str = "greedy";

/// Connections of the greedy address at a time.
const GREEDY: usize = 16;
/// The time for which each of them waits for a message that cannot come.
const STAY: Duration = Duration::from_millis(500);
/// The number of the other client's connection: of another address.
const OTHER: usize = 10_000;
/// The number of times that the other client resumes.
const RESUMES: usize = 5;
/// The longest that may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// A text that every message contains once.
const MARK: &[u8] = b"certificate_update\",\"offset\"";

pub(super) fn run(report: &mut Report) -> anyhow::Result<()> {
    let logs = super::start_logs()?;
    let server = Server::start(&logs, &[("ct_log.start", "zero")])?;
    pause(SETTLE);
    let runtime = Runtime::new()?;
    let address: SocketAddr = server.address().parse()?;
    let alone = resumes(&runtime, &server, address)?;
    let searches = Arc::new(AtomicU64::new(0));
    for number in 0..GREEDY {
        runtime.spawn(search(address, number, Arc::clone(&searches)));
    }
    pause(SETTLE);
    let beside = resumes(&runtime, &server, address)?;
    let most = beside.memory.max(alone.memory);
    report.add(
        format!(
            "resume over the whole ring ({} messages) beside one address with {GREEDY} connections \
             that search all of it in a loop ({} searches)",
            beside.messages,
            searches.load(Ordering::Relaxed),
        ),
        format!(
            "median {:.2} s, longest {:.2} (alone {:.2} and {:.2}); {most:.1} MB anonymous at most",
            beside.median, beside.longest, alone.median, alone.longest,
        ),
        "≤ 3× alone",
        json!({
            "alone_s": [alone.median, alone.longest],
            "beside_s": [beside.median, beside.longest],
            "anonymous_mb": most,
        }),
    );
    Ok(())
}

struct Resumes {
    median: f64,
    longest: f64,
    messages: u64,
    memory: f64,
}

fn resumes(runtime: &Runtime, server: &Server, address: SocketAddr) -> anyhow::Result<Resumes> {
    let (mut times, mut messages, mut memory) = (Vec::new(), 0, 0.0_f64);
    for _ in 0..RESUMES {
        messages = server.metric("certstream_ring_messages")? as u64;
        let start = Instant::now();
        let resume = async { timeout(PATIENCE, resume(address, messages * 9 / 10)).await };
        runtime.block_on(resume).context("the other client waits for a minute")??;
        times.push(start.elapsed().as_secs_f64());
        memory = memory.max(proc::memory(server.id())?.anonymous);
    }
    times.sort_by(f64::total_cmp);
    ensure!(messages > 0, "the ring is empty");
    Ok(Resumes { median: times[RESUMES / 2], longest: times[RESUMES - 1], messages, memory })
}

/// Reads so many messages from the oldest on.
async fn resume(address: SocketAddr, messages: u64) -> anyhow::Result<()> {
    let mut tcp = request::open(address, OTHER, "/?since=0", None).await?;
    let (mut buffer, mut filled, mut found) = (vec![0; 1 << 20], 0, 0);
    while found < messages {
        let read = tcp.read(&mut buffer[filled..]).await?;
        ensure!(read > 0, "the server closes the connection");
        filled += read;
        let text = &buffer[..filled];
        found += text.windows(MARK.len()).filter(|window| *window == MARK).count() as u64;
        // What may be the beginning of the next.
        let kept = filled.min(MARK.len() - 1);
        buffer.copy_within(filled - kept..filled, 0);
        filled = kept;
    }
    Ok(())
}

/// Has the server look for what is nowhere, from the oldest entry on, again and again.
async fn search(address: SocketAddr, number: usize, searches: Arc<AtomicU64>) {
    let mut buffer = vec![0; 4096];
    for unique in 0_u64.. {
        let path = format!("/?since=0&match=nowhere{number}x{unique}");
        if let Ok(mut tcp) = request::open(address, number, &path, None).await {
            searches.fetch_add(1, Ordering::Relaxed);
            let stay = async { while tcp.read(&mut buffer).await.is_ok_and(|read| read > 0) {} };
            // That nothing comes is what is expected.
            let _nothing = timeout(STAY, stay).await;
        }
        tokio::task::yield_now().await;
    }
}
