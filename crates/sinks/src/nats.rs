//! Output to NATS JetStream, as certstream-server-rust 1.6 has it: one subject for each log, and the
//! identity of the message in `Nats-Msg-Id`, by which the server drops repeated messages.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::context::{
    CreateStreamError, CreateStreamErrorKind, PublishAckFuture, PublishError, PublishErrorKind,
};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, DiscardPolicy, Stream};
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::broker::Outcomes;
use crate::failure::{Failure, in_full};
use crate::key::subject;
use crate::message::Message;
use crate::secret::{Secret, read_secret};
use crate::settings::Tls;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest wait before a lost connection is tried again.
const RECONNECT: Duration = Duration::from_secs(2);
/// Messages that wait for their acknowledgement at most.
const IN_FLIGHT: usize = 1024;

/// The settings of an output to NATS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsSettings {
    /// The servers, as URLs such as `nats://127.0.0.1:4222`; any of them is used.
    pub servers: Vec<String>,
    /// The name of the JetStream stream.
    pub stream: String,
    /// The first part of subjects.
    pub subject_prefix: String,
    /// Size of the stream, if it is created; a full one refuses messages.
    pub max_bytes: u64,
    /// Time in which the server recognises repeated messages, if the stream is created.
    pub duplicate_window: Duration,
    /// Copies of the stream in a cluster, if it is created.
    pub replicas: usize,
    /// The proof of the client's identity, besides what the URLs contain.
    pub credentials: NatsCredentials,
    /// TLS; required if it is set, otherwise used if the server requires it.
    pub tls: Option<Tls>,
}

/// The proof of a client's identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NatsCredentials {
    /// None.
    #[default]
    None,
    /// A user with a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token.
    Token(Secret),
    /// The seed of an NKey.
    NKey(Secret),
    /// A credentials file, with a JWT and the seed of its NKey. It is read at each connection.
    File(PathBuf),
}

/// A connection to NATS.
pub(crate) struct Nats {
    client: Client,
    context: Context,
    prefix: String,
    servers: String,
    stream: String,
    /// Longest wait for the acknowledgements of messages that were sent together.
    patience: Duration,
    /// The state of the connection, and the last error that the server reported.
    events: Arc<watch::Sender<Connection>>,
    seen: watch::Receiver<Connection>,
    /// The stream is gone.
    is_broken: bool,
}

#[derive(Clone, Debug, Default)]
struct Connection {
    /// Connections that were lost.
    lost: u64,
    error: Option<String>,
}

impl std::fmt::Debug for Nats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nats").field("servers", &self.servers).finish_non_exhaustive()
    }
}

impl Nats {
    /// Connects, and creates the stream if it is absent.
    pub(crate) async fn connect(
        settings: &NatsSettings,
        publish_timeout: Duration,
    ) -> Result<Self, Failure> {
        let servers = shown(&settings.servers);
        let (events, seen) = watch::channel(Connection::default());
        let events = Arc::new(events);
        let options = options(settings, &events)?;
        let connected = options.connect(&settings.servers[..]).await;
        let client = connected.map_err(|error| cannot_connect(&servers, &error))?;
        let mut context = jetstream::context::ContextBuilder::new()
            .max_ack_inflight(IN_FLIGHT)
            .build(client.clone());
        context.set_timeout(publish_timeout);
        prepare(&context, settings, &servers).await?;
        let (prefix, stream) = (settings.subject_prefix.clone(), settings.stream.clone());
        let (patience, is_broken) = (publish_timeout, false);
        Ok(Self { client, context, prefix, servers, stream, patience, events, seen, is_broken })
    }

    pub(crate) const fn is_broken(&self) -> bool {
        self.is_broken
    }

    pub(crate) async fn publish(&mut self, messages: &[&Message]) -> Outcomes {
        let mut outcomes = Outcomes::with_capacity(messages.len());
        for part in messages.chunks(IN_FLIGHT) {
            outcomes.extend(self.publish_part(part).await);
        }
        outcomes
    }

    /// Publishes as many messages as may wait for their acknowledgement.
    async fn publish_part(&mut self, messages: &[&Message]) -> Outcomes {
        // The client would keep messages until it is connected again, and publish them after others.
        if self.client.connection_state() != State::Connected {
            return all(messages, &self.disconnected());
        }
        self.events.send_modify(|connection| connection.error = None);
        let lost = self.seen.borrow().lost;
        let mut sent = Vec::with_capacity(messages.len());
        for message in messages {
            let ack = self.send(message).await;
            let is_late =
                ack.as_ref().is_err_and(|error| error.kind() == PublishErrorKind::TimedOut);
            sent.push(ack.map_err(|error| self.failure(&error)));
            if is_late {
                // The connection takes nothing: each of the others would wait as long.
                break;
            }
        }
        // All wait until the same time: in turn, each would wait for the whole time after the one before.
        let deadline = Instant::now() + self.patience;
        let mut outcomes = Outcomes::with_capacity(messages.len());
        for ack in sent {
            outcomes.push(match ack {
                Ok(ack) => self.acknowledged(ack, lost, deadline).await,
                Err(failure) => Err(failure),
            });
        }
        if outcomes.len() < messages.len() {
            let not_sent = self.failure(&PublishErrorKind::TimedOut.into());
            outcomes.resize(messages.len(), Err(not_sent));
        }
        outcomes
    }

    async fn send(&self, message: &Message) -> Result<PublishAckFuture, PublishError> {
        let publish =
            PublishMessage::build().payload(message.body.clone()).message_id(message.id());
        self.context.send_publish(subject(&self.prefix, message), publish).await
    }

    /// Waits for an acknowledgement until the deadline, and no longer than the connection that it would
    /// come over exists.
    async fn acknowledged(
        &mut self,
        ack: PublishAckFuture,
        lost: u64,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let mut seen = self.seen.clone();
        let outcome = tokio::select! {
            biased;
            outcome = ack.into_future() => outcome,
            _ = seen.wait_for(|connection| connection.lost > lost) => {
                return Err(self.disconnected());
            }
            () = sleep_until(deadline) => Err(PublishErrorKind::TimedOut.into()),
        };
        outcome.map(drop).map_err(|error| {
            self.is_broken |= error.kind() == PublishErrorKind::StreamNotFound;
            self.failure(&error)
        })
    }

    fn disconnected(&self) -> Failure {
        let (servers, why) = (&self.servers, self.last_error());
        Failure::Unavailable(format!("the connection to {servers} is lost{why}"))
    }

    /// Returns the last error that the server reported, in parentheses.
    fn last_error(&self) -> String {
        let error = self.events.borrow().error.clone();
        error.map_or_else(String::new, |error| format!(" ({error})"))
    }

    fn failure(&self, error: &PublishError) -> Failure {
        let (servers, stream) = (&self.servers, &self.stream);
        match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => Failure::Refused(format!(
                "{}; raise max_payload of the NATS server, or lower max_message_bytes",
                in_full(error)
            )),
            PublishErrorKind::TimedOut => Failure::Unavailable(format!(
                "{servers} did not acknowledge a message within nats.publish_timeout_secs{}",
                self.last_error()
            )),
            PublishErrorKind::StreamNotFound => Failure::Unavailable(format!(
                "the stream {stream} on {servers} does not exist any more, or does not have the \
                 subjects {}.>",
                self.prefix
            )),
            _ => match jetstream_error(error) {
                Some(ErrorCode::STREAM_STORE_FAILED | ErrorCode::STORAGE_RESOURCES_EXCEEDED) => {
                    Failure::Full(format!(
                        "the stream {stream} on {servers} is full ({}): let consumers delete \
                         messages, or raise its max_bytes or its server's storage limits",
                        in_full(error)
                    ))
                }
                Some(ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM) => Failure::Refused(format!(
                    "{}; raise max_msg_size of the stream {stream}, or lower max_message_bytes",
                    in_full(error)
                )),
                _ => Failure::Unavailable(format!("{servers}: {}", in_full(error))),
            },
        }
    }
}

/// Returns the code of an error that JetStream answered with.
fn jetstream_error(error: &PublishError) -> Option<ErrorCode> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<jetstream::Error>().map(jetstream::Error::error_code)
}

fn all(messages: &[&Message], failure: &Failure) -> Outcomes {
    messages.iter().map(|_| Err(failure.clone())).collect()
}

/// Returns the options of a connection, whose events are noted.
fn options(
    settings: &NatsSettings,
    events: &Arc<watch::Sender<Connection>>,
) -> Result<ConnectOptions, Failure> {
    let events = Arc::clone(events);
    let note = move |event| {
        events.send_modify(|connection| match event {
            Event::Disconnected | Event::Closed => connection.lost += 1,
            Event::Connected => connection.error = None,
            Event::ServerError(error) => connection.error = Some(error.to_string()),
            Event::ClientError(error) => connection.error = Some(error.to_string()),
            _ => {}
        });
        std::future::ready(())
    };
    let mut options = ConnectOptions::new()
        .name(concat!("certstream-server/", env!("CARGO_PKG_VERSION")))
        .connection_timeout(CONNECT)
        .request_timeout(Some(CONNECT))
        .ping_interval(Duration::from_secs(10))
        .reconnect_delay_callback(|attempts| {
            let doubled = Duration::from_millis(50) * (1 << attempts.min(6));
            doubled.min(RECONNECT)
        })
        .event_callback(note);
    options = match &settings.credentials {
        NatsCredentials::None => options,
        NatsCredentials::Password { user, password } => {
            options.user_and_password(user.clone(), password.reveal().to_owned())
        }
        NatsCredentials::Token(token) => options.token(token.reveal().to_owned()),
        NatsCredentials::NKey(seed) => options.nkey(seed.reveal().to_owned()),
        NatsCredentials::File(path) => {
            let unusable = |error: &dyn std::error::Error| {
                Failure::Unavailable(format!("nats.creds_file: {}", in_full(error)))
            };
            let text = read_secret(path).map_err(|error| unusable(&error))?;
            // The client requires the line feed at its end.
            let text = format!("{}\n", text.reveal());
            options.credentials(&text).map_err(|error| unusable(&error))?
        }
    };
    if let Some(tls) = &settings.tls {
        options = options.require_tls(true);
        if let Some(file) = &tls.ca_file {
            options = options.add_root_certificates(file.clone());
        }
        if let Some((cert, key)) = &tls.identity {
            options = options.add_client_certificate(cert.clone(), key.clone());
        }
    }
    Ok(options)
}

const CHECK_TLS: &str = "; check nats.tls, nats.ca_file and nats.cert_file";
const CHECK_CLIENT: &str = "; if it requires a certificate of the client, set nats.cert_file and \
                            nats.key_file";

/// Returns the kind of the operating system's or TLS's error among the causes of an error.
fn io_kind(error: &(dyn std::error::Error + 'static)) -> Option<ErrorKind> {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .last()
        .map(std::io::Error::kind)
}

fn cannot_connect(servers: &str, error: &ConnectError) -> Failure {
    let why = match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            "it refuses the credentials; check nats.user, nats.password_file, nats.token_file, \
             nats.nkey_file and nats.creds_file"
                .to_owned()
        }
        ConnectErrorKind::Tls => in_full(error) + CHECK_TLS,
        _ => match io_kind(error) {
            // An error of TLS, as its client reports it.
            Some(ErrorKind::InvalidData) => in_full(error) + CHECK_TLS,
            Some(ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                in_full(error) + CHECK_CLIENT
            }
            _ => in_full(error),
        },
    };
    Failure::Unavailable(format!("cannot connect to {servers}: {why}"))
}

/// Creates the stream if it is absent, and checks that it has the subjects.
async fn prepare(context: &Context, settings: &NatsSettings, servers: &str) -> Result<(), Failure> {
    let name = &settings.stream;
    let subjects = format!("{}.>", settings.subject_prefix);
    let config = Config {
        name: name.clone(),
        subjects: vec![subjects.clone()],
        max_bytes: i64::try_from(settings.max_bytes).unwrap_or(i64::MAX),
        // A full stream refuses messages, and does not delete those that a stopped consumer lacks.
        discard: DiscardPolicy::New,
        duplicate_window: settings.duplicate_window,
        num_replicas: settings.replicas,
        ..Config::default()
    };
    let stream = context
        .get_or_create_stream(config)
        .await
        .map_err(|error| no_stream(name, servers, &error))?;
    check(&stream, &subjects, settings)
}

fn no_stream(name: &str, servers: &str, error: &CreateStreamError) -> Failure {
    let advice = match error.kind() {
        CreateStreamErrorKind::JetStreamUnavailable => {
            "; start the NATS server with JetStream (-js)"
        }
        CreateStreamErrorKind::TimedOut => {
            "; does the user have the permission to publish to $JS.API.>?"
        }
        _ => "",
    };
    Failure::Unavailable(format!(
        "the stream {name} on {servers} can be neither read nor created: {}{advice}",
        in_full(error)
    ))
}

/// Checks an existing stream: it belongs to its operator, so it is not changed.
fn check(stream: &Stream, subjects: &str, settings: &NatsSettings) -> Result<(), Failure> {
    let config = &stream.cached_info().config;
    let name = &settings.stream;
    let prefix = &settings.subject_prefix;
    let covers = |own: &String| own == subjects || own == ">" || is_above(own, prefix);
    if !config.subjects.iter().any(covers) {
        return Err(Failure::Unavailable(format!(
            "the stream {name} has the subjects {}, but not {subjects}; add these, or set \
             nats.stream or nats.subject_prefix",
            config.subjects.join(", ")
        )));
    }
    if config.discard != DiscardPolicy::New {
        tracing::info!(
            stream = name,
            "the stream deletes its oldest messages when it is full, so nats.on_full does not apply \
             to its size"
        );
    }
    Ok(())
}

/// Reports whether `own` (such as `ct.>`) covers all subjects below `prefix` (such as `ct.certs`).
fn is_above(own: &str, prefix: &str) -> bool {
    let above = own.strip_suffix(".>");
    above.is_some_and(|above| prefix.strip_prefix(above).is_some_and(|rest| rest.starts_with('.')))
}

/// Returns the servers for messages, without user, password and token.
fn shown(servers: &[String]) -> String {
    let without = |url: &String| match url.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
            format!("{scheme}://{host}")
        }
        None => url.rsplit_once('@').map_or(url.as_str(), |(_, host)| host).to_owned(),
    };
    servers.iter().map(without).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_shown_without_credentials() {
        let servers = ["nats://user:p@ss@a.example:4222", "tls://b.example", "token@c.example"];
        let servers = servers.map(str::to_owned);
        assert_eq!(shown(&servers), "nats://a.example:4222, tls://b.example, c.example");
    }

    #[test]
    fn a_stream_covers_subjects_below_a_longer_prefix() {
        for (own, prefix, expected) in [
            ("ct.>", "ct.certs", true),
            ("ct.>", "ct", false),
            ("ct.>", "ctcerts", false),
            ("ct.*", "ct.certs", false),
        ] {
            assert_eq!(is_above(own, prefix), expected, "{own} {prefix}");
        }
    }
}
