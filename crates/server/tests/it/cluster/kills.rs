//! `kill -9` of the nodes of a cluster and of its server of NATS, one after the other.
//!
//! `CERTSTREAM_KILLS` sets the number of kills, and `CERTSTREAM_KILLS_RATE` the entries a second of each
//! log. Many kills of a larger cluster are `cargo xtask bench cluster`.

use std::time::{Duration, Instant};

use super::site::{EDGES, Site};
use crate::operations::kills::{random, setting};

/// Kills, unless the environment says otherwise.
const KILLS: usize = 5;
/// Entries a second that each log gains.
const RATE: f64 = 200.0;
/// The mean time between two kills, and of the time until a process is started again.
const BETWEEN: Duration = Duration::from_millis(1_500);
const DOWN: Duration = Duration::from_millis(500);

/// A process to kill.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Leader,
    Standby,
    Edge(usize),
    Nats,
}

const VICTIMS: [Victim; KILLS] =
    [Victim::Leader, Victim::Edge(EDGES[0]), Victim::Nats, Victim::Standby, Victim::Edge(EDGES[1])];

#[tokio::test(flavor = "multi_thread")]
async fn every_client_has_every_record_once_in_one_order_whatever_is_killed() {
    let kills = setting("CERTSTREAM_KILLS", KILLS);
    let rate = setting("CERTSTREAM_KILLS_RATE", RATE);
    let seconds = (BETWEEN + DOWN).as_secs_f64() * (kills + 1) as f64;
    let Some(mut site) = Site::start(rate, (rate * seconds) as u64).await else { return };
    let started = Instant::now();
    let leader = site.leader(None).await;
    site.clients_have(1).await;
    let first = usize::try_from(random(KILLS as u64)).expect("small");
    for victim in VICTIMS.iter().cycle().skip(first).take(kills) {
        pause(BETWEEN).await;
        kill(&mut site, *victim).await;
    }
    let records = site.finish().await.len();
    println!(
        "{records} records, each once; {kills} kills in {:.0} s; node {leader} led first",
        started.elapsed().as_secs_f64()
    );
}

/// Kills a process, and starts it again.
async fn kill(site: &mut Site, victim: Victim) {
    let number = match victim {
        Victim::Nats => {
            site.nats.kill(0);
            pause(DOWN).await;
            return site.nats.resume(0).expect("NATS starts");
        }
        Victim::Edge(number) => number,
        Victim::Leader => site.leader(None).await,
        Victim::Standby => 1 - site.leader(None).await,
    };
    site.kill(number);
    pause(DOWN).await;
    site.start_node(number);
}

async fn pause(mean: Duration) {
    let most = 2 * u64::try_from(mean.as_millis()).expect("short");
    tokio::time::sleep(Duration::from_millis(random(most))).await;
}
