//! The answer where there is no route. Where a route is only switched off it names the setting.

use axum::Json;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use config::Config;
use config::reporting::route;
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
    let Some(key) = setting(config, uri.path()) else {
        return super::not_found();
    };
    let body = Missing { error: "Not Found", hint: hint(key) };
    (StatusCode::NOT_FOUND, Json(body)).into_response()
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
    let is_below = |outer: &str| {
        path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let streams = [
        (config.streams.full, "streams.full", &config.streams.full_path),
        (config.streams.lite, "streams.lite", &config.streams.lite_path),
        (config.streams.domains_only, "streams.domains_only", &config.streams.domains_only_path),
    ];
    let shows_metrics = options::metrics_are_shared(config);
    let is_example = path == "/latest.json" || path.ends_with("/example.json");
    let switches = [
        (protocols.sse, is_below("/sse"), "protocols.sse"),
        (protocols.api, is_below("/api"), "protocols.api"),
        (protocols.health, is_below("/health"), "protocols.health"),
        (protocols.stats, path == route(&config.stats.url), "protocols.stats"),
        (protocols.example_json, is_example, "protocols.example_json"),
        (
            shows_metrics || config.prometheus.enabled,
            path == route(&config.prometheus.metrics_url),
            "protocols.metrics",
        ),
    ];
    let off = switches.iter().find(|(on, here, _)| *here && !on).map(|(.., key)| *key);
    let stream = || {
        let here = |(on, _, at): &&(bool, &str, &String)| {
            !on && path.trim_end_matches('/') == at.trim_end_matches('/')
        };
        streams.iter().find(here).map(|(_, key, _)| *key)
    };
    off.or_else(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

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
