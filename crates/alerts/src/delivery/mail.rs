//! An e-mail receiver as an operator describes it.

mod message;
mod session;
mod stream;
#[cfg(test)]
mod tests;

use std::time::Duration;

use lettre::message::Mailbox;
use rustls::pki_types::ServerName;
use sinks::Secret;
use thiserror::Error;

pub(super) use session::{Mailer, roots};

/// Addresses that an alert is sent to at most.
pub const MAX_ADDRESSES: usize = 20;

/// The protection of the connection to an SMTP server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte, usually on port 465.
    Tls,
    /// TLS after `STARTTLS`, usually on port 587. Nothing is sent to a server that does not offer it.
    #[default]
    StartTls,
    /// None: everything is readable on the way.
    None,
}

/// The user and password for an SMTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// An e-mail receiver: an SMTP server, and the addresses that it sends alerts to. The server may have
/// a private address, because it usually has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The SMTP server: host and port.
    pub server: String,
    /// The protection of the connection.
    pub security: Security,
    /// The user and password, if the server requires them.
    pub login: Option<Login>,
    /// The address that alerts are from, with or without a name.
    pub from: String,
    /// The addresses that they are sent to: 1 to [`MAX_ADDRESSES`].
    pub to: Vec<String>,
    /// Time for an attempt.
    pub timeout: Duration,
}

impl Mail {
    /// Describes an e-mail receiver with `STARTTLS`, without user and password, with 30 seconds for an
    /// attempt.
    #[must_use]
    pub const fn new(server: String, from: String, to: Vec<String>) -> Self {
        let timeout = Duration::from_secs(30);
        Self { server, security: Security::StartTls, login: None, from, to, timeout }
    }

    /// Returns the server as it is shown.
    #[must_use]
    pub fn shown(&self) -> String {
        let scheme = if self.security == Security::Tls { "smtps" } else { "smtp" };
        match self.address() {
            Some((name, port)) if name.to_str().contains(':') => {
                format!("{scheme}://[{}]:{port}", name.to_str())
            }
            Some((name, port)) => format!("{scheme}://{}:{port}", name.to_str()),
            None => "(no host and port)".to_owned(),
        }
    }

    /// Returns a warning about a receiver that can be used.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let and_password = if self.login.is_some() { ", and the password" } else { "" };
        (self.security == Security::None).then(|| {
            format!(
                "alerts are sent to {} without encryption: anyone on the way can read \
                 them{and_password}; use starttls or tls",
                self.shown()
            )
        })
    }

    /// Returns the host and port of the server.
    fn address(&self) -> Option<(ServerName<'_>, u16)> {
        let (host, port) = self.server.rsplit_once(':')?;
        let in_brackets = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if in_brackets.is_none() && host.contains(':') {
            return None;
        }
        let port = port.parse().ok().filter(|port| *port > 0)?;
        Some((ServerName::try_from(in_brackets.unwrap_or(host)).ok()?, port))
    }
}

/// Reads an address, with or without a name, as RFC 5322 has them.
fn mailbox(written: &str) -> Result<Mailbox, MailError> {
    let refused = || MailError::Address { address: written.to_owned() };
    if written.chars().any(char::is_control) {
        return Err(refused());
    }
    let mailbox: Mailbox = written.trim().parse().map_err(|_| refused())?;
    // Few servers accept others.
    if mailbox.email.to_string().is_ascii() { Ok(mailbox) } else { Err(refused()) }
}

/// An e-mail receiver that cannot be used.
#[derive(Debug, Error)]
pub enum MailError {
    /// The server is not a host with a port.
    #[error(
        "the SMTP server {server:?} cannot be read; give host and port, such as mail.example.com:587"
    )]
    Server {
        /// The text.
        server: String,
    },
    /// An address is none.
    #[error(
        "{address:?} is not an e-mail address; give one such as alerts@example.com or \
         \"Alerts <alerts@example.com>\", with the domain in its xn-- form"
    )]
    Address {
        /// The text.
        address: String,
    },
    /// There is no address, or too many.
    #[error("alerts cannot be sent to {count} addresses; give 1 to {MAX_ADDRESSES}")]
    AddressCount {
        /// The number of addresses.
        count: usize,
    },
    /// The user or password cannot be sent.
    #[error("the user or the password for the SMTP server is empty or has a control character")]
    Login,
    /// TLS cannot be set up.
    #[error("TLS for the SMTP server cannot be set up: {0}")]
    Tls(Box<dyn std::error::Error + Send + Sync>),
}
