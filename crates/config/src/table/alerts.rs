//! Rows of the table: alerts.

use super::{Setting, row};
use crate::kind::Kind::{
    Bool, Choice, Integer, Path, Receivers, Rules, Seconds, Subset, Terms, Text, Url,
};
use crate::model::alerts::{MOST_PER_HOUR, MOST_TIMEOUT_SECS};

const TYPES: &[&str] = &["webhook", "slack", "discord", "teams", "ntfy", "email", "exec"];
const HASH: &str = "Known certificates, by the SHA-256 of their public keys (SubjectPublicKeyInfo), in \
                    hexadecimal or base64";
const CERTIFICATE: &str =
    "Known certificates and precertificates, by their SHA-256, in hexadecimal or base64";

pub(super) const ROWS: &[Setting] = &[
    row(
        "alerts.link",
        &["CERTSTREAM_ALERTS_LINK"],
        Url,
        "The public URL of this server: alerts link to its page about the certificate; without it, they \
         have no link",
    )
    .example("https://ct.example.org"),
    row(
        "alerts.merge_entries",
        &["CERTSTREAM_ALERTS_MERGE_ENTRIES"],
        Bool,
        "A precertificate and its final certificate are one alert",
    ),
    row("alerts.rules", &[], Rules, "Which certificates are reported"),
    row("alerts.receivers", &[], Receivers, "Where alerts are sent"),
    row(
        "alerts.rules[].name",
        &[],
        Text,
        "Its name, in alerts, log lines and metrics: up to 100 bytes, unique",
    )
    .example("our brand"),
    row(
        "alerts.rules[].domain",
        &[],
        Terms,
        "A name is one of these domains or below one, or is a wildcard that covers one",
    )
    .example("example.org"),
    row("alerts.rules[].match", &[], Terms, "A name contains one of these texts").example("paypal"),
    row(
        "alerts.rules[].regex",
        &[],
        Terms,
        "A part of a name matches one of these regular expressions",
    )
    .example("[pay.*login]"),
    row(
        "alerts.rules[].lookalike",
        &[],
        Terms,
        "A name can be mistaken for one of these domains, and is not below one of them",
    )
    .example("[paypal.com, example.org]"),
    row(
        "alerts.rules[].issuer",
        &[],
        Terms,
        "The CN or O of the issuer contains one of these texts",
    )
    .example("Let's Encrypt"),
    row(
        "alerts.rules[].entry",
        &[],
        Subset(&["precert", "final"]),
        "The kind of entry; both by default",
    )
    .example("precert"),
    row(
        "alerts.rules[].except.domain",
        &[],
        Terms,
        "Known domains: names that are one of them or below one do not count",
    )
    .example("[paypal.com]"),
    row(
        "alerts.rules[].except.issuer",
        &[],
        Terms,
        "Known issuers: their CN or O contains one of these texts",
    )
    .example("[Example CA]"),
    row("alerts.rules[].except.key", &[], Terms, HASH)
        .example("[dNudWPfUfp39eHoWKpkcGM9pjafHKZGMmhiwRQ26RLw=]"),
    row("alerts.rules[].except.certificate", &[], Terms, CERTIFICATE)
        .example("[3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0]"),
    row(
        "alerts.rules[].max_per_hour",
        &[],
        Integer(1, MOST_PER_HOUR as u64),
        "Most alerts in an hour, 100 by default; further ones are counted, but not sent",
    )
    .example("100"),
    row(
        "alerts.rules[].deliver",
        &[],
        Terms,
        "The names of the receivers of its alerts; all by default",
    )
    .example("[ops]"),
    row(
        "alerts.receivers[].name",
        &[],
        Text,
        "Its name, in rules, log lines and metrics: up to 100 bytes, unique",
    )
    .example("ops"),
    row(
        "alerts.receivers[].type",
        &[],
        Choice(TYPES),
        "webhook sends JSON, and the others a text for people. exec is refused: a program that the \
         server starts for each certificate is a security hole; use a webhook",
    )
    .example("webhook"),
    row("alerts.receivers[].url", &[], Url, "The URL of the webhook; it is never shown")
        .example("https://hooks.example.org/alerts")
        .secret(),
    row("alerts.receivers[].url_file", &[], Path, "File with the URL of the webhook, instead of url")
        .example("/etc/certstream/alerts-url"),
    row(
        "alerts.receivers[].url_env",
        &[],
        Text,
        "Environment variable with the URL of the webhook, instead of url",
    )
        .example("CERTSTREAM_ALERTS_URL"),
    row(
        "alerts.receivers[].key_file",
        &[],
        Path,
        "File with the key of the signature (HMAC) of requests; without it, they have none",
    )
    .example("/etc/certstream/alerts-key"),
    row(
        "alerts.receivers[].key_env",
        &[],
        Text,
        "Environment variable with that key, instead of key_file",
    )
    .example("CERTSTREAM_ALERTS_KEY"),
    row(
        "alerts.receivers[].allow_private_addresses",
        &[],
        Bool,
        "The webhook may be at a private address; false by default",
    )
    .example("false"),
    row(
        "alerts.receivers[].timeout_secs",
        &[],
        Seconds(1, MOST_TIMEOUT_SECS),
        "Longest time for an attempt, before another one; 10 by default",
    )
    .example("10"),
    row("alerts.receivers[].smtp_server", &[], Text, "For email: the SMTP server as HOST:PORT")
        .example("mail.example.org:587"),
    row(
        "alerts.receivers[].smtp_security",
        &[],
        Choice(&["tls", "starttls", "none"]),
        "For email: the encryption of the connection; tls by default if the port is 465, otherwise \
         starttls, which is required",
    )
    .example("starttls"),
    row("alerts.receivers[].user", &[], Text, "For email: the user of the SMTP server")
        .example("certstream"),
    row("alerts.receivers[].password_file", &[], Path, "For email: file with the user's password")
        .example("/etc/certstream/smtp-password"),
    row(
        "alerts.receivers[].password_env",
        &[],
        Text,
        "For email: environment variable with the user's password, instead of password_file",
    )
    .example("CERTSTREAM_SMTP_PASSWORD"),
    row("alerts.receivers[].from", &[], Text, "For email: the sender")
        .example("certstream@example.org"),
    row("alerts.receivers[].to", &[], Terms, "For email: the recipients")
        .example("[security@example.org]"),
];
