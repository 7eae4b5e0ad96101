//! A stream on its servers: connecting, publishing, and reading single messages.

mod connect;
pub(crate) mod refusal;
mod shape;

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use async_nats::jetstream::{self, Context, ContextBuilder, stream};
use bytes::Bytes;

use self::connect::Denials;
use crate::error::{OpenError, UseError};
use crate::protocol::{Anchor, MessageId, Publish};
use crate::settings::Settings;

/// A connection to a stream. It restores itself.
#[derive(Clone, Debug)]
pub struct Link {
    client: Client,
    pub(crate) context: Context,
    pub(crate) stream: stream::Stream<()>,
    subject: String,
    timeout: Duration,
    pub(crate) denials: Denials,
    configured: Arc<Configured>,
}

/// Settings of the stream, as last seen: they are the operator's.
#[derive(Debug, Default)]
struct Configured {
    replicas: AtomicUsize,
    /// Bytes of a message with its headers at most; 0 for no limit.
    max_message: AtomicUsize,
}

/// The outcome of a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A server says that it stored the message at this sequence.
    Stored(u64),
    /// Another message was the last one, or was about to be.
    WrongSequence,
    /// The last message has another id, or the server does not know its id.
    WrongId,
    /// The server, or the stream, takes only smaller messages.
    TooLarge,
    /// There was no answer, or one that says nothing about the message; the reason.
    Unknown(String),
}

/// The sequences of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The first message kept; one more than `last` if there is none.
    pub first: u64,
    /// The last message, also if it is deleted; 0 before the first one.
    pub last: u64,
}

/// The contents of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) bounds: Bounds,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Link {
    /// Connects to a server, and creates the stream if it is absent and the settings allow it.
    ///
    /// # Errors
    /// If no server can be reached, the credentials are refused, or the stream exists with another
    /// shape, or is absent and not created.
    pub async fn open(settings: &Settings) -> Result<Self, OpenError> {
        if !settings.has_valid_name() {
            return Err(OpenError::Name(settings.stream.clone()));
        }
        let (client, denials) = connect::connect(settings).await?;
        let timeout = settings.timeout;
        let context = ContextBuilder::new().timeout(timeout).ack_timeout(timeout);
        let context = context.build(client.clone());
        shape::ensure(&context, settings).await.map_err(|error| denials.explain(error))?;
        let stream = context.get_stream_no_info(&settings.stream).await;
        let stream = stream.map_err(|error| OpenError::Unreachable(error.to_string()))?;
        let subject = settings.subject();
        let configured = Arc::default();
        let link = Self { client, context, stream, subject, timeout, denials, configured };
        // To learn how the stream is configured.
        link.extent().await.map_err(|error| OpenError::Unreachable(error.to_string()))?;
        Ok(link)
    }

    /// Returns the bytes of a message of the stream at most, without its headers: by the limit of the
    /// server that is connected, and that of the stream.
    #[must_use]
    pub fn max_payload(&self) -> usize {
        let of_server = self.max_value();
        match self.configured.max_message.load(Ordering::Relaxed) {
            0 => of_server,
            of_stream => of_server.min(of_stream.saturating_sub(HEADERS)),
        }
    }

    /// Returns the bytes of a message of any stream at most, without its headers.
    pub(crate) fn max_value(&self) -> usize {
        self.client.max_payload().saturating_sub(HEADERS)
    }

    /// Returns the number of servers that keep the stream, as last seen.
    #[must_use]
    pub fn replicas(&self) -> usize {
        self.configured.replicas.load(Ordering::Relaxed)
    }

    /// Returns the time to wait for a response of a server.
    pub(crate) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Reports whether a server is connected.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Fails while no server is connected: a request would otherwise wait for the next connection.
    pub(crate) fn connected(&self) -> Result<(), UseError> {
        if self.is_connected() { Ok(()) } else { Err(UseError::unavailable(NOT_CONNECTED)) }
    }

    /// Reports whether several servers keep the stream.
    pub(crate) fn is_replicated(&self) -> bool {
        self.replicas() > 1
    }

    /// Publishes a message with its fences. The id of the last message is one only if a single server
    /// keeps the stream: nats-server 2.15.1 with several replicas checks it again on each of them, and
    /// a replica that was started again does not know the id and never catches up.
    pub async fn publish(&self, publish: &Publish) -> Outcome {
        let mut message = PublishMessage::build()
            .payload(publish.payload.clone())
            .message_id(publish.id.to_string())
            .expected_last_sequence(publish.last_sequence);
        if let Some(id) = publish.last_id.filter(|_| !self.is_replicated()) {
            message = message.expected_last_message_id(id.to_string());
        }
        let sent = self.context.send_publish(self.subject.clone(), message).await;
        let acknowledged = match sent {
            Ok(acknowledged) => acknowledged.await,
            Err(error) => Err(error),
        };
        match acknowledged {
            Ok(acknowledged) => Outcome::Stored(acknowledged.sequence),
            Err(error) => match error.kind() {
                PublishErrorKind::WrongLastSequence => Outcome::WrongSequence,
                PublishErrorKind::WrongLastMessageId => Outcome::WrongId,
                _ if is_too_large(&error) => {
                    let (bytes, reason) = (publish.payload.len(), with_source(&error));
                    tracing::error!(bytes, reason, "a message is too large for the stream");
                    Outcome::TooLarge
                }
                _ => {
                    tracing::debug!(%error, "the outcome of a publish is unknown");
                    Outcome::Unknown(with_source(&error))
                }
            },
        }
    }

    /// Reads a message from the stream's leader; `None` if there is none at this sequence.
    ///
    /// # Errors
    /// If no server responds.
    pub async fn get(&self, sequence: u64) -> Result<Option<Bytes>, UseError> {
        self.connected()?;
        let found = self.stream.get_raw_message(sequence).await;
        present(found.map(|message| message.payload))
    }

    /// Reads the first message at a sequence or after it; `None` if there is none.
    ///
    /// # Errors
    /// If no server responds.
    pub async fn get_from(&self, sequence: u64) -> Result<Option<(u64, Bytes)>, UseError> {
        self.connected()?;
        let found = self.stream.get_first_raw_message_by_subject(&self.subject, sequence).await;
        present(found.map(|message| (message.sequence, message.payload)))
    }

    /// Reports whether a message of ours is in its place.
    ///
    /// # Errors
    /// If no server responds.
    pub async fn has(&self, anchor: Anchor) -> Result<bool, UseError> {
        let payload = self.get(anchor.sequence).await?;
        Ok(payload.is_some_and(|payload| MessageId::of(&payload) == anchor.id))
    }

    /// Returns the sequences of the stream.
    ///
    /// # Errors
    /// If no server responds.
    pub async fn bounds(&self) -> Result<Bounds, UseError> {
        Ok(self.extent().await?.bounds)
    }

    /// Returns the sequences of the stream, its messages and their bytes.
    pub(crate) async fn extent(&self) -> Result<Extent, UseError> {
        self.connected()?;
        let info = self.stream.get_info().await.map_err(absent)?;
        let max_message = usize::try_from(info.config.max_message_size).unwrap_or(0);
        self.configured.replicas.store(info.config.num_replicas, Ordering::Relaxed);
        self.configured.max_message.store(max_message, Ordering::Relaxed);
        let state = info.state;
        let last = state.last_sequence;
        let first = if state.messages == 0 { last.saturating_add(1) } else { state.first_sequence };
        let bounds = Bounds { first, last };
        Ok(Extent { bounds, messages: state.messages, bytes: state.bytes })
    }

    /// Waits until everything published is sent, at most until the connection's time limit.
    ///
    /// # Errors
    /// If the connection is broken.
    pub async fn flush(&self) -> Result<(), UseError> {
        self.client.flush().await.map_err(UseError::unavailable)
    }
}

const NOT_CONNECTED: &str = "no server is connected";

/// Bytes of a message that headers take, at most.
const HEADERS: usize = 1024;

/// Sorts an absent stream from a failure.
fn absent(error: stream::InfoError) -> UseError {
    let reason = error.source().and_then(|source| source.downcast_ref::<jetstream::Error>());
    match reason.map(jetstream::Error::error_code) {
        Some(jetstream::ErrorCode::STREAM_NOT_FOUND) => UseError::Deleted,
        _ => UseError::unavailable(error),
    }
}

/// Reports whether the message was refused for its size, by the client for the server or by the stream.
fn is_too_large(error: &PublishError) -> bool {
    let reason = error.source().and_then(|source| source.downcast_ref::<jetstream::Error>());
    let code = reason.map(jetstream::Error::error_code);
    error.kind() == PublishErrorKind::MaxPayloadExceeded
        || code == Some(jetstream::ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM)
}

/// Returns an error in words, with its cause.
fn with_source(error: &PublishError) -> String {
    let text = error.to_string();
    match error.source().map(ToString::to_string) {
        Some(source) if !text.contains(&source) => format!("{text}: {source}"),
        _ => text,
    }
}

/// Sorts an absent message from a failure.
fn present<T>(found: Result<T, stream::RawMessageError>) -> Result<Option<T>, UseError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) => match error.kind() {
            LastRawMessageErrorKind::NoMessageFound => Ok(None),
            LastRawMessageErrorKind::JetStream(error)
                if error.error_code() == jetstream::ErrorCode::NO_MESSAGE_FOUND =>
            {
                Ok(None)
            }
            _ => Err(UseError::unavailable(error)),
        },
    }
}
