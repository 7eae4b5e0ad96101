//! The conditions and exceptions of a rule, and the reasons they give.

use alerts::{Except, Problem, Reason};

use super::*;

/// The texts of the reasons; none if the rule does not match.
fn reasons(rule: &Rule, subject: &Subject) -> Option<Vec<String>> {
    let mut rules = Rules::new(std::slice::from_ref(rule)).unwrap();
    let found = matching(&mut rules, subject).pop()?;
    Some(found.reasons.iter().map(ToString::to_string).collect())
}

#[test]
fn every_condition_gives_its_reason() {
    let subject = subject(&["www.example.org", "*.shop.test", "paypa1.net", "b.example.org."]);
    for (rule, expected) in [
        (
            rule(|rule| rule.domain = texts(&["example.org"])),
            "www.example.org belongs to example.org",
        ),
        (
            rule(|rule| rule.domain = texts(&["b.example.org"])),
            "b.example.org. belongs to b.example.org",
        ),
        (
            rule(|rule| rule.domain = texts(&["my.shop.test"])),
            "*.shop.test belongs to my.shop.test",
        ),
        (rule(|rule| rule.matches = texts(&["PayPa1"])), "paypa1.net contains \"paypa1\""),
        (rule(|rule| rule.regex = texts(&["^PAYPA.\\."])), "paypa1.net matches \"^PAYPA.\\\\.\""),
        (rule(|rule| rule.regex = texts(&["^.{14}g$"])), "www.example.org matches \"^.{14}g$\""),
        (
            rule(|rule| rule.lookalike = texts(&["paypal.com"])),
            "paypa1.net is like paypal.com: \"paypa1\" (characters that look the same)",
        ),
        (
            rule(|rule| rule.issuer = texts(&["ENCRYPT"])),
            "the issuer \"let's encrypt\" contains \"encrypt\"",
        ),
        (
            rule(|rule| rule.entry = Some(EntryKind::PrecertLogEntry)),
            "the entry is of the kind precert",
        ),
    ] {
        let found = reasons(&rule, &subject);
        // A domain reads "belongs to", also for the domain with a final dot.
        assert_eq!(found.as_deref(), Some(&[expected.to_owned()][..]), "{rule:?}");
    }
}

#[test]
fn every_condition_that_is_given_has_to_apply() {
    let all = rule(|rule| {
        rule.domain = texts(&["example.org", "test"]);
        rule.matches = texts(&["login"]);
        rule.regex = texts(&["[0-9]"]);
        rule.lookalike = texts(&["paypal.com"]);
        rule.issuer = texts(&["r10"]);
        rule.entry = Some(EntryKind::PrecertLogEntry);
    });
    let names = ["login.example.org", "paypal2.org"];
    assert_eq!(reasons(&all, &subject(&names)).unwrap().len(), 6);
    for missing in 0..2 {
        let mut fewer = names.to_vec();
        fewer.remove(missing);
        assert_eq!(reasons(&all, &subject(&fewer)), None);
    }
    for change in [
        |rule: &mut Rule| rule.domain = texts(&["example.net"]),
        |rule: &mut Rule| rule.matches = texts(&["logout"]),
        |rule: &mut Rule| rule.regex = texts(&["[3-9]"]),
        |rule: &mut Rule| rule.lookalike = texts(&["amazon.com"]),
        |rule: &mut Rule| rule.issuer = texts(&["r11"]),
        |rule: &mut Rule| rule.entry = Some(EntryKind::X509LogEntry),
    ] {
        let mut other = all.clone();
        change(&mut other);
        assert_eq!(reasons(&other, &subject(&names)), None, "{other:?}");
    }
}

#[test]
fn known_certificates_are_silent() {
    let der = std::fs::read("../wire/src/sample/leaf.der").unwrap();
    let certificate = cert::Certificate::read(&der);
    let mut subject = subject(&["example.com"]);
    subject.add_name("www.example.com");
    let candidate = Candidate { subject: &subject, der: &der, sha256: &certificate.sha256 };
    let key = ct::sha256(cert::tbs::subject_public_key_info(&der).unwrap());
    let hex = |hash: [u8; 32]| vec![hash.iter().map(|byte| format!("{byte:02x}")).collect()];
    let empty = Except::default;
    for (except, is_silent) in [
        (empty(), false),
        (Except { domain: texts(&["example.com"]), ..empty() }, true),
        (Except { domain: texts(&["www.example.com"]), ..empty() }, false),
        (Except { issuer: texts(&["let's encrypt"]), ..empty() }, true),
        (Except { issuer: texts(&["digicert"]), ..empty() }, false),
        (Except { key: hex(key), ..empty() }, true),
        (Except { key: hex([7; 32]), ..empty() }, false),
        (Except { certificate: hex(certificate.sha256), ..empty() }, true),
        (Except { certificate: hex([7; 32]), ..empty() }, false),
    ] {
        let rule = rule(|rule| {
            rule.domain = texts(&["example.com"]);
            rule.except = except;
        });
        let mut rules = Rules::new(std::slice::from_ref(&rule)).unwrap();
        let mut found = Vec::new();
        rules.matching(&candidate, &mut found);
        assert_eq!(found.is_empty(), is_silent, "{rule:?}");
    }
}

/// Names below one of the protected names of a rule are its own, not those of another rule.
#[test]
fn own_names_are_not_like_each_other() {
    let ours = rule(|rule| rule.lookalike = texts(&["paypal.com", "paypal.de"]));
    assert_eq!(reasons(&ours, &subject(&["www.paypal.com", "paypal.de", "*.paypal.de."])), None);
    let found = reasons(&ours, &subject(&["paypal.com", "paypal.fr"])).unwrap();
    assert_eq!(
        found,
        ["paypal.fr is like paypal.com: \"paypal\" (the same label below another public suffix)"]
    );
    let only = rule(|rule| rule.lookalike = texts(&["paypal.com"]));
    assert!(reasons(&only, &subject(&["paypal.de"])).is_some());
    let excepted = rule(|rule| {
        rule.lookalike = texts(&["paypal.com"]);
        rule.except.domain = texts(&["paypal.de"]);
    });
    assert_eq!(reasons(&excepted, &subject(&["paypal.de"])), None);
    // The plainest likeness of all names is the reason.
    let found = reasons(&excepted, &subject(&["paypall.org", "login.paypal.de", "paypal.org"]));
    assert!(found.unwrap()[0].starts_with("paypal.org is like paypal.com"));
}

#[test]
fn long_text_is_cut_in_reasons_and_not_tried_by_regexes() {
    let long = "a".repeat(1000) + ".example";
    let subject = subject(&[&long]);
    let text = rule(|rule| rule.matches = texts(&["aaaa"]));
    let mut rules = Rules::new(&[text]).unwrap();
    let found = matching(&mut rules, &subject).pop().unwrap();
    assert_eq!(found.reasons[0].name().unwrap().len(), 253);
    assert_eq!(reasons(&rule(|rule| rule.regex = texts(&["aaaa"])), &subject), None);
}

#[test]
fn rules_are_refused_with_all_their_problems() {
    let named = |name: &str, change: fn(&mut Rule)| {
        let mut rule = rule(change);
        rule.name = name.into();
        rule
    };
    let rules = [
        named("a", |rule| rule.matches = texts(&["ab"])),
        named("b", |rule| rule.matches = texts(&["abc"])),
        named("b", |rule| rule.regex = texts(&["("])),
    ];
    let problems = Rules::new(&rules).unwrap_err();
    let messages: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert!(messages[0].starts_with("rule \"a\": match: \"ab\" is too short"), "{messages:?}");
    assert!(messages[1].starts_with("rule \"b\": name: another rule"), "{messages:?}");
    assert!(messages[2].starts_with("rule \"b\": regex: \"(\""), "{messages:?}");

    let open = |number: usize| Rule {
        name: number.to_string(),
        regex: texts(&["^[a-f]+$"]),
        ..Rule::default()
    };
    let rules: Vec<_> = (0..=alerts::MAX_OPEN_REGEXES).map(open).collect();
    assert!(Rules::new(&rules[1..]).is_ok());
    let problems = Rules::new(&rules).unwrap_err();
    assert_eq!(problems[0].what, Problem::TooManyOpenRegexes);
}

#[test]
fn warnings_name_their_rule() {
    let rules = [
        Rule { name: "wide".into(), matches: texts(&[".com"]), limit: 5, ..Rule::default() },
        Rule { name: "narrow".into(), matches: texts(&["paypal"]), ..Rule::default() },
    ];
    let rules = Rules::new(&rules).unwrap();
    let warnings: Vec<_> = rules.warnings().map(|warning| warning.to_string()).collect();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("rule \"wide\": match \".com\""), "{warnings:?}");
    assert!(warnings[0].contains("5 alerts an hour"), "{warnings:?}");
    assert_eq!((rules.name(0), rules.limit(0), rules.limit(2)), (Some("wide"), Some(5), None));
}

#[test]
fn a_reason_names_its_setting() {
    let subject = subject(&["paypa1.com"]);
    let mut rules = Rules::new(&[rule(|rule| rule.lookalike = texts(&["paypal.com"]))]).unwrap();
    let found = matching(&mut rules, &subject).pop().unwrap();
    let Reason::Lookalike { of, likeness, .. } = &found.reasons[0] else { panic!("{found:?}") };
    assert_eq!((&**of, likeness.kind()), ("paypal.com", "confusable"));
    assert_eq!(found.reasons[0].parameter(), "lookalike");
}
