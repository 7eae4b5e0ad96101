//! What is remembered of a client that connects.

use axum::http::header::USER_AGENT;
use axum::http::{Extensions, HeaderMap, Uri};

use crate::http::{Shared, guard};
use crate::metrics::clients::{Identity, Visitor};

/// A longer name is no use to anybody.
const LONGEST_AGENT: usize = 200;

/// The client of a request; its address and program only where the configuration asks for them.
pub(super) fn of(
    shared: &Shared,
    uri: &Uri,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Visitor {
    let config = &shared.config;
    let asked = config.log_client_addresses || config.stats.client_addresses;
    let identity = asked.then(|| Identity {
        address: guard::client_address(&shared.policy, headers, extensions),
        user_agent: headers
            .get(USER_AGENT)
            .and_then(|agent| agent.to_str().ok())
            .map(|agent| agent.chars().take(LONGEST_AGENT).collect::<String>().into_boxed_str()),
    });
    Visitor { path: uri.path().into(), identity }
}
