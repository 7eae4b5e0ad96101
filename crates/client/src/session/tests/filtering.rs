//! Filters on the client's side, for servers that do not apply them.

use super::*;

/// Returns the numbers of messages that a filter keeps and drops, from a server without filters.
fn passed(stream: StreamKind, filter: &[(&str, &str)], messages: &[Vec<u8>]) -> (u64, u64) {
    let filter = Filter::parse(filter.iter().copied(), usize::MAX).unwrap();
    let session = Session::new(stream, Resume::default(), Window::default());
    let mut reader = Reader::of(session.filtered_by(filter.as_ref()));
    reader.connected(false, 0);
    for message in messages {
        reader.message(message, 0);
    }
    (reader.kept, reader.counters().filtered)
}

#[test]
fn messages_of_a_server_without_filters_are_filtered() {
    let named = |index: u64, offset: Option<u64>, name: &str, is_cut: bool| {
        let mut message: Value = serde_json::from_slice(&message(offset, "a", index)).unwrap();
        message["data"]["leaf_cert"]["all_domains"] = json!([name]);
        message["data"]["leaf_cert"]["issuer"]["O"] = json!("Good CA");
        message["truncated"] = json!(is_cut);
        message.to_string().into_bytes()
    };
    let messages = [
        named(1, None, "www.example.org", false),
        named(2, None, "login.example.net", false),
        named(3, None, "login.example.com", true),
    ];
    for (filter, expected) in [
        (&[("domain", "example.org")][..], (2, 1)),
        (&[("match", "LOGIN")], (2, 1)),
        (&[("match", "nowhere")], (1, 2)),
        (&[("issuer", "good")], (3, 0)),
        (&[("issuer", "bad")], (1, 2)),
        (&[("log", "a")], (3, 0)),
        (&[("log", "b"), ("domain", "example.org")], (1, 2)),
        (&[], (3, 0)),
    ] {
        // A truncated message may have had the name.
        assert_eq!(passed(StreamKind::Lite, filter, &messages), expected, "{filter:?}");
    }
    let names = [br#"{"message_type":"dns_entries","data":["a.example"]}"#.to_vec()];
    assert_eq!(passed(StreamKind::Domains, &[("match", "b.example")], &names), (0, 1));
    assert_eq!(passed(StreamKind::Domains, &[("domain", "example")], &names), (1, 0));
    // Names alone do not tell the issuer.
    assert_eq!(passed(StreamKind::Domains, &[("issuer", "bad")], &names), (1, 0));
}

/// A message about a precertificate for 192.0.2.1 of the first of two shares.
fn precertificate() -> Value {
    let mut message: Value = serde_json::from_slice(&message(None, "a", 1)).unwrap();
    message["data"]["update_type"] = json!("PrecertLogEntry");
    let leaf = &mut message["data"]["leaf_cert"];
    leaf["all_domains"] = json!(["a.example"]);
    leaf["sha256"] = json!([["00"; 8].join(":"), ["AB"; 24].join(":")].join(":"));
    leaf["extensions"]["subjectAltName"] = json!("DNS:a.example, IP Address:192.0.2.1");
    message
}

/// Every parameter that a filter of ours can have, with terms that the precertificate passes and
/// terms that it does not.
const EVERYTHING: [(&str, &str, &str); 8] = [
    ("domain", "a.example", "b.example"),
    ("domain", "192.0.2.1", "192.0.2.2"),
    ("match", "a.ex", "b.ex"),
    ("ip", "192.0.2.0/24", "2001:db8::/32"),
    ("issuer", "good", "bad"),
    ("log", "https://a", "https://b"),
    ("part", "1/2", "2/2"),
    ("entry", "precert", "final"),
];

#[test]
fn every_parameter_is_applied_to_what_messages_show() {
    let mut message = precertificate();
    message["data"]["leaf_cert"]["issuer"] = json!({ "CN": "Good CA" });
    for offset in [json!(null), json!(5)] {
        message["offset"] = offset;
        let messages = [message.to_string().into_bytes()];
        for (name, passes, drops) in EVERYTHING {
            assert_eq!(
                passed(StreamKind::Lite, &[(name, passes)], &messages),
                (1, 0),
                "{name}={passes}"
            );
            assert_eq!(
                passed(StreamKind::Lite, &[(name, drops)], &messages),
                (0, 1),
                "{name}={drops}"
            );
        }
    }
    // Other servers write addresses and digests otherwise.
    let leaf = &mut message["data"]["leaf_cert"];
    leaf["sha256"] = json!("0".repeat(15) + &"1".repeat(49));
    leaf["extensions"]["subjectAltName"] = json!("URI:x, IP:2001:DB8:0:0:0:0:0:1");
    let messages = [message.to_string().into_bytes()];
    assert_eq!(passed(StreamKind::Lite, &[("part", "2/2")], &messages), (1, 0));
    assert_eq!(passed(StreamKind::Lite, &[("part", "1/2")], &messages), (0, 1));
    assert_eq!(passed(StreamKind::Lite, &[("ip", "2001:db8::/32")], &messages), (1, 0));
    assert_eq!(passed(StreamKind::Lite, &[("ip", "192.0.2.0/24")], &messages), (0, 1));
}

#[test]
fn fields_that_messages_do_not_show_drop_nothing() {
    let mut message = precertificate();
    message["data"]["update_type"] = json!(null);
    message["data"]["source"] = json!({});
    let leaf = &mut message["data"]["leaf_cert"];
    leaf["issuer"] = json!({});
    leaf["sha256"] = json!(null);
    leaf["extensions"] = json!({});
    let without = message.clone();
    message["data"]["leaf_cert"]["sha256"] = json!("AB:CD");
    message["data"]["leaf_cert"]["extensions"]["subjectAltName"] = json!("IP Address:<invalid>");
    let names = json!({ "message_type": "dns_entries", "data": ["a.example"] });
    for (stream, message) in
        [(StreamKind::Lite, without), (StreamKind::Lite, message), (StreamKind::Domains, names)]
    {
        let messages = [message.to_string().into_bytes()];
        for (name, passes, drops) in EVERYTHING {
            let is_name = name == "match" || drops == "b.example";
            let dropped = if is_name { (0, 1) } else { (1, 0) };
            assert_eq!(passed(stream, &[(name, passes)], &messages), (1, 0), "{name}={passes}");
            assert_eq!(passed(stream, &[(name, drops)], &messages), dropped, "{name}={drops}");
        }
        // A name that matches is enough beside an address that messages do not show.
        let both = [("domain", "192.0.2.2,a.example"), ("exact", "true")];
        assert_eq!(passed(stream, &both, &messages), (1, 0));
    }
}
