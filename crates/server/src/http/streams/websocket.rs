//! Opening a WebSocket: the handshake, and handing the socket over to its connection.

mod connection;
mod intake;
mod peer;
mod timing;

use axum::body::{Body, HttpBody as _};
use axum::http::header::{
    ALLOW, CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version};
use axum::response::IntoResponse as _;
use feed::Framing;
use feed::handshake::{self, Deflate, HandshakeError, Upgrade, VERSION};
use hyper_util::rt::TokioIo;

pub(super) use connection::Client;

use super::name_stream;
use crate::http::listener::socket::Socket;

/// Reports whether a request asks for a WebSocket. One of HTTP/1.0 cannot (RFC 9110 section 7.8).
pub(in crate::http) fn is_upgrade(request: &Request<Body>) -> bool {
    let upgrade = request.headers().get(UPGRADE);
    request.version() >= Version::HTTP_11
        && upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// The accepted parameters of a handshake.
#[derive(Debug)]
pub(super) struct Accepted {
    accept: String,
    /// The form in which permessage-deflate was agreed on.
    deflate: Option<Deflate>,
}

impl Accepted {
    /// Reports whether messages may be compressed.
    pub(super) const fn deflate(&self) -> bool {
        self.deflate.is_some()
    }

    /// Returns the framing of the messages to send.
    pub(super) fn framing(&self) -> Framing {
        self.deflate.map_or(Framing::WebSocket, |deflate| deflate.framing)
    }
}

/// The reason why a request does not open a WebSocket.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// It does not ask for a WebSocket.
    #[error("this is a WebSocket stream: connect to it with a WebSocket client")]
    NoUpgrade,
    /// The handshake is invalid.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The request has a body, which would be read as frames.
    #[error("a websocket handshake has no body")]
    Body,
}

/// Checks the handshake (RFC 6455 section 4.2.1), and offers of compression where it is on.
pub(super) fn handshake(request: &Request<Body>, compression: bool) -> Result<Accepted, Refused> {
    if !is_upgrade(request) {
        return Err(Refused::NoUpgrade);
    }
    let joined = |name: HeaderName| joined(request.headers(), name);
    let (connection, upgrade) = (joined(CONNECTION), joined(UPGRADE));
    let (version, key) = (joined(SEC_WEBSOCKET_VERSION), joined(SEC_WEBSOCKET_KEY));
    let handshake = Upgrade {
        method: request.method().as_str(),
        connection: connection.as_deref(),
        upgrade: upgrade.as_deref(),
        version: version.as_deref(),
        key: key.as_deref(),
    };
    let accept = handshake.accept()?;
    if !request.body().is_end_stream() {
        return Err(Refused::Body);
    }
    let offers = if compression { joined(SEC_WEBSOCKET_EXTENSIONS) } else { None };
    let deflate = offers.and_then(|offers| handshake::accept_deflate(&offers));
    Ok(Accepted { accept, deflate })
}

/// Joins the lines of a header into one list.
fn joined(headers: &HeaderMap, name: HeaderName) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    (!lines.is_empty()).then(|| lines.join(&b','))
}

/// Completes the handshake and serves the client in a task of its own.
#[must_use]
pub(super) fn upgrade(
    mut request: Request<Body>,
    accepted: Accepted,
    client: Client,
) -> Response<Body> {
    let stream = client.notices.stream;
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgraded.await.map(|upgraded| upgraded.downcast::<TokioIo<Socket>>()) {
            // A separate task: the memory of the handshake is freed.
            Ok(Ok(parts)) => {
                tokio::spawn(client.run(parts.io.into_inner(), &parts.read_buf));
            }
            Ok(Err(_)) => tracing::error!("a connection is not the socket it was accepted as"),
            Err(error) => tracing::debug!(%error, "the client disconnected during the handshake"),
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    name_stream(headers, stream);
    if let Ok(accept) = HeaderValue::try_from(accepted.accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(deflate) = accepted.deflate {
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(deflate.answer));
    }
    response
}

/// Returns the answer to a request that does not open a WebSocket.
pub(super) fn refuse(refused: &Refused) -> Response<Body> {
    let status = match refused {
        Refused::NoUpgrade => return upgrade_required(refused),
        Refused::Handshake(error) => {
            StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST)
        }
        Refused::Body => StatusCode::BAD_REQUEST,
    };
    let mut response = Response::new(Body::from(format!("{refused}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
    headers.insert(ALLOW, HeaderValue::from_static("GET"));
    response
}

fn upgrade_required(refused: &Refused) -> Response<Body> {
    let headers =
        [(CONNECTION, "Upgrade"), (UPGRADE, "websocket"), (SEC_WEBSOCKET_VERSION, VERSION)];
    (StatusCode::UPGRADE_REQUIRED, headers, format!("{refused}\n")).into_response()
}
