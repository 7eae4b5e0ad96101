use axum::body::to_bytes;
use axum::http::header::CONTENT_LENGTH;
use serde_json::Value;

use super::*;
use crate::history::sample::{Entry, SETTINGS, Sample, certificate, log};

fn searches(history: Option<Arc<JournalHistory>>, is_node: bool) -> Arc<Searches> {
    Arc::new(Searches {
        history,
        is_node,
        stream: "abcdefgh".parse().expect("an id"),
        renderer: options::renderer(&Config::default()),
        max_terms: 10,
        metrics: Arc::default(),
    })
}

async fn ask(searches: &Arc<Searches>, client: u128, query: &str) -> Response {
    let query = RawQuery(Some(query.to_owned()));
    search(State(Arc::clone(searches)), Some(Extension(Owner(client))), query).await
}

async fn ask_as_crtsh(searches: &Arc<Searches>, client: u128, query: &str) -> Response {
    let query = RawQuery(Some(query.to_owned()));
    crtsh::crtsh(State(Arc::clone(searches)), Some(Extension(Owner(client))), query).await
}

async fn text(response: Response) -> String {
    let bytes = to_bytes(response.into_body(), 16 << 20).await.expect("a text");
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn assert_refused(response: Response, reason: &str) {
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[RETRY_AFTER], "2");
    let text = text(response).await;
    assert!(text.contains(reason), "{text}");
}

#[tokio::test]
async fn where_there_is_no_journal_the_answer_gives_the_reason() {
    for (is_node, reason) in [(false, "data_dir"), (true, "a node of a cluster")] {
        let searches = searches(None, is_node);
        let ours = ask(&searches, 1, "domain=example.com").await;
        let theirs = ask_as_crtsh(&searches, 1, "q=example.com&output=json").await;
        for response in [ours, theirs] {
            assert_eq!(response.status(), StatusCode::NOT_FOUND);
            let text = text(response).await;
            assert!(text.contains(reason), "{text}");
        }
    }
}

#[tokio::test]
async fn a_client_that_has_many_searches_leaves_places_to_others() {
    let mut sample = Sample::new(SETTINGS);
    let entry = Entry::Record(certificate(&["a.example"], "CA"), Vec::new());
    sample.append(&log("Log", "https://log.example", None), &[entry]);
    let history = sample.unfollowed();
    let searches = searches(Some(Arc::clone(&history)), false);
    let mut places: Vec<_> = (0..8).map(|_| history.admit(Owner(1)).expect("room")).collect();
    assert_refused(ask(&searches, 1, "").await, "searches of your address").await;
    let theirs = ask_as_crtsh(&searches, 1, "q=a.example&output=json").await;
    assert_refused(theirs, "searches of your address").await;
    assert_eq!(ask(&searches, 2, "").await.status(), StatusCode::OK);
    for client in 2..5 {
        places.extend((0..8).map(|_| history.admit(Owner(client)).expect("room")));
    }
    assert_refused(ask(&searches, 5, "").await, "too many searches are under way").await;
    places.clear();
    for client in [1, 5] {
        let page: Value =
            serde_json::from_str(&text(ask(&searches, client, "").await).await).expect("JSON");
        assert_eq!(page["results"].as_array().map(Vec::len), Some(1));
    }
}

#[tokio::test]
async fn answers_that_a_client_does_not_read_take_a_limited_amount_of_memory() {
    let mut sample = Sample::new(journal::Settings { segment_bytes: 1 << 20, ..SETTINGS });
    let log = log("Log", "https://log.example", None);
    let label = "a".repeat(60);
    let names: Vec<String> =
        (0..3500).map(|number| format!("{label}.{label}.{label}.{number}.example")).collect();
    let large = certificate(&names.iter().map(String::as_str).collect::<Vec<_>>(), "CA");
    for _ in 0..14 {
        sample.append(&log, &[Entry::Record(large.clone(), Vec::new())]);
    }
    let searches = searches(Some(sample.unfollowed()), false);
    // They have up to about 8 MiB each.
    let first = ask(&searches, 1, "limit=1000").await;
    let second = ask(&searches, 1, "limit=1000").await;
    let bytes = |response: &Response| -> usize {
        response.headers()[CONTENT_LENGTH].to_str().expect("text").parse().expect("a number")
    };
    assert!(bytes(&first) > 8 << 20, "{}", bytes(&first));
    assert!(bytes(&first) + bytes(&second) < 17 << 20, "{}", bytes(&second));
    assert_refused(ask(&searches, 1, "").await, "your address has not read").await;
    let lines: Value = serde_json::from_str(&text(ask(&searches, 1, "format=ndjson").await).await)
        .expect("only the end");
    assert!(lines["cursor"].is_string(), "{lines}");
    assert!(bytes(&ask(&searches, 2, "limit=1000").await) > 8 << 20);
    // What there was no room for is on the next page.
    let page: Value = serde_json::from_str(&text(second).await).expect("JSON");
    let found = page["results"].as_array().map_or(0, Vec::len);
    assert!(found > 5 && found < 12 && page["cursor"].is_string(), "{found}");
    drop(first);
    assert!(bytes(&ask(&searches, 1, "limit=1000").await) > 8 << 20);
}
