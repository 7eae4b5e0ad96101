//! Configurations of other servers start a server that sends what those send, and a demonstration
//! has what the documentation shows.

use futures_util::StreamExt as _;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{PATIENCE, Socket, eventually, logs};
use crate::operations::process::free_port;
use crate::program::Process;

/// Entries that each log gains while clients listen.
const GROWTH: u64 = 30;
/// Entries of each log at the start.
const INITIAL: u64 = 300;
/// The index at which the other server stopped reading.
const SAVED: u64 = 250;

const GO: &str = include_str!("../../../../config/src/tests/go_server.yaml");
const RUST: &str = include_str!("../../../../config/src/tests/rust_server.yaml");

/// Two logs that hold the same entries.
async fn twins() -> [ctsim::Sim; 2] {
    let simulated = ctsim::Config {
        rfc6962: 1,
        static_ct: 0,
        rate: 0.0,
        initial_size: INITIAL,
        epoch: Some(1_795_000_000_000),
        ..ctsim::Config::default()
    };
    [logs(simulated.clone()).await, logs(simulated).await]
}

async fn connect(server: &Process, path: &str) -> Socket {
    let url = format!("ws://{}{path}", server.address);
    tokio_tungstenite::connect_async(url).await.expect("the server accepts").0
}

/// The next certificates with an index from `first` on, byte for byte.
async fn certificates(socket: &mut Socket, first: u64, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        let frame = tokio::time::timeout(PATIENCE, socket.next()).await.expect("in time");
        let Message::Text(text) = frame.expect("open").expect("no error") else { continue };
        let message: Value = serde_json::from_str(&text).expect("JSON");
        if message["data"]["cert_index"].as_u64().is_some_and(|index| index >= first) {
            texts.push(text.to_string());
        }
    }
    texts
}

/// Starts a server with a file and compares what clients get that choose no profile with what clients
/// get that choose `profile`.
async fn sends_as(profile: &str, file: &str, lite: &str, flags: &[&str], copies: u64) {
    let sims = twins().await;
    let urls = sims.each_ref().map(|sim| sim.logs()[0].url().to_owned());
    let file = file.replace("FIRST", &urls[0]).replace("SECOND", &urls[1]);
    let server = Process::start(&file, &[], flags);
    let logs = sims.each_ref().map(|sim| &sim.logs()[0]);
    compare(&server, profile, lite, &logs, (2, copies)).await;
    server.stop();
    for sim in sims {
        sim.shutdown().await;
    }
}

/// Lets logs grow and compares the messages of the new entries under the server's own profile with
/// those under `profile`. `at_head` logs start at their head; each certificate comes `copies` times.
async fn compare(
    server: &Process,
    profile: &str,
    lite: &str,
    logs: &[&ctsim::LogHandle],
    (at_head, copies): (usize, u64),
) {
    eventually("the logs that start at their head are read", async || {
        let lines = server.lines();
        let started = lines.iter().filter(|line| line.contains("reading from entry")).count();
        (started == at_head).then_some(())
    })
    .await;
    let mut chosen = connect(server, &format!("{lite}?compat={profile}")).await;
    let mut other = connect(server, &format!("{lite}?compat=calidog")).await;
    let mut default = connect(server, lite).await;
    for log in logs {
        log.grow(GROWTH).expect("grows");
    }
    let count = usize::try_from(GROWTH * copies).expect("small");
    let expected = certificates(&mut chosen, INITIAL, count).await;
    assert_eq!(certificates(&mut default, INITIAL, count).await, expected);
    assert_ne!(certificates(&mut other, INITIAL, count).await, expected);
    let ends = expected.iter().filter(|text| text.ends_with('\n')).count();
    assert_eq!(ends, if profile == "go" { count } else { 0 }, "the newline of the Go server");
    assert!(expected.iter().all(|text| !text.contains("\"offset\"")));
}

/// Four logs with the same certificates: two of each protocol.
async fn quartet() -> ctsim::Sim {
    logs(ctsim::Config {
        rfc6962: 2,
        static_ct: 2,
        copies: 4,
        rate: 0.0,
        initial_size: INITIAL,
        ..ctsim::Config::default()
    })
    .await
}

/// Replaces each text, which must be there, everywhere.
fn adapted(sample: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(sample.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from:?} is not in the sample");
        text.replace(from, to)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_configuration_and_index_of_certstream_server_go_send_its_messages() {
    let sim = quartet().await;
    let logs = sim.logs();
    let [first, second, tiled] = [0, 1, 2].map(|log| logs[log].url().trim_end_matches('/'));
    let folder = tempfile::tempdir().expect("a folder");
    let index = folder.path().join("ct_index.json");
    let key = first.trim_start_matches("http://");
    std::fs::write(&index, format!("{{\n \"{key}\": {SAVED}\n}}")).expect("writable");
    let file = adapted(
        GO,
        &[
            ("https://ct.example/one/", first),
            ("ct.example/two", second),
            ("https://tiles.example/one/", tiled),
            ("/data/ct_index.json", &index.display().to_string()),
            ("listen_port: 8082", &format!("listen_port: {}", free_port())),
        ],
    );
    let server = Process::start(&file, &[], &[]);
    server.wait_for_line(&format!("resume={SAVED}"));
    compare(&server, "go", "/lite", &[&logs[0], &logs[1], &logs[2]], (2, 3)).await;
    server.stop();
    sim.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_configuration_and_state_of_certstream_server_rust_send_its_messages() {
    let sim = quartet().await;
    let logs = sim.logs();
    let origin = logs[2].origin().expect("a static log");
    let [custom, tiled] = [0, 2].map(|log| logs[log].url().trim_end_matches('/'));
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("certstream_state.json");
    let saved = serde_json::json!({"version": 1, "logs": {custom: {
        "current_index": SAVED, "tree_size": INITIAL, "last_success": 1_790_000_000,
    }}});
    std::fs::write(&state, saved.to_string()).expect("writable");
    let file = adapted(
        RUST,
        &[
            ("https://ct.example/one\", batch_size", &format!("{custom}\", batch_size")),
            ("https://tiles.example/two", tiled),
            ("log_origin: tiles.example/two", &format!("log_origin: {origin}")),
            ("certstream_state.json", &state.display().to_string()),
            ("[https://valid.apple.com/ct/log_list/current_log_list.json]", "[]"),
        ],
    );
    // The line to add, which the start names.
    let file = format!("{file}compat_profile: rust\n");
    let server = Process::start(&file, &[], &["--ct-log-disable-default-logs"]);
    server.wait_for_line(&format!("resume={SAVED}"));
    compare(&server, "rust", "/", &[&logs[0], &logs[2]], (1, 1)).await;
    server.stop();
    sim.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_certstream_server_go_starts_a_server_with_its_messages() {
    let file = "webserver: {listen_port: 8082, lite_url: /lite}\n\
                general:\n  disable_default_logs: true\n  additional_logs:\n\
                \x20   - {url: FIRST, operator: Example, description: First}\n\
                \x20   - {url: SECOND, operator: Example, description: Second}\n";
    sends_as("go", file, "/lite", &[], 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_certstream_server_rust_needs_the_line_that_the_start_names() {
    let file = "compat_profile: rust\nprotocols: {websocket: true}\ncustom_logs:\n\
                - {name: First, url: FIRST}\n- {name: Second, url: SECOND}\n";
    let flags = ["--ct-log-disable-default-logs"];
    sends_as("rust", file, "/", &flags, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_names_the_profile_and_the_line_to_add() {
    let server = Process::start("protocols: {sse: false}\n", &[], &["--dry-run"]);
    let line = server.wait_for_line("messages: profile");
    assert!(
        line.contains("calidog, by default") && line.contains("`compat_profile: rust`"),
        "{line}"
    );
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_has_the_api_accepts_settings_and_issues_for_example_org() {
    let server = Process::start("stats: {url: /numbers}\n", &[], &["--demo", "--streams-full=off"]);
    server
        .wait_for_line(&format!("demo: open http://{}/ (simulated certificates)", server.address));
    assert!(!server.lines().iter().any(|line| line.contains("alarms will not be saved")));
    let get = async |path: &str| {
        let answer = reqwest::get(format!("http://{}{path}", server.address)).await;
        answer.expect("the server answers").status().as_u16()
    };
    for (path, status) in [("/api/logs", 200), ("/numbers", 200), ("/full-stream", 404)] {
        assert_eq!(get(path).await, status, "{path}");
    }
    let mut socket = connect(&server, "/?domain=example.org").await;
    for text in certificates(&mut socket, 0, 2).await {
        let message: Value = serde_json::from_str(&text).expect("JSON");
        let names = &message["data"]["leaf_cert"]["all_domains"];
        assert_eq!(*names, serde_json::json!(["example.org", "www.example.org"]));
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_route_answers_with_its_setting() {
    let server = Process::start("streams: {full: false}\n", &[], &["--dry-run"]);
    for (path, expected) in [
        ("/sse", "enable it with protocols.sse: true (--protocols-sse)"),
        ("/api/logs", "enable it with protocols.api: true (--protocols-api)"),
        ("/full-stream", "enable it with streams.full: true (--streams-full)"),
    ] {
        let answer = reqwest::get(format!("http://{}{path}", server.address)).await;
        let answer = answer.expect("the server answers");
        assert_eq!(answer.status().as_u16(), 404, "{path}");
        let body: Value = answer.json().await.expect("JSON");
        assert_eq!(body["error"], "Not Found", "{path}");
        assert!(body["hint"].as_str().expect("a hint").contains(expected), "{path}: {body}");
    }
    let nothing = reqwest::get(format!("http://{}/nothing", server.address)).await;
    let body = nothing.expect("the server answers").text().await.expect("text");
    assert_eq!(body, r#"{"error":"Not Found"}"#);
    server.stop();
}
