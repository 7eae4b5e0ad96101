//! Alerts: rules that decide which certificates are reported to an operator.
//!
//! A [`Rule`] has conditions on the names, the issuer and the kind of a certificate, exceptions for
//! certificates that are known, and a limit of alerts an hour. [`Rules`] compares certificates with
//! all rules at once and gives a [`Reason`] for each condition; [`Hourly`] counts the alerts of a rule.
//! An [`outbox`] has the alerts that have not arrived. None of these has IO or a clock. An [`Alert`] is what
//! a receiver gets, and [`delivery`] sends it.
//!
//! # What it costs
//!
//! A certificate costs time proportional to its names and to the rules that the indexes lead to, not
//! to the number of rules. `docs/alerts.md` has the figures.
//!
//! # Example
//!
//! ```
//! use alerts::{Candidate, Rule, Rules};
//! use wire::filter::Subject;
//!
//! let rule = Rule {
//!     name: "our brand".to_owned(),
//!     lookalike: vec!["paypal.com".to_owned()],
//!     ..Rule::default()
//! };
//! let mut rules = Rules::new(&[rule]).expect("the rule is valid");
//!
//! let mut subject = Subject::default();
//! subject.add_name("login.paypa1.com");
//! let mut found = Vec::new();
//! rules.matching(&Candidate { subject: &subject, der: &[], sha256: &[0; 32] }, &mut found);
//! assert_eq!(
//!     found[0].reasons[0].to_string(),
//!     "login.paypa1.com is like paypal.com: \"paypa1\" (characters that look the same)"
//! );
//! ```

mod alert;
pub mod delivery;
mod limit;
pub mod lookalike;
pub mod outbox;
mod pattern;
mod problem;
mod reason;
mod recent;
mod rule;
mod rules;

pub use alert::{Alert, Described, Explained, Sighting};
pub use limit::{Decision, Hourly};
pub use pattern::{MAX_PATTERN_BYTES, MAX_PROGRAM_BYTES};
pub use problem::{Problem, Warning};
pub use reason::Reason;
pub use recent::{Entry, Recent, State};
pub use rule::{DEFAULT_LIMIT, Except, MAX_LIMIT, MAX_NAME_BYTES, MAX_REGEXES, MAX_TERMS, Rule};
pub use rules::{About, Candidate, MAX_LOOKALIKES, MAX_OPEN_REGEXES, MAX_RULES, Match, Rules};
