//! The differences between the messages of the existing servers, as one table of choices per server.

use cert::{Dialect, ExtensionKind, Part};

use crate::json::Key;

mod tables;

/// The server whose messages are imitated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// CaliDog's certstream-server, the original, with what it loses repaired and with what its
    /// successors added. Keys in alphabetical order; the default.
    #[default]
    Calidog,
    /// certstream-server-go, without its errors (`ST` holding the street address, digests of
    /// nothing and an empty `cert_link` for entries of static logs).
    Go,
    /// certstream-server-rust.
    Rust,
}

impl Profile {
    /// All profiles.
    pub const ALL: [Self; 3] = [Self::Calidog, Self::Go, Self::Rust];

    /// Returns the name used in configurations and requests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calidog => "calidog",
            Self::Go => "go",
            Self::Rust => "rust",
        }
    }

    /// Returns the profile of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    pub(crate) const fn choices(self) -> &'static Choices {
        match self {
            Self::Calidog => &tables::CALIDOG,
            Self::Go => &tables::GO,
            Self::Rust => &tables::RUST,
        }
    }
}

/// The members of an object in their order.
pub(crate) type Members<Field> = &'static [(Key, Field)];

/// All differences between the profiles.
#[derive(Debug)]
pub(crate) struct Choices {
    pub(crate) dialect: Dialect,
    /// The message itself.
    pub(crate) message: Members<MessageField>,
    /// `data` of an update.
    pub(crate) data: Members<DataField>,
    /// `leaf_cert`.
    pub(crate) leaf: Members<CertificateField>,
    /// An element of `chain`.
    pub(crate) issuer: Members<CertificateField>,
    /// `subject` and `issuer`.
    pub(crate) name: Members<NameField>,
    /// The value of a part that a name does not have.
    pub(crate) missing_part: MissingPart,
    /// `extensions`.
    pub(crate) extensions: Members<ExtensionField>,
    /// True if an extension that has nothing to show is omitted.
    pub(crate) omit_empty_extensions: bool,
    /// `source`.
    pub(crate) source: Members<SourceField>,
    /// The rule by which an empty `chain` is omitted.
    pub(crate) empty_chain: EmptyChain,
    /// True if updates end in a line feed.
    pub(crate) line_feed: bool,
    /// True if heartbeats have the time.
    pub(crate) heartbeat_time: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum MessageField {
    /// `true` in a message of an entry that was missing before; otherwise not there.
    Backfilled,
    Data,
    /// The number of names, in a message that omits something; otherwise not there.
    DomainsTotal,
    MessageType,
    Offset,
    /// `true` in a message that omits something for its size; otherwise not there.
    Truncated,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum DataField {
    CertIndex,
    CertLink,
    /// Only on the full stream.
    Chain,
    LeafCert,
    Seen,
    Source,
    SubmissionTimestamp,
    UpdateType,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum CertificateField {
    AllDomains,
    /// Only on the full stream.
    AsDer,
    Extensions,
    /// SHA-1, also under its old name `fingerprint`.
    Sha1,
    Sha256,
    IsCa,
    Issuer,
    NotAfter,
    NotBefore,
    /// Only of a certificate that could not be read to its end.
    ParseError,
    SerialNumber,
    SignatureAlgorithm,
    Subject,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum NameField {
    Part(Part),
    Aggregated,
    /// A part that the server always writes as `null`.
    Null,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum ExtensionField {
    Text(ExtensionKind),
    /// `true`, if the certificate has the poison.
    Poison,
    /// The identifiers of all that is not shown otherwise, if any.
    Extra,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum SourceField {
    LogId,
    Name,
    Operator,
    /// The time of the SCT.
    Timestamp,
    Type,
    Url,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MissingPart {
    Null,
    /// `null`, but the common name is `""`.
    NullOrEmptyName,
    Omitted,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum EmptyChain {
    Shown,
    Omitted,
    /// Left out for the entries of static logs.
    OmittedIfTiled,
}

#[cfg(test)]
mod tests {
    use super::tables::CALIDOG;
    use super::*;

    #[test]
    fn names() {
        for profile in Profile::ALL {
            assert_eq!(Profile::from_name(profile.name()), Some(profile));
        }
        assert_eq!(Profile::from_name("Rust"), None);
        assert_eq!(Profile::default().name(), "calidog");
    }

    #[test]
    fn calidog_keys_are_in_alphabetical_order() {
        fn assert_sorted<Field>(members: Members<Field>) {
            assert!(members.is_sorted_by(|(one, _), (next, _)| one < next));
        }
        assert_sorted(CALIDOG.message);
        assert_sorted(CALIDOG.data);
        assert_sorted(CALIDOG.leaf);
        assert_sorted(CALIDOG.name);
        assert_sorted(CALIDOG.extensions);
        assert_sorted(CALIDOG.source);
    }
}
