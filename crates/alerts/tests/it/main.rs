//! Certificates and rules together.
#![allow(missing_docs, clippy::unwrap_used)]

mod conditions;
mod delivery;
mod model;
mod receiver;

use alerts::{Candidate, Match, Rule, Rules};
use wire::EntryKind;
use wire::filter::Subject;

/// A certificate for these names.
fn subject(names: &[&str]) -> Subject {
    let mut subject = Subject::default();
    names.iter().for_each(|name| subject.add_name(name));
    subject.add_issuer("R10");
    subject.add_issuer("Let's Encrypt");
    subject.set_kind(EntryKind::PrecertLogEntry);
    subject
}

fn matching(rules: &mut Rules, subject: &Subject) -> Vec<Match> {
    let mut found = Vec::new();
    rules.matching(&Candidate { subject, der: &[], sha256: &[0; 32] }, &mut found);
    found
}

fn rule(change: impl FnOnce(&mut Rule)) -> Rule {
    let mut rule = Rule { name: "r".into(), ..Rule::default() };
    change(&mut rule);
    rule
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
