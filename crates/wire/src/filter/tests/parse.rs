use super::*;

fn terms(query: &str) -> [Vec<String>; 4] {
    let filter = filter(query);
    Parameter::ALL
        .map(|parameter| filter.terms(parameter).iter().map(|term| term.to_string()).collect())
}

#[test]
fn terms_are_canonical() {
    let cases = [
        ("domain=Example.COM", "example.com"),
        ("domain=*.example.com", "example.com"),
        ("domain= example.com. ", "example.com"),
        ("domain=*.Bücher.example.", "xn--bcher-kva.example"),
        ("domain=例え。テスト。", "xn--r8jz45g.xn--zckzah"),
        ("domain=XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("domain=xn--not-punycode-0.example", "xn--not-punycode-0.example"),
        ("domain=_dmarc.example", "_dmarc.example"),
        ("domain=com", "com"),
        ("domain=192.0.2.1", "192.0.2.1"),
        ("match= PayPal ", "paypal"),
        ("match=*.a", "*.a"),
        ("match=é.é", "é.é"),
        ("match=a b", "a b"),
        ("issuer=R", "r"),
        ("issuer=Österreich GmbH", "österreich gmbh"),
        ("issuer=Let's Encrypt", "let's encrypt"),
        ("log=Argon", "argon"),
        ("log=DleU+/=", "dleu+/="),
    ];
    for (query, expected) in cases {
        assert_eq!(terms(query).concat(), [expected], "{query}");
    }
}

#[test]
fn what_says_the_same_is_equal() {
    let first = filter("domain=b.org,A.com&issuer=r10,e5&domain=c.net");
    let second = filter("issuer=E5&domain=*.c.net,a.com.,a.com&issuer=R10&domain=b.org");
    assert_eq!(first, second);
    assert_eq!(
        terms("domain=b.org,A.com&domain=b.org&match=zzz&match=AAA"),
        [vec!["a.com", "b.org"], vec!["aaa", "zzz"], vec![], vec![]]
    );
    assert_ne!(filter("match=abc"), filter("issuer=abc"));
    assert_ne!(filter("match=abc"), filter("match=abc&issuer=abc"));
}

#[test]
fn without_parameters_there_is_no_filter() {
    for query in ["", "compat=go&since=5", "Domain=a.com", "domains=a.com", "token=,"] {
        assert_eq!(parse(query), Ok(None), "{query}");
    }
}

#[test]
fn what_is_no_term_is_refused_with_the_reason() {
    let long = format!("match={}", "a".repeat(254));
    let long_after = format!("domain={}example", "ü.".repeat(100));
    let long_label = format!("domain={}.example", "a".repeat(64));
    let cases = [
        ("domain=", "domain: a term is empty"),
        ("domain=a.com,", "domain: a term is empty"),
        ("issuer=a,,b", "issuer: a term is empty"),
        ("issuer=r10&log= ", "log: a term is empty"),
        ("domain=*.", "domain: a term is empty"),
        ("domain=.", "domain: a term is empty"),
        ("match=ab", "match: \"ab\" is too short, give at least 3 characters"),
        ("match=éé", "match: \"éé\" is too short"),
        (&long, "match: a term has 254 bytes, the limit is 253"),
        (&long_after, "domain: a term has"),
        (&long_label, "is not a domain name"),
        ("domain=https://a.com/", "domain: \"https://a.com/\" is not a domain name"),
        ("domain=.a.com", "is not a domain name"),
        ("domain=a..com", "is not a domain name"),
        ("domain=a.com..", "is not a domain name"),
        ("domain=*", "is not a domain name"),
        ("domain=a.*.com", "is not a domain name"),
        ("domain=a b.com", "is not a domain name"),
        ("domain=a\0.com", "is not a domain name"),
        ("domain=a\u{2028}b", "is not a domain name"),
        ("match=a\nb", "match: \"a\\nb\" has a control character"),
        ("issuer=\0", "issuer: \"\\0\" has a control character"),
        ("log=x\u{85}x", "log: "),
    ];
    for (query, expected) in cases {
        let error = parse(query).expect_err(query).to_string();
        assert!(error.contains(expected), "{query}: {error}");
    }
}

#[test]
fn the_limits_themselves_are_allowed() {
    let label = "a".repeat(63);
    let longest = [&*label, &label, &label, &"a".repeat(61)].join(".");
    assert_eq!(longest.len(), MAX_TERM_BYTES);
    assert_eq!(terms(&format!("domain={longest}.")).concat(), [longest]);
    let longest = "a".repeat(MAX_TERM_BYTES);
    assert_eq!(terms(&format!("match={longest}")).concat(), [longest]);
    assert_eq!(terms("match=abc").concat(), ["abc"]);
}

#[test]
fn different_terms_are_counted_over_all_parameters() {
    let domains: Vec<_> = (0..19).map(|n| format!("{n}.example")).collect();
    let query = format!("domain={0}&domain={0}&issuer=r10", domains.join(","));
    assert!(parse(&query).is_ok(), "20, some of them twice");
    let error = parse(&format!("{query},r11")).expect_err("21");
    assert_eq!(error, FilterError::TooManyTerms { most: 20 });
    assert_eq!(error.to_string(), "more than 20 terms, the limit of a connection");
}
