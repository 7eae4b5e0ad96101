//! Answers of servers that misbehave, each told by its own words.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use follow::{Client, FetchError};

use crate::site::{Answer, Site};

/// The most that is taken of an answer.
const LIMIT: usize = 1 << 20;

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).expect("into memory");
    encoder.finish().expect("into memory")
}

fn with(field: &str, answer: Answer) -> Answer {
    Answer { fields: vec![field.to_owned()], ..answer }
}

fn answer(path: &str) -> Answer {
    let zipped = gzip(b"the data");
    let cut = zipped[..zipped.len() - 6].to_vec();
    let encoded = "content-encoding: gzip";
    match path {
        "/plain" | "/there" => Answer::ok("the data"),
        "/unasked" => with(encoded, Answer::ok(zipped)),
        "/silent" => Answer::ok(zipped),
        "/twice" => with(encoded, Answer::ok(gzip(&zipped))),
        "/cut" => with(encoded, Answer::ok(cut)),
        "/silently_cut" => Answer::ok(cut),
        "/bomb" => with(encoded, Answer::ok(gzip(&vec![0; LIMIT + 1]))),
        "/silent_bomb" => Answer::ok(gzip(&vec![0; LIMIT + 1])),
        "/large" => Answer::ok(vec![0; LIMIT + 1]),
        "/page" => with("content-type: text/html", Answer::ok("Sign in")),
        "/silent_page" => Answer::ok("\n<!DOCTYPE HTML><p>Sign in"),
        "/error_page" => Answer { status: 502, ..Answer::ok("<html>Bad gateway") },
        "/moved" => with("location: /there", Answer::status(302)),
        "/away" => with("location: http://127.0.0.1:9/there", Answer::status(302)),
        "/round" => with("location: /round", Answer::status(302)),
        "/often" => with("retry-after: 0", Answer::status(429)),
        "/busy" => Answer::status(503),
        _ => Answer::status(404),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_unusable_response_has_its_own_error() {
    let site = Site::serve(|asked| answer(&asked.path)).await;
    let client = Client::new("follow-tests/1 (+https://example.org)", Duration::from_secs(10));
    let client = client.expect("a client");
    client.allow_private_addresses(true);
    let get = async |path: &str| client.get(&format!("{}{path}", site.base), LIMIT).await;
    for path in ["/plain", "/unasked", "/silent", "/twice", "/moved"] {
        let body = get(path).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(body, &b"the data"[..], "{path}");
    }
    for (path, words) in [
        ("/cut", "the compressed body cannot be read"),
        ("/silently_cut", "the compressed body cannot be read"),
        ("/bomb", "the body is larger than 1048576 bytes"),
        ("/silent_bomb", "the body is larger than 1048576 bytes"),
        ("/large", "the body is larger than 1048576 bytes"),
        ("/page", "an HTML page instead of data"),
        ("/silent_page", "an HTML page instead of data"),
        ("/error_page", "status 502"),
        ("/away", "redirected to another host"),
        ("/round", "too many redirects"),
        ("/often", "too many requests (status 429), retry after 0 s"),
        ("/busy", "too many requests (status 503)"),
        ("/missing", "status 404"),
    ] {
        let error = get(path).await.expect_err(path).to_string();
        assert!(error.contains(words) && error.contains(path), "{path}: {error}");
    }
    assert_eq!(client.body_bytes(), 0, "nothing is held of what was refused");
    assert!(site.asked().iter().all(|asked| asked.head.contains("user-agent: follow-tests/1 (+")));
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_are_refused_unless_permitted() {
    let site = Site::serve(|asked| answer(&asked.path)).await;
    let client = Client::new("follow-tests/1", Duration::from_secs(10)).expect("a client");
    let by_name = site.base.replace("127.0.0.1", "localhost");
    for base in [&site.base, &by_name] {
        let error = client.get(&format!("{base}/plain"), LIMIT).await.expect_err("refused");
        assert!(matches!(error, FetchError::PrivateAddress { .. }), "{error}");
        assert!(error.to_string().contains("ct_log.allow_private_addresses"), "{error}");
    }
    assert!(site.asked().is_empty(), "nothing was sent");
    client.allow_private_addresses(true);
    for base in [&site.base, &by_name] {
        assert_eq!(client.get(&format!("{base}/plain"), LIMIT).await.expect("asked"), "the data");
    }
}
