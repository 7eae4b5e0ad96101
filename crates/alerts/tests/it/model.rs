//! Many rules together find what each of them finds alone.

use proptest::prelude::*;

use super::*;

const NAMES: &[&str] = &[
    "paypal.com",
    "www.paypal.com",
    "paypa1.com",
    "paypal-login.net",
    "login.example.org",
    "example.org",
    "*.example.org",
    "mail.facebok.com",
    "facebook.com",
    "a1.b2.test",
    "shop.test",
    "paypal.com.evil.org",
    "xn--pypal-4ve.com",
    "192.0.2.1",
    "not a name",
    "pay.pal.com",
    "www.shop.co.uk",
];
const DOMAINS: &[&str] = &["com", "example.org", "www.example.org", "paypal.com", "test", "co.uk"];
const MATCHES: &[&str] = &["pay", "login", "book", "www", "xn--", ".com"];
const REGEXES: &[&str] =
    &["^pay", "log(in|out)", "[0-9]", "shop|face", r"\.test$", "(a|b)+1", ".*"];
const BRANDS: &[&str] = &["paypal.com", "paypal.de", "facebook.com", "example.org", "shop.com"];
const ISSUERS: &[&str] = &["r10", "encrypt", "digicert"];

fn some(of: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop::sample::select(of), 0..=most)
        .prop_map(|texts| texts.into_iter().map(str::to_owned).collect())
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let entry = prop::option::of(prop::sample::select(&EntryKind::ALL[..]));
    let conditions =
        (some(DOMAINS, 2), some(MATCHES, 2), some(REGEXES, 2), some(BRANDS, 2), some(ISSUERS, 1));
    (conditions, entry, some(DOMAINS, 1), some(ISSUERS, 1), 0..6_u8).prop_filter_map(
        "a rule without a condition",
        |((domain, matches, regex, lookalike, issuer), entry, own, known, kept)| {
            // Rules with all conditions at once match nothing.
            let keep = |number, terms: Vec<String>| {
                if kept == number || kept == 5 { terms } else { Vec::new() }
            };
            let mut rule = Rule { name: "r".into(), issuer, ..Rule::default() };
            (rule.domain, rule.matches) = (keep(0, domain), keep(1, matches));
            (rule.regex, rule.lookalike) = (keep(2, regex), keep(3, lookalike));
            rule.entry = entry.filter(|_| kept == 4);
            (rule.except.domain, rule.except.issuer) = (own, known);
            rule.check().is_ok().then_some(rule)
        },
    )
}

proptest! {
    #[test]
    fn many_rules_find_what_each_finds_alone(
        rules in prop::collection::vec(any_rule(), 1..40),
        certificates in prop::collection::vec(prop::collection::vec(prop::sample::select(NAMES), 0..5), 1..12),
    ) {
        let mut rules = rules;
        for (number, rule) in rules.iter_mut().enumerate() {
            rule.name = number.to_string();
        }
        let Ok(mut all) = Rules::new(&rules) else { return Ok(()) };
        let mut each: Vec<_> =
            rules.iter().map(|rule| Rules::new(std::slice::from_ref(rule)).unwrap()).collect();
        for names in &certificates {
            let subject = subject(names);
            let found = matching(&mut all, &subject);
            let mut alone = Vec::new();
            for (number, rules) in each.iter_mut().enumerate() {
                alone.extend(matching(rules, &subject).into_iter().map(|found| Match { rule: number, ..found }));
            }
            prop_assert_eq!(found, alone, "{:?}", names);
        }
    }

    /// A rule with only the conditions of a filter matches what that filter passes.
    #[test]
    fn a_rule_matches_what_its_filter_passes(
        domain in some(DOMAINS, 2),
        matches in some(MATCHES, 2),
        issuer in some(ISSUERS, 2),
        names in prop::collection::vec(prop::sample::select(NAMES), 0..5),
    ) {
        let pairs = [("domain", &domain), ("match", &matches), ("issuer", &issuer)];
        let pairs = pairs.into_iter().flat_map(|(name, terms)| terms.iter().map(move |term| (name, term)));
        let Some(filter) = wire::filter::Filter::parse(pairs, 100).unwrap() else { return Ok(()) };
        let rule = Rule { name: "r".into(), domain, matches, issuer, ..Rule::default() };
        let subject = subject(&names);
        let found = matching(&mut Rules::new(&[rule]).unwrap(), &subject);
        prop_assert_eq!(!found.is_empty(), filter.passes(&subject));
    }
}
