//! Outputs to a real server of NATS.

mod credentials;
mod server;

use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use futures_util::StreamExt as _;
use sinks::OnFull;

use self::server::{STREAM, Server};
use crate::fixture::{Running, Stream};

/// Messages that the stream keeps: subject, identity and body.
async fn messages(server: &Server) -> Vec<[String; 3]> {
    let context = server.context().await;
    let mut stream = context.get_stream(STREAM).await.expect("a stream");
    let count = stream.info().await.expect("the server responds").state.messages;
    let ordered = async_nats::jetstream::consumer::pull::OrderedConfig::default();
    let consumer = stream.create_consumer(ordered).await.expect("a consumer");
    let messages = consumer.messages().await.expect("messages");
    let count = usize::try_from(count).expect("few");
    let messages: Vec<_> = messages.take(count).collect().await;
    let text = |message: async_nats::jetstream::Message| {
        let id = message.headers.as_ref().and_then(|headers| headers.get("Nats-Msg-Id"));
        let id = id.expect("an identity").to_string();
        let body = String::from_utf8_lossy(&message.payload).into_owned();
        [message.subject.to_string(), id, body]
    };
    messages.into_iter().map(|message| text(message.expect("readable"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_have_subject_and_identity_by_which_repeated_ones_are_dropped() {
    let Some(server) = Server::start("") else { return };
    let stream = Stream::new();
    stream.publish(20);
    stream.close();
    for _attempt in 0..2 {
        let folder = tempfile::tempdir().expect("a folder");
        let output = Running::start(&stream, &server.settings(), folder.path()).await;
        let status = output.status.clone();
        output.ended().await;
        assert_eq!(status.figures().published, 20);
    }
    let expected = (0..20).map(|index| {
        let body = format!("certificate {index}\n");
        ["certs.example.a_log".to_owned(), format!("aWQ=:{index}"), body]
    });
    assert_eq!(messages(&server).await, expected.collect::<Vec<_>>());
    let stream = server.context().await.get_stream(STREAM).await.expect("a stream");
    let config = &stream.cached_info().config;
    assert_eq!(config.subjects, ["certs.>"]);
    assert_eq!((config.discard, config.storage), (DiscardPolicy::New, StorageType::File));
    assert_eq!((config.max_bytes, config.duplicate_window.as_secs()), (1 << 20, 60));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_stream_holds_the_output_until_there_is_room() {
    let Some(server) = Server::start("") else { return };
    let (stream, folder) = (Stream::new(), tempfile::tempdir().expect("a folder"));
    let mut settings = server.settings();
    server::set_max_bytes(&mut settings, 4_000);
    let output = Running::start(&stream, &settings, folder.path()).await;
    stream.publish(100);
    output.wait_for_problem("is full").await;
    let (problem, _) = output.status.problem().expect("a problem");
    assert!(problem.contains("raise its max_bytes"), "{problem}");
    let context = server.context().await;
    let mut kept = Vec::new();
    // A consumer takes what is there, as often as necessary.
    while output.status.figures().next < 100 {
        kept.extend(messages(&server).await);
        let purged = context.get_stream(STREAM).await.expect("a stream").purge().await;
        let purged = purged.expect("the server responds").purged;
        assert!(usize::try_from(purged).expect("few") <= 100);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(output.status.figures().dropped, 0);
    stream.close();
    output.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_drops_leaves_out_what_a_full_stream_refuses() {
    let Some(server) = Server::start("") else { return };
    let (stream, folder) = (Stream::new(), tempfile::tempdir().expect("a folder"));
    let mut settings = server.settings();
    server::set_max_bytes(&mut settings, 4_000);
    settings.on_full = OnFull::Drop { depth: 1_000_000 };
    let output = Running::start(&stream, &settings, folder.path()).await;
    stream.publish(100);
    output.wait("the end", |status| status.figures().next == 100).await;
    let figures = output.status.figures();
    assert!(figures.dropped > 0 && figures.published > 0, "{figures:?}");
    assert_eq!(figures.published + figures.dropped, 100);
    assert_eq!(messages(&server).await.len() as u64, figures.published);
    stream.close();
    output.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_for_the_server_or_the_stream_is_left_out() {
    let Some(server) = Server::start("max_payload: 2000") else { return };
    let (stream, folder) = (Stream::new(), tempfile::tempdir().expect("a folder"));
    let output = Running::start(&stream, &server.settings(), folder.path()).await;
    stream.publish(3);
    stream.publish_large(3_000);
    stream.publish(3);
    output.wait("the rest", |status| status.figures().next == 7).await;
    let context = server.context().await;
    let kept = context.get_stream(STREAM).await.expect("a stream");
    let mut config = kept.cached_info().config.clone();
    config.max_message_size = 500;
    context.update_stream(config).await.expect("a smaller limit");
    stream.publish_large(1_000);
    stream.publish(3);
    stream.close();
    let status = output.status.clone();
    output.ended().await;
    let figures = status.figures();
    assert_eq!((figures.refused, figures.published, figures.next), (2, 9, 11));
}

/// A stream without a leader acknowledges nothing either, while the client's server responds.
#[tokio::test(flavor = "multi_thread")]
async fn several_missing_acknowledgements_take_no_longer_than_one() {
    let Some(server) = Server::start("") else { return };
    let silent = Config {
        name: STREAM.to_owned(),
        subjects: vec!["certs.>".to_owned()],
        no_ack: true,
        ..Config::default()
    };
    server.context().await.create_stream(silent).await.expect("a stream");
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let streams = [Stream::new(), Stream::new()];
    let several = Running::start(&streams[0], &server.settings(), folders[0].path()).await;
    let single = Running::start(&streams[1], &server.settings(), folders[1].path()).await;
    for output in [&several, &single] {
        output.wait("a connection", |status| status.figures().connected).await;
    }
    streams[0].publish(7);
    streams[1].publish(1);
    several.wait("a failure", |status| status.figures().failures > 0).await;
    // In turn, the seven would take as long as the single one needs for four attempts or more.
    let attempts = single.status.figures().failures;
    assert!(attempts < 3, "{attempts} attempts of another output in the meantime");
    several.wait_for_problem("did not acknowledge a message within").await;
    for output in [several, single] {
        assert_eq!((output.status.figures().published, output.status.figures().next), (0, 0));
        output.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_deleted_is_created_again() {
    let Some(server) = Server::start("") else { return };
    let (stream, folder) = (Stream::new(), tempfile::tempdir().expect("a folder"));
    let output = Running::start(&stream, &server.settings(), folder.path()).await;
    stream.publish(5);
    output.wait("the first", |status| status.figures().next == 5).await;
    server.context().await.delete_stream(STREAM).await.expect("deleted");
    stream.publish(5);
    stream.close();
    output.ended().await;
    let identities: Vec<String> =
        messages(&server).await.into_iter().map(|[_, id, _]| id).collect();
    assert_eq!(identities, ["aWQ=:5", "aWQ=:6", "aWQ=:7", "aWQ=:8", "aWQ=:9"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_with_other_subjects_and_a_server_without_jetstream_are_described() {
    let Some(server) = Server::start("") else { return };
    let (stream, folder) = (Stream::new(), tempfile::tempdir().expect("a folder"));
    stream.publish(1);
    let other = Config {
        name: STREAM.to_owned(),
        subjects: vec!["other.>".to_owned()],
        ..Default::default()
    };
    server.context().await.create_stream(other).await.expect("a stream");
    let output = Running::start(&stream, &server.settings(), folder.path()).await;
    output.wait_for_problem("has the subjects other.>, but not certs.>").await;
    output.stop().await;
    let Some(plain) = Server::without_jetstream() else { return };
    let output = Running::start(&stream, &plain.settings(), folder.path()).await;
    output.wait_for_problem("start the NATS server with JetStream (-js)").await;
    output.stop().await;
}
