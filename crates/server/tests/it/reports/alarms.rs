//! A log that lies: what the operator sees of it, until it is acknowledged.

use std::path::Path;
use std::time::Duration;

use config::{Config, LogsCommand};
use ctsim::fault::{Fault, PageFault, Scope, Times};
use server::commands::logs;

use crate::harness::{Running, eventually, logs as simulate, next_json, reads_all};
use crate::program::Process;

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_in_a_state_file_is_shown_until_it_is_acknowledged() {
    let keep = |config: &mut Config, folder: &Path| {
        config.ct_log.state_file = Some(folder.join("state.json"));
        config.ct_log.resume_overlap_secs = 0;
    };
    an_alarm_is_shown_on_every_route_until_it_is_acknowledged(keep, "state.json.evidence").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_in_a_journal_is_shown_until_it_is_acknowledged() {
    let keep = |config: &mut Config, folder: &Path| config.data_dir = Some(folder.join("data"));
    an_alarm_is_shown_on_every_route_until_it_is_acknowledged(keep, "data/evidence").await;
}

async fn an_alarm_is_shown_on_every_route_until_it_is_acknowledged(
    keep: impl Fn(&mut Config, &Path),
    evidence: &str,
) {
    let sim = simulate(ctsim::Config {
        rfc6962: 1,
        static_ct: 1,
        rate: 0.0,
        initial_size: 300,
        publish_interval: Duration::from_millis(50),
        ..ctsim::Config::default()
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    keep(&mut config, folder.path());
    let log = &sim.logs()[0];
    let flip = Fault::Page(PageFault::FlipLeaf { index: Some(310) });
    log.faults().inject(Scope::Entries, flip, Times::UntilCleared);

    let server = Running::start(config.clone()).await;
    let mut socket = server.connect_from_oldest("/").await;
    let health = async |server: &Running| -> serde_json::Value {
        server.get("/health/deep").await.json().await.expect("JSON")
    };
    let healthy = async || {
        let health = health(&server).await;
        (health["status"] == "healthy" && health["logs_total"] == 2).then_some(health)
    };
    let before = eventually("all is well", healthy).await;
    assert_eq!(before["alarms"], 0);
    for log in sim.logs() {
        log.grow(20).expect("grows");
    }
    // With `report` everything is sent all the same.
    for _ in 0..640 {
        next_json(&mut socket).await;
    }
    let degraded = async |server: &Running| {
        let health = health(server).await;
        (health["status"] == "degraded").then_some(health)
    };
    let alarmed = eventually("the alarm is seen", async || degraded(&server).await).await;
    assert_eq!(alarmed["alarms"], 1);
    let reason = alarmed["reason"].as_str().expect("a reason");
    assert!(reason.contains("entry 310 differs from the one that the log signed"), "{reason}");
    let metric = async |server: &Running, name: &str| {
        let text = server.get("/metrics").await.text().await.expect("text");
        let of_log = format!("certstream_{name}{{log=\"{}\"", log.description());
        let line = text.lines().find(|line| line.starts_with(&of_log));
        let line = line.unwrap_or_else(|| panic!("{of_log} is missing: {text}"));
        line.rsplit(' ').next().expect("a value").to_owned()
    };
    assert_eq!(metric(&server, "log_open_alarms").await, "1");
    assert_eq!(metric(&server, "log_alarms_total").await, "1");
    let kept = std::fs::read_dir(folder.path().join(evidence)).expect("evidence");
    assert_eq!(kept.count(), 1);
    server.stop().await;

    // It outlasts a restart.
    let server = Running::start(config.clone()).await;
    eventually("the alarm is still there", async || degraded(&server).await).await;
    let listed = logs::run(&config, &LogsCommand::List).expect("it is kept");
    assert!(listed.contains("mismatch"), "{listed}");
    let names = vec![log.description().to_owned()];
    let asked = config.clone();
    let acknowledged =
        tokio::task::spawn_blocking(move || logs::run(&asked, &LogsCommand::Acknowledge(names)));
    let told = acknowledged.await.expect("no panic").expect("the server takes it");
    assert_eq!(told, "acknowledged; the running server was notified");
    let over = async || (health(&server).await["alarms"] == 0).then_some(());
    eventually("the alarm is over", over).await;
    assert_eq!(metric(&server, "log_open_alarms").await, "0");
    server.stop().await;
    let listed = logs::run(&config, &LogsCommand::List).expect("a state file");
    assert!(!listed.contains("ALARM"), "{listed}");
}

/// Kills the server right after the log has contradicted itself: nothing is read on, and the alarm is
/// there after the next start, until somebody acknowledges it.
#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_survives_a_crash_and_an_enforced_log_is_not_read_on() {
    let sim = simulate(ctsim::Config {
        rfc6962: 1,
        static_ct: 0,
        rate: 0.0,
        initial_size: 100,
        publish_interval: Duration::from_millis(50),
        ..ctsim::Config::default()
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let (key, data_dir) = (folder.path().join("key.pem"), folder.path().join("data"));
    std::fs::write(&key, sim.list_key_pem()).expect("writable");
    let file = format!(
        "data_dir: {data_dir:?}\nverification: enforce\nprotocols: {{api: true}}\n\
         ct_log: {{log_list_url: {:?}, log_list_key_file: {key:?}, start: zero, \
         poll_interval_ms: 50, partial_tile_wait_ms: 50, retry_initial_delay_ms: 50}}\n",
        sim.list_url()
    );
    let text = async |server: &Process, path: &str| {
        let answer = reqwest::get(format!("http://{}{path}", server.address)).await.ok()?;
        answer.text().await.ok()
    };
    let log = &sim.logs()[0];
    let mut server = Process::start(&file, &[], &[]);
    eventually("the log is read", async || {
        text(&server, "/api/logs").await?.contains("\"current_index\":100,").then_some(())
    })
    .await;
    let flip = Fault::Page(PageFault::FlipLeaf { index: Some(110) });
    log.faults().inject(Scope::Entries, flip, Times::UntilCleared);
    log.grow(20).expect("grows");
    let alarmed = async |server: &Process| {
        text(server, "/health/deep").await?.contains("\"alarms\":1").then_some(())
    };
    for _ in 0..2 {
        eventually("the alarm is raised", async || alarmed(&server).await).await;
        drop(server); // SIGKILL
        server = Process::start(&file, &[], &[]);
    }
    eventually("the alarm is there", async || alarmed(&server).await).await;
    // The log serves the right entries now, and is not read on all the same.
    log.faults().clear();
    server.wait_for_line("stopped by an alarm");
    let index = text(&server, "/api/logs").await.expect("an answer");
    assert!(index.contains("\"current_index\":100,"), "{index}");
    server.stop();
}
