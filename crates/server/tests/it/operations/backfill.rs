//! Entries that are missing: listed, read later, and left out of streams that do not ask for them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use config::{BackfillCommand, Config, LogsCommand, Verification};
use ctsim::fault::{Fault, PageFault, Scope, Times};
use ctsim::{Endpoint, LogHandle, Sim};
use serde_json::{Value, json};
use server::commands::{backfill, logs as logs_command};
use tempfile::TempDir;

use crate::harness::{Running, Socket, eventually, logs, next_json, reads_all};
use crate::operations::kills::first_seen::{expected, records};
use crate::operations::process::PROGRAM;
use crate::program::Process;

/// Entries that each log has at the start.
const READ: u64 = 10;
/// Entries that each gains while no server runs, and that are skipped.
const SKIPPED: u64 = 400;
const END: u64 = READ + SKIPPED;

async fn simulated(rfc6962: usize, static_ct: usize, page_limit: u64) -> Sim {
    logs(ctsim::Config {
        rfc6962,
        static_ct,
        copies: 2,
        rate: 0.0,
        initial_size: READ,
        page_limit,
        publish_interval: Duration::from_millis(20),
        ..ctsim::Config::default()
    })
    .await
}

/// Has a server skip entries of all logs, and stops it.
async fn skip(sim: &Sim, config: &Config) {
    let server = Running::start(config.clone()).await;
    for log in sim.logs() {
        let is_read = async || (next_index(server.address, log).await? == READ).then_some(());
        eventually("the log is read", is_read).await;
    }
    server.stop().await;
    for log in sim.logs() {
        log.grow(SKIPPED).expect("grows");
    }
    let mut limited = config.clone();
    limited.ct_log.max_catchup_lag_entries = 100;
    limited.ct_log.start_overlap_leaves = 0;
    let server = Running::start(limited).await;
    for log in sim.logs() {
        lacks(server.address, log, &skipped(READ)).await;
    }
    server.stop().await;
}

async fn of_log(address: SocketAddr, log: &LogHandle) -> Option<Value> {
    let answer = reqwest::get(format!("http://{address}/api/logs")).await.ok()?;
    let mut answer: Value = answer.json().await.ok()?;
    let logs = answer["logs"].as_array_mut()?;
    let found = logs.iter_mut().find(|each| each["name"] == log.description())?;
    Some(found.take())
}

async fn next_index(address: SocketAddr, log: &LogHandle) -> Option<u64> {
    of_log(address, log).await?["current_index"].as_u64()
}

/// Waits until the API has these missing ranges of a log.
async fn lacks(address: SocketAddr, log: &LogHandle, expected: &Value) {
    let what = format!("{expected} of {} is missing", log.description());
    let is_so = async || (of_log(address, log).await?["missing"] == *expected).then_some(());
    eventually(&what, is_so).await;
}

fn skipped(first: u64) -> Value {
    json!([{"first": first, "end": END, "reason": "skipped"}])
}

/// Does the command, and returns what it prints at the end.
async fn read(config: &Config, logs: &[&str]) -> Result<String, String> {
    let logs = logs.iter().map(|log| (*log).to_owned()).collect();
    let (config, command) = (config.clone(), BackfillCommand { logs, directory: None });
    let read = tokio::task::spawn_blocking(move || backfill::run(&config, &command, |_| {}));
    read.await.expect("no panic").map_err(|error| format!("{error:#}"))
}

fn journal_verify(folder: &Path) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(["journal", "verify"]).arg(folder).env_clear();
    command.output().expect("the program runs")
}

/// Waits until a search for a log finds its entries that were skipped, each once.
async fn are_found(server: &Running, log: &LogHandle) {
    let name = log.description().replace(' ', "%20");
    let path = format!("/api/search?log={name}&order=oldest&limit=1000");
    eventually("what was skipped is found", async || {
        let page: Value = server.get(&path).await.json().await.ok()?;
        let indexes =
            page["results"].as_array()?.iter().filter(|one| one["source"] == *log.description());
        let indexes = indexes.filter_map(|one| one["cert_index"].as_u64());
        indexes.filter(|index| (READ..END).contains(index)).eq(READ..END).then_some(())
    })
    .await;
}

/// Returns the files of the indexes of a journal.
fn indexes(data_dir: &Path) -> Vec<PathBuf> {
    let streams = std::fs::read_dir(data_dir).expect("a folder").flatten();
    let folders = streams.filter_map(|stream| std::fs::read_dir(stream.path()).ok());
    let files = folders.flatten().flatten().map(|file| file.path());
    files.filter(|path| path.extension() == Some("index".as_ref())).collect()
}

/// Returns the version of an index; none while there is none.
fn version(path: &Path) -> Option<u32> {
    let bytes = std::fs::read(path).ok()?;
    bytes.get(8..12)?.first_chunk().copied().map(u32::from_le_bytes)
}

/// Makes an index one of another version, with the checksum of its header.
fn set_version(path: &Path, version: u32) {
    let mut bytes = std::fs::read(path).expect("an index");
    bytes[8..12].copy_from_slice(&version.to_le_bytes());
    let crc = crc32c(&bytes[..68]);
    bytes[68..72].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(path, bytes).expect("writable");
}

fn crc32c(bytes: &[u8]) -> u32 {
    let shift = |crc: u32| (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
    let add = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| shift(crc));
    !bytes.iter().fold(!0, add)
}

/// Reads the messages up to the one of the last entry, and returns those that are backfilled.
async fn backfilled(socket: &mut Socket, last: u64) -> Vec<Value> {
    let mut messages = Vec::new();
    loop {
        let message = next_json(socket).await;
        if message["backfilled"] == true {
            messages.push(message);
        } else if message["data"]["cert_index"] == last {
            return messages;
        }
    }
}

/// Checks that messages are those of all skipped entries in order, each once.
fn are_skipped(messages: &[Value]) {
    let indexes = messages.iter().map(|message| message["data"]["cert_index"].as_u64());
    assert!(indexes.eq((READ..END).map(Some)));
    assert!(messages.is_sorted_by_key(|message| message["offset"].as_u64()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_read_later_and_shown_to_those_who_ask() {
    let sim = simulated(1, 1, 100).await;
    let folder = TempDir::new().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    config.data_dir = Some(folder.path().join("data"));
    config.protocols.api = true;
    // Too few to recognise what the other log has: only the journal knows.
    config.dedup.enabled = true;
    config.dedup.capacity = 10;
    skip(&sim, &config).await;
    let server = Running::start(config.clone()).await;
    let [one, other] = sim.logs() else { panic!("two logs") };
    let mut live = server.connect("/").await;
    let mut asking = server.connect("/?backfilled=true").await;
    let listed = read(&config, &[]).await.expect("lists");
    assert!(listed.contains("400 entries are missing\n  10 to 409: skipped"), "{listed}");
    let unknown = read(&config, &["no such log"]).await.expect_err("there is none");
    assert!(unknown.contains("there is no log named"), "{unknown}");

    let told = |log: &LogHandle| {
        format!("{}: 400 entries read, none is missing any more", log.description())
    };
    assert_eq!(read(&config, &[one.description()]).await, Ok(told(one)));
    lacks(server.address, one, &json!([])).await;
    lacks(server.address, other, &skipped(READ)).await;
    // The other log has the same certificates: they are not published again.
    assert_eq!(read(&config, &[other.url()]).await, Ok(told(other)));
    lacks(server.address, other, &json!([])).await;
    let nothing = read(&config, &[other.url()]).await.expect_err("nothing is missing");
    assert!(nothing.contains("no entry is missing"), "{nothing}");
    for (log, index) in [(one, 17), (other, 17), (one, 409)] {
        let id = log.log_id().to_string().replace('+', "-").replace('/', "_");
        let found = server.look_up(&format!("/api/entry/{id}/{index}")).await;
        assert_eq!(found.status(), 200, "entry {index} of {}", log.description());
    }

    are_found(&server, one).await;

    one.grow(1).expect("grows");
    let next = next_json(&mut live).await;
    assert_eq!((&next["data"]["cert_index"], next.get("backfilled")), (&json!(END), None));
    let shown = backfilled(&mut asking, END).await;
    are_skipped(&shown);
    let mut again = server.connect("/?since=0&backfilled=true").await;
    assert_eq!(backfilled(&mut again, END).await, shown);
    let mut unasked = server.connect("/?since=0").await;
    assert!(backfilled(&mut unasked, END).await.is_empty());
    drop((live, asking, again, unasked));
    server.stop().await;
    let verified = journal_verify(&folder.path().join("data"));
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    // An index of an earlier version does not list the logs of what is backfilled.
    let indexes = indexes(&folder.path().join("data"));
    let current = indexes.first().and_then(|path| version(path));
    assert!(current.is_some_and(|current| current > 2), "{current:?}");
    indexes.iter().for_each(|path| set_version(path, 2));
    let server = Running::start(config).await;
    are_found(&server, one).await;
    eventually("the indexes are made again", async || {
        indexes.iter().all(|path| version(path) == current).then_some(())
    })
    .await;
    are_found(&server, one).await;
    server.stop().await;
}

/// The server is killed while it waits to read the rest; the command continues by itself.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_a_kill_is_kept() {
    let sim = simulated(1, 0, 10).await;
    let log = &sim.logs()[0];
    let folder = TempDir::new().expect("a folder");
    let (key, data_dir) = (folder.path().join("key.pem"), folder.path().join("data"));
    std::fs::write(&key, sim.list_key_pem()).expect("writable");
    let mut config = reads_all(&sim, &folder);
    config.data_dir = Some(data_dir.clone());
    config.protocols.api = true;
    skip(&sim, &config).await;
    let file = format!(
        "data_dir: {data_dir:?}\nprotocols: {{api: true}}\ndedup: {{enabled: false}}\n\
         ct_log: {{log_list_url: {:?}, log_list_key_file: {key:?}, start: zero, \
         poll_interval_ms: 50, retry_max_attempts: 1, retry_initial_delay_ms: 60000, \
         retry_max_delay_ms: 60000}}\n",
        sim.list_url()
    );
    let server = Process::start(&file, &[], &[]);
    lacks(server.address, log, &skipped(READ)).await;
    let configuration = folder.path().join("config.yaml");
    std::fs::write(&configuration, &file).expect("writable");
    let command = || {
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(&configuration).args(["backfill", "--log", log.description()]);
        tokio::task::spawn_blocking(move || command.env_clear().output().expect("the program runs"))
    };
    let requests = || log.stats().requests(Endpoint::GetEntries);
    let before = requests();
    let slow = Fault::Delay(Duration::from_millis(50));
    log.faults().inject(Scope::Entries, slow, Times::UntilCleared);
    let asking = command();
    let some = async || (requests() >= before + 8).then_some(());
    eventually("some entries are read", some).await;
    log.faults().inject(Scope::Entries, Fault::HangUp, Times::UntilCleared);
    eventually("some entries are committed", async || {
        let missing = &of_log(server.address, log).await?["missing"];
        (missing[0]["first"].as_u64()? > READ).then_some(())
    })
    .await;
    drop(server); // SIGKILL
    let stopped = asking.await.expect("no panic");
    let errors = String::from_utf8_lossy(&stopped.stderr);
    assert!(!stopped.status.success() && errors.contains("run the command again"), "{errors}");
    log.faults().clear();

    let continued = command().await.expect("no panic");
    let text = String::from_utf8_lossy(&continued.stdout);
    let errors = String::from_utf8_lossy(&continued.stderr);
    assert!(text.ends_with(" entries read, none is missing any more\n"), "{text}{errors}");
    assert!(!text.contains(": 400 entries read, none"), "{text}");
    // Domains are new there as in a server.
    let records = records(&data_dir);
    let marked = records.iter().filter(|(_, (_, is_new))| *is_new).map(|(offset, _)| *offset);
    assert_eq!(marked.collect::<BTreeSet<u64>>(), expected(&records).1);
    let verified = journal_verify(&data_dir);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));

    let server = Running::start(config).await;
    lacks(server.address, log, &json!([])).await;
    log.grow(1).expect("grows");
    let mut socket = server.connect("/?since=0&backfilled=true").await;
    are_skipped(&backfilled(&mut socket, END).await);
    server.stop().await;
}

/// Returns the kinds of the alarms of a log.
async fn alarms(address: SocketAddr, log: &LogHandle) -> Vec<String> {
    let found = of_log(address, log).await.expect("the API answers");
    let alarms = found["alarms"].as_array().expect("a list").iter();
    alarms.map(|alarm| alarm["kind"].as_str().expect("a kind").to_owned()).collect()
}

/// An entry that is another one than the log has signed, and then a tree that is not the continuation of
/// the one that was committed.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_contradicts_itself_raises_an_alarm_with_evidence() {
    for (rfc6962, static_ct) in [(1, 0), (0, 1)] {
        let sim = simulated(rfc6962, static_ct, 100).await;
        let log = &sim.logs()[0];
        let folder = TempDir::new().expect("a folder");
        let mut config = reads_all(&sim, &folder);
        config.data_dir = Some(folder.path().join("data"));
        config.protocols.api = true;
        skip(&sim, &config).await;
        let evidence = || {
            let kept = std::fs::read_dir(folder.path().join("data/evidence"));
            kept.map_or(0, Iterator::count)
        };

        let server = Running::start(config.clone()).await;
        // With them the tree is committed.
        log.grow(5).expect("grows");
        let is_read = async || (next_index(server.address, log).await? == END + 5).then_some(());
        eventually("more is read", is_read).await;
        let flip = Fault::Page(PageFault::FlipLeaf { index: Some(17) });
        log.faults().inject(Scope::Entries, flip, Times::UntilCleared);
        // The second time the alarm is open.
        for _ in 0..2 {
            let error = read(&config, &[log.description()]).await.expect_err("it differs");
            let told = "entry 17 differs from the one that the log signed";
            assert!(error.contains(told), "{error}");
            assert_eq!(alarms(server.address, log).await, ["mismatch"]);
            assert_eq!(evidence(), 1);
        }
        lacks(server.address, log, &skipped(READ)).await;
        server.stop().await;
        log.faults().clear();

        let mut strict = config.clone();
        strict.verification = Verification::Enforce;
        let stopped = read(&strict, &[log.description()]).await.expect_err("an alarm is open");
        assert!(stopped.contains("stopped by an alarm"), "{stopped}");
        log.faults().inject(Scope::Every, Fault::Fork { shared: 100 }, Times::UntilCleared);
        for _ in 0..2 {
            let error = read(&config, &[log.description()]).await.expect_err("another tree");
            assert!(error.contains("is not the beginning of the one of 415 entries"), "{error}");
            assert_eq!(evidence(), 2);
        }
        let listed = logs_command::run(&config, &LogsCommand::List).expect("lists");
        let kinds = [" mismatch: ", " fork: "].map(|kind| listed.matches(kind).count());
        assert_eq!(kinds, [1, 1], "{listed}");
        log.faults().clear();
        let acknowledge = LogsCommand::Acknowledge(vec![log.description().to_owned()]);
        logs_command::run(&config, &acknowledge).expect("no server runs");
        let done = format!("{}: 400 entries read, none is missing any more", log.description());
        assert_eq!(read(&strict, &[log.description()]).await, Ok(done));
    }
}
