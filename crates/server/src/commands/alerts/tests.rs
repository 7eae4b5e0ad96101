//! The commands against a receiver on this machine.

use std::sync::Arc;

use alerts::delivery::DeadLetter;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use config::{AlertFilter, RetryAlerts};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::*;

/// A webhook: the alerts that it got, and the statuses with which it answers at first.
#[derive(Debug, Default)]
struct Hook {
    got: Mutex<Vec<Value>>,
    answers: Mutex<Vec<u16>>,
}

impl Hook {
    /// Starts it, and returns it with its URL.
    async fn start(answers: &[u16]) -> (Arc<Self>, String) {
        let hook = Arc::new(Self { answers: Mutex::new(answers.to_vec()), ..Self::default() });
        let router = Router::new().route("/secret-path", post(take)).with_state(Arc::clone(&hook));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/secret-path", listener.local_addr().expect("bound"));
        tokio::spawn(async { axum::serve(listener, router).await });
        (hook, url)
    }

    fn rules(&self) -> Vec<String> {
        let got = self.got.lock();
        got.iter().map(|alert| alert["rule"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

async fn take(State(hook): State<Arc<Hook>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut answers = hook.answers.lock();
    if !answers.is_empty() {
        return StatusCode::from_u16(answers.remove(0)).expect("a status");
    }
    let alert: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(headers["idempotency-key"], alert["id"].as_str().expect("an identity"));
    hook.got.lock().push(alert);
    StatusCode::NO_CONTENT
}

/// A configuration with these receivers, in a data directory of its own.
fn configured(receivers: &[(&str, &str)]) -> (Config, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("alerts")).expect("writable");
    let mut config = Config { data_dir: Some(folder.path().to_owned()), ..Config::default() };
    let receiver = |(name, url): &(&str, &str)| {
        let receiver = json!({
            "name": name, "type": "webhook", "url": url, "allow_private_addresses": true,
        });
        serde_json::from_value(receiver).expect("a receiver")
    };
    config.alerts.receivers = receivers.iter().map(receiver).collect();
    (config, folder)
}

fn add(config: &Config, letters: &[(&str, &str)]) -> DeadLetters {
    let file = dead_letters(config, None).expect("a directory");
    for (rule, receiver) in letters {
        let mut alert = sample::alert(None, Timestamp::now());
        alert.rule = (*rule).to_owned();
        let (receiver, reason) = ((*receiver).to_owned(), "it answers 400".to_owned());
        let letter = DeadLetter { time: Timestamp::now(), receiver, reason, alert };
        file.add(&letter).expect("added");
    }
    file
}

fn left(letters: &DeadLetters) -> Vec<String> {
    let (letters, unreadable) = letters.read().expect("readable");
    assert_eq!(unreadable, 0);
    letters.into_iter().map(|letter| letter.alert.rule).collect()
}

fn all() -> RetryAlerts {
    RetryAlerts { directory: None, rules: Vec::new(), receivers: Vec::new(), to: None }
}

/// Sends letters again, with pauses too short to wait for, and returns the outcome and what was printed.
async fn retry(
    config: &Config,
    letters: &DeadLetters,
    command: &RetryAlerts,
) -> (anyhow::Result<String>, Vec<String>) {
    let printed = Mutex::new(Vec::new());
    let print = |line: &str| printed.lock().push(line.to_owned());
    let outcome = retry::run_with(config, letters, command, Duration::ZERO, print).await;
    (outcome, printed.into_inner())
}

#[tokio::test]
async fn dead_letters_are_sent_again_in_order_and_leave_the_file() {
    let (hook, url) = Hook::start(&[500, 429]).await;
    let (config, _folder) = configured(&[("ops", &url)]);
    let letters = add(&config, &[("a", "ops"), ("b", "ops"), ("a", "ops")]);
    let (outcome, printed) = retry(&config, &letters, &all()).await;
    assert_eq!((outcome.expect("all arrive").as_str(), printed.len()), ("3 alerts arrived\n", 0));
    assert_eq!((hook.rules(), left(&letters)), (["a", "b", "a"].map(str::to_owned).into(), vec![]));
    let (outcome, _) = retry(&config, &letters, &all()).await;
    assert_eq!(outcome.expect("none is left"), "no alert that did not arrive\n");
}

#[tokio::test]
async fn only_letters_of_the_named_rules_and_receivers_are_sent() {
    let (hook, url) = Hook::start(&[]).await;
    let (config, _folder) = configured(&[("ops", &url), ("mail", &url)]);
    let letters = add(&config, &[("a", "ops"), ("b", "ops"), ("b", "mail"), ("c", "gone")]);
    let command =
        RetryAlerts { rules: vec!["b".to_owned()], receivers: vec!["ops".to_owned()], ..all() };
    retry(&config, &letters, &command).await.0.expect("it arrives");
    assert_eq!(
        (hook.rules().len(), left(&letters)),
        (1, ["a", "b", "c"].map(str::to_owned).into())
    );
    let command = RetryAlerts { receivers: vec!["gone".to_owned()], ..all() };
    let (outcome, printed) = retry(&config, &letters, &command).await;
    let error = outcome.expect_err("there is no such receiver").to_string();
    assert_eq!(error, "1 alerts did not arrive and stay in the file; 0 arrived");
    assert!(printed[0].contains("--to sends to another one"), "{printed:?}");
    let command = RetryAlerts { to: Some("ops".to_owned()), ..command };
    retry(&config, &letters, &command).await.0.expect("it arrives elsewhere");
    assert_eq!(left(&letters), ["a", "b"]);
    let command = RetryAlerts { to: Some("nobody".to_owned()), ..all() };
    assert!(retry(&config, &letters, &command).await.0.is_err());
}

/// Alerts after one that does not arrive wait for it; an alert that is refused delays none.
#[tokio::test]
async fn letters_that_do_not_arrive_stay_in_the_file() {
    let (down, down_url) = Hook::start(&[503; 5]).await;
    let (up, up_url) = Hook::start(&[400]).await;
    let (config, _folder) = configured(&[("down", &down_url), ("up", &up_url)]);
    let letters = [("a", "down"), ("b", "up"), ("c", "down"), ("d", "up")];
    let letters = add(&config, &letters);
    let (outcome, printed) = retry(&config, &letters, &all()).await;
    assert!(outcome.is_err());
    assert_eq!(printed.len(), 2, "{printed:?}");
    assert!(printed[0].contains("503") && printed[0].ends_with("nothing more is sent to it"));
    assert!(printed.iter().all(|line| !line.contains("secret-path")), "{printed:?}");
    assert_eq!((down.rules().len(), up.rules()), (0, vec!["d".to_owned()]));
    assert_eq!(left(&letters), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_test_reaches_the_named_receivers_and_says_that_it_is_one() {
    let (hook, url) = Hook::start(&[]).await;
    let (down, down_url) = Hook::start(&[500]).await;
    let (config, _folder) = configured(&[("ops", &url), ("down", &down_url)]);
    let run = async |names: &[&str]| {
        let printed = Mutex::new(Vec::new());
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let print = |line: &str| printed.lock().push(line.to_owned());
        let outcome = test::run(&config, &names, print).await;
        (outcome, printed.into_inner())
    };
    let (outcome, printed) = run(&["ops"]).await;
    outcome.expect("it arrives");
    assert!(printed[0].starts_with("ops (http://127.0.0.1:"), "{printed:?}");
    assert!(hook.rules()[0].contains("TEST"), "{:?}", hook.rules());
    let (outcome, printed) = run(&[]).await;
    assert_eq!(outcome.expect_err("one is down").to_string(), "1 receivers did not take the alert");
    assert!(printed.iter().any(|line| line.contains("500")), "{printed:?}");
    let ids: Vec<_> = hook.got.lock().iter().map(|alert| alert["id"].clone()).collect();
    assert!(ids.len() == 2 && ids[0] != ids[1], "no receiver takes it for a duplicate");
    assert!(down.rules().is_empty());
    let error = run(&["nobody"]).await.0.expect_err("unknown").to_string();
    assert!(error.contains("\"nobody\""), "{error}");
}

#[tokio::test]
async fn only_the_secrets_of_the_named_receivers_are_needed() {
    let (hook, url) = Hook::start(&[]).await;
    let (mut config, _folder) = configured(&[("ops", &url), ("other", &url)]);
    for (receiver, name) in config.alerts.receivers.iter_mut().zip(["HOOK", "MISSING"]) {
        (receiver.url, receiver.url_env) = (None, Some(name.to_owned()));
    }
    config.variables = [("HOOK".to_owned(), url.into())].into_iter().collect();
    let test = async |names: &[String]| test::run(&config, names, |_| {}).await;
    test(&["ops".to_owned()]).await.expect("it arrives");
    let letters = add(&config, &[("a", "ops"), ("b", "other")]);
    let command = RetryAlerts { receivers: vec!["ops".to_owned()], ..all() };
    retry(&config, &letters, &command).await.0.expect("it arrives");
    let command = RetryAlerts { to: Some("ops".to_owned()), ..all() };
    retry(&config, &letters, &command).await.0.expect("it arrives elsewhere");
    assert_eq!(hook.rules().len(), 3);
    let error = format!("{:#}", test(&[]).await.expect_err("a secret is missing"));
    let expected = "receivers[1].url_env: the environment variable MISSING is not set, or empty";
    assert!(error.contains(expected), "{error}");
    assert_eq!(hook.rules().len(), 3, "nothing is sent");
}

#[test]
fn dead_letters_are_listed_newest_first() {
    let (config, folder) = configured(&[]);
    add(&config, &[("a", "ops"), ("b\u{1b}[31m", "ops"), ("a", "mail")]);
    let list = |filter: AlertFilter| {
        let command = AlertsCommand::DeadLetters(Some(folder.path().to_owned()), filter);
        run(&Config::default(), &command, &HashMap::new(), |_| {}).expect("listed")
    };
    let filter = AlertFilter { rule: None, limit: 2, json: false };
    let text = list(filter.clone());
    let lines: Vec<_> = text.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("  a  mail: it answers 400  "), "{text}");
    assert!(lines[1].contains("b [31m"), "{text}");
    let of_rule = AlertFilter { rule: Some("a".to_owned()), limit: 9, json: true };
    let letters: Vec<DeadLetter> =
        list(of_rule).lines().map(|line| serde_json::from_str(line).expect("a letter")).collect();
    assert_eq!(letters.iter().map(|letter| &*letter.receiver).collect::<Vec<_>>(), ["mail", "ops"]);
    let error =
        run(&Config::default(), &AlertsCommand::DeadLetters(None, filter), &HashMap::new(), |_| {});
    assert!(error.expect_err("no directory").to_string().contains("data_dir"));
}
