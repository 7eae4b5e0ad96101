//! Reading a stretch of a stream: its messages in their order, a few at a time.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use tokio::time::timeout;

use crate::consumer::{Deliveries, Reading};
use crate::error::UseError;
use crate::link::Link;

/// Messages requested at a time, at first and at most.
const FIRST: usize = 4;
const MOST: usize = 64;
/// Bytes of messages wanted at a time, and at most unless a single message may be larger.
const BYTES: usize = 1 << 20;
const MOST_BYTES: usize = 2 << 20;
/// Bytes of a message besides those that count for the servers' limit.
const ENVELOPE: usize = 4096;

/// Messages of a stream from a sequence on. Between two calls nothing is on its way.
pub(crate) struct Pull {
    reading: Reading,
    deliveries: Deliveries,
    arrived: VecDeque<(u64, Bytes)>,
    count: usize,
}

impl std::fmt::Debug for Pull {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pull").field("arrived", &self.arrived.len()).finish_non_exhaustive()
    }
}

impl Pull {
    /// Begins after a sequence.
    pub(crate) async fn after(link: &Link, sequence: u64) -> Result<Self, UseError> {
        let reading = Reading::after(link, sequence).await?;
        let (deliveries, arrived) = (Deliveries::default(), VecDeque::new());
        Ok(Self { reading, deliveries, arrived, count: FIRST })
    }

    /// Returns the next message with its sequence; `None` if the consumer has no more at present.
    ///
    /// # Errors
    /// If the consumer is gone or the server does not respond; then another one has to be made.
    pub(crate) async fn next(&mut self, link: &Link) -> Result<Option<(u64, Bytes)>, UseError> {
        if self.arrived.is_empty() {
            link.connected()?;
            let largest = link.max_payload().saturating_add(ENVELOPE);
            let fetched = timeout(link.timeout(), self.fetch(MOST_BYTES.max(largest))).await;
            fetched.map_err(|_| UseError::Unavailable("no messages arrive".to_owned()))??;
        }
        Ok(self.arrived.pop_front())
    }

    async fn fetch(&mut self, most_bytes: usize) -> Result<(), UseError> {
        let fetch = self.reading.consumer().fetch();
        let fetch = fetch.max_messages(self.count).max_bytes(most_bytes);
        let mut messages = fetch.messages().await.map_err(UseError::unavailable)?;
        let mut bytes = 0_usize;
        loop {
            let message = match messages.try_next().await {
                Ok(Some(message)) => self.deliveries.take(message)?,
                Ok(None) => break,
                // That the next message is too much is reported as an error.
                Err(_) if !self.arrived.is_empty() => break,
                Err(error) => return Err(UseError::unavailable(error)),
            };
            bytes = bytes.saturating_add(message.1.len());
            self.arrived.push_back(message);
        }
        let average = bytes.checked_div(self.arrived.len()).unwrap_or_default().max(1);
        self.count = BYTES.div_euclid(average).clamp(1, MOST);
        Ok(())
    }
}
