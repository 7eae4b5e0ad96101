//! Searches of a server with a journal, against a look at every message that it sent.

mod brute;
mod command;
mod crtsh;

use std::collections::BTreeSet;
use std::time::Duration;

use ctsim::Sim;
use serde_json::Value;
use tempfile::TempDir;

use self::brute::Message;
use crate::harness::{Running, eventually, logs, next_json, reads_all, shared_data};

/// Entries of each of the two generated logs. `cargo xtask e2e search.py` has more.
const FEW: u64 = 100;

/// A server with a journal of several segments.
async fn server_of(sim: &Sim) -> (Running, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(sim, &folder);
    config.data_dir = Some(folder.path().join("data"));
    config.journal.segment_bytes = config::ByteSize::new(config::ByteSize::MIB);
    config.protocols.api = true;
    config.feed.skip_empty_domains = false;
    // Tests choose the addresses of clients.
    config.trusted_proxies = vec!["127.0.0.0/8".to_owned()];
    (Running::start(config).await, folder)
}

fn generated(entries: u64, rate: f64) -> ctsim::Config {
    ctsim::Config {
        rfc6962: 1,
        static_ct: 1,
        rate,
        initial_size: entries,
        publish_interval: Duration::from_millis(20),
        ..ctsim::Config::default()
    }
}

async fn json(server: &Running, path: &str) -> Value {
    let response = server.get(path).await;
    let status = response.status();
    let text = response.text().await.expect("text");
    assert_eq!(status, 200, "{path}: {text}");
    serde_json::from_str(&text).expect("JSON")
}

/// Waits until an offset can be found.
async fn until_searchable(server: &Running, offset: u64) {
    eventually("the newest entry can be found", async || {
        let response = server.get("/api/search?limit=1").await;
        let page: Value = response.json().await.ok()?;
        (page["searched"]["until"].as_u64()? >= offset).then_some(())
    })
    .await;
}

/// Reads the messages that the server has sent.
async fn messages(server: &Running, count: usize) -> Vec<Message> {
    let mut socket = server.connect("/full-stream?since=0").await;
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        let message = next_json(&mut socket).await;
        if message["message_type"] == "certificate_update" {
            all.push(Message::read(&message));
        }
    }
    all
}

fn offsets(results: &[Value]) -> Vec<u64> {
    results.iter().map(|result| result["offset"].as_u64().expect("an offset")).collect()
}

/// Searches page by page, and checks that pages continue each other.
async fn pages(server: &Running, query: &str, limit: usize) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = json(server, &format!("/api/search?{query}&limit={limit}{cursor}")).await;
        let results = page["results"].as_array().expect("results");
        assert!(results.len() <= limit);
        all.extend(results.iter().cloned());
        match page["cursor"].as_str() {
            Some(next) => {
                assert_eq!(page["complete"], false);
                cursor = format!("&cursor={next}");
            }
            None => {
                assert_eq!(page["complete"], true, "{query}: {}", page["searched"]);
                return all;
            }
        }
    }
}

/// Searches for lines.
async fn lines(server: &Running, query: &str) -> Vec<Value> {
    let response = server.get(&format!("/api/search?{query}&format=ndjson&limit=100000")).await;
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let text = response.text().await.expect("text");
    let mut lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let end = lines.pop().expect("the end");
    assert_eq!((&end["cursor"], &end["complete"]), (&Value::Null, &true.into()), "{query}");
    lines
}

/// Compares searches of every kind with a look at every message, and pages with lines.
async fn compare(server: &Running, all: &[Message], seed: u64, with_pages: bool) {
    until_searchable(server, all.last().expect("a message").offset).await;
    for wanted in brute::random(all, seed) {
        let query = wanted.query();
        let expected = wanted.results(all);
        let found = lines(server, &query).await;
        assert_eq!(offsets(&found), expected.offsets(), "{query}");
        if wanted.is_unique_name() {
            let names = |result: &Value| -> BTreeSet<String> {
                // Only a certificate without a name has none.
                let names = result["names"].as_array();
                names
                    .into_iter()
                    .flatten()
                    .map(|name| name.as_str().expect("text").to_owned())
                    .collect()
            };
            let names: Vec<BTreeSet<String>> = found.iter().map(names).collect();
            assert_eq!(names, expected.names(), "{query}");
        }
        if !with_pages {
            continue;
        }
        let limit = expected.offsets().len().div_ceil(3).clamp(1, 1000);
        let paged = pages(server, &query, limit).await;
        assert_eq!(offsets(&paged), expected.offsets(), "{query} in pages of {limit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_of_generated_certificates_find_what_a_look_at_all_of_them_finds() {
    let sim = logs(generated(FEW, 0.0)).await;
    let (server, _folder) = server_of(&sim).await;
    let all = messages(&server, usize::try_from(2 * FEW).expect("fits")).await;
    compare(&server, &all, 1, true).await;
    server.stop().await;
    sim.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_of_real_certificates_find_what_a_look_at_all_of_them_finds() {
    let Some(corpus) = shared_data() else { return };
    let entries = ctsim::corpus::Corpus::load(&corpus).expect("a corpus");
    let total: usize = entries.logs.iter().map(|log| log.entries.len()).sum();
    let config = ctsim::Config {
        rfc6962: 0,
        static_ct: 0,
        rate: 10_000.0,
        corpus: Some(corpus),
        ..ctsim::Config::default()
    };
    let sim = logs(config).await;
    let (server, _folder) = server_of(&sim).await;
    let all = messages(&server, total).await;
    compare(&server, &all, 2, false).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_neither_skip_nor_repeat_while_certificates_keep_coming() {
    let sim = logs(generated(50, 40.0)).await;
    let (server, _folder) = server_of(&sim).await;
    let first = messages(&server, 100).await;
    until_searchable(&server, first.last().expect("a message").offset).await;
    for order in ["newest", "oldest"] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        let last = loop {
            let path = format!("/api/search?order={order}&limit=11{cursor}");
            let page = json(&server, &path).await;
            found.extend(offsets(page["results"].as_array().expect("results")));
            match page["cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break page,
            }
        };
        assert_eq!(last["complete"], true);
        let (since, until) = (&last["searched"]["since"], &last["searched"]["until"]);
        let until = until.as_u64().expect("an offset");
        assert!(since.as_u64() < Some(first[0].offset) && until >= first[99].offset);
        if order == "newest" {
            found.reverse();
        }
        // Offsets of one term have no holes.
        let expected: Vec<u64> = (first[0].offset..=until).collect();
        assert_eq!(found, expected, "{order}");
        // What comes later is found from there on.
        until_searchable(&server, until + 1).await;
        let later = json(&server, &format!("/api/search?since={until}&order=oldest&limit=1")).await;
        assert_eq!(later["results"][0]["offset"], until + 1);
    }
    server.stop().await;
    sim.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_has_just_read_is_found() {
    let sim = logs(generated(0, 40.0)).await;
    let (server, _folder) = server_of(&sim).await;
    let mut socket = server.connect("/full-stream").await;
    let mut read = 0;
    while read < 10 {
        let message = next_json(&mut socket).await;
        if message["message_type"] != "certificate_update" {
            continue;
        }
        read += 1;
        let offset = Message::read(&message).offset;
        let path = format!("/api/search?since={}&until={offset}", offset - 1);
        let page = json(&server, &path).await;
        assert_eq!(offsets(page["results"].as_array().expect("results")), [offset]);
        assert_eq!((&page["searched"]["until"], &page["complete"]), (&offset.into(), &true.into()));
        let crtsh = server.get("/crtsh?q=example.com&output=json").await;
        assert_eq!(crtsh.headers()["certstream-complete"], "true");
    }
    server.stop().await;
    sim.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_and_cursors_of_other_servers_are_refused_with_a_reason() {
    let sim = logs(generated(50, 0.0)).await;
    let (server, _folder) = server_of(&sim).await;
    let (other, _its_folder) = server_of(&sim).await;
    let all = messages(&server, 100).await;
    until_searchable(&server, all[99].offset).await;
    until_searchable(&other, messages(&other, 100).await[99].offset).await;
    let cursor = |page: &Value| page["cursor"].as_str().expect("a cursor").to_owned();
    let ours = cursor(&json(&server, "/api/search?entry=final&limit=1").await);
    let theirs = cursor(&json(&other, "/api/search?entry=final&limit=1").await);
    let long = "a".repeat(10_000);
    for (query, reason) in [
        ("match=%27%20OR%201%3D1--".to_owned(), "which no name has"),
        ("match=%25%25%25".to_owned(), "which no name has"),
        ("match=b%C3%BCcher".to_owned(), "letters beyond ASCII"),
        ("domain=%E2%80%AEmoc.elpmaxe".to_owned(), "invisible character"),
        ("issuer=a%07b".to_owned(), "control character"),
        (format!("match={long}"), "the limit is 253"),
        (format!("domain={long}"), "the limit is 253"),
        (format!("cursor={long}"), "not a cursor of a search"),
        (format!("entry=final&cursor={theirs}"), "of another server"),
        (format!("entry=precert&cursor={ours}"), "of another query"),
    ] {
        let response = server.get(&format!("/api/search?{query}")).await;
        assert_eq!(response.status(), 400, "{query}");
        let text = response.text().await.expect("text");
        assert!(text.contains(reason) && text.len() < 400, "{query}: {text}");
    }
    // So are those in the form of crt.sh.
    for (query, reason) in [
        ("q=%25%25%25".to_owned(), "3 characters in a row"),
        ("q=%27%20OR%201%3D1--".to_owned(), "which no name has"),
        ("Identity=%E2%80%AEmoc.elpmaxe".to_owned(), "invisible character"),
        (format!("q={long}"), "the limit is 253"),
    ] {
        let response = server.get(&format!("/?{query}&output=json")).await;
        assert_eq!(response.status(), 400, "{query}");
        let text = response.text().await.expect("text");
        assert!(text.contains(reason) && text.len() < 400, "{query}: {text}");
    }
    // The metrics count them.
    let metrics = server.get("/metrics").await.text().await.expect("text");
    let invalid = "certstream_searches_total{outcome=\"invalid\"} 14";
    assert!(metrics.lines().any(|line| line == invalid), "{metrics}");
    server.stop().await;
    // A server without a journal has nothing to search.
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    config.protocols.api = true;
    let without = Running::start(config).await;
    let response = without.get("/api/search?domain=example.com").await;
    assert_eq!(response.status(), 404);
    assert!(response.text().await.expect("text").contains("data_dir"));
    without.stop().await;
    other.stop().await;
    sim.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_searches_at_once_are_answered_or_refused_for_now() {
    let sim = logs(generated(20, 0.0)).await;
    let (server, _folder) = server_of(&sim).await;
    let all = messages(&server, 40).await;
    until_searchable(&server, all[39].offset).await;
    let expected = lines(&server, "entry=final&order=oldest").await.len();
    let client = reqwest::Client::new();
    let search = async |address: String| {
        let path = "/api/search?entry=final&order=oldest&limit=1000";
        let request = client.get(format!("http://{}{path}", server.address));
        let response = request.header("x-forwarded-for", address).send().await.expect("an answer");
        match response.status().as_u16() {
            200 => {
                let page: Value = response.json().await.expect("JSON");
                assert_eq!(page["results"].as_array().map(Vec::len), Some(expected));
                true
            }
            503 => {
                assert_eq!(response.headers()["retry-after"], "2");
                false
            }
            other => panic!("{other}"),
        }
    };
    // A client may have eight at a time; all of them, 32.
    for (clients, least) in [(10, 32), (1, 8)] {
        let searches = (0..60).map(|number| search(format!("198.51.100.{}", number % clients)));
        let answers = futures_util::future::join_all(searches).await;
        let answered = answers.into_iter().filter(|answered| *answered).count();
        assert!(answered >= least, "{answered} of {clients} clients");
    }
    server.stop().await;
    sim.shutdown().await;
}
