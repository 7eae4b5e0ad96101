//! Three servers that keep the stream together. Elections take several seconds, so these tests run only
//! if `RELAY_THREE_SERVERS` is set.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use relay::protocol::{Anchor, Body, Message, MessageId, Publish};
use relay::{Link, Outcome, Settings, Turn};
use tokio::time::{Instant, sleep, timeout};
use xtask::process::free_port;

use crate::nats::{Nats, settings};
use crate::proxy::Plain;
use crate::shown::{Shown, connect_to};

/// Time for elections.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(200);

struct Three {
    servers: Vec<Nats>,
}

impl Three {
    /// Starts the servers; `None` if these tests do not run.
    fn start() -> Option<Self> {
        if std::env::var_os("RELAY_THREE_SERVERS").is_none() {
            eprintln!("SKIPPED: RELAY_THREE_SERVERS is not set");
            return None;
        }
        let port = |_| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port().unwrap()));
        let routes: Vec<_> = (0..3).map(port).collect();
        let urls: Vec<_> = routes.iter().map(|route| format!("\"nats://{route}\"")).collect();
        let servers = routes.iter().enumerate().map(|(number, route)| {
            let configuration = format!(
                "server_name: n{number}\ncluster {{ name: c, listen: \"{route}\", routes: [{}] }}",
                urls.join(", ")
            );
            Nats::start(&configuration, |_| {})
        });
        Some(Self { servers: servers.collect::<Option<_>>()? })
    }

    fn settings(&self) -> Settings {
        let servers = self.servers.iter().map(|server| format!("nats://{}", server.address));
        let first = settings(self.servers[0].address);
        Settings { servers: servers.collect(), replicas: 3, ..first }
    }

    async fn connect(&self, seed: u64) -> Shown {
        connect_once_elected(&self.settings(), seed).await
    }

    /// Waits until one of these servers is the leader of the stream, and returns its number.
    async fn leader(&self, among: &[usize]) -> usize {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for asked in among {
                if let Some(leader) = self.leader_as_told_by(*asked).await
                    && among.contains(&leader)
                {
                    return leader;
                }
            }
            assert!(Instant::now() < deadline, "no server is elected");
            sleep(PAUSE).await;
        }
    }

    async fn leader_as_told_by(&self, server: usize) -> Option<usize> {
        let url = format!("nats://{}", self.servers[server].address);
        let asking = async {
            let client = async_nats::connect(url).await.ok()?;
            let context = async_nats::jetstream::new(client);
            let stream = context.get_stream("ct-test").await.ok()?;
            stream.cached_info().cluster.as_ref()?.leader.clone()
        };
        let leader = timeout(Duration::from_secs(3), asking).await.ok()??;
        leader.strip_prefix('n')?.parse().ok()
    }
}

/// Connects a node, once the servers have elected a leader.
async fn connect_once_elected(settings: &Settings, seed: u64) -> Shown {
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = Link::open(settings).await {
        assert!(Instant::now() < deadline, "{error}");
        sleep(PAUSE).await;
    }
    connect_to(settings, seed).await
}

fn others(leader: usize) -> [usize; 2] {
    [(leader + 1) % 3, (leader + 2) % 3]
}

/// Hazard: the server compares with what it has proposed. Two of three servers are dead, so a proposal
/// is never stored, and the leader that has it refuses others because of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_can_speak_of_a_message_that_vanishes() {
    let Some(mut three) = Three::start() else { return };
    let mut node = three.connect(1).await;
    node.lead().await;
    node.publish(3).await;
    let Anchor { sequence, id } = node.node.reader().tip();
    let leader = three.leader(&[0, 1, 2]).await;
    let server = settings(three.servers[leader].address);
    let link = Link::open(&Settings { replicas: 3, ..server }).await.unwrap();
    for other in others(leader) {
        three.servers[other].kill();
    }
    let payload = Message { after: id, body: Body::Handover([1; 16]) }.write();
    let id = MessageId::of(&payload);
    let publish = Publish { payload, id, last_sequence: sequence, last_id: None };
    let first = link.publish(&publish).await;
    assert!(matches!(first, Outcome::Unknown(_)), "{first:?}");
    assert_eq!(link.publish(&publish).await, Outcome::WrongSequence);
    assert_eq!(link.get(sequence + 1).await.unwrap(), None, "there is nothing to be in its way");
    three.servers[leader].kill();
    for other in others(leader) {
        three.servers[other].resume();
    }
    three.leader(&others(leader)).await;
    // The message has vanished: the node continues after its own last one.
    node.publish(3).await;
    assert_eq!(node.state().term(), 1);
    three.servers[leader].resume();
    let mut late = three.connect(2).await;
    late.catch_up().await;
    assert_eq!((late.state(), &late.records), (node.state(), &node.records));
    assert_eq!(late.node.counts().void, 0);
}

/// Hazard: a server that was the leader and does not know yet that it is no more answers requests.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_leader_answers_without_what_was_stored_since() {
    let Some(three) = Three::start() else { return };
    let mut node = three.connect(1).await;
    node.lead().await;
    node.publish(3).await;
    let mut stale = 0;
    for _ in 0..5 {
        let leader = three.leader(&[0, 1, 2]).await;
        let mut plain = Plain::connect(three.servers[leader].address).await;
        let others = others(leader).map(|other| format!("nats://{}", three.servers[other].address));
        let settings = Settings { servers: others.to_vec(), ..three.settings() };
        three.servers[leader].suspend(true);
        let mut next = connect_once_elected(&settings, 2).await;
        next.lead().await;
        next.publish(3).await;
        let sequence = next.node.reader().tip().sequence;
        let get = format!("{{\"seq\":{sequence}}}");
        plain.request("$JS.API.STREAM.MSG.GET.ct-test", &get).await;
        three.servers[leader].suspend(false);
        // It may also not answer at all any more.
        let answer = timeout(Duration::from_secs(5), plain.answer()).await.unwrap_or_default();
        stale += usize::from(answer.contains("no message found"));
        next.catch_up().await;
        assert_eq!(next.node.reader().tip().sequence, sequence, "it is stored");
        node.propose(1);
        assert_eq!(node.settle().await, Turn::Deposed);
        node.lead().await;
    }
    assert!(stale > 0, "no answer was stale");
    node.publish(3).await;
    let mut late = three.connect(3).await;
    late.catch_up().await;
    assert_eq!(late.state(), node.state());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_publishes_on_while_servers_are_killed() {
    let Some(mut three) = Three::start() else { return };
    let mut node = three.connect(1).await;
    let mut edge = three.connect(2).await;
    node.lead().await;
    for _ in 0..3 {
        node.publish(3).await;
        let leader = three.leader(&[0, 1, 2]).await;
        three.servers[leader].kill();
        node.publish(3).await;
        edge.catch_up().await;
        assert_eq!((edge.state(), &edge.records), (node.state(), &node.records));
        three.servers[leader].resume();
    }
    assert_eq!(node.state().term(), 1);
    assert_eq!((edge.node.counts().void, node.node.counts().void), (0, 0));
}
