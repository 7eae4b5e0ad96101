//! Clients that want only some certificates.

use std::sync::Arc;
use std::time::Duration;

use config::{ByteSize, Config};
use futures_util::{Stream, StreamExt as _};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use url::form_urlencoded::Serializer;

use crate::harness::{Running, Socket, eventually, logs, next_json, reads_all};

/// Parameters and their terms.
type Query = Vec<(&'static str, Vec<String>)>;

fn encoded(query: &Query) -> String {
    let mut text = Serializer::new(String::new());
    for (parameter, terms) in query {
        text.append_pair(parameter, &terms.join(","));
    }
    text.finish()
}

/// The meaning of a filter, implemented a second time, on lite messages.
fn wants(query: &Query, message: &Value) -> bool {
    let leaf = &message["data"]["leaf_cert"];
    let source = &message["data"]["source"];
    let lower = |value: &Value| value.as_str().unwrap_or_default().to_lowercase();
    // A parameter that is given again adds terms to those it has.
    let terms_of = |wanted: &str| {
        let given = query.iter().filter(move |(parameter, _)| *parameter == wanted);
        given.flat_map(|(_, terms)| terms).map(|term| term.to_lowercase()).collect::<Vec<_>>()
    };
    query.iter().all(|(parameter, _)| {
        terms_of(parameter).into_iter().any(|term| match *parameter {
            "domain" => {
                let domain = term.trim_start_matches("*.").trim_end_matches('.');
                let covering = domain.split_once('.').map(|(_, parent)| format!("*.{parent}"));
                let is_within = |name: &String| {
                    Some(name) == covering.as_ref()
                        || name
                            .strip_suffix(domain)
                            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                };
                names(message).iter().any(is_within)
            }
            "entry" => match term.as_str() {
                "precert" => message["data"]["update_type"] == "PrecertLogEntry",
                _ => message["data"]["update_type"] == "X509LogEntry",
            },
            "match" => names(message).iter().any(|name| name.contains(&term)),
            "issuer" => ["CN", "O"].iter().any(|part| lower(&leaf["issuer"][part]).contains(&term)),
            "log" => {
                ["name", "url"].iter().any(|field| lower(&source[field]).contains(&term))
                    || lower(&source["log_id"]) == term
            }
            other => panic!("{other}"),
        })
    })
}

fn names(message: &Value) -> Vec<String> {
    let names = message["data"]["leaf_cert"]["all_domains"].as_array().expect("a list");
    names.iter().map(|name| name.as_str().expect("a name").to_lowercase()).collect()
}

/// The identity of a message on every stream: its log and index, or its names.
fn identity(message: &Value) -> Value {
    let data = &message["data"];
    match message["message_type"].as_str() {
        Some("dns_entries") => data.clone(),
        _ => Value::from(vec![data["source"]["url"].clone(), data["cert_index"].clone()]),
    }
}

/// A connection the messages of which are gathered until it ends.
struct Client {
    path: String,
    expected: Vec<Value>,
    received: Arc<Mutex<Vec<Value>>>,
    task: JoinHandle<()>,
}

impl Client {
    fn new(path: String, messages: impl Stream<Item = Value> + Send + 'static) -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&received);
        let gather = messages.for_each(move |message| {
            if !["gap", "heartbeat"].map(Value::from).contains(&message["message_type"]) {
                sink.lock().push(identity(&message));
            }
            std::future::ready(())
        });
        Self { path, expected: Vec::new(), received, task: tokio::spawn(gather) }
    }
}

fn texts(socket: Socket) -> impl Stream<Item = Value> {
    socket.filter_map(async |frame| match frame {
        Ok(Message::Text(text)) => Some(serde_json::from_str(&text).expect("JSON")),
        _ => None,
    })
}

/// Terms of every parameter, alone and together, that some of these messages pass.
fn queries(messages: &[Value]) -> Vec<Query> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let named: Vec<&Value> = messages.iter().filter(|one| !names(one).is_empty()).collect();
    let name = |at: usize| names(named[at])[0].trim_start_matches("*.").to_owned();
    let part = |at: usize| name(at).chars().take(4).collect::<String>().to_uppercase();
    let field = |at: usize, pointer| text(messages[at].pointer(pointer).expect("a field"));
    let domain = || ("domain", vec![format!("*.{}.", name(5).to_uppercase()), "net".to_owned()]);
    let part = || ("match", vec![part(9), part(40)]);
    let issuer = || ("issuer", vec![field(3, "/data/leaf_cert/issuer/CN").to_lowercase()]);
    let organization = || ("issuer", vec![field(11, "/data/leaf_cert/issuer/O").to_uppercase()]);
    let log = || ("log", vec![field(0, "/data/source/name")]);
    let log_id = || ("log", vec![field(0, "/data/source/log_id")]);
    vec![
        vec![domain()],
        vec![part()],
        vec![issuer()],
        vec![organization()],
        vec![log_id()],
        vec![domain(), organization()],
        vec![("entry", vec!["final".to_owned()])],
        vec![organization(), ("entry", vec!["precert".to_owned()])],
        vec![("domain", vec!["com".to_owned()]), issuer(), log()],
        vec![part(), log()],
        vec![part(), domain(), ("domain", vec!["org".to_owned(), "com".to_owned()])],
    ]
}

/// Every stream, profile and transport: what was published before the filter came and what came
/// after it, nothing else, each once and in order; an unfiltered neighbour gets everything.
#[tokio::test(flavor = "multi_thread")]
async fn each_filtered_client_gets_exactly_its_matches() {
    const ENTRIES: usize = 900;
    let sim = logs(ctsim::Config {
        rfc6962: 1,
        static_ct: 1,
        rate: 250.0,
        initial_size: 300,
        max_size: Some(ENTRIES as u64),
        publish_interval: Duration::from_millis(50),
        ..ctsim::Config::default()
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let server = Running::start(reads_all(&sim, &folder)).await;
    let mut neighbour = server.connect_from_oldest("/").await;
    let mut all = Vec::new();
    while all.len() < 400 {
        all.push(next_json(&mut neighbour).await);
    }
    let queries = queries(&all);
    let mut clients = Vec::new();
    for query in &queries {
        let encoded = encoded(query);
        let mut sockets = vec![format!("/?{encoded}&since=0")];
        // The others differ in rendering only.
        if query.len() == 2 {
            for stream in ["/full-stream", "/domains-only"] {
                sockets.push(format!("{stream}?{encoded}&since=0"));
            }
            sockets.push(format!("/?since=0&compat=go&{encoded}"));
            sockets.push(format!("/domains-only?since=0&compat=rust&{encoded}"));
        }
        for path in sockets {
            let socket = server.connect(&path).await;
            clients.push((query, Client::new(path, texts(socket))));
        }
        for stream in if query.len() == 2 { &["lite", "full", "domains"][..] } else { &["lite"] } {
            let path = format!("{stream}&{encoded}");
            let events = server.events(&path).await;
            clients.push((query, Client::new(path, events)));
        }
    }
    while all.len() < 2 * ENTRIES {
        all.push(next_json(&mut neighbour).await);
    }
    for (query, client) in &mut clients {
        let wanted = all.iter().filter(|message| wants(query, message));
        client.expected = if client.path.contains("domains") {
            let names = wanted.map(|message| message["data"]["leaf_cert"]["all_domains"].clone());
            names.filter(|names| names != &Value::Array(Vec::new())).collect()
        } else {
            wanted.map(identity).collect()
        };
        let count = client.expected.len();
        assert!((1..all.len()).contains(&count), "{}: {count} of {}", client.path, all.len());
        let what = format!("{} gets {count} messages", client.path);
        eventually(&what, async || (client.received.lock().len() >= count).then_some(())).await;
    }
    resumes(&server, &queries[0], &all).await;
    server.stop().await;
    for (_, client) in clients {
        client.task.await.expect("no panic");
        assert_eq!(*client.received.lock(), client.expected, "{}", client.path);
    }
    sim.shutdown().await;
}

/// A client with a filter resumes after its last message.
async fn resumes(server: &Running, query: &Query, all: &[Value]) {
    let wanted: Vec<&Value> = all.iter().filter(|message| wants(query, message)).collect();
    let (last, rest) = wanted[wanted.len() / 2..].split_first().expect("a message");
    let since = last["offset"].as_u64().expect("an offset");
    let mut socket = server.connect(&format!("/?{}&since={since}", encoded(query))).await;
    for expected in rest {
        assert_eq!(&next_json(&mut socket).await, *expected);
    }
}

async fn with_limits(
    max_terms: u64,
    max_distinct: u64,
) -> (ctsim::Sim, Running, tempfile::TempDir) {
    let sim =
        logs(ctsim::Config { rfc6962: 1, static_ct: 0, rate: 100.0, ..ctsim::Config::default() })
            .await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config: Config = reads_all(&sim, &folder);
    config.filters.max_terms = max_terms;
    config.filters.max_distinct = max_distinct;
    config.trusted_proxies = vec!["127.0.0.1".to_owned()];
    (sim, Running::start(config).await, folder)
}

/// A client of another address.
async fn connect_from(server: &Running, address: &str, path: &str) -> Socket {
    let url = format!("ws://{}{path}", server.address);
    let mut request = url.into_client_request().expect("a request");
    request.headers_mut().insert("x-forwarded-for", address.parse().expect("a value"));
    tokio_tungstenite::connect_async(request).await.expect("the server accepts").0
}

/// Returns the answer to a client that is refused temporarily, over WebSocket and SSE.
async fn told_to_wait(server: &Running, query: &str) -> String {
    let sse = server.get(&format!("/sse?{query}")).await;
    assert_eq!(sse.headers()["retry-after"], "10", "{query}");
    refusal_with(server, query, 503).await
}

/// Returns the answer to a client that is refused, over WebSocket and SSE.
async fn refusal(server: &Running, query: &str) -> String {
    refusal_with(server, query, 400).await
}

async fn refusal_with(server: &Running, query: &str, status: u16) -> String {
    let url = format!("ws://{}/full-stream?{query}", server.address);
    let refused = tokio_tungstenite::connect_async(url).await.expect_err(query);
    let Error::Http(response) = refused else { panic!("{query}: {refused}") };
    assert_eq!(response.status(), status, "{query}");
    let websocket = response.body().clone().unwrap_or_default();
    let sse = server.get(&format!("/sse?stream=domains&{query}")).await;
    assert_eq!(sse.status(), status, "{query}");
    let sse = sse.text().await.expect("text");
    assert_eq!(String::from_utf8(websocket).expect("UTF-8"), sse, "{query}");
    sse
}

async fn metrics(server: &Running) -> String {
    server.get("/metrics").await.text().await.expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_filter_is_refused_with_the_reason() {
    let (sim, server, _folder) = with_limits(3, 100).await;
    let cases = [
        ("domain=", "domain: a term is empty"),
        ("domain=a.com,,b.com", "domain: a term is empty"),
        ("issuer", "issuer: a term is empty"),
        ("match=ab", "match: \"ab\" is too short, give at least 3 characters"),
        ("domain=http%3A%2F%2Fa.com", "domain: \"http://a.com\" is not a domain name"),
        ("domain=%FF.com", "is not a domain name"),
        ("match=abc%0Adef", "has a control character"),
        ("match=abc,def&domain=a.b,c.d", "more than 3 terms, the limit of a connection"),
    ];
    for (query, expected) in cases {
        let told = refusal(&server, query).await;
        assert!(told.contains(expected) && told.ends_with('\n'), "{query}: {told}");
    }
    let long = "a".repeat(254);
    let told = refusal(&server, &format!("since=5&issuer={long}")).await;
    assert_eq!(told, "issuer: a term has 254 bytes, the limit is 253\n");
    let metrics = metrics(&server).await;
    for line in [
        "certstream_filters_refused_total{reason=\"invalid\"} 16",
        "certstream_filters_refused_total{reason=\"too_many_terms\"} 2",
        "certstream_filters_refused_total{reason=\"share\"} 0",
        "certstream_filters_refused_total{reason=\"full\"} 0",
        "certstream_filters 0",
    ] {
        assert!(metrics.lines().any(|other| other == line), "{line} in\n{metrics}");
    }
    // Three terms, one of them twice.
    let mut allowed = server.connect("/?domain=com,net&domain=org,com&since=0").await;
    assert_eq!(next_json(&mut allowed).await["message_type"], "gap");
    next_json(&mut allowed).await;
    server.stop().await;
    sim.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_terms_of_an_address_are_limited_to_its_share() {
    let (sim, server, _folder) = with_limits(20, 12).await;
    let greedy = server.connect("/?match=one,two").await;
    let again = server.connect("/full-stream?match=two,one").await;
    let more = server.connect("/?match=six").await;
    let told = told_to_wait(&server, "match=ten").await;
    assert_eq!(
        told,
        "the limit of 3 terms and 96 bytes over all connections of one address is reached\n"
    );
    let other = connect_from(&server, "192.0.2.1", "/?match=ten").await;
    let shows = async |line: &str| metrics(&server).await.lines().any(|other| other == line);
    assert!(shows("certstream_filtered_connections 4").await);
    assert!(shows("certstream_filters_refused_total{reason=\"share\"} 3").await);
    drop(more);
    eventually("the terms of those who left are gone", async || {
        shows("certstream_filter_terms 3").await.then_some(())
    })
    .await;
    let freed = server.connect("/?match=ten").await;
    drop((greedy, again, other, freed));
    server.stop().await;
    sim.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn misspelt_parameters_are_refused_and_unrelated_ones_accepted() {
    let (sim, server, _folder) = with_limits(20, 100).await;
    let cases = [
        ("domains=example.org", "domains: there is no such parameter; did you mean domain?\n"),
        ("since=5&isuer=r10", "isuer: there is no such parameter; did you mean issuer?\n"),
        ("entries=final", "entries: there is no such parameter; did you mean entry?\n"),
        (
            "new=true",
            "new: only a server with a journal (data_dir) remembers the domains it has seen",
        ),
        ("since_tme=0", "since_tme: there is no such parameter; did you mean since_time?\n"),
        ("match=p*ypal", "match: \"p*ypal\" contains an asterisk"),
    ];
    for (query, expected) in cases {
        let told = refusal(&server, query).await;
        assert!(told.starts_with(expected), "{query}: {told}");
        let page = server.get(&format!("/page/filter?{query}")).await;
        assert_eq!(page.status(), 400, "{query}");
        assert_eq!(page.text().await.expect("text"), told);
    }
    let answer = server.get("/sse?stream=all").await;
    assert_eq!(answer.status(), 400);
    let told = answer.text().await.expect("text");
    assert_eq!(told, "stream: \"all\" must be lite, full or domains\n");
    let mut everything = server.connect("/?regex=pay&utm_source=x&_=1&since=0").await;
    assert_eq!(next_json(&mut everything).await["message_type"], "gap");
    next_json(&mut everything).await;
    server.stop().await;
    sim.shutdown().await;
}

/// A message too large for its names still goes to the client whose filter found one of those that
/// are left out, and says how many there are.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_the_name_that_matched_is_delivered() {
    let sim = logs(ctsim::Config {
        rfc6962: 1,
        static_ct: 0,
        initial_size: 2_000,
        max_size: Some(2_000),
        ..ctsim::Config::default()
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config: Config = reads_all(&sim, &folder);
    config.max_message_bytes = ByteSize::new(1_300);
    let server = Running::start(config).await;
    let mut lite = server.connect_from_oldest("/").await;
    let cut = loop {
        let message = next_json(&mut lite).await;
        let shown = names(&message).len() as u64;
        let total = message["domains_total"].as_u64().unwrap_or_default();
        // Names alone fit if they are few.
        if (shown + 1..=20).contains(&total) {
            break message;
        }
    };
    assert_eq!(cut["truncated"], true);
    let before = cut["offset"].as_u64().expect("an offset") - 1;
    let mut domains = server.connect(&format!("/domains-only?since={before}")).await;
    let whole = next_json(&mut domains).await;
    assert_eq!((&whole["offset"], whole.get("truncated")), (&cut["offset"], None));
    let all = whole["data"].as_array().expect("a list");
    assert_eq!(all.len() as u64, cut["domains_total"].as_u64().expect("a number"));
    let last = all.last().and_then(Value::as_str).expect("a name").to_lowercase();
    assert!(!names(&cut).contains(&last));
    let query = encoded(&vec![("domain", vec![last])]);
    let mut filtered = server.connect(&format!("/?{query}&since={before}")).await;
    assert_eq!(next_json(&mut filtered).await, cut);
    server.stop().await;
    sim.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_connections_share_the_term_limit_and_free_it_when_they_close() {
    let (sim, server, _folder) = with_limits(20, 3).await;
    let first = connect_from(&server, "192.0.2.1", "/?match=one,two").await;
    let second = connect_from(&server, "192.0.2.2", "/full-stream?issuer=one").await;
    let again = connect_from(&server, "192.0.2.3", "/domains-only?match=TWO&match=one").await;
    let told = told_to_wait(&server, "match=six").await;
    assert_eq!(told, "the server's limit of 3 different terms over all connections is reached\n");
    let shows = async |line: &str| metrics(&server).await.lines().any(|other| other == line);
    assert!(shows("certstream_filtered_connections 3").await);
    assert!(shows("certstream_filters 2").await);
    assert!(shows("certstream_filter_terms 3").await);
    assert!(shows("certstream_filters_refused_total{reason=\"full\"} 3").await);
    let long = format!("match={}", "x".repeat(100));
    drop((first, second));
    eventually("the terms of those who left are gone", async || {
        shows("certstream_filter_terms 2").await.then_some(())
    })
    .await;
    let told = told_to_wait(&server, &long).await;
    assert_eq!(told, "the server's limit of 96 bytes of terms over all connections is reached\n");
    let third = server.connect("/?match=six").await;
    drop((again, third));
    eventually("all terms are gone", async || {
        shows("certstream_filtered_connections 0").await.then_some(())
    })
    .await;
    server.stop().await;
    sim.shutdown().await;
}
