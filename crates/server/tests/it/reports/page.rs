//! The page at `/` and what it is made of. What it does is tested in a browser (`cargo xtask e2e`).

use std::io::Read as _;

use serde_json::Value;

use crate::harness::{Running, eventually, logs, reads_all};

fn two_logs() -> ctsim::Config {
    ctsim::Config { rfc6962: 1, static_ct: 1, rate: 0.0, initial_size: 300, ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_logs_without_the_api() {
    let sim = logs(two_logs()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let config = reads_all(&sim, &folder);
    assert!(!config.protocols.api);
    let server = Running::start(config).await;
    let answer: Value = eventually("both logs are read and proved", async || {
        let answer: Value = server.get("/page/logs.json").await.json().await.expect("JSON");
        let logs = answer["logs"].as_array().expect("an array");
        let proved = |log: &Value| log["verified_through"] == 300 && log["next_index"] == 300;
        let is_published = answer["published"] == 600;
        (logs.len() == 2 && logs.iter().all(proved) && is_published).then_some(answer)
    })
    .await;
    for (log, simulated) in answer["logs"].as_array().expect("logs").iter().zip(sim.logs()) {
        assert_eq!(log["name"], simulated.description());
        assert_eq!((&log["lag_entries"], &log["lag_secs"]), (&0.into(), &0.into()));
        assert_eq!((&log["health"], &log["alarms"]), (&"healthy".into(), &Value::Array(vec![])));
    }
    assert_eq!(answer["verification"], "report");
    assert_eq!((&answer["serves"]["lite"], &answer["serves"]["sse"]), (&"/".into(), &true.into()));
    assert_eq!(answer["serves"]["full"], "/full-stream");
    assert_eq!(answer["demo"], false);
    assert_eq!(answer["auth"]["required"], false);
    assert!(answer["head"].as_u64() > Some(0), "{answer}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_refers_only_to_served_files_and_its_policy_blocks_others() {
    let sim = logs(two_logs()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let server = Running::start(reads_all(&sim, &folder)).await;
    let page = server.get("/?match=shown+in+the+filter+box").await;
    let policy = page.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    let logs = server.get("/page/logs.json").await;
    assert!(!logs.headers().contains_key("access-control-allow-origin"));

    let mut texts = vec![("/".to_owned(), page.text().await.expect("text"))];
    let mut seen = Vec::new();
    while let Some((path, text)) = texts.pop() {
        for reference in references(&path, &text) {
            if seen.contains(&reference) {
                continue;
            }
            let answer = server.get(&reference).await;
            assert_eq!(answer.status(), 200, "{reference}, in {path}");
            texts.push((reference.clone(), answer.text().await.expect("text")));
            seen.push(reference);
        }
    }
    assert!(
        seen.iter().any(|path| path == "/page/stream/names.js") && seen.len() >= 20,
        "{seen:?}"
    );
    assert_eq!(server.get("/page/nothing.js").await.status(), 404);
    server.stop().await;
}

/// Returns the paths that a file refers to: `href="page/x"` and `src="page/x"` of the page, `from
/// "./x"` and `from "../x"` of its modules.
fn references(path: &str, text: &str) -> Vec<String> {
    let base = url::Url::parse(&format!("http://host{path}")).expect("a URL");
    text.split('"')
        .filter(|piece| ["page/", "./", "../"].iter().any(|start| piece.starts_with(start)))
        .filter(|piece| {
            piece.ends_with(".js") || piece.ends_with(".css") || piece.ends_with(".svg")
        })
        .map(|piece| base.join(piece).expect("a path").path().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_can_be_checked_before_connecting() {
    let sim = logs(two_logs()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let server = Running::start(reads_all(&sim, &folder)).await;
    assert_eq!(server.get("/page/filter?match=paypal,login").await.status(), 204);
    let wrong = server.get("/page/filter?match=ab").await;
    assert_eq!(wrong.status(), 400);
    let text = wrong.text().await.expect("text");
    assert_eq!(text, "match: \"ab\" is too short, give at least 3 characters\n");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn page_files_are_compressed_for_clients_that_accept_it() {
    let sim = logs(two_logs()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let server = Running::start(reads_all(&sim, &folder)).await;
    // One that leaves bodies as they are sent.
    let client = reqwest::Client::builder().no_gzip().build().expect("a client");
    for path in ["/", "/page/page.css"] {
        let url = format!("http://{}{path}", server.address);
        let plain = client.get(&url).send().await.expect("an answer");
        assert_eq!(plain.headers()["vary"], "accept-encoding");
        assert!(!plain.headers().contains_key("content-encoding"));
        let plain = plain.bytes().await.expect("a body");
        let request = client.get(&url).header("accept-encoding", "gzip");
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.headers()["content-encoding"], "gzip");
        let packed = answer.bytes().await.expect("a body");
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).expect("gzip");
        assert_eq!(unpacked, plain);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn page_files_are_served_under_one_spelling_only() {
    let sim = logs(two_logs()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let server = Running::start(reads_all(&sim, &folder)).await;
    assert_eq!(server.get("/page/page.js").await.status(), 200);
    for path in ["/page/page%2ejs", "/page/%70age.js", "/page/page.js/", "/page//page.js"] {
        assert_eq!(server.get(path).await.status(), 404, "{path}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_page_removes_its_routes_but_not_the_stream() {
    let sim = logs(two_logs()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    config.protocols.page = false;
    let server = Running::start(config).await;
    assert_eq!(server.get("/").await.status(), 426);
    for path in ["/page/logs.json", "/page/page.js", "/page/filter"] {
        assert_eq!(server.get(path).await.status(), 404, "{path}");
    }
    drop(server.connect("/").await);
    server.stop().await;
}
