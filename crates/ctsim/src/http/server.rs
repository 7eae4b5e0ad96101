//! HTTP connections, and the sending of responses.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::http::answer::{Answer, Delivery};
use crate::http::body::Body;
use crate::http::host::Host;
use crate::http::site::Site;

/// The pause after the system has refused a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The request gets no answer.
#[derive(Debug)]
struct HungUp;

impl fmt::Display for HungUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hung up on purpose")
    }
}

impl std::error::Error for HungUp {}

/// Serves `site` until the task is aborted, which ends all connections too.
pub(crate) async fn run(site: Arc<Site>, host: Arc<Host>, mut listener: TcpListener) {
    let mut away = host.watch();
    loop {
        let mut connections = JoinSet::new();
        tokio::select! {
            () = accept(&site, &host, &listener, &mut connections) => {}
            // The host, which has the sender, exists as long as this.
            _ = away.wait_for(|away| *away) => {}
        }
        drop(listener);
        connections.shutdown().await;
        listener = match come_back(&host, &mut away).await {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(host = host.base_url(), %error, "cannot listen again");
                return;
            }
        };
    }
}

/// Listens again once the host is not away any more.
async fn come_back(
    host: &Host,
    away: &mut tokio::sync::watch::Receiver<bool>,
) -> io::Result<TcpListener> {
    let reserved = host.reserve()?;
    away.wait_for(|away| !*away).await.map_err(io::Error::other)?;
    Host::listen(reserved)
}

async fn accept(
    site: &Arc<Site>,
    host: &Arc<Host>,
    listener: &TcpListener,
    connections: &mut JoinSet<()>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                connections.spawn(serve(Arc::clone(site), Arc::clone(host), stream, peer));
                while connections.try_join_next().is_some() {}
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(site: Arc<Site>, host: Arc<Host>, stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
    }
    let service = service_fn(|request| {
        let (site, host) = (Arc::clone(&site), Arc::clone(&host));
        async move { respond(&site, &host, &request).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

async fn respond(
    site: &Site,
    host: &Host,
    request: &Request<Incoming>,
) -> Result<Response<Body>, HungUp> {
    let path = request.uri().path().trim_start_matches('/');
    let answer = match request.method() {
        &Method::GET | &Method::HEAD => {
            site.answer(host, path, request.uri().query().unwrap_or_default()).await
        }
        _ => Answer::text("only GET").with_status(StatusCode::METHOD_NOT_ALLOWED),
    };
    tracing::debug!(path, status = answer.status.as_u16(), bytes = answer.body.len(), "answered");
    match answer.delivery {
        Delivery::Never => Err(HungUp),
        _ => Ok(into_response(answer)),
    }
}

fn into_response(answer: Answer) -> Response<Body> {
    let mut response = Response::new(Body::new(answer.body, answer.delivery));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    let field =
        answer.field.and_then(|(name, text)| Some((name, HeaderValue::try_from(text).ok()?)));
    if let Some((name, value)) = field {
        headers.insert(name, value);
    }
    response
}
