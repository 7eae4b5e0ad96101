//! Filters read from the parameters of a request.

use super::*;

fn terms(query: &str) -> [Vec<String>; Parameter::ALL.len()] {
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
        ("domain= 2001:DB8:0::1 ", "2001:db8::1"),
        ("ip=192.0.2.1", "192.0.2.1/32"),
        ("ip=192.0.2.1/24", "192.0.2.0/24"),
        ("ip= 2001:DB8:0::1 ", "2001:db8::1/128"),
        ("ip=2001:db8::/32", "2001:db8::/32"),
        ("ip=::/0", "::/0"),
        ("part=1/1", "1/1"),
        ("part=02/8", "2/8"),
        ("part=1024/1024", "1024/1024"),
        ("entry=Precert", "precert"),
        ("entry= final ", "final"),
        ("match= PayPal ", "paypal"),
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
        terms("domain=b.org,A.com&domain=b.org&match=zzz&match=AAA").concat(),
        ["a.com", "b.org", "aaa", "zzz"]
    );
    assert_eq!(filter("domain=a.com&exact=false"), filter("domain=a.com"));
    assert_eq!(filter("exact=true&domain=com"), filter("domain=com"), "nothing covers it");
    assert_ne!(filter("exact=true&domain=a.com"), filter("domain=a.com"));
    assert_eq!(filter("exact=false&match=abc"), filter("match=abc"));
    assert_eq!(filter("ip=192.0.2.77/24"), filter("ip=192.0.2.0/24"));
    assert_ne!(filter("match=abc"), filter("issuer=abc"));
    assert_ne!(filter("match=abc"), filter("match=abc&issuer=abc"));
}

#[test]
fn without_parameters_there_is_no_filter() {
    // A name that is nearly one of ours is refused where requests are read.
    for query in ["", "compat=go&since=5", "Domain=a.com", "token=,", "exact=false"] {
        assert_eq!(parse(query), Ok(None), "{query}");
    }
}

#[test]
fn what_is_no_term_is_refused_with_the_reason() {
    let long = format!("match={}", "a".repeat(254));
    let long_address = format!("ip={}", "1".repeat(254));
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
        (
            "match=p*ypal",
            "match: \"p*ypal\" contains an asterisk, but match searches for plain text",
        ),
        ("match=*.a", "match: \"*.a\" contains an asterisk"),
        ("ip=", "ip: a term is empty"),
        ("ip=example.org", "ip: \"example.org\" is not an IP address or a network"),
        ("ip=192.0.2", "is not an IP address"),
        ("ip=192.0.2.0/33", "is not an IP address"),
        ("ip=fe80::1%eth0", "is not an IP address"),
        (&long_address, "ip: a term has 254 bytes"),
        ("part=", "part: a term is empty"),
        ("part=0/4", "part: \"0/4\" is not a share such as 2/8"),
        ("part=5/4", "is not a share"),
        ("part=1/0", "is not a share"),
        ("part=1/1025", "is not a share such as 2/8: the second of eight, at most 1024"),
        ("part=+1/4", "is not a share"),
        ("part=1/4/2", "is not a share"),
        ("part=1", "is not a share"),
        ("entry=", "entry: a term is empty"),
        ("entry=precertificate", "entry: \"precertificate\" must be precert or final"),
        ("domain=a.com&exact=yes", "exact: \"yes\" must be true or false"),
        ("exact=true", "exact: this applies to domain=, which is missing"),
        ("exact=true&match=abc", "exact: this applies to domain=, which is missing"),
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
