//! An alert as receivers get it.

use cert::{Certificate, Dialect, Part};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::EntryKind;

use crate::lookalike::Likeness;
use crate::reason::{Reason, shown};

/// The version of the form, which grows when a field changes its meaning.
const VERSION: u32 = 1;
/// Names of the certificate that are shown at most; the others are counted.
const MAX_NAMES: usize = 100;

/// An alert: a rule, the reasons why a certificate matched it, and the certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// The version of this form: 1.
    pub version: u32,
    /// The identity, 64 hexadecimal digits: that of the rule and the certificate. A precertificate and its
    /// final certificate have the same.
    pub id: String,
    /// The name of the rule.
    pub rule: String,
    /// One reason for each condition of the rule.
    pub reasons: Vec<Explained>,
    /// The certificate.
    pub certificate: Described,
    /// `precert` or `final`.
    pub entry: String,
    /// The entries of logs in which it was seen.
    pub sightings: Vec<Sighting>,
    /// A page about the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Alerts of the rule before this one that its limit left out.
    pub suppressed: u64,
}

/// A reason in words and in fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AlertReason)]
pub struct Explained {
    /// The condition: `domain`, `match`, `regex`, `lookalike`, `issuer` or `entry`.
    pub condition: String,
    /// The reason as a sentence.
    pub text: String,
    /// The name of the certificate that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of a lookalike, the protected name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Of a lookalike, the [kind](Likeness::kind) of likeness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub likeness: Option<String>,
}

/// The fields of the certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AlertCertificate)]
pub struct Described {
    /// SHA-256, in hexadecimal.
    pub sha256: String,
    /// The serial number, in hexadecimal.
    pub serial_number: String,
    /// The CN of the issuer; empty if it has none.
    pub issuer_cn: String,
    /// The O of the issuer; empty if it has none.
    pub issuer_o: String,
    /// The names, at most 100 of them, each cut after 253 characters.
    pub names: Vec<String>,
    /// The number of names.
    pub name_count: usize,
    /// Start of validity.
    #[serde(with = "time")]
    #[schema(value_type = String, format = DateTime)]
    pub not_before: Timestamp,
    /// End of validity.
    #[serde(with = "time")]
    #[schema(value_type = String, format = DateTime)]
    pub not_after: Timestamp,
}

/// An entry of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AlertSighting)]
pub struct Sighting {
    /// The name of the log.
    pub log: String,
    /// The URL of the log.
    pub url: String,
    /// The index of the entry.
    pub index: u64,
    /// The time at which the server read it.
    #[serde(with = "time")]
    #[schema(value_type = String, format = DateTime)]
    pub seen: Timestamp,
}

impl Alert {
    /// Makes the alert of a rule, without a link.
    #[must_use]
    pub fn new(
        rule: &str,
        reasons: &[Reason],
        certificate: &Certificate<'_>,
        kind: EntryKind,
        sighting: Sighting,
    ) -> Self {
        Self {
            version: VERSION,
            id: Self::identity(rule, certificate, None),
            rule: rule.to_owned(),
            reasons: reasons.iter().map(Explained::new).collect(),
            certificate: Described::new(certificate),
            entry: kind.name().to_owned(),
            sightings: vec![sighting],
            link: None,
            suppressed: 0,
        }
    }

    /// Returns the identity of an alert: of the rule, and of the issuer and serial number, which a
    /// precertificate and its final certificate share, unless the kind of entry is part of it.
    #[must_use]
    pub fn identity(rule: &str, certificate: &Certificate<'_>, kind: Option<EntryKind>) -> String {
        let mut bytes = Vec::new();
        for part in [rule.as_bytes(), certificate.issuer.der(), certificate.serial] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        // What could not be read identifies nothing.
        if certificate.serial.is_empty() || certificate.issuer.der().is_empty() {
            bytes.extend_from_slice(&certificate.sha256);
        }
        if let Some(kind) = kind {
            bytes.extend_from_slice(kind.name().as_bytes());
        }
        hex(&ct::sha256(&bytes))
    }
}

impl Explained {
    fn new(reason: &Reason) -> Self {
        let (of, likeness) = match reason {
            Reason::Lookalike { of, likeness, .. } => (Some(of.clone()), Some(*likeness)),
            _ => (None, None),
        };
        Self {
            condition: reason.parameter().to_owned(),
            text: reason.to_string(),
            name: reason.name().map(str::to_owned),
            of,
            likeness: likeness.map(Likeness::kind).map(str::to_owned),
        }
    }
}

impl Described {
    fn new(certificate: &Certificate<'_>) -> Self {
        let part = |part| {
            let text = certificate.issuer.get(part).map(|text| text.to_text());
            text.map(|text| shown(&text)).unwrap_or_default()
        };
        let time = |seconds| Timestamp::from_second(seconds).unwrap_or_default();
        Self {
            sha256: hex(&certificate.sha256),
            serial_number: hex(certificate.serial),
            issuer_cn: part(Part::CommonName),
            issuer_o: part(Part::Organization),
            names: names(certificate).take(MAX_NAMES).collect(),
            name_count: names(certificate).count(),
            not_before: time(certificate.not_before),
            not_after: time(certificate.not_after),
        }
    }
}

fn names<'a>(certificate: &'a Certificate<'a>) -> impl Iterator<Item = String> {
    certificate.all_domains(Dialect::Calidog).map(|name| shown(&name))
}

/// Times as RFC 3339 has them.
pub(crate) mod time {
    use jiff::Timestamp;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &Timestamp, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(time)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(text: D) -> Result<Timestamp, D::Error> {
        String::deserialize(text)?.parse().map_err(D::Error::custom)
    }
}

/// Returns bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sighting() -> Sighting {
        Sighting {
            log: "Example 'Rock2027' log".to_owned(),
            url: "https://ct.example/2027".to_owned(),
            index: 7,
            seen: Timestamp::from_second(1_795_000_000).unwrap(),
        }
    }

    /// An alert about the sample certificate.
    pub(crate) fn alert(rule: &str) -> Alert {
        let der = std::fs::read("../wire/src/sample/leaf.der").unwrap();
        let reasons = [Reason::Lookalike {
            name: "example.com".to_owned(),
            part: "example".to_owned(),
            of: "example.org".to_owned(),
            likeness: Likeness::OtherSuffix,
        }];
        let certificate = Certificate::read(&der);
        Alert::new(rule, &reasons, &certificate, EntryKind::PrecertLogEntry, sighting())
    }

    #[test]
    fn an_alert_has_the_rule_its_reasons_and_the_certificate() {
        let mut alert = alert("our brand");
        alert.link = Some("https://certs.example/cert".to_owned());
        let json = serde_json::to_value(&alert).unwrap();
        assert_eq!(json["version"], 1);
        assert_eq!(json["rule"], "our brand");
        let reason = &json["reasons"][0];
        assert_eq!(reason["condition"], "lookalike");
        assert_eq!(
            (&reason["of"], &reason["likeness"]),
            (&"example.org".into(), &"other_suffix".into())
        );
        assert_eq!(json["certificate"]["names"][0], "example.com");
        assert_eq!(json["certificate"]["name_count"], 3);
        assert_eq!(json["certificate"]["not_before"], "2026-01-01T00:00:00Z");
        assert_eq!(
            (&json["entry"], &json["sightings"][0]["index"]),
            (&"precert".into(), &7.into())
        );
        assert_eq!(json["id"].as_str().unwrap().len(), 64);
        assert_eq!(serde_json::from_value::<Alert>(json).unwrap(), alert, "it can be read again");
    }

    #[test]
    fn the_identity_is_that_of_rule_and_certificate() {
        assert_eq!(alert("a").id, alert("a").id);
        assert_ne!(alert("a").id, alert("b").id);
        // Unreadable certificates are distinguished by their bytes.
        let identity = |der, kind| Alert::identity("a", &Certificate::read(der), kind);
        assert_ne!(identity(b"one", None), identity(b"two", None));
        let kinds = EntryKind::ALL.map(|kind| identity(b"one", Some(kind)));
        assert_ne!(kinds[0], kinds[1]);
    }
}
