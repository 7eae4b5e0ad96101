//! Reading messages: those of other servers by their shapes, ours by what they were rendered from.
#![allow(clippy::unwrap_used)] // in the helpers of tests

use std::borrow::Cow;

use proptest::prelude::*;
use wire::decode::{
    Certificate, DecodeError, Incoming, Log, MAX_CHAIN, MAX_LIST, MAX_MESSAGE_BYTES, NO_EXPIRATION,
    Name, Update, decode,
};
use wire::{EntryKind, Profile, SourceKind, StreamKind, heartbeat, sample};

fn text(text: &str) -> Option<Cow<'_, str>> {
    Some(Cow::Borrowed(text))
}

fn update(message: &str) -> Update<'_> {
    match decode(message.as_bytes()) {
        Ok(Incoming::Certificate(update)) => *update,
        other => panic!("{message}: {other:?}"),
    }
}

fn error(message: impl AsRef<[u8]>) -> String {
    decode(message.as_ref()).unwrap_err().to_string()
}

/// A leaf and nothing else around it.
fn leaf(members: &str) -> String {
    format!(r#"{{"message_type":"certificate_update","data":{{"leaf_cert":{{{members}}}}}}}"#)
}

#[test]
fn a_message_of_the_python_server() {
    let message = r#"{"message_type": "certificate_update", "data": {"update_type": "PreCertEntry",
        "leaf_cert": {"subject": {"aggregated": "/CN=a.example", "C": null, "CN": "a.example"},
        "extensions": {"keyUsage": "Digital Signature", "subjectAltName": "DNS:a.example"},
        "not_before": 1509908649.0, "not_after": 1517684649.0, "serial_number": "fdb450c",
        "fingerprint": "AB:CD", "as_der": "AAEC", "all_domains": ["a.example"]},
        "chain": [{"subject": {"CN": "CA", "O": "Org"}, "not_after": "no_expiration"}],
        "cert_index": 27910635, "seen": 1509912803.959279,
        "source": {"url": "ct.example/pilot", "name": "Example 'Pilot' log"}}}"#;
    let update = update(message);
    assert_eq!(update.kind, Some(EntryKind::PrecertLogEntry));
    assert_eq!(update.cert_index, Some(27_910_635));
    assert_eq!(update.seen, Some(1_509_912_803_959));
    assert_eq!((update.offset, update.submitted, update.truncated), (None, None, false));
    assert_eq!(update.source.url, text("ct.example/pilot"));
    assert_eq!(update.leaf.subject.country, None);
    assert_eq!(update.leaf.subject.common_name, text("a.example"));
    assert_eq!(update.leaf.issuer, Name::default());
    assert_eq!(update.leaf.not_before, Some(1_509_908_649));
    assert_eq!(update.leaf.not_after, Some(1_517_684_649));
    assert_eq!(update.leaf.serial_number, text("0FDB450C"));
    assert_eq!(update.leaf.sha1, text("AB:CD"));
    assert_eq!(update.leaf.der(), Ok(Some(vec![0, 1, 2])));
    assert_eq!(update.leaf.is_ca, None);
    assert_eq!(update.chain.len(), 1);
    assert_eq!(update.chain[0].subject.organization, text("Org"));
    assert_eq!(update.chain[0].not_after, Some(NO_EXPIRATION));
    assert_eq!(update.unread, None);
}

#[test]
fn a_message_of_the_elixir_server() {
    let message = r#"{"data":{"cert_index":4354630040,
        "cert_link":"https://ct.example/log/ct/v1/get-entries?start=4354630040&end=4354630040",
        "chain":[],"leaf_cert":{"all_domains":["*.a.example","a.example"],
        "extensions":{"authorityInfoAccess":"CA Issuers - URI:http://x\nOCSP - URI:http://y\n",
        "ctlPoisonByte":true,"ctlSignedCertificateTimestamp":"BAEA","extra":["1.2.3","1.2.4"]},
        "fingerprint":"AB:CD","issuer":{"C":"US","CN":"CA","L":null,"O":"Org","OU":null,"ST":null,
        "aggregated":"/C=US/CN=CA/O=Org","emailAddress":null},"not_after":"no_expiration",
        "not_before":-86400,"serial_number":"102","signature_algorithm":"sha256, rsa",
        "subject":{"CN":"*.a.example","OU":["one","two"],"emailAddress":"m@a.example"}},
        "seen":1.7e9,"source":{"name":"Log","url":"https://ct.example/log/"},
        "update_type":"PrecertLogEntry"},"message_type":"certificate_update"}"#;
    let update = update(message);
    assert_eq!(update.cert_index, Some(4_354_630_040));
    assert_eq!(update.seen, Some(1_700_000_000_000));
    assert_eq!(update.source.url, text("https://ct.example/log/"));
    let leaf = &update.leaf;
    assert_eq!(leaf.all_domains, ["*.a.example", "a.example"]);
    assert!(leaf.extensions.poison);
    assert_eq!(leaf.extensions.sct_list, text("BAEA"));
    assert_eq!(leaf.extensions.extra, ["1.2.3", "1.2.4"]);
    let access = "CA Issuers - URI:http://x\nOCSP - URI:http://y\n";
    assert_eq!(leaf.extensions.authority_info_access, text(access));
    assert_eq!((leaf.not_before, leaf.not_after), (Some(-86_400), Some(NO_EXPIRATION)));
    assert_eq!(leaf.serial_number, text("0102"));
    assert_eq!(leaf.issuer.aggregated, text("/C=US/CN=CA/O=Org"));
    assert_eq!(leaf.subject.organizational_unit, text("one,two"));
    assert_eq!(leaf.subject.email_address, text("m@a.example"));
    assert_eq!(update.unread, None);
}

#[test]
fn a_message_of_the_go_server() {
    let message = concat!(
        r#"{"data":{"cert_index":7,"cert_link":"","leaf_cert":{"all_domains":["a.example"],"#,
        r#""extensions":{"keyUsage":"Digital Signature","ctlPoisonByte":false},"fingerprint":"AB","#,
        r#""sha1":"AB","sha256":"CD","not_after":2,"not_before":1,"serial_number":"05","#,
        r#""signature_algorithm":"ecdsa, sha256","subject":{"C":null,"CN":"","aggregated":"/CN=","#,
        r#""email_address":null},"issuer":{"CN":"CA","aggregated":"/CN=CA"},"is_ca":false},"#,
        r#""seen":1700000000.5,"source":{"name":"Log","url":"https://mon.example","#,
        r#""timestamp":1699999999.25,"type":"tiled"},"update_type":"X509LogEntry"},"#,
        r#""message_type":"certificate_update"}"#,
        "\n"
    );
    let update = update(message);
    assert_eq!(update.kind, Some(EntryKind::X509LogEntry));
    assert_eq!(update.cert_link, None);
    assert_eq!(update.submitted, Some(1_699_999_999_250));
    assert_eq!(update.source.kind, Some(SourceKind::Tiled));
    assert_eq!(update.leaf.subject.common_name, None);
    assert_eq!(update.leaf.subject.aggregated, text("/CN="));
    assert_eq!(update.leaf.sha256, text("CD"));
    assert_eq!(update.leaf.is_ca, Some(false));
    assert!(!update.leaf.extensions.poison);
    assert!(update.chain.is_empty());
    assert_eq!(update.unread, None);
}

#[test]
fn a_message_of_the_rust_server() {
    let message = r#"{"message_type":"certificate_update","data":{"update_type":"X509LogEntry",
        "leaf_cert":{"subject":{"aggregated":""},"issuer":{"CN":"CA","email_address":"a@b"},
        "serial_number":"05","not_before":1,"not_after":253402300799,"sha1":"AB",
        "is_ca":true,"all_domains":[],"extensions":{}},"cert_index":1,"cert_link":"https://l",
        "seen":1700000000.0,"submission_timestamp":1699999999.999,
        "source":{"name":"Log","url":"https://ct.example"}}}"#;
    let update = update(message);
    assert_eq!(update.leaf.subject, Name::default());
    assert_eq!(update.leaf.issuer.email_address, text("a@b"));
    assert_eq!(update.leaf.sha1, text("AB"));
    assert_eq!(update.leaf.not_after, Some(NO_EXPIRATION));
    assert_eq!(update.submitted, Some(1_699_999_999_999));
    assert_eq!(update.source.kind, None);
}

#[test]
fn messages_without_a_certificate() {
    let domains =
        |domains: &[&'static str], offset, domains_total: Option<u64>| Incoming::Domains {
            domains: domains.iter().copied().map(Cow::from).collect(),
            offset,
            truncated: domains_total.is_some(),
            domains_total,
        };
    let gap = |dropped, disconnecting, reason, stream: Option<&'static str>| {
        let stream = stream.map(Cow::Borrowed);
        Incoming::Gap { dropped, disconnecting, reason, stream }
    };
    let heartbeat = |timestamp, offset, stream: Option<&'static str>| {
        let stream = stream.map(Cow::Borrowed);
        Incoming::Heartbeat { timestamp, offset, stream }
    };
    let unknown = |message_type| Incoming::Unknown { message_type: Cow::Borrowed(message_type) };
    let cases = [
        (
            r#"{"data":["b","a","b"],"message_type":"dns_entries"}"#,
            domains(&["b", "a", "b"], None, None),
        ),
        (r#"{"message_type":"dns_entries","data":[]}"#, domains(&[], None, None)),
        (
            concat!(
                r#"{"data":["a"],"domains_total":7,"message_type":"dns_entries","offset":5,"#,
                r#""truncated":true}"#
            ),
            domains(&["a"], Some(5), Some(7)),
        ),
        (r#"{"message_type":"heartbeat"}"#, heartbeat(None, None, None)),
        (
            r#" {"timestamp":1708483726.594,"message_type":"heartbeat"} "#,
            heartbeat(Some(1_708_483_726_594), None, None),
        ),
        (
            r#"{"message_type":"heartbeat","offset":7,"stream":"s1","timestamp":1.5}"#,
            heartbeat(Some(1_500), Some(7), Some("s1")),
        ),
        (
            r#"{"message_type":"heartbeat","timestamp":"soon","data":{"leaf_cert":1}}"#,
            heartbeat(None, None, None),
        ),
        (
            r#"{"message_type":"gap","dropped":12,"disconnecting":true}"#,
            gap(Some(12), true, None, None),
        ),
        (
            r#"{"disconnecting":false,"dropped":null,"message_type":"gap","reason":"expired"}"#,
            gap(None, false, text("expired"), None),
        ),
        (
            r#"{"message_type":"gap","dropped":null,"reason":"other_stream","stream":"s2"}"#,
            gap(None, false, text("other_stream"), Some("s2")),
        ),
        (
            r#"{"message_type":"dns_entries_unauthenticated","data":["a"]}"#,
            unknown("dns_entries_unauthenticated"),
        ),
        (r#"{"message_type":"news","data":{"leaf_cert":{}}}"#, unknown("news")),
    ];
    for (message, expected) in cases {
        assert_eq!(decode(message.as_bytes()), Ok(expected), "{message}");
    }
}

#[test]
fn what_is_no_message() {
    let deep = format!(r#"{{"message_type":"x","data":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    let v2 = r#"{"message_type":"certificate_update","version":2,"data":{"cert":{},"entry":{}}}"#;
    let cases: [(&[u8], &str); 15] = [
        (b"", "the message is not json: EOF while parsing a value at line 1 column 0"),
        (b"null", "a message without message_type"),
        (b"[]", "a message without message_type"),
        (b"{}", "a message without message_type"),
        (br#"{"message_type":null}"#, "a message without message_type"),
        (br#"{"message_type":7}"#, "a message without message_type"),
        (br#"{"message_type":"x"}}"#, "not json: trailing characters at line 1 column 21"),
        (br#"{"message_type":"x","a":nul}"#, "not json: expected ident at line 1 column 28"),
        (br#"{"message_type":"\ud800"}"#, "not json: "),
        (b"{\"message_type\":\"\xff\"}", "the message is not utf-8 after 17 bytes"),
        (br#"{"message_type":"certificate_update"}"#, "certificate_update without data.leaf_cert"),
        (
            br#"{"message_type":"certificate_update","data":{"leaf_cert":null}}"#,
            "certificate_update without data.leaf_cert",
        ),
        (v2.as_bytes(), "certificate_update without data.leaf_cert"),
        (br#"{"message_type":"dns_entries","data":null}"#, "dns_entries without a list as data"),
        (deep.as_bytes(), "recursion limit exceeded"),
    ];
    for (message, expected) in cases {
        let error = error(message);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn what_has_no_known_form_costs_only_itself() {
    let message = leaf(r#""not_after":"soon","subject":{"CN":"a","O":{}},"serial_number":"05""#);
    let update = update(&message);
    assert_eq!(update.leaf.subject.common_name, text("a"));
    assert_eq!(update.leaf.serial_number, text("05"));
    assert_eq!((update.leaf.not_after, &update.leaf.subject.organization), (None, &None));
    assert_eq!(update.unread.as_deref(), Some("data.leaf_cert.not_after"));
}

#[test]
fn the_first_thing_that_cannot_be_read_is_named() {
    let cases = [
        (r#""all_domains":{"a":[1,{}]}"#, "all_domains"),
        (r#""subject":"CN=a""#, "subject"),
        (r#""subject":["CN=a"]"#, "subject"),
        (r#""issuer":7"#, "issuer"),
        (r#""issuer":-7.5"#, "issuer"),
        (r#""extensions":{"extra":true,"keyUsage":{}}"#, "extensions.extra"),
        (r#""extensions":{"ctlPoisonByte":"maybe"},"not_after":[]"#, "extensions.ctlPoisonByte"),
        (r#""is_ca":"perhaps""#, "is_ca"),
    ];
    for (members, path) in cases {
        let message = leaf(members);
        let unread = update(&message).unread;
        assert_eq!(unread, Some(format!("data.leaf_cert.{path}")), "{members}");
    }
    let message = leaf("").replace(r#""data":{"#, r#""data":{"update_type":"Other","seen":true,"#);
    assert_eq!(update(&message).unread.as_deref(), Some("data.update_type"));
    let message = leaf("").replace(r#""data":{"#, r#""data":{"chain":[{"sha1":1},{"sha256":1}],"#);
    assert_eq!(update(&message).unread.as_deref(), Some("data.chain.sha1"));
    let message = leaf("").replace(r#""data":{"#, r#""data":{"source":{"type":"rss"},"#);
    assert_eq!(update(&message).unread.as_deref(), Some("data.source.type"));
}

#[test]
fn nothing_is_required_of_a_leaf() {
    let empty = Update::default();
    assert_eq!(update(&leaf("")), empty);
    let nulls = r#""subject":null,"issuer":null,"extensions":null,"all_domains":null,
        "not_after":null,"is_ca":null,"serial_number":null,"parse_error":null,"as_der":null"#;
    assert_eq!(update(&leaf(nulls)), empty);
    assert_eq!(empty.leaf.der(), Ok(None));
    let message = leaf(r#""parse_error":"certificate: cut short""#);
    assert_eq!(update(&message).leaf.parse_error, text("certificate: cut short"));
}

#[test]
fn keys_may_be_escaped() {
    let message = leaf(r#""\u0073ha256":"AB""#);
    assert_eq!(update(&message).leaf.sha256, text("AB"));
}

#[test]
fn serial_numbers() {
    let cases = [
        ("05", Some("05")),
        ("5", Some("05")),
        ("fdb450c", Some("0FDB450C")),
        ("0FDB450C", Some("0FDB450C")),
        ("ab", Some("AB")),
        ("-1", Some("-1")),
        ("AB:CD", Some("AB:CD")),
        ("", None),
    ];
    for (sent, expected) in cases {
        let message = leaf(&format!(r#""serial_number":"{sent}""#));
        let serial_number = update(&message).leaf.serial_number;
        assert_eq!(serial_number.as_deref(), expected, "{sent}");
    }
}

#[test]
fn der_that_is_none() {
    let message = leaf(r#""as_der":"BASE64_ENCODED_DER_DATA""#);
    let update = update(&message);
    assert_eq!(update.leaf.as_der, text("BASE64_ENCODED_DER_DATA"));
    assert_eq!(update.leaf.der(), Err(DecodeError::Base64));
}

#[test]
fn lengths_are_bounded() {
    let list = |count: usize, item: &str| vec![item; count].join(",");
    for (count, truncated) in [(MAX_LIST, false), (MAX_LIST + 1, true)] {
        let message = leaf(&format!(r#""all_domains":[{}]"#, list(count, r#""a""#)));
        let update = update(&message);
        assert_eq!((update.leaf.all_domains.len(), update.truncated), (MAX_LIST, truncated));
        let domains = list(count, r#""a""#);
        let message = format!(r#"{{"message_type":"dns_entries","data":[{domains}]}}"#);
        let Ok(Incoming::Domains { domains, truncated: cut, .. }) = decode(message.as_bytes())
        else {
            panic!("{count}")
        };
        assert_eq!((domains.len(), cut), (MAX_LIST, truncated));
    }
    for (count, truncated) in [(MAX_CHAIN, false), (MAX_CHAIN + 2, true)] {
        let chain = format!(r#""data":{{"chain":[{}],"#, list(count, r#"{"sha1":"AB"}"#));
        let message = leaf("").replace(r#""data":{"#, &chain);
        let update = update(&message);
        assert_eq!((update.chain.len(), update.truncated), (MAX_CHAIN, truncated));
    }
    let mut message = br#"{"message_type":"x"}"#.to_vec();
    message.resize(MAX_MESSAGE_BYTES, b' ');
    assert!(decode(&message).is_ok());
    message.push(b' ');
    assert_eq!(error(message), "a message of 16777217 bytes is longer than 16777216");
}

#[test]
fn what_this_server_says_of_truncation_and_offset() {
    let before = r#"{"domains_total":60001,"offset":"9007199254740993","truncated":true,"#;
    let message = leaf("").replacen('{', before, 1);
    let update = update(&message);
    assert_eq!((update.offset, update.truncated), (Some(9_007_199_254_740_993), true));
    assert_eq!(update.domains_total, Some(60_001));
}

#[test]
fn texts_are_borrowed() {
    let mut message = Vec::new();
    sample(StreamKind::Lite, Profile::Calidog, &mut message);
    let Ok(Incoming::Certificate(update)) = decode(&message) else { panic!() };
    let Certificate { all_domains, sha256, .. } = &update.leaf;
    assert!(all_domains.iter().all(|name| matches!(name, Cow::Borrowed(_))));
    assert!(matches!(sha256, Some(Cow::Borrowed(_))));
    assert!(matches!(update.source, Log { name: Some(Cow::Borrowed(_)), .. }));
    // It has line feeds in it, which JSON escapes.
    let policies = &update.leaf.extensions.authority_info_access;
    assert!(matches!(policies, Some(Cow::Owned(_))));
}

#[test]
fn our_heartbeats() {
    for (profile, timestamp) in [
        (Profile::Calidog, Some(1_708_483_726_594)),
        (Profile::Go, Some(1_708_483_726_594)),
        (Profile::Rust, None),
    ] {
        let mut message = Vec::new();
        let id = "Zq3xK9aB".parse().unwrap();
        heartbeat(profile, 1_708_483_726_594, None, id, &mut message);
        let (offset, stream) = (None, None);
        assert_eq!(decode(&message), Ok(Incoming::Heartbeat { timestamp, offset, stream }));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        decode(&bytes).map(|_| ()).unwrap_or_default();
    }

    /// JSON of no particular shape, under the names that are known.
    #[test]
    fn any_json_of_known_names(value in json()) {
        let message = format!(r#"{{"message_type":"certificate_update","data":{value}}}"#);
        match decode(message.as_bytes()) {
            Ok(Incoming::Certificate(_)) => {}
            other => {
                let error = other.unwrap_err();
                prop_assert!(matches!(error, DecodeError::Missing { .. }), "{}", error);
            }
        }
    }

    #[test]
    fn a_message_with_some_bytes_changed(
        profile in prop::sample::select(&Profile::ALL),
        kind in prop::sample::select(&StreamKind::ALL),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0x20_u8..0x7f), 1..4),
    ) {
        let mut message = Vec::new();
        sample(kind, profile, &mut message);
        for (at, byte) in changes {
            let at = at.index(message.len());
            message[at] = byte;
        }
        decode(&message).map(|_| ()).unwrap_or_default();
    }
}

/// A JSON value a few levels deep.
fn json() -> impl Strategy<Value = serde_json::Value> {
    const KEYS: [&str; 12] = [
        "leaf_cert",
        "subject",
        "CN",
        "extensions",
        "extra",
        "ctlPoisonByte",
        "all_domains",
        "chain",
        "not_after",
        "seen",
        "source",
        "timestamp",
    ];
    let plain = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    plain.prop_recursive(5, 60, 6, |inner| {
        let member = (prop::sample::select(&KEYS), inner.clone());
        let members = prop::collection::vec(member, 0..6).prop_map(|members| {
            let members = members.into_iter().map(|(key, value)| (key.to_owned(), value));
            serde_json::Value::Object(members.collect())
        });
        prop_oneof![members, prop::collection::vec(inner, 0..6).prop_map(Into::into)]
    })
}
