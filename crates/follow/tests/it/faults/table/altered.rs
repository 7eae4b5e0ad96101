//! Entries that are not what the log holds.

use std::time::Duration;

use ctsim::Endpoint;
use ctsim::fault::{Fault, PageFault, Scope};

use super::{
    ALARMS, FIRST_NEW, FOREIGN_ISSUER, FOREIGN_PRECERTIFICATE, FORGED, Group, MALFORMED, MISSING,
    Noticed, Row, Status, UNDECODABLE, UNREADABLE, WRONG_INDEX, Where, page, silent, until_cleared,
};

pub(super) const ALTERED: Group = Group {
    title: "Altered data",
    rows: &[
        Row {
            line: Some("kind=mismatch"),
            metric: Some(&ALARMS),
            status: Some(Status::Alarm),
            does: ALARM,
            altered: true,
            ..silent("a bit flipped in a leaf", || {
                page(PageFault::FlipLeaf { index: Some(FIRST_NEW + 50) })
            })
        },
        Row {
            at: Where::Rfc6962,
            line: Some("kind=mismatch"),
            metric: Some(&ALARMS),
            status: Some(Status::Alarm),
            does: ALARM,
            altered: true,
            ..silent("entries in the wrong order", || page(PageFault::Swapped))
        },
        Row {
            at: Where::StaticCt,
            metric: Some(&WRONG_INDEX),
            line: Some("the index in a leaf differs from its position"),
            does: "counts the misplaced leaf and reports a root mismatch, as above",
            status: Some(Status::Alarm),
            altered: true,
            ..silent("entries in the wrong order", || page(PageFault::Swapped))
        },
        Row {
            at: Where::StaticCt,
            metric: Some(&WRONG_INDEX),
            line: Some("the index in a leaf differs from its position"),
            does: "the same",
            status: Some(Status::Alarm),
            altered: true,
            ..silent("a leaf with the wrong index", || {
                page(PageFault::WrongIndex { index: Some(FIRST_NEW + 50) })
            })
        },
        Row {
            at: Where::Rfc6962,
            metric: Some(&UNDECODABLE),
            line: Some("entry could not be decoded"),
            does: "delivers its bytes with `parse_error` and reports a root mismatch, as above",
            status: Some(Status::Alarm),
            altered: true,
            ..silent("an entry of an unknown type", || {
                page(PageFault::UnknownType { index: Some(FIRST_NEW + 50) })
            })
        },
        Row {
            at: Where::StaticCt,
            metric: Some(&UNREADABLE),
            line: Some("kind=gap"),
            does: UNKNOWN,
            status: Some(Status::Alarm),
            altered: true,
            unreadable_wait: Duration::ZERO,
            ..silent("an entry of an unknown type that does not match the log's hash", || {
                page(PageFault::UnknownType { index: Some(FIRST_NEW + 50) })
            })
        },
        Row {
            metric: Some(&MALFORMED),
            line: Some("malformed entry"),
            does: "delivers the certificate, which the tree covers, without its chain; for a \
                 precertificate it delivers the contents of the leaf",
            altered: true,
            ..silent("an entry with only its leaf", || {
                page(PageFault::NoChain { index: Some(FIRST_NEW + 50) })
            })
        },
        Row {
            metric: Some(&FOREIGN_PRECERTIFICATE),
            line: Some("not what the entry's leaf was made of"),
            does: "counts it, because the leaf, which the tree covers, was not made from that \
                 precertificate; delivers the altered bytes",
            altered: true,
            ..silent("a bit flipped in a precertificate", || {
                page(PageFault::FlipPrecertificate { index: None })
            })
        },
        Row {
            at: Where::Rfc6962,
            metric: Some(&FOREIGN_ISSUER),
            line: Some("not what the entry's leaf was made of"),
            does: "counts it, because the issuer's key differs from the one in the leaf, which the \
                 tree covers; delivers the altered chain. Nothing covers the chain of a final \
                 certificate",
            altered: true,
            ..silent("a bit flipped in an issuer's key", || {
                page(PageFault::FlipChain { index: None })
            })
        },
        Row {
            at: Where::StaticCt,
            metric: Some(&MISSING),
            line: Some("cannot fetch an issuer"),
            does: "requests an issuer by that name, which does not exist, and delivers a shorter \
                 chain",
            altered: true,
            ..silent("a bit flipped in an issuer's name", || {
                page(PageFault::FlipChain { index: None })
            })
        },
        Row {
            at: Where::StaticCt,
            metric: Some(&MISSING),
            line: Some("cannot fetch an issuer"),
            does: "delivers a shorter chain, unless another log has the issuer; retries after a \
                 minute",
            altered: true,
            noticed: Noticed::Starting,
            ..silent("missing issuers", || {
                let gone = Fault::Status { code: 404, retry_after: None };
                vec![until_cleared(Scope::Only(Endpoint::Issuer), gone)]
            })
        },
        Row {
            at: Where::StaticCt,
            metric: Some(&FORGED),
            line: Some("the certificate does not match the hash in its URL"),
            does: "the same",
            altered: true,
            noticed: Noticed::Starting,
            ..silent("an issuer that does not match its name", || {
                vec![until_cleared(Scope::Every, Fault::WrongIssuer)]
            })
        },
    ],
};

const UNKNOWN: &str = "retries for a minute; then uses the log's leaf hashes to find where the next \
    entry starts, delivers the bytes before it with `parse_error` (not with `verification: enforce`), and \
    continues from there. If the log has hashed these very bytes, it does so at once and without an alarm";

const ALARM: &str = "identifies the altered entries with the log's own proofs, saves them and the \
    signed head as evidence, delivers them marked as unverified (not with `verification: enforce`), \
    and restarts verification from there";
