//! Pages of followers as pages of the sequencer.

use std::collections::HashMap;
use std::sync::Arc;

use ctclient::{Log, Protocol, ReadTree};
use follow::{GapReason, LogStatus, Page};
use record::{LogIdentity, Proved, Tree};

/// Converts pages, and keeps one identity for each log.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// By URL.
    identities: HashMap<String, (Arc<Log>, Arc<LogIdentity>)>,
}

impl Pages {
    /// Converts a page.
    pub(crate) fn convert(&mut self, page: Page) -> ingest::Page<Arc<LogStatus>> {
        let Page { log, first, entries, end, gap, tree, .. } = page;
        ingest::Page {
            log: self.identity(&log.log),
            first,
            end,
            records: entries,
            gap: gap.map(|gap| (gap.range, reason(gap.reason))),
            largest_head: log.largest_head(),
            tree: tree.map(read_tree).filter(|tree| tree.is_consistent(end)),
            ticket: log,
        }
    }

    fn identity(&mut self, log: &Arc<Log>) -> Arc<LogIdentity> {
        if let Some((known, identity)) = self.identities.get(&log.url)
            && Arc::ptr_eq(known, log)
        {
            return Arc::clone(identity);
        }
        let identity = Arc::new(LogIdentity {
            id: log.id,
            url: log.url.clone(),
            name: log.name.clone(),
            operator: log.operator.clone(),
            protocol: match log.protocol {
                Protocol::Rfc6962 => record::Protocol::Rfc6962,
                Protocol::StaticCt => record::Protocol::StaticCt,
            },
        });
        let row = (Arc::clone(log), Arc::clone(&identity));
        self.identities.insert(log.url.clone(), row);
        identity
    }
}

const fn reason(reason: GapReason) -> record::GapReason {
    match reason {
        GapReason::TooFarBehind => record::GapReason::Skipped,
        GapReason::Unreadable => record::GapReason::Unreadable,
    }
}

fn read_tree(tree: ReadTree) -> Tree {
    let proved = Proved { size: tree.proved.size, root: tree.proved.root };
    Tree { read: tree.range, from: tree.from, proved }
}
