//! Nodes on a real server: leading, losing outcomes, and split brain.

use std::collections::BTreeMap;
use std::time::Duration;

use record::{State, StreamId};
use relay::protocol::Step;
use relay::{Link, Node, Turn, UseError};

use crate::nats::{Nats, settings};
use crate::proxy::Proxy;
use crate::shown::{Shown, connect};

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_led_by_one_node_after_another_and_read_alike() {
    let Some(server) = Nats::plain() else { return };
    let mut one = connect(server.address, 1).await;
    let mut two = connect(server.address, 2).await;
    one.lead().await;
    one.publish(20).await;
    one.node.checkpoint().unwrap();
    one.publish(20).await;
    two.catch_up().await;
    assert_eq!(one.state(), two.state());
    // Content in parts, because this leader's messages are small.
    two.stand(150).await;
    assert_eq!(two.settle().await, Turn::Committed);
    two.publish(20).await;
    assert_eq!(two.state().term(), 2);
    one.propose(1);
    assert_eq!(one.settle().await, Turn::Deposed);
    assert_eq!(one.state(), two.state());
    assert!(one.records.len() > 20);
    assert_eq!(one.records, two.records);
    let mut late = connect(server.address, 3).await;
    late.catch_up().await;
    assert_eq!(late.state(), two.state());
    assert_eq!(late.records, two.records);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handover_continues_without_a_jump() {
    let Some(server) = Nats::plain() else { return };
    let mut one = connect(server.address, 1).await;
    let mut two = connect(server.address, 2).await;
    one.lead().await;
    one.publish(5).await;
    let opening = two.opening(usize::MAX);
    one.node.hand_over(opening.nonce);
    assert_eq!(one.settle().await, Turn::Committed);
    two.catch_up().await;
    let next = two.state().next_offset();
    two.node.stand(&opening, State::new(StreamId::from_random(9))).unwrap();
    assert_eq!(two.settle().await, Turn::Committed);
    assert_eq!(two.state().next_offset(), next);
    one.catch_up().await;
    assert_eq!(one.settle().await, Turn::Deposed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_whose_outcome_is_lost_is_committed_once() {
    let Some(server) = Nats::plain() else { return };
    let proxy = Proxy::start(server.address).await;
    let mut leader = connect(proxy.address, 1).await;
    let mut edge = connect(server.address, 2).await;
    leader.lead().await;
    for round in 0..2 {
        leader.publish(2).await;
        leader.propose(1);
        let number = leader.node.leader().unwrap().state().number();
        proxy.set_deaf(true);
        // The first turn publishes; the answer is lost. The edge sees the message.
        let mut steps = Vec::new();
        let turn = tokio::time::timeout(Duration::from_secs(30), leader.node.turn(&mut steps));
        let outcome = turn.await;
        assert!(!matches!(outcome, Ok(Ok(Turn::Committed))), "round {round}");
        leader.note(steps);
        edge.catch_up().await;
        assert_eq!(edge.state().number(), number, "round {round}");
        proxy.set_deaf(false);
        proxy.cut();
        assert_eq!(leader.settle().await, Turn::Committed);
        assert_eq!(leader.state().number(), number, "round {round}");
    }
    leader.publish(2).await;
    edge.catch_up().await;
    assert_eq!(edge.state(), leader.state());
    assert_eq!(edge.records, leader.records);
    assert_eq!(edge.node.counts().void, 0);
}

/// As after the loss of a machine's power or network: nothing closes the connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_falls_silent_is_given_up() {
    let Some(server) = Nats::plain() else { return };
    let proxy = Proxy::start(server.address).await;
    let mut leader = connect(proxy.address, 1).await;
    leader.lead().await;
    leader.publish(3).await;
    proxy.fall_silent();
    leader.propose(2);
    // Without pings of its own the link needs three minutes.
    let settled = tokio::time::timeout(Duration::from_secs(90), leader.settle()).await;
    assert_eq!(settled.expect("the connection is kept"), Turn::Committed);
    let mut late = connect(server.address, 2).await;
    late.catch_up().await;
    assert_eq!(late.records, leader.records);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_stopped_publishes_nothing_once_another_leads() {
    let Some(server) = Nats::plain() else { return };
    let mut old = connect(server.address, 1).await;
    let mut new = connect(server.address, 2).await;
    old.lead().await;
    old.publish(3).await;
    old.propose(3);
    new.lead().await;
    new.publish(3).await;
    let last = new.node.link().bounds().await.unwrap().last;
    assert_eq!(old.settle().await, Turn::Deposed);
    assert_eq!(new.node.link().bounds().await.unwrap().last, last);
    assert_eq!(old.state(), new.state());
    assert_eq!(old.records, new.records);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_others_and_restarts_of_the_server_cost_nothing() {
    let Some(mut server) = Nats::plain() else { return };
    let mut leader = connect(server.address, 1).await;
    let mut edge = connect(server.address, 2).await;
    leader.lead().await;
    leader.publish(3).await;
    let foreign = async_nats::connect(&server.settings().servers).await.unwrap();
    foreign.publish(server.settings().subject(), "hello".into()).await.unwrap();
    foreign.flush().await.unwrap();
    leader.publish(3).await;
    assert_eq!(leader.node.counts().foreign, 1);
    assert!(leader.node.counts().marks > 0);
    server.kill();
    leader.propose(2);
    server.resume();
    assert_eq!(leader.settle().await, Turn::Committed);
    edge.catch_up().await;
    assert_eq!(edge.state(), leader.state());
    assert_eq!(edge.records, leader.records);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_without_a_server_publishes_and_counts_nothing() {
    let Some(mut server) = Nats::plain() else { return };
    let mut leader = connect(server.address, 1).await;
    leader.lead().await;
    leader.publish(3).await;
    server.kill();
    while leader.node.link().is_connected() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    leader.propose(2);
    let counts = leader.node.counts();
    for _ in 0..3 {
        let outcome = leader.node.turn(&mut Vec::new()).await;
        assert!(matches!(outcome, Err(UseError::Unavailable(_))), "{outcome:?}");
    }
    assert_eq!(leader.node.counts(), counts);
    server.resume();
    assert_eq!(leader.settle().await, Turn::Committed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_begins_before_an_offset_that_was_searched() {
    let Some(server) = Nats::plain() else { return };
    let mut leader = connect(server.address, 1).await;
    leader.lead().await;
    for _ in 0..6 {
        leader.publish(6).await;
        leader.node.checkpoint().unwrap();
        let foreign = server.settings().subject();
        let client = async_nats::connect(&server.settings().servers).await.unwrap();
        client.publish(foreign, "hello".into()).await.unwrap();
        client.flush().await.unwrap();
    }
    assert_eq!(leader.settle().await, Turn::Committed);
    let link = leader.node.link();
    let offsets: Vec<u64> = leader.records.keys().copied().collect();
    let mut places = std::collections::BTreeSet::new();
    for offset in offsets.iter().step_by(5) {
        let after = relay::search::find(link, *offset).await.unwrap();
        places.insert(after);
        let mut reader = relay::protocol::Reader::new(after);
        let (sequence, payload) = link.get_from(after + 1).await.unwrap().unwrap();
        assert!(matches!(reader.read(sequence, &payload).unwrap(), Step::Adopted { .. }));
        assert!(reader.state().unwrap().next_offset() <= *offset);
    }
    assert!(places.len() > 3, "{places:?}");
    // After the begin of the first term.
    assert_eq!(relay::search::find(link, 0).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_begins_near_the_end_reads_what_the_others_have() {
    let Some(server) = Nats::plain() else { return };
    let mut leader = connect(server.address, 1).await;
    // Checkpoints come in parts.
    leader.stand(150).await;
    assert_eq!(leader.settle().await, Turn::Committed);
    for _ in 0..4 {
        leader.publish(10).await;
        leader.node.checkpoint().unwrap();
    }
    leader.publish(10).await;
    let mut origins = Vec::new();
    for bytes in [1, 5_000, u64::MAX] {
        let link = Link::open(&settings(server.address)).await.unwrap();
        let node = Node::near_end(link, bytes).await.unwrap();
        let mut late = Shown::new(node, bytes);
        origins.push(late.node.reader().origin());
        late.catch_up().await;
        assert_eq!(late.node.reader().origin(), *origins.last().unwrap(), "began at a checkpoint");
        assert_eq!(late.state(), leader.state());
        let first = *late.records.first_key_value().unwrap().0;
        let expected: BTreeMap<_, _> =
            leader.records.range(first..).map(|(offset, record)| (*offset, *record)).collect();
        assert_eq!(late.records, expected);
    }
    assert!(origins[0] > origins[1] && origins[1] > origins[2], "{origins:?}");
    assert_eq!(origins[2], 0);
}
