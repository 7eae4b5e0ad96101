//! Brokers that refuse messages or clients, and the form of messages.

use std::collections::BTreeMap;

use krafka::error::ErrorCode;
use krafka::testing::{ApiKey, Control, RequestInfo};
use sinks::{BrokerSettings, Mechanism, OutputSettings, Sasl, Secret};

use crate::fixture::*;

#[tokio::test(flavor = "multi_thread")]
async fn messages_have_key_identity_and_body() {
    let (broker, stream) = (broker().await, Stream::new());
    let folder = tempfile::tempdir().expect("a folder");
    stream.publish(9);
    stream.close();
    Running::start(&stream, &settings(&broker), folder.path()).await.ended().await;
    let mut partitions = BTreeMap::new();
    for record in broker.all_records(TOPIC).expect("readable") {
        let key = record.key.as_deref().map(String::from_utf8_lossy).expect("a key").into_owned();
        let index: u64 = record
            .value_str()
            .expect("text")
            .trim_start_matches("certificate ")
            .trim_end()
            .parse()
            .expect("an index");
        assert_eq!(key, format!("site{}.co.uk", index % 3));
        let id = format!("{:?}", record.headers);
        assert!(id.contains("id"), "{id}");
        let before = partitions.insert(key, record.partition);
        assert!(before.is_none_or(|before| before == record.partition), "one key, one partition");
    }
    assert_eq!(partitions.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_a_certificate_without_a_name_is_the_identity() {
    let (broker, stream) = (broker().await, Stream::new());
    let folder = tempfile::tempdir().expect("a folder");
    stream.publish(1);
    stream.publish_unnamed();
    stream.close();
    Running::start(&stream, &settings(&broker), folder.path()).await.ended().await;
    let records = broker.all_records(TOPIC).expect("readable");
    let keys = records.iter().map(|record| record.key.as_deref().map(String::from_utf8_lossy));
    let mut keys: Vec<_> = keys.map(|key| key.expect("a key").into_owned()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["aWQ=:1", "site0.co.uk"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_topic_refuses_is_left_out_alone() {
    let (broker, stream) = (broker().await, Stream::new());
    let folder = tempfile::tempdir().expect("a folder");
    let refuse = |_: &RequestInfo| Control::Error(ErrorCode::InvalidRecord);
    // One of several messages sent together is refused; each alone is accepted.
    broker.on_once(ApiKey::Produce, refuse);
    stream.publish(7);
    let output = Running::start(&stream, &settings(&broker), folder.path()).await;
    output.wait("all of them", |status| status.figures().next == 7).await;
    assert_eq!((output.status.figures().published, output.status.figures().refused), (7, 0));
    broker.on(ApiKey::Produce, refuse);
    stream.publish(1);
    output.wait("a refusal", |status| status.figures().refused == 1).await;
    broker.clear_hooks();
    stream.publish(5);
    stream.close();
    let status = output.status.clone();
    output.ended().await;
    assert_eq!((status.figures().published, status.figures().next), (12, 13));
    assert_eq!(indexes(&broker), (0..7).chain(8..13).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_is_left_out_and_the_next_ones_arrive() {
    let (broker, stream) = (broker().await, Stream::new());
    let folder = tempfile::tempdir().expect("a folder");
    broker.on(ApiKey::Produce, |_| Control::Error(ErrorCode::MessageTooLarge));
    stream.publish(1);
    let output = Running::start(&stream, &settings(&broker), folder.path()).await;
    output.wait("a refusal", |status| status.figures().refused == 1).await;
    broker.clear_hooks();
    stream.publish(5);
    stream.close();
    let status = output.status.clone();
    output.ended().await;
    assert_eq!((status.figures().published, status.figures().next), (5, 6));
    assert_eq!(indexes(&broker), (1..6).collect::<Vec<_>>());
}

fn with_password(settings: &OutputSettings, password: &str) -> OutputSettings {
    let mut settings = settings.clone();
    if let BrokerSettings::Kafka(kafka) = &mut settings.broker {
        kafka.sasl = Some(Sasl {
            mechanism: Mechanism::Plain,
            user: "somebody".to_owned(),
            password: Secret::new(password),
        });
    }
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_described_and_right_ones_are_accepted() {
    let (broker, stream) = (broker().await, Stream::new());
    broker.require_sasl_plain("somebody", "right");
    let folder = tempfile::tempdir().expect("a folder");
    stream.publish(3);
    let wrong = with_password(&settings(&broker), "wrong");
    let output = Running::start(&stream, &wrong, folder.path()).await;
    output.wait_for_problem("check user, password_file").await;
    let (problem, _) = output.status.problem().expect("a problem");
    assert!(!problem.contains("wrong"), "{problem}");
    output.stop().await;
    stream.close();
    let right = with_password(&settings(&broker), "right");
    Running::start(&stream, &right, folder.path()).await.ended().await;
    assert_eq!(indexes(&broker), [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_broker_and_a_missing_topic_are_described() {
    let (broker, stream) = (broker().await, Stream::new());
    let folder = tempfile::tempdir().expect("a folder");
    stream.publish(1);
    let mut nowhere = settings(&broker);
    if let BrokerSettings::Kafka(kafka) = &mut nowhere.broker {
        kafka.brokers = vec!["127.0.0.1:1".to_owned()];
    }
    let output = Running::start(&stream, &nowhere, folder.path()).await;
    output.wait_for_problem("127.0.0.1:1: ").await;
    output.stop().await;
    assert!(broker.delete_topic(TOPIC));
    broker.on(ApiKey::Metadata, |_| Control::Error(ErrorCode::UnknownTopicOrPartition));
    let output = Running::start(&stream, &settings(&broker), folder.path()).await;
    output.wait_for_problem("the topic certs does not exist").await;
    output.stop().await;
}
