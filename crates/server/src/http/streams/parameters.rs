//! The names of the parameters of a stream. A misspelt one is refused: it would stream everything.

use url::form_urlencoded;
use wire::filter::{EXACT, Parameter};

/// The names besides those of filters.
const OTHERS: [&str; 8] =
    [EXACT, "since", "since_time", "compat", "stream", "heartbeat", BACKFILLED, "token"];

/// The name of the parameter with which a stream has entries that came later.
const BACKFILLED: &str = "backfilled";

/// Maximum number of edits in a misspelling: characters inserted, left out or replaced.
const MOST_EDITS: usize = 2;

/// Names that are another word after two edits.
const MOST_LIKE_OTHERS: [&str; 2] = [Parameter::New.name(), BACKFILLED];

/// Refuses a query string with a misspelt parameter. Other unknown names pass. `Err` is the answer to
/// the client.
pub(in crate::http) fn check(query: Option<&str>) -> Result<(), String> {
    for (name, _) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if let Some(meant) = suggestion(&name) {
            let name: String = name.escape_debug().collect();
            return Err(format!("{name}: there is no such parameter; did you mean {meant}?\n"));
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
        let most = if MOST_LIKE_OTHERS.contains(&ours) { 1 } else { MOST_EDITS };
        (edits <= most && edits < longer).then_some((edits, ours))
    };
    names().filter_map(edits).min_by_key(|(edits, _)| *edits).map(|(_, ours)| ours)
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
        let query = "domain=a.com&match=abc&ip=::1&issuer=a&log=a&part=1/2&entry=final&new=true&exact=true\
                     &since=5&since_time=5&compat=go&stream=full&heartbeat=true\
                     &backfilled=true&token=abc";
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
            ("news", "new"),
            ("New", "new"),
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
            ("backfiled", "backfilled"),
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
}
