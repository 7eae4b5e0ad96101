//! Several brokers of Kafka, and the forms of batches.

use std::collections::BTreeSet;

use krafka::testing::FakeBroker;
use sinks::{BrokerSettings, Compression, KafkaKey};

use crate::fixture::*;

#[tokio::test(flavor = "multi_thread")]
async fn partitions_move_between_brokers_and_nothing_is_lost() {
    let broker = FakeBroker::start_cluster(3).await.expect("brokers");
    assert!(broker.create_topic(TOPIC, 3));
    for partition in 0..3 {
        assert!(broker.set_leader(TOPIC, partition, partition));
    }
    let (stream, folder) = (Stream::new(), tempfile::tempdir().expect("a folder"));
    let output = Running::start(&stream, &settings(&broker), folder.path()).await;
    for (round, lost) in [0, 1, 2].into_iter().enumerate() {
        let before = (round as u64) * 80;
        stream.publish(40);
        output.wait("progress", |status| status.figures().next == before + 40).await;
        broker.crash(lost);
        stream.publish(40);
        let heir = (lost + 1) % 3;
        for partition in 0..3 {
            assert!(broker.set_leader(TOPIC, partition, heir));
        }
        output.wait("the rest", |status| status.figures().next == before + 80).await;
        broker.restart(lost);
    }
    stream.close();
    output.ended().await;
    assert_eq!(distinct(&broker), (0..240).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_compression_can_be_read_and_keys_are_identities_by_default() {
    let broker = broker().await;
    let stream = Stream::new();
    stream.publish(60);
    stream.close();
    for compression in [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Zstd,
        Compression::Lz4,
    ] {
        let topic = format!("{TOPIC}-{compression:?}");
        assert!(broker.create_topic(&topic, 2));
        let mut settings = settings(&broker);
        if let BrokerSettings::Kafka(kafka) = &mut settings.broker {
            (kafka.compression, kafka.key) = (compression, KafkaKey::Entry);
            kafka.topic.clone_from(&topic);
        }
        let folder = tempfile::tempdir().expect("a folder");
        Running::start(&stream, &settings, folder.path()).await.ended().await;
        let records = broker.all_records(&topic).expect("readable");
        let keys: BTreeSet<String> = records
            .iter()
            .map(|record| {
                let key = record.key.as_deref().map(String::from_utf8_lossy).expect("a key");
                let index = key.strip_prefix("aWQ=:").expect("the id of the log");
                assert_eq!(record.value_str().expect("text"), format!("certificate {index}\n"));
                key.into_owned()
            })
            .collect();
        assert_eq!((records.len(), keys.len()), (60, 60), "{compression:?}");
    }
}
