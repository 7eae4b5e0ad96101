//! The filter, for servers that do not apply it.

use std::net::IpAddr;

use wire::SourceKind;
use wire::decode::Update;
use wire::filter::{Filter, Parameter, Subject};
use wire::source::Source;

use crate::table::schema::Rows;

/// Applies a filter with the predicate of our server; what our server has passed passes here too.
#[derive(Debug)]
pub(super) struct Local {
    filter: Filter,
    subject: Subject,
    has_logs: bool,
    /// Whether an address is looked for, which is no name that messages list.
    has_addresses: bool,
}

impl Local {
    /// Applies what can be judged from a row: a domains-only message names neither issuer nor log.
    pub(super) fn new(filter: &Filter, rows: Rows) -> Option<Self> {
        let filter = match rows {
            Rows::Certificates { .. } => filter.clone(),
            Rows::Domains => names_only(filter)?,
        };
        let has_logs = !filter.terms(Parameter::Log).is_empty();
        let is_address = |term: &str| term.parse::<IpAddr>().is_ok();
        let has_addresses = filter.terms(Parameter::Domain).iter().any(|term| is_address(term));
        Some(Self { filter, subject: Subject::default(), has_logs, has_addresses })
    }

    /// Whether an entry passes. Our server, which numbers its messages, has compared addresses too,
    /// and names that a truncated message does not show.
    pub(super) fn passes(&mut self, update: &Update<'_>) -> bool {
        if update.truncated || (self.has_addresses && update.offset.is_some()) {
            return true;
        }
        self.subject.clear();
        for name in &update.leaf.all_domains {
            self.subject.add_name(name);
        }
        let issuer = &update.leaf.issuer;
        for name in [&issuer.common_name, &issuer.organization].into_iter().flatten() {
            self.subject.add_issuer(name);
        }
        if self.has_logs {
            let log = &update.source;
            let text = |it: &Option<std::borrow::Cow<'_, str>>| {
                it.as_deref().unwrap_or_default().to_owned()
            };
            let id = log.log_id.as_deref().map(str::to_owned);
            let (name, url) = (text(&log.name), text(&log.url));
            self.subject.set_log(&Source::new(name, &url, "", SourceKind::Rfc6962, id));
        }
        self.filter.passes(&self.subject)
    }
}

/// The terms that names alone can be compared with.
fn names_only(filter: &Filter) -> Option<Filter> {
    let terms =
        |parameter: Parameter| filter.terms(parameter).iter().map(move |it| (parameter.name(), it));
    let kept = [Parameter::Domain, Parameter::Match].into_iter().flat_map(terms);
    let kept = Filter::parse(kept, usize::MAX).ok().flatten();
    if kept.as_ref() != Some(filter) {
        tracing::warn!(
            "domains-only messages name neither issuer nor log: where the server does not filter by them, nothing does"
        );
    }
    kept
}
