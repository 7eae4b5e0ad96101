//! Opening a stream: credentials, TLS, and streams that cannot be used.

mod limits;
mod operator;

use std::time::Duration;

use async_nats::jetstream::stream::{Config, RetentionPolicy, Source, StorageType};
use bytes::Bytes;
use relay::protocol::{Body, Message, MessageId};
use relay::{Bucket, Credentials, Link, Node, OpenError, Settings, UseError};

use self::operator::{CREDENTIALS, OPERATOR, SEED};
use crate::nats::Nats;
use crate::shown::connect;

async fn refusal(server: &Nats, credentials: Credentials) -> Option<OpenError> {
    let settings = Settings { credentials, ..server.settings() };
    Link::open(&settings).await.err()
}

/// Checks that the credentials are accepted, and each of the wrong ones is refused for good.
async fn accepts_only(
    server: &Nats,
    right: Credentials,
    wrong: impl IntoIterator<Item = Credentials>,
) {
    let shown = format!("{right:?}");
    assert!(refusal(server, right).await.is_none(), "{shown}");
    for wrong in wrong {
        let error = refusal(server, wrong.clone()).await.unwrap();
        assert!(matches!(error, OpenError::Credentials), "{wrong:?}: {error}");
        assert!(!error.is_temporary());
    }
}

fn user(user: &str, password: &str) -> Credentials {
    Credentials::User { user: user.into(), password: password.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn user_and_password_are_presented_and_refused_if_they_are_wrong() {
    let Some(server) = Nats::start("authorization { user: ct, password: secret }", |_| {}) else {
        return;
    };
    let wrong = [user("ct", "other"), Credentials::None, Credentials::Token("secret".into())];
    accepts_only(&server, user("ct", "secret"), wrong).await;
    assert!(!format!("{:?}", user("ct", "secret")).contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_nkeys_are_presented() {
    let Some(server) = Nats::start("authorization { token: secret }", |_| {}) else { return };
    let token = |token: &str| Credentials::Token(token.into());
    accepts_only(&server, token("secret"), [token("other"), Credentials::None]).await;
    let key = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
    let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    let configuration = format!("authorization {{ users: [ {{ nkey: {key} }} ] }}");
    let Some(server) = Nats::start(&configuration, |_| {}) else { return };
    let nkey = |seed: &str| Credentials::Nkey(seed.into());
    accepts_only(&server, nkey(seed), [nkey("SUA"), Credentials::None]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_files_are_read_and_what_is_wrong_with_them_is_named() {
    let Some(server) = Nats::start(OPERATOR, |_| {}) else { return };
    let file = |name: &str, text: &str| {
        let path = server.folder().join(name);
        std::fs::write(&path, text).unwrap();
        Credentials::File(path)
    };
    let right = file("right.creds", CREDENTIALS);
    let other =
        CREDENTIALS.replace(SEED, "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY");
    accepts_only(&server, right, [file("other.creds", &other), Credentials::None]).await;
    let absent = Credentials::File(server.folder().join("absent.creds"));
    for (name, credentials) in
        [("absent.creds", absent), ("empty.creds", file("empty.creds", "no keys"))]
    {
        let error = refusal(&server, credentials).await.unwrap();
        assert!(matches!(error, OpenError::File(..)) && !error.is_temporary(), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_needs_the_authority_of_the_servers() {
    let tls = "tls { cert_file: \"FOLDER/cert.pem\", key_file: \"FOLDER/key.pem\" }";
    let started = Nats::start(tls, |folder| {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certified = rcgen::generate_simple_self_signed(names.clone()).unwrap();
        std::fs::write(folder.join("cert.pem"), certified.cert.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), certified.signing_key.serialize_pem()).unwrap();
        let other = rcgen::generate_simple_self_signed(names).unwrap();
        std::fs::write(folder.join("other.pem"), other.cert.pem()).unwrap();
        std::fs::write(folder.join("none.pem"), "no certificate").unwrap();
    });
    let Some(server) = started else { return };
    let with = |ca: Option<&str>| {
        let ca = ca.map(|name| server.folder().join(name));
        Settings { requires_tls: true, ca, ..server.settings() }
    };
    Link::open(&with(Some("cert.pem"))).await.unwrap();
    for ca in [None, Some("other.pem"), Some("none.pem")] {
        let error = Link::open(&with(ca)).await.unwrap_err();
        assert!(matches!(error, OpenError::Tls(_)) && !error.is_temporary(), "{ca:?}: {error}");
    }
    let error = Link::open(&with(Some("absent.pem"))).await.unwrap_err();
    assert!(error.to_string().contains("absent.pem"), "{error}");
    let Some(plain) = Nats::plain() else { return };
    let settings = Settings { requires_tls: true, ..plain.settings() };
    let error = Link::open(&settings).await.unwrap_err();
    assert!(matches!(error, OpenError::Tls(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_another_shape_are_refused_with_the_difference() {
    let Some(server) = Nats::plain() else { return };
    let client = async_nats::connect(&server.settings().servers).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let source = Source { name: "origin".to_owned(), ..Source::default() };
    let wanted = |stream: &str| Config {
        name: stream.to_owned(),
        subjects: vec![format!("{stream}.batches")],
        duplicate_window: Duration::from_millis(100),
        deny_delete: true,
        deny_purge: true,
        ..Config::default()
    };
    context.create_stream(wanted("origin")).await.unwrap();
    let mirror = Config { mirror: Some(source.clone()), subjects: Vec::new(), ..wanted("a") };
    for (number, (config, difference)) in [
        (Config { storage: StorageType::Memory, ..wanted("a") }, "its storage is not `file`"),
        (
            Config { retention: RetentionPolicy::WorkQueue, ..wanted("a") },
            "its retention is not `limits`",
        ),
        (Config { deny_delete: false, ..wanted("a") }, "it allows messages to be deleted"),
        (Config { max_message_size: 4095, ..wanted("a") }, "less than 4096 bytes"),
        (Config { duplicate_window: Duration::ZERO, ..mirror }, "it is a mirror"),
        (Config { sources: Some(vec![source]), ..wanted("a") }, "it has sources"),
        (Config { subjects: vec!["other".to_owned()], ..wanted("a") }, "its subjects are"),
    ]
    .into_iter()
    .enumerate()
    {
        let stream = format!("shape-{number}");
        let subjects = config.subjects.iter().map(|subject| subject.replace("a.", "shape-0."));
        let subjects = subjects.map(|subject| subject.replace('0', &number.to_string())).collect();
        context.create_stream(Config { name: stream.clone(), subjects, ..config }).await.unwrap();
        let error = Link::open(&Settings { stream, ..server.settings() }).await.unwrap_err();
        assert!(matches!(error, OpenError::Shape { .. }) && !error.is_temporary(), "{error}");
        assert!(error.to_string().contains(difference), "{error}");
    }
    Link::open(&Settings { stream: "origin".to_owned(), ..server.settings() }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_cannot_be_created_are_refused_with_the_reason() {
    let Some(server) = Nats::plain() else { return };
    let settings = server.settings();
    let three = Settings { replicas: 3, ..settings.clone() };
    let error = Link::open(&three).await.unwrap_err();
    assert!(matches!(error, OpenError::Create { .. }) && !error.is_temporary(), "{error}");
    assert!(error.to_string().contains("replicas > 1 not supported"), "{error}");
    let link = Link::open(&settings).await.unwrap();
    let error = Bucket::open(&link, &three).await.unwrap_err();
    assert!(matches!(error, OpenError::Create { .. }) && !error.is_temporary(), "{error}");
    let named = Settings { stream: "a.b".to_owned(), ..settings.clone() };
    let error = Link::open(&named).await.unwrap_err();
    assert!(matches!(error, OpenError::Name(_)) && !error.is_temporary(), "{error}");
    let addressed = Settings { servers: vec!["nats://a b".to_owned()], ..settings };
    let error = Link::open(&addressed).await.unwrap_err();
    assert!(matches!(error, OpenError::Address(_)) && !error.is_temporary(), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_creates_the_stream_and_the_bucket() {
    let Some(server) = Nats::plain() else { return };
    let settings = server.settings();
    let reader = Settings { may_create: false, ..settings.clone() };
    let is_absent =
        |error: OpenError| matches!(error, OpenError::Absent(_)) && error.is_temporary();
    for _ in 0..2 {
        assert!(is_absent(Link::open(&reader).await.unwrap_err()));
    }
    let link = Link::open(&settings).await.unwrap();
    let read = Link::open(&reader).await.unwrap();
    for _ in 0..2 {
        assert!(is_absent(Bucket::open(&read, &reader).await.unwrap_err()));
    }
    Bucket::open(&link, &settings).await.unwrap();
    let bucket = Bucket::open(&read, &reader).await.unwrap();
    assert_eq!((read.replicas(), bucket.replicas()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_be_reached_may_be_later() {
    let absent = crate::nats::settings("127.0.0.1:1".parse().unwrap());
    let error = Link::open(&absent).await.unwrap_err();
    assert!(matches!(error, OpenError::Unreachable(_)) && error.is_temporary(), "{error}");
    let Some(mut server) = Nats::plain() else { return };
    let settings = server.settings();
    let link = Link::open(&settings).await.unwrap();
    server.kill();
    let error = Bucket::open(&link, &settings).await.unwrap_err();
    assert!(matches!(error, OpenError::Unreachable(_)) && error.is_temporary(), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_without_jetstream_are_named() {
    let account = "accounts { A { users: [ { user: a, password: a } ] } }";
    for (configuration, user) in
        [(account, user("a", "a")), ("jetstream: disabled", Credentials::None)]
    {
        let Some(server) = Nats::start(configuration, |_| {}) else { return };
        let error = refusal(&server, user).await.unwrap();
        assert!(matches!(error, OpenError::NoJetStream) && !error.is_temporary(), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_lacks_permissions_is_refused_with_what_it_lacks() {
    let configuration = "authorization { users: [ { user: a, password: a, permissions: \
                         { publish: [ \"ct-test.batches\" ], subscribe: [ \"_INBOX.>\" ] } } ] }";
    let Some(server) = Nats::start(configuration, |_| {}) else { return };
    let error = refusal(&server, user("a", "a")).await.unwrap();
    assert!(matches!(error, OpenError::Denied(_)) && !error.is_temporary(), "{error}");
    assert!(error.to_string().contains("$JS.API.STREAM.INFO.ct-test"), "{error}");
}

/// Returns a checkpoint as a newer program writes it: with another version of its encoding.
fn newer(checkpoint: &Bytes) -> Bytes {
    const OUTLINE: usize = 33;
    let Message { body: Body::Whole(content), after } = Message::read(checkpoint).unwrap() else {
        panic!("no whole message");
    };
    let (outline, compressed) = content.split_at(OUTLINE);
    let mut plain = zstd::bulk::decompress(&compressed[4..], 1 << 20).unwrap();
    plain[0] += 1;
    let length = u32::try_from(plain.len()).unwrap().to_le_bytes();
    let compressed = zstd::bulk::compress(&plain, 1).unwrap();
    let content = [outline, &length, &compressed].concat().into();
    Message { after, body: Body::Whole(content) }.write()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_a_newer_program_writes_is_refused() {
    let Some(server) = Nats::plain() else { return };
    let mut leader = connect(server.address, 1).await;
    leader.lead().await;
    let checkpoint = leader.node.link().get(1).await.unwrap().unwrap();
    let after = MessageId::of(&leader.node.link().get(3).await.unwrap().unwrap());
    let next = Message { after, ..Message::read(&newer(&checkpoint)).unwrap() }.write();
    let client = async_nats::connect(&server.settings().servers).await.unwrap();
    for payload in [next, Bytes::from_static(b"CSRL\x02\x01")] {
        client.publish(server.settings().subject(), payload).await.unwrap();
        client.flush().await.unwrap();
        let link = Link::open(&server.settings()).await.unwrap();
        let error = Node::new(link).await.unwrap().catch_up().await.unwrap_err();
        assert!(matches!(error, UseError::Unreadable(_)) && !error.is_temporary(), "{error}");
        assert!(error.to_string().contains("update it"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bucket_has_the_lease_and_the_copy_of_the_checkpoint() {
    let Some(server) = Nats::plain() else { return };
    let settings = server.settings();
    let link = Link::open(&settings).await.unwrap();
    let bucket = Bucket::open(&link, &settings).await.unwrap();
    assert_eq!(bucket.lease().await.unwrap(), (0, None));
    assert_eq!(bucket.saved().await.unwrap(), None);
    let node = relay::Candidate { nonce: [1; 16], configuration: [2; 32] };
    bucket.renew(&node).await.unwrap();
    let (first, holder) = bucket.lease().await.unwrap();
    assert_eq!(holder, Some(node));
    bucket.renew(&node).await.unwrap();
    assert!(bucket.lease().await.unwrap().0 > first);
    let state = record::State::new(record::StreamId::from_random(5));
    assert!(bucket.save(&state).await.unwrap());
    let again = Bucket::open(&link, &settings).await.unwrap();
    assert_eq!(again.saved().await.unwrap(), Some(state));
}

#[tokio::test(flavor = "multi_thread")]
async fn values_in_the_bucket_are_replaced_by_those_that_know_their_revision() {
    let Some(server) = Nats::plain() else { return };
    let settings = server.settings();
    let link = Link::open(&settings).await.unwrap();
    let bucket = Bucket::open(&link, &settings).await.unwrap();
    let key = "cursor.nats";
    assert_eq!(bucket.get(key).await.unwrap(), None);
    assert_eq!(bucket.update(key, "0".into(), 5).await.unwrap(), None);
    let first = bucket.create(key, "1".into()).await.unwrap().unwrap();
    assert_eq!(bucket.create(key, "2".into()).await.unwrap(), None);
    assert_eq!(bucket.get(key).await.unwrap(), Some((first, "1".into())));
    let second = bucket.update(key, "2".into(), first).await.unwrap().unwrap();
    assert_eq!(bucket.update(key, "3".into(), first).await.unwrap(), None);
    assert_eq!(bucket.get(key).await.unwrap(), Some((second, "2".into())));
    bucket.delete(key).await.unwrap();
    assert_eq!(bucket.get(key).await.unwrap(), None);
    assert_eq!(bucket.update(key, "3".into(), second).await.unwrap(), None);
    let third = bucket.create(key, "3".into()).await.unwrap().unwrap();
    let fourth = bucket.put(key, "4".into()).await.unwrap();
    assert!(second < third && third < fourth);
    assert_eq!(bucket.get(key).await.unwrap(), Some((fourth, "4".into())));
}
