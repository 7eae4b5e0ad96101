//! The simulator over HTTP, checked with the `ct` crate as a follower would.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod corpus;
mod faults;
mod growth;
mod heads;
mod limits;
mod list;
mod pages;
mod rfc6962;
mod static_ct;

use bytes::Bytes;
use ct::head::SignedHead;
use ct::signature::PublicKey;
use ctsim::{Config, LogHandle, Protocol, Sim};
use tokio::net::TcpListener;

/// Returns a configuration of logs that grow only on request.
fn still() -> Config {
    Config { rate: 0.0, initial_size: 1_000, ..Config::default() }
}

/// Returns a configuration of one log that grows only on request.
fn one(protocol: Protocol) -> Config {
    let [rfc6962, static_ct] = match protocol {
        Protocol::Rfc6962 => [1, 0],
        Protocol::StaticCt => [0, 1],
    };
    Config { rfc6962, static_ct, ..still() }
}

async fn start(config: Config) -> Sim {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Sim::start(config, listener).await.unwrap()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Status and body.
async fn get(url: &str) -> (u16, Bytes) {
    let response = client().get(url).send().await.unwrap();
    (response.status().as_u16(), response.bytes().await.unwrap())
}

/// The body of what must be there.
async fn get_ok(url: &str) -> Bytes {
    let (status, body) = get(url).await;
    assert_eq!(status, 200, "{url}: {}", String::from_utf8_lossy(&body));
    body
}

/// The newest head as served, its signature and origin checked.
async fn head(log: &LogHandle) -> SignedHead {
    let head = match log.origin() {
        None => {
            SignedHead::from_sth(&get_ok(&format!("{}ct/v1/get-sth", log.url())).await).unwrap()
        }
        Some(origin) => {
            let note = get_ok(&format!("{}checkpoint", log.url())).await;
            SignedHead::from_checkpoint(&note, origin, Some(&log.log_id())).unwrap()
        }
    };
    head.verify(&PublicKey::from_spki(log.key()).unwrap()).unwrap();
    head
}

/// The DER certificate of an entry, or its submitted precertificate.
fn certificate(leaf: &ct::leaf::Leaf<'_>, precertificate: Option<&[u8]>) -> Vec<u8> {
    match leaf.entry {
        ct::leaf::LeafEntry::X509 { certificate } => certificate.to_vec(),
        ct::leaf::LeafEntry::Precert { .. } => precertificate.unwrap().to_vec(),
    }
}
