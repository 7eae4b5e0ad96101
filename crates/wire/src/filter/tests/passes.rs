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
fn a_match_is_a_part_of_one_name() {
    let names = ["Login.PayPal.example", "*.b.org", "naïve.ÅÅ.example", "last.example."];
    let subject = subject(names);
    let cases = [
        ("paypal", true),
        ("PAYPAL", true),
        ("login.paypal.example", true),
        ("*.b.o", true),
        ("NAÏVE.åå", true),
        ("example.", true),
        ("ample*", false),
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
    for query in ["domain=com", "match=...", "issuer=a", "log=a"] {
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
