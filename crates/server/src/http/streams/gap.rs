//! The messages that report missing messages to a client.

use record::StreamId;

/// The reason for a client that reads too slowly.
pub(super) const SLOW_CLIENT: &str = "slow_client";
/// The reason for a client that is behind when the server shuts down.
pub(super) const SHUTDOWN: &str = "shutdown";

/// The reason for a client that resumes with an offset of another stream.
pub(super) const OTHER_STREAM: &str = "other_stream";

/// The reason for a client whose offsets continue after a hole. Nothing is missing.
pub(super) const RENUMBERED: &str = "renumbered";

/// Returns the message: the number missing, null if unknown, the reason, whether the server closes the
/// connection for it, and the stream that follows.
#[must_use]
pub(super) fn message(
    dropped: Option<u64>,
    reason: &str,
    disconnecting: bool,
    stream: StreamId,
) -> String {
    serde_json::json!({
        "message_type": "gap",
        "dropped": dropped,
        "disconnecting": disconnecting,
        "reason": reason,
        "stream": stream.as_str(),
    })
    .to_string()
}

/// Returns the message as a server-sent event.
#[must_use]
pub(super) fn event(
    dropped: Option<u64>,
    reason: &str,
    disconnecting: bool,
    stream: StreamId,
) -> Vec<u8> {
    let message = message(dropped, reason, disconnecting, stream);
    format!("event: gap\ndata: {message}\n\n").into_bytes()
}
