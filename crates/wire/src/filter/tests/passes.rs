//! Certificates that pass a filter, and that do not.

use super::*;

fn passes(query: &str, subject: &Subject) -> bool {
    let filter = filter(query);
    let passes = filter.passes(subject);
    // The index has to say the same.
    let filters = Filters::new(Limits { terms: 100, term_bytes: 10_000 });
    let registered = filters.register(filter).unwrap();
    let mut found = Vec::new();
    filters.matching(&[subject], |subject, scratch| scratch.clone_from(subject), &mut found);
    let expected: &[_] = if passes { &[(registered.id(), 0)] } else { &[] };
    assert_eq!(found, expected, "{query}");
    passes
}

#[test]
fn domains_match_at_label_boundaries() {
    let cases = [
        ("example.com", "example.com", true),
        ("example.com", "www.example.com", true),
        ("example.com", "a.b.c.example.com", true),
        ("example.com", "*.example.com", true),
        ("example.com", "*.www.example.com", true),
        ("example.com", "example.com.", true),
        ("example.com", "www.example.com.", true),
        ("example.com", "EXAMPLE.com", true),
        ("EXAMPLE.com", "www.example.COM", true),
        ("*.example.com", "example.com", true),
        ("*.example.com", "evil.example.com", true),
        ("example.com", "evil-example.com", false),
        ("example.com", "evilexample.com", false),
        ("example.com", "example.com.evil.org", false),
        ("example.com", "com", false),
        ("example.com", "example.co", false),
        ("example.com", "xample.com", false),
        ("example.com", "example.com..", false),
        ("example.com", "example.com evil.org", false),
        ("example.com", "a\nexample.com", false),
        ("example.com", "example.com\nb", false),
        ("example.com", "", false),
        ("example.com", ".", false),
        ("www.example.com", "example.com", false),
        ("com", "example.com", true),
        ("com", "example.com.evil", false),
        ("bücher.example", "www.xn--bcher-kva.example", true),
        ("BÜCHER.example", "XN--BCHER-KVA.example", true),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", true),
        ("xn--bcher-kva.example", "bücher.example", false),
        ("192.0.2.1", "192.0.2.1", true),
    ];
    for (term, name, expected) in cases {
        let found = passes(&format!("domain={term}"), &subject([name]));
        assert_eq!(found, expected, "{term:?} and {name:?}");
    }
}

#[test]
fn a_wildcard_that_covers_a_domain_passes_unless_asked_for_exact_names() {
    let cases = [
        ("login.example.org", "*.example.org", true),
        ("login.example.org", "*.EXAMPLE.org.", true),
        ("example.org", "*.org", true),
        ("*.login.example.org", "*.example.org", true),
        // A wildcard is one label, the first, and the whole of it (RFC 6125 section 6.4.3).
        ("a.login.example.org", "*.example.org", false),
        ("login.example.org", "*.login.example.org.evil", false),
        ("login.example.org", "x.*.example.org", false),
        ("login.example.org", "log*.example.org", false),
        ("login.example.org", "*example.org", false),
        ("login.example.org", "*", false),
        ("login.example.org", "example.org", false),
        ("org", "*", false),
        ("192.0.2.1", "*.0.2.1", false),
    ];
    for (term, name, expected) in cases {
        let subject = subject([name]);
        assert_eq!(passes(&format!("domain={term}"), &subject), expected, "{term:?} and {name:?}");
        assert!(!passes(&format!("domain={term}&exact=true"), &subject), "{term:?} and {name:?}");
    }
    // Names below the domain are exact.
    for name in ["example.org", "www.example.org", "*.example.org"] {
        assert!(passes("domain=example.org&exact=true", &subject([name])), "{name}");
    }
}

#[test]
fn addresses_pass_by_domain_and_by_network() {
    let mut subject = subject(["www.example.com"]);
    for address in ["192.0.2.1", "2001:db8::1"] {
        subject.add_address(address.parse().unwrap());
    }
    let cases = [
        ("domain=192.0.2.1", true),
        ("domain=192.0.2.1&exact=true", true),
        ("domain=2001:0db8::0001", true),
        ("domain=192.0.2.2", false),
        ("domain=2.1", false),
        ("ip=192.0.2.1", true),
        ("ip=192.0.2.0/24", true),
        ("ip=192.0.2.128/25", false),
        ("ip=0.0.0.0/0", true),
        ("ip=198.51.100.0/24,2001:db8::/32", true),
        ("ip=2001:db9::/32", false),
        ("ip=192.0.2.1&domain=example.com", true),
        ("ip=192.0.2.1&domain=example.org", false),
        ("match=192.0", false),
    ];
    for (query, expected) in cases {
        assert_eq!(passes(query, &subject), expected, "{query}");
    }
    assert!(!passes("ip=::/0", &super::subject(["192.0.2.1"])), "a text that looks like one");
}

#[test]
fn certificates_with_a_new_domain_pass() {
    let mut subject = subject(["www.example.com"]);
    assert!(!passes("new=true", &subject) && !passes("domain=example.com&new=true", &subject));
    subject.set_new(true);
    assert!(passes("new=true", &subject) && passes("domain=example.com&new=true", &subject));
    assert!(!passes("domain=example.org&new=true", &subject));
    // Another value is no filter.
    assert_eq!(parse("new=false"), Ok(None));
    assert!(matches!(parse("new=1"), Err(FilterError::NotASwitch { .. })));
    subject.clear();
    assert!(!passes("new=true", &subject));
}

#[test]
fn one_kind_of_entry_passes() {
    let mut subject = subject(["www.example.com"]);
    assert!(passes("entry=precert", &subject) && !passes("entry=final", &subject));
    assert!(passes("entry=precert,final", &subject));
    assert!(passes("domain=example.com&entry=precert", &subject));
    assert!(!passes("domain=example.com&entry=final", &subject));
    subject.set_kind(EntryKind::X509LogEntry);
    assert!(passes("entry=final", &subject) && !passes("entry=precert", &subject));
    assert!(passes("domain=example.com&entry=final", &subject));
}

/// Every certificate is in one share of each division, by the first bytes of its SHA-256.
#[test]
fn shares_divide_all_certificates() {
    let mut subject = subject(["www.example.com"]);
    for first in 0..40_u8 {
        let mut sha256 = [0xff; 32];
        sha256[..8].copy_from_slice(&u64::from(first).to_be_bytes());
        subject.set_sha256(&sha256);
        for count in [1, 2, 7, 1024_u64] {
            let share = u64::from(first) % count + 1;
            assert!(passes(&format!("part={share}/{count}"), &subject));
            assert!(passes(&format!("part={share}/{count}&domain=com"), &subject));
            assert!(!passes(&format!("part={share}/{count}&domain=org"), &subject));
            assert_eq!(passes(&format!("part=1/{count}"), &subject), share == 1);
        }
    }
}

#[test]
fn a_match_is_a_part_of_one_name() {
    let names = ["Login.PayPal.example", "*.b.org", "naïve.ÅÅ.example", "last.example."];
    let subject = subject(names);
    let cases = [
        ("paypal", true),
        ("PAYPAL", true),
        ("login.paypal.example", true),
        ("NAÏVE.åå", true),
        ("example.", true),
        ("orgna", false),
        ("paypa1", false),
        ("let's", false),
        ("argon", false),
    ];
    for (term, expected) in cases {
        assert_eq!(passes(&format!("match={term}"), &subject), expected, "{term}");
    }
}

#[test]
fn an_issuer_is_a_part_of_cn_or_o() {
    let cases = [
        ("r10", true),
        ("R1", true),
        ("let's encrypt", true),
        ("ENCRYPT", true),
        ("r11", false),
        ("r10let", false),
        ("r10 let", false),
        ("a.example", false),
    ];
    for (term, expected) in cases {
        let found = passes(&format!("issuer={term}"), &subject(["a.example"]));
        assert_eq!(found, expected, "{term}");
    }
}

#[test]
fn a_log_is_a_part_of_name_or_url_or_a_whole_id() {
    let cases = [
        ("argon2026h1", true),
        ("Google 'Argon", true),
        ("ct.googleapis.com", true),
        ("https://ct.googleapis.com/logs/us1/argon2026h1", true),
        ("DleUvPOuqT4zGyyZB7P3kN+bwj1xMiXdIaklrGHFTiE=", true),
        ("DleUvPOuqT4z", false),
        ("xenon", false),
    ];
    for (term, expected) in cases {
        let found = passes(&format!("log={term}"), &subject(["a.example"]));
        assert_eq!(found, expected, "{term}");
    }
    let mut unknown = subject(["a.example"]);
    unknown.set_log(&Source::new("Ad hoc", "http://x", "", SourceKind::Tiled, None));
    assert!(passes("log=hoc", &unknown) && !passes("log=argon", &unknown));
}

#[test]
fn or_within_a_parameter_and_between_parameters() {
    let cases = [
        ("domain=x.org,a.example", true),
        ("domain=x.org&domain=a.example", true),
        ("domain=a.example&issuer=r10", true),
        ("domain=a.example&issuer=r11", false),
        ("domain=x.org&issuer=r10", false),
        ("domain=x.org,a.example&match=zzz,www&issuer=e5,encrypt&log=xenon,argon", true),
        ("domain=x.org,a.example&match=zzz,www&issuer=e5,encrypt&log=xenon,oak", false),
        ("domain=a.example&match=other", true),
        ("match=www&log=argon", true),
        ("match=mail&log=argon", false),
        ("issuer=r10&log=argon", true),
        ("issuer=r10&log=oak", false),
        // The same text under two parameters is two terms.
        ("domain=r10&issuer=r10", false),
        ("match=argon&log=argon", false),
    ];
    for (query, expected) in cases {
        let subject = subject(["www.a.example", "other.example"]);
        assert_eq!(passes(query, &subject), expected, "{query}");
    }
}

#[test]
fn a_certificate_with_nothing_passes_nothing() {
    let nothing = Subject::default();
    for query in
        ["domain=com", "match=...", "issuer=a", "log=a", "ip=::/0", "part=1/1", "entry=final"]
    {
        assert!(!passes(query, &nothing), "{query}");
    }
}

#[test]
fn names_of_any_length() {
    let labels = "a.".repeat(100_000) + "example.com";
    let long = "x".repeat(1_000_000);
    let subject = subject([&*labels, &long, ".", "..", "ok.example.org"]);
    assert!(passes("domain=example.com", &subject));
    assert!(passes("domain=ok.example.org", &subject));
    assert!(passes(&format!("match={}", "x".repeat(253)), &subject));
    assert!(!passes("domain=b.example.com", &subject));
}
