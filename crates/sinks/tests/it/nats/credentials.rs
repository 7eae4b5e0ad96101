//! Each kind of credentials, right and wrong, and missing permissions.

use base64_simd::URL_SAFE_NO_PAD as BASE64;
use nkeys::KeyPair;
use sinks::{NatsCredentials, OutputSettings, Secret};

use super::server::Server;
use crate::fixture::{Running, Stream};

/// A user with all rights, an NKey, one that may not publish, and one with what `docs/outputs.md` says.
const USERS: &str = r#"authorization { users: [
    { user: somebody, password: right }
    { nkey: NKEY }
    { user: reader, password: right, permissions: { publish: ["$JS.API.>"] } }
    { user: writer, password: right, permissions: {
        publish: ["certs.>", "$JS.API.STREAM.INFO.CERTS", "$JS.API.STREAM.CREATE.CERTS"]
        subscribe: ["_INBOX.>"]
    } }
] }"#;

/// Publishes a message with credentials.
async fn accepts(settings: &OutputSettings) {
    let (stream, folder) = (Stream::new(), tempfile::tempdir().expect("a folder"));
    stream.publish(1);
    stream.close();
    let output = Running::start(&stream, settings, folder.path()).await;
    output.wait("the message", |status| status.figures().published == 1).await;
    output.ended().await;
}

/// Waits until credentials have this problem.
async fn has_problem(settings: &OutputSettings, text: &str) {
    let (stream, folder) = (Stream::new(), tempfile::tempdir().expect("a folder"));
    stream.publish(1);
    let output = Running::start(&stream, settings, folder.path()).await;
    output.wait_for_problem(text).await;
    output.stop().await;
}

fn password(user: &str, password: &str) -> NatsCredentials {
    NatsCredentials::Password { user: user.to_owned(), password: Secret::new(password) }
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_and_nkeys_are_accepted_if_they_are_right() {
    let (right, wrong) = (KeyPair::new_user(), KeyPair::new_user());
    let users = USERS.replace("NKEY", &right.public_key());
    let Some(server) = Server::start(&users) else { return };
    let refused = "it refuses the credentials; check nats.user";
    accepts(&server.settings_with(password("somebody", "right"))).await;
    has_problem(&server.settings_with(password("somebody", "wrong")), refused).await;
    has_problem(&server.settings(), refused).await;
    accepts(&server.settings_with(password("writer", "right"))).await;
    let seed = |pair: &KeyPair| NatsCredentials::NKey(Secret::new(pair.seed().expect("a seed")));
    accepts(&server.settings_with(seed(&right))).await;
    has_problem(&server.settings_with(seed(&wrong)), refused).await;
    let reader = server.settings_with(password("reader", "right"));
    has_problem(&reader, "Permissions Violation for Publish to \"certs.example.a_log\"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_accepted_if_they_are_right() {
    let Some(server) = Server::start("authorization { token: right }") else { return };
    let token = |text: &str| server.settings_with(NatsCredentials::Token(Secret::new(text)));
    accepts(&token("right")).await;
    has_problem(&token("wrong"), "it refuses the credentials").await;
}

/// Returns a JWT that `issuer` signs.
fn token(issuer: &KeyPair, subject: &KeyPair, name: &str, claims: &str) -> String {
    let header = r#"{"typ":"JWT","alg":"ed25519-nkey"}"#;
    let body = format!(
        r#"{{"jti":"{name}","iat":1700000000,"iss":"{}","name":"{name}","sub":"{}","nats":{claims}}}"#,
        issuer.public_key(),
        subject.public_key()
    );
    let text = format!("{}.{}", BASE64.encode_to_string(header), BASE64.encode_to_string(body));
    let signature = issuer.sign(text.as_bytes()).expect("a signature");
    format!("{text}.{}", BASE64.encode_to_string(signature))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credentials_file_is_accepted_if_its_account_is_known() {
    let [operator, account, system] =
        [KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_account()];
    let (user, stranger) = (KeyPair::new_user(), KeyPair::new_account());
    let limits = r#""subs":-1,"data":-1,"payload":-1,"imports":-1,"exports":-1,"wildcards":true,"conn":-1,"leaf":-1"#;
    let stores = r#""mem_storage":-1,"disk_storage":-1,"streams":-1,"consumer":-1"#;
    let operators =
        format!(r#"{{"type":"operator","version":2,"system_account":"{}"}}"#, system.public_key());
    let of_account =
        |more: &str| format!(r#"{{"limits":{{{limits}{more}}},"type":"account","version":2}}"#);
    let of_user =
        r#"{"pub":{},"sub":{},"subs":-1,"data":-1,"payload":-1,"type":"user","version":2}"#;
    let accounts = [
        (&account, token(&operator, &account, "A", &of_account(&format!(",{stores}")))),
        (&system, token(&operator, &system, "SYS", &of_account(""))),
    ];
    let preloaded = accounts.map(|(pair, token)| format!("{}: {token}", pair.public_key()));
    let configuration = format!(
        "operator: {}\nresolver: MEMORY\nresolver_preload: {{\n{}\n}}\nsystem_account: {}",
        token(&operator, &operator, "O", &operators),
        preloaded.join("\n"),
        system.public_key()
    );
    let Some(server) = Server::start(&configuration) else { return };
    let file = |name: &str, issuer: &KeyPair| {
        let path = server.folder().join(name);
        let text = format!(
            "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n-----BEGIN USER \
             NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            token(issuer, &user, "U", of_user),
            user.seed().expect("a seed")
        );
        std::fs::write(&path, text).expect("writable");
        server.settings_with(NatsCredentials::File(path))
    };
    accepts(&file("right.creds", &account)).await;
    has_problem(&file("wrong.creds", &stranger), "it refuses the credentials").await;
    let absent = NatsCredentials::File(server.folder().join("absent.creds"));
    has_problem(&server.settings_with(absent), "nats.creds_file: cannot read").await;
}
