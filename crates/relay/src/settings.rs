//! Settings of a stream and of the connection to it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The servers, how to connect to them, and the stream to use.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Addresses of servers of one cluster, `nats://host:port` or `tls://host:port`.
    pub servers: Vec<String>,
    /// Name of the stream: ASCII letters, digits, `-` and `_`.
    pub stream: String,
    /// The stream and its bucket are created if they are absent.
    pub may_create: bool,
    /// Copies of each message, if the stream is created.
    pub replicas: usize,
    /// Bytes that the stream keeps, if it is created; 0 for no limit.
    pub max_bytes: u64,
    /// Time for which the stream keeps messages, if it is created; zero for no limit.
    pub max_age: Duration,
    /// The identity to connect with.
    pub credentials: Credentials,
    /// A file with certificates (PEM) of authorities that servers may be certified by, instead of those
    /// of the system.
    pub ca: Option<PathBuf>,
    /// TLS is required, also for `nats://`.
    pub requires_tls: bool,
    /// Time to wait for a response of a server.
    pub timeout: Duration,
}

/// The identity to connect with. [`Debug`] shows no secret.
#[derive(Clone, Default)]
pub enum Credentials {
    /// None.
    #[default]
    None,
    /// A user and a password.
    User {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A token.
    Token(String),
    /// The seed of an nkey.
    Nkey(String),
    /// A credentials file: a JWT and the seed of an nkey.
    File(PathBuf),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::User { user, .. } => f.debug_tuple("User").field(user).finish(),
            Self::Token(_) => f.write_str("Token"),
            Self::Nkey(_) => f.write_str("Nkey"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

impl Settings {
    /// Makes settings without credentials and TLS, of a stream without replicas or limits that is created if it
    /// is absent, with a time-out of 2 seconds.
    #[must_use]
    pub fn new(servers: Vec<String>, stream: &str) -> Self {
        Self {
            servers,
            stream: stream.to_owned(),
            may_create: true,
            replicas: 1,
            max_bytes: 0,
            max_age: Duration::ZERO,
            credentials: Credentials::None,
            ca: None,
            requires_tls: false,
            timeout: Duration::from_secs(2),
        }
    }

    /// Returns the subject of the stream's messages (`wire.md` 11.5): its name in lower case, and
    /// `batches`.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("{}.batches", self.stream.to_ascii_lowercase())
    }

    /// Returns the name of the bucket beside the stream.
    #[must_use]
    pub fn bucket(&self) -> String {
        format!("{}-state", self.stream.to_ascii_lowercase())
    }

    /// Returns the name of the stream in which the bucket is stored.
    #[must_use]
    pub fn bucket_stream(&self) -> String {
        format!("KV_{}", self.bucket())
    }

    /// Reports whether the name of the stream has only allowed characters.
    pub(crate) fn has_valid_name(&self) -> bool {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=64).contains(&self.stream.len()) && self.stream.bytes().all(is_allowed)
    }
}
