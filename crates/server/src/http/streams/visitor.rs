//! The description of a client that connects, for statistics and log lines.

use axum::body::Body;
use axum::http::Request;
use axum::http::header::USER_AGENT;
use config::Config;

use crate::http::guard::{self, Policy};
use crate::metrics::clients::{Identity, Visitor};

/// Characters kept of a `User-Agent`.
const LONGEST_AGENT: usize = 200;

/// Describes the client of a request; its address and program only where the configuration asks for
/// them.
pub(in crate::http) fn of(config: &Config, policy: &Policy, request: &Request<Body>) -> Visitor {
    let headers = request.headers();
    let asked = config.log_client_addresses || config.stats.client_addresses;
    let identity = asked.then(|| Identity {
        address: guard::client_address(policy, headers, request.extensions()),
        user_agent: headers
            .get(USER_AGENT)
            .and_then(|agent| agent.to_str().ok())
            .map(|agent| agent.chars().take(LONGEST_AGENT).collect::<String>().into_boxed_str()),
    });
    Visitor { path: request.uri().path().into(), identity }
}
