//! `/example.json` of each stream and `/latest.json`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use config::Config;
use feed::Hub;
use utoipa::ToSchema;
use wire::{Profile, StreamKind};

use crate::http::Services;
use crate::http::streams::paths;
use crate::options;
use crate::publish::messages::{MessageStream, Rendering};

/// Messages that `/latest.json` shows.
const LATEST: usize = 25;

/// The state of the routes.
#[derive(Debug, Clone)]
pub(super) struct Examples {
    hub: Arc<Hub<MessageStream>>,
    profile: Profile,
}

impl Examples {
    fn new(services: &Services, config: &Config) -> Self {
        Self { hub: Arc::clone(&services.hub), profile: options::profile(config) }
    }

    /// Returns the newest messages of a stream, newest first.
    fn newest(&self, kind: StreamKind, count: usize) -> Vec<Vec<u8>> {
        let mut messages =
            self.hub.latest(Rendering { kind, profile: self.profile, backfilled: false }, count);
        for message in &mut messages {
            message.truncate(message.trim_ascii_end().len());
        }
        messages
    }
}

/// Builds the routes of the streams' examples, which are not guarded.
pub(super) fn routes(services: &Services, config: &Config) -> Router {
    let mut routes = Router::new();
    for (kind, paths) in paths::streams(config) {
        if !paths::is_on(config, kind) {
            continue;
        }
        for path in paths::examples(kind, &paths) {
            routes = routes.route(&path, get(move |examples| example(examples, kind)));
        }
    }
    routes.with_state(Examples::new(services, config))
}

/// Builds the route of `/latest.json`.
pub(super) fn latest_route(services: &Services, config: &Config) -> Router {
    Router::new().route("/latest.json", get(latest)).with_state(Examples::new(services, config))
}

/// Answers with the newest message of a stream; with a built-in sample before the first.
async fn example(State(examples): State<Examples>, kind: StreamKind) -> Response {
    let newest = examples.newest(kind, 1).pop();
    json(newest.unwrap_or_else(|| {
        let mut sample = Vec::new();
        wire::sample(kind, examples.profile, &mut sample);
        sample
    }))
}

/// The response of CaliDog's server: messages in the format of its lite stream.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "the messages are rendered already; this only describes them")]
struct Latest {
    #[schema(value_type = Vec<Object>)]
    messages: (),
}

/// The latest messages of the lite stream, newest first
#[utoipa::path(
    get,
    path = "/latest.json",
    tag = "compatibility",
    responses((status = 200, description = "At most 25 messages", body = Latest))
)]
pub(super) async fn latest(State(examples): State<Examples>) -> Response {
    let messages = examples.newest(StreamKind::Lite, LATEST);
    let mut body = Vec::with_capacity(messages.iter().map(|text| text.len() + 1).sum());
    body.extend_from_slice(b"{\"messages\":[");
    body.extend_from_slice(&messages.join(&b','));
    body.extend_from_slice(b"]}");
    json(body)
}

fn json(body: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
