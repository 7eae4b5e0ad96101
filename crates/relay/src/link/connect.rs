//! Connecting to the servers, and the reasons why that fails.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_nats::rustls;
use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event, ServerError};
use parking_lot::Mutex;

use crate::error::OpenError;
use crate::settings::{Credentials, Settings};

/// Interval of pings on a connection on which nothing arrives. Two may be unanswered, and at the time of
/// the third one the connection is given up: a server whose machine dies silently is left after three
/// intervals. A server that only writes slowly is not: it answers pings beside its streams. Only reads of
/// the bucket are answered by the task that answers pings, and wait for its disk; after more than 4 seconds
/// of that another connection is no worse, and what has no outcome is published again.
const PING_EVERY: Duration = Duration::from_secs(2);

/// The last thing that the servers have forbidden, which they report apart from the request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Denials(Arc<Mutex<Option<String>>>);

impl Denials {
    fn note(&self, event: &Event) {
        let Event::ServerError(ServerError::Other(text)) = event else { return };
        tracing::warn!(error = text, "the servers of the cluster report an error");
        if text.to_ascii_lowercase().contains("permissions violation") {
            *self.0.lock() = Some(text.clone());
        }
    }

    /// Returns an error for a request without response: servers do not respond to what they forbid.
    pub(crate) fn explain(&self, error: OpenError) -> OpenError {
        match (error, self.0.lock().take()) {
            (OpenError::Unreachable(_), Some(text)) => OpenError::Denied(text),
            (error, _) => error,
        }
    }
}

/// Connects to one of the servers.
pub(crate) async fn connect(settings: &Settings) -> Result<(Client, Denials), OpenError> {
    let denials = Denials::default();
    let noting = denials.clone();
    let options = options(settings).await?.event_callback(move |event| {
        noting.note(&event);
        std::future::ready(())
    });
    let client = options.connect(&settings.servers).await.map_err(|error| refusal(&error))?;
    Ok((client, denials))
}

async fn options(settings: &Settings) -> Result<ConnectOptions, OpenError> {
    let mut options = ConnectOptions::new()
        .name("certstream-server")
        .connection_timeout(settings.timeout)
        .request_timeout(Some(settings.timeout))
        .ping_interval(PING_EVERY)
        .require_tls(settings.requires_tls);
    options = match settings.credentials.clone() {
        Credentials::None => options,
        Credentials::User { user, password } => options.user_and_password(user, password),
        Credentials::Token(token) => options.token(token),
        Credentials::Nkey(seed) => options.nkey(seed),
        Credentials::File(path) => {
            let text = tokio::fs::read_to_string(&path).await;
            let text = text.map_err(|error| OpenError::File(path.clone(), error))?;
            options.credentials(&text).map_err(|error| OpenError::File(path, error))?
        }
    };
    if let Some(ca) = &settings.ca {
        // A missing file would otherwise be reported as an unreachable server.
        tokio::fs::read(ca).await.map_err(|error| OpenError::File(ca.clone(), error))?;
        options = options.add_root_certificates(ca.clone());
    }
    Ok(options)
}

/// Sorts the reasons why no connection was made.
fn refusal(error: &ConnectError) -> OpenError {
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            OpenError::Credentials
        }
        ConnectErrorKind::ServerParse => OpenError::Address(chain(error)),
        ConnectErrorKind::Tls => OpenError::Tls(chain(error)),
        _ if causes(error).any(is_of_tls) => OpenError::Tls(chain(error)),
        _ if causes(error).any(is_expired) => OpenError::Credentials,
        _ => OpenError::Unreachable(chain(error)),
    }
}

/// Returns an error and its causes.
pub(super) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

fn is_of_tls(error: &(dyn Error + 'static)) -> bool {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inner.is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>)
}

/// Reports whether a server says that credentials do not count any more.
fn is_expired(error: &(dyn Error + 'static)) -> bool {
    let Some(ServerError::Other(text)) = error.downcast_ref() else { return false };
    let text = text.to_ascii_lowercase();
    text.contains("authentication expired") || text.contains("authentication revoked")
}

/// Returns the texts of an error and its causes, each once.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for cause in causes(error) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            let separator = if text.is_empty() { "" } else { ": " };
            text = format!("{text}{separator}{cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_that_are_over_are_recognised() {
        let error = |text: &str| {
            let source = ServerError::Other(text.to_owned());
            refusal(&ConnectError::with_source(ConnectErrorKind::Io, source))
        };
        assert!(matches!(error("User Authentication Expired"), OpenError::Credentials));
        let full = error("maximum connections exceeded");
        assert!(matches!(full, OpenError::Unreachable(_)) && full.is_temporary(), "{full}");
    }
}
