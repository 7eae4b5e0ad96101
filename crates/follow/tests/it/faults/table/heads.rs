//! Heads that are old, early, forged, or contradict each other.

use std::time::Duration;

use ctsim::fault::{Fault, HeadFault, Scope};

use super::{
    ALARMS, FIRST_NEW, Group, Noticed, REFUSED, Row, Rule, STALE, Status, Where, failing, silent,
    until_cleared,
};

pub(super) const HEADS: Group = Group {
    title: "Heads",
    rows: &[
        Row {
            metric: Some(&STALE),
            does: "never goes back; compares the old head with the tree it has proved",
            noticed: Noticed::Following,
            ..silent("a stale front end: the head shrinks", || {
                head(HeadFault::Stale { behind: 200, age: Duration::from_secs(60) })
            })
        },
        Row {
            status: Some(Status::Overdue),
            does: "goes on reading, and says that the log has not signed for longer than its maximum \
               merge delay",
            noticed: Noticed::Starting,
            ..silent("a head older than the maximum merge delay", || {
                let age = Duration::from_secs(48 * 3600);
                head(HeadFault::Stale { behind: 0, age })
            })
        },
        Row {
            at: Where::Rfc6962,
            does: "takes the entries there are and asks again for the others",
            ..failing("a head far ahead of the entries", "status 400", || {
                head(HeadFault::Ahead { by: 300 })
            })
        },
        Row {
            at: Where::StaticCt,
            does: "asks again for the tiles that should be there",
            ..failing("a checkpoint far ahead of the tiles", "status 404", || {
                head(HeadFault::Ahead { by: 300 })
            })
        },
        Row {
            metric: Some(&REFUSED),
            does: NEVER_USED,
            ..failing("a head whose signature is wrong", "not signed by the log's key", || {
                head(HeadFault::BadSignature)
            })
        },
        Row {
            at: Where::Rfc6962,
            metric: Some(&REFUSED),
            does: NEVER_USED,
            ..failing("a head that another key signed", "not signed by the log's key", || {
                head(HeadFault::OtherLog)
            })
        },
        Row {
            at: Where::StaticCt,
            does: NEVER_USED,
            ..failing("another log's checkpoint", "the origin is", || head(HeadFault::OtherLog))
        },
        Row {
            at: Where::StaticCt,
            does: NEVER_USED,
            ..failing("a checkpoint with another origin", "the origin is", || {
                head(HeadFault::WrongOrigin)
            })
        },
        Row {
            at: Where::StaticCt,
            does: "finds the log's own among them",
            ..silent("a checkpoint with 16 signatures, of witnesses and GREASE", || {
                head(HeadFault::ManySignatures)
            })
        },
        Row {
            line: Some("kind=equivocation"),
            metric: Some(&ALARMS),
            status: Some(Status::Alarm),
            does: "keeps both signed heads, which prove what the log did; reads on under the head that \
               goes with what was read",
            altered: true,
            noticed: Noticed::Following,
            ..silent("a split view: another root for the same entries", || {
                vec![until_cleared(Scope::Heads, Fault::Fork { shared: FIRST_NEW - 100 })]
            })
        },
        Row {
            line: Some("VERIFICATION ALARM"),
            metric: Some(&ALARMS),
            status: Some(Status::Alarm),
            does: "keeps the evidence and marks what cannot be proved",
            altered: true,
            noticed: Noticed::Starting,
            ..silent("a signed head that the log's entries do not have", || {
                vec![until_cleared(Scope::Heads, Fault::Fork { shared: FIRST_NEW - 100 })]
            })
        },
        Row {
            line: Some("VERIFICATION ALARM"),
            metric: Some(&ALARMS),
            status: Some(Status::Alarm),
            does: "keeps the evidence, marks what cannot be proved, and reads on from the next head",
            altered: true,
            noticed: Noticed::Following,
            ..silent("a fork: another log that shares the first entries", || {
                vec![until_cleared(Scope::Every, Fault::Fork { shared: FIRST_NEW - 100 })]
            })
        },
    ],
};

const NEVER_USED: &str = "never uses it; asks again after growing pauses";

fn head(fault: HeadFault) -> Vec<Rule> {
    vec![until_cleared(Scope::Heads, Fault::Head(fault))]
}
