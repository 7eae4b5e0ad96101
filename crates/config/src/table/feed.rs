//! Rows of the table: feeds.

use super::{Setting, row};
use crate::kind::Kind::{Bool, Millis, Size};
use crate::model::values::ByteSize;

pub(super) const ROWS: &[Setting] = &[
    row(
        "feed.ring_bytes",
        &["CERTSTREAM_FEED_RING_BYTES"],
        Size(64 * ByteSize::KIB, 64 * ByteSize::GIB),
        "Memory for the latest entries, from which clients resume; the default holds about 25 \
         seconds of all logs, and certstream_ring_seconds shows the current length",
    )
    .restart(),
    row(
        "feed.chunk_bytes",
        &["CERTSTREAM_FEED_CHUNK_BYTES"],
        Size(64 * ByteSize::KIB, 64 * ByteSize::GIB),
        "Memory for the rendered messages of each feed that has readers",
    )
    .restart(),
    row(
        "feed.skip_empty_domains",
        &["CERTSTREAM_FEED_SKIP_EMPTY_DOMAINS"],
        Bool,
        "Leave certificates without domain names out of the domains-only stream",
    )
    .restart(),
    row(
        "feed.gather_ms",
        &["CERTSTREAM_FEED_GATHER_MS"],
        Millis(0, 1000),
        "Maximum time that messages wait, under load, so that several go out in one write; with \
         fewer clients it is shorter, and 0 sends everything at once",
    )
    .restart(),
];
