//! A node that leads and is stopped in an orderly way hands over to the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::site::{INGEST, Site};
use crate::operations::kills::client::Client;

/// Entries a second that each log gains, and its size in the end.
const RATE: f64 = 200.0;
const SIZE: u64 = 2_000;
/// Records of all clients before the handover, of more than the seconds until the leader knows of the
/// other node, and after it.
const BEFORE: usize = 2_000;
const AFTER: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_hands_over_without_a_hole_or_an_announcement() {
    let Some(mut site) = Site::start(RATE, SIZE).await else { return };
    let leader = site.leader(None).await;
    let term = site.term(leader).await;
    let other = INGEST[1 - leader];
    site.ready(other).await;
    site.clients_have(BEFORE).await;
    let pulse = Pulse::start(&site.clients[0]);
    let stopping = site.take(leader);
    let stopped = tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        stopping.signal(Signal::TERM);
        stopping.wait_for_line("this node has handed over");
        stopping.stop();
        started.elapsed()
    });
    let took = stopped.await.expect("no panic");
    assert_eq!(site.leader(Some(leader)).await, other);
    site.clients_get(AFTER).await;
    let longest = pulse.stop().await;
    println!("handover: {longest:?} without a record, {took:?} until the process has ended");
    assert_eq!(site.term(other).await, term + 1);
    let clients = site.clients.clone();
    let all = site.finish().await;
    for client in clients {
        assert_eq!(client.received.lock().wrong, [""; 0], "{:?}", client.transport);
    }
    let holes = all.keys().zip(all.keys().skip(1)).filter(|(last, next)| **last + 1 != **next);
    assert_eq!(holes.collect::<Vec<_>>(), [], "the offsets have holes");
}

/// Watches for the longest time in which a client gets no record.
struct Pulse {
    is_over: Arc<AtomicBool>,
    watch: tokio::task::JoinHandle<Duration>,
}

impl Pulse {
    fn start(client: &Client) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (client, over) = (client.clone(), Arc::clone(&is_over));
        let watch = tokio::spawn(async move {
            let (mut last, mut since) = (client.last(), Instant::now());
            let mut longest = Duration::ZERO;
            while !over.load(Ordering::Relaxed) {
                if client.last() != last {
                    longest = longest.max(since.elapsed());
                    (last, since) = (client.last(), Instant::now());
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            longest
        });
        Self { is_over, watch }
    }

    async fn stop(self) -> Duration {
        self.is_over.store(true, Ordering::Relaxed);
        self.watch.await.expect("no panic")
    }
}
