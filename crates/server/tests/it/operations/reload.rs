//! Another configuration without a restart.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use config::{CompatProfile, Config};
use serde_json::Value;
use server::app::{Mode, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Error;

use crate::harness::{PATIENCE, Socket, eventually, logs, next_json, reads_all};
use crate::operations::process::PROGRAM;
use crate::program::Process;

const RELOADS: usize = 100;
const CLIENTS: usize = 20;

/// Two settings that can be seen in one answer: whose message greets, and whether it may be
/// compressed.
fn edition(base: &Config, number: usize) -> Config {
    let first = number.is_multiple_of(2);
    let mut config = base.clone();
    config.compat_profile = if first { CompatProfile::Rust } else { CompatProfile::Go };
    config.compression.websocket = first;
    config.protocols.example_json = first;
    config.log_level = if first { "info" } else { "debug" }.to_owned();
    config
}

/// Opens a WebSocket; reports whether compression was negotiated, and whether the Rust server's
/// greeting came.
async fn seen(address: SocketAddr) -> (bool, bool) {
    let mut tcp = TcpStream::connect(address).await.expect("it listens");
    let request = "GET /domains-only HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    tcp.write_all(request.as_bytes()).await.expect("it takes it");
    let mut answer = Vec::new();
    // The head, and the beginning of the first message, whatever that is.
    let end = |answer: &[u8]| answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    while end(&answer).is_none_or(|end| answer.len() < end + 4 + 32) {
        let mut bytes = [0; 512];
        let read = tokio::time::timeout(PATIENCE, tcp.read(&mut bytes)).await.expect("in time");
        let read = read.expect("an open connection");
        assert!(read > 0, "closed: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&bytes[..read]);
    }
    let text = String::from_utf8_lossy(&answer).to_lowercase();
    assert!(text.starts_with("http/1.1 101"), "{text}");
    let first_frame = &answer[end(&answer).expect("an end") + 4..];
    // A heartbeat is never compressed, and the Rust server's is the first message of all.
    let greeted = first_frame.starts_with(b"\x81\x1c{\"message_type\":\"heartbeat\"");
    (text.contains("sec-websocket-extensions"), greeted)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_reloads_under_load_disconnect_nobody_and_mix_no_configurations() {
    let sim = logs(ctsim::Config {
        rfc6962: 1,
        static_ct: 1,
        rate: 200.0,
        initial_size: 300,
        publish_interval: Duration::from_millis(50),
        ..ctsim::Config::default()
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let base = reads_all(&sim, &folder);
    let server = Server::start(edition(&base, 0), Mode::Serve).await.expect("it starts");
    let address = server.address().expect("bound");
    let level = Arc::new(AtomicUsize::new(0));
    let set = Arc::clone(&level);
    let reloads = server.reloads(Arc::new(move |_: &str| {
        set.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }));
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _told = stopped.await;
    }));

    // Clients that were there before see every message, in order and without a gap.
    let over = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let url = format!("ws://{address}/?compat=calidog");
        let mut socket = tokio_tungstenite::connect_async(url).await.expect("accepted").0;
        let over = Arc::clone(&over);
        clients.push(tokio::spawn(async move {
            let mut last: Option<u64> = None;
            let mut after = 0;
            while after < 10 {
                let message = next_json(&mut socket).await;
                let offset = message["offset"].as_u64().expect("a certificate");
                assert!(last.is_none_or(|last| offset == last + 1), "{last:?} then {offset}");
                last = Some(offset);
                after += usize::from(over.load(Ordering::Relaxed));
            }
        }));
    }
    // Requests that begin meanwhile see one edition or the other, never a part of each.
    let mut requests = Vec::new();
    for _ in 0..4 {
        let over = Arc::clone(&over);
        requests.push(tokio::spawn(async move {
            let mut kinds = BTreeSet::new();
            while !over.load(Ordering::Relaxed) {
                let (compressed, greeted) = seen(address).await;
                assert_eq!(compressed, greeted, "torn");
                kinds.insert(compressed);
            }
            kinds
        }));
    }
    for number in 1..=RELOADS {
        let (reloads, config) = (reloads.clone(), edition(&base, number));
        let applied = tokio::task::spawn_blocking(move || reloads.apply(&config)).await;
        assert_eq!(applied.expect("no panic").expect("it can be used"), [""; 0]);
        // Some requests in between, however fast the machine is.
        let (compressed, greeted) = seen(address).await;
        assert_eq!((compressed, greeted), (number % 2 == 0, number % 2 == 0), "{number}");
    }
    over.store(true, Ordering::Relaxed);
    let mut kinds = BTreeSet::new();
    for request in requests {
        kinds.extend(request.await.expect("no torn state"));
    }
    assert_eq!(kinds, BTreeSet::from([false, true]), "both editions were seen");
    for client in clients {
        client.await.expect("not dropped");
    }
    assert_eq!(level.load(Ordering::Relaxed), RELOADS);
    let metrics = reqwest::get(format!("http://{address}/metrics")).await.expect("an answer");
    let metrics = metrics.text().await.expect("text");
    assert!(metrics.contains(&format!("certstream_config_reloads_total {RELOADS}")), "{metrics}");
    stop.send(()).expect("it runs");
    running.await.expect("no panic").expect("ends well");
    assert!(reloads.apply(&base).is_err(), "there is no server any more");
}

/// A stream of a client with this token, or the status that refuses it.
async fn stream(address: SocketAddr, token: &str) -> Result<Socket, u16> {
    match tokio_tungstenite::connect_async(format!("ws://{address}/?token={token}")).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_limits_and_tokens_apply_at_once_and_disconnect_nobody() {
    let sim = logs(ctsim::Config { rate: 100.0, ..ctsim::Config::default() }).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    config.auth.enabled = true;
    config.auth.query_token = true;
    config.auth.tokens = ["old"].into_iter().collect();
    config.connection_limit.enabled = true;
    config.connection_limit.max_connections = 3;
    let server = Server::start(config.clone(), Mode::Serve).await.expect("it starts");
    let address = server.address().expect("bound");
    let reloads = server.reloads(Arc::new(|_: &str| Ok(())));
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _told = stopped.await;
    }));
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(stream(address, "old").await.expect("there is room"));
    }
    assert_eq!(stream(address, "old").await.err(), Some(429));
    assert_eq!(stream(address, "new").await.err(), Some(401));

    config.auth.tokens = ["new"].into_iter().collect();
    config.connection_limit.max_connections = 2;
    reloads.apply(&config).expect("it can be used");
    assert_eq!(stream(address, "old").await.err(), Some(401));
    assert_eq!(stream(address, "new").await.err(), Some(429), "three are more than two");
    for stream in &mut streams {
        next_json(stream).await;
    }
    // Two leave: one place of the two is free again, and only one.
    streams.truncate(1);
    let free = async || stream(address, "new").await.ok();
    streams.push(eventually("a place is free", free).await);
    assert_eq!(stream(address, "new").await.err(), Some(429));

    config.connection_limit.max_connections = 12;
    reloads.apply(&config).expect("it can be used");
    for number in 0..10 {
        streams.push(stream(address, "new").await.unwrap_or_else(|_| panic!("place {number}")));
    }
    assert_eq!(stream(address, "new").await.err(), Some(429));
    for stream in &mut streams {
        next_json(stream).await;
    }
    stop.send(()).expect("it runs");
    running.await.expect("no panic").expect("ends well");
}

/// Returns a configuration for tests of the program: simulated logs, and further settings.
fn file(sim: &ctsim::Sim, key: &std::path::Path, more: &str) -> String {
    format!(
        "protocols: {{api: true}}\nhot_reload: {{enabled: true}}\n{more}\n\
         ct_log:\n  log_list_url: \"{}\"\n  log_list_key_file: \"{}\"\n  log_refresh_interval_secs: 0\n",
        sim.list_url(),
        key.display()
    )
}

async fn metric(process: &Process, name: &str) -> u64 {
    let answer = reqwest::get(format!("http://{}/metrics", process.address)).await;
    let text = answer.expect("an answer").text().await.expect("text");
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {name}: {text}"))
}

async fn count_is(process: &Process, name: &str, expected: u64) {
    eventually(name, async || (metric(process, name).await == expected).then_some(())).await;
}

const RELOADED: &str = "certstream_config_reloads_total";
const FAILED: &str = "certstream_config_reload_failures_total";

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_reloaded_on_change_and_sighup_and_an_invalid_one_is_ignored() {
    let sim = logs(ctsim::Config {
        rfc6962: 1,
        static_ct: 1,
        rate: 0.0,
        initial_size: 50,
        ..ctsim::Config::default()
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("list.pem");
    std::fs::write(&key, sim.list_key_pem()).expect("writable");
    let first = file(&sim, &key, "");
    let process = tokio::task::block_in_place(|| Process::start(&first, &[], &[]));
    let write = |text: &str| {
        let new = process.file().with_extension("new");
        std::fs::write(&new, text).expect("writable");
        std::fs::rename(new, process.file()).expect("renamed");
    };
    let names = async || -> Vec<String> {
        let answer = reqwest::get(format!("http://{}/api/logs", process.address)).await;
        let answer: Value = answer.expect("an answer").json().await.expect("JSON");
        let logs = answer["logs"].as_array().expect("an array").iter();
        logs.map(|log| log["name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    eventually("both logs are followed", async || (names().await.len() == 2).then_some(())).await;
    let left = sim.logs()[0].description().to_owned();

    // Log exclusions, configured logs, the log level, and a setting that requires a restart.
    let configured =
        format!("custom_logs: [{{name: configured, url: \"{}\"}}]", sim.logs()[0].url());
    let more = format!("log_level: debug\nmax_message_bytes: 2MiB\n{configured}");
    write(&format!("{}  exclude: [\"{left}\"]\n", file(&sim, &key, &more)));
    eventually("the logs are other ones", async || {
        let names = names().await;
        (names.len() == 2 && names.contains(&"configured".to_owned())).then_some(())
    })
    .await;
    count_is(&process, RELOADED, 1).await;
    let wait = |text: &str| tokio::task::block_in_place(|| process.wait_for_line(text));
    assert!(wait("require a restart").contains("max_message_bytes"));
    wait("DEBUG");

    // What cannot be used: a value, a key file, a combination. Said with file and line.
    write(&file(&sim, &key, "port: http"));
    count_is(&process, FAILED, 1).await;
    let line = wait("the previous one stays in use");
    assert!(line.contains("config.yaml:3:7: port: expected a whole number"), "{line}");
    write(&file(&sim, &folder.path().join("nowhere.pem"), ""));
    count_is(&process, FAILED, 2).await;
    wait("ct_log.log_list_key_file: cannot read");
    assert!(names().await.contains(&"configured".to_owned()), "nothing has changed");
    assert_eq!(metric(&process, RELOADED).await, 1);

    // Without hot_reload only the signal counts.
    write(&first.replace("hot_reload: {enabled: true}", "hot_reload: {enabled: false}"));
    count_is(&process, RELOADED, 2).await;
    eventually("the list's logs are back", async || names().await.contains(&left).then_some(()))
        .await;
    write(&file(&sim, &key, "custom_logs: []"));
    process.signal(rustix::process::Signal::HUP);
    count_is(&process, RELOADED, 3).await;
    tokio::task::block_in_place(|| process.stop());
}

#[test]
fn each_receiver_without_encryption_is_named_once_at_the_start_and_at_a_reload() {
    let hook = |number| {
        format!("    - {{name: r{number}, type: ntfy, url: 'http://a{number}.example/s3cret'}}\n")
    };
    let mail = "    - {name: mail, type: email, smtp_server: 'mail.example:25', smtp_security: none, \
                from: a@b.example, to: c@d.example}\n";
    let hooks: String = (0..4).map(hook).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!(
        "data_dir: {:?}\nalerts:\n  rules: [{{name: a, domain: a.example}}]\n  receivers:\n{hooks}{mail}",
        folder.path().join("data"),
    );
    let process = Process::start(&text, &[], &["--dry-run"]);
    let counts = || {
        let lines = process.lines();
        assert!(!lines.iter().any(|line| line.contains("s3cret")), "{lines:#?}");
        ["(r0)", "(r1)", "(r2)", "(r3)", "(mail)"].map(|name| {
            let is_warning = |line: &&String| {
                line.contains("WARN") && line.contains(name) && line.contains("without encryption")
            };
            lines.iter().filter(is_warning).count()
        })
    };
    assert_eq!(counts(), [1; 5]);
    process.signal(rustix::process::Signal::HUP);
    process.wait_for_line("configuration reloaded");
    assert_eq!(counts(), [2; 5]);
    process.stop();

    let file = folder.path().join("config.yaml");
    std::fs::write(&file, text).expect("writable");
    for mode in ["--validate-config", "--dry-run"] {
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(&file).args(["--port=0", "--strict", mode]).env_clear();
        let output = command.output().expect("it runs");
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(
            said.contains("--strict treats") && said.contains("(mail): alerts are sent"),
            "{said}"
        );
    }
}
