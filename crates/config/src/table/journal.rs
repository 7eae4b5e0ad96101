//! Rows of the table: the journal.

use super::{Setting, row};
use crate::kind::Kind::{Choice, Size, Span};
use crate::model::values::ByteSize;

pub(super) const ROWS: &[Setting] = &[
    row(
        "journal.sync",
        &["CERTSTREAM_JOURNAL_SYNC"],
        Choice(&["batch", "interval"]),
        "When messages are synced to disk, so that they survive a power failure: batch, before clients \
         get them; interval, once a second. Nothing is lost if only the server is killed",
    )
    .restart(),
    row(
        "journal.max_bytes",
        &["CERTSTREAM_JOURNAL_MAX_BYTES"],
        Size(4 * ByteSize::MIB, 64 * 1024 * ByteSize::GIB),
        "Disk space for the journal; beyond it the oldest entries are deleted. 10GiB is about 15 \
         hours of all logs; the server logs the time that it covers",
    )
    .restart(),
    row(
        "journal.max_age",
        &["CERTSTREAM_JOURNAL_MAX_AGE"],
        Span,
        "Age at which entries are deleted from the journal; by default only journal.max_bytes limits it",
    )
    .example("7d")
    .restart(),
    row(
        "journal.segment_bytes",
        &["CERTSTREAM_JOURNAL_SEGMENT_BYTES"],
        Size(ByteSize::MIB, ByteSize::GIB),
        "Size of a file of the journal, at most a quarter of journal.max_bytes; entries are deleted in \
         whole files",
    )
    .restart(),
    row(
        "journal.first_seen_max_bytes",
        &["CERTSTREAM_JOURNAL_FIRST_SEEN_MAX_BYTES"],
        Size(16 * ByteSize::MIB, 1024 * ByteSize::GIB),
        "Disk space to remember the registrable domains that were seen, for new=true and \
         /api/first-seen: 20 bytes for each, long after the journal has deleted the entry. 4GiB is \
         about 200 million domains; beyond it, those that were not seen for longest count as new again",
    )
    .restart(),
];
