//! Rules that are accepted, warned about, and refused.

use super::*;

fn rule(change: impl FnOnce(&mut Rule)) -> Rule {
    let mut rule = Rule { name: "r".into(), ..Rule::default() };
    change(&mut rule);
    rule
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn narrow_rules_are_accepted_without_a_warning() {
    for rule in [
        rule(|rule| rule.domain = texts(&["example.org"])),
        rule(|rule| rule.matches = texts(&["paypal"])),
        rule(|rule| rule.regex = texts(&["^pay"])),
        rule(|rule| rule.lookalike = texts(&["paypal.com", "paypal.de"])),
        rule(|rule| {
            rule.domain = texts(&["com"]);
            rule.matches = texts(&["paypal"]);
        }),
        rule(|rule| {
            rule.domain = texts(&["com"]);
            rule.regex = texts(&["^pay"]);
        }),
        rule(|rule| {
            rule.lookalike = texts(&["paypal.com"]);
            rule.regex = texts(&[".*"]);
            rule.entry = Some(EntryKind::X509LogEntry);
        }),
    ] {
        assert_eq!(rule.check(), Ok(None), "{rule:?}");
    }
}

#[test]
fn rules_that_match_most_certificates_are_warned_about() {
    for (rule, expected) in [
        (rule(|rule| rule.entry = Some(EntryKind::X509LogEntry)), "nothing is said about names"),
        (rule(|rule| rule.issuer = texts(&["let's encrypt"])), "nothing is said about names"),
        (rule(|rule| rule.regex = texts(&["paypal", ".*"])), "regex \".*\" matches nearly any"),
        (rule(|rule| rule.domain = texts(&["example.org", "com"])), "domain \"com\" is the end"),
        (rule(|rule| rule.matches = texts(&[".com"])), "match \".com\" is the end"),
        (rule(|rule| rule.matches = texts(&["co.uk"])), "match \"co.uk\" is the end"),
    ] {
        let warning = rule.check().unwrap().unwrap().to_string();
        assert!(warning.starts_with(expected), "{warning}");
        assert!(warning.contains("no more than 100 alerts an hour"), "{warning}");
    }
}

#[test]
fn mistakes_are_named() {
    let long = "n".repeat(MAX_NAME_BYTES + 1);
    for (rule, expected) in [
        (rule(|_| {}), "no condition"),
        (rule(|rule| rule.name = String::new()), "name: \"\""),
        (rule(|rule| rule.name = long), "1 to 100 bytes"),
        (rule(|rule| rule.name = "a\nb".into()), "control characters"),
        (rule(|rule| rule.domain = texts(&["http://example.org/"])), "is not a domain name"),
        (rule(|rule| rule.domain = texts(&["192.0.2.1"])), "domain: \"192.0.2.1\" is an address"),
        (rule(|rule| rule.matches = texts(&["ab"])), "is too short"),
        (rule(|rule| rule.matches = texts(&["abc,def"])), "match: \"abc,def\" contains a comma"),
        (rule(|rule| rule.issuer = texts(&["Example, Inc."])), "contains a comma"),
        (rule(|rule| rule.regex = texts(&["("])), "is not a regular expression"),
        (rule(|rule| rule.regex = vec!["a".into(); MAX_REGEXES + 1]), "more than 16"),
        (rule(|rule| rule.lookalike = texts(&["paypal"])), "as example.com"),
        (rule(|rule| rule.matches = vec!["abc".into(); MAX_TERMS + 1]), "more than 1000 terms"),
        (rule(|rule| rule.limit = 0), "max_per_hour: 0 must be 1"),
        (rule(|rule| rule.limit = MAX_LIMIT + 1), "must be 1 to 10000"),
    ] {
        let message = rule.check().unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    let with = |except: Except| {
        let rule = rule(|rule| {
            rule.matches = texts(&["paypal"]);
            rule.except = except;
        });
        rule.check().map(|_| ()).map_err(|problem| problem.to_string())
    };
    let empty = Except::default;
    for (except, expected) in [
        (Except { key: texts(&["abc"]), ..empty() }, "is not a SHA-256"),
        (Except { certificate: texts(&["abc"]), ..empty() }, "is not a SHA-256"),
        (Except { domain: texts(&["a b"]), ..empty() }, "is not a domain name"),
        (Except { domain: texts(&["::1"]), ..empty() }, "except: \"::1\" is an address"),
        (Except { issuer: texts(&["a,b"]), ..empty() }, "except: \"a,b\" contains a comma"),
        (Except { issuer: texts(&[""]), ..empty() }, "a term is empty"),
    ] {
        let message = with(except).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
}

/// A regular expression is tried only if the index has found one of its texts, or the conditions beside it.
#[test]
fn candidates_are_found_by_the_texts_of_a_regex() {
    let terms = |rule: &Rule, parameter| -> Option<Vec<String>> {
        let filter = rule.compile().unwrap().candidates()?;
        Some(filter.terms(parameter).iter().map(ToString::to_string).collect())
    };
    let regex = rule(|rule| rule.regex = texts(&["pay.*login", "(shop|market)$"]));
    assert_eq!(terms(&regex, Parameter::Match), Some(texts(&["login", "market", "shop"])));
    let open = rule(|rule| rule.regex = texts(&["pay.*login", r"^\d+\."]));
    assert_eq!(terms(&open, Parameter::Match), None);
    let both = rule(|rule| {
        rule.regex = texts(&["login"]);
        rule.domain = texts(&["com"]);
        rule.issuer = texts(&["R10"]);
    });
    assert_eq!(terms(&both, Parameter::Match), Some(texts(&["login"])));
    assert_eq!(terms(&both, Parameter::Domain), Some(texts(&["com"])));
    assert_eq!(terms(&both, Parameter::Issuer), Some(texts(&["r10"])));
    let narrow = rule(|rule| {
        rule.regex = texts(&["login"]);
        rule.domain = texts(&["example.org"]);
    });
    assert_eq!(terms(&narrow, Parameter::Match), Some(vec![]));
}

/// Conditions that nearly every certificate meets do not spare it a regular expression.
#[test]
fn a_regex_beside_public_suffixes_is_tried_on_every_certificate() {
    let open = |change: fn(&mut Rule)| {
        let rule = rule(|rule| {
            rule.regex = texts(&[r"^[a-z0-9-]{20,}\.com$"]);
            change(rule);
        });
        rule.compile().unwrap().candidates().is_none()
    };
    assert!(open(|_| {}));
    assert!(open(|rule| rule.domain = texts(&["com"])));
    assert!(open(|rule| rule.domain = texts(&["example.org", "com"])));
    assert!(open(|rule| rule.matches = texts(&[".com"])));
    assert!(open(|rule| rule.matches = texts(&["paypal", "www."])));
    assert!(open(|rule| rule.entry = Some(EntryKind::X509LogEntry)));
    assert!(!open(|rule| rule.domain = texts(&["example.org"])));
    assert!(!open(|rule| rule.matches = texts(&["paypal"])));
    assert!(!open(|rule| rule.issuer = texts(&["R10"])));
    let suffix = rule(|rule| rule.domain = texts(&["com"]));
    assert!(suffix.compile().unwrap().candidates().is_some(), "it has no regular expression");
}
