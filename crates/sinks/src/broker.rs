//! The connection of an output to its broker, of either kind.

use std::time::Duration;

use crate::failure::Failure;
use crate::kafka::Kafka;
use crate::message::Message;
use crate::nats::Nats;
use crate::settings::{BrokerSettings, OutputSettings};

/// The outcome for each message, in the order in which they were given.
pub(crate) type Outcomes = Vec<Result<(), Failure>>;

/// A broker that an output is connected to.
#[derive(Debug)]
pub(crate) enum Broker {
    Nats(Nats),
    Kafka(Kafka),
}

impl Broker {
    /// Connects, and creates what messages are published to if it is absent.
    pub(crate) async fn connect(settings: &OutputSettings) -> Result<Self, Failure> {
        let timeout = settings.publish_timeout;
        match &settings.broker {
            BrokerSettings::Nats(nats) => Nats::connect(nats, timeout).await.map(Self::Nats),
            BrokerSettings::Kafka(kafka) => Kafka::connect(kafka, timeout).await.map(Self::Kafka),
        }
    }

    /// Publishes messages in their order and waits for the outcome of each.
    pub(crate) async fn publish(&mut self, messages: &[&Message]) -> Outcomes {
        match self {
            Self::Nats(nats) => nats.publish(messages).await,
            Self::Kafka(kafka) => kafka.publish(messages).await,
        }
    }

    /// Reports whether it can be used no longer, so that a new connection is necessary.
    pub(crate) fn is_broken(&self) -> bool {
        match self {
            Self::Nats(nats) => nats.is_broken(),
            Self::Kafka(kafka) => kafka.is_broken(),
        }
    }

    /// Closes the connection; waits for at most `patience`.
    pub(crate) async fn close(self, patience: Duration) {
        match self {
            // Nothing waits in it: each message has had its outcome.
            Self::Nats(_) => {}
            Self::Kafka(kafka) => kafka.close(patience).await,
        }
    }
}
