//! Filters by address, on every transport, against a look at every message.

use std::collections::BTreeSet;
use std::net::IpAddr;

use futures_util::{Stream, StreamExt as _};
use ipnet::IpNet;
use serde_json::Value;

use crate::harness::{Running, logs, next_json, reads_all};

const ENTRIES: u64 = 1_000;

/// The offset of a message, and the iPAddress names of its certificate.
type Named = (u64, BTreeSet<IpAddr>);

fn offset(message: &Value) -> u64 {
    message["offset"].as_u64().expect("an offset")
}

fn addresses(message: &Value) -> BTreeSet<IpAddr> {
    let names = &message["data"]["leaf_cert"]["extensions"]["subjectAltName"];
    let names = names.as_str().unwrap_or_default().split(", ");
    let names = names.filter_map(|name| name.strip_prefix("IP:"));
    names.map(|address| address.parse().expect("an address")).collect()
}

/// Returns the next certificates of a WebSocket stream.
async fn certificates(server: &Running, path: &str, count: usize) -> Vec<Value> {
    let mut socket = server.connect(path).await;
    let mut messages = Vec::new();
    while messages.len() < count {
        let message = next_json(&mut socket).await;
        if message["message_type"] == "certificate_update" {
            messages.push(message);
        }
    }
    messages
}

async fn offsets_of(events: impl Stream<Item = Value>, count: usize) -> Vec<u64> {
    let certificates =
        events.filter(|event| std::future::ready(event["message_type"] == "certificate_update"));
    certificates.take(count).map(|event| offset(&event)).collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_want_addresses_get_exactly_the_certificates_with_them() {
    let config = ctsim::Config {
        rfc6962: 1,
        static_ct: 1,
        rate: 0.0,
        initial_size: ENTRIES,
        ..ctsim::Config::default()
    };
    let sim = logs(config).await;
    let folder = tempfile::tempdir().expect("a folder");
    let server = Running::start(reads_all(&sim, &folder)).await;
    let count = usize::try_from(2 * ENTRIES).expect("small");
    let all: Vec<Named> = certificates(&server, "/full-stream?since=0", count)
        .await
        .iter()
        .map(|message| (offset(message), addresses(message)))
        .collect();
    let some = |is_v4: bool| {
        let mut addresses = all.iter().flat_map(|(_, addresses)| addresses);
        *addresses.find(|address| address.is_ipv4() == is_v4).expect("an address")
    };
    let (four, six) = (some(true), some(false));
    let network = |text: &str| text.parse::<IpNet>().expect("a network");
    let (four_only, six_only) = (IpNet::from(four), IpNet::from(six));
    // Written out in full, and as it is usual.
    let long = match six {
        IpAddr::V6(six) => six.segments().map(|part| format!("{part:04x}")).join(":"),
        IpAddr::V4(_) => unreachable!("it is IPv6"),
    };
    for (query, networks) in [
        (format!("ip={four}"), vec![four_only]),
        (format!("domain={four}"), vec![four_only]),
        (format!("domain={six}"), vec![six_only]),
        (format!("ip={long}"), vec![six_only]),
        (format!("ip={four},{six}"), vec![four_only, six_only]),
        (format!("ip={four}/26"), vec![network(&format!("{four}/26"))]),
        ("ip=2001:db8::/32".to_owned(), vec![network("2001:db8::/32")]),
        ("ip=203.0.113.0/24".to_owned(), vec![network("203.0.113.0/24")]),
    ] {
        let is_wanted = |(_, addresses): &&Named| {
            addresses.iter().any(|each| networks.iter().any(|network| network.contains(each)))
        };
        let expected: Vec<u64> = all.iter().filter(is_wanted).map(|(offset, _)| *offset).collect();
        let count = expected.len();
        assert!((1..all.len()).contains(&count), "{query}: {count}");
        for path in ["/", "/full-stream"] {
            let found = certificates(&server, &format!("{path}?{query}&since=0"), count).await;
            let found: Vec<u64> = found.iter().map(offset).collect();
            assert_eq!(found, expected, "{path}?{query}");
        }
        let events = server.events(&format!("lite&{query}")).await;
        assert_eq!(offsets_of(events, count).await, expected, "/sse?{query}");
    }
    server.stop().await;
    sim.shutdown().await;
}
