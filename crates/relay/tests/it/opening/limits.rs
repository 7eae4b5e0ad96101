//! Limits of the server and of the stream on the size of a message, which change while a node leads.

use async_nats::jetstream::stream::Config;
use relay::Turn;

use crate::batches::large_batch;
use crate::nats::Nats;
use crate::shown::{Shown, connect};

/// The new limit, and the part of it that is for the payload.
const LIMIT: usize = 4096;
const PAYLOAD: usize = 3072;
/// Certificates of a kibibyte: more than fit into one message.
const CERTIFICATES: u64 = 8;

async fn lead(node: &mut Shown) {
    // The limits are read with the end of the stream.
    node.catch_up().await;
    node.stand(node.node.link().max_payload()).await;
    assert_eq!(node.settle().await, Turn::Committed);
}

fn propose_large(leader: &mut Shown) {
    let state = leader.node.leader().unwrap().state().clone();
    let batch = large_batch(&state, leader.seen, CERTIFICATES);
    leader.node.propose(&batch).unwrap().unwrap();
}

/// Checks that a leader whose batch is too large by now is deposed, and publishes it in its next term.
async fn continue_with_smaller_messages(server: &Nats, mut leader: Shown) {
    propose_large(&mut leader);
    assert_eq!(leader.settle().await, Turn::Deposed);
    lead(&mut leader).await;
    assert_eq!(leader.node.link().max_payload(), PAYLOAD);
    let before = leader.records.len();
    propose_large(&mut leader);
    assert_eq!(leader.settle().await, Turn::Committed);
    assert_eq!(leader.records.len() as u64, before as u64 + CERTIFICATES);
    assert_eq!(leader.state().term(), 2);
    let mut late = connect(server.address, 2).await;
    late.catch_up().await;
    assert_eq!((late.state(), &late.records), (leader.state(), &leader.records));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_server_takes_only_smaller_messages_begins_another_term() {
    let Some(mut server) = Nats::plain() else { return };
    let mut leader = connect(server.address, 1).await;
    lead(&mut leader).await;
    propose_large(&mut leader);
    assert_eq!(leader.settle().await, Turn::Committed);
    server.kill();
    server.configure(&format!("max_payload: {LIMIT}"));
    server.resume();
    continue_with_smaller_messages(&server, leader).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_stream_takes_only_smaller_messages_begins_another_term() {
    let Some(server) = Nats::plain() else { return };
    let mut leader = connect(server.address, 1).await;
    lead(&mut leader).await;
    propose_large(&mut leader);
    assert_eq!(leader.settle().await, Turn::Committed);
    let settings = server.settings();
    let client = async_nats::connect(&settings.servers).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let stream = context.get_stream(&settings.stream).await.unwrap();
    let max_message_size = LIMIT.try_into().unwrap();
    let config = Config { max_message_size, ..stream.cached_info().config.clone() };
    context.update_stream(config).await.unwrap();
    continue_with_smaller_messages(&server, leader).await;
}
