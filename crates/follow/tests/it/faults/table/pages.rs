//! Pages of entries, and tiles, of another length.

use ctsim::fault::{Fault, PageFault, Scope};

use super::{CUT, FIRST_NEW, Group, Row, Where, failing, page, silent, until_cleared};

pub(super) const PAGES: Group = Group {
    title: "Pages",
    rows: &[
        failing("a page without entries", "0 entries where", || page(PageFault::Empty)),
        Row {
            at: Where::Rfc6962,
            does: "asks for the rest, and learns the size of the log's pages",
            ..silent("pages shorter than asked for", || page(PageFault::Short { most: 17 }))
        },
        Row {
            at: Where::StaticCt,
            does: "takes the entries that came and asks for the tile again",
            ..silent("tiles shorter than they should be", || page(PageFault::Short { most: 100 }))
        },
        Row {
            at: Where::Rfc6962,
            does: "asks for the rest, and from then on from boundary to boundary",
            ..silent("pages that end at multiples of 32", || page(PageFault::Aligned { to: 32 }))
        },
        failing("more entries than asked for", "entries where", || page(PageFault::Long { by: 3 })),
        Row {
            at: Where::StaticCt,
            does: "asks for the full tile in its place; goes on when there is one or the log has the \
               partial one again",
            ..failing("partial tiles that are not there", "status 404", || {
                vec![until_cleared(Scope::Every, Fault::PartialGone)]
            })
        },
        Row {
            line: Some("chain cut"),
            metric: Some(&CUT),
            does: "leaves out all but the first 32 certificates, or 256 KiB, of the chain",
            altered: true,
            ..silent("an overlong chain", || {
                page(PageFault::LongChain { index: Some(FIRST_NEW + 50), certificates: 400 })
            })
        },
    ],
};
