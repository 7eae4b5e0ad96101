//! Outputs to brokers: the keys of other servers, and rules between settings.

use super::*;
use crate::model::outputs::{OnFull, OutputStream, ProcessorType};

#[test]
fn outputs_of_other_servers_are_read_with_their_defaults() {
    let text = "nats: {enabled: true, url: 'nats://a:1', on_full: drop, queue_depth: 7}\n\
                stream_processing:\n  - {name: to kafka, type: kafka, stream: domains-only, \
                server_addr: '::1', server_port: 9093, compression: zstd}\n";
    let config = read_file("c.yaml", text).expect("valid");
    let nats = &config.nats;
    assert_eq!((nats.on_full, nats.queue_depth, nats.replicas), (OnFull::Drop, 7, 1));
    assert_eq!((nats.stream.as_str(), nats.stream_kind), ("CERTSTREAM", OutputStream::Lite));
    let kafka = &config.stream_processing[0];
    assert_eq!((kafka.kind, kafka.is_enabled()), (ProcessorType::Kafka, true));
    assert_eq!(kafka.addresses(), ["[::1]:9093"]);
    assert_eq!(rules::check(&config), []);
    let warnings = rules::warnings(&config);
    assert!(warnings[0].contains("an output without data_dir"), "{warnings:?}");
}

#[test]
fn contradictions_of_outputs_are_refused_with_advice() {
    let kafka = |fields: &str| {
        format!("stream_processing: [{{name: a, type: kafka, server_addr: a, {fields}}}]")
    };
    for (text, key, advice) in [
        ("nats: {enabled: true, url: ' '}".to_owned(), "nats.url", "at least one"),
        ("nats: {enabled: true, url: 'http://a'}".to_owned(), "nats.url", "use a URL"),
        ("nats: {enabled: true, stream: a.b}".to_owned(), "nats.stream", "without spaces"),
        (
            "nats: {enabled: true, subject_prefix: 'a..b'}".to_owned(),
            "nats.subject_prefix",
            "words joined",
        ),
        ("nats: {enabled: true, user: a}".to_owned(), "nats.user", "belong together"),
        (
            "nats: {enabled: true, token_file: /a, creds_file: /b}".to_owned(),
            "nats.creds_file",
            "nats.token_file is set too",
        ),
        (
            "nats: {enabled: true, cert_file: /a}".to_owned(),
            "nats.cert_file",
            "key_file is not set",
        ),
        (
            "stream_processing: [{name: a, type: nsq, server_addr: a}]".to_owned(),
            "stream_processing[0].type",
            "no output to NSQ",
        ),
        (
            "stream_processing: [{name: a, type: kafka}]".to_owned(),
            "stream_processing[0].name",
            "no broker is named",
        ),
        (kafka("brokers: [nowhere]"), "stream_processing[0].brokers", "HOST:PORT"),
        (kafka("topic: a b"), "stream_processing[0].topic", "letters"),
        (kafka("user: a"), "stream_processing[0].user", "belong together"),
        (kafka("sasl_mechanism: plain"), "stream_processing[0].sasl_mechanism", "no user"),
        (kafka("tls: false, ca_file: /a"), "stream_processing[0].tls", "need TLS"),
        (
            "stream_processing: [{name: a b, type: kafka, server_addr: a}, \
             {name: a/b, type: kafka, server_addr: a}]"
                .to_owned(),
            "stream_processing[1].name",
            "another output has this name",
        ),
        (
            "stream_processing: [{name: nats, type: kafka, server_addr: a}]".to_owned(),
            "stream_processing[0].name",
            "another output has this name",
        ),
    ] {
        let config = read_file("c.yaml", &text).expect("each value is valid");
        let problems = rules::check(&config);
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert_eq!(problems[0].key, key, "{text}");
        assert!(problems[0].advice.contains(advice), "{text}: {problems:?}");
        let disabled = text.replace("enabled: true", "enabled: false");
        let disabled = disabled.replace("type: ", "enabled: false, type: ");
        if !advice.contains("this name") {
            let config = read_file("c.yaml", &disabled).expect("valid");
            assert_eq!(rules::check(&config), [], "{disabled}");
        }
    }
}

#[test]
fn the_summary_has_each_output_without_credentials() {
    let file = Written::new(
        "nats: {enabled: true, url: 'nats://user:secret@a:1,b:2'}\nstream_processing: [{name: k, \
         type: kafka, server_addr: c}, {name: off, type: kafka, enabled: false, server_addr: d}]",
    );
    let Ok(Invocation::ValidateConfig(setup)) = invoke(&[&file.flag(), "--validate-config"], &[])
    else {
        panic!("not valid");
    };
    let summary = setup.summary();
    let expected = "output:       nats, to the stream CERTSTREAM (certstream.>) on a:1, b:2\n\
                    output:       k, to the topic certstream on c:9092\n";
    assert!(summary.ends_with(expected), "{summary}");
}
