//! The end of a server by a defect, and its log lines.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_of_the_publisher_ends_the_server_with_an_error() {
    let config = Config { host: [127, 0, 0, 1].into(), port: 0, ..Config::default() };
    let mut server = Server::start(config, Mode::DryRun).await.expect("the server starts");
    let liveness = Arc::clone(&server.parts.services.liveness);
    // In place of the thread that publishes: one with a defect.
    server.parts.publisher = publisher::start(|| panic!("a defect")).expect("a thread");
    let outcome = server.run(std::future::pending()).await;
    assert_eq!(outcome.expect_err("it ends by itself").to_string(), publisher::ENDED);
    assert!(liveness.is_stopping(), "it is not ready for clients any more");
}

#[tokio::test]
async fn a_running_server_logs_its_throughput_again_and_again() {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let output = Arc::new(log.reopen().expect("the same file"));
    let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(output);
    let _until_the_end = tracing::subscriber::set_default(lines.finish());
    let config = Config { host: [127, 0, 0, 1].into(), port: 0, ..Config::default() };
    let mut server = Server::start(config, Mode::DryRun).await.expect("the server starts");
    assert_eq!(server.parts.throughput_every, Duration::from_secs(60));
    server.parts.throughput_every = Duration::from_millis(10);
    let two_lines = async {
        let written = || std::fs::read_to_string(log.path()).expect("a log");
        let line = "0.0 entries/s, 0 clients, 0 of 0 logs at the head";
        while written().matches(line).count() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let ran = tokio::time::timeout(Duration::from_secs(60), server.run(two_lines)).await;
    ran.expect("the lines come").expect("it stops");
}
