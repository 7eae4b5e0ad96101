//! The request of a search in the form of crt.sh.

use std::net::IpAddr;

use journal::Order;
use url::form_urlencoded;
use wire::filter::{EXACT, Filter, MAX_TERM_BYTES, Parameter};

use crate::history::search::{Pattern, Query, Serial, Unique};
use crate::http::api::search::request::check_terms;
use crate::publish::recent::Fingerprint;

/// Values of `match` with which a name without `%` is a domain; others mean this name only.
const NOT_EXACT: [&str; 5] = ["ILIKE", "LIKE", "single", "any", "FTS"];

/// A search as a tool of crt.sh asks for it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) wanted: Wanted,
    pub(super) excludes_expired: bool,
}

/// The certificates that are asked for.
#[derive(Debug)]
pub(super) enum Wanted {
    /// Those that a search finds. With an address, that is the name that matches.
    Found(Box<Query>, Option<IpAddr>),
    /// A row for this one.
    One(Id),
    /// This one as a file.
    Download(Id),
}

/// A certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Id {
    Fingerprint(Fingerprint),
    /// The offset, which stands for crt.sh's number.
    Offset(u64),
}

/// The parameters that select certificates on crt.sh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// A name, an address, a fingerprint or an id.
    Any,
    /// A name or an address.
    Name,
    Address,
    Serial,
    Fingerprint,
    Id,
    Download,
    /// Something else, which cannot be searched for.
    Other,
}

impl Key {
    fn of(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "q" => Self::Any,
            "identity" | "cn" | "dnsname" => Self::Name,
            "ipaddress" => Self::Address,
            "serial" => Self::Serial,
            "sha1" | "sha256" => Self::Fingerprint,
            "id" => Self::Id,
            "d" => Self::Download,
            "o" | "ou" | "l" | "e" | "rfc822name" | "c" | "ca" | "caid" | "caname" | "ctid"
            | "ski" | "spkisha1" | "spkisha256" | "subjectsha1" => Self::Other,
            _ => return None,
        })
    }
}

/// Reports whether a query string is a request in the form of crt.sh.
pub(in crate::http) fn is_meant(query: Option<&str>) -> bool {
    let pairs = || form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let is_json =
        pairs().any(|(name, value)| name == "output" && value.eq_ignore_ascii_case("json"));
    // A download has no output.
    let is_one = |key: Key| is_json || key == Key::Download;
    pairs().any(|(name, _)| Key::of(&name).is_some_and(is_one))
}

/// Reads a query string. The error is the answer to the client.
pub(super) fn read(query: &str) -> Result<Asked, String> {
    let (mut given, mut excludes_expired, mut unique) = (None, false, None);
    let mut is_exact = false;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let is_one = |of: &[&str]| of.iter().any(|one| one.eq_ignore_ascii_case(&value));
        match (Key::of(&name), &*name) {
            (Some(Key::Other), _) => {
                return Err(format!(
                    "{name}: this cannot be looked for in the form of crt.sh; /api/search and \
                     /api/cert/ have more\n"
                ));
            }
            (Some(_), _) if given.is_some() => {
                return Err(format!(
                    "{name}: more than one name, number or fingerprint is given\n"
                ));
            }
            (Some(key), _) => given = Some((key, name.into_owned(), value.into_owned())),
            (None, "output") if is_one(&["json"]) => {}
            (None, "output") => return Err("output: must be json\n".to_owned()),
            (None, "exclude") if is_one(&["", "expired"]) => excludes_expired |= !value.is_empty(),
            (None, "exclude") => return Err("exclude: must be expired\n".to_owned()),
            (None, "match") => is_exact = !is_one(&NOT_EXACT),
            (None, "deduplicate") => unique = is_one(&["y"]).then_some(Unique::Certificate),
            // Tools send options of crt.sh that change how it searches, not what it finds.
            (None, _) => {}
        }
    }
    let (key, name, value) = given.ok_or("q: a name is missing, such as q=%25.example.com\n")?;
    let wanted = wanted(key, &name, value.trim(), is_exact)?;
    Ok(Asked { wanted: wanted.once(unique), excludes_expired })
}

fn wanted(key: Key, name: &str, value: &str, is_exact: bool) -> Result<Wanted, String> {
    match (key, id(value), value.parse::<IpAddr>()) {
        (Key::Any | Key::Id, Some(id), _)
        | (Key::Fingerprint, Some(id @ Id::Fingerprint(_)), _) => Ok(Wanted::One(id)),
        (Key::Download, Some(id), _) => Ok(Wanted::Download(id)),
        (Key::Any | Key::Name | Key::Address, _, Ok(address)) => of_address(name, address),
        (Key::Any | Key::Name, _, Err(_)) => {
            let pattern = Some(pattern(value, is_exact)?);
            Ok(Wanted::Found(Box::new(Query { pattern, ..every() }), None))
        }
        (Key::Serial, ..) => {
            let serial = Some(Serial::parse(value)?);
            Ok(Wanted::Found(Box::new(Query { serial, ..every() }), None))
        }
        (Key::Address, ..) => Err(format!("{name}: this must be an IP address\n")),
        (Key::Fingerprint, ..) => {
            Err(format!("{name}: a fingerprint has 40 or 64 hexadecimal digits\n"))
        }
        (Key::Id | Key::Download | Key::Other, ..) => {
            Err(format!("{name}: this must be the id of a result, or a fingerprint\n"))
        }
    }
}

impl Wanted {
    /// Returns the same, of which each kind of result comes once only.
    fn once(mut self, kind: Option<Unique>) -> Self {
        if let Self::Found(query, _) = &mut self {
            query.unique = kind;
        }
        self
    }
}

/// Returns the query for everything.
pub(super) const fn every() -> Query {
    Query { filter: None, serial: None, pattern: None, order: Order::Newest, unique: None }
}

/// Reads a fingerprint or an offset.
fn id(text: &str) -> Option<Id> {
    let offset = || {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| is_number).map(Id::Offset)
    };
    Fingerprint::parse(text).map(Id::Fingerprint).or_else(offset)
}

fn of_address(name: &str, address: IpAddr) -> Result<Wanted, String> {
    let filter = Filter::parse([(Parameter::Domain.name(), address.to_string())], 1)
        .map_err(|error| format!("{name}: {error}\n"))?;
    Ok(Wanted::Found(Box::new(Query { filter, ..every() }), Some(address)))
}

fn pattern(identity: &str, is_exact: bool) -> Result<Pattern, String> {
    if identity.len() > MAX_TERM_BYTES {
        let bytes = identity.len();
        return Err(format!("q: the name has {bytes} bytes, the limit is {MAX_TERM_BYTES}\n"));
    }
    // What stands for anything is no part of a name. A wildcard is one here.
    let text = identity.replace(['%', '*'], "");
    check_terms(Parameter::Match, &text)
        .map_err(|problem| problem.replacen(Parameter::Match.name(), "q", 1))?;
    Pattern::parse(&as_in_certificates(identity)?, is_exact).ok_or_else(|| {
        format!("q: {identity:?} needs 3 characters in a row, such as q=%25.example.com\n")
    })
}

/// Returns a name, in which `%` stands for anything, as certificates have it: without a final dot, and
/// with labels of other alphabets in their ASCII form.
fn as_in_certificates(identity: &str) -> Result<String, String> {
    let name = identity.strip_suffix('.').unwrap_or(identity);
    let labels: Result<Vec<String>, String> = name.split('.').map(a_label).collect();
    Ok(labels?.join("."))
}

/// Returns the ASCII form of a label, which is part of a pattern.
fn a_label(label: &str) -> Result<String, String> {
    if label.is_ascii() {
        return Ok(label.to_owned());
    }
    if label.contains(['%', '*']) {
        return Err(format!(
            "q: {label:?} has letters beyond ASCII beside a sign that stands for anything; \
             certificates have such labels in another form (xn--), so give the label whole\n"
        ));
    }
    let filter = Filter::parse([(Parameter::Domain.name(), label), (EXACT, "true")], 1)
        .map_err(|error| format!("q: {error}\n"))?;
    let terms = filter.as_ref().map(|filter| filter.terms(Parameter::Domain)).unwrap_or_default();
    Ok(terms.first().map_or_else(|| label.to_owned(), ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(query: &str) -> Query {
        match read(query).expect(query).wanted {
            Wanted::Found(found, _) => *found,
            other => panic!("{query}: {other:?}"),
        }
    }

    #[test]
    fn requests_of_tools_are_understood() {
        for query in [
            "q=%25.example.com&output=json",
            "q=%.example.com&output=json",
            "Identity=example.com&output=json&exclude=expired&deduplicate=Y",
            "CN=%25example%25&match=ILIKE&output=json",
            "dNSName=*.example.com&output=json",
            "q=example.com&exclude=&output=json",
        ] {
            assert!(is_meant(Some(query)), "{query}");
            read(query).expect(query);
        }
        assert!(!is_meant(Some("q=example.com")) && !is_meant(Some("output=json")));
        assert!(!is_meant(None) && !is_meant(Some("output=json&domain=example.com")));
        let asked = read("q=a.com&exclude=expired&deduplicate=y").expect("a search");
        assert!(asked.excludes_expired);
        assert_eq!(found("q=a.com&deduplicate=y").unique, Some(Unique::Certificate));
        assert!(!read("q=a.com&exclude=").expect("a search").excludes_expired);
        for (options, expected) in [("", true), ("&match=ILIKE", true), ("&match==", false)] {
            let pattern = found(&format!("q=example.com{options}")).pattern.expect("a pattern");
            assert_eq!(pattern.matches("www.example.com"), expected, "{options}");
        }
    }

    #[test]
    fn every_parameter_of_crt_sh_is_meant_for_it() {
        for name in [
            "q",
            "Identity",
            "CN",
            "O",
            "OU",
            "E",
            "serial",
            "sha1",
            "sha256",
            "id",
            "d",
            "c",
            "ski",
            "spkisha256",
            "caid",
            "ctid",
            "rfc822Name",
            "iPAddress",
        ] {
            assert!(is_meant(Some(&format!("{name}=5&output=json"))), "{name}");
            // What is not JSON is the page, and a download is neither.
            assert_eq!(is_meant(Some(&format!("{name}=5"))), name == "d", "{name}");
        }
    }

    #[test]
    fn fingerprints_numbers_and_addresses_are_not_looked_for_as_names() {
        let sha256 = "0aF".repeat(21) + "1";
        let sha1 = "0".repeat(39) + "b";
        let one = |query: &str| match read(query).expect(query).wanted {
            Wanted::One(id) => (id, false),
            Wanted::Download(id) => (id, true),
            Wanted::Found(..) => panic!("{query}: a search"),
        };
        let fingerprint = |text: &str| Id::Fingerprint(Fingerprint::parse(text).expect("digits"));
        for name in ["q", "sha256", "id"] {
            let query = format!("{name}={sha256}&output=json");
            assert_eq!(one(&query), (fingerprint(&sha256), false), "{query}");
        }
        assert_eq!(one(&format!("q={sha1}")), (fingerprint(&sha1), false));
        assert_eq!(one(&format!("d={sha1}")), (fingerprint(&sha1), true));
        for (query, expected) in [
            ("q=1764403200000123", (Id::Offset(1_764_403_200_000_123), false)),
            ("id=5", (Id::Offset(5), false)),
            ("d=5", (Id::Offset(5), true)),
        ] {
            assert_eq!(one(query), expected, "{query}");
        }
        // Other names for names find names, which may be digits.
        assert!(found(&format!("Identity={sha256}")).pattern.is_some());
        let serial = found("serial=03:ab&exclude=expired").serial;
        assert_eq!(serial, Serial::parse("03ab").ok());
        for query in ["q=192.0.2.1", "Identity=192.0.2.1", "iPAddress=192.0.2.1"] {
            let filter = found(query).filter.expect("a filter");
            assert_eq!(filter.terms(Parameter::Domain), ["192.0.2.1".into()], "{query}");
        }
    }

    #[test]
    fn names_are_looked_for_as_certificates_have_them() {
        for (written, name) in [
            ("example.com.", "www.example.com"),
            ("%.example.com.", "www.example.com"),
            ("b\u{fc}cher.example", "www.xn--bcher-kva.example"),
            ("%.B\u{dc}CHER.example", "www.xn--bcher-kva.example"),
            ("www.%.b\u{fc}cher.%", "www.a.xn--bcher-kva.example"),
            ("*.b\u{fc}cher.example", "*.xn--bcher-kva.example"),
        ] {
            assert!(pattern(written, false).expect(written).matches(name), "{written}");
        }
        assert!(pattern("example.com..", false).is_ok_and(|name| !name.matches("example.com")));
        let problem = pattern("%b\u{fc}cher.example", false).expect_err("half a label");
        assert!(
            problem.starts_with("q: ") && problem.contains("give the label whole"),
            "{problem}"
        );
    }

    #[test]
    fn what_cannot_be_looked_for_is_refused_with_the_reason() {
        let long = "a".repeat(10_000);
        for (query, reason) in [
            ("output=json", "q: a name is missing"),
            ("q=%25%25%25&output=json", "needs 3 characters in a row"),
            ("q=&output=json", "needs 3 characters in a row"),
            ("q='+OR+1=1", "q: \"' OR 1=1\" has '\\'', which no name has"),
            ("q=a%E2%80%AEb.com", "invisible character, U+202E"),
            ("q=abc%00", "control character"),
            (&format!("q={long}"), "has 10000 bytes, the limit is 253"),
            ("q=a.com&output=html", "output: must be json"),
            ("q=a.com&exclude=all", "exclude: must be expired"),
            ("O=Example", "O: this cannot be looked for"),
            ("q=a.com&O=Example", "O: this cannot be looked for"),
            ("q=a.com&q=b.com", "more than one name"),
            ("serial=xyz", "serial: a serial number has 1 to 128 hexadecimal digits"),
            ("sha256=5", "sha256: a fingerprint has 40 or 64 hexadecimal digits"),
            ("id=-5", "id: this must be the id of a result"),
            ("d=", "d: this must be the id of a result"),
            ("iPAddress=abc", "iPAddress: this must be an IP address"),
        ] {
            let problem = read(query).expect_err(query);
            assert!(problem.contains(reason), "{query}: {problem}");
        }
    }
}
