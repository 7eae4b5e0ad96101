//! TLS, tokens, and servers that refuse requests.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::harness::{Collector, has_rows, program};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa};

use crate::replay::{Replay, Session, certified, certified_as, message};

#[tokio::test(flavor = "multi_thread")]
async fn tls_failures_are_explained_and_tokens_are_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, tls) = certified("localhost");
    let session = Session::of([message(Some(1), "log", 1)], true);
    let replay = Replay::start_with(vec![session], Some(tls)).await;
    let port = replay.address.port();
    let url = format!("wss://localhost:{port}/");

    let untrusting = Collector::start(folder.path(), &["--url", &url]);
    untrusting.logs("name its authority with --ca-file").await;
    drop(untrusting);
    let plain = Collector::start(folder.path(), &["--url", &format!("ws://localhost:{port}/")]);
    plain.logs("trying again").await;
    drop(plain);

    std::fs::write(folder.path().join("ca.pem"), certificate).expect("writable");
    let other_name = format!("wss://127.0.0.1:{port}/");
    let other = Collector::start(folder.path(), &["--url", &other_name, "--ca-file", "ca.pem"]);
    other.logs("for another name than the one in --url").await;
    drop(other);

    let mut command = program();
    command.args(["--url", &url, "--ca-file", "ca.pem", "--flush-interval", "100ms"]);
    command.env("CERTSTREAM_TOKEN", "hush");
    let collector = Collector::start_command(folder.path(), command);
    has_rows(&folder.path().join("certstream_data.feather"), 1).await;
    assert_eq!(replay.requests()[0].authorization.as_deref(), Some("Bearer hush"));
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    assert!(!log.contains("hush"), "{log}");
}

/// `openssl req -x509` marks a server's certificate as an authority. It is trusted if the user gives
/// exactly that one, for its name and while it is valid.
#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_self_signed_authority_is_trusted() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = || {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let (certificate, tls) = certified_as(&authority());
    let (other, _) = certified_as(&authority());
    let session = Session::of([message(Some(1), "log", 1)], true);
    let replay = Replay::start_with(vec![session], Some(tls)).await;
    let port = replay.address.port();
    let url = format!("wss://localhost:{port}/");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("ca.pem"), certificate).expect("writable");
    std::fs::write(at("other.pem"), other).expect("writable");

    for arguments in [&["--url", &url][..], &["--url", &url, "--ca-file", "other.pem"]] {
        let untrusting = Collector::start(folder.path(), arguments);
        untrusting.logs("trust exactly this certificate with --ca-file").await;
        drop(untrusting);
        std::fs::remove_file(at("collector.log")).expect("a log");
    }
    let other_name = format!("wss://127.0.0.1:{port}/");
    let other = Collector::start(folder.path(), &["--url", &other_name, "--ca-file", "ca.pem"]);
    other.logs("for another name than the one in --url").await;
    drop(other);
    let collector = Collector::start(folder.path(), &["--url", &url, "--ca-file", "ca.pem"]);
    has_rows(&at("certstream_data.feather"), 1).await;
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");

    let mut expired = authority();
    expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let (certificate, tls) = certified_as(&expired);
    let replay = Replay::start_with(vec![Session::of([], true)], Some(tls)).await;
    std::fs::write(at("ca.pem"), certificate).expect("writable");
    let url = format!("wss://localhost:{}/", replay.address.port());
    let collector = Collector::start(folder.path(), &["--url", &url, "--ca-file", "ca.pem"]);
    collector.logs("the server's certificate has expired").await;
}

/// `openssl req -x509 -subj /CN=NAME` writes the name only into the common name.
#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_certificate_without_alternative_names_matches_its_common_name() {
    for (common_name, host, other_host, is_ca) in [
        ("localhost", "localhost", "127.0.0.1", IsCa::Ca(BasicConstraints::Unconstrained)),
        ("127.0.0.1", "127.0.0.1", "localhost", IsCa::Ca(BasicConstraints::Unconstrained)),
        ("localhost", "localhost", "127.0.0.1", IsCa::ExplicitNoCa),
    ] {
        let case = format!("{common_name} {is_ca:?}");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.is_ca = is_ca;
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, tls) = certified_as(&params);
        std::fs::write(folder.path().join("ca.pem"), certificate).expect("writable");
        let session = Session::of([message(Some(1), "log", 1)], true);
        let replay = Replay::start_with(vec![session], Some(tls)).await;
        let url = |host: &str| format!("wss://{host}:{}/", replay.address.port());

        let start =
            |url: String| Collector::start(folder.path(), &["--url", &url, "--ca-file", "ca.pem"]);
        let other = start(url(other_host));
        other.logs("for another name than the one in --url").await;
        drop(other);
        let collector = start(url(host));
        has_rows(&folder.path().join("certstream_data.feather"), 1).await;
        let (status, log) = collector.terminate().await;
        assert_eq!(status, Some(0), "{case}: {log}");
    }
}

/// The common name is ignored if there are alternative names.
#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_certificate_with_alternative_names_does_not_match_its_common_name() {
    let mut params = CertificateParams::new(vec!["ct.example.org".to_owned()]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, tls) = certified_as(&params);
    std::fs::write(folder.path().join("ca.pem"), certificate).expect("writable");
    let replay = Replay::start_with(vec![Session::of([], true)], Some(tls)).await;
    let url = format!("wss://localhost:{}/", replay.address.port());
    let collector = Collector::start(folder.path(), &["--url", &url, "--ca-file", "ca.pem"]);
    collector.logs("for another name than the one in --url").await;
}

/// Starts a server that answers every connection with the same text.
async fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("ws://{}/", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let Ok(_) = socket.read(&mut request).await else { continue };
            drop(socket.write_all(answer.as_bytes()).await);
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_requests_are_explained() {
    for (answer, expected) in [
        ("HTTP/1.1 401 Unauthorized\r\ncontent-length: 12\r\n\r\nUnauthorized", "CERTSTREAM_TOKEN"),
        (
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 9\r\n\r\nbad terms",
            "are the filters right?",
        ),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "is the path in --url right?"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let url = answering(answer).await;
        let (status, log) = Collector::start(folder.path(), &["--url", &url]).end().await;
        assert_eq!(status, Some(1), "{log}");
        assert!(log.contains(expected), "{log}");
        assert!(!log.contains("Unauthorized: Unauthorized"), "said twice: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pause_that_a_busy_server_requests_is_obeyed() {
    for answer in [
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n",
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let url = answering(answer).await;
        let collector = Collector::start(folder.path(), &["--url", &url]);
        collector.logs("trying again in 7.0 s").await;
        let (status, log) = collector.terminate().await;
        assert_eq!(status, Some(0), "{log}");
    }
}
