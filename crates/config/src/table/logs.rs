//! Rows of the table: configured logs.

use super::{Setting, row};
use crate::kind::Kind::{Integer, Logs, Millis, Text, TreeSize, Url};

const MAX_BATCH: u64 = 65536;
const HOUR_MS: u64 = 3_600_000;
const NAME: &str = "The log's name in messages (source.name)";
const KEY: &str = "Base64 of its DER public key; without a key, its signatures are not checked";
const KEY_EXAMPLE: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE...";
const OPERATOR: &str = "Its operator";
const LOG_ID: &str = "Its log id in base64; a key with another id is refused";
const LOG_ID_EXAMPLE: &str = "dNudWPfUfp39eHoWKpkcGM9pjafHKZGMmhiwRQ26RLw=";
const BATCH_SIZE: &str = "Overrides ct_log.batch_size";
const POLL_INTERVAL: &str = "Overrides ct_log.poll_interval_ms";
const TREE_SIZE: &str = "Where to read the tree size of a log without checkpoints: get_sth for the log's own URL, or \
     another URL (the part before /ct/v1/)";

pub(super) const ROWS: &[Setting] = &[
    row("custom_logs", &[], Logs, "RFC 6962 logs to follow in addition to the log list"),
    row("custom_logs[].name", &[], Text, NAME).example("Example 2027"),
    row("custom_logs[].url", &[], Url, "The log's URL: the part before /ct/v1/")
        .example("https://ct.example/2027"),
    row("custom_logs[].key", &[], Text, KEY).example(KEY_EXAMPLE),
    row("custom_logs[].operator", &[], Text, OPERATOR).example("Example"),
    row("custom_logs[].expected_log_id", &[], Text, LOG_ID).example(LOG_ID_EXAMPLE),
    row("custom_logs[].batch_size", &[], Integer(1, MAX_BATCH), BATCH_SIZE).example("256"),
    row("custom_logs[].poll_interval_ms", &[], Millis(1, HOUR_MS), POLL_INTERVAL).example("5000"),
    row("static_logs", &[], Logs, "static-ct-api logs to follow in addition to the log list"),
    row("static_logs[].name", &[], Text, NAME).example("Example tiles 2027"),
    row("static_logs[].url", &[], Url, "The monitoring prefix: the part before /checkpoint")
        .example("https://tiles.ct.example/2027"),
    row("static_logs[].key", &[], Text, KEY).example(KEY_EXAMPLE),
    row("static_logs[].operator", &[], Text, OPERATOR).example("Example"),
    row("static_logs[].log_origin", &[], Text, "The first line of its checkpoints")
        .example("ct.example/2027"),
    row("static_logs[].tree_size_source", &[], TreeSize, TREE_SIZE).example("get_sth"),
    row("static_logs[].expected_log_id", &[], Text, LOG_ID).example(LOG_ID_EXAMPLE),
    row("static_logs[].batch_size", &[], Integer(1, MAX_BATCH), BATCH_SIZE).example("256"),
    row("static_logs[].poll_interval_ms", &[], Millis(1, HOUR_MS), POLL_INTERVAL).example("5000"),
];
