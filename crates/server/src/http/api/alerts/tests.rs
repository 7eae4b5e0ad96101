//! The list of alerts, and the stream of them.

use std::time::Duration;

use alerts::{Alert, Described, Explained, Sighting, State as Delivery};
use axum::body::to_bytes;
use config::alerts::Rule;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::*;
use crate::metrics::clients::Visitor;
use crate::metrics::{ALERTS, ConnectionLabels};

/// An alert of a rule with an identity of its own.
fn alert(rule: &str, id: u64) -> Arc<Alert> {
    let time = Timestamp::from_second(1_795_000_000).expect("a time");
    Arc::new(Alert {
        version: 1,
        id: format!("{id:064x}"),
        rule: rule.to_owned(),
        reasons: vec![Explained {
            condition: "domain".to_owned(),
            text: "a.example.com is below example.com".to_owned(),
            name: Some("a.example.com".to_owned()),
            of: None,
            likeness: None,
        }],
        certificate: Described {
            sha256: "ab".repeat(32),
            serial_number: "01".to_owned(),
            issuer_cn: "R10".to_owned(),
            issuer_o: String::new(),
            names: vec!["a.example.com".to_owned()],
            name_count: 1,
            not_before: time,
            not_after: time,
        },
        entry: "precert".to_owned(),
        sightings: vec![Sighting {
            log: "a log".to_owned(),
            url: "https://ct.example".to_owned(),
            index: id,
            seen: time,
        }],
        link: None,
        suppressed: 2,
    })
}

fn configured(rules: &[&str]) -> (Arc<Alerts>, mpsc::Receiver<()>) {
    let mut config = Config::default();
    let rule = |name: &&str| -> Rule {
        serde_json::from_value(json!({ "name": name, "domain": "example.com" })).expect("a rule")
    };
    config.alerts.rules = rules.iter().map(rule).collect();
    let status = Arc::new(Status::new(None));
    let names: Vec<Arc<str>> = rules.iter().map(|name| (*name).into()).collect();
    status.set_rules(names.iter());
    let policy = Arc::new(Policy::compile(&config).expect("compiles"));
    let (alive, alives) = mpsc::channel(1);
    let alerts =
        Alerts { status, config: Arc::new(config), policy, metrics: Arc::default(), alive };
    (Arc::new(alerts), alives)
}

async fn get(alerts: &Arc<Alerts>, query: &str) -> (StatusCode, String) {
    let answer = list(State(Arc::clone(alerts)), RawQuery(Some(query.to_owned()))).await;
    let status = answer.status();
    let body = to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
    (status, String::from_utf8(body.to_vec()).expect("text"))
}

async fn answer(alerts: &Arc<Alerts>, query: &str) -> Value {
    let (status, body) = get(alerts, query).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    serde_json::from_str(&body).expect("JSON")
}

#[tokio::test]
async fn the_newest_alerts_are_listed_with_their_delivery() {
    let (alerts, _alives) = configured(&["quiet", "a", "b"]);
    for rule in ["b", "a", "b"] {
        alerts.status.rule(rule).add_match();
    }
    alerts.status.rule("a").add_suppressed();
    alerts.status.set_waiting([(&"ops".into(), 3)].into_iter(), None);
    assert_eq!(answer(&alerts, "").await["alerts"], json!([]));
    for id in 0..5 {
        alerts.status.recent.push(alert(if id == 2 { "a" } else { "b" }, id));
    }
    let id = |id: u64| format!("{id:064x}");
    alerts.status.recent.set_state(&id(4), "ops", Delivery::Waiting);
    alerts.status.recent.set_state(&id(3), "ops", Delivery::Arrived);
    alerts.status.recent.set_state(&id(3), "mail", Delivery::DeadLetter);
    let all = answer(&alerts, "").await;
    let ids: Vec<_> =
        all["alerts"].as_array().expect("alerts").iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [4, 3, 2, 1, 0].map(id).iter().collect::<Vec<_>>());
    assert_eq!(all["alerts"][1]["receivers"], json!({"mail": "dead_letter", "ops": "arrived"}));
    assert_eq!(all["alerts"][1]["certificate"]["names"], json!(["a.example.com"]));
    let rules = json!([
        {"name": "b", "alerts": 2, "suppressed": 0},
        {"name": "a", "alerts": 1, "suppressed": 1},
        {"name": "quiet", "alerts": 0, "suppressed": 0},
    ]);
    assert_eq!((&all["rules"], &all["is_running"]), (&rules, &false.into()));
    let ops = json!([{"name": "ops", "waiting": 3, "arrived": 0, "failed": 0, "dead_letters": 0}]);
    assert_eq!(all["receivers"], ops);
    let one = answer(&alerts, "rule=b&limit=2&token=any").await;
    assert_eq!(one["alerts"].as_array().map(Vec::len), Some(2));
    assert_eq!((&one["alerts"][1]["id"], &one["rules"]), (&id(3).into(), &rules));
}

#[test]
fn a_failure_has_the_time_of_the_next_attempt() {
    let time: Timestamp = "2026-11-30T12:00:00.123456789Z".parse().expect("a time");
    let failure = alerts::delivery::Failure {
        time,
        reason: "it answers 503".to_owned(),
        attempts: 3,
        next_attempt: time.checked_add(Duration::from_secs(4)).ok(),
    };
    let written = |failure| serde_json::to_value(answer::Failure::from(failure)).expect("JSON");
    let mut expected = json!({
        "time": "2026-11-30T12:00:00.123Z",
        "reason": "it answers 503",
        "attempts": 3,
        "next_attempt": "2026-11-30T12:00:04.123Z",
    });
    assert_eq!(written(failure.clone()), expected);
    expected.as_object_mut().expect("an object").remove("next_attempt");
    assert_eq!(written(alerts::delivery::Failure { next_attempt: None, ..failure }), expected);
}

#[tokio::test]
async fn requests_that_cannot_be_answered_get_the_reason() {
    let (alerts, _alives) = configured(&["a"]);
    let cases = [
        ("limit=0", "limit: \"0\" is not a number from 1 to 1000\n"),
        ("limit=1001", "limit: \"1001\" is not a number from 1 to 1000\n"),
        ("limit=-1", "limit: \"-1\" is not a number from 1 to 1000\n"),
        ("limit=1&limit=1", "limit: this parameter is given twice\n"),
        ("rule=a&rule=a", "rule: this parameter is given twice\n"),
        ("%0aname=a", "\"\\nname\": there is no such parameter; there is rule and limit\n"),
    ];
    for (query, problem) in cases {
        assert_eq!(get(&alerts, query).await, (StatusCode::BAD_REQUEST, problem.to_owned()));
    }
    assert_eq!(
        Requested::read("limit=1", false).unwrap_err(),
        "\"limit\": there is no such parameter; there is rule\n"
    );
    let unknown = "rule: \"b\" is not the name of a rule\n".to_owned();
    assert_eq!(get(&alerts, "rule=b").await, (StatusCode::NOT_FOUND, unknown));
    let (none, _alives) = configured(&[]);
    assert_eq!(get(&none, "").await, (StatusCode::NOT_FOUND, NO_RULES.to_owned()));
}

#[tokio::test]
async fn a_stream_has_each_alert_and_ends_with_the_server() {
    let (alerts, _alives) = configured(&["a", "b"]);
    for id in 0..3 {
        alerts.status.recent.push(alert("a", id));
    }
    let id = |id: u64| format!("{id:064x}");
    let mut events =
        stream::Events::new(&alerts, Some(&id(0)), Some("a".to_owned()), Visitor::default());
    alerts.status.recent.push(alert("b", 3));
    alerts.status.recent.push(alert("a", 4));
    alerts.status.recent.close();
    for expected in [1, 2, 4] {
        let event = events.next().await.expect("an event");
        let event = std::str::from_utf8(&event).expect("text");
        let (first, data) = event.split_once("\ndata: ").expect("two lines");
        assert_eq!(first, format!("id: {}", id(expected)));
        let data: Alert = serde_json::from_str(data.trim_end()).expect("an alert");
        assert_eq!(data, *alert("a", expected));
        assert!(event.ends_with("}\n\n"), "{event}");
    }
    assert_eq!(events.next().await, None);
}

/// Adds alerts of the rule `b`, for ever.
async fn alerts_of_another(alerts: &Alerts, pause: Duration) {
    for id in 0.. {
        tokio::time::sleep(pause).await;
        alerts.status.recent.push(alert("b", id));
    }
}

#[tokio::test(start_paused = true)]
async fn alerts_of_other_rules_delay_no_heartbeat() {
    let (alerts, _alives) = configured(&["a", "b"]);
    let silence = Duration::from_secs(alerts.config.heartbeat.interval_secs);
    let mut events = stream::Events::new(&alerts, None, Some("a".to_owned()), Visitor::default());
    for _ in 0..2 {
        let began = Instant::now();
        tokio::select! {
            event = events.next() => {
                assert_eq!(event.as_deref(), Some(&b": heartbeat\n\n"[..]));
            }
            () = tokio::time::sleep(silence * 3) => panic!("the stream is silent"),
            () = alerts_of_another(&alerts, silence / 4) => {}
        }
        assert_eq!(Instant::now() - began, silence);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_too_slowly_learns_how_many_it_missed() {
    let (alerts, _alives) = configured(&["a"]);
    let mut events = stream::Events::new(&alerts, None, None, Visitor::default());
    assert_eq!(events.next().await.as_deref(), Some(&b": heartbeat\n\n"[..]));
    for id in 0..300 {
        alerts.status.recent.push(alert("a", id));
    }
    let gap = events.next().await.expect("a gap");
    assert_eq!(gap, "event: gap\ndata: {\"dropped\":44}\n\n");
    assert!(
        events.next().await.expect("an alert").starts_with(format!("id: {:064x}", 44).as_bytes())
    );
    let labels = ConnectionLabels { protocol: "sse", stream: ALERTS };
    assert_eq!(alerts.metrics.messages_lost.get_or_create(&labels).get(), 44);
    assert_eq!(alerts.metrics.messages_sent.get_or_create(&labels).get(), 1);
    drop(events);
    assert_eq!(alerts.metrics.connections.get_or_create(&labels).get(), 0);
}
