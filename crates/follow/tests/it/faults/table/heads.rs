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
            does: "never goes back; compares the old head with the tree it has verified",
            noticed: Noticed::Following,
            ..silent("a stale front end: the head shrinks", || {
                head(HeadFault::Stale { behind: 200, age: Duration::from_secs(60) })
            })
        },
        Row {
            status: Some(Status::Overdue),
            does: "continues to read, and reports that the log has not signed a head for longer than \
                 its maximum merge delay",
            noticed: Noticed::Starting,
            ..silent("a head older than the maximum merge delay", || {
                let age = Duration::from_secs(48 * 3600);
                head(HeadFault::Stale { behind: 0, age })
            })
        },
        Row {
            at: Where::Rfc6962,
            does: "uses the entries that exist and requests the others again",
            ..failing("a head far ahead of the entries", "status 400", || {
                head(HeadFault::Ahead { by: 300 })
            })
        },
        Row {
            at: Where::StaticCt,
            does: "requests the missing tiles again",
            ..failing("a checkpoint far ahead of the tiles", "status 404", || {
                head(HeadFault::Ahead { by: 300 })
            })
        },
        Row {
            metric: Some(&REFUSED),
            does: NEVER_USED,
            ..failing("a head with an invalid signature", "not signed by the log's key", || {
                head(HeadFault::BadSignature)
            })
        },
        Row {
            at: Where::Rfc6962,
            metric: Some(&REFUSED),
            does: NEVER_USED,
            ..failing("a head signed by another key", "not signed by the log's key", || {
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
            does: "finds the log's own signature among them",
            ..silent("a checkpoint with 16 signatures, of witnesses and GREASE", || {
                head(HeadFault::ManySignatures)
            })
        },
        Row {
            line: Some("kind=equivocation"),
            metric: Some(&ALARMS),
            status: Some(Status::Alarm),
            does: "saves both signed heads, which prove the log's misbehaviour; continues under the \
                 head that matches the entries read",
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
            does: "saves the evidence and marks what cannot be verified",
            altered: true,
            noticed: Noticed::Starting,
            ..silent("a signed head that does not match the log's entries", || {
                vec![until_cleared(Scope::Heads, Fault::Fork { shared: FIRST_NEW - 100 })]
            })
        },
        Row {
            line: Some("VERIFICATION ALARM"),
            metric: Some(&ALARMS),
            status: Some(Status::Alarm),
            does: "saves the evidence, marks what cannot be verified, and continues from the next \
                 head",
            altered: true,
            noticed: Noticed::Following,
            ..silent("a fork: another log that shares the first entries", || {
                vec![until_cleared(Scope::Every, Fault::Fork { shared: FIRST_NEW - 100 })]
            })
        },
    ],
};

const NEVER_USED: &str = "never uses it; retries with increasing delays";

fn head(fault: HeadFault) -> Vec<Rule> {
    vec![until_cleared(Scope::Heads, Fault::Head(fault))]
}
