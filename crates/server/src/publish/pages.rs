//! Pages of followers as pages of the sequencer.

use std::collections::HashMap;
use std::sync::Arc;

use ctclient::Log;
use follow::{Hold, LogStatus, Notice, Page};
use record::{LogIdentity, LogNumber};
use tokio::sync::oneshot;

/// The part of a page that is kept until the page is published.
#[derive(Debug)]
pub(crate) struct Ticket {
    /// The log that the page comes from.
    pub(crate) log: Arc<LogStatus>,
    /// The page's bytes in the budget of all responses.
    _held: Option<Hold>,
    /// Told once the page is committed.
    pub(crate) committed: Option<oneshot::Sender<()>>,
}

/// Converts pages, and keeps one identity for each log.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// By URL.
    identities: HashMap<String, (Arc<Log>, Arc<LogIdentity>)>,
}

impl Pages {
    /// Converts a page.
    pub(crate) fn convert(&mut self, page: Page) -> ingest::Page<Ticket> {
        let Page { log, first, entries, end, gap, tree, largest_head, notice, committed, held } =
            page;
        ingest::Page {
            log: self.identity(&log.log),
            first,
            end,
            records: entries,
            gap: gap.map(|gap| (gap.range, gap.reason)),
            largest_head,
            tree: tree.filter(|tree| tree.is_consistent(end)),
            notice: notice.map(|notice| match notice {
                Notice::Alarm(alarm) => {
                    ingest::Notice::Alarm(alarm.to_record(LogNumber::default()))
                }
                Notice::Acknowledgement => ingest::Notice::Acknowledgement,
                Notice::Backfill(published) => ingest::Notice::Backfill(published),
            }),
            ticket: Ticket { log, _held: held, committed },
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
            protocol: log.protocol,
        });
        let row = (Arc::clone(log), Arc::clone(&identity));
        self.identities.insert(log.url.clone(), row);
        identity
    }
}
