//! The names of the parameters of a stream. A misspelt one is refused: it would stream everything.

use url::form_urlencoded;
use wire::filter::{EXACT, Parameter};

/// The names besides those of filters.
const OTHERS: [&str; 7] = [EXACT, "since", "since_time", "compat", "stream", "heartbeat", "token"];

/// Names of features that this server does not offer, with the answer to the client.
const NOT_OFFERED: [(&str, &str); 2] = [
    ("new", "this server keeps no record of the domains it has seen"),
    ("backfilled", "this server does not backfill"),
];

/// Maximum number of edits that make a name a misspelling of one of [`NOT_OFFERED`]: other servers'
/// parameters may be near them.
const MOST_EDITS_NOT_OFFERED: usize = 1;

/// Maximum number of edits in a misspelling: characters inserted, left out or replaced.
const MOST_EDITS: usize = 2;

/// Refuses a query string with a misspelt parameter, or one that is not offered. Other unknown
/// names pass. `Err` is the answer to the client.
pub(in crate::http) fn check(query: Option<&str>) -> Result<(), String> {
    for (name, _) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if let Some((name, why)) = NOT_OFFERED.iter().find(|(other, _)| *other == name) {
            return Err(format!("{name}: {why}\n"));
        }
        if let Some(meant) = suggestion(&name) {
            let name: String = name.escape_debug().collect();
            return Err(format!("{name}: there is no such parameter; did you mean {meant}?\n"));
        }
        if let Some((meant, why)) = not_offered(&name) {
            let name: String = name.escape_debug().collect();
            return Err(format!("{name}: did you mean {meant}? {why}\n"));
        }
    }
    Ok(())
}

/// Returns the names that this server offers: nothing else is suggested.
fn names() -> impl Iterator<Item = &'static str> {
    Parameter::ALL.into_iter().map(Parameter::name).chain(OTHERS)
}

/// Returns the parameter that a name is a misspelling or the plural of; `None` for a known name or
/// one unlike all of them.
fn suggestion(name: &str) -> Option<&'static str> {
    if names().any(|ours| ours == name) {
        return None;
    }
    let lower = name.to_lowercase();
    let edits = |ours: &'static str| {
        // Names of very different lengths are not worth comparing.
        let is_near = lower.len().abs_diff(ours.len()) <= MOST_EDITS;
        let edits = if is_near { strsim::levenshtein(ours, &lower) } else { usize::MAX };
        // If no character stays, it is another word: `t` is no misspelling of `ip`.
        let longer = ours.len().max(lower.len());
        let edits = if is_plural(&lower, ours) { 1 } else { edits };
        (edits <= MOST_EDITS && edits < longer).then_some((edits, ours))
    };
    names().filter_map(edits).min_by_key(|(edits, _)| *edits).map(|(_, ours)| ours)
}

/// Returns the parameter that is not offered of which a name is a misspelling, with what to tell the
/// client. One edit makes another word of a short name.
fn not_offered(name: &str) -> Option<(&'static str, &'static str)> {
    let lower = name.to_lowercase();
    let is_meant = |other: &str| match other.len() {
        ..=4 => lower == other,
        length => {
            lower.len().abs_diff(length) <= MOST_EDITS_NOT_OFFERED
                && strsim::levenshtein(other, &lower) <= MOST_EDITS_NOT_OFFERED
        }
    };
    NOT_OFFERED.into_iter().find(|(other, _)| is_meant(other))
}

fn is_plural(name: &str, ours: &str) -> bool {
    let stem = ours.strip_suffix('y').map(|stem| name.strip_prefix(stem) == Some("ies"));
    stem == Some(true) || name.strip_prefix(ours).is_some_and(|end| end == "s" || end == "es")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_parameters_are_accepted_and_not_similar_to_each_other() {
        for name in names() {
            assert_eq!(suggestion(name), None, "{name}");
        }
        let query = "domain=a.com&match=abc&ip=::1&issuer=a&log=a&part=1/2&entry=final&exact=true\
                     &since=5&since_time=5&compat=go&stream=full&heartbeat=true&token=abc";
        assert_eq!(check(Some(query)), Ok(()));
        assert_eq!(check(None), Ok(()));
    }

    #[test]
    fn a_misspelt_parameter_is_refused_with_a_suggestion() {
        let cases = [
            ("domains", "domain"),
            ("doman", "domain"),
            ("Domain", "domain"),
            ("DOMAIN", "domain"),
            ("matches", "match"),
            ("mach", "match"),
            ("issuers", "issuer"),
            ("isuer", "issuer"),
            ("logs", "log"),
            ("ips", "ip"),
            ("ipv4", "ip"),
            ("entries", "entry"),
            ("entrys", "entry"),
            ("parts", "part"),
            ("exakt", "exact"),
            ("sinse", "since"),
            ("sincetime", "since_time"),
            ("since_tim", "since_time"),
            ("sinceTime", "since_time"),
            ("since_times", "since_time"),
            ("steam", "stream"),
            ("compact", "compat"),
            ("hearbeat", "heartbeat"),
            ("tokens", "token"),
        ];
        for (name, meant) in cases {
            let expected = format!("{name}: there is no such parameter; did you mean {meant}?\n");
            assert_eq!(check(Some(&format!("since=5&{name}=x"))), Err(expected));
        }
        let problem = check(Some("do%0Amain=x")).unwrap_err();
        assert_eq!(problem, "do\\nmain: there is no such parameter; did you mean domain?\n");
    }

    #[test]
    fn unrelated_parameters_are_accepted() {
        for name in [
            "regex",
            "utm_source",
            "_",
            "t",
            "v",
            "lastEventId",
            "api_key",
            "filter",
            "key",
            "backfill",
            "",
        ] {
            assert_eq!(check(Some(&format!("{name}=x&{name}"))), Ok(()), "{name}");
        }
        let long = "domain".repeat(1000);
        assert_eq!(check(Some(&format!("{long}=x"))), Ok(()));
    }

    #[test]
    fn a_misspelt_name_that_is_not_offered_is_refused_with_the_reason() {
        let cases =
            [("backfiled", "backfilled", "does not backfill"), ("New", "new", "keeps no record")];
        for (name, meant, why) in cases {
            let problem = check(Some(&format!("domain=a.com&{name}=5"))).unwrap_err();
            let start = format!("{name}: did you mean {meant}? this server ");
            assert!(problem.starts_with(&start) && problem.contains(why), "{problem}");
        }
    }

    #[test]
    fn parameters_of_missing_features_are_refused() {
        for name in ["new", "backfilled"] {
            let problem = check(Some(&format!("domain=a.com&{name}=true"))).unwrap_err();
            assert!(problem.starts_with(&format!("{name}: this server ")), "{problem}");
        }
    }
}
