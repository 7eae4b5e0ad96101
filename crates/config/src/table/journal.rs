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
];
