//! A session with an SMTP server (RFC 5321): one alert, and the replies.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lettre::message::Mailbox;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::message::message;
use super::stream::Limited;
use super::{Login, MAX_ADDRESSES, Mail, MailError, Security, mailbox};
use crate::alert::Alert;
use crate::delivery::receiver::{Outcome, causes, start_of};

/// Time for the end of a session, which changes nothing.
const PARTING: Duration = Duration::from_secs(1);
/// Replies about user and password (RFC 4954 section 6): an operator repairs the settings, so no alert
/// is given up because of them.
const ABOUT_LOGIN: [u16; 4] = [530, 534, 535, 538];

/// An e-mail receiver that can be sent to.
pub(in crate::delivery) struct Mailer {
    mail: Mail,
    server: (ServerName<'static>, u16),
    from: Mailbox,
    to: Vec<Mailbox>,
    protection: Protection,
}

/// The protection of connections, with what it needs.
enum Protection {
    Tls(TlsConnector),
    StartTls(TlsParameters),
    None,
}

impl Mailer {
    /// Prepares an e-mail receiver, whose server has a certificate of one of the authorities that `roots`
    /// returns.
    pub(in crate::delivery) fn new(
        mail: Mail,
        roots: impl FnOnce() -> Vec<CertificateDer<'static>>,
    ) -> Result<Self, MailError> {
        let (name, port) = mail
            .address()
            .map(|(name, port)| (name.to_owned(), port))
            .ok_or_else(|| MailError::Server { server: mail.server.clone() })?;
        let from = mailbox(&mail.from)?;
        if !(1..=MAX_ADDRESSES).contains(&mail.to.len()) {
            return Err(MailError::AddressCount { count: mail.to.len() });
        }
        let to = mail.to.iter().map(|address| mailbox(address)).collect::<Result<_, _>>()?;
        if let Some(Login { user, password }) = &mail.login {
            let is_wrong = |text: &str| text.is_empty() || text.chars().any(char::is_control);
            if is_wrong(user) || is_wrong(password.reveal()) {
                return Err(MailError::Login);
            }
        }
        let protection = match mail.security {
            Security::Tls => Protection::Tls(connector(roots())?),
            Security::StartTls => Protection::StartTls(parameters(&name, roots())?),
            Security::None => Protection::None,
        };
        Ok(Self { mail, server: (name, port), from, to, protection })
    }

    /// Returns the server as it is shown.
    pub(in crate::delivery) fn shown(&self) -> String {
        self.mail.shown()
    }

    /// Sends an alert once.
    pub(in crate::delivery) async fn send(&self, alert: &Alert) -> Outcome {
        let message = match message(alert, &self.from, &self.to, SystemTime::now()) {
            Ok(message) => message,
            Err(error) => return Outcome::Refused { reason: error.to_string() },
        };
        let session = async {
            let mut connection = self.connect().await?;
            let outcome = self.hand_over(&mut connection, &message).await;
            Ok::<_, String>((connection, outcome))
        };
        let (mut connection, outcome) = match timeout(self.mail.timeout, session).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(reason)) => return Outcome::Later { reason, after: None },
            Err(_) => {
                let reason = "it does not answer in time".to_owned();
                return Outcome::Later { reason, after: None };
            }
        };
        if timeout(PARTING, connection.abort()).await.is_err() {
            tracing::debug!(receiver = self.shown(), "the server does not answer QUIT");
        }
        outcome
    }

    /// Connects, as far as a message can be handed over.
    async fn connect(&self) -> Result<AsyncSmtpConnection, String> {
        let (name, port) = &self.server;
        let stream = TcpStream::connect((&*name.to_str(), *port))
            .await
            .map_err(|error| format!("no connection: {error}"))?;
        let addresses = stream.local_addr().and_then(|own| Ok((own, stream.peer_addr()?)));
        let (own, peer) = addresses.map_err(|error| format!("no connection: {error}"))?;
        let stream: Box<dyn AsyncTokioStream> = match &self.protection {
            Protection::Tls(connector) => {
                let stream = connector.connect(name.clone(), stream).await;
                let stream = stream.map_err(|error| format!("no TLS: {error}"))?;
                Box::new(Limited::new(stream, peer))
            }
            Protection::StartTls(_) | Protection::None => Box::new(Limited::new(stream, peer)),
        };
        let own = client_id(own);
        let connection = AsyncSmtpConnection::connect_with_transport(stream, &own).await;
        let mut connection = connection.map_err(|error| reason(&error))?;
        if let Protection::StartTls(parameters) = &self.protection {
            let encrypted = connection.starttls(parameters.clone(), &own).await;
            encrypted.map_err(|error| format!("no TLS: {}", reason(&error)))?;
        }
        if let Some(Login { user, password }) = &self.mail.login {
            let credentials = Credentials::new(user.clone(), password.reveal().to_owned());
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            let accepted = connection.auth(&mechanisms, &credentials).await;
            accepted.map_err(|error| reason_about_login(&error))?;
        }
        Ok(connection)
    }

    /// Hands a message over, for all addresses that the server takes.
    async fn hand_over(&self, connection: &mut AsyncSmtpConnection, message: &[u8]) -> Outcome {
        if let Err(error) =
            connection.command(MailFrom::new(Some(self.from.email.clone()), vec![])).await
        {
            return failed(&error);
        }
        let (mut refused, mut last) = (0, String::new());
        for address in &self.to {
            let taken = connection.command(Rcpt::new(address.email.clone(), vec![])).await;
            match taken.map_err(|error| failed(&error)) {
                Ok(_) => {}
                Err(Outcome::Refused { reason }) => (refused, last) = (refused + 1, reason),
                // The others have to wait, so that none of them gets the alert twice.
                Err(later) => return later,
            }
        }
        if refused == self.to.len() {
            return Outcome::Refused { reason: last };
        }
        if let Err(error) = connection.command(Data).await {
            return failed(&error);
        }
        if let Err(error) = connection.message(message).await {
            return failed(&error);
        }
        if refused > 0 {
            let (receiver, of) = (self.shown(), self.to.len());
            tracing::warn!(
                receiver,
                refused,
                of,
                reason = last,
                "an alert does not arrive at some of the addresses of a receiver"
            );
        }
        Outcome::Accepted
    }
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mailer").field(&self.mail).finish()
    }
}

/// Returns the certificates that the system trusts; if it has none, those that browsers trust.
pub(in crate::delivery) fn roots() -> Vec<CertificateDer<'static>> {
    let roots = rustls_native_certs::load_native_certs().certs;
    if roots.is_empty() { webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec() } else { roots }
}

fn connector(roots: Vec<CertificateDer<'static>>) -> Result<TlsConnector, MailError> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots);
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| MailError::Tls(error.into()))?;
    let config = config.with_root_certificates(store).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn parameters(
    server: &ServerName<'_>,
    roots: Vec<CertificateDer<'static>>,
) -> Result<TlsParameters, MailError> {
    let wrong = |error: Error| MailError::Tls(error.into());
    let mut builder = TlsParameters::builder(server.to_str().into_owned())
        .certificate_store(CertificateStore::None);
    for root in roots {
        // Stores of systems have some that cannot be read.
        if RootCertStore::empty().add(root.clone()).is_ok() {
            let root = Certificate::from_der(root.to_vec()).map_err(wrong)?;
            builder = builder.add_root_certificate(root);
        }
    }
    builder.build_rustls().map_err(wrong)
}

/// Returns the name that the client gives to the server: its address (RFC 5321 section 4.1.4).
fn client_id(own: SocketAddr) -> ClientId {
    match own {
        SocketAddr::V4(own) => ClientId::Ipv4(*own.ip()),
        SocketAddr::V6(own) => ClientId::Ipv6(*own.ip()),
    }
}

/// Returns the outcome of a command about the message that did not succeed.
fn failed(error: &Error) -> Outcome {
    let reason = reason(error);
    let is_about_login = error.status().is_some_and(|code| ABOUT_LOGIN.contains(&code.into()));
    if error.is_permanent() && !is_about_login {
        Outcome::Refused { reason }
    } else {
        Outcome::Later { reason, after: None }
    }
}

/// Returns a failure in words.
fn reason(error: &Error) -> String {
    let causes = causes(error);
    match error.status() {
        Some(code) => format!("it answers {code}: {}", start_of(&causes)),
        None => start_of(&causes),
    }
}

/// Returns a failure to give user and password in words. A reply could repeat them, so it is left out.
fn reason_about_login(error: &Error) -> String {
    match error.status() {
        Some(code) => format!("it answers {code} to user and password"),
        None if error.is_client() => {
            "it takes no user and password by AUTH PLAIN or AUTH LOGIN".to_owned()
        }
        None => "the connection breaks while user and password are sent".to_owned(),
    }
}
