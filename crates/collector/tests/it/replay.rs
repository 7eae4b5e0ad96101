//! A small WebSocket server that sends given messages.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use parking_lot::Mutex;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use wire::{Profile, StreamKind};

/// The script of one connection.
#[derive(Clone)]
pub(crate) struct Session {
    /// Messages to send.
    pub(crate) messages: Vec<Message>,
    /// True if the connection stays open afterwards.
    pub(crate) stays: bool,
    /// True if parameters that only certstream-server knows are refused.
    pub(crate) is_strict: bool,
    /// True if one request is refused in place of a connection.
    pub(crate) is_refused: bool,
}

impl Session {
    pub(crate) fn of(messages: impl IntoIterator<Item = String>, stays: bool) -> Self {
        let messages = messages.into_iter().map(Message::text).collect();
        Self { messages, stays, is_strict: false, is_refused: false }
    }
}

/// The parameters that every request has, for certstream-server.
const EXTRAS: &str = "compat=calidog&heartbeat=true";

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedRequest {
    /// The path and query, without the parameters that every request has.
    pub(crate) target: String,
    /// True if it had those parameters.
    pub(crate) has_extras: bool,
    pub(crate) authorization: Option<String>,
}

/// A server with a session for each connection; the last session serves all later ones.
pub(crate) struct Replay {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<ReceivedRequest>>>,
    task: JoinHandle<()>,
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Replay {
    pub(crate) async fn start(sessions: Vec<Session>) -> Self {
        Self::start_with(sessions, None).await
    }

    pub(crate) async fn start_with(sessions: Vec<Session>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(serve(listener, sessions, Arc::clone(&requests), tls));
        Self { address, requests, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<ReceivedRequest> {
        self.requests.lock().clone()
    }
}

async fn serve(
    listener: TcpListener,
    sessions: Vec<Session>,
    requests: Arc<Mutex<Vec<ReceivedRequest>>>,
    tls: Option<TlsAcceptor>,
) {
    let mut next = 0;
    loop {
        let Ok((socket, _)) = listener.accept().await else { return };
        let session = sessions[next.min(sessions.len() - 1)].clone();
        let served = match &tls {
            None => run(socket, session, &requests).await,
            Some(tls) => match tls.accept(socket).await {
                Ok(socket) => run(socket, session, &requests).await,
                Err(_) => false,
            },
        };
        next += usize::from(served);
    }
}

/// Runs a session, and reports whether there was one.
async fn run<S>(socket: S, session: Session, requests: &Mutex<Vec<ReceivedRequest>>) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    #[allow(clippy::result_large_err, reason = "the library's type")]
    let see = |request: &Request, response: Response| {
        let header = request.headers().get("authorization");
        let authorization = header.map(|value| value.to_str().expect("text").to_owned());
        let target = request.uri().to_string();
        let has_extras = target.contains(EXTRAS);
        let target = target.replace(EXTRAS, "").replace("?&", "?").replace("&&", "&");
        let target = target.trim_end_matches(['?', '&']).to_owned();
        requests.lock().push(ReceivedRequest { target, has_extras, authorization });
        if has_extras && session.is_strict {
            let refusal = Response::builder().status(400).body(Some("what is compat?".to_owned()));
            return Err(refusal.expect("a response"));
        }
        if session.is_refused {
            let refusal = Response::builder().status(404).body(None);
            return Err(refusal.expect("a response"));
        }
        Ok(response)
    };
    let limits = WebSocketConfig::default().max_write_buffer_size(1 << 30);
    let accepted = tokio_tungstenite::accept_hdr_async_with_config(socket, see, Some(limits));
    let Ok(mut socket) = accepted.await else { return session.is_refused };
    for message in session.messages {
        if socket.feed(message).await.is_err() {
            return true;
        }
    }
    if socket.flush().await.is_err() {
        return true;
    }
    if session.stays {
        // Answers pings until the client disconnects.
        tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
    } else {
        // Without a Close frame, as when a server is killed; failures do not matter.
        drop(socket.get_mut().shutdown().await);
    }
    true
}

/// Returns a self-signed certificate for a name (PEM), and an acceptor that serves with it.
pub(crate) fn certified(name: &str) -> (String, TlsAcceptor) {
    certified_as(&CertificateParams::new(vec![name.to_owned()]).expect("a name"))
}

/// Returns a self-signed certificate with these parameters (PEM), and an acceptor for it.
pub(crate) fn certified_as(params: &CertificateParams) -> (String, TlsAcceptor) {
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a pair");
    (certificate.pem(), TlsAcceptor::from(Arc::new(tls)))
}

/// Returns a complete lite message about an entry.
pub(crate) fn message(offset: Option<u64>, log: &str, index: u64) -> String {
    let mut message = Vec::new();
    wire::sample(StreamKind::Lite, Profile::Calidog, &mut message);
    let mut message: Value = serde_json::from_slice(&message).expect("JSON");
    match offset {
        Some(offset) => message["offset"] = json!(offset),
        None => drop(message.as_object_mut().expect("an object").remove("offset")),
    }
    message["data"]["cert_index"] = json!(index);
    message["data"]["source"]["name"] = json!(log);
    message["data"]["source"]["url"] = json!(format!("https://{log}"));
    message["data"]["source"]["log_id"] = json!(null);
    message.to_string()
}

/// Returns messages about consecutive entries of a log, with offsets from `offset` on.
pub(crate) fn messages(offset: u64, log: &str, indexes: std::ops::Range<u64>) -> Vec<String> {
    let first = indexes.start;
    indexes.map(|index| message(Some(offset + index - first), log, index)).collect()
}
