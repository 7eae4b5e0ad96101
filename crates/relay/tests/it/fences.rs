//! The conditions of a publish, against messages that are lost, late or repeated on their way.

use relay::protocol::{Anchor, Body, Message, MessageId, Publish};
use relay::{Link, Outcome, Turn};

use crate::nats::{Nats, settings};
use crate::proxy::{Fate, Proxy};
use crate::random::Random;
use crate::shown::{Shown, connect, connect_to};

/// A message after another one, which does nothing.
fn message(after: MessageId, number: u8) -> Publish {
    let payload = Message { after, body: Body::Handover([number; 16]) }.write();
    let id = MessageId::of(&payload);
    Publish { payload, id, last_sequence: 0, last_id: None }
}

/// Publishes after a message: by its sequence only, or also by its id.
fn after(publish: &Publish, last_sequence: u64, last_id: Option<MessageId>) -> Publish {
    Publish { last_sequence, last_id, ..publish.clone() }
}

async fn last(node: &Shown) -> u64 {
    node.node.link().bounds().await.unwrap().last
}

/// Hazard: two publishes are on their way, and the first is lost.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_publishes_at_a_time_the_second_is_stored_without_the_first_unless_it_names_its_id()
{
    let Some(server) = Nats::plain() else { return };
    let proxy = Proxy::start(server.address).await;
    let mut leader = connect(server.address, 1).await;
    leader.lead().await;
    let one = Link::open(&settings(proxy.address)).await.unwrap();
    let other = Link::open(&settings(server.address)).await.unwrap();
    let Anchor { sequence, id: tip } = leader.node.reader().tip();
    let (first, rival) = (message(tip, 1), message(tip, 2));
    let second = message(first.id, 3);
    proxy.decide([Fate::Drop]);
    let lost = one.publish(&after(&first, sequence, Some(tip))).await;
    assert!(matches!(lost, Outcome::Unknown(_)), "{lost:?}");
    let stored = other.publish(&after(&rival, sequence, Some(tip))).await;
    assert_eq!(stored, Outcome::Stored(sequence + 1));
    let fenced = one.publish(&after(&second, sequence + 1, Some(first.id))).await;
    assert_eq!(fenced, Outcome::WrongId);
    let unfenced = one.publish(&after(&second, sequence + 1, None)).await;
    assert_eq!(unfenced, Outcome::Stored(sequence + 2));
    // Readers count only the rival's message.
    leader.catch_up().await;
    let tip = Anchor { sequence: sequence + 1, id: rival.id };
    assert_eq!(leader.node.reader().tip(), tip);
    assert_eq!(leader.node.counts().void, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_lead_by_turns_and_what_the_old_one_publishes_late_is_refused() {
    let Some(server) = Nats::plain() else { return };
    let proxies = [Proxy::start(server.address).await, Proxy::start(server.address).await];
    let mut nodes = [connect(proxies[0].address, 1).await, connect(proxies[1].address, 2).await];
    let mut edges = [connect(server.address, 3).await, connect(server.address, 4).await];
    for round in 0..4 {
        let [old, new] = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        nodes[old].lead().await;
        nodes[old].publish(3).await;
        nodes[old].propose(2);
        // The old leader stops while its publish is on its way.
        proxies[old].decide([Fate::Hold]);
        let mut steps = Vec::new();
        tokio::select! {
            turn = nodes[old].node.turn(&mut steps) => panic!("round {round}: {turn:?}"),
            () = proxies[old].wait_for_held() => {}
        }
        nodes[old].note(steps);
        nodes[new].lead().await;
        nodes[new].publish(3).await;
        let before = last(&nodes[new]).await;
        let answer = proxies[old].release().await.unwrap();
        assert!(answer.contains("wrong last sequence"), "round {round}: {answer}");
        assert_eq!(nodes[old].settle().await, Turn::Deposed);
        assert_eq!(last(&nodes[new]).await, before, "round {round}");
    }
    for edge in &mut edges {
        edge.catch_up().await;
        assert_eq!(edge.node.counts().void, 0);
        for node in &mut nodes {
            node.catch_up().await;
            assert_eq!((node.state(), &node.records), (edge.state(), &edge.records));
        }
    }
    assert_eq!(edges[0].state().term(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_that_is_late_after_the_stream_was_restored_is_refused_for_the_id() {
    let Some(mut server) = Nats::plain() else { return };
    let proxy = Proxy::start(server.address).await;
    let mut old = connect(proxy.address, 1).await;
    old.lead().await;
    server.kill();
    let backup = server.back_up();
    server.resume();
    old.publish(6).await;
    old.propose(1);
    proxy.decide([Fate::Hold]);
    let mut steps = Vec::new();
    tokio::select! {
        turn = old.node.turn(&mut steps) => panic!("{turn:?}"),
        () = proxy.wait_for_held() => {}
    }
    let expected = old.node.reader().position();
    server.kill();
    server.restore(&backup);
    server.resume();
    let mut new = connect(server.address, 2).await;
    new.lead().await;
    while last(&new).await < expected {
        new.publish(1).await;
    }
    assert_eq!(last(&new).await, expected, "the late publish expects this sequence");
    let answer = proxy.release().await.unwrap();
    assert!(answer.contains("wrong last msg ID"), "{answer}");
    assert_eq!(old.settle().await, Turn::Deposed);
    assert_eq!(old.state(), new.state());
    assert_eq!(new.node.counts().void, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_knows_the_id_of_the_last_message() {
    let Some(mut server) = Nats::plain() else { return };
    let mut leader = connect(server.address, 1).await;
    leader.lead().await;
    leader.publish(3).await;
    server.kill();
    server.resume();
    leader.publish(3).await;
    assert_eq!(leader.node.counts().marks, 0, "the ids that it named were known");
}

/// All of this happens to the publishes of two leaders at random; the answers may be lost as well.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_late_or_repeated_changes_nothing_of_what_is_read() {
    let Some(server) = Nats::plain() else { return };
    let mut random = Random::new(5);
    let proxies = [Proxy::start(server.address).await, Proxy::start(server.address).await];
    let timeout = std::time::Duration::from_millis(300);
    let mut nodes = Vec::new();
    for (proxy, seed) in proxies.iter().zip(1..) {
        let settings = relay::Settings { timeout, ..settings(proxy.address) };
        nodes.push(connect_to(&settings, seed).await);
    }
    let mut edges = [connect(server.address, 3).await, connect(server.address, 4).await];
    nodes[0].lead().await;
    for round in 0..6 {
        let (node, proxy) = (&mut nodes[round % 2], &proxies[round % 2]);
        node.lead().await;
        proxy.decide_at_random(12, &mut random);
        node.propose(6);
        let turn = node.settle().await;
        assert_eq!(turn, Turn::Committed, "round {round}");
        proxy.calm();
        edges[round % 2].catch_up().await;
        // What was held arrives after everything else, or while the other one leads.
        if random.one_of(2) {
            while proxy.release().await.is_some() {}
        }
    }
    for proxy in &proxies {
        while let Some(answer) = proxy.release().await {
            assert!(answer.contains("wrong last"), "{answer}");
        }
    }
    for node in nodes.iter_mut().chain(&mut edges) {
        node.catch_up().await;
    }
    for node in &nodes {
        assert_eq!((node.state(), &node.records), (edges[0].state(), &edges[0].records));
        assert_eq!(node.node.counts().void, 0);
    }
    assert_eq!(edges[0].records, edges[1].records);
    assert!(nodes.iter().map(|node| node.node.counts().repeated).sum::<u64>() > 0);
}
