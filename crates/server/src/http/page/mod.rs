//! The page at `/`: the live stream, the logs and how to connect, in a browser.
//!
//! Everything it is made of is embedded: no build step, no request elsewhere. It reads the stream
//! over WebSocket as any client does, and the logs by a route of its own, so that it needs no API.

mod files;
mod logs;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::http::{Shared, filters, not_found, parameters};

/// Nothing but what this server serves, and no text that turns into markup or code.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The page itself; its URL is that of the lite stream, which has the route.
pub(super) fn page() -> Response {
    respond(&files::PAGE)
}

/// What the page is made of, and what it shows.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/page/logs.json", get(logs::logs))
        .route("/page/filter", get(filter))
        .route("/page/{file}", get(file))
        .layer(axum::Extension(logs::Cache::default()))
}

/// A path is matched as it is spelled, so the name is not the one that the router decodes.
async fn file(uri: Uri) -> Response {
    match uri.path().strip_prefix("/page/").and_then(files::find) {
        Some(file) => respond(file),
        None => not_found().await,
    }
}

/// Whether the stream would take a filter: 204, or 400 and why not, which a browser does not tell
/// of a WebSocket that is refused.
async fn filter(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Response {
    let query = query.as_deref();
    let parsed = parameters::check(query)
        .and_then(|()| filters::parse(&shared.config, query).map_err(|error| format!("{error}\n")));
    match parsed {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(problem) => (StatusCode::BAD_REQUEST, problem).into_response(),
    }
}

fn respond(file: &files::File) -> Response {
    let headers: [(HeaderName, &str); 5] = [
        (CONTENT_TYPE, file.content_type),
        // A new version of the server is a new version of all files.
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, file.text).into_response()
}
