//! Consumers: the messages of a stream from a sequence on, as the servers deliver them.

use std::time::Duration;

use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, ReplayPolicy};
use async_nats::jetstream::message::Message;
use async_nats::jetstream::stream::Stream;
use bytes::Bytes;
use tokio::runtime::Handle;

use crate::error::UseError;
use crate::link::Link;

/// Time after which a server forgets a consumer that nobody reads.
const INACTIVE: Duration = Duration::from_secs(15);

/// A consumer, which is deleted when it is dropped: servers limit how many there are.
pub(crate) struct Reading {
    consumer: Consumer<Config>,
    stream: Stream<()>,
}

impl Reading {
    /// Creates a consumer that begins after a sequence.
    pub(crate) async fn after(link: &Link, sequence: u64) -> Result<Self, UseError> {
        let config = Config {
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: sequence.saturating_add(1),
            },
            ack_policy: AckPolicy::None,
            replay_policy: ReplayPolicy::Instant,
            inactive_threshold: INACTIVE,
            memory_storage: true,
            num_replicas: 1,
            ..Config::default()
        };
        link.connected()?;
        let stream = link.stream.clone();
        let consumer = stream.create_consumer(config).await.map_err(UseError::unavailable)?;
        Ok(Self { consumer, stream })
    }

    pub(crate) const fn consumer(&self) -> &Consumer<Config> {
        &self.consumer
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // Outside a runtime the server forgets it, later.
        let Ok(runtime) = Handle::try_current() else { return };
        let (stream, name) = (self.stream.clone(), self.consumer.cached_info().name.clone());
        runtime.spawn(async move {
            if let Err(error) = stream.delete_consumer(&name).await {
                tracing::debug!(%error, "a consumer is not deleted: the server will forget it");
            }
        });
    }
}

/// The messages that a consumer has delivered, which it numbers: a lost connection may lose some.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    last: u64,
}

impl Deliveries {
    /// Takes the next message, and returns it with its sequence.
    ///
    /// # Errors
    /// If messages before it did not arrive; then another consumer has to be created.
    pub(crate) fn take(&mut self, message: Message) -> Result<(u64, Bytes), UseError> {
        let info = message.info().map_err(UseError::unavailable)?;
        let expected = self.last.saturating_add(1);
        if info.consumer_sequence != expected {
            return Err(UseError::Unavailable("messages were lost on their way".to_owned()));
        }
        self.last = expected;
        Ok((info.stream_sequence, message.message.payload))
    }
}
