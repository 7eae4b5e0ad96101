//! Opening a stream: credentials, TLS, and streams that cannot be used.

use relay::{Bucket, Credentials, Link, OpenError};

use crate::nats::Nats;

async fn refusal(server: &Nats, credentials: Credentials) -> Option<OpenError> {
    let settings = relay::Settings { credentials, ..server.settings() };
    Link::open(&settings).await.err()
}

#[tokio::test(flavor = "multi_thread")]
async fn user_and_password_are_presented_and_refused_if_they_are_wrong() {
    let Some(server) = Nats::start("authorization { user: ct, password: secret }", |_| {}) else {
        return;
    };
    let user = |password: &str| Credentials::User { user: "ct".into(), password: password.into() };
    assert!(refusal(&server, user("secret")).await.is_none());
    for wrong in [user("other"), Credentials::None, Credentials::Token("secret".into())] {
        let error = refusal(&server, wrong).await.unwrap();
        assert!(matches!(error, OpenError::Credentials), "{error}");
    }
    assert!(!format!("{:?}", user("secret")).contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_nkeys_are_presented() {
    let Some(server) = Nats::start("authorization { token: secret }", |_| {}) else { return };
    assert!(refusal(&server, Credentials::Token("secret".into())).await.is_none());
    assert!(refusal(&server, Credentials::Token("other".into())).await.is_some());
    let key = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
    let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    let configuration = format!("authorization {{ users: [ {{ nkey: {key} }} ] }}");
    let Some(server) = Nats::start(&configuration, |_| {}) else { return };
    assert!(refusal(&server, Credentials::Nkey(seed.into())).await.is_none());
    assert!(refusal(&server, Credentials::None).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_needs_the_authority_of_the_servers() {
    let tls = "tls { cert_file: \"FOLDER/cert.pem\", key_file: \"FOLDER/key.pem\" }";
    let started = Nats::start(tls, |folder| {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certified = rcgen::generate_simple_self_signed(names).unwrap();
        std::fs::write(folder.join("cert.pem"), certified.cert.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), certified.signing_key.serialize_pem()).unwrap();
    });
    let Some(server) = started else { return };
    let settings = relay::Settings { requires_tls: true, ..server.settings() };
    let error = Link::open(&settings).await.unwrap_err();
    assert!(matches!(&error, OpenError::Unreachable(_)), "{error}");
    let ca = Some(server.folder().join("cert.pem"));
    Link::open(&relay::Settings { ca, ..settings.clone() }).await.unwrap();
    let ca = Some(server.folder().join("absent.pem"));
    let error = Link::open(&relay::Settings { ca, ..settings }).await.unwrap_err();
    assert!(error.to_string().contains("absent.pem"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_cannot_be_used_are_refused_with_the_reason() {
    let Some(server) = Nats::plain() else { return };
    let settings = server.settings();
    let client = async_nats::connect(&settings.servers).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let foreign = async_nats::jetstream::stream::Config {
        name: settings.stream.clone(),
        subjects: vec![settings.subject()],
        allow_rollup: true,
        ..Default::default()
    };
    context.create_stream(foreign).await.unwrap();
    let error = Link::open(&settings).await.unwrap_err();
    assert!(matches!(&error, OpenError::Shape { .. }), "{error}");
    let three = relay::Settings { stream: "three".to_owned(), replicas: 3, ..settings.clone() };
    let error = Link::open(&three).await.unwrap_err();
    assert!(matches!(&error, OpenError::Create { .. }), "{error}");
    assert!(error.to_string().contains("replicas"), "{error}");
    let named = relay::Settings { stream: "a.b".to_owned(), ..settings.clone() };
    let error = Link::open(&named).await.unwrap_err();
    assert!(matches!(&error, OpenError::Name(_)), "{error}");
    let absent = crate::nats::settings("127.0.0.1:1".parse().unwrap());
    let error = Link::open(&absent).await.unwrap_err();
    assert!(matches!(&error, OpenError::Unreachable(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_jetstream_is_named() {
    let Some(server) =
        Nats::start("accounts { A { users: [ { user: a, password: a } ] } }", |_| {})
    else {
        return;
    };
    let user = Credentials::User { user: "a".into(), password: "a".into() };
    let error = refusal(&server, user).await.unwrap();
    assert!(matches!(error, OpenError::NoJetStream), "{error}");
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
