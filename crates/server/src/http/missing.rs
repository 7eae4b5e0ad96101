//! The answer where there is no route. Where a route is only switched off it names the setting, and a
//! node that serves no streams names the nodes that do.

use axum::Json;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use config::reporting::route;
use config::{Config, Role};
use serde::Serialize;
use wire::StreamKind;

use crate::options;

/// The answer's body where something is switched off.
#[derive(Debug, Serialize)]
struct Missing {
    error: &'static str,
    hint: String,
}

/// Answers 404. Without a hint the answer is that of certstream-server-rust, byte for byte.
pub(super) fn not_found(config: &Config, uri: &Uri) -> Response {
    let path = uri.path();
    let hint = if config.role == Role::Ingest && is_of_streams(config, path) {
        Some(NO_STREAMS.to_owned())
    } else {
        setting(config, path).map(hint)
    };
    let Some(hint) = hint else { return super::not_found() };
    (StatusCode::NOT_FOUND, Json(Missing { error: "Not Found", hint })).into_response()
}

/// The advice of a node that only follows logs.
const NO_STREAMS: &str = "this node of a cluster follows logs and serves no streams (role: ingest); connect to a \
                          node with role: edge or role: all";

/// Reports whether a path is that of a stream, or of an example of one, if it is served at all.
fn is_of_streams(config: &Config, path: &str) -> bool {
    let streams = &config.streams;
    let paths = [&streams.full_path, &streams.lite_path, &streams.domains_only_path];
    let is_stream = |at: &&String| is_same(path, at);
    is_below(path, "/sse") || is_example(path) || paths.iter().any(is_stream)
}

/// Reports whether two paths differ by a slash at the end at most.
fn is_same(path: &str, other: &str) -> bool {
    path.trim_end_matches('/') == other.trim_end_matches('/')
}

fn is_below(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_example(path: &str) -> bool {
    path == "/latest.json" || path.ends_with("/example.json")
}

/// Answers that a stream is switched off.
pub(super) fn stream_not_available(kind: StreamKind) -> Response {
    let key = match kind {
        StreamKind::Full => "streams.full",
        StreamKind::Lite => "streams.lite",
        StreamKind::Domains => "streams.domains_only",
    };
    let text = format!("Stream type not available: {}\n", hint(key));
    (StatusCode::NOT_FOUND, text).into_response()
}

/// Answers that WebSocket is switched off.
pub(super) fn websocket_not_available() -> Response {
    let text = format!("Stream type not available: {}\n", hint("protocols.websocket"));
    (StatusCode::NOT_FOUND, text).into_response()
}

fn hint(key: &str) -> String {
    let flag = key.replace(['.', '_'], "-");
    format!("it is disabled on this server; the operator can enable it with {key}: true (--{flag})")
}

/// Returns the setting that would switch on a route at this path.
fn setting(config: &Config, path: &str) -> Option<&'static str> {
    let protocols = &config.protocols;
    let streams = [
        (config.streams.full, "streams.full", &config.streams.full_path),
        (config.streams.lite, "streams.lite", &config.streams.lite_path),
        (config.streams.domains_only, "streams.domains_only", &config.streams.domains_only_path),
    ];
    let shows_metrics = options::metrics_are_shared(config);
    let switches = [
        (protocols.sse, is_below(path, "/sse"), "protocols.sse"),
        (protocols.api, is_below(path, "/api") || is_same(path, "/crtsh"), "protocols.api"),
        (protocols.health, is_below(path, "/health"), "protocols.health"),
        (protocols.stats, path == route(&config.stats.url), "protocols.stats"),
        (protocols.example_json, is_example(path), "protocols.example_json"),
        (
            shows_metrics || config.prometheus.enabled,
            path == route(&config.prometheus.metrics_url),
            "protocols.metrics",
        ),
    ];
    let off = switches.iter().find(|(on, here, _)| *here && !on).map(|(.., key)| *key);
    let stream = || {
        let here = |(on, _, at): &&(bool, &str, &String)| !on && is_same(path, at);
        streams.iter().find(here).map(|(_, key, _)| *key)
    };
    off.or_else(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_node_without_streams_names_those_that_have_them() {
        let mut config = Config { role: Role::Ingest, ..Config::default() };
        config.protocols.sse = false;
        let hint = async |config: &Config, path: &'static str| {
            let body = not_found(config, &Uri::from_static(path)).into_body();
            let body = axum::body::to_bytes(body, 4096).await.expect("a body");
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            body["hint"].as_str().unwrap_or_default().to_owned()
        };
        for path in ["/sse", "/", "/full-stream", "/domains-only/", "/latest.json"] {
            assert_eq!(hint(&config, path).await, NO_STREAMS, "{path}");
        }
        assert_eq!(hint(&config, "/nothing").await, "");
        config.role = Role::Edge;
        assert!(hint(&config, "/sse").await.contains("protocols.sse"));
    }

    #[test]
    fn a_disabled_route_names_its_setting() {
        let mut config = Config::default();
        config.protocols.stats = false;
        config.protocols.example_json = false;
        config.protocols.metrics = false;
        config.streams.full = false;
        let cases = [
            ("/sse", Some("protocols.sse")),
            ("/api/logs", Some("protocols.api")),
            ("/api", Some("protocols.api")),
            ("/apis", None),
            ("/crtsh", Some("protocols.api")),
            ("/crtsh/", Some("protocols.api")),
            ("/health", None),
            ("/stats", Some("protocols.stats")),
            ("/latest.json", Some("protocols.example_json")),
            ("/full-stream/example.json", Some("protocols.example_json")),
            ("/metrics", Some("protocols.metrics")),
            ("/full-stream", Some("streams.full")),
            ("/full-stream/", Some("streams.full")),
            ("/domains-only", None),
            ("/nothing", None),
        ];
        for (path, key) in cases {
            assert_eq!(setting(&config, path), key, "{path}");
        }
        let hint = hint("streams.domains_only");
        assert!(hint.ends_with("streams.domains_only: true (--streams-domains-only)"), "{hint}");
    }
}
