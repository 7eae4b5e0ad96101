//! Following a stream: its messages in their order, as the servers deliver them.

use std::time::Duration;

use async_nats::jetstream::consumer::pull::{self, Stream};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, ReplayPolicy};
use bytes::Bytes;
use futures_util::StreamExt as _;

use crate::error::UseError;
use crate::link::Link;

/// Time without a sign of the server after which the consumer is made anew.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Time after which a server forgets a consumer that nobody reads.
const INACTIVE: Duration = Duration::from_secs(30);
/// Messages requested at a time.
const BATCH: usize = 64;
/// Bytes of messages requested at a time.
const BATCH_BYTES: usize = 8 << 20;

/// Messages of a stream from a sequence on. Holes and rewinds are for the caller to notice.
pub(crate) struct Tail {
    messages: Stream,
}

impl std::fmt::Debug for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tail").finish_non_exhaustive()
    }
}

impl Tail {
    /// Begins after a sequence.
    pub(crate) async fn after(link: &Link, sequence: u64) -> Result<Self, UseError> {
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: sequence.saturating_add(1),
            },
            ack_policy: AckPolicy::None,
            replay_policy: ReplayPolicy::Instant,
            inactive_threshold: INACTIVE,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let consumer = link.stream.create_consumer(config).await.map_err(UseError::unavailable)?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(BATCH)
            .max_bytes_per_batch(BATCH_BYTES)
            .heartbeat(HEARTBEAT)
            .expires(HEARTBEAT.saturating_mul(5))
            .messages()
            .await
            .map_err(UseError::unavailable)?;
        Ok(Self { messages })
    }

    /// Waits for the next message and returns it with its sequence.
    ///
    /// # Errors
    /// If the consumer is gone or the server does not respond; then another one has to be made.
    pub(crate) async fn next(&mut self) -> Result<(u64, Bytes), UseError> {
        let Some(message) = self.messages.next().await else {
            return Err(UseError::Unavailable("the consumer has ended".to_owned()));
        };
        let message = message.map_err(UseError::unavailable)?;
        let sequence = message.info().map_err(UseError::unavailable)?.stream_sequence;
        Ok((sequence, message.message.payload))
    }
}
