//! Every entry is collected exactly once, whatever happens to the collector and to the server.

use std::collections::BTreeSet;

use crate::harness::{
    Collector, Running, batches, eventually, has_rows, indexes, logs, reads_all, state,
};

#[tokio::test(flavor = "multi_thread")]
async fn every_entry_is_collected_once_and_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = logs(ctsim::Config { rate: 0.0, initial_size: 0, ..Default::default() }).await;
    let server = Running::start(reads_all(&sim, folder.path())).await;
    let collector = Collector::start(folder.path(), &["--url", &url_of(&server), "-b", "300"]);
    collector.logs("connected to").await;
    for log in sim.logs() {
        log.grow(1_000).expect("grows");
    }
    let path = folder.path().join("certstream_data.feather");
    has_rows(&path, 4_000).await;
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    let found = indexes(&batches(&path));
    assert_eq!(found.len(), 4);
    for (name, found) in found {
        assert_eq!(found, (0..1_000).collect::<Vec<_>>(), "{name}");
    }
    let state = state(&path).expect("a file");
    assert_eq!((state.rows, state.gaps.count()), (4_000, 0));
    server.stop().await;
}

fn url_of(server: &Running) -> String {
    format!("ws://{}/", server.address)
}

/// The collector is killed repeatedly, and the server is stopped without saving its position.
#[tokio::test(flavor = "multi_thread")]
async fn every_entry_is_collected_once_despite_kills() {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = logs(ctsim::Config {
        rate: 400.0,
        initial_size: 0,
        max_size: Some(3_000),
        publish_interval: std::time::Duration::from_millis(100),
        ..Default::default()
    })
    .await;
    let mut config = reads_all(&sim, folder.path());
    let server = Running::start(config.clone()).await;
    config.port = server.address.port();
    let url = url_of(&server);
    let path = folder.path().join("certstream_data.feather");
    let start = || Collector::start(folder.path(), &["--url", &url, "-b", "50"]);
    let mut collector = start();
    let rows = || state(&path).map_or(0, |state| state.rows);
    for _ in 0..12 {
        let before = rows();
        eventually("more rows", || (rows() > before || before >= 12_000).then_some(())).await;
        drop(collector); // SIGKILL
        collector = start();
    }
    // The server sends everything again, with new offsets.
    server.stop().await;
    let server = Running::start(config).await;
    has_rows(&path, 12_000).await;
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    for (name, found) in indexes(&batches(&path)) {
        let different: BTreeSet<_> = found.iter().copied().collect();
        assert_eq!(found.len(), 3_000, "{name}");
        assert_eq!(different, (0..3_000).collect(), "{name}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_filters_and_domains_have_their_own_columns() {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = logs(ctsim::Config { rate: 0.0, initial_size: 0, ..Default::default() }).await;
    let server = Running::start(reads_all(&sim, folder.path())).await;
    let log = sim.logs()[0].description().to_owned();
    let url = url_of(&server);
    let arguments = ["--url", &url, "-o", "one.feather", "--log", &log];
    let one = Collector::start(folder.path(), &arguments);
    one.logs("connected to").await;
    let second = folder.path().join("domains");
    std::fs::create_dir(&second).expect("a folder");
    let names = Collector::start(&second, &["--url", &url, "--stream", "domains"]);
    names.logs("connected to").await;
    for log in sim.logs() {
        log.grow(200).expect("grows");
    }
    has_rows(&second.join("certstream_data.feather"), 700).await;
    has_rows(&folder.path().join("one.feather"), 200).await;
    let (status, log) = one.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    let (status, log) = names.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    assert_eq!(indexes(&batches(&folder.path().join("one.feather"))).len(), 1);
    let names = batches(&second.join("certstream_data.feather"));
    assert_eq!(names[0].num_columns(), 6);
    server.stop().await;
}

/// Offsets of two servers cannot be compared, so the collector takes what the other server has, and
/// keeps what is new.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_changes_between_two_servers_misses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = logs(ctsim::Config { rate: 0.0, initial_size: 0, ..Default::default() }).await;
    let path = folder.path().join("certstream_data.feather");
    let mut servers = Vec::new();
    for name in ["one", "two"] {
        let own = folder.path().join(name);
        std::fs::create_dir(&own).expect("a folder");
        servers.push(Running::start(reads_all(&sim, &own)).await);
    }
    let mut streams = Vec::new();
    for (round, server) in [0, 1, 0].into_iter().enumerate() {
        let url = url_of(&servers[server]);
        // While no collector is connected.
        for log in sim.logs() {
            log.grow(100).expect("grows");
        }
        let arguments = ["--url", &url, "--from-oldest"];
        let collector = Collector::start(folder.path(), &arguments);
        has_rows(&path, 400 * (round as u64 + 1)).await;
        let (status, log) = collector.terminate().await;
        assert_eq!(status, Some(0), "{log}");
        let state = state(&path).expect("a file");
        assert_eq!(state.gaps.count(), round as u64, "{log}");
        streams.push(state.stream.expect("the server has a stream"));
    }
    assert!(streams[0] != streams[1] && streams[0] == streams[2], "{streams:?}");
    for (name, mut found) in indexes(&batches(&path)) {
        found.sort_unstable();
        assert_eq!(found, (0..300).collect::<Vec<_>>(), "{name}");
    }
    for server in servers {
        server.stop().await;
    }
}
