//! Requests that are refused because of their head, before any route handles them.

use axum::body::Body;
use axum::http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use axum::http::{Request, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Longest path and query in bytes. Routes refuse what is too long for them with a better reason.
const LONGEST_TARGET: usize = 12 * 1024;

/// Passes valid requests on. After any other the connection ends, so that no bytes behind it are
/// read as a request.
pub(super) async fn check(request: Request<Body>, next: Next) -> Response {
    match problem(&request) {
        None => next.run(request).await,
        Some((status, text)) => {
            tracing::debug!(problem = text.trim_end(), "a request was refused");
            (status, [(CONNECTION, "close")], text).into_response()
        }
    }
}

fn problem(request: &Request<Body>) -> Option<(StatusCode, &'static str)> {
    let headers = request.headers();
    // Nothing here takes a body. With a length beside it a proxy may see another end of the request
    // than we do (RFC 9112 section 6.1, request smuggling).
    if headers.contains_key(TRANSFER_ENCODING) {
        return Some((
            StatusCode::BAD_REQUEST,
            "requests with Transfer-Encoding are not accepted\n",
        ));
    }
    // RFC 9112 section 3.2. HTTP/1.0 has none.
    let hosts = headers.get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() > Version::HTTP_10) {
        return Some((StatusCode::BAD_REQUEST, "a request must have exactly one Host header\n"));
    }
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    (target > LONGEST_TARGET)
        .then_some((StatusCode::URI_TOO_LONG, "path and query are longer than 12 KiB\n"))
}
