//! The stream of a server, as far as the rules are concerned.

use std::collections::HashSet;
use std::net::SocketAddr;

use super::DOMAIN;
use crate::harness::next_json;
use crate::operations::kills::Entry;

/// An entry whose certificate matches the rules, and the serial number of that.
pub(crate) type Matching = (Entry, String);

/// Reads so many entries of a stream from its beginning, and returns those that match the rules.
pub(crate) async fn matching(address: SocketAddr, count: usize) -> Vec<Matching> {
    let url = format!("ws://{address}/?compat=calidog&since=0");
    let connected = tokio_tungstenite::connect_async(url).await;
    let (mut socket, _) = connected.expect("the server accepts");
    let (mut matching, mut left) = (Vec::new(), count);
    while left > 0 {
        let message = next_json(&mut socket).await;
        if message["message_type"] != "certificate_update" {
            continue;
        }
        left -= 1;
        let (data, leaf) = (&message["data"], &message["data"]["leaf_cert"]);
        let mut names = leaf["all_domains"].as_array().expect("names").iter();
        if names.any(|name| name == DOMAIN) {
            let url = data["source"]["url"].as_str().expect("a URL").to_owned();
            let index = data["cert_index"].as_u64().expect("an index");
            let serial = leaf["serial_number"].as_str().expect("a serial number");
            matching.push(((url, index), serial.to_owned()));
        }
    }
    matching
}

/// Returns the entries that alerts are about: the first one of each certificate and its precertificate.
pub(crate) fn first_of_each(matching: &[Matching]) -> Vec<Entry> {
    let mut known = HashSet::new();
    let first = matching.iter().filter(|(_, serial)| known.insert(serial));
    first.map(|(entry, _)| entry.clone()).collect()
}
