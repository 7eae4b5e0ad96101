//! Errors of Kafka in the words of an operator.

use std::io::ErrorKind;

use krafka::error::{ErrorCode, KrafkaError};

use super::KafkaSettings;
use crate::failure::{Failure, in_full};

/// The part of the settings that errors are described with.
#[derive(Debug)]
pub(super) struct Advice {
    brokers: String,
    topic: String,
    has_tls: bool,
    has_identity: bool,
    has_user: bool,
}

impl Advice {
    pub(super) fn new(settings: &KafkaSettings) -> Self {
        Self {
            brokers: settings.brokers.join(", "),
            topic: settings.topic.clone(),
            has_tls: settings.tls.is_some(),
            has_identity: settings.tls.as_ref().is_some_and(|tls| tls.identity.is_some()),
            has_user: settings.sasl.is_some(),
        }
    }

    pub(super) fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Describes an error of a connection that is being made.
    pub(super) fn connecting(&self, error: &KrafkaError) -> Failure {
        if !matches!(error, KrafkaError::Network(_) | KrafkaError::Timeout { .. }) {
            return self.publishing(error);
        }
        let hint = if is_cut(error) { self.requirements() } else { String::new() };
        let (brokers, text) = (&self.brokers, in_full(error));
        Failure::Unavailable(format!("cannot connect to {brokers}: {text}{hint}"))
    }

    /// Describes an error of messages that are being published.
    pub(super) fn publishing(&self, error: &KrafkaError) -> Failure {
        let Self { brokers, topic, .. } = self;
        let text = in_full(error);
        match error {
            KrafkaError::UnknownTopic { .. } => self.no_topic(),
            KrafkaError::Auth { source: Some(_), .. } => Failure::Unavailable(format!(
                "{brokers}: {text}; check ca_file, cert_file and key_file"
            )),
            KrafkaError::Auth { .. } => Failure::Unavailable(format!(
                "{brokers} refuse the client ({text}); check user, password_file and sasl_mechanism"
            )),
            KrafkaError::Broker { code, .. } => match code {
                ErrorCode::UnknownTopicOrPartition => self.no_topic(),
                ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge => {
                    Failure::Refused(format!(
                        "{text}; raise max.message.bytes of the topic {topic}, or lower \
                         max_message_bytes"
                    ))
                }
                // Another attempt would have the same outcome, and delay all messages after it for ever.
                ErrorCode::InvalidRecord => Failure::Refused(format!(
                    "{text}; check which messages the settings of the topic {topic} accept"
                )),
                ErrorCode::TopicAuthorizationFailed | ErrorCode::ClusterAuthorizationFailed => {
                    Failure::Unavailable(format!(
                        "{brokers}: the user may not write to the topic {topic} ({text}); give it \
                         the right to, or set user and password_file"
                    ))
                }
                _ => Failure::Unavailable(format!("{brokers}: {text}")),
            },
            _ => Failure::Unavailable(format!("{brokers}: {text}")),
        }
    }

    fn no_topic(&self) -> Failure {
        let Self { brokers, topic, .. } = self;
        Failure::Unavailable(format!(
            "the topic {topic} does not exist, and {brokers} do not create it; create it, or allow \
             auto.create.topics.enable"
        ))
    }

    /// Returns the requirements that a broker may have which closes connections without a word.
    fn requirements(&self) -> String {
        let mut advice = String::new();
        if !self.has_tls {
            advice += "; if they require TLS, set tls: true or ca_file";
        } else if !self.has_identity {
            advice += "; if they require a certificate of the client, set cert_file and key_file";
        }
        if !self.has_user {
            advice += "; if they require a user, set user and password_file";
        }
        advice
    }
}

/// Reports whether a broker that accepted a connection has closed it.
fn is_cut(error: &KrafkaError) -> bool {
    let KrafkaError::Network(error) = error else { return false };
    match error.kind() {
        // One of several brokers: the last one's error is inside.
        ErrorKind::NotConnected => {
            let cause = error.get_ref().and_then(|inner| inner.source());
            cause.and_then(|cause| cause.downcast_ref()).is_some_and(is_cut)
        }
        kind => matches!(
            kind,
            ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof
        ),
    }
}
