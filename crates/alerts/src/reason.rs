//! The reason why a certificate matched a rule.

use std::fmt;

use wire::EntryKind;

use crate::lookalike::Likeness;

/// Characters of a text of a certificate that are kept at most; no domain name has more.
const MAX_CHARACTERS: usize = 253;

/// One condition of a rule, and the text of the certificate that satisfies it. Texts are in lower
/// case, as rules compare them, and at most 253 characters long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A name is a domain, is below it, or is a wildcard that covers it.
    Domain {
        /// The name.
        name: String,
        /// The domain of the rule.
        term: String,
    },
    /// A name contains a text.
    Match {
        /// The name.
        name: String,
        /// The text of the rule.
        term: String,
    },
    /// A name matches a regular expression.
    Regex {
        /// The name.
        name: String,
        /// The regular expression of the rule.
        pattern: String,
    },
    /// A name is like a protected one.
    Lookalike {
        /// The name.
        name: String,
        /// The part of it that is, as people read it.
        part: String,
        /// The protected name.
        of: String,
        /// The way in which it is like it.
        likeness: Likeness,
    },
    /// The CN or O of the issuer contains a text.
    Issuer {
        /// That CN or O.
        issuer: String,
        /// The text of the rule.
        term: String,
    },
    /// The entry is of a kind.
    Entry(EntryKind),
}

impl Reason {
    /// Returns the setting of the rule that is satisfied.
    #[must_use]
    pub const fn parameter(&self) -> &'static str {
        match self {
            Self::Domain { .. } => "domain",
            Self::Match { .. } => "match",
            Self::Regex { .. } => "regex",
            Self::Lookalike { .. } => "lookalike",
            Self::Issuer { .. } => "issuer",
            Self::Entry(_) => "entry",
        }
    }

    /// Returns the name of the certificate that it is about, if it is about a name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Domain { name, .. }
            | Self::Match { name, .. }
            | Self::Regex { name, .. }
            | Self::Lookalike { name, .. } => Some(name),
            Self::Issuer { .. } | Self::Entry(_) => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain { name, term } if name == term => write!(f, "{name} is the domain"),
            Self::Domain { name, term } => write!(f, "{name} belongs to {term}"),
            Self::Match { name, term } => write!(f, "{name} contains {term:?}"),
            Self::Regex { name, pattern } => write!(f, "{name} matches {pattern:?}"),
            Self::Lookalike { name, part, of, likeness } => {
                write!(f, "{name} is like {of}: {part:?} ({likeness})")
            }
            Self::Issuer { issuer, term } => write!(f, "the issuer {issuer:?} contains {term:?}"),
            Self::Entry(kind) => write!(f, "the entry is of the kind {}", kind.name()),
        }
    }
}

/// Returns the start of a text of a certificate.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(MAX_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookalike::Addition;

    #[test]
    fn reasons_are_sentences() {
        let name = || "login.paypa1.com".to_owned();
        let text = |text: &str| text.to_owned();
        let cases = [
            (
                Reason::Domain { name: name(), term: text("paypa1.com") },
                "login.paypa1.com belongs to paypa1.com",
            ),
            (Reason::Domain { name: name(), term: name() }, "login.paypa1.com is the domain"),
            (
                Reason::Match { name: name(), term: text("login") },
                "login.paypa1.com contains \"login\"",
            ),
            (
                Reason::Regex { name: name(), pattern: text("^lo") },
                "login.paypa1.com matches \"^lo\"",
            ),
            (
                Reason::Lookalike {
                    name: name(),
                    part: text("paypa1"),
                    of: text("paypal.com"),
                    likeness: Likeness::Confusable,
                },
                "login.paypa1.com is like paypal.com: \"paypa1\" (characters that look the same)",
            ),
            (
                Reason::Lookalike {
                    name: text("my-paypal.org"),
                    part: text("my-paypal"),
                    of: text("paypal.com"),
                    likeness: Likeness::Added(Addition::Exact),
                },
                "my-paypal.org is like paypal.com: \"my-paypal\" (the label with other words)",
            ),
            (
                Reason::Issuer { issuer: text("r10"), term: text("r1") },
                "the issuer \"r10\" contains \"r1\"",
            ),
            (Reason::Entry(EntryKind::PrecertLogEntry), "the entry is of the kind precert"),
        ];
        for (reason, expected) in cases {
            assert_eq!(reason.to_string(), expected);
            assert_eq!(reason.name().is_some(), !matches!(reason.parameter(), "issuer" | "entry"));
        }
    }
}
