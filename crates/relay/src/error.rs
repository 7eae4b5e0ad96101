//! Errors of opening and using a stream.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::protocol::{ProposeError, Unreadable};

/// Reason why a stream cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The name of the stream has other characters.
    #[error("the stream name {0:?} needs 1 to 64 letters, digits, `-` or `_`")]
    Name(String),
    /// A file of the credentials or authorities cannot be used.
    #[error("{0} cannot be used: {1}")]
    File(PathBuf, #[source] io::Error),
    /// No server accepts the credentials.
    #[error("the servers refuse the credentials: check user, password, token or key")]
    Credentials,
    /// The servers forbid this user requests that are needed.
    #[error(
        "the servers forbid this user what a node needs: {0}; allow it to publish to `$JS.API.>`, the \
         subject of the stream and `$KV.>`, and to subscribe to `_INBOX.>`"
    )]
    Denied(String),
    /// An address is not valid.
    #[error("an address of a server is not valid: {0}")]
    Address(String),
    /// There is no TLS connection that both sides trust.
    #[error(
        "no server accepts TLS, or none has a certificate of a trusted authority: {0}; check the \
         certificates, and the file of the authority"
    )]
    Tls(String),
    /// No server can be reached, or none responds. It may end.
    #[error("no server of the cluster can be reached: {0}")]
    Unreachable(String),
    /// Too few servers have room for the stream or the bucket. It may end.
    #[error(
        "{name} cannot be placed at present: {reason}; it needs as many servers with room as it has \
         replicas"
    )]
    NoPlace {
        /// The stream or bucket.
        name: String,
        /// The servers' reason.
        reason: String,
    },
    /// The stream or the bucket does not exist, and this program does not create it. It may end.
    #[error("no node that reads logs has created {0} yet")]
    Absent(String),
    /// The servers run without JetStream.
    #[error("the servers have no JetStream: start them with `-js` or a `jetstream` section")]
    NoJetStream,
    /// The stream exists, and is not one that this program can use.
    #[error(
        "the stream {stream} has another shape: {difference}; use another stream name, or change it"
    )]
    Shape {
        /// The stream.
        stream: String,
        /// The difference.
        difference: String,
    },
    /// The stream or the bucket cannot be created.
    #[error(
        "{name} cannot be created: {reason} (check the replicas and the limits of the account)"
    )]
    Create {
        /// The stream or bucket.
        name: String,
        /// The servers' reason.
        reason: String,
    },
}

impl OpenError {
    /// Reports whether the same may succeed later.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::NoPlace { .. } | Self::Absent(_))
    }
}

/// Reason why a stream cannot be used at present.
#[derive(Debug, Error)]
pub enum UseError {
    /// The servers do not respond, or have an error. It may end.
    #[error("the servers do not respond: {0}")]
    Unavailable(String),
    /// The stream was deleted.
    #[error("the stream does not exist any more")]
    Deleted,
    /// A newer program writes the stream.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// A batch or checkpoint cannot be published.
    #[error(transparent)]
    Propose(#[from] ProposeError),
}

impl UseError {
    pub(crate) fn unavailable(error: impl std::fmt::Display) -> Self {
        Self::Unavailable(error.to_string())
    }

    /// Reports whether the same may succeed later.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
