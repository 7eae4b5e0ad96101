//! How a client is told that messages are missing.

use feed::{Hub, Reader};

use crate::messages::MessageStream;

/// The reason given to a client that reads too slowly.
pub(super) const SLOW_CLIENT: &str = "slow_client";
/// The reason given to a client that is behind when the server shuts down.
pub(super) const SHUTDOWN: &str = "shutdown";

/// The reason given to a client that comes with an offset of another stream.
pub(super) const OTHER_STREAM: &str = "other_stream";

/// The message: how many are missing here, null where nobody knows, why, and whether the server
/// ends the connection for it.
#[must_use]
pub(super) fn message(dropped: Option<u64>, reason: &str, disconnecting: bool) -> String {
    serde_json::json!({
        "message_type": "gap",
        "dropped": dropped,
        "disconnecting": disconnecting,
        "reason": reason,
    })
    .to_string()
}

/// The same as a server-sent event.
#[must_use]
pub(super) fn event(dropped: Option<u64>, reason: &str, disconnecting: bool) -> Vec<u8> {
    let message = message(dropped, reason, disconnecting);
    format!("event: gap\ndata: {message}\n\n").into_bytes()
}

/// How many of the entries published a client has not got; one with a filter may not have wanted
/// all of them.
#[must_use]
pub(super) fn missed(hub: &Hub<MessageStream>, reader: &Reader<MessageStream>) -> u64 {
    let next = hub.head().map_or(0, |head| head + 1);
    next.saturating_sub(reader.offset())
}
