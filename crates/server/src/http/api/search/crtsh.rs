//! `/crtsh` and `/?q=…&output=json`: searches in the form of crt.sh, so that tools that ask crt.sh work
//! with another host. `docs/search.md` has the fields, and what is different.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::header::HeaderName;
use axum::response::{IntoResponse, Response};
use cert::{Certificate, Digests, Part};
use jiff::Timestamp;
use journal::Order;
use serde::Serialize;
use url::form_urlencoded;
use utoipa::ToSchema;
use wire::filter::{EXACT, Filter, MAX_TERM_BYTES, Parameter};

use super::Searches;
use super::request::check_terms;
use super::run::{Budget, Run};
use crate::history::search::{Bounds, Hit, Pattern, Query, Unique};
use crate::http::api::hex;
use crate::metrics::search::Outcome;

/// The header that reports whether everything kept was searched.
const COMPLETE: HeaderName = HeaderName::from_static("certstream-complete");
/// The names under which tools of crt.sh give the identity that they look for.
const IDENTITIES: [&str; 6] = ["q", "Identity", "identity", "CN", "cn", "dNSName"];
/// Values of `match` with which a name without `%` is a domain; others mean this name only.
const NOT_EXACT: [&str; 5] = ["ILIKE", "LIKE", "single", "any", "FTS"];

/// A certificate as crt.sh has it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http::api) struct Row {
    /// Always null: crt.sh's number of the issuer is not known here.
    issuer_ca_id: Option<u64>,
    /// C, ST, L, O, OU and CN of the issuer.
    issuer_name: String,
    common_name: Option<String>,
    /// The names that match, with line feeds between them.
    name_value: String,
    /// The offset in the stream, in place of crt.sh's number.
    id: u64,
    /// The time of the SCT, UTC.
    entry_timestamp: Option<String>,
    not_before: Option<String>,
    not_after: Option<String>,
    /// Lower-case hexadecimal.
    serial_number: String,
    /// The number of names that match.
    result_count: usize,
}

impl Row {
    /// Returns about the bytes that it takes in an answer.
    fn bytes(&self) -> usize {
        let texts = [&self.issuer_name, &self.name_value, &self.serial_number].map(String::len);
        let name = self.common_name.as_ref().map_or(0, String::len);
        texts.iter().fold(name.saturating_add(250), |all, bytes| all.saturating_add(*bytes))
    }
}

/// A search as a tool of crt.sh asks for it.
#[derive(Debug)]
struct Asked {
    query: Query,
    excludes_expired: bool,
}

/// Reports whether a query string is a search in the form of crt.sh.
pub(in crate::http) fn is_meant(query: Option<&str>) -> bool {
    let pairs = || form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let is_json =
        pairs().any(|(name, value)| name == "output" && value.eq_ignore_ascii_case("json"));
    is_json && pairs().any(|(name, _)| IDENTITIES.contains(&&*name))
}

/// Searches in the form of crt.sh
///
/// The answer has the fields of crt.sh. `%` stands for anything; without it a name is a domain and
/// everything below it.
#[utoipa::path(
    get,
    path = "/crtsh",
    tag = "api",
    params(
        ("q" = String, Query, description = "A name, in which % stands for anything: %.example.com. Identity, CN and dNSName mean the same"),
        ("output" = Option<String>, Query, description = "json"),
        ("match" = Option<String>, Query, description = "=: a name without % is that name only"),
        ("exclude" = Option<String>, Query, description = "expired: leaves out certificates that have expired"),
        ("deduplicate" = Option<String>, Query, description = "Y: each issuer and serial number once"),
    ),
    responses(
        (
            status = 200,
            description = "The certificates, newest first",
            body = Vec<Row>,
            headers(("Certstream-Complete" = bool, description = "False if a part was not searched"))
        ),
        (status = 400, description = "A parameter cannot be used", body = String, content_type = "text/plain"),
        (status = 404, description = "The server keeps no journal", body = String, content_type = "text/plain"),
        (status = 503, description = "Too many searches are under way, or the journal cannot be read", body = String, content_type = "text/plain"),
    )
)]
pub(in crate::http::api) async fn crtsh(
    State(searches): State<Arc<Searches>>,
    RawQuery(query): RawQuery,
) -> Response {
    let asked = match read(query.as_deref().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(problem) => return searches.refuse(problem),
    };
    let Some(history) = &searches.history else { return searches.no_journal() };
    let Some(_place) = history.admit() else { return searches.too_many() };
    let query = Arc::new(asked.query);
    let begun = Run::begin(history, &searches, query, Bounds::default(), None, Budget::crtsh());
    let mut run = match begun.await {
        Ok(run) => run,
        Err(failure) => return searches.failed(&failure),
    };
    let mut rows = Vec::new();
    let since = if asked.excludes_expired { now() } else { i64::MIN };
    while !run.is_over() {
        let convert = move |hit: &Hit, query: &Query, _: &_| row(hit, query, since);
        match run.slice(convert, Row::bytes).await {
            Ok(found) => rows.extend(found),
            Err(failure) => return searches.failed(&failure),
        }
    }
    let is_whole = run.position().is_at_end();
    searches.count(if is_whole { Outcome::Whole } else { Outcome::Part });
    let complete = is_whole && !run.position().has_lost;
    ([(COMPLETE, complete.to_string())], Json(rows)).into_response()
}

fn read(query: &str) -> Result<Asked, String> {
    let (mut identity, mut excludes_expired, mut unique) = (None, false, None);
    let mut is_exact = false;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let is_one = |of: &[&str]| of.iter().any(|one| one.eq_ignore_ascii_case(&value));
        match &*name {
            name if IDENTITIES.contains(&name) && identity.is_none() => {
                identity = Some(value.into_owned());
            }
            name if IDENTITIES.contains(&name) => {
                return Err("q: more than one name is given\n".to_owned());
            }
            "output" if is_one(&["json"]) => {}
            "output" => return Err("output: must be json\n".to_owned()),
            "exclude" if is_one(&["expired"]) => excludes_expired = true,
            "exclude" => return Err("exclude: must be expired\n".to_owned()),
            "match" => is_exact = !is_one(&NOT_EXACT),
            "deduplicate" => unique = is_one(&["y"]).then_some(Unique::Certificate),
            "O" | "OU" | "E" | "serial" | "sha1" | "sha256" | "id" | "c" | "ski" | "spkisha256" => {
                return Err(format!(
                    "{name}: this cannot be looked for in the form of crt.sh; /api/search and \
                     /api/cert/ have more\n"
                ));
            }
            // Tools send options of crt.sh that change how it searches, not what it finds.
            _ => {}
        }
    }
    let identity = identity.ok_or("q: a name is missing, such as q=%25.example.com\n")?;
    let pattern = pattern(identity.trim(), is_exact)?;
    let query =
        Query { filter: None, serial: None, pattern: Some(pattern), order: Order::Newest, unique };
    Ok(Asked { query, excludes_expired })
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

/// Converts a result; none if it expired before a time.
fn row(hit: &Hit, query: &Query, since: i64) -> Option<Row> {
    // No digest is shown.
    let digests = Digests { sha1: [0; 20], sha256: hit.record.fingerprint };
    let certificate = Certificate::read_with_digests(&hit.record.certificate, &digests);
    if certificate.not_after < since {
        return None;
    }
    let names = query.names(&certificate);
    let submitted = i64::try_from(hit.record.submitted).ok();
    let submitted = submitted.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    let second = |seconds| Some(text(Timestamp::from_second(seconds).ok()?, "%Y-%m-%dT%H:%M:%S"));
    Some(Row {
        issuer_ca_id: None,
        issuer_name: issuer(&certificate),
        common_name: certificate.common_name().map(std::borrow::Cow::into_owned),
        name_value: names.join("\n"),
        id: hit.offset,
        entry_timestamp: submitted.map(|time| text(time, "%Y-%m-%dT%H:%M:%S%.3f")),
        not_before: second(certificate.not_before),
        not_after: second(certificate.not_after),
        serial_number: hex::lower(certificate.serial),
        result_count: names.len(),
    })
}

fn text(time: Timestamp, format: &str) -> String {
    time.strftime(format).to_string()
}

fn issuer(certificate: &Certificate<'_>) -> String {
    let parts = [
        ("C", Part::Country),
        ("ST", Part::State),
        ("L", Part::Locality),
        ("O", Part::Organization),
        ("OU", Part::OrganizationalUnit),
        ("CN", Part::CommonName),
    ];
    let parts = parts.into_iter().filter_map(|(name, part)| {
        Some(format!("{name}={}", certificate.issuer.get(part)?.to_text()))
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// Returns the Unix time.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_tools_are_understood() {
        for query in [
            "q=%25.example.com&output=json",
            "q=%.example.com&output=json",
            "Identity=example.com&output=json&exclude=expired&deduplicate=Y",
            "CN=%25example%25&match=ILIKE&output=json",
            "dNSName=*.example.com&output=json",
        ] {
            assert!(is_meant(Some(query)), "{query}");
            read(query).expect(query);
        }
        assert!(!is_meant(Some("q=example.com")) && !is_meant(Some("output=json")));
        assert!(!is_meant(None));
        let asked = read("q=a.com&exclude=expired&deduplicate=y").expect("a search");
        assert!(asked.excludes_expired && asked.query.unique == Some(Unique::Certificate));
        for (options, expected) in [("", true), ("&match=ILIKE", true), ("&match==", false)] {
            let asked = read(&format!("q=example.com{options}")).expect("a search");
            let pattern = asked.query.pattern.expect("a pattern");
            assert_eq!(pattern.matches("www.example.com"), expected, "{options}");
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
            ("O=Example", "O: this cannot be looked for"),
            ("q=a.com&q=b.com", "more than one name"),
        ] {
            let problem = read(query).expect_err(query);
            assert!(problem.contains(reason), "{query}: {problem}");
        }
    }
}
