//! Following a stream: its messages in their order, for as long as it takes.

use std::time::Duration;

use async_nats::jetstream::consumer::pull::Stream;
use bytes::Bytes;
use futures_util::StreamExt as _;

use crate::consumer::{Deliveries, Reading};
use crate::error::UseError;
use crate::link::Link;

/// Time without a sign of the server after which the consumer is made anew.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Messages requested at a time.
const BATCH: usize = 64;
/// Bytes of messages requested at a time, unless a single one may be larger.
const BATCH_BYTES: usize = 8 << 20;

/// Messages of a stream from a sequence on. Holes and rewinds are for the caller to notice.
pub(crate) struct Tail {
    messages: Stream,
    deliveries: Deliveries,
    _reading: Reading,
}

impl std::fmt::Debug for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tail").finish_non_exhaustive()
    }
}

impl Tail {
    /// Begins after a sequence.
    pub(crate) async fn after(link: &Link, sequence: u64) -> Result<Self, UseError> {
        let reading = Reading::after(link, sequence).await?;
        let messages = reading
            .consumer()
            .stream()
            .max_messages_per_batch(BATCH)
            .max_bytes_per_batch(BATCH_BYTES.max(link.max_payload().saturating_mul(2)))
            .heartbeat(HEARTBEAT)
            .expires(HEARTBEAT.saturating_mul(5))
            .messages()
            .await
            .map_err(UseError::unavailable)?;
        Ok(Self { messages, deliveries: Deliveries::default(), _reading: reading })
    }

    /// Waits for the next message and returns it with its sequence.
    ///
    /// # Errors
    /// If the consumer is gone or the server does not respond; then another one has to be made.
    pub(crate) async fn next(&mut self) -> Result<(u64, Bytes), UseError> {
        let Some(message) = self.messages.next().await else {
            return Err(UseError::Unavailable("the consumer has ended".to_owned()));
        };
        self.deliveries.take(message.map_err(UseError::unavailable)?)
    }
}
