//! HTTP: connections, paths, and the one place where faults happen.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::answer::Answer;
use crate::call::{Call, Endpoint};
use crate::fault::Fault;
use crate::list::List;
use crate::log::Log;
use crate::rfc6962::{self, Pages};
use crate::static_ct;

/// How long to wait when the system has no more connections to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// All that is served.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) list: List,
    /// By the first segment of their paths.
    pub(crate) logs: HashMap<String, Arc<Log>>,
    pub(crate) pages: Pages,
}

/// Serves `site` until the task is aborted, which ends all connections too.
pub(crate) async fn run(site: Arc<Site>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                connections.spawn(serve(Arc::clone(&site), stream, peer));
                while connections.try_join_next().is_some() {}
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(site: Arc<Site>, stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
    }
    let service = service_fn(|request| {
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(respond(&site, &request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

async fn respond(site: &Site, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path().trim_start_matches('/');
    let answer = match request.method() {
        &Method::GET | &Method::HEAD => {
            site.answer(path, request.uri().query().unwrap_or_default()).await
        }
        _ => Answer::text("only GET").with_status(StatusCode::METHOD_NOT_ALLOWED),
    };
    tracing::debug!(path, status = answer.status.as_u16(), bytes = answer.body.len(), "answered");
    into_response(answer)
}

fn into_response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    if let Some(value) = answer.retry_after.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(RETRY_AFTER, value);
    }
    response
}

impl Site {
    async fn answer(&self, path: &str, query: &str) -> Answer {
        if let Some(file) = self.list.file(path) {
            return self.answer_list(file).await;
        }
        let found = path.split_once('/').and_then(|(name, rest)| {
            let log = self.logs.get(name)?;
            Some((log, rest, Endpoint::of_path(log.identity.protocol, rest)?))
        });
        match found {
            Some((log, rest, endpoint)) => self.answer_log(log, endpoint, rest, query).await,
            None => Answer::not_found("no such path"),
        }
    }

    async fn answer_list(&self, file: Answer) -> Answer {
        let misfortune = self.list.faults.take(Endpoint::LogList);
        self.list.stats.count(Endpoint::LogList, misfortune.is_any());
        tokio::time::sleep(misfortune.delay).await;
        misfortune.replacement().unwrap_or(file)
    }

    async fn answer_log(&self, log: &Log, endpoint: Endpoint, path: &str, query: &str) -> Answer {
        let misfortune = log.faults.take(endpoint);
        log.stats.count(endpoint, misfortune.is_any());
        if !misfortune.delay.is_zero() {
            tokio::time::sleep(misfortune.delay).await;
        }
        if let Some(answer) = misfortune.replacement() {
            return answer;
        }
        match Call::read(endpoint, path, query) {
            Ok(call) => self.answer_call(log, &call, misfortune.fault.as_ref()),
            Err(reason) => Answer::bad_request(reason),
        }
    }

    /// The log's own answer, changed by those faults that change what it says.
    fn answer_call(&self, log: &Log, call: &Call, fault: Option<&Fault>) -> Answer {
        let empty_page = fault == Some(&Fault::EmptyPage);
        match call {
            Call::GetSth | Call::Checkpoint => head(log, call, fault),
            Call::GetEntries { .. } if empty_page => rfc6962::no_entries(),
            Call::GetEntries { start, end } => rfc6962::get_entries(log, *start, *end, self.pages),
            Call::GetSthConsistency { first, second } => {
                rfc6962::get_sth_consistency(log, *first, *second)
            }
            Call::GetProofByHash { hash, tree_size } => {
                rfc6962::get_proof_by_hash(log, hash, *tree_size)
            }
            Call::GetEntryAndProof { leaf_index, tree_size } => {
                rfc6962::get_entry_and_proof(log, *leaf_index, *tree_size)
            }
            Call::GetRoots => rfc6962::get_roots(log),
            Call::Tile(_) if empty_page => Answer::octets(Bytes::new()),
            Call::Tile(tile) => static_ct::tile(log, tile),
            Call::Issuer(fingerprint) => static_ct::issuer(log, fingerprint),
        }
    }
}

/// The newest head, or the one the fault wants.
fn head(log: &Log, call: &Call, fault: Option<&Fault>) -> Answer {
    match log.head_under(fault) {
        Ok(head) if *call == Call::GetSth => Answer::json(head.body.clone()),
        Ok(head) => Answer::text(head.body.clone()),
        Err(error) => {
            tracing::error!(log = log.identity.name, %error, "no head");
            Answer::text("no head").with_status(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}
