//! The request of a search: its parameters, and what is wrong with them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use journal::Order;
use record::StreamId;
use url::form_urlencoded;
use wire::filter::{EXACT, Filter, MAX_TERM_BYTES, Parameter};

use super::cursor;
use crate::history::search::{Bounds, Position, Query, Serial, Unique};
use crate::http::streams::moment;

/// The names besides those of filters. `token` is for the guard.
const OTHERS: [&str; 12] = [
    EXACT,
    "serial",
    "since",
    "until",
    "since_time",
    "until_time",
    "unique",
    "limit",
    "order",
    "cursor",
    "format",
    "token",
];
/// Edits in a misspelling at most: characters inserted, left out or replaced.
const MOST_EDITS: usize = 2;
/// Results of a page: by default, and at most.
const PAGE: (usize, usize) = (100, 1000);
/// Results as lines.
const LINES: (usize, usize) = (1000, 100_000);

/// The names and values of a query string.
type Pairs<'q> = Vec<(Cow<'q, str>, Cow<'q, str>)>;

/// The format of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Ndjson,
}

/// A search as a client asks for it.
#[derive(Debug)]
pub(super) struct Requested {
    pub(super) query: Query,
    pub(super) bounds: Bounds,
    /// The position to continue at.
    pub(super) position: Option<Position>,
    pub(super) limit: usize,
    pub(super) format: Format,
    /// Text that is the same for the same query.
    pub(super) identity: String,
}

impl Requested {
    /// Reads a query string. The error is the answer to the client.
    pub(super) fn read(query: &str, max_terms: usize, stream: StreamId) -> Result<Self, String> {
        let pairs = pairs(query)?;
        let value = value_of(&pairs);
        let query = query_of(&pairs, max_terms)?;
        let (format, (default, most)) = match value("format") {
            None | Some("json") => (Format::Json, PAGE),
            Some("ndjson") => (Format::Ndjson, LINES),
            Some(other) => return Err(choice("format", other, "json or ndjson")),
        };
        let limit = value("limit").map_or(Ok(default), |text| limit(text, most))?;
        let bounds = bounds(&value, stream)?;
        let identity = identity(&query, &bounds);
        let continued = value("cursor").map(|text| cursor::read(text, stream, &identity));
        let position = continued.transpose()?;
        Ok(Self { query, bounds, position, limit, format, identity })
    }
}

/// Reads the parameters of a query string besides those of a page and of bounds. The error is for the user.
pub(super) fn query(parameters: &str, max_terms: usize) -> Result<Query, String> {
    query_of(&pairs(parameters)?, max_terms)
}

/// Returns the parameters of a query string, the names of which are known.
fn pairs(query: &str) -> Result<Pairs<'_>, String> {
    let pairs: Pairs<'_> = form_urlencoded::parse(query.as_bytes()).collect();
    check_names(&pairs)?;
    Ok(pairs)
}

fn value_of<'p>(pairs: &'p Pairs<'_>) -> impl Fn(&str) -> Option<&'p str> {
    move |name: &str| pairs.iter().find(|(other, _)| other == name).map(|(_, value)| &**value)
}

fn query_of(pairs: &Pairs<'_>, max_terms: usize) -> Result<Query, String> {
    for (name, value) in pairs {
        if let Some(parameter) = Parameter::from_name(name) {
            check_terms(parameter, value)?;
            check_alphabet(parameter, value)?;
        }
    }
    let parameters = pairs.iter().map(|(name, value)| (&**name, &**value));
    let filter = Filter::parse(parameters, max_terms).map_err(|error| format!("{error}\n"))?;
    let value = value_of(pairs);
    let serial = value("serial").map(Serial::parse).transpose()?;
    let order = match value("order") {
        None | Some("newest") => Order::Newest,
        Some("oldest") => Order::Oldest,
        Some(other) => return Err(choice("order", other, "newest or oldest")),
    };
    let unique = match value("unique") {
        None => None,
        Some("certificate") => Some(Unique::Certificate),
        Some("name") => Some(Unique::Name),
        Some(other) => return Err(choice("unique", other, "certificate or name")),
    };
    Ok(Query { filter, serial, pattern: None, order, unique })
}

/// Refuses names that are not known, and those given twice that may not be.
fn check_names(pairs: &Pairs<'_>) -> Result<(), String> {
    let mut given = BTreeSet::new();
    for (name, _) in pairs {
        if Parameter::from_name(name).is_some() {
            continue;
        }
        if !OTHERS.contains(&&**name) {
            return Err(unknown(name));
        }
        if !given.insert(name) {
            return Err(format!("{name}: this parameter is given twice\n"));
        }
    }
    Ok(())
}

fn unknown(name: &str) -> String {
    let names = || Parameter::ALL.into_iter().map(Parameter::name).chain(OTHERS);
    let shown: String = name.chars().take(40).flat_map(char::escape_debug).collect();
    let lower = name.to_lowercase();
    let edits = |ours: &'static str| {
        let is_near = lower.len().abs_diff(ours.len()) <= MOST_EDITS;
        let edits = if is_near { strsim::levenshtein(ours, &lower) } else { usize::MAX };
        (edits <= MOST_EDITS && edits < ours.len()).then_some((edits, ours))
    };
    match names().filter_map(edits).min() {
        Some((_, meant)) => {
            format!("{shown}: there is no such parameter; did you mean {meant}?\n")
        }
        None => {
            let all: Vec<&str> = names().collect();
            format!("{shown}: there is no such parameter; there are {}\n", all.join(", "))
        }
    }
}

/// Refuses characters that no term has, with the reason: otherwise a search would find nothing.
pub(in crate::http::api) fn check_terms(parameter: Parameter, value: &str) -> Result<(), String> {
    let name = parameter.name();
    // Longer terms are refused for their length, and not shown.
    for term in value.split(',').map(str::trim).filter(|term| term.len() <= MAX_TERM_BYTES) {
        if term.contains(char::is_control) {
            return Err(format!("{name}: {term:?} has a control character\n"));
        }
        if let Some(hidden) = term.chars().find(|character| is_hidden(*character)) {
            let code = u32::from(hidden);
            return Err(format!("{name}: {term:?} has an invisible character, U+{code:04X}\n"));
        }
        if parameter == Parameter::Match
            && let Some(other) = term.chars().find(|character| !is_of_name(*character))
        {
            return Err(format!(
                "match: {term:?} has {other:?}, which no name has; give a part of a name: letters, \
                 digits, dots, hyphens\n"
            ));
        }
    }
    Ok(())
}

/// Refuses letters of other alphabets in `match`: a part of a name cannot be converted to the form that
/// certificates have, so that a search would find nothing.
fn check_alphabet(parameter: Parameter, value: &str) -> Result<(), String> {
    let terms = value.split(',').map(str::trim).filter(|term| term.len() <= MAX_TERM_BYTES);
    match terms.filter(|_| parameter == Parameter::Match).find(|term| !term.is_ascii()) {
        Some(term) => Err(format!(
            "match: {term:?} has letters beyond ASCII; certificates have such labels in another form \
             (xn--), so give a part of that form, or the whole name as domain\n"
        )),
        None => Ok(()),
    }
}

/// Reports whether a character changes how text looks without being seen: marks of direction, and
/// those of no width.
const fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
    )
}

/// Reports whether names have a character. An asterisk has an answer of its own.
fn is_of_name(character: char) -> bool {
    character.is_alphanumeric() || "-_.*".contains(character)
}

fn choice(name: &str, value: &str, values: &str) -> String {
    let value: String = value.chars().take(40).collect();
    format!("{name}: {value:?} must be {values}\n")
}

fn limit(text: &str, most: usize) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| (1..=most).contains(limit));
    limit.ok_or_else(|| choice("limit", text, &format!("a number from 1 to {most}")))
}

fn bounds<'v>(value: impl Fn(&str) -> Option<&'v str>, stream: StreamId) -> Result<Bounds, String> {
    let offset = |name: &str| value(name).map(|text| offset(name, text, stream)).transpose();
    let time = |name: &str| {
        let short = |text: &'v str| {
            if text.len() > 100 {
                Err(format!("{name}: the text is too long for a time\n"))
            } else {
                Ok(text)
            }
        };
        value(name).map(|text| moment::parse(name, short(text)?)).transpose()
    };
    for (one, other) in [("since", "since_time"), ("until", "until_time")] {
        if value(one).is_some() && value(other).is_some() {
            return Err(format!("{one} and {other} are given, but only one of them can be used\n"));
        }
    }
    Ok(Bounds {
        since: offset("since")?,
        until: offset("until")?,
        since_time: time("since_time")?,
        until_time: time("until_time")?,
    })
}

/// Reads an offset, `N` or `N@ID`.
fn offset(name: &str, text: &str, stream: StreamId) -> Result<u64, String> {
    let (offset, id) = text.split_once('@').unwrap_or((text, stream.as_str()));
    if id != stream.as_str() {
        return Err(format!("{name}: the offset is of another stream; this one is {stream}\n"));
    }
    offset.parse().map_err(|_| choice(name, text, "an offset, such as 1764403200000123"))
}

/// Returns a text that is the same for queries of the same meaning.
fn identity(query: &Query, bounds: &Bounds) -> String {
    format!("{query:?} {bounds:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Requested, String> {
        Requested::read(query, 100, "abcdefgh".parse().expect("an id"))
    }

    #[test]
    fn everything_is_read() {
        let query = "domain=a.com&match=abc&ip=::1&issuer=let's&log=argon&part=1/2&entry=final&exact=true\
                     &serial=03ab&since=5@abcdefgh&until_time=1780000000&unique=name&limit=5\
                     &order=oldest&format=ndjson&token=abc";
        let requested = read(query).expect("a search");
        let Bounds { since, until_time, .. } = requested.bounds;
        assert_eq!((since, until_time), (Some(5), Some(1_780_000_000_000)));
        assert_eq!((requested.limit, requested.format), (5, Format::Ndjson));
        let Query { order, unique, serial, .. } = requested.query;
        assert_eq!((order, unique), (Order::Oldest, Some(Unique::Name)));
        assert!(serial.is_some());
        let default = read("").expect("a search");
        assert_eq!((default.limit, default.format), (100, Format::Json));
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_the_reason() {
        let long = "a".repeat(10_000);
        for (query, reason) in [
            ("domain=%25%25%25", "domain: \"%%%\" is not a domain name"),
            ("domain=%%%", "domain: \"%%%\" is not a domain name"),
            ("match=%%%", "match: \"%%%\" has '%', which no name has"),
            ("match='+OR+1=1+--", "match: \"' OR 1=1 --\" has '\\'', which no name has"),
            ("domain=a'%3B+DROP+TABLE+x", "is not a domain name"),
            ("match=ab", "too short"),
            ("match=ab*cd", "contains an asterisk"),
            (
                "match=b%C3%BCcher",
                "has letters beyond ASCII; certificates have such labels in another",
            ),
            ("match=abc,b%C3%BCcher", "match: \"b\u{fc}cher\" has letters beyond ASCII"),
            ("match=abc%00", "has a control character"),
            ("issuer=a%0Ab", "has a control character"),
            ("domain=a%E2%80%AEb.com", "has an invisible character, U+202E"),
            ("log=%E2%80%8Bargon", "has an invisible character, U+200B"),
            ("serial=xyz", "serial: a serial number has 1 to 128 hexadecimal digits"),
            ("ip=1.2.3", "is not an IP address or a network"),
            ("since=abc", "since: \"abc\" must be an offset"),
            ("since=5@other", "of another stream; this one is abcdefgh"),
            ("since=5&since_time=5", "only one of them"),
            ("until_time=yesterday", "is not a time"),
            ("limit=0", "a number from 1 to 1000"),
            ("limit=1001", "a number from 1 to 1000"),
            ("unique=all", "certificate or name"),
            ("order=random", "newest or oldest"),
            ("format=xml", "json or ndjson"),
            ("entry=both", "must be precert or final"),
            ("domains=a.com", "domains: there is no such parameter; did you mean domain?"),
            ("colour=red", "there are domain, match"),
            ("limit=5&limit=6", "given twice"),
            ("cursor=abc", "not a cursor of a search"),
            (&format!("match={long}"), "has 10000 bytes, the limit is 253"),
            (&format!("domain={long}"), "has 10000 bytes, the limit is 253"),
            (&format!("serial={long}"), "serial: a serial number"),
            (&format!("cursor={long}"), "not a cursor of a search"),
            (&format!("since_time={long}"), "too long for a time"),
        ] {
            let problem = read(query).expect_err(query);
            assert!(problem.contains(reason) && problem.len() < 400, "{query}: {problem}");
        }
    }
}
