//! `/crtsh`, `/?q=…&output=json` and `/?d=…`: searches in the form of crt.sh, so that tools that ask crt.sh
//! work with another host. `docs/search.md` has the fields, and what is different.

mod asked;
mod row;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, HeaderName};
use axum::response::{IntoResponse, Response};
use feed::Owner;
use serde_json::value::RawValue;

pub(in crate::http) use self::asked::is_meant;
use self::asked::{Asked, Id, Wanted, every};
pub(in crate::http::api) use self::row::Row;
use self::row::Shown;
use super::Searches;
use super::found::Array;
use super::run::{Budget, Run};
use crate::history::JournalHistory;
use crate::history::lookup::{Certificate, Outcome as Found};
use crate::history::search::{Bounds, Failure, Hit, Query};
use crate::http::api::cert;
use crate::metrics::search::Outcome;
use crate::publish::recent::Recent;

/// The header that reports whether everything kept was searched.
const COMPLETE: HeaderName = HeaderName::from_static("certstream-complete");
/// Look-ups while the newest certificates are being indexed, and the time between them.
const LOOKUPS: usize = 10;
const PAUSE: Duration = Duration::from_millis(50);

/// Searches in the form of crt.sh
///
/// The answer has the fields of crt.sh. `%` stands for anything; without it a name is a domain and
/// everything below it. One of `q`, `serial`, `sha256`, `sha1`, `id` and `d` is needed.
#[utoipa::path(
    get,
    path = "/crtsh",
    tag = "api",
    params(
        ("q" = Option<String>, Query, description = "A name, in which % stands for anything: %.example.com. Identity, CN and dNSName mean the same. Or an IP address, a fingerprint, or an id"),
        ("serial" = Option<String>, Query, description = "A serial number in hexadecimal"),
        ("sha256" = Option<String>, Query, description = "The SHA-256 of a certificate; sha1 means the SHA-1"),
        ("id" = Option<String>, Query, description = "The id of a result"),
        ("d" = Option<String>, Query, description = "The id or fingerprint of a certificate, which is sent as PEM"),
        ("output" = Option<String>, Query, description = "json"),
        ("match" = Option<String>, Query, description = "=: a name without % is that name only"),
        ("exclude" = Option<String>, Query, description = "expired: leaves out certificates that have expired"),
        ("deduplicate" = Option<String>, Query, description = "Y: each issuer and serial number once"),
    ),
    responses(
        (
            status = 200,
            description = "The certificates, newest first; with d= one as PEM",
            content(
                (Vec<Row> = "application/json"),
                (String = "application/x-pem-file"),
            ),
            headers(("Certstream-Complete" = bool, description = "False if a part was not searched"))
        ),
        (status = 400, description = "A parameter cannot be used", body = String, content_type = "text/plain"),
        (status = 404, description = "The server keeps no journal, or no certificate with this id; with d= also no certificate with this fingerprint", body = String, content_type = "text/plain"),
        (status = 410, description = "With d=: the certificate is no longer kept", body = String, content_type = "text/plain"),
        (status = 503, description = "Too many searches are under way, earlier answers are not read yet, or the journal is being indexed or cannot be read", body = String, content_type = "text/plain"),
    )
)]
pub(in crate::http::api) async fn crtsh(
    State(searches): State<Arc<Searches>>,
    client: Option<Extension<Owner>>,
    RawQuery(query): RawQuery,
) -> Response {
    let Asked { wanted, excludes_expired } = match asked::read(query.as_deref().unwrap_or_default())
    {
        Ok(asked) => asked,
        Err(problem) => return searches.refuse(problem),
    };
    let Some(history) = &searches.history else { return searches.no_journal() };
    let client = client.map(|Extension(client)| client).unwrap_or_default();
    let _place = match history.admit(client) {
        Ok(place) => place,
        Err(full) => return searches.too_many(full),
    };
    match wanted {
        Wanted::Found(query, address) => {
            let shown = Shown::new(excludes_expired, address);
            all(&searches, history, client, Arc::new(*query), shown).await
        }
        Wanted::One(id) => one(&searches, history, id, excludes_expired).await,
        Wanted::Download(id) => download(&searches, history, id).await,
    }
}

/// Returns everything that a query finds.
async fn all(
    searches: &Searches,
    history: &Arc<JournalHistory>,
    client: Owner,
    query: Arc<Query>,
    shown: Shown,
) -> Response {
    let (bounds, budget) = (Bounds::default(), Budget::crtsh());
    let begun = Run::begin(history, searches, client, query, bounds, None, budget);
    let mut run = match begun.await {
        Ok(run) => run,
        Err(failure) => return searches.failed(&failure),
    };
    let mut rows = Array::default();
    while !run.is_over() {
        match run.slice(move |hit, query, _| row(hit, query, shown)).await {
            Ok(Ok(found)) => rows.add(found),
            Ok(Err(full)) => return searches.unread(full),
            Err(failure) => return searches.failed(&failure),
        }
    }
    let is_whole = run.position().is_at_end();
    searches.count(if is_whole { Outcome::Whole } else { Outcome::Part });
    let is_complete = is_whole && !run.position().has_lost;
    ([(COMPLETE, is_complete.to_string())], rows.into_response(b"[", b"]".to_vec())).into_response()
}

/// Returns a result as JSON; none if its row is not wanted, or, which is logged, cannot be written.
fn row(hit: &Hit, query: &Query, shown: Shown) -> Option<Box<RawValue>> {
    let json = serde_json::value::to_raw_value(&Row::new(hit, query, shown)?);
    json.inspect_err(|error| tracing::error!(%error, "a result cannot be written")).ok()
}

/// Returns the row of one certificate; none if its fingerprint is not known.
async fn one(
    searches: &Searches,
    history: &Arc<JournalHistory>,
    id: Id,
    excludes_expired: bool,
) -> Response {
    let found = match (look_up(history, id).await, id) {
        (Found::Found(found), _) => found,
        (Found::NotIndexed, _) => return searches.failed(&Failure::NotIndexed),
        (Found::Failed, _) => return searches.failed(&Failure::Journal),
        (_, Id::Offset(offset)) => return searches.no_offset(offset),
        (_, Id::Fingerprint(_)) => {
            searches.count(Outcome::Whole);
            return rows_of(&[], !history.has_deleted());
        }
    };
    searches.count(Outcome::Whole);
    let Certificate { recent: Recent { offset, record, source }, .. } = *found;
    let hit = Hit { offset, record, source, names: Vec::new() };
    let rows: Vec<Row> =
        Row::new(&hit, &every(), Shown::new(excludes_expired, None)).into_iter().collect();
    searches.metrics.search.results.inc_by(rows.len() as u64);
    rows_of(&rows, true)
}

/// Returns a certificate as PEM, in a file that is named as crt.sh does.
async fn download(searches: &Searches, history: &Arc<JournalHistory>, id: Id) -> Response {
    let (name, outcome) = match (look_up(history, id).await, id) {
        (Found::Missing, Id::Offset(offset)) => return searches.no_offset(offset),
        (Found::Found(found), _) => (Some(found.recent.offset), Found::Found(found)),
        (outcome, _) => (None, outcome),
    };
    let failed = matches!(outcome, Found::NotIndexed | Found::Failed);
    searches.count(if failed { Outcome::Failed } else { Outcome::Whole });
    let mut response = cert::pem(outcome, &searches.renderer);
    if let Some(Ok(name)) =
        name.map(|offset| format!("attachment; filename=\"{offset}.crt\"").parse())
    {
        response.headers_mut().insert(CONTENT_DISPOSITION, name);
    }
    response
}

/// Looks for a certificate. That it is missing is known only once everything is indexed.
async fn look_up(history: &Arc<JournalHistory>, id: Id) -> Found {
    for _ in 1..LOOKUPS {
        match look_once(history, id).await {
            Found::NotIndexed => tokio::time::sleep(PAUSE).await,
            outcome => return outcome,
        }
    }
    look_once(history, id).await
}

async fn look_once(history: &Arc<JournalHistory>, id: Id) -> Found {
    match id {
        Id::Fingerprint(fingerprint) => history.certificate(fingerprint).await,
        Id::Offset(offset) => history.at(offset).await,
    }
}

fn rows_of(rows: &[Row], is_complete: bool) -> Response {
    ([(COMPLETE, is_complete.to_string())], Json(rows)).into_response()
}

impl Searches {
    /// Returns the answer where no certificate has an offset.
    fn no_offset(&self, offset: u64) -> Response {
        self.count(Outcome::Whole);
        let text = format!(
            "no certificate that is kept has the id {offset}; ids are offsets in the stream of this \
             server, not the numbers of crt.sh\n"
        );
        (StatusCode::NOT_FOUND, text).into_response()
    }
}
