//! Alerts to receivers that fail in every way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use alerts::delivery::{
    DeadLetters, Deliverer, Delivery, Failure, Format, GivenUp, Outcome, Receiver, Retries,
    SIGNATURE_HEADER, Webhook, sign,
};
use alerts::{Alert, Reason, Sighting};
use jiff::{SignedDuration, Timestamp};
use sinks::Secret;
use tempfile::TempDir;
use tokio::sync::watch;
use wire::EntryKind;

use super::receiver::{Answer, Hook, Request};

/// The number of alerts, each of a rule of its own number, so that each has another identity.
fn alert(number: usize) -> Alert {
    let der = std::fs::read("../wire/src/sample/leaf.der").unwrap();
    let reasons =
        [Reason::Match { name: "www.example.com".to_owned(), term: "example".to_owned() }];
    let sighting = Sighting {
        log: "a log".to_owned(),
        url: "https://ct.example/2027".to_owned(),
        index: number as u64,
        seen: "2026-11-30T00:00:00Z".parse().unwrap(),
    };
    let certificate = cert::Certificate::read(&der);
    Alert::new(&number.to_string(), &reasons, &certificate, EntryKind::X509LogEntry, sighting)
}

fn webhook(url: &str) -> Webhook {
    let mut webhook = Webhook::new(Secret::new(url));
    webhook.may_be_private = true;
    webhook.key = Some(Secret::new("key"));
    webhook.timeout = Duration::from_millis(300);
    webhook
}

const FAST: Retries = Retries {
    first: Duration::from_millis(1),
    longest: Duration::from_millis(10),
    give_up: Duration::from_secs(3600),
};

struct Setup {
    deliverer: Deliverer,
    letters: Arc<DeadLetters>,
    stop: watch::Sender<bool>,
    _folder: TempDir,
}

impl Setup {
    async fn deliver(&self, alert: &Alert, matched: Timestamp) -> Delivery {
        self.deliverer.deliver(alert, matched, self.stop.subscribe()).await
    }
}

fn setup(hook: &Hook, retries: Retries) -> Setup {
    let folder = tempfile::tempdir().unwrap();
    let letters = Arc::new(DeadLetters::new(folder.path().join("dead.jsonl")));
    let stop = watch::Sender::new(false);
    let receiver = Receiver::new(webhook(&hook.url)).unwrap();
    let given_up = GivenUp {
        receiver: "ops".into(),
        dead_letters: Some(Arc::clone(&letters)),
        figures: Arc::default(),
    };
    let deliverer = Deliverer::new(receiver, retries, given_up);
    Setup { deliverer, letters, stop, _folder: folder }
}

fn check_signature(request: &Request) {
    let header = request.header(SIGNATURE_HEADER).unwrap();
    let time = header.strip_prefix("t=").and_then(|rest| rest.split(',').next()).unwrap();
    assert_eq!(header, sign(b"key", time.parse().unwrap(), &request.body));
}

#[tokio::test]
async fn every_alert_arrives_in_order_whatever_the_receiver_does() {
    let answers = [
        Answer::Status(500, ""),
        Answer::Close,
        Answer::Status(429, "retry-after: 1\r\n"),
        Answer::Hang,
        Answer::Status(302, "location: http://169.254.169.254/\r\n"),
        Answer::Status(200, ""),
        Answer::Status(404, ""),
        Answer::Status(503, "retry-after: soon\r\n"),
    ];
    let hook = Hook::start(&answers).await;
    let setup = setup(&hook, FAST);
    let alerts: Vec<_> = (0..5).map(alert).collect();
    for alert in &alerts {
        assert_eq!(setup.deliver(alert, Timestamp::now()).await, Delivery::Arrived);
    }
    let requests = hook.requests();
    let is_accepted =
        |answer: Option<Answer>| matches!(answer, None | Some(Answer::Status(200, _)));
    let accepted: Vec<&str> = requests
        .iter()
        .filter(|(_, answer)| is_accepted(*answer))
        .map(|(request, _)| request.header("idempotency-key").unwrap())
        .collect();
    let expected: Vec<&str> = alerts.iter().map(|alert| &*alert.id).collect();
    assert_eq!(accepted, expected, "each once, in order");
    // Attempts of one alert have one key and one body, and no other alert overtakes it.
    let keys: Vec<_> =
        requests.iter().map(|(request, _)| request.header("idempotency-key").unwrap()).collect();
    let mut distinct = keys.clone();
    distinct.dedup();
    assert_eq!(distinct, expected);
    for (request, _) in &requests {
        check_signature(request);
        let alert: Alert = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(request.header("idempotency-key"), Some(&*alert.id));
        assert_eq!(request.header("content-type"), Some("application/json"));
    }
    let figures = setup.deliverer.figures();
    assert_eq!((figures.arrived(), figures.failed(), figures.kept()), (5, 7, 0));
    assert!(setup.letters.read().unwrap().0.is_empty());
}

#[tokio::test]
async fn refused_and_given_up_alerts_are_dead_letters() {
    let hook = Hook::start(&[Answer::Status(400, "")]).await;
    let refused = setup(&hook, FAST);
    assert_eq!(refused.deliver(&alert(0), Timestamp::now()).await, Delivery::Kept);
    assert_eq!(refused.deliver(&alert(1), Timestamp::now()).await, Delivery::Arrived);
    let (letters, unreadable) = refused.letters.read().unwrap();
    assert_eq!((letters.len(), unreadable), (1, 0));
    assert_eq!(letters[0].alert, alert(0));
    assert_eq!(letters[0].reason, "it answers 400 Bad Request: busy");
    assert!(!letters[0].receiver.contains("secret"), "{}", letters[0].receiver);

    let hook = Hook::start(&[Answer::Status(500, ""); 1000]).await;
    let late = setup(&hook, Retries { give_up: Duration::from_millis(50), ..FAST });
    assert_eq!(late.deliver(&alert(2), Timestamp::now()).await, Delivery::Kept);
    assert!(hook.requests().len() > 1, "it was tried more than once");
    assert_eq!(late.letters.read().unwrap().0.len(), 1);
}

/// A restart makes new attempts for an alert, but no new day.
#[tokio::test]
async fn an_alert_is_given_up_a_day_after_its_match() {
    let before = |hours| Timestamp::now() - SignedDuration::from_hours(hours);
    let retries = Retries { give_up: Duration::from_secs(24 * 3600), ..FAST };
    let hook = Hook::start(&[Answer::Status(500, ""), Answer::Status(500, "")]).await;
    let setup = setup(&hook, retries);
    assert_eq!(setup.deliver(&alert(0), before(25)).await, Delivery::Kept);
    assert_eq!(hook.requests().len(), 1, "it is tried once");
    assert_eq!(setup.deliver(&alert(1), before(23)).await, Delivery::Arrived);
    assert_eq!(setup.deliver(&alert(2), before(25)).await, Delivery::Arrived);
    // A clock that was set back since shortens nothing.
    assert_eq!(setup.deliver(&alert(3), before(-48)).await, Delivery::Arrived);
}

#[tokio::test]
async fn without_a_file_an_alert_that_is_given_up_is_counted() {
    let hook = Hook::start(&[Answer::Status(400, "")]).await;
    let receiver = Receiver::new(webhook(&hook.url)).unwrap();
    let given_up = GivenUp { receiver: "ops".into(), dead_letters: None, figures: Arc::default() };
    let deliverer = Deliverer::new(receiver, FAST, given_up);
    let stop = watch::Sender::new(false);
    let deliver = |number| {
        let (alert, stopping) = (alert(number), stop.subscribe());
        let deliverer = &deliverer;
        async move { deliverer.deliver(&alert, Timestamp::now(), stopping).await }
    };
    assert_eq!(deliver(0).await, Delivery::Lost);
    assert!(deliverer.problem().unwrap().contains("400"));
    assert_eq!(deliver(1).await, Delivery::Arrived);
    let figures = deliverer.figures();
    assert_eq!((figures.lost(), figures.kept(), deliverer.problem()), (1, 0, None));
}

#[tokio::test]
async fn a_stop_ends_an_attempt_and_a_pause() {
    for answer in [Answer::Hang, Answer::Status(503, "retry-after: 3600\r\n")] {
        let hook = Hook::start(&[answer]).await;
        let setup = setup(&hook, FAST);
        let stop = setup.stop.clone();
        let alert = alert(0);
        let (delivery, ()) = tokio::join!(setup.deliver(&alert, Timestamp::now()), async {
            // The request has arrived; of the answer it may not have heard yet.
            while hook.requests().is_empty() {
                tokio::task::yield_now().await;
            }
            stop.send_replace(true);
        });
        let arrived = setup.deliverer.figures().arrived();
        assert_eq!((delivery, arrived), (Delivery::Stopped, 0));
    }
}

/// The receiver requests it of all, not of the rule whose alert it got.
#[tokio::test]
async fn alerts_of_all_rules_wait_while_the_receiver_wants_a_pause() {
    let hook = Hook::start(&[Answer::Status(429, "retry-after: 1\r\n")]).await;
    let (setup, begin) = (setup(&hook, FAST), Instant::now());
    let (alerts, now) = ([0, 1, 2].map(alert), Timestamp::now());
    let deliver = async |alert| {
        let delivery = setup.deliver(alert, now).await;
        assert!(begin.elapsed() >= Duration::from_secs(1), "it arrives in the pause");
        delivery
    };
    let others = async {
        while setup.deliverer.figures().failure().is_none() {
            tokio::task::yield_now().await;
        }
        tokio::join!(deliver(&alerts[1]), deliver(&alerts[2]))
    };
    let ends = tokio::join!(deliver(&alerts[0]), others);
    assert_eq!(ends, (Delivery::Arrived, (Delivery::Arrived, Delivery::Arrived)));
    assert_eq!(hook.requests().len(), 4);
}

#[tokio::test]
async fn a_stop_ends_the_wait_for_a_receiver_that_wants_a_pause() {
    let hook = Hook::start(&[Answer::Status(429, "retry-after: 3600\r\n")]).await;
    let setup = setup(&hook, Retries { give_up: Duration::from_secs(24 * 3600), ..FAST });
    let (alerts, now) = ([0, 1].map(alert), Timestamp::now());
    let other = async {
        while setup.deliverer.figures().failure().is_none() {
            tokio::task::yield_now().await;
        }
        // The last attempt for an alert is at the end of its day, also in a pause.
        let old = setup.deliver(&alert(2), now - SignedDuration::from_hours(24)).await;
        assert_eq!(old, Delivery::Arrived);
        let stop = async { setup.stop.send_replace(true) };
        tokio::join!(setup.deliver(&alerts[1], now), stop).0
    };
    let ends = tokio::join!(setup.deliver(&alerts[0], now), other);
    assert_eq!(ends, (Delivery::Stopped, Delivery::Stopped));
    assert_eq!(hook.requests().len(), 2, "the other alert waits");
}

/// So an operator sees why nothing arrives, and when it is tried again.
#[tokio::test]
async fn the_last_failure_is_kept_until_an_alert_arrives() {
    let answers = [
        Answer::Status(500, ""),
        Answer::Status(503, "retry-after: 1\r\n"),
        Answer::Status(400, ""),
    ];
    let hook = Hook::start(&answers).await;
    let setup = setup(&hook, FAST);
    let (figures, first) = (setup.deliverer.figures(), alert(0));
    assert_eq!(figures.failure(), None);
    let begin = Timestamp::now();
    let (delivery, second) = tokio::join!(setup.deliver(&first, begin), async {
        loop {
            match figures.failure() {
                Some(failure) if failure.attempts == 2 && failure.next_attempt.is_some() => {
                    setup.stop.send_replace(true);
                    return failure;
                }
                _ => tokio::task::yield_now().await,
            }
        }
    });
    assert_eq!(delivery, Delivery::Stopped);
    assert_eq!(second.reason, "it answers 503 Service Unavailable: busy");
    assert!((begin..=Timestamp::now()).contains(&second.time), "{second:?}");
    assert_eq!(second.next_attempt, second.time.checked_add(Duration::from_secs(1)).ok());
    assert_eq!(figures.failure(), Some(Failure { next_attempt: None, ..second }), "it is stopped");
    setup.stop.send_replace(false);
    assert_eq!(setup.deliver(&first, begin).await, Delivery::Kept);
    let refused = figures.failure().expect("it is kept");
    assert_eq!((refused.attempts, refused.next_attempt), (1, None));
    assert_eq!(refused.reason, "it answers 400 Bad Request: busy");
    assert_eq!(setup.deliver(&alert(1), begin).await, Delivery::Arrived);
    assert_eq!(figures.failure(), None);
}

#[tokio::test]
async fn reasons_name_the_failure_and_no_secret() {
    let hook = Hook::start(&[
        Answer::Status(302, "location: http://10.0.0.1/token\r\n"),
        Answer::Hang,
        Answer::Close,
        Answer::Status(429, "retry-after: 90\r\n"),
        Answer::Status(503, "retry-after: 999999\r\n"),
    ])
    .await;
    let receiver = Receiver::new(webhook(&hook.url)).unwrap();
    for (expected, pause) in [
        ("a redirect to http://10.0.0.1; redirects are not followed", None),
        ("it does not answer in time", None),
        ("connection", None),
        ("it answers 429 Too Many Requests: busy", Some(90)),
        ("it answers 503", Some(3600)),
    ] {
        let Outcome::Later { reason, after } = receiver.send(&alert(0)).await else {
            panic!("{expected}");
        };
        assert!(reason.contains(expected), "{reason}");
        assert!(!reason.contains("secret-path") && !reason.contains("token"), "{reason}");
        assert_eq!(after.map(|after| after.as_secs()), pause, "{reason}");
    }
    assert_eq!(receiver.send(&alert(0)).await, Outcome::Accepted);
}

#[tokio::test]
async fn private_addresses_need_permission() {
    let hook = Hook::start(&[]).await;
    let refused = |url: &str| {
        let mut webhook = webhook(url);
        webhook.may_be_private = false;
        Receiver::new(webhook)
    };
    let error = refused(&hook.url).unwrap_err().to_string();
    assert!(error.starts_with("127.0.0.1 is a private address"), "{error}");
    // A name is checked when it is resolved.
    let named = hook.url.replace("127.0.0.1", "localhost");
    let Outcome::Later { reason, .. } = refused(&named).unwrap().send(&alert(0)).await else {
        panic!("it was sent");
    };
    assert!(reason.contains("private address"), "{reason}");
    assert!(hook.requests().is_empty());
    assert_eq!(Receiver::new(webhook(&named)).unwrap().send(&alert(0)).await, Outcome::Accepted);
}

#[test]
fn urls_that_cannot_be_used_are_refused() {
    for (url, expected) in [
        ("", "cannot be read"),
        ("example.com", "cannot be read"),
        ("ftp://example.com/", "begins with \"ftp\""),
        ("https://[::1]/", "is a private address"),
        ("https://169.254.169.254/latest", "is a private address"),
    ] {
        let error = Receiver::new(Webhook::new(Secret::new(url))).unwrap_err().to_string();
        assert!(error.contains(expected), "{url}: {error}");
    }
    let secret = Webhook::new(Secret::new("HTTP://user:pass@hooks.example/T0/secret"));
    assert!(!format!("{secret:?}").contains("secret") && !format!("{secret:?}").contains("pass"));
    assert!(secret.warning().unwrap().contains("http://hooks.example without encryption"));
    assert_eq!(Webhook::new(Secret::new("https://hooks.example/")).warning(), None);
}

#[tokio::test]
async fn presets_are_sent_with_their_type() {
    let hook = Hook::start(&[]).await;
    for format in Format::ALL {
        let mut webhook = webhook(&hook.url);
        webhook.format = format;
        assert_eq!(Receiver::new(webhook).unwrap().send(&alert(0)).await, Outcome::Accepted);
        let (request, _) = hook.requests().pop().unwrap();
        assert_eq!(request.header("content-type"), Some(format.content_type()));
        assert_eq!(request.body, format.body(&alert(0)).unwrap());
        check_signature(&request);
    }
}
