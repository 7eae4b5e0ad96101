//! All that is served, by path, and the one place where faults happen.

use std::collections::HashMap;
use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::fault::{Fault, InjectedFaults};
use crate::http::answer::Answer;
use crate::http::body::corrupt;
use crate::http::call::{Call, Endpoint};
use crate::http::host::Host;
use crate::http::rfc6962::{self, Pages};
use crate::http::static_ct;
use crate::list::List;
use crate::log::Log;
use crate::log::head;
use crate::log::view::View;

/// The path of the counts of requests, faults and refusals, as JSON.
const STATS: &str = "stats.json";

/// All that is served.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) list: List,
    /// By the first segment of their paths.
    pub(crate) logs: HashMap<String, Arc<Log>>,
    pub(crate) hosts: Vec<Arc<Host>>,
    pub(crate) pages: Pages,
}

impl Site {
    pub(crate) async fn answer(&self, host: &Host, path: &str, query: &str) -> Answer {
        if let Some(file) = self.list.file(path) {
            return self.answer_list(file).await;
        }
        if path == STATS {
            return Answer::json(self.stats().to_string());
        }
        let found = path.split_once('/').and_then(|(name, rest)| {
            let log = self.logs.get(name)?;
            Some((log, rest, Endpoint::of_path(log.identity.protocol, rest)?))
        });
        match found {
            Some((log, rest, endpoint)) => {
                self.answer_log(host, log, endpoint, (rest, query)).await
            }
            None => Answer::not_found("no such path"),
        }
    }

    async fn answer_list(&self, file: Answer) -> Answer {
        let injected = self.list.faults.take(Endpoint::LogList, None);
        self.list.stats.count(Endpoint::LogList, injected.is_any());
        apply_faults(injected, |_| file).await
    }

    async fn answer_log(
        &self,
        host: &Host,
        log: &Log,
        endpoint: Endpoint,
        (path, query): (&str, &str),
    ) -> Answer {
        if let Some(refusal) = host.limiter().refusal().or_else(|| log.limiter.refusal()) {
            log.stats.count(endpoint, false);
            return refusal;
        }
        let call = match Call::read(endpoint, path, query) {
            Ok(call) => call,
            Err(reason) => {
                log.stats.count(endpoint, false);
                return Answer::bad_request(reason);
            }
        };
        let injected = log.faults.take(endpoint, Some(&call));
        log.stats.count(endpoint, injected.is_any());
        apply_faults(injected, |fault| self.answer_call(log, &call, fault)).await
    }

    /// The log's own answer, changed by those faults that change what it says.
    fn answer_call(&self, log: &Log, call: &Call, fault: Option<&Fault>) -> Answer {
        let view = View::new(log, fault);
        match call {
            Call::GetSth | Call::Checkpoint => head(log, call, fault),
            Call::GetEntries { start, end } => {
                rfc6962::get_entries(log, [*start, *end], self.pages, fault)
            }
            Call::GetSthConsistency { first, second } => {
                rfc6962::get_sth_consistency(view, *first, *second)
            }
            Call::GetProofByHash { hash, tree_size } => {
                rfc6962::get_proof_by_hash(view, hash, *tree_size)
            }
            Call::GetEntryAndProof { leaf_index, tree_size } => {
                rfc6962::get_entry_and_proof(view, *leaf_index, *tree_size)
            }
            Call::GetRoots => rfc6962::get_roots(log),
            Call::Tile(tile) => static_ct::tile(log, tile, fault),
            Call::Issuer(fingerprint) => static_ct::issuer(log, fingerprint, fault),
        }
    }

    fn stats(&self) -> Value {
        let logs = self.logs.values().map(|log| {
            json!({
                "name": log.identity.name,
                "url": log.identity.url,
                "size": log.size(),
                "requests": log.stats.by_endpoint(),
                "faults": log.stats.faults(),
                "entries": log.stats.entries(),
                "violations": log.limiter.violations(),
            })
        });
        let hosts = self.hosts.iter().map(
            |host| json!({ "url": host.base_url(), "violations": host.limiter().violations() }),
        );
        json!({ "logs": logs.collect::<Vec<_>>(), "hosts": hosts.collect::<Vec<_>>() })
    }
}

/// Returns the response of `answer`, changed or replaced by the injected fault.
async fn apply_faults(
    injected: InjectedFaults,
    answer: impl FnOnce(Option<&Fault>) -> Answer,
) -> Answer {
    if !injected.delay.is_zero() {
        tokio::time::sleep(injected.delay).await;
    }
    if let Some(replacement) = injected.replacement() {
        return replacement;
    }
    let fault = injected.fault.as_ref();
    let answer = answer(fault);
    match fault {
        Some(Fault::Body(fault)) => corrupt(answer, *fault).unwrap_or_else(|error| broken(&error)),
        _ => answer,
    }
}

/// The newest head, or the one the fault wants.
fn head(log: &Log, call: &Call, fault: Option<&Fault>) -> Answer {
    match head::under(log, fault) {
        Ok(head) if *call == Call::GetSth => Answer::json(head.body.clone()),
        Ok(head) => Answer::text(head.body.clone()),
        Err(error) => broken(&error),
    }
}

fn broken(error: &dyn std::error::Error) -> Answer {
    tracing::error!(%error, "cannot answer");
    Answer::text("cannot answer").with_status(StatusCode::INTERNAL_SERVER_ERROR)
}
