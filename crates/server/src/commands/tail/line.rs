//! The lines of `tail`.

use client::text::shown;
use jiff::Timestamp;
use wire::decode::Update;
use wire::event::EntryKind;
use wire::filter::{Filter, Parameter};

/// Names that a line shows at most.
const NAMES: usize = 5;

/// The terms of the filter: the names that match come first in a line.
#[derive(Debug, Default)]
pub(in crate::commands) struct Highlight {
    /// Domains; names below them match too.
    domains: Vec<Box<str>>,
    /// Parts of names.
    parts: Vec<Box<str>>,
}

impl Highlight {
    pub(in crate::commands) fn of(filter: Option<&Filter>) -> Self {
        let terms = |parameter| filter.map_or_else(Vec::new, |it| it.terms(parameter).to_vec());
        Self { domains: terms(Parameter::Domain), parts: terms(Parameter::Match) }
    }

    /// Reports whether a name matches.
    pub(in crate::commands) fn matches(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let is_below = |rest: &str| rest.is_empty() || rest.ends_with('.');
        self.domains.iter().any(|domain| name.strip_suffix(&**domain).is_some_and(is_below))
            || self.parts.iter().any(|part| name.contains(&**part))
    }
}

/// Returns a message as one line of JSON.
pub(super) fn json(raw: &[u8]) -> Vec<u8> {
    // In JSON, line breaks only occur between values.
    let space = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
    raw.iter().map(space).collect()
}

/// Returns a line for people: time, kind, names and issuer.
pub(super) fn text(update: &Update<'_>, highlight: &Highlight) -> String {
    let time = update.seen.and_then(|ms| Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok());
    let time = time.unwrap_or_else(Timestamp::now).strftime("%Y-%m-%dT%H:%M:%SZ");
    let kind = match update.kind {
        Some(EntryKind::PrecertLogEntry) => "precert",
        Some(EntryKind::X509LogEntry) => "cert   ",
        None => "names  ",
    };
    let names = names(update, highlight);
    let issuer = &update.leaf.issuer;
    let issuer: Vec<&str> = [&issuer.organization, &issuer.common_name]
        .into_iter()
        .flatten()
        .map(AsRef::as_ref)
        .collect();
    let line = format!("{time}  {kind}  {names}");
    if issuer.is_empty() { line } else { format!("{line}  [{}]", shown(&issuer.join(" "))) }
}

fn names(update: &Update<'_>, highlight: &Highlight) -> String {
    let (mut names, others): (Vec<&str>, Vec<&str>) =
        update.leaf.all_domains.iter().map(AsRef::as_ref).partition(|name| highlight.matches(name));
    names.extend(others);
    if names.is_empty() {
        let subject = &update.leaf.subject;
        let name = subject.common_name.as_ref().or(subject.organization.as_ref());
        names.extend(name.map(AsRef::as_ref));
    }
    let total = update.domains_total.and_then(|total| usize::try_from(total).ok());
    let more = total.unwrap_or_default().max(names.len()).saturating_sub(NAMES.min(names.len()));
    let text = names.iter().take(NAMES).map(|name| shown(name)).collect::<Vec<_>>().join(" ");
    match (text.is_empty(), more) {
        (true, _) => "(no name)".to_owned(),
        (false, 0) => text,
        (false, more) => format!("{text} +{more}"),
    }
}

#[cfg(test)]
mod tests {
    use wire::decode::{Incoming, decode};
    use wire::{Profile, StreamKind};

    use super::*;

    fn update(names: &[&str]) -> Update<'static> {
        let names = names.iter().map(|name| (*name).to_owned().into());
        let mut update = Update { seen: Some(1_764_455_467_123), ..Update::default() };
        update.kind = Some(EntryKind::PrecertLogEntry);
        update.leaf.all_domains = names.collect();
        update.leaf.issuer.organization = Some("Let's Encrypt".into());
        update.leaf.issuer.common_name = Some("R11\u{1b}[31m".into());
        update
    }

    fn highlight(parameters: &[(&str, &str)]) -> Highlight {
        Highlight::of(Filter::parse(parameters.iter().copied(), 10).expect("valid").as_ref())
    }

    #[test]
    fn a_line_has_time_kind_names_and_issuer_and_no_control_characters() {
        let line = text(&update(&["a.example", "b.example"]), &Highlight::default());
        let expected =
            "2025-11-29T22:31:07Z  precert  a.example b.example  [Let's Encrypt R11 [31m]";
        assert_eq!(line, expected);
    }

    #[test]
    fn matching_names_come_first_and_further_names_are_counted() {
        let many = update(&[
            "a.example",
            "b.example",
            "c.example",
            "d.example",
            "e.site.test",
            "f.site.test",
        ]);
        let found = names(&many, &highlight(&[("domain", "site.test")]));
        assert_eq!(found, "e.site.test f.site.test a.example b.example c.example +1");
        let found = names(&many, &highlight(&[("match", "f.site")]));
        assert!(found.starts_with("f.site.test a.example"), "{found}");
        assert_eq!(names(&update(&[]), &Highlight::default()), "(no name)");
    }

    #[test]
    fn json_is_one_line_and_the_same_message() {
        let mut message = Vec::new();
        wire::sample(StreamKind::Lite, Profile::Calidog, &mut message);
        assert_eq!(json(&message), message);
        let pretty: serde_json::Value = serde_json::from_slice(&message).expect("JSON");
        let pretty = serde_json::to_vec_pretty(&pretty).expect("JSON");
        let line = json(&pretty);
        assert!(!line.contains(&b'\n'));
        assert!(matches!(decode(&line), Ok(Incoming::Certificate(_))));
    }
}
