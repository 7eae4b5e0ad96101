//! `/example.json` of each stream and `/latest.json`.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::ToSchema;
use wire::StreamKind;

use crate::http::Shared;
use crate::publish::Rendering;
use crate::sources;

/// Messages that `/latest.json` shows.
const LATEST: usize = 25;

/// The newest message of a stream; a built-in sample before the first.
pub(super) async fn example(State(shared): State<Shared>, kind: StreamKind) -> Response {
    let newest = newest(&shared, kind, 1).pop();
    json(newest.unwrap_or_else(|| {
        let mut sample = Vec::new();
        wire::sample(kind, sources::profile(&shared.config), &mut sample);
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
pub(super) async fn latest(State(shared): State<Shared>) -> Response {
    let messages = newest(&shared, StreamKind::Lite, LATEST);
    let mut body = Vec::with_capacity(messages.iter().map(|text| text.len() + 1).sum());
    body.extend_from_slice(b"{\"messages\":[");
    body.extend_from_slice(&messages.join(&b','));
    body.extend_from_slice(b"]}");
    json(body)
}

fn newest(shared: &Shared, kind: StreamKind, count: usize) -> Vec<Vec<u8>> {
    let profile = sources::profile(&shared.config);
    let mut messages = shared.hub.latest(Rendering { kind, profile }, count);
    for message in &mut messages {
        message.truncate(message.trim_ascii_end().len());
    }
    messages
}

fn json(body: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
