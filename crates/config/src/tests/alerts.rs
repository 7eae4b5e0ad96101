//! Alerts: how rules and receivers are written, rules between them, and that secrets are never shown.

use super::*;
use crate::model::alerts::{EntryKind, HiddenUrl, ReceiverType, SmtpSecurity};

const HOOK: &str = "https://hooks.example/s3cret";

/// A configuration with these rules and receivers.
fn with(rules: &str, receivers: &str) -> String {
    format!("data_dir: /d\nalerts:\n  rules: [{rules}]\n  receivers: [{receivers}]\n")
}

/// The broken rules of a configuration whose values are valid one by one.
fn broken(text: &str) -> Vec<Problem> {
    rules::check(&read_file("c.yaml", text).expect("each value is valid"))
}

#[test]
fn rules_and_receivers_have_defaults() {
    let receivers = format!(
        "{{name: ops, type: slack, url: '{HOOK}'}}, {{name: people, type: email, smtp_server: \
         'mail.example:465', from: a@b.example, to: c@d.example}}"
    );
    let config =
        read_file("c.yaml", &with("{name: our brand, lookalike: example.org}", &receivers));
    let alerts = config.as_ref().expect("valid").alerts.clone();
    assert!(alerts.merge_entries && alerts.link.is_none());
    let rule = &alerts.rules[0];
    assert_eq!((rule.max_per_hour, rule.entry(), rule.delivers_to("any")), (100, None, true));
    let [ops, people] = alerts.receivers.as_slice() else { panic!("{alerts:?}") };
    assert_eq!((ops.kind, ops.timeout().as_secs()), (ReceiverType::Slack, 10));
    assert_eq!(ops.url.as_ref().map(HiddenUrl::reveal), Some(HOOK));
    assert_eq!(
        (people.security(), people.to.as_slice()),
        (SmtpSecurity::Tls, &["c@d.example".to_owned()][..])
    );
    assert_eq!(rules::check(config.as_ref().expect("valid")), []);
    assert_eq!(rules::warnings(config.as_ref().expect("valid")), [""; 0]);
}

#[test]
fn a_term_is_a_text_or_a_list_of_texts() {
    let rule = |text: &str| {
        let config = read_file("c.yaml", &with(&format!("{{name: a, {text}}}"), ""));
        config.map(|mut config| config.alerts.rules.remove(0))
    };
    let one = rule("regex: 'a{2,3},b', entry: precert, deliver: ops").expect("valid");
    assert_eq!((one.regex, one.entry), (vec!["a{2,3},b".to_owned()], vec![EntryKind::Precert]));
    assert_eq!(one.deliver, ["ops"]);
    let many = rule("match: [off, 360, '7'], entry: [precert, final]").expect("valid");
    assert_eq!(many.matches, ["off", "360", "7"]);
    assert_eq!(many.entry(), None);
    assert_eq!(rule("entry: [final, final]").expect("valid").entry(), Some(EntryKind::Final));
    for none in ["domain: []", "domain:", "except:", "except: {domain: }"] {
        let rule = rule(none).expect(none);
        assert_eq!((rule.domain.len(), rule.except.domain.len()), (0, 0), "{none}");
    }
    for (wrong, expected) in [
        ("domain: {a: b}", "alerts.rules[0].domain: expected a string or a list of strings"),
        ("domain: ' '", "alerts.rules[0].domain: [\" \"] is not a string or a list of strings"),
        ("except: {key: 3}", "alerts.rules[0].except.key: expected a string or a list"),
        (
            "except: a.example",
            "alerts.rules[0].except: expected a section with domain, issuer, key",
        ),
        (
            "except: {keys: a}",
            "alerts.rules[0].except: unknown key \"keys\"; did you mean \"key\"?",
        ),
        (
            "max_per_hour: 0",
            "alerts.rules[0].max_per_hour: 0 is not a whole number from 1 to 10000",
        ),
        (
            "entry: precerts",
            "expected none, one or more of precert, final; did you mean \"precert\"?",
        ),
        (
            "lookalikes: a",
            "alerts.rules[0]: unknown key \"lookalikes\"; did you mean \"lookalike\"?",
        ),
    ] {
        let error = rule(wrong).expect_err(wrong).to_string();
        assert!(error.contains(expected), "{wrong}: {error}");
    }
}

#[test]
fn a_list_with_a_mistake_keeps_its_other_items() {
    let text = "alerts:\n  rules:\n  - {name: a, domain: a.example}\n  - {nam: b}\n  - \
                {name: c, except: {issuer: [x]}}\n";
    let loaded = read_all("c.yaml", text).expect("YAML");
    let names: Vec<&str> =
        loaded.config.alerts.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["a", "c"]);
    let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].starts_with("c.yaml:4:6: alerts.rules[1]: unknown key \"nam\""),
        "{problems:?}"
    );
}

#[test]
fn types_of_receivers_are_suggested_and_programs_refused() {
    let receiver = |text: &str| refused(&[&Written::new(&with("", text)).flag()], &[]);
    for (text, expected) in [
        ("{name: a, type: slak, url: 'https://s3cret'}", "did you mean \"slack\"?"),
        ("{name: a, type: mail}", "did you mean \"email\"?"),
        (
            "{name: a, type: exec}",
            "alerts.receivers[0] (a): type is exec: a program that the server",
        ),
        ("{name: a, type: exec, command: [a]}", "the server starts no programs for alerts"),
        ("{name: a, url: 'https://s3cret'}", "alerts.receivers[0]: type is missing"),
        ("{name: a, type: slack, url: 's3cret'}", "expected an http or https URL"),
        ("{name: a, type: slack, timeout_secs: 301}", "a whole number of seconds from 1 to 300"),
    ] {
        let said = receiver(text);
        assert!(said.contains(expected) && !said.contains("s3cret"), "{text}: {said}");
    }
}

#[test]
fn contradictions_of_rules_and_receivers_are_refused_with_advice() {
    let ops = format!("{{name: ops, type: webhook, url: '{HOOK}'}}");
    let mail = "name: m, type: email, smtp_server: 'm.example:25', from: a@m.example";
    let long = "x".repeat(101);
    for (rules, receivers, key, advice) in [
        ("{name: a}, {name: a}", "", "rules[1] (a): name", "another rule has this name"),
        ("{name: ' '}", "", "rules[0] (no name): name", "1 to 100 bytes"),
        ("{name: \"a\\u0007\"}", "", "rules[0] (no name): name", "no control characters"),
        (&format!("{{name: {long}}}"), "", "rules[0] (no name): name", "1 to 100 bytes"),
        ("{name: a, deliver: opz}", &ops, "rules[0] (a): deliver", "did you mean \"ops\"?"),
        ("{name: a, deliver: people}", &ops, "rules[0] (a): deliver", "add it to alerts.receivers"),
        ("{name: a, deliver: [ops, ops]}", &ops, "rules[0] (a): deliver", "named twice"),
        ("", &format!("{ops}, {ops}"), "receivers[1] (ops): name", "another receiver"),
        ("", "{name: a, type: ntfy}", "receivers[0] (a): url", "url_file, the file with it"),
        (
            "",
            &ops.replace('}', ", url_file: /a}"),
            "receivers[0] (ops): url",
            "url_file is set too; use one of them",
        ),
        (
            "",
            &ops.replace('}', ", url_env: A}"),
            "receivers[0] (ops): url",
            "url_env is set too; use one of them",
        ),
        (
            "",
            "{name: a, type: ntfy, url_file: /a, url_env: A}",
            "receivers[0] (a): url_file",
            "url_env is set too; use one of them",
        ),
        (
            "",
            &ops.replace('}', ", key_file: /a, key_env: A}"),
            "receivers[0] (ops): key_file",
            "key_env is set too; use one of them",
        ),
        (
            "",
            &ops.replace('}', ", key_env: s3cret/}"),
            "receivers[0] (ops): key_env",
            "name an environment variable, with 1 to 100 letters, digits and underscores",
        ),
        (
            "",
            &ops.replace('}', &format!(", key_env: {long}}}")),
            "receivers[0] (ops): key_env",
            "1 to 100 letters",
        ),
        (
            "",
            &ops.replace('}', ", password_env: A}"),
            "receivers[0] (ops): password_env",
            "only email",
        ),
        ("", &ops.replace('}', ", to: a@b}"), "receivers[0] (ops): to", "has no to, only email"),
        ("", &ops.replace('}', ", user: a}"), "receivers[0] (ops): user", "only email"),
        (
            "",
            &format!("{{{mail}, to: b@m, key_file: /a}}"),
            "receivers[0] (m): key_file",
            "webhooks",
        ),
        (
            "",
            &format!("{{{mail}, to: b@m, url_env: A}}"),
            "receivers[0] (m): url_env",
            "only webhooks",
        ),
        (
            "",
            &format!("{{{mail}, to: b@m, key_env: A}}"),
            "receivers[0] (m): key_env",
            "only webhooks",
        ),
        (
            "",
            &format!("{{{mail}, to: b@m, allow_private_addresses: true}}"),
            "receivers[0] (m): allow_private_addresses",
            "only webhooks",
        ),
        ("", &format!("{{{mail}}}"), "receivers[0] (m): to", "name the recipients"),
        ("", &format!("{{{mail}, to: [b]}}"), "receivers[0] (m): to", "use an address"),
        (
            "",
            &format!("{{{mail}, to: b@m, user: a}}"),
            "receivers[0] (m): user",
            "password_file is not",
        ),
        (
            "",
            &format!("{{{mail}, to: b@m, password_file: /a}}"),
            "receivers[0] (m): password_file",
            "user is not set",
        ),
        (
            "",
            &format!("{{{mail}, to: b@m, password_env: A}}"),
            "receivers[0] (m): password_env",
            "user is not set",
        ),
        (
            "",
            &format!("{{{mail}, to: b@m, user: a, password_file: /a, password_env: A}}"),
            "receivers[0] (m): password_file",
            "password_env is set too; use one of them",
        ),
        (
            "",
            &format!("{{{mail}, to: b@m}}").replace(":25", ""),
            "receivers[0] (m): smtp_server",
            "use HOST:PORT",
        ),
        (
            "",
            "{name: m, type: email, smtp_server: 'm:25', to: 'B <b@m>'}",
            "receivers[0] (m): from",
            "use an address",
        ),
    ] {
        let text = with(rules, receivers);
        let problems = broken(&text);
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert_eq!(problems[0].key, format!("alerts.{key}"), "{text}");
        assert!(problems[0].advice.contains(advice), "{text}: {problems:?}");
        assert!(!problems[0].to_string().contains("s3cret"), "{problems:?}");
    }
    let link = broken("alerts: {link: 'https://user:pass@ct.example/?a'}");
    assert!(link[0].key == "alerts.link" && !link[0].to_string().contains("pass"), "{link:?}");
}

/// As many items, each on a line of its own.
fn lines(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(|number| format!("  - {{{}}}\n", item(number))).collect()
}

#[test]
fn the_numbers_of_rules_and_receivers_are_bounded() {
    let text = |rule_count, receiver_count| {
        let rules =
            lines(rule_count, |n| format!("name: {n}, lookalike: a{n}.example, deliver: r0"));
        let receivers =
            lines(receiver_count, |n| format!("name: r{n}, type: slack, url: '{HOOK}'"));
        format!("alerts:\n  rules:\n{rules}  receivers:\n{receivers}")
    };
    let most = Written::new(&text(10_000, 100));
    let config = serve(&[&most.flag()], &[]).config;
    assert_eq!((config.alerts.rules.len(), config.alerts.receivers.len()), (10_000, 100));
    let said: Vec<String> = broken(&text(10_001, 101)).iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "alerts.rules is a list of 10001: there can be at most 10000; remove some",
            "alerts.receivers is a list of 101: there can be at most 100; remove some",
        ]
    );
}

#[test]
fn the_same_mistake_in_all_rules_is_named_a_hundred_times() {
    let text = |rule: &str| format!("alerts:\n  rules:\n{}", lines(1000, |_| rule.to_owned()));
    assert_eq!(broken(&text("name: a, deliver: nobody")).len(), 100);
    for wrong in ["name: a, max_per_hour: 0", "name: a, domains: b"] {
        let file = Written::new(&text(wrong));
        assert_eq!(mistakes(&[&file.flag()], &[]).len(), 100, "{wrong}");
    }
}

#[test]
fn the_url_of_a_webhook_is_never_shown() {
    let url = "'https://hooks.example/s3cret'";
    for text in [
        format!("alerts: {url}"),
        format!("alerts: [{url}]"),
        format!("alerts: {{link: {url}, lnk: {url}}}"),
        format!("alerts: {{receivers: {url}}}"),
        format!("alerts: {{receivers: [{url}]}}"),
        format!("alerts:\n  receivers:\n  - {url}\n"),
        format!("alerts: {{receivers: [{{name: a, type: slack, ulr: {url}}}]}}"),
        format!("alerts: {{receivers: [{{name: a, type: {url}}}]}}"),
        format!("alerts: {{receivers: [{{name: a, type: slack, url: [{url}]}}]}}"),
        format!("alerts: {{receivers: [{{name: a, type: slack, url: ftp{url}}}]}}")
            .replace("ftp'", "'ftp"),
        format!("alerts: {{receivers: [{{name: a, type: slack, url: {url}, colour: red}}]}}"),
        format!(
            "alerts:\n  receivers:\n  - name: a\n    type: slack\n    url: {url}\n     user: a\n"
        ),
        format!("alerts: {{receivers: [{{name: a, type: slack, url: {url}, user: {url}}}]}}"),
        format!(
            "alerts: {{receivers: [{{name: a, type: email, smtp_server: {url}, from: {url}}}]}}"
        ),
        format!("alerts: {{rules: [{{name: a, deliver: {url}}}]}}"),
        format!("alerts: {{rules: [{{name: a, url: {url}}}]}}"),
        format!("alerts: {{rules: [{{name: {url}, deliver: b}}]}}"),
    ] {
        let said = refused(&[&Written::new(&text).flag()], &[]);
        assert!(!said.contains("s3cret"), "{text}: {said}");
    }
    let file = Written::new(&with("{name: a}", &format!("{{name: b, type: slack, url: {url}}}")));
    for flags in [&["--print-config"][..], &["--print-config", "--changed"]] {
        let Ok(Invocation::PrintConfig(printed)) = invoke(&[&[&*file.flag()], flags].concat(), &[])
        else {
            panic!("not printed");
        };
        assert!(
            printed.contains("\"url\":\"(hidden)\"") && printed.contains("\"name\":\"b\""),
            "{printed}"
        );
        assert!(!printed.contains("s3cret"), "{printed}");
    }
    let setup = serve(&[&file.flag()], &[]);
    assert!(!format!("{setup:?}").contains("s3cret"));
    assert!(!setup.summary().contains("s3cret"));
}

#[test]
fn secrets_are_in_the_variables_that_receivers_name() {
    let receivers = "{name: ops, type: slack, url_env: CERTSTREAM_SLACK, key_env: hook_key_2}, \
                     {name: m, type: email, smtp_server: 'm.example:25', from: a@m, to: b@m, \
                     user: u, password_env: MISSING}";
    let file = Written::new(&with("{name: a}", receivers));
    let variables = [
        ("CERTSTREAM_SLACK", HOOK),
        ("hook_key_2", "s3cret"),
        ("UNNAMED", "s3cret"),
        ("CERTSTREAM_UNNAMED", "s3cret"),
    ];
    let setup = serve(&[&file.flag()], &variables);
    let config = &setup.config;
    assert!(rules::check(config).is_empty(), "a variable that is missing is found by its reader");
    for (name, expected) in [
        ("CERTSTREAM_SLACK", Some(HOOK)),
        ("hook_key_2", Some("s3cret")),
        ("MISSING", None),
        ("UNNAMED", None),
    ] {
        assert_eq!(config.variables.get(name), expected.map(AsRef::as_ref), "{name}");
    }
    let [warning] = setup.warnings.as_slice() else { panic!("{:?}", setup.warnings) };
    assert!(warning.starts_with("CERTSTREAM_UNNAMED has no effect"), "{warning}");
    assert!(!format!("{setup:?}").contains("s3cret"));
    let flags = [&file.flag(), "--print-config", "--changed"];
    let Ok(Invocation::PrintConfig(printed)) = invoke(&flags, &variables) else {
        panic!("not printed");
    };
    assert!(printed.contains("\"hook_key_2\"") && !printed.contains("s3cret"), "{printed}");
    let (reloaded, _) = without_restart(&Config::default(), config).expect("valid");
    assert_eq!(reloaded.variables, config.variables);
    let blank = "{name: a, type: slack, url_env: ' ', key_env: '', url_file: /a}";
    assert_eq!(broken(&with("", blank)), []);
}

#[test]
fn doubtful_alerts_cause_warnings() {
    let warnings = |text: &str| rules::warnings(&read_file("c.yaml", text).expect("valid"));
    let hook = format!("{{name: ops, type: webhook, url: '{HOOK}'}}");
    for (text, expected) in [
        (with("{name: a}", &hook).replace("data_dir: /d", ""), "alerts without data_dir"),
        (with("{name: a}", ""), "alerts.rules without alerts.receivers"),
        (with("", &hook), "no rule of alerts.rules delivers to \"ops\""),
    ] {
        let found = warnings(&text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].contains(expected) && !found[0].contains("s3cret"), "{text}: {found:?}");
    }
    let many: Vec<String> = (0..5).map(|n| hook.replace("ops", &format!("r{n}"))).collect();
    let found = warnings(&with("", &many.join(", ")));
    assert_eq!(found, ["no rule of alerts.rules delivers to \"r0\", \"r1\", \"r2\" and 2 more"]);
}

#[test]
fn the_summary_has_the_number_of_rules_and_the_receivers() {
    let summary = |rules: &str, receivers: &str| {
        let summary = serve(&[&Written::new(&with(rules, receivers)).flag()], &[]).summary();
        summary.lines().last().unwrap_or_default().to_owned()
    };
    let hook = |name: &str| format!("{{name: {name}, type: webhook, url: '{HOOK}'}}");
    assert_eq!(summary("{name: a}", &hook("b")), "alerts:       1 rule, to b (webhook)");
    assert_eq!(summary("{name: a}, {name: b}", ""), "alerts:       2 rules, to no receiver");
    let many: Vec<String> = (0..7).map(|n| hook(&format!("r{n}"))).collect();
    let many = summary("{name: a}", &many.join(", "));
    assert!(many.ends_with("r4 (webhook) and 2 more"), "{many}");
}

#[test]
fn alerts_are_replaced_without_a_restart() {
    let running = Config::default();
    let text = with("{name: a}", &format!("{{name: b, type: slack, url: '{HOOK}'}}"));
    let mut wanted = read_file("c.yaml", &text.replace("data_dir: /d", "")).expect("valid");
    wanted.alerts.merge_entries = false;
    let (applied, postponed) = without_restart(&running, &wanted).expect("valid");
    assert_eq!((applied, postponed), (wanted, vec![]));
}

#[test]
fn a_blank_link_is_none() {
    let file = Written::new("alerts: {link: 'https://ct.example'}");
    let link = |flags: &[&str]| serve(&[&[&*file.flag()], flags].concat(), &[]).config.alerts.link;
    assert_eq!(link(&[]).as_deref(), Some("https://ct.example"));
    assert_eq!(link(&["--alerts-link="]), None);
    assert_eq!(link(&["--alerts-link=http://a"]).as_deref(), Some("http://a"));
    assert_eq!(read_file("c.yaml", "alerts: {link: ''}").expect("valid").alerts.link, None);
}
