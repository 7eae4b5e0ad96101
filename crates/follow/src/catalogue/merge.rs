//! Several lists, one set of logs: the union by log id.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use ct::LogId;
use ct::log_list::{LogList, State};
use ctclient::Log;

use super::select::{Selection, state_name};
use crate::status::listing::Listing;

/// A log to follow, and its description in the lists.
#[derive(Debug, Clone)]
pub(crate) struct Selected {
    pub(crate) log: Log,
    pub(crate) listing: Listing,
}

/// Returns the logs that at least one list selects. If lists differ, the first one decides the log's
/// URL and state, so the signed one should be first.
pub(super) fn merge(lists: &[(&str, bool, &LogList)], selection: &Selection) -> Vec<Selected> {
    let mut logs: Vec<(Selected, bool)> = Vec::new();
    let mut by_id: HashMap<LogId, usize> = HashMap::new();
    let mut urls: HashSet<String> = HashSet::new();
    for (list_url, signed, list) in lists {
        for listed in &list.logs {
            let wanted = selection.wants(listed);
            if let Some((known, known_wanted)) =
                by_id.get(&listed.log_id).and_then(|at| logs.get_mut(*at))
            {
                known.listing.lists.push((*list_url).to_owned());
                *known_wanted |= wanted;
                continue;
            }
            let log = match Log::from_list(listed) {
                Ok(log) => log,
                Err(error) => {
                    tracing::warn!(%error, list = list_url, "cannot follow a log of the list");
                    continue;
                }
            };
            // The two logs could not be distinguished.
            if !urls.insert(log.url.clone()) {
                tracing::warn!(
                    log = log.name,
                    url = log.url,
                    list = list_url,
                    "two logs at one URL"
                );
                continue;
            }
            let final_head = match &listed.state {
                Some(State::ReadOnly { final_tree_head }) => *final_tree_head,
                _ => None,
            };
            let listing = Listing {
                state: listed.state.as_ref().map(|state| state_name(state).to_owned()),
                lists: vec![(*list_url).to_owned()],
                signed: *signed,
                final_head,
                mmd: listed.mmd.map(Duration::from_secs),
            };
            by_id.insert(listed.log_id, logs.len());
            logs.push((Selected { log, listing }, wanted));
        }
    }
    logs.into_iter().filter(|(_, wanted)| *wanted).map(|(selected, _)| selected).collect()
}

#[cfg(test)]
mod tests;
