//! Pages of entries, and tiles, of another length.

use ctsim::fault::{Fault, PageFault, Scope};

use super::{CUT, FIRST_NEW, Group, Row, Where, failing, page, silent, until_cleared};

pub(super) const PAGES: Group = Group {
    title: "Pages",
    rows: &[
        failing("a page without entries", "0 entries instead of", || page(PageFault::Empty)),
        Row {
            at: Where::Rfc6962,
            does: "requests the rest, and learns the log's page size",
            ..silent("pages shorter than requested", || page(PageFault::Short { most: 17 }))
        },
        Row {
            at: Where::StaticCt,
            does: "uses the entries received and requests the tile again",
            ..silent("tiles shorter than they should be", || page(PageFault::Short { most: 100 }))
        },
        Row {
            at: Where::Rfc6962,
            does: "requests the rest, and from then on aligns requests to the boundaries",
            ..silent("pages that end at multiples of 32", || page(PageFault::Aligned { to: 32 }))
        },
        failing("more entries than requested", "entries instead of", || {
            page(PageFault::Long { by: 3 })
        }),
        Row {
            at: Where::StaticCt,
            does: "requests the full tile instead; continues when the full tile exists or the \
                 partial one is back",
            ..failing("missing partial tiles", "status 404", || {
                vec![until_cleared(Scope::Every, Fault::PartialGone)]
            })
        },
        Row {
            line: Some("chain cut"),
            metric: Some(&CUT),
            does: "keeps only the first 32 certificates, or 256 KiB, of the chain",
            altered: true,
            ..silent("an overlong chain", || {
                page(PageFault::LongChain { index: Some(FIRST_NEW + 50), certificates: 400 })
            })
        },
    ],
};
