//! The reasons why a broker did not take a message.

use thiserror::Error;

/// The reason why a message is not published. Texts say what to do, for the log.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Failure {
    /// The broker does not answer or does not accept the client: another attempt may succeed.
    #[error("{0}")]
    Unavailable(String),
    /// The broker has no room for the message at present.
    #[error("{0}")]
    Full(String),
    /// The broker will never take this message.
    #[error("{0}")]
    Refused(String),
}

/// Returns the texts of an error and of its causes, without repeating any.
pub(crate) fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let next_text = next.to_string();
        if !text.contains(&next_text) {
            text = format!("{text}: {next_text}");
        }
        cause = next.source();
    }
    text
}
