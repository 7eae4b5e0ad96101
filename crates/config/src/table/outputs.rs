//! Rows of the table: outputs to brokers.

use super::{Setting, row};
use crate::kind::Kind::{Ascii, Bool, Choice, Integer, Outputs, Path, Seconds, Size, Text, Texts};
use crate::model::values::ByteSize;

const STREAMS: &[&str] = &["full", "lite", "domains-only"];
const PROFILES: &[&str] = &["calidog", "go", "rust"];
const ON_FULL: &[&str] = &["block", "drop"];
const MOST_BEHIND: u64 = 1_000_000_000;
const PASSWORD: &str = "File with the user's password";
const CA: &str = "PEM certificates of the authorities that the broker's certificate is checked with, \
                  instead of those of the system";
const CERT: &str = "PEM certificate chain of this client, if the broker requires one";
const KEY: &str = "PEM private key of cert_file";

pub(super) const ROWS: &[Setting] = &[
    row("nats.enabled", &["CERTSTREAM_NATS_ENABLED"], Bool, "Publish to NATS JetStream").restart(),
    row(
        "nats.url",
        &["CERTSTREAM_NATS_URL"],
        Ascii,
        "URLs of NATS servers, separated by commas; tls:// requires TLS",
    )
    .restart(),
    row(
        "nats.stream",
        &["CERTSTREAM_NATS_STREAM"],
        Ascii,
        "The JetStream stream; it is created if it is absent, and never changed",
    )
    .restart(),
    row(
        "nats.subject_prefix",
        &["CERTSTREAM_NATS_SUBJECT_PREFIX"],
        Ascii,
        "Subjects are PREFIX.OPERATOR.LOG",
    )
    .restart(),
    row(
        "nats.stream_kind",
        &["CERTSTREAM_NATS_STREAM_KIND"],
        Choice(STREAMS),
        "The part of each certificate that is published",
    )
    .restart(),
    row(
        "nats.profile",
        &["CERTSTREAM_NATS_PROFILE"],
        Choice(PROFILES),
        "The format of messages, as compat_profile",
    )
    .restart(),
    row(
        "nats.max_bytes",
        &["CERTSTREAM_NATS_MAX_BYTES"],
        Size(ByteSize::MIB, 64 * 1024 * ByteSize::GIB),
        "Size of the stream, if it is created; when it is full, NATS refuses messages",
    )
    .restart(),
    row(
        "nats.replicas",
        &["CERTSTREAM_NATS_REPLICAS"],
        Integer(1, 5),
        "Copies of the stream in a NATS cluster, if it is created",
    )
    .restart(),
    row(
        "nats.on_full",
        &["CERTSTREAM_NATS_ON_FULL"],
        Choice(ON_FULL),
        "What happens while NATS takes no messages: block waits, and continues where it stopped; drop \
         leaves out what a full stream refuses, and everything once it is nats.queue_depth behind",
    )
    .restart(),
    row(
        "nats.queue_depth",
        &["CERTSTREAM_NATS_QUEUE_DEPTH"],
        Integer(1, MOST_BEHIND),
        "Certificates that nats.on_full: drop may be behind",
    )
    .restart(),
    row(
        "nats.duplicate_window_secs",
        &["CERTSTREAM_NATS_DUPLICATE_WINDOW_SECS"],
        Seconds(1, 86_400),
        "Time in which NATS drops repeated messages, if the stream is created",
    )
    .restart(),
    row(
        "nats.publish_timeout_secs",
        &["CERTSTREAM_NATS_PUBLISH_TIMEOUT_SECS"],
        Seconds(1, 600),
        "Longest wait for an acknowledgement, before the message is published again",
    )
    .restart(),
    row("nats.user", &["CERTSTREAM_NATS_USER"], Ascii, "The user; blank for none").restart(),
    row("nats.password_file", &["CERTSTREAM_NATS_PASSWORD_FILE"], Path, PASSWORD)
        .example("/etc/certstream/nats-password")
        .restart(),
    row("nats.token_file", &["CERTSTREAM_NATS_TOKEN_FILE"], Path, "File with a token")
        .example("/etc/certstream/nats-token")
        .restart(),
    row("nats.nkey_file", &["CERTSTREAM_NATS_NKEY_FILE"], Path, "File with the seed of an NKey")
        .example("/etc/certstream/nats.nk")
        .restart(),
    row(
        "nats.creds_file",
        &["CERTSTREAM_NATS_CREDS_FILE"],
        Path,
        "Credentials file with a JWT and the seed of its NKey",
    )
    .example("/etc/certstream/nats.creds")
    .restart(),
    row(
        "nats.tls",
        &["CERTSTREAM_NATS_TLS"],
        Bool,
        "Require TLS; otherwise it is used if the server requires it",
    )
    .restart(),
    row("nats.ca_file", &["CERTSTREAM_NATS_CA_FILE"], Path, CA)
        .example("/etc/certstream/nats-ca.pem")
        .restart(),
    row("nats.cert_file", &["CERTSTREAM_NATS_CERT_FILE"], Path, CERT)
        .example("/etc/certstream/nats-client.pem")
        .restart(),
    row("nats.key_file", &["CERTSTREAM_NATS_KEY_FILE"], Path, KEY)
        .example("/etc/certstream/nats-client-key.pem")
        .restart(),
    row("stream_processing", &[], Outputs, "Outputs to Kafka").restart(),
    row(
        "stream_processing[].name",
        &[],
        Text,
        "Its name, in log lines and metrics, and of the file in data_dir with its position",
    )
    .example("kafka")
    .restart(),
    row(
        "stream_processing[].type",
        &[],
        Choice(&["kafka", "nsq"]),
        "The broker; there is no output to NSQ, so an enabled one is refused",
    )
    .example("kafka")
    .restart(),
    row("stream_processing[].enabled", &[], Bool, "false disables it").example("true").restart(),
    row(
        "stream_processing[].stream",
        &[],
        Choice(STREAMS),
        "The part of each certificate that is published; lite by default",
    )
    .example("lite")
    .restart(),
    row(
        "stream_processing[].profile",
        &[],
        Choice(PROFILES),
        "The format of messages, as compat_profile; go by default",
    )
    .example("go")
    .restart(),
    row("stream_processing[].server_addr", &[], Text, "Host of a broker")
        .example("127.0.0.1")
        .restart(),
    row(
        "stream_processing[].server_port",
        &[],
        Integer(1, 65_535),
        "Port of that broker; 9092 by default",
    )
    .example("9092")
    .restart(),
    row(
        "stream_processing[].brokers",
        &[],
        Texts,
        "Further brokers as HOST:PORT; any of them names the whole cluster",
    )
    .example("[kafka-2:9092, kafka-3:9092]")
    .restart(),
    row("stream_processing[].topic", &[], Text, "The topic; certstream by default")
        .example("certstream")
        .restart(),
    row(
        "stream_processing[].compression",
        &[],
        Choice(&["none", "gzip", "snappy", "zstd", "lz4"]),
        "Compression of batches; none by default",
    )
    .example("zstd")
    .restart(),
    row(
        "stream_processing[].key",
        &[],
        Choice(&["entry", "domain"]),
        "The key of messages, which decides about their partition: entry (log id and index, the \
         default) or domain (the registrable domain of the first name; that of entry if there is no name)",
    )
    .example("domain")
    .restart(),
    row(
        "stream_processing[].on_full",
        &[],
        Choice(ON_FULL),
        "What happens while Kafka takes no messages: block (the default) waits, and continues where \
         it stopped; drop leaves out everything once it is queue_depth behind",
    )
    .example("block")
    .restart(),
    row(
        "stream_processing[].queue_depth",
        &[],
        Integer(1, MOST_BEHIND),
        "Certificates that on_full: drop may be behind; 10000 by default",
    )
    .example("10000")
    .restart(),
    row(
        "stream_processing[].publish_timeout_secs",
        &[],
        Seconds(1, 600),
        "Longest wait for an acknowledgement, before the message is published again; 30 by default",
    )
    .example("30")
    .restart(),
    row("stream_processing[].user", &[], Text, "User of SASL").example("certstream").restart(),
    row("stream_processing[].password_file", &[], Path, PASSWORD)
        .example("/etc/certstream/kafka-password")
        .restart(),
    row(
        "stream_processing[].sasl_mechanism",
        &[],
        Choice(&["plain", "scram-sha-256", "scram-sha-512"]),
        "Mechanism of SASL, if there is a user; plain by default, which needs TLS to be safe",
    )
    .example("scram-sha-512")
    .restart(),
    row("stream_processing[].tls", &[], Bool, "Use TLS; by default if ca_file or cert_file is set")
        .example("true")
        .restart(),
    row("stream_processing[].ca_file", &[], Path, CA)
        .example("/etc/certstream/kafka-ca.pem")
        .restart(),
    row("stream_processing[].cert_file", &[], Path, CERT)
        .example("/etc/certstream/kafka-client.pem")
        .restart(),
    row("stream_processing[].key_file", &[], Path, KEY)
        .example("/etc/certstream/kafka-client-key.pem")
        .restart(),
];
