//! The settings of alerts take effect: which certificates are reported, to whom, and with what.

mod receivers;

use std::collections::{BTreeMap, BTreeSet};

use config::Config;
use ctsim::Sim;
use serde_json::{Value, json};
use server::app::{Mode, Server};

use self::receivers::{Hook, Smtp};
use super::{Group, configured, ways};
use crate::harness::{Running, eventually, logs, next_json};

pub(super) const GROUPS: &[Group] = &[ADDITIONS, RULES, RECEIVERS];

const ADDITIONS: Group =
    &[("alerts.link", "https://ct.example.org/"), ("alerts.merge_entries", "false")];

const RULES: Group = &[
    ("alerts.rules", ""),
    ("alerts.rules[].name", ""),
    ("alerts.rules[].domain", ""),
    ("alerts.rules[].match", ""),
    ("alerts.rules[].regex", ""),
    ("alerts.rules[].lookalike", ""),
    ("alerts.rules[].issuer", ""),
    ("alerts.rules[].entry", ""),
    ("alerts.rules[].except.domain", ""),
    ("alerts.rules[].except.issuer", ""),
    ("alerts.rules[].except.key", ""),
    ("alerts.rules[].except.certificate", ""),
    ("alerts.rules[].max_per_hour", ""),
    ("alerts.rules[].deliver", ""),
];

const RECEIVERS: Group = &[
    ("alerts.receivers", ""),
    ("alerts.receivers[].name", ""),
    ("alerts.receivers[].type", ""),
    ("alerts.receivers[].url", ""),
    ("alerts.receivers[].url_file", ""),
    ("alerts.receivers[].url_env", ""),
    ("alerts.receivers[].key_file", ""),
    ("alerts.receivers[].key_env", ""),
    ("alerts.receivers[].allow_private_addresses", ""),
    ("alerts.receivers[].timeout_secs", ""),
    ("alerts.receivers[].smtp_server", ""),
    ("alerts.receivers[].smtp_security", ""),
    ("alerts.receivers[].user", ""),
    ("alerts.receivers[].password_file", ""),
    ("alerts.receivers[].password_env", ""),
    ("alerts.receivers[].from", ""),
    ("alerts.receivers[].to", ""),
];

/// Organisations of simulated authorities; most certificates are from the first one.
const AUTHORITY: &str = "Lindenhof";

/// A log with certificates for known names: one for each condition, many for `many.example`, some of them
/// as precertificate and final certificate, and at the end those for `last.example`.
async fn planted() -> Sim {
    let single = [
        (10, "a.domain.example"),
        (20, "the-needle.example"),
        (30, "pay-x-login.example"),
        (40, "paypa1.com"),
        (50, "known.excepted.example"),
        (60, "other.excepted.example"),
    ];
    let single = single.map(|(index, name)| (index, name.to_owned()));
    let many = (100..160).map(|index| (index, format!("n{index}.many.example")));
    let last = (360..400).map(|index| (index, format!("n{index}.last.example")));
    logs(ctsim::Config {
        rfc6962: 1,
        static_ct: 0,
        rate: 0.0,
        initial_size: 400,
        planted: single.into_iter().chain(many).chain(last).collect(),
        ..ctsim::Config::default()
    })
    .await
}

fn flags(sim: &Sim, folder: &tempfile::TempDir) -> Vec<String> {
    let key = folder.path().join("list.pem");
    std::fs::write(&key, sim.list_key_pem()).expect("writable");
    [
        "--host=127.0.0.1".to_owned(),
        "--port=0".to_owned(),
        "--dedup-enabled=false".to_owned(),
        "--ct-log-start=0".to_owned(),
        "--ct-log-poll-interval-ms=50".to_owned(),
        format!("--ct-log-log-list-url={}", sim.list_url()),
        format!("--ct-log-log-list-key-file={}", key.display()),
    ]
    .to_vec()
}

/// Returns a configuration with these rules and receivers.
fn with(rules: &Value, receivers: &Value, flags: &[String]) -> Config {
    configured(&json!({ "alerts": { "rules": rules, "receivers": receivers } }), &[], flags)
}

fn webhook(name: &str, hook: &Hook) -> Value {
    let url = format!("{}/{name}", hook.url);
    json!({ "name": name, "type": "webhook", "url": url, "allow_private_addresses": true })
}

/// Returns the alerts of a rule, in order, once there is one about the last certificates.
async fn all_of(hook: &Hook, rule: &str) -> Vec<Value> {
    eventually(&format!("all alerts of {rule}"), async || {
        let of_rule: Vec<Value> =
            hook.alerts("ops").into_iter().filter(|alert| alert["rule"] == rule).collect();
        let end = of_rule.iter().position(|alert| names(alert)[0].ends_with(".last.example"))?;
        Some(of_rule.into_iter().take(end).collect())
    })
    .await
}

fn names(alert: &Value) -> Vec<&str> {
    let names = alert["certificate"]["names"].as_array().expect("names");
    names.iter().map(|name| name.as_str().expect("a name")).collect()
}

fn index(alert: &Value) -> u64 {
    alert["sightings"][0]["index"].as_u64().expect("an index")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_condition_takes_effect() {
    let (sim, folder, hook) =
        (planted().await, tempfile::tempdir().expect("a folder"), Hook::start().await);
    let last = "last.example";
    let rules = json!([
        { "name": "domain", "domain": ["domain.example", last] },
        { "name": "match", "match": ["NEEDLE", last] },
        { "name": "regex", "regex": ["pay.*login", last] },
        { "name": "lookalike", "lookalike": "paypal.com", },
        { "name": "issuer", "domain": ["many.example", last], "issuer": AUTHORITY },
        { "name": "entry", "domain": ["many.example", last], "entry": "final" },
        { "name": "except", "domain": ["excepted.example", last], "except": { "domain": "known.excepted.example" } },
        { "name": "others", "domain": ["many.example", last], "except": { "issuer": AUTHORITY } },
        { "name": "few", "domain": ["many.example", last], "max_per_hour": 2 },
        { "name": "elsewhere", "domain": "domain.example", "deliver": "elsewhere" },
    ]);
    let receivers = json!([webhook("ops", &hook), webhook("elsewhere", &hook)]);
    let server = Running::start(with(&rules, &receivers, &flags(&sim, &folder))).await;
    for (rule, name) in [
        ("domain", "a.domain.example"),
        ("match", "the-needle.example"),
        ("regex", "pay-x-login.example"),
        ("except", "other.excepted.example"),
    ] {
        let alerts = all_of(&hook, rule).await;
        let found: BTreeSet<&str> = alerts.iter().flat_map(names).collect();
        assert_eq!(found, BTreeSet::from([name]), "{rule}");
    }
    let is_of = |alert: &Value| alert["certificate"]["issuer_o"].to_string().contains(AUTHORITY);
    let (of_issuer, others) = (all_of(&hook, "issuer").await, all_of(&hook, "others").await);
    assert!(!of_issuer.is_empty() && of_issuer.iter().all(is_of), "{of_issuer:?}");
    assert!(!others.is_empty() && !others.iter().any(is_of), "{others:?}");
    let entries = all_of(&hook, "entry").await;
    assert!(!entries.is_empty() && entries.iter().all(|alert| alert["entry"] == "final"));
    let lookalike = eventually("the lookalike", async || {
        hook.alerts("ops").into_iter().find(|alert| alert["rule"] == "lookalike")
    });
    assert_eq!(names(&lookalike.await), ["paypa1.com"]);
    let few = hook.alerts("ops").iter().filter(|alert| alert["rule"] == "few").count();
    assert_eq!(few, 2, "the limit");
    let elsewhere = eventually("the other receiver", async || {
        let alerts = hook.alerts("elsewhere");
        alerts.iter().any(|alert| alert["rule"] == "elsewhere").then_some(alerts)
    });
    assert!(!elsewhere.await.is_empty());
    assert!(!hook.alerts("ops").iter().any(|alert| alert["rule"] == "elsewhere"));
    server.stop().await;
}

/// Returns the SHA-256 of the public key of each certificate, by its index in the log.
async fn keys(server: &Running, count: usize) -> BTreeMap<u64, String> {
    let mut client = server.connect_from_oldest("/full-stream").await;
    let mut keys = BTreeMap::new();
    while keys.len() < count {
        let message = next_json(&mut client).await;
        let data = &message["data"];
        let der = data["leaf_cert"]["as_der"].as_str().expect("the certificate");
        let der = base64_simd::STANDARD.decode_to_vec(der).expect("base64");
        let key = cert::tbs::subject_public_key_info(&der).expect("a public key");
        let hash = base64_simd::STANDARD.encode_to_string(ct::sha256(key));
        keys.insert(data["cert_index"].as_u64().expect("an index"), hash);
    }
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn known_certificates_and_keys_are_no_alerts() {
    let (sim, folder) = (planted().await, tempfile::tempdir().expect("a folder"));
    let flags = flags(&sim, &folder);
    let domain = json!(["many.example", "last.example"]);
    let hook = Hook::start().await;
    let rules = json!([{ "name": "all", "domain": domain, "max_per_hour": 1000 }]);
    let server = Running::start(with(&rules, &json!([webhook("ops", &hook)]), &flags)).await;
    let before = all_of(&hook, "all").await;
    let keys = keys(&server, 400).await;
    server.stop().await;
    let sha256 =
        |alert: &Value| alert["certificate"]["sha256"].as_str().expect("a hash").to_owned();
    let (known, certificate) = (&keys[&index(&before[0])], sha256(&before[0]));

    let hook = Hook::start().await;
    let rules = json!([
        { "name": "key", "domain": domain, "except": { "key": known }, "max_per_hour": 1000 },
        { "name": "certificate", "domain": domain, "except": { "certificate": [certificate] }, "max_per_hour": 1000 },
    ]);
    let server = Running::start(with(&rules, &json!([webhook("ops", &hook)]), &flags)).await;
    let by_key: Vec<u64> = all_of(&hook, "key").await.iter().map(index).collect();
    let expected = before.iter().map(index).filter(|index| keys[index] != *known);
    assert_eq!(by_key, expected.collect::<Vec<_>>());
    assert!(by_key.len() < before.len());
    let found: Vec<String> = all_of(&hook, "certificate").await.iter().map(sha256).collect();
    assert!(found.len() + 1 >= before.len() && !found.contains(&certificate), "{found:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_and_separate_entries_take_effect() {
    let (sim, folder) = (planted().await, tempfile::tempdir().expect("a folder"));
    let domain = ["many.example", "last.example"];
    let rules = json!([{ "name": "all", "domain": domain, "max_per_hour": 1000 }]);
    let flags = flags(&sim, &folder);
    let mut all = ways(ADDITIONS, &flags);
    all.push(("neither".to_owned(), configured(&json!({}), &[], &flags)));
    for (way, mut config) in all {
        let hook = Hook::start().await;
        let lists = with(&rules, &json!([webhook("ops", &hook)]), &flags).alerts;
        (config.alerts.rules, config.alerts.receivers) = (lists.rules, lists.receivers);
        let is_merged = config.alerts.merge_entries;
        let server = Running::start(config).await;
        let alerts = all_of(&hook, "all").await;
        // The two entries have the same serial number.
        let serials: BTreeSet<String> =
            alerts.iter().map(|alert| alert["certificate"]["serial_number"].to_string()).collect();
        assert_eq!(serials.len() == alerts.len(), is_merged, "{way}");
        let link = alerts[0]["link"].as_str();
        let is_there = link.is_some_and(|link| link.starts_with("https://ct.example.org/#"));
        assert_eq!(is_there, way != "neither", "{way}: {link:?}");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_receiver_gets_alerts_in_its_form() {
    let (sim, folder) = (planted().await, tempfile::tempdir().expect("a folder"));
    let (hook, smtp) = (Hook::start().await, Smtp::start().await);
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("writable");
        path.display().to_string()
    };
    let mut receivers: Vec<Value> = ["slack", "discord", "teams", "ntfy"]
        .map(|kind| {
            let mut receiver = webhook(kind, &hook);
            receiver["type"] = kind.into();
            receiver
        })
        .to_vec();
    receivers.push(json!({
        "name": "signed",
        "type": "webhook",
        "url_file": file("url", &format!("{}/signed\n", hook.url)),
        "key_file": file("key", "a key"),
        "allow_private_addresses": true,
    }));
    receivers.push(json!({
        "name": "from variables",
        "type": "webhook",
        "url_env": "HOOK_URL",
        "key_env": "HOOK_KEY",
        "allow_private_addresses": true,
    }));
    let mut slow = webhook("slow", &hook);
    slow["timeout_secs"] = 1.into();
    receivers.push(slow);
    let mail = |name: &str, password: [&str; 2]| {
        let mut receiver = json!({
            "name": name,
            "type": "email",
            "smtp_server": smtp.address,
            "smtp_security": "none",
            "user": "ct",
            "from": "ct@example.org",
            "to": ["a@example.org", "b@example.org"],
        });
        receiver[password[0]] = password[1].into();
        receiver
    };
    receivers.push(mail("people", ["password_file", &file("password", "pass")]));
    receivers.push(mail("more people", ["password_env", "SMTP_PASSWORD"]));
    let rules = json!([{ "name": "domain", "domain": "domain.example" }]);
    let settings = json!({ "alerts": { "rules": rules, "receivers": receivers } });
    let url = format!("{}/variables", hook.url);
    let variables = [("HOOK_URL", url.as_str()), ("HOOK_KEY", "a key"), ("SMTP_PASSWORD", "pass")];
    let server = Running::start(configured(&settings, &variables, &flags(&sim, &folder))).await;
    for (name, form) in [
        ("slack", "{\"text\":"),
        ("discord", "\"allowed_mentions\""),
        ("teams", "AdaptiveCard"),
        ("ntfy", "domain"),
        ("signed", "\"version\":1"),
        ("variables", "\"version\":1"),
    ] {
        let post = eventually(name, async || hook.posts(name).pop()).await;
        assert!(post.body.contains(form), "{name}: {}", post.body);
        let is_signed = post.headers.contains_key("certstream-signature");
        assert_eq!(is_signed, ["signed", "variables"].contains(&name), "{name}");
    }
    // It never answers the first request.
    eventually("another attempt", async || (hook.posts("slow").len() > 1).then_some(())).await;
    let both = eventually("mail", async || smtp.mails().try_into().ok()).await;
    let [people, more]: [String; 2] = both;
    for line in [
        "AUTH PLAIN AGN0AHBhc3M=",
        "MAIL FROM:<ct@example.org>",
        "RCPT TO:<a@example.org>",
        "RCPT TO:<b@example.org>",
        "From: ct@example.org",
    ] {
        for mail in [&people, &more] {
            assert!(mail.lines().any(|found| found.starts_with(line)), "{line}: {mail}");
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_has_to_be_allowed() {
    let hook = Hook::start().await;
    let flags = ["--host=127.0.0.1", "--port=0"].map(str::to_owned);
    let rules = json!([{ "name": "a", "domain": "domain.example" }]);
    for is_allowed in [false, true] {
        let mut receiver = webhook("ops", &hook);
        receiver["allow_private_addresses"] = is_allowed.into();
        let config = with(&rules, &json!([receiver]), &flags);
        let started = Server::start(config, Mode::DryRun).await;
        assert_eq!(started.is_ok(), is_allowed, "{started:?}");
        if let Err(error) = started {
            let error = format!("{error:#}");
            assert!(
                error.contains("alerts.receivers[0] (ops)") && error.contains("private"),
                "{error}"
            );
            assert!(!error.contains("/ops"), "the URL is a secret: {error}");
        }
    }
}
