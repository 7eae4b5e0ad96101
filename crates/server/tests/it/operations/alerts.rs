//! Alerts of a running server: who may read them, the stream, and the commands.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use config::{Config, Tokens};
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use reqwest::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, HOST};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{PATIENCE, Running, eventually, logs, reads_all};
use crate::operations::process::PROGRAM;

/// The rule of these tests, which every certificate matches.
const RULE: &str = "every \"precertificate\"";

/// A webhook, with the alerts that it has, and the status of its answers.
struct Hook {
    got: Mutex<Vec<Value>>,
    status: Mutex<StatusCode>,
}

impl Hook {
    async fn start(status: StatusCode) -> (Arc<Self>, String) {
        let hook = Arc::new(Self { got: Mutex::default(), status: Mutex::new(status) });
        let router = Router::new().route("/", post(take)).with_state(Arc::clone(&hook));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("bound"));
        tokio::spawn(async { axum::serve(listener, router).await });
        (hook, url)
    }

    fn ids(&self) -> Vec<String> {
        let got = self.got.lock();
        got.iter().map(|alert| alert["id"].as_str().expect("an identity").to_owned()).collect()
    }
}

async fn take(State(hook): State<Arc<Hook>>, body: Bytes) -> StatusCode {
    let status = *hook.status.lock();
    if status.is_success() {
        hook.got.lock().push(serde_json::from_slice(&body).expect("JSON"));
    }
    status
}

/// Logs that grow, and a configuration that reports each precertificate to a webhook.
async fn reporting(hook: &str) -> (ctsim::Sim, tempfile::TempDir, Config) {
    // So few that the server remembers all of them.
    let sim = ctsim::Config {
        rfc6962: 1,
        static_ct: 1,
        initial_size: 10,
        rate: 2.0,
        publish_interval: Duration::from_millis(20),
        ..ctsim::Config::default()
    };
    let sim = logs(sim).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    config.protocols.api = true;
    config.data_dir = Some(folder.path().join("data"));
    let rule = json!({ "name": RULE, "entry": "precert", "max_per_hour": 10_000 });
    config.alerts.rules = vec![serde_json::from_value(rule).expect("a rule")];
    let receiver =
        json!({ "name": "ops", "type": "webhook", "url": hook, "allow_private_addresses": true });
    config.alerts.receivers = vec![serde_json::from_value(receiver).expect("a receiver")];
    (sim, folder, config)
}

async fn list(server: &Running, query: &str) -> Value {
    let answer = server.get(&format!("/api/alerts?{query}")).await;
    assert_eq!(answer.status(), 200, "{query}");
    answer.json().await.expect("JSON")
}

/// Returns the first alerts of the stream after the one with this identity.
async fn streamed(server: &Running, after: Option<&str>, count: usize) -> Vec<Value> {
    let url = format!("http://{}/api/alerts/stream", server.address);
    let mut request = reqwest::Client::new().get(url);
    if let Some(id) = after {
        request = request.header("last-event-id", id);
    }
    let answer = request.send().await.expect("an answer");
    assert_eq!(
        (answer.status(), &answer.headers()["content-type"]),
        (StatusCode::OK, &"text/event-stream".parse().expect("a value"))
    );
    let (mut bytes, mut text) = (answer.bytes_stream(), String::new());
    while text.matches("\n\n").count() < count {
        let next = tokio::time::timeout(PATIENCE, bytes.next()).await.expect("in time");
        text.push_str(std::str::from_utf8(&next.expect("open").expect("whole")).expect("text"));
    }
    let events = text.split("\n\n").filter(|event| !event.is_empty()).take(count);
    let alert = |event: &str| {
        let (id, data) = event.split_once("\ndata: ").expect("two lines");
        let data: Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(id.strip_prefix("id: "), data["id"].as_str());
        data
    };
    events.map(alert).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_listed_and_streamed_as_they_are_delivered() {
    let (hook, url) = Hook::start(StatusCode::OK).await;
    let (sim, _folder, config) = reporting(&url).await;
    let server = Running::start(config).await;
    let some = streamed(&server, None, 3).await;
    let id = some[0]["id"].as_str().expect("an identity");
    let after = streamed(&server, Some(id), 2).await;
    assert_eq!(after, some[1..3], "a client that reconnects misses none");
    let listed = eventually("the first alerts have arrived", async || {
        let listed = list(&server, "limit=1000").await["alerts"].as_array()?.clone();
        let arrived = |alert: &Value| {
            let one = listed.iter().find(|one| one["id"] == alert["id"]);
            one.is_some_and(|one| one["receivers"] == json!({"ops": "arrived"}))
        };
        some.iter().all(arrived).then_some(listed)
    })
    .await;
    let mut listed = listed.iter().rev().find(|one| one["id"] == id).expect("listed").clone();
    listed.as_object_mut().expect("an object").remove("receivers");
    assert_eq!(listed, some[0], "the alert of the stream is the one of the list");
    assert!(hook.got.lock().contains(&some[0]), "and the one of the webhook");
    let answer = list(&server, "rule=every+%22precertificate%22&limit=1").await;
    assert_eq!(answer["alerts"].as_array().map(Vec::len), Some(1));
    assert_eq!((&answer["is_running"], &answer["rules"][0]["name"]), (&true.into(), &RULE.into()));
    assert!(answer["rules"][0]["alerts"].as_u64() >= Some(3), "{answer}");
    assert_eq!(answer["receivers"][0]["name"], "ops");
    assert!(answer["receivers"][0]["arrived"].as_u64() >= Some(3), "{answer}");
    assert_eq!(server.get("/api/alerts/stream?rule=other").await.status(), 404);

    let url = format!("http://{}/api/alerts/stream", server.address);
    let open = reqwest::get(url).await.expect("an answer");
    server.stop().await;
    drop(open.bytes().await);
    sim.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_operator_may_read_alerts() {
    let (_hook, url) = Hook::start(StatusCode::OK).await;
    let (sim, _folder, mut config) = reporting(&url).await;
    let server = Running::start(config.clone()).await;
    let client = reqwest::Client::new();
    let get = async |server: &Running, path: &str, headers: &[(&str, &str)]| {
        let mut request = client.get(format!("http://{}{path}", server.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("an answer")
    };
    let own = get(&server, "/api/alerts", &[("origin", "https://evil.example")]).await;
    assert_eq!(
        (own.status(), &own.headers()[CACHE_CONTROL]),
        (StatusCode::OK, &"no-store".parse().expect("a value"))
    );
    assert!(!own.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), "not for other pages");
    for path in ["/api/alerts", "/api/alerts/stream"] {
        let refused = [
            ("x-forwarded-for", "192.0.2.1"),
            ("forwarded", "for=192.0.2.1"),
            (HOST.as_str(), "evil.example"),
        ];
        for header in refused {
            let answer = get(&server, path, &[header]).await;
            assert_eq!(answer.status(), 403, "{path} {header:?}");
            let text = answer.text().await.expect("text");
            assert!(text.contains("auth.enabled"), "{text}");
        }
    }
    let page: Value = server.get("/page/logs.json").await.json().await.expect("JSON");
    assert_eq!(page["serves"]["alerts"], true);
    server.stop().await;

    config.auth.enabled = true;
    config.auth.tokens = ["secret"].into_iter().collect::<Tokens>();
    let server = Running::start(config.clone()).await;
    let proxied = ("x-forwarded-for", "192.0.2.1");
    assert_eq!(get(&server, "/api/alerts", &[proxied]).await.status(), 401);
    let token = ("authorization", "Bearer secret");
    for headers in [&[token][..], &[token, proxied], &[token, (HOST.as_str(), "ct.example.org")]] {
        assert_eq!(get(&server, "/api/alerts", headers).await.status(), 200, "{headers:?}");
    }
    server.stop().await;

    config.alerts.rules.clear();
    config.auth.enabled = false;
    let server = Running::start(config).await;
    let none = get(&server, "/api/alerts", &[]).await;
    assert_eq!(none.status(), 404);
    assert!(none.text().await.expect("text").contains("alerts.rules"));
    let page: Value = server.get("/page/logs.json").await.json().await.expect("JSON");
    assert_eq!(page["serves"]["alerts"], false);
    server.stop().await;
    sim.shutdown().await;
}

/// Runs a command of the program.
async fn command(folder: &Path, arguments: &[&str]) -> Output {
    let file = folder.join("config.yaml");
    let mut command = Command::new(PROGRAM);
    command.arg("--config").arg(file).arg("alerts").args(arguments).env_clear();
    tokio::task::spawn_blocking(move || command.output().expect("it runs")).await.expect("no panic")
}

fn text(output: &[u8]) -> String {
    String::from_utf8(output.to_vec()).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_list_test_and_send_again_what_was_given_up() {
    // It refuses alerts, so that they are given up at once.
    let (hook, url) = Hook::start(StatusCode::BAD_REQUEST).await;
    let (sim, folder, config) = reporting(&url).await;
    let data = config.data_dir.clone().expect("a directory");
    let server = Running::start(config).await;
    let file = format!(
        "host: 127.0.0.1\nport: {}\ndata_dir: {}\nalerts:\n  receivers:\n    - name: ops\n      type: webhook\n      \
         url: {url}\n      allow_private_addresses: true\n",
        server.address.port(),
        data.display(),
    );
    std::fs::write(folder.path().join("config.yaml"), file).expect("writable");
    let letters = async |arguments: &[&str]| {
        let output =
            command(folder.path(), &[&["list", "--dead-letters"], arguments].concat()).await;
        assert!(output.status.success(), "{output:?}");
        text(&output.stdout)
    };
    let ids = eventually("some are given up", async || {
        let listed = letters(&["--json", "--limit", "1000"]).await;
        let ids: Vec<_> = listed
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["alert"]["id"].clone())
            .collect();
        (ids.len() >= 3).then_some(ids)
    })
    .await;
    assert!(letters(&[]).await.contains("  ops: it answers 400"));
    let listed = command(folder.path(), &["list", "--rule", RULE, "--limit", "1"]).await;
    let (first, errors) = (text(&listed.stdout), text(&listed.stderr));
    assert!(first.contains(RULE) && first.lines().count() == 1, "{first} {errors}");
    let failed = "warning: ops: attempt 1 failed at 20";
    assert!(errors.contains(failed) && errors.contains(": it answers 400"), "{errors}");
    let answer = list(&server, "limit=1").await;
    let failure = &answer["receivers"][0]["last_failure"];
    assert_eq!((&failure["attempts"], failure.get("next_attempt")), (&1.into(), None), "{answer}");

    let tested = command(folder.path(), &["test", "ops"]).await;
    assert_eq!(tested.status.code(), Some(1), "{tested:?}");
    assert!(text(&tested.stdout).contains("refuses the alert: it answers 400"), "{tested:?}");
    *hook.status.lock() = StatusCode::OK;
    let tested = command(folder.path(), &["test"]).await;
    assert!(
        tested.status.success() && text(&tested.stdout).contains("took the alert"),
        "{tested:?}"
    );
    let is_test = |alert: &Value| alert["rule"].as_str().is_some_and(|rule| rule.contains("TEST"));
    assert!(hook.got.lock().iter().any(is_test));

    // The server still runs.
    let retried = command(folder.path(), &["retry"]).await;
    assert!(retried.status.success(), "{retried:?}");
    assert_eq!(letters(&[]).await, "no alert that did not arrive\n");
    let arrived = hook.ids();
    assert!(ids.iter().all(|id| arrived.iter().any(|one| id == one.as_str())), "each has arrived");
    server.stop().await;
    let again = command(folder.path(), &["retry"]).await;
    assert_eq!(text(&again.stdout), "no alert that did not arrive\n", "{again:?}");
    let down = command(folder.path(), &["list"]).await;
    assert_eq!(down.status.code(), Some(1));
    assert!(text(&down.stderr).contains("does not answer"), "{down:?}");
    sim.shutdown().await;
}
