//! The mistakes in rules.

use wire::filter::FilterError;

use crate::pattern::{MAX_PATTERN_BYTES, MAX_PROGRAM_BYTES};
use crate::rule::{MAX_LIMIT, MAX_NAME_BYTES, MAX_REGEXES, MAX_TERMS};
use crate::rules::{MAX_LOOKALIKES, MAX_OPEN_REGEXES, MAX_RULES};

/// A reason why a rule is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No name, a long one, or one with control characters.
    #[error("name: {name:?} must have 1 to {MAX_NAME_BYTES} bytes and no control characters")]
    Name {
        /// The name, or the start of it.
        name: String,
    },
    /// Two rules of one name, whose alerts could not be told apart.
    #[error("name: another rule has this name; alerts are counted and limited by it")]
    NameTaken,
    /// A rule that says nothing about certificates.
    #[error("no condition: give domain, match, regex, lookalike, issuer or entry")]
    NoCondition,
    /// More terms than a rule may have.
    #[error("more than {MAX_TERMS} terms, the limit of a rule")]
    TooManyTerms,
    /// More regular expressions than a rule may have.
    #[error("regex: more than {MAX_REGEXES}, the limit of a rule")]
    TooManyRegexes,
    /// A term that is none.
    #[error(transparent)]
    Term(#[from] FilterError),
    /// A term with a comma, which separates terms elsewhere.
    #[error("{parameter}: {term:?} contains a comma; give a part without it")]
    Comma {
        /// The setting.
        parameter: &'static str,
        /// The term.
        term: String,
    },
    /// An address where a name is needed.
    #[error("{parameter}: {term:?} is an address; rules are about domain names")]
    Address {
        /// The setting.
        parameter: &'static str,
        /// The term.
        term: String,
    },
    /// Text that is no domain name.
    #[error("lookalike: {term:?} is not a domain name")]
    NotADomain {
        /// The text.
        term: String,
    },
    /// A name that cannot be protected.
    #[error("lookalike: {term:?} cannot be protected: {advice}")]
    NotABrand {
        /// The name.
        term: String,
        /// The correction.
        advice: String,
    },
    /// A regular expression that is too long.
    #[error("regex: a pattern has {bytes} bytes, the limit is {MAX_PATTERN_BYTES}")]
    PatternTooLong {
        /// The bytes it has.
        bytes: usize,
    },
    /// A regular expression that is wrong.
    #[error("regex: {pattern:?} is not a regular expression: {error}")]
    Pattern {
        /// The expression.
        pattern: String,
        /// The mistake.
        error: String,
    },
    /// A regular expression that would take too much memory, as repetitions of repetitions do.
    #[error(
        "regex: {pattern:?} needs more than {MAX_PROGRAM_BYTES} bytes when it is compiled; use \
         fewer or smaller repetitions"
    )]
    PatternTooLarge {
        /// The expression.
        pattern: String,
    },
    /// A hash that is none.
    #[error(
        "except: {text:?} is not a SHA-256: give 64 hexadecimal digits, or 44 characters of base64"
    )]
    NotAHash {
        /// The text.
        text: String,
    },
    /// A limit that is none.
    #[error("max_per_hour: {limit} must be 1 to {MAX_LIMIT}")]
    Limit {
        /// The limit.
        limit: u32,
    },
    /// More rules than the server takes.
    #[error("more than {MAX_RULES} rules")]
    TooManyRules,
    /// More protected names than the server takes.
    #[error("lookalike: more than {MAX_LOOKALIKES} different names in all rules")]
    TooManyLookalikes,
    /// More regular expressions that have to be tried on every certificate than the server takes.
    #[error(
        "regex: more than {MAX_OPEN_REGEXES} rules have a regex without three letters in a row \
         that every match contains, and no domain, match, lookalike or issuer; such a rule is \
         tried on every certificate"
    )]
    TooManyOpenRegexes,
}

/// A reason why a rule may not do what its author wants, though it is accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// A rule that most certificates match.
    #[error(
        "{because}, so it matches a large part of all certificates; no more than {limit} alerts an \
         hour are delivered (max_per_hour), and the others only counted"
    )]
    Broad {
        /// The condition that does not narrow it.
        because: String,
        /// Alerts in an hour at most.
        limit: u32,
    },
}
