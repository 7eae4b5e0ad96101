//! The selection of logs of a list.

use ct::log_list::{ListedLog, LogKind, LogType, State};
use ctclient::plain;

use crate::position::without_scheme;

/// The logs of the lists that are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The names of the states whose logs are followed, such as `usable`.
    pub states: Vec<String>,
    /// True if logs that are not for production (tests, mirrors) and logs without a state are
    /// followed too, unless they have retired or been rejected.
    pub include_test: bool,
    /// True if RFC 6962 logs are followed.
    pub rfc6962: bool,
    /// True if static-ct logs are followed.
    pub static_ct: bool,
    /// Operators whose logs are not followed. Case and punctuation of names do not matter.
    pub excluded_operators: Vec<String>,
    /// Logs that are not followed: a name, a log id, or a URL, which may also be that of a host or
    /// of all logs below it.
    pub excluded_logs: Vec<String>,
}

impl Default for Selection {
    /// Returns the logs that clients accept or accepted recently.
    fn default() -> Self {
        Self {
            states: ["qualified", "usable", "readonly"].map(str::to_owned).to_vec(),
            include_test: false,
            rfc6962: true,
            static_ct: true,
            excluded_operators: Vec::new(),
            excluded_logs: Vec::new(),
        }
    }
}

impl Selection {
    /// Reports whether this log is followed, as this list describes it.
    pub(super) fn wants(&self, log: &ListedLog) -> bool {
        let protocol = match log.kind {
            LogKind::Rfc6962 { .. } => self.rfc6962,
            LogKind::StaticCt { .. } => self.static_ct,
        };
        protocol && self.wants_state(log) && !self.excludes(log)
    }

    fn wants_state(&self, log: &ListedLog) -> bool {
        let state = log.state.as_ref().map(state_name);
        let chosen = state.is_some_and(|state| self.states.iter().any(|wanted| wanted == state));
        match (&log.log_type, state) {
            (LogType::Prod, Some(_)) => chosen,
            (_, Some("retired" | "rejected")) => self.include_test && chosen,
            _ => self.include_test,
        }
    }

    fn excludes(&self, log: &ListedLog) -> bool {
        let operator = plain(&log.operator);
        self.excluded_operators.iter().any(|name| plain(name) == operator)
            || self.excluded_logs.iter().any(|what| is_meant(what, log))
    }
}

/// Reports whether a text is a log's name, id or URL.
fn is_meant(what: &str, log: &ListedLog) -> bool {
    let urls = match &log.kind {
        LogKind::Rfc6962 { url } => [url, url],
        LogKind::StaticCt { submission_url, monitoring_url } => [submission_url, monitoring_url],
    };
    log.log_id.to_string() == what
        || log.description.as_ref().is_some_and(|name| plain(name) == plain(what))
        || urls.iter().any(|url| is_at_or_below(without_scheme(url), without_scheme(what)))
}

/// Reports whether one address is another or lies below it. Only a text with the form of an address has
/// logs below it.
fn is_at_or_below(url: &str, address: &str) -> bool {
    let below = |rest: &str| rest.is_empty() || rest.starts_with('/');
    address.contains(['.', ':']) && url.strip_prefix(address).is_some_and(below)
}

/// The state as the list spells it.
pub(super) fn state_name(state: &State) -> &str {
    match state {
        State::Pending => "pending",
        State::Qualified => "qualified",
        State::Usable => "usable",
        State::ReadOnly { .. } => "readonly",
        State::Retired => "retired",
        State::Rejected => "rejected",
        State::Unknown(name) => name,
    }
}
