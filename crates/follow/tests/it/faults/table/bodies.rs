//! Bodies that are not what they should be.

use ctsim::fault::{BodyFault, Fault, Scope, Times};

use super::{Group, Row, Where, body, failing, silent, until_cleared};

pub(super) const BODIES: Group = Group {
    title: "Bodies",
    rows: &[
        Row {
            at: Where::Rfc6962,
            ..failing("JSON with other content", "missing field", || {
                body(Scope::Every, BodyFault::Foreign)
            })
        },
        Row {
            at: Where::StaticCt,
            ..failing("JSON instead of a checkpoint or tile", "no signatures", || {
                body(Scope::Every, BodyFault::Foreign)
            })
        },
        Row {
            at: Where::Rfc6962,
            ..failing("JSON that ends early", "EOF while parsing", || {
                body(Scope::Every, BodyFault::Truncated)
            })
        },
        Row {
            at: Where::StaticCt,
            ..failing("a tile that ends in the middle of an entry", "cut short", || {
                body(Scope::Entries, BodyFault::Truncated)
            })
        },
        Row {
            does: "reads it",
            ..silent("gzip that was not requested", || body(Scope::Every, BodyFault::Gzip))
        },
        Row {
            does: "reads it",
            ..silent("gzip without a Content-Encoding header", || {
                body(Scope::Every, BodyFault::GzipUnmarked)
            })
        },
        failing("gzip that ends early", "the compressed body cannot be read", || {
            body(Scope::Every, BodyFault::GzipTruncated)
        }),
        Row {
            status: None,
            does: "reads no more than the limit; requests fewer entries from an RFC 6962 log",
            ..failing("a body beyond the size limit", "the body is larger than", || {
                let padded = |bytes| Fault::Body(BodyFault::Padded { bytes });
                vec![
                    until_cleared(Scope::Heads, padded(1 << 20)),
                    (Scope::Entries, padded((64 << 20) + 1), Times::Next(1)),
                ]
            })
        },
    ],
};
