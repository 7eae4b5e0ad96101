//! A receiver: one attempt to send an alert, and its end.

use std::error::Error;
use std::time::Duration;

use super::mail::{Mail, MailError, Mailer, roots};
use super::post::Post;
use super::webhook::{Webhook, WebhookError};
use crate::alert::Alert;

/// Bytes of an answer that are shown at most.
const ANSWER_BYTES: usize = 200;

/// The end of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has answered with a status of success.
    Accepted,
    /// It did not take the alert this time.
    Later {
        /// The reason.
        reason: String,
        /// The pause that it asks for, at most an hour.
        after: Option<Duration>,
    },
    /// It takes no such alert, now or later.
    Refused {
        /// The reason.
        reason: String,
    },
}

/// A webhook or an e-mail receiver that can be sent to.
#[derive(Debug)]
pub struct Receiver(Kind);

#[derive(Debug)]
enum Kind {
    Webhook(Box<Post>),
    Mail(Box<Mailer>),
}

impl Receiver {
    /// Prepares a webhook.
    ///
    /// # Errors
    /// If its URL cannot be used.
    pub fn new(webhook: Webhook) -> Result<Self, WebhookError> {
        Ok(Self(Kind::Webhook(Box::new(Post::new(webhook)?))))
    }

    /// Prepares an e-mail receiver. If it has TLS, this reads the certificates that the system trusts.
    ///
    /// # Errors
    /// If its server, an address, or the user or password cannot be used.
    pub fn mail(mail: Mail) -> Result<Self, MailError> {
        Ok(Self(Kind::Mail(Box::new(Mailer::new(mail, roots)?))))
    }

    /// Returns the address as it is shown: a URL without path and credentials.
    #[must_use]
    pub fn shown(&self) -> String {
        match &self.0 {
            Kind::Webhook(post) => post.shown(),
            Kind::Mail(mailer) => mailer.shown(),
        }
    }

    /// Sends an alert once.
    pub async fn send(&self, alert: &Alert) -> Outcome {
        match &self.0 {
            Kind::Webhook(post) => post.send(alert).await,
            Kind::Mail(mailer) => mailer.send(alert).await,
        }
    }
}

/// Returns the causes of an error in words, without the error itself, which says where in a library it
/// happened.
pub(super) fn causes(error: &dyn Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !texts.iter().any(|other| other.contains(&text)) {
            texts.push(text);
        }
        cause = error.source();
    }
    if texts.is_empty() { error.to_string() } else { texts.join(": ") }
}

/// Returns the start of an answer, in which nothing is hidden.
pub(super) fn start_of(answer: &str) -> String {
    let end = answer.floor_char_boundary(ANSWER_BYTES);
    answer.get(..end).unwrap_or_default().escape_debug().to_string()
}
