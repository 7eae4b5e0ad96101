//! Real entries through the whole server: each exactly once, in order, byte for byte.

use std::collections::HashMap;

use ctsim::corpus::{Corpus, CorpusEntry, CorpusLog};
use futures_util::StreamExt as _;
use serde_json::Value;

use crate::harness::{Running, logs, next_json, reads_all, shared_data};

/// The certificates of each log, by its URL without trailing slash, as the corpus has them.
type Expected = HashMap<String, Vec<Vec<u8>>>;

#[tokio::test(flavor = "multi_thread")]
async fn every_real_entry_arrives_on_every_stream() {
    let Some(corpus) = shared_data() else { return };
    let entries = Corpus::load(&corpus).expect("a corpus");
    let config = ctsim::Config {
        rfc6962: 0,
        static_ct: 0,
        rate: 10_000.0,
        corpus: Some(corpus),
        ..ctsim::Config::default()
    };
    let sim = logs(config).await;
    let expected = expected(&sim, &entries);
    let total: usize = expected.values().map(Vec::len).sum();
    assert!(total > 1_400, "the corpus has {total} entries");

    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    config.feed.skip_empty_domains = false;
    let server = Running::start(config).await;

    let full = read_websocket(&server, "/full-stream", total).await;
    check_identities(&full, &expected);
    check_der(&full, &expected);
    let lite = read_websocket(&server, "/", total).await;
    check_identities(&lite, &expected);
    let domains = read_websocket(&server, "/domains-only", total).await;
    check_domains(&domains, &lite);

    let events = |stream| server.events(stream);
    let sse_full: Vec<Value> = events("full").await.take(total).collect().await;
    check_identities(&sse_full, &expected);
    check_der(&sse_full, &expected);
    let sse_lite: Vec<Value> = events("lite").await.take(total).collect().await;
    assert_eq!(sse_lite, lite, "the same messages under both protocols");
    let sse_domains: Vec<Value> = events("domains").await.take(total).collect().await;
    assert_eq!(sse_domains, domains);
    server.stop().await;
}

/// The entries of the corpus, under the URLs at which the simulated logs serve them.
fn expected(sim: &ctsim::Sim, corpus: &Corpus) -> Expected {
    let certificate = |entry: &CorpusEntry| entry.certificate().expect("well-formed").to_vec();
    let url_of = |name: &str| {
        let log = sim
            .logs()
            .iter()
            .find(|log| log.name().ends_with(&format!("-corpus-{name}")))
            .expect("a served log");
        log.url().trim_end_matches('/').to_owned()
    };
    let of = |log: &CorpusLog| (url_of(&log.name), log.entries.iter().map(certificate).collect());
    corpus.logs.iter().map(of).collect()
}

async fn read_websocket(server: &Running, path: &str, count: usize) -> Vec<Value> {
    let mut socket = server.connect_from_oldest(path).await;
    let mut messages = Vec::with_capacity(count);
    while messages.len() < count {
        messages.push(next_json(&mut socket).await);
    }
    messages
}

fn place(message: &Value) -> (&str, usize) {
    let data = &message["data"];
    let index = data["cert_index"].as_u64().expect("an index");
    (data["source"]["url"].as_str().expect("a source"), usize::try_from(index).expect("small"))
}

/// Each log's indexes are 0, 1, 2 … to its end.
fn check_identities(messages: &[Value], expected: &Expected) {
    let mut next: HashMap<&str, usize> = HashMap::new();
    for message in messages {
        let (url, index) = place(message);
        let expected_index = next.entry(url).or_default();
        assert_eq!(index, *expected_index, "{url}");
        *expected_index += 1;
    }
    for (url, certificates) in expected {
        assert_eq!(next.get(url.as_str()), Some(&certificates.len()), "{url}");
    }
}

fn check_der(messages: &[Value], expected: &Expected) {
    for message in messages {
        let (url, index) = place(message);
        let as_der = message["data"]["leaf_cert"]["as_der"].as_str().expect("DER");
        let der = base64_simd::STANDARD.decode_to_vec(as_der).expect("base64");
        assert_eq!(der, expected[url][index], "{url} {index}");
        let is_tiled = message["data"]["source"]["type"] == "tiled";
        let chain = message["data"]["chain"].as_array().expect("a chain");
        assert_eq!(chain.is_empty(), is_tiled, "{url} {index}: chains where the corpus has them");
    }
}

/// The domains stream has the names of the lite stream, message by message.
fn check_domains(domains: &[Value], lite: &[Value]) {
    for (names, certificate) in domains.iter().zip(lite) {
        assert_eq!(names["data"], certificate["data"]["leaf_cert"]["all_domains"]);
        assert_eq!(names["offset"], certificate["offset"]);
    }
}
