//! The alert of `certstream-server alerts test`.

use alerts::{Alert, Described, Explained, Sighting};
use jiff::{SignedDuration, Timestamp};

/// The name of its rule, from which a reader sees that no certificate was found.
const RULE: &str = "TEST (certstream-server alerts test)";
const TEXT: &str = "this alert is a test; there is no such certificate";
const NAME: &str = "test.example.com";

/// Returns an alert that is a test, at this time. Each has an identity of its own, so that a receiver does
/// not take it for an earlier one.
pub(super) fn alert(link: Option<&str>, now: Timestamp) -> Alert {
    let identity = ct::sha256(format!("{RULE} {}", now.as_nanosecond()).as_bytes());
    let identity: String = identity.iter().map(|byte| format!("{byte:02x}")).collect();
    Alert {
        version: 1,
        id: identity.clone(),
        rule: RULE.to_owned(),
        reasons: vec![Explained {
            condition: "domain".to_owned(),
            text: TEXT.to_owned(),
            name: Some(NAME.to_owned()),
            of: None,
            likeness: None,
        }],
        certificate: Described {
            sha256: identity,
            serial_number: "01".to_owned(),
            issuer_cn: "Test".to_owned(),
            issuer_o: "Test".to_owned(),
            names: vec![NAME.to_owned()],
            name_count: 1,
            not_before: now,
            not_after: now.saturating_add(SignedDuration::from_hours(24)).unwrap_or(now),
        },
        entry: "precert".to_owned(),
        sightings: vec![Sighting {
            log: "no log: a test".to_owned(),
            url: "https://ct.example.com".to_owned(),
            index: 0,
            seen: now,
        }],
        link: link.map(str::to_owned),
        suppressed: 0,
    }
}
