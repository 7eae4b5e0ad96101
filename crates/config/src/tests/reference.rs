//! `docs/configuration.md` and `config.example.yaml`, made from the table and checked in.

use serde_json::Value;

use super::*;

const REMAKE: &str = "-p config";

#[test]
fn the_documentation_matches_the_table() {
    golden::check("docs/configuration.md", documentation(), REMAKE);
}

#[test]
fn the_example_matches_the_table() {
    golden::check("config.example.yaml", example(), REMAKE);
}

#[test]
fn the_example_contains_the_defaults() {
    let read = read_file("config.example.yaml", &example());
    assert_eq!(read, Ok(Config::default()));
}

#[test]
fn the_example_begins_with_a_short_configuration_that_is_valid() {
    let short: String = EXAMPLE_HEAD
        .lines()
        .filter_map(|line| line.strip_prefix("#   "))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!((15..=20).contains(&short.lines().count()), "{short}");
    let config = read_file("short", &short).expect("valid");
    assert_eq!(rules::check(&config), []);
    assert_eq!(rules::warnings(&config), [""; 0]);
    assert!(example().starts_with(EXAMPLE_HEAD));
    for line in example().lines() {
        assert!(line.chars().count() <= 110, "{line}");
    }
}

#[test]
fn the_commented_values_of_the_example_are_valid() {
    let put_in: String = example()
        .lines()
        .filter(|line| !line.ends_with("_logs: []") && *line != "stream_processing: []")
        .filter(|line| !["  rules: []", "  receivers: []"].contains(line))
        .map(|line| match line.trim_start().strip_prefix("#: ") {
            Some(setting) if line.starts_with(' ') => format!("  {setting}\n"),
            Some(setting) => format!("{setting}\n"),
            None => format!("{line}\n"),
        })
        .collect();
    let config = read_file("example", &put_in).expect("valid");
    let mut expected = Config {
        tls_cert: Some("/etc/certstream/fullchain.pem".into()),
        tls_key: Some("/etc/certstream/privkey.pem".into()),
        real_ip: Some(true),
        data_dir: Some("/var/lib/certstream".into()),
        verification_evidence_dir: Some("/var/lib/certstream/evidence".into()),
        ..Config::default()
    };
    expected.prometheus.cert_path = Some("/etc/certstream/metrics.pem".into());
    expected.prometheus.cert_key_path = Some("/etc/certstream/metrics-key.pem".into());
    expected.prometheus.real_ip = Some(true);
    expected.ct_log.log_list_key_file = Some("/etc/certstream/log_list_key.pem".into());
    expected.ct_log.log_list_cache = Some("/var/lib/certstream/log_lists.json".into());
    expected.ct_log.state_file = Some("/var/lib/certstream/state.json".into());
    expected.ct_log.import_index = Some("/var/lib/certstream/ct_index.json".into());
    expected.compat.export_index = Some("/var/lib/certstream/ct_index.json".into());
    expected.compat.export_state = Some("/var/lib/certstream/export.json".into());
    expected.journal.max_age = Some("7d".parse().expect("a span"));
    expected.hot_reload.watch_path = Some("/etc/certstream".into());
    assert_eq!(rules::check(&config), []);
    assert_eq!(config.custom_logs[0].name, "Example 2027");
    assert_eq!(config.static_logs[0].log_origin.as_deref(), Some("ct.example/2027"));
    assert_eq!(config.stream_processing[0].addresses().len(), 3);
    let lists =
        [config.custom_logs.len(), config.static_logs.len(), config.stream_processing.len()];
    assert_eq!(lists, [1, 1, 1]);
    let alerts = &config.alerts;
    assert_eq!((alerts.rules.len(), alerts.receivers.len()), (1, 2));
    assert_eq!(alerts.rules[0].except.domain, ["paypal.com"]);
    let nats = &config.nats;
    let files = [
        &nats.password_file,
        &nats.token_file,
        &nats.nkey_file,
        &nats.creds_file,
        &nats.ca_file,
        &nats.cert_file,
        &nats.key_file,
    ];
    assert!(files.iter().all(|file| file.is_some()), "{nats:?}");
    let cluster = &config.cluster;
    let files = [
        &cluster.password_file,
        &cluster.token_file,
        &cluster.nkey_file,
        &cluster.creds_file,
        &cluster.ca_file,
    ];
    assert!(files.iter().all(|file| file.is_some()) && cluster.user.is_some(), "{cluster:?}");
    assert!(!cluster.is_on() && cluster.max_age.is_some(), "{cluster:?}");
    let without_lists = Config {
        custom_logs: vec![],
        static_logs: vec![],
        stream_processing: vec![],
        nats: Default::default(),
        cluster: Default::default(),
        alerts: Default::default(),
        ..config
    };
    assert_eq!(without_lists, expected);
}

// === config.example.yaml ===

const EXAMPLE_HEAD: &str = "\
# A configuration of certstream-server. The server needs none: set only what differs.
#
# Most people need at most these lines. Copy those you want into a file, without the \"#\":
#
#   port: 8080
#   tls_cert: /etc/certstream/fullchain.pem        # with tls_key: https and wss
#   tls_key: /etc/certstream/privkey.pem
#   trusted_proxies: [127.0.0.1]                   # a reverse proxy on this machine
#   protocols:
#     sse: true                                    # server-sent events, at /sse
#     api: true                                    # REST API, under /api
#   data_dir: /var/lib/certstream                  # keep what was published, and resume after a restart
#   feed:
#     ring_bytes: 1GiB                             # how far clients can go back: about 27 minutes
#   connection_limit:
#     enabled: true
#     max_connections: 10000
#     per_ip_limit: 100
#   auth:
#     enabled: true
#     tokens: [choose-a-long-random-token]
#
# Check it:             certstream-server --config FILE --validate-config
# See what it changes:  certstream-server --config FILE --print-config --changed
#
# Below is every setting with its default. A line after \"#:\" has no default, or is an example.
# docs/configuration.md describes all settings.
";

fn example() -> String {
    let defaults = tree::of(&Config::default());
    let sections = SECTIONS.iter().map(|section| example_section(section, &defaults));
    format!("{EXAMPLE_HEAD}{}", sections.collect::<String>())
}

fn example_section(section: &Section, defaults: &Value) -> String {
    let mut text =
        format!("\n{}", wrapped("", &format!("{}: {}", section.title, lower(section.doc))));
    let mut before = None;
    for setting in section.settings() {
        let is_field = setting.key.contains("[]");
        if before.is_none() && setting.key.contains('.') && !is_field {
            text += &format!("{}:\n", section.name);
        }
        text += &match is_field {
            true => example_field(setting, before),
            false => example_setting(setting, defaults),
        };
        before = Some(setting);
    }
    text
}

fn example_setting(setting: &Setting, defaults: &Value) -> String {
    let indent = if setting.key.contains('.') { "  " } else { "" };
    let default = tree::select(defaults, setting.key)[0].1;
    let line = match setting.example {
        Some(example) if default.is_null() => format!("{indent}#: {}: {example}\n", setting.name()),
        _ => yaml::line(setting, default),
    };
    format!("{}{line}", comment(indent, setting))
}

/// Fields that cannot be set with the one before them.
const ALTERNATIVES: [&str; 4] = [
    "alerts.receivers[].url_file",
    "alerts.receivers[].url_env",
    "alerts.receivers[].key_env",
    "alerts.receivers[].password_env",
];

/// A field that the items before it cannot have, and the fields that it needs.
const SECOND_ITEM: (&str, [&str; 2]) =
    ("alerts.receivers[].smtp_server", ["name: \"people\"", "type: email"]);

/// One field of an item; the name, which comes first, begins the item.
fn example_field(setting: &Setting, before: Option<&Setting>) -> String {
    let (list, path) = setting.key.split_once("[].").expect("a field of an item");
    let (indent, list) = list.split_once('.').map_or(("", list), |(_, list)| ("  ", list));
    let outer = path.split_once('.').map(|(outer, _)| outer);
    let is_first = before.is_none_or(|before| section_in(before) != outer);
    let begin = match outer {
        _ if ALTERNATIVES.contains(&setting.key) => format!("{indent}#  or "),
        _ if setting.key == SECOND_ITEM.0 => {
            let fields = SECOND_ITEM.1.map(|field| format!("{field}\n{indent}#:     "));
            format!("{indent}#:   - {}", fields.concat())
        }
        None if path == "name" => format!("{indent}#: {list}:\n{indent}#:   - "),
        None => format!("{indent}#:     "),
        Some(outer) if is_first => format!("{indent}#:     {outer}:\n{indent}#:       "),
        Some(_) => format!("{indent}#:       "),
    };
    let example = setting.example.expect("fields of items have no default");
    let value = match setting.kind {
        Kind::Text => format!("{example:?}"),
        _ => example.to_owned(),
    };
    format!("{}{begin}{}: {value}\n", comment(indent, setting), setting.name())
}

/// Returns the section of an item that a field is in.
fn section_in(field: &Setting) -> Option<&'static str> {
    let (_, path) = field.key.split_once("[].")?;
    path.split_once('.').map(|(outer, _)| outer)
}

/// Returns the description and the values of a setting as a comment.
fn comment(indent: &str, setting: &Setting) -> String {
    let kind = match setting.kind {
        kind if kind.is_obvious() => String::new(),
        kind => format!(" ({kind})"),
    };
    wrapped(indent, &format!("{}{kind}", setting.doc))
}

/// Returns a comment, wrapped to lines, with a full stop.
fn wrapped(indent: &str, text: &str) -> String {
    const WIDTH: usize = 100;
    let mut lines = String::new();
    let mut line = format!("{indent}#");
    for word in format!("{text}.").split(' ') {
        if line.len() + 1 + word.len() > WIDTH {
            lines += &format!("{line}\n");
            line = format!("{indent}#");
        }
        line += &format!(" {word}");
    }
    format!("{lines}{line}\n")
}

/// Returns a sentence that continues after a colon.
fn lower(sentence: &str) -> String {
    let mut letters = sentence.chars();
    let first = letters.next();
    // An acronym stays in upper case.
    if letters.as_str().starts_with(char::is_uppercase) {
        return sentence.to_owned();
    }
    first.map(|letter| letter.to_lowercase().collect::<String>()).unwrap_or_default()
        + letters.as_str()
}

// === docs/configuration.md ===

const DOCUMENTATION_HEAD: &str = include_str!("configuration.head.md");

fn documentation() -> String {
    let defaults = tree::of(&Config::default());
    let sections = SECTIONS.iter().map(|section| documentation_section(section, &defaults));
    format!("{DOCUMENTATION_HEAD}{}", sections.collect::<String>())
}

fn documentation_section(section: &Section, defaults: &Value) -> String {
    let name =
        if section.name.is_empty() { String::new() } else { format!(" (`{}`)", section.name) };
    let rows = section.settings().map(|setting| documentation_row(setting, defaults));
    format!(
        "\n## {}{name}\n\n{}.\n\n\
         | Key | Value | Default | Meaning | Variable and flag | Change |\n|---|---|---|---|---|---|\n{}",
        section.title,
        section.doc,
        rows.collect::<String>(),
    )
}

fn documentation_row(setting: &Setting, defaults: &Value) -> String {
    let default = match tree::select(defaults, setting.key).first() {
        Some((_, value)) if !value.is_null() => format!("`{}`", yaml::flow(value)),
        _ => String::new(),
    };
    let variables = setting.env.iter().map(|name| (*name).to_owned());
    let names = variables.chain(setting.flag().map(|flag| format!("--{flag}")));
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    format!(
        "| `{}` | {} | {default} | {}. | {} | {} |\n",
        setting.key,
        setting.kind,
        setting.doc,
        names.join("<br>"),
        if setting.restart { "restart" } else { "reload" },
    )
}

// === docs/peers.md ===

const PEERS_HEAD: &str = include_str!("peers.head.md");

fn other_servers() -> String {
    let sections = [
        (OtherServer::Rust, "certstream-server-rust"),
        (OtherServer::Go, "certstream-server-go"),
        (OtherServer::Elixir, "CaliDog's certstream-server"),
    ];
    let sections = sections.map(|(server, name)| {
        let keys = COMPAT_KEYS.iter().filter(|known| known.server == server);
        let rows: String = keys.map(row_of_other_server).collect();
        format!("\n## {name}\n\n| Key | Variable | Handling | Note |\n|---|---|---|---|\n{rows}")
    });
    format!("{PEERS_HEAD}{}", sections.concat())
}

fn row_of_other_server(known: &CompatKey) -> String {
    let code = |text: &str| match text {
        "" => String::new(),
        text => format!("`{text}`"),
    };
    let support = match known.support {
        Support::Mapped(to, _) => format!("mapped to `{to}`"),
        support => support.as_str().to_owned(),
    };
    let (key, variable) = (code(known.key), code(known.env.unwrap_or_default()));
    format!("| {key} | {variable} | {support} | {} |\n", known.note)
}

#[test]
fn the_page_of_other_servers_matches_the_table() {
    golden::check("docs/peers.md", other_servers(), REMAKE);
}
