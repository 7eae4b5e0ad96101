//! Entries that are not what the log holds.

use std::time::Duration;

use ctsim::Endpoint;
use ctsim::fault::{Fault, PageFault, Scope};

use super::{
    ALARMS, FIRST_NEW, FOREIGN_ISSUER, FOREIGN_PRECERTIFICATE, FORGED, Group, MALFORMED, MISSING,
    Noticed, Row, Status, UNDECODABLE, UNREADABLE, WRONG_INDEX, Where, page, silent, until_cleared,
};

pub(super) const ALTERED: Group = Group {
    title: "What was altered",
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
            ..silent("entries in another order", || page(PageFault::Swapped))
        },
        Row {
            at: Where::StaticCt,
            metric: Some(&WRONG_INDEX),
            line: Some("leaf with another index than its own"),
            does: "counts the leaf, whose place is not what it says, and finds the mismatch with the \
               tree head, as above",
            status: Some(Status::Alarm),
            altered: true,
            ..silent("entries in another order", || page(PageFault::Swapped))
        },
        Row {
            at: Where::StaticCt,
            metric: Some(&WRONG_INDEX),
            line: Some("leaf with another index than its own"),
            does: "the same",
            status: Some(Status::Alarm),
            altered: true,
            ..silent("a leaf with another index", || {
                page(PageFault::WrongIndex { index: Some(FIRST_NEW + 50) })
            })
        },
        Row {
            at: Where::Rfc6962,
            metric: Some(&UNDECODABLE),
            line: Some("entry could not be decoded"),
            does: "delivers its bytes with `parse_error`, and finds the mismatch with the tree head, as above",
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
            ..silent("an entry of an unknown type that is not what the log has hashed", || {
                page(PageFault::UnknownType { index: Some(FIRST_NEW + 50) })
            })
        },
        Row {
            metric: Some(&MALFORMED),
            line: Some("entry is not well-formed"),
            does: "delivers the certificate, which the tree covers, without its chain; of a precertificate \
               what its leaf says of it",
            altered: true,
            ..silent("nothing but the leaf of an entry", || {
                page(PageFault::NoChain { index: Some(FIRST_NEW + 50) })
            })
        },
        Row {
            metric: Some(&FOREIGN_PRECERTIFICATE),
            line: Some("not what the entry's leaf was made of"),
            does: "counts it: the leaf, which the tree covers, was not made of that precertificate. The \
               altered bytes are delivered",
            altered: true,
            ..silent("a bit flipped in a precertificate", || {
                page(PageFault::FlipPrecertificate { index: None })
            })
        },
        Row {
            at: Where::Rfc6962,
            metric: Some(&FOREIGN_ISSUER),
            line: Some("not what the entry's leaf was made of"),
            does: "counts it: the issuer's key is not the one in the leaf, which the tree covers. The \
               altered chain is delivered. Nothing covers the chain of a final certificate",
            altered: true,
            ..silent("a bit flipped in an issuer's key", || {
                page(PageFault::FlipChain { index: None })
            })
        },
        Row {
            at: Where::StaticCt,
            metric: Some(&MISSING),
            line: Some("issuer could not be had"),
            does: "asks for an issuer of that name, which there is not, and delivers a shorter chain",
            altered: true,
            ..silent("a bit flipped in an issuer's name", || {
                page(PageFault::FlipChain { index: None })
            })
        },
        Row {
            at: Where::StaticCt,
            metric: Some(&MISSING),
            line: Some("issuer could not be had"),
            does: "delivers a shorter chain, unless another log has the issuer; asks again after a minute",
            altered: true,
            noticed: Noticed::Starting,
            ..silent("issuers that are not there", || {
                let gone = Fault::Status { code: 404, retry_after: None };
                vec![until_cleared(Scope::Only(Endpoint::Issuer), gone)]
            })
        },
        Row {
            at: Where::StaticCt,
            metric: Some(&FORGED),
            line: Some("the certificate is not the one its name says"),
            does: "the same",
            altered: true,
            noticed: Noticed::Starting,
            ..silent("another issuer than the one named", || {
                vec![until_cleared(Scope::Every, Fault::WrongIssuer)]
            })
        },
    ],
};

const UNKNOWN: &str = "asks again for a minute; then finds where the next entry starts by the log's \
    leaf hashes, delivers the bytes before it with `parse_error` (not with `verification: enforce`), and \
    goes on from there. Where the log has hashed the bytes so, it does that at once and without an alarm";

const ALARM: &str = "finds out with the log's own proofs which entries they are, keeps them and the \
    signed head as evidence, delivers them marked as not proved (not with `verification: enforce`), \
    and proves anew from there";
