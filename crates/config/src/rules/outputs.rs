//! Rules of outputs to brokers.

use std::collections::BTreeSet;

use super::{check_pair, problem};
use crate::error::{Problem, may_have_credentials, quoted};
use crate::model::Config;
use crate::model::outputs::{Nats, ProcessorType, StreamProcessor};

/// Returns every broken rule.
pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    if config.nats.enabled {
        check_nats(&config.nats, problems);
    }
    let mut names = BTreeSet::new();
    for (index, output) in config.stream_processing.iter().enumerate() {
        let key = |field: &str| format!("stream_processing[{index}].{field}");
        if !names.insert(file_name(&output.name)) || output.name == "nats" {
            let advice = "another output has this name, or one that differs in punctuation only; \
                          choose another name";
            problems.push(problem(&key("name"), format!("{:?}", output.name), advice));
        }
        if output.is_enabled() {
            check_kafka(output, key, problems);
        }
    }
}

/// Returns a name as it is part of a file's name.
fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

fn check_nats(nats: &Nats, problems: &mut Vec<Problem>) {
    let mut say = |key: &str, value: &str, advice: &str| {
        problems.push(problem(key, quoted(value), advice));
    };
    if nats.servers().next().is_none() {
        say("nats.url", &nats.url, "name at least one server, such as nats://127.0.0.1:4222");
    }
    let is_server = |url: &str| match url.split_once("://") {
        Some((scheme, host)) => ["nats", "tls"].contains(&scheme) && !host.is_empty(),
        None => true,
    };
    if let Some(url) = nats.servers().find(|url| !is_server(url)) {
        say("nats.url", url, "use a URL such as nats://127.0.0.1:4222 or tls://nats.example:4222");
    }
    let is_word = |text: &str| {
        !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || ".*>/\\".contains(c))
    };
    if !is_word(&nats.stream) {
        say("nats.stream", &nats.stream, "use a name without spaces, dots, slashes, * and >");
    }
    if !nats.subject_prefix.split('.').all(is_word) {
        let advice = "use words joined by dots, without spaces, slashes, * and >";
        say("nats.subject_prefix", &nats.subject_prefix, advice);
    }
    let proofs = [
        (!nats.user.is_empty()).then_some("nats.user"),
        nats.token_file.as_ref().map(|_| "nats.token_file"),
        nats.nkey_file.as_ref().map(|_| "nats.nkey_file"),
        nats.creds_file.as_ref().map(|_| "nats.creds_file"),
    ];
    let proofs: Vec<&str> = proofs.into_iter().flatten().collect();
    if let [first, second, ..] = proofs.as_slice() {
        say(second, "(set)", &format!("{first} is set too; use one of them"));
    }
    if nats.user.is_empty() != nats.password_file.is_none() {
        let advice = "nats.user and nats.password_file belong together; set both or neither";
        say("nats.user", &nats.user, advice);
    }
    check_pair(["nats.cert_file", "nats.key_file"], [&nats.cert_file, &nats.key_file], problems);
}

fn check_kafka(
    output: &StreamProcessor,
    key: impl Fn(&str) -> String,
    problems: &mut Vec<Problem>,
) {
    let mut say = |field: &str, value: String, advice: &str| {
        problems.push(problem(&key(field), value, advice));
    };
    if output.kind == ProcessorType::Nsq {
        let advice = "there is no output to NSQ; remove it, or set enabled: false, and read the \
                      stream over WebSocket or SSE, or from Kafka or NATS";
        return say("type", "nsq".to_owned(), advice);
    }
    let addresses = output.addresses();
    if addresses.is_empty() {
        let advice = "no broker is named; set server_addr and server_port, or brokers";
        say("name", format!("{:?}", output.name), advice);
    }
    let is_address = |address: &String| {
        let parts = address.rsplit_once(':');
        !may_have_credentials(address)
            && parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    if let Some(wrong) = addresses.iter().find(|address| !is_address(address)) {
        say("brokers", quoted(wrong), "use HOST:PORT, such as kafka.example:9092");
    }
    let topic = output.topic();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if topic.is_empty() || topic.len() > 249 || !topic.chars().all(is_plain) {
        let advice = "use up to 249 letters, digits, dots, underscores and hyphens";
        say("topic", format!("{topic:?}"), advice);
    }
    if output.user.is_some() != output.password_file.is_some() {
        let advice = "user and password_file belong together; set both or neither";
        say("user", format!("{:?}", output.user.as_deref().unwrap_or_default()), advice);
    }
    if output.sasl_mechanism.is_some() && output.user.is_none() {
        let advice = "there is no user; set user and password_file";
        say("sasl_mechanism", "(set)".to_owned(), advice);
    }
    if output.tls == Some(false) && (output.ca_file.is_some() || output.cert_file.is_some()) {
        say("tls", "false".to_owned(), "ca_file or cert_file is set, which need TLS");
    }
    let (cert, private) = (key("cert_file"), key("key_file"));
    check_pair([&cert, &private], [&output.cert_file, &output.key_file], problems);
}

/// Returns warnings about outputs that are allowed but probably not intended.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    let kafka = config.stream_processing.iter().any(StreamProcessor::is_enabled);
    let is_kept = config.data_dir.is_some() || config.cluster.is_on();
    if (config.nats.enabled || kafka) && !is_kept {
        warnings.push(
            "an output without data_dir begins with the newest certificate at each start: what was \
             not published before is lost; set data_dir"
                .to_owned(),
        );
    }
    if config.nats.enabled && may_have_credentials(&config.nats.url) {
        warnings.push(
            "nats.url contains credentials, which --print-config shows; use nats.user and \
             nats.password_file, or nats.token_file"
                .to_owned(),
        );
    }
    warnings
}
