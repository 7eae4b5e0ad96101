//! The table of settings: one row for each field, and the effect of each variable and flag.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;
use crate::model::alerts::Alerts;
use crate::model::outputs::StreamProcessor;
use crate::model::reporting::Prometheus;
use crate::overlay::Assignment;

/// A configuration in which every setting has a place, also those of a list's items.
fn filled() -> Config {
    let log = |log_origin: Option<&str>| NamedLog {
        name: "a log".to_owned(),
        url: format!("https://{}.example/log", if log_origin.is_some() { "tiles" } else { "ct" }),
        key: None,
        operator: None,
        log_origin: log_origin.map(str::to_owned),
        tree_size_source: log_origin.map(|_| TreeSizeSource::GetSth),
        expected_log_id: None,
        batch_size: None,
        poll_interval_ms: None,
    };
    let auth = Auth { tokens: ["a-token"].into_iter().collect(), ..Auth::default() };
    Config {
        auth,
        real_ip: Some(true),
        tls_cert: Some("/cert.pem".into()),
        tls_key: Some("/key.pem".into()),
        prometheus: Prometheus {
            cert_path: Some("/metrics.pem".into()),
            cert_key_path: Some("/metrics-key.pem".into()),
            real_ip: Some(true),
            ..Prometheus::default()
        },
        custom_logs: vec![log(None)],
        static_logs: vec![log(Some("tiles.example/log"))],
        stream_processing: vec![output()],
        alerts: alerts(),
        ..Config::default()
    }
}

/// An output in which every setting has a place.
fn output() -> StreamProcessor {
    let text = "name: a\ntype: kafka\nserver_addr: 127.0.0.1\n";
    serde_saphyr::from_str(text).expect("valid")
}

/// A rule and a receiver in which every setting has a place.
fn alerts() -> Alerts {
    let text = "link: https://ct.example\n\
                rules: [{name: a, domain: example.org}]\n\
                receivers: [{name: b, type: webhook, url: 'https://hooks.example/s3cret'}]\n";
    serde_saphyr::from_str(text).expect("valid")
}

/// Returns the printed configuration, with the two secrets of [`filled`] put back.
fn shown(config: &Config) -> String {
    let printed = yaml::print(config);
    assert!(!printed.contains("s3cret"), "{printed}");
    let url = "\"url\":\"https://hooks.example/s3cret\"";
    printed.replace("\"url\":\"(hidden)\"", url).replace("\"(hidden)\"", "[a-token]")
}

/// Every leaf under its key in the form of the table.
fn leaves(key: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
    let field = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| leaves(&field(name), value, found));
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            found.insert(key.to_owned(), value.clone());
            items.iter().for_each(|item| leaves(&format!("{key}[]"), item, found));
        }
        leaf => {
            found.insert(key.to_owned(), leaf.clone());
        }
    }
}

fn leaves_of(config: &Config) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    leaves("", &tree::of(config), &mut found);
    found
}

/// Values the setting can have, none of them its default.
fn other_values(setting: &Setting, default: &Value) -> Vec<String> {
    let sample = match setting.kind {
        Kind::Bool => return vec![(default != &Value::Bool(true)).to_string()],
        Kind::Integer(min, max) | Kind::Millis(min, max) | Kind::Seconds(min, max) => {
            let ends = [min, max].into_iter().filter(|end| default.as_u64() != Some(*end));
            return ends.map(|end| end.to_string()).collect();
        }
        Kind::Number(min, max) => return [min, max].map(|end| end.to_string()).to_vec(),
        Kind::Size(min, max) => {
            return [min, max].map(|bytes| ByteSize::new(bytes).to_string()).to_vec();
        }
        Kind::Choice(choices) => {
            let others = choices.iter().filter(|choice| default.as_str() != Some(choice));
            return others.map(|choice| (*choice).to_owned()).collect();
        }
        Kind::Choices(choices) => return vec![choices.join(","), choices[0].to_owned()],
        Kind::Subset(choices) => return vec![choices.join(","), choices[0].to_owned()],
        Kind::Route => "/some/where",
        Kind::Texts | Kind::Terms => return vec!["one, another".to_owned(), "one".to_owned()],
        Kind::Servers => "nats://a:4222, b",
        Kind::Urls => "https://a.example/list.json,http://127.0.0.1:1/b",
        Kind::Networks => "10.0.0.0/8, 2001:db8::1",
        Kind::Tokens => {
            "another-token,sha256:\
             0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        }
        Kind::HeaderName => "X-API-Key",
        Kind::Intervals => "DigiCert=50,Let's Encrypt=0",
        Kind::Path | Kind::Directory => "/somewhere/else",
        Kind::Span => "36h",
        Kind::StreamPath => "/a.b/c_d",
        Kind::Address => "::1",
        Kind::Url => "http://127.0.0.1:8080/other.json",
        Kind::Ascii => "somebody (somebody@example.org)",
        Kind::LogFilter => "warn,follow=debug",
        Kind::Start => "zero",
        Kind::Text
        | Kind::TreeSize
        | Kind::Logs
        | Kind::Outputs
        | Kind::Rules
        | Kind::Receivers
        | Kind::Anything => panic!("{} is only for files", setting.key),
    };
    vec![sample.to_owned()]
}

/// Values the setting cannot have.
fn wrong_values(kind: Kind) -> Vec<String> {
    let samples: &[&str] = match kind {
        Kind::Bool => &["maybe", "2"],
        Kind::Integer(min, max) | Kind::Millis(min, max) | Kind::Seconds(min, max) => {
            let mut wrong = vec!["ten".to_owned(), "1.5".to_owned(), (max + 1).to_string()];
            wrong.extend(min.checked_sub(1).map(|low| low.to_string()));
            // The one exception, which has a test of its own.
            wrong.retain(|text| kind != Kind::Integer(1, 65535) || text != "0");
            return wrong;
        }
        Kind::Number(min, max) => {
            let mut wrong = vec!["ten".to_owned(), "NaN".to_owned(), format!("{max}.5")];
            wrong.push((i128::from(min) - 1).to_string());
            return wrong;
        }
        Kind::Size(min, max) => {
            return vec![(min - 1).to_string(), (max + 1).to_string(), "16 parsecs".to_owned()];
        }
        Kind::Choice(_) | Kind::Choices(_) | Kind::Subset(_) => &["another"],
        Kind::Route => &["/", "a b", "/x//y", "/x/../y", "/{x}"],
        Kind::Networks => &["localhost", "10.0.0.0/33", "10.0.0.1,nowhere"],
        Kind::Tokens => &["two words", "sha256:0123", "[\"abc\"]", "[abc]", "\"abc\"", "a,'b'"],
        Kind::HeaderName => &["X Key", "X:Key"],
        Kind::Address => &["localhost.example", "1.2.3"],
        Kind::Url => &["ct.example", "ftp://ct.example/", "https://"],
        Kind::Ascii => &["caf\u{e9}", "a\nb"],
        Kind::LogFilter => &["inof", "loud", "follow=loud"],
        Kind::Start => &["tail", "-1"],
        Kind::Urls => &["ct.example", "https://a.example/list.json,nowhere"],
        Kind::Intervals => &["Google", "Google=soon", "=5", "a=1,A=1,a=2", "a=3600001"],
        Kind::StreamPath => &["a", "/a/", "//", "/a?b", "/..", "/{a}"],
        Kind::Span => &["yesterday", "7x", "-1d"],
        Kind::Path
        | Kind::Directory
        | Kind::Text
        | Kind::Texts
        | Kind::Terms
        | Kind::Servers
        | Kind::TreeSize
        | Kind::Logs
        | Kind::Outputs
        | Kind::Rules
        | Kind::Receivers
        | Kind::Anything => &[],
    };
    samples.iter().map(|sample| (*sample).to_owned()).collect()
}

fn settable() -> impl Iterator<Item = (&'static Setting, String)> {
    SETTINGS.iter().filter_map(|setting| Some((setting, setting.flag()?)))
}

/// Returns a configuration that is valid with any value of this setting: a role needs a cluster.
fn fit_for(setting: &Setting) -> Config {
    let mut config = filled();
    if setting.key == "role" {
        config.cluster.url.push("nats://127.0.0.1:4222".to_owned());
    }
    config
}

fn assigned(setting: &'static Setting, origin: Origin, text: &str) -> Result<Config, ConfigError> {
    let assignment = Assignment { setting, origin, text: text.to_owned() };
    let mut problems = Vec::new();
    let config = overlay::apply(fit_for(setting), &[assignment], &mut problems);
    ConfigError::none_of(problems)?;
    Ok(config)
}

#[test]
fn every_field_of_the_configuration_has_one_row() {
    let leaves: Vec<String> = leaves_of(&filled()).into_keys().collect();
    let mut rows: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
    rows.sort_unstable();
    assert_eq!(leaves, rows, "the left is the struct, the right the table");
}

#[test]
fn defaults_are_allowed() {
    for (key, value) in leaves_of(&filled()) {
        let kind = crate::table::find(&key).expect("a row").kind;
        assert!(kind.allows(&value), "{key}: {value} is not {kind}");
    }
    assert_eq!(rules::check(&Config::default()), []);
    assert_eq!(rules::check(&Config::demo()), []);
    assert_eq!(serve(&[], &[]).config, Config::default());
    assert_eq!(serve(&[], &[]).warnings, [""; 0]);
}

#[test]
fn rows_are_in_the_order_of_the_sections() {
    let by_section = SECTIONS.iter().flat_map(Section::settings).map(|setting| setting.key);
    let rows = SETTINGS.iter().map(|setting| setting.key);
    assert_eq!(by_section.collect::<Vec<_>>(), rows.collect::<Vec<_>>());
}

#[test]
fn names_are_unique() {
    let variables: Vec<&str> = SETTINGS.iter().flat_map(|setting| setting.env).copied().collect();
    assert_eq!(variables.iter().collect::<BTreeSet<_>>().len(), variables.len());
    let flags: Vec<String> = settable().map(|(_, flag)| flag).collect();
    assert_eq!(flags.iter().collect::<BTreeSet<_>>().len(), flags.len());
    for (setting, _) in settable() {
        assert!(!setting.env.is_empty(), "{} has no variable", setting.key);
    }
}

/// Variables that other servers already have under another name than the key's.
const KEPT_NAMES: &[(&str, &str)] = &[
    ("host", "CERTSTREAM_WEBSERVER_LISTEN_ADDR"),
    ("port", "CERTSTREAM_WEBSERVER_LISTEN_PORT"),
    ("port", "PORT"),
    ("tls_cert", "CERTSTREAM_WEBSERVER_CERT_PATH"),
    ("tls_key", "CERTSTREAM_WEBSERVER_CERT_KEY_PATH"),
    ("log_level", "RUST_LOG"),
    ("log_level", "LOG_LEVEL"),
    ("worker_threads", "TOKIO_WORKER_THREADS"),
    ("trusted_proxies", "CERTSTREAM_WEBSERVER_TRUSTED_PROXIES"),
    ("real_ip", "CERTSTREAM_WEBSERVER_REAL_IP"),
    ("ip_allow_list", "CERTSTREAM_WEBSERVER_WHITELIST"),
    ("protocols.websocket", "CERTSTREAM_WS_ENABLED"),
    ("protocols.sse", "CERTSTREAM_SSE_ENABLED"),
    ("protocols.metrics", "CERTSTREAM_METRICS_ENABLED"),
    ("protocols.health", "CERTSTREAM_HEALTH_ENABLED"),
    ("protocols.example_json", "CERTSTREAM_EXAMPLE_JSON_ENABLED"),
    ("protocols.api", "CERTSTREAM_API_ENABLED"),
    ("stats.url", "STATS_URL"),
    ("streams.full", "CERTSTREAM_STREAM_FULL_ENABLED"),
    ("streams.lite", "CERTSTREAM_STREAM_LITE_ENABLED"),
    ("streams.domains_only", "CERTSTREAM_STREAM_DOMAINS_ONLY_ENABLED"),
    ("streams.full_path", "CERTSTREAM_WEBSERVER_FULL_URL"),
    ("streams.lite_path", "CERTSTREAM_WEBSERVER_LITE_URL"),
    ("streams.domains_only_path", "CERTSTREAM_WEBSERVER_DOMAINS_ONLY_URL"),
    ("compression.websocket", "CERTSTREAM_WEBSERVER_COMPRESSION_ENABLED"),
    ("rate_limit.free_max_tokens", "CERTSTREAM_RATE_LIMIT_MAX_TOKENS"),
    ("rate_limit.free_refill_rate", "CERTSTREAM_RATE_LIMIT_REFILL_RATE"),
    ("rate_limit.free_burst", "CERTSTREAM_RATE_LIMIT_BURST"),
    ("ct_log.rfc6962_enabled", "CERTSTREAM_RFC6962_ENABLED"),
    ("ct_log.static_ct_enabled", "CERTSTREAM_STATIC_CT_ENABLED"),
    ("ct_log.disable_default_logs", "CERTSTREAM_GENERAL_DISABLE_DEFAULT_LOGS"),
    ("ct_log.log_refresh_interval_secs", "CERTSTREAM_CT_LOG_REFRESH_INTERVAL_SECS"),
    ("ct_log.removed_log_policy", "CERTSTREAM_CT_LOG_REMOVED_POLICY"),
    ("ct_log.checkpoint_signature_mode", "CERTSTREAM_STATIC_CT_CHECKPOINT_SIGNATURE"),
    ("ct_log.user_agent", "CERTSTREAM_USER_AGENT"),
];

#[test]
fn variables_are_named_after_their_keys_with_known_exceptions() {
    let mut kept = Vec::new();
    for setting in SETTINGS {
        let by_rule = format!("CERTSTREAM_{}", setting.key.replace('.', "_").to_uppercase());
        let others = setting.env.iter().filter(|name| **name != by_rule);
        kept.extend(others.map(|name| (setting.key, *name)));
    }
    assert_eq!(kept, KEPT_NAMES);
}

#[test]
fn a_variable_and_a_flag_set_their_key_and_nothing_else() {
    for (setting, flag) in settable() {
        let before = leaves_of(&fit_for(setting));
        let mut origins = vec![Origin::Flag(flag)];
        origins.extend(setting.env.iter().map(|name| Origin::Variable((*name).to_owned())));
        for (text, origin) in other_values(setting, &before[setting.key])
            .iter()
            .flat_map(|text| origins.iter().map(move |origin| (text, origin)))
        {
            let config = assigned(setting, origin.clone(), text).expect(text);
            let mut expected = before.clone();
            expected.insert(setting.key.to_owned(), setting.kind.parse(text).expect(text));
            assert_ne!(expected, before, "{origin} {text}");
            assert_eq!(leaves_of(&config), expected, "{origin} {text}");
        }
    }
}

#[test]
fn each_variable_and_flag_takes_effect() {
    for (setting, flag) in settable() {
        let filled = fit_for(setting);
        let file = Written::new(&shown(&filled));
        let before = leaves_of(&filled);
        let (text, expected) = other_values(setting, &before[setting.key])
            .into_iter()
            .map(|text| {
                (assigned(setting, Origin::Flag(flag.clone()), &text).expect("allowed"), text)
            })
            .find(|(config, _)| rules::check(config).is_empty())
            .map(|(config, text)| (text, config))
            .expect("a value that breaks no rule");
        assert_ne!(expected, filled);
        let flagged = serve(&[&file.flag(), &format!("--{flag}={text}")], &[]);
        assert_eq!(flagged.config, expected, "--{flag}={text}");
        for name in setting.env {
            assert_eq!(serve(&[&file.flag()], &[(name, &text)]).config, expected, "{name}={text}");
        }
    }
}

#[test]
fn an_invalid_value_is_refused_with_name_value_and_expectation() {
    for (setting, flag) in settable() {
        for wrong in wrong_values(setting.kind) {
            let is_hidden = setting.secret || setting.section() == "auth";
            let value = if is_hidden { "its value".to_owned() } else { format!("{wrong:?}") };
            let expected = format!(": {value} is not {}", setting.kind);
            let argument = format!("--{flag}={wrong}");
            assert_eq!(refused(&[&argument], &[]), format!("--{flag}{expected}"));
            for name in setting.env {
                let message = refused(&[], &[(name, &wrong)]);
                assert_eq!(message, format!("{name}{expected}"));
            }
        }
    }
}

#[test]
fn printed_configurations_read_back() {
    let before = leaves_of(&filled());
    let mut configs = vec![Config::default(), Config::demo(), filled()];
    for (setting, flag) in settable().filter(|(setting, _)| !setting.secret) {
        for text in other_values(setting, &before[setting.key]) {
            configs.push(assigned(setting, Origin::Flag(flag.clone()), &text).expect("allowed"));
        }
    }
    for config in configs {
        let printed = shown(&config);
        let read = read_file("printed", &printed);
        assert_eq!(read.as_ref(), Ok(&config), "{printed}");
    }
}

#[test]
fn ambiguous_yaml_words_are_quoted() {
    let plain = ["info", "0.0.0.0", "16MiB", "/var/lib/a_b-c", "https://ct.example/2027"];
    let quoted =
        ["", "off", "No", "null", "1e3", "12", "0x1f", "::", "a: b", "a #b", "-x", "12:30"];
    for text in plain {
        assert_eq!(yaml::flow(&text.into()), text);
    }
    for text in quoted {
        assert_eq!(yaml::flow(&text.into()), format!("{text:?}"));
    }
}

#[test]
fn secrets_are_never_shown() {
    let secret = Setting { secret: true, ..*crate::table::find("port").expect("a row") };
    let secret: &'static Setting = Box::leak(Box::new(secret));
    assert_eq!(yaml::line(secret, &"s3cret".into()), "port: \"(hidden)\"\n");
    assert_eq!(yaml::line(secret, &Value::Null), "port: null\n");
    assert_eq!(yaml::line(secret, &Value::Array(vec![])), "port: []\n");
    let error = assigned(secret, Origin::Variable("TOKEN".to_owned()), "s3cret");
    let message = error.expect_err("not a port").to_string();
    assert_eq!(message, "TOKEN: its value is not a whole number from 1 to 65535");
}
