//! The page at `/`: the live stream, the logs and how to connect, in a browser.
//!
//! Everything it is made of is embedded: no build step, no request elsewhere. It reads the stream
//! over WebSocket as any client does, and the logs by a route of its own, so that it needs no API.

mod files;
mod logs;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Request, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use config::Config;
use tower_service::Service as _;

use crate::http::api::search::crtsh;
use crate::http::streams::{encoding, filters, parameters, websocket};
use crate::http::{Services, not_found};

/// The Content-Security-Policy: only files of this server, and no text that becomes markup or code.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// Answers a request for `/` with the page unless it asks for a WebSocket: a stream shares the path.
pub(super) async fn at_root(request: Request<Body>, next: Next) -> Response {
    if websocket::is_upgrade(&request) {
        return next.run(request).await;
    }
    let mut page: MethodRouter = get(async |headers: HeaderMap| respond(&files::PAGE, &headers));
    let Ok(response) = page.call(request).await;
    response
}

/// Answers a request for `/` in the form of crt.sh with that search; others continue.
pub(super) async fn or_crtsh(
    State(mut crtsh): State<Router>,
    request: Request<Body>,
    next: Next,
) -> Response {
    if websocket::is_upgrade(&request) || !crtsh::is_meant(request.uri().query()) {
        return next.run(request).await;
    }
    let Ok(response) = crtsh.call(request).await;
    response
}

/// Builds the routes of the page's files, and of what it shows.
pub(super) fn routes(services: &Services, config: &Arc<Config>) -> Router {
    let checks = (Arc::clone(config), services.journal.is_some());
    let filter = Router::new().route("/page/filter", get(filter)).with_state(checks);
    let logs = logs::PageLogs::new(services, config);
    let logs = Router::new().route("/page/logs.json", get(logs::logs)).with_state(Arc::new(logs));
    Router::new().route("/page/{*file}", get(file)).merge(filter).merge(logs)
}

/// Serves a file of the page. A path is matched as it is spelled, so the
/// name is not the one that the router decodes.
async fn file(uri: Uri, headers: HeaderMap) -> Response {
    match uri.path().strip_prefix("/page/").and_then(files::find) {
        Some(file) => respond(file, &headers),
        None => not_found(),
    }
}

/// Answers whether the stream accepts a filter: 204, or 400 with the reason, which a browser hides
/// when a WebSocket is refused.
async fn filter(
    State((config, has_journal)): State<(Arc<Config>, bool)>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.as_deref();
    let checked = parameters::check(query)
        .and_then(|()| filters::parse(&config, query).map_err(|error| format!("{error}\n")))
        .and_then(|filter| filter.map_or(Ok(()), |one| filters::check_new(&one, has_journal)));
    match checked {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(problem) => (StatusCode::BAD_REQUEST, problem).into_response(),
    }
}

fn respond(file: &files::File, request: &HeaderMap) -> Response {
    let headers: [(HeaderName, &str); 6] = [
        (CONTENT_TYPE, file.content_type),
        // A new version of the server is a new version of all files.
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (VARY, "accept-encoding"),
    ];
    match file.gzip.as_ref().filter(|_| encoding::accepts_gzip(request)) {
        Some(gzip) => (headers, [(CONTENT_ENCODING, "gzip")], gzip.clone()).into_response(),
        None => (headers, file.text).into_response(),
    }
}
