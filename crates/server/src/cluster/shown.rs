//! The batches of the stream become visible on this node.

use std::sync::Arc;
use std::time::Instant;

use feed::Hub;
use ingest::{Committed, Fanout, Window};
use record::{Batch, LogChange, State};
use relay::protocol::{Applied, Content, Show, Step};
use thiserror::Error;

use super::status::Status;
use crate::publish::entries::Entries;
use crate::publish::fanout::{FeedFanout, return_tickets};
use crate::publish::messages::MessageStream;
use crate::publish::pages::Ticket;
use crate::state::backfill::missing::Missing;

/// Reason why a node cannot continue with what it has shown, and its process begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Broken {
    /// The feed is closed.
    #[error("the feed is closed")]
    Closed,
    /// The stream is another one.
    #[error(
        "the stream of the cluster is another one than at the start of this server: it was created \
         anew; the server exits so that it is started again with the new stream"
    )]
    OtherStream,
    /// The stream was emptied.
    #[error(
        "the stream of the cluster has lost everything: it was deleted or emptied; the server exits \
         so that it is started again"
    )]
    Emptied,
    /// Entries are gone before they could be read.
    #[error(
        "the stream of the cluster does not keep what this server has to read next (offsets {0} to \
         {1}): the server exits so that it is started again and clients learn what they miss"
    )]
    Missed(u64, u64),
}

/// Shows batches, and remembers their certificates.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) fanout: FeedFanout,
    pub(super) entries: Arc<Entries>,
    pub(super) missing: Arc<Missing>,
    pub(super) status: Arc<Status>,
    /// The certificates shown lately; `None` while the sequencer remembers them, or if every entry is
    /// published.
    pub(super) window: Option<Window>,
}

impl Shown {
    /// Shows what a node has read; `state` is its fold after that.
    pub(super) fn show(&mut self, step: Step, state: Option<&State>) -> Result<(), Broken> {
        match step {
            Step::Applied(Applied { content: Content::Batch(batch), show, .. }) => {
                if let Some(state) = state {
                    self.missing.follow(&batch, state);
                }
                self.show_batch(batch, show)
            }
            Step::Adopted { is_other_stream: true, .. } => Err(Broken::OtherStream),
            Step::Adopted { missed: Some((from, to)), .. } => Err(Broken::Missed(from, to)),
            Step::Adopted { .. } => {
                // What follows may be lost, and then it is read from the logs again.
                if let (Some(window), Some(state)) = (&mut self.window, state) {
                    window.forget_from(state.next_offset());
                }
                if let Some(state) = state {
                    self.missing.replace(state);
                }
                // Rows may have been added where nothing was read.
                let rows = state.into_iter().flat_map(State::logs);
                let row = |(number, log): (_, &record::LogState)| LogChange {
                    number,
                    identity: log.identity.clone(),
                };
                self.entries.change(&rows.map(row).collect::<Vec<_>>());
                Ok(())
            }
            Step::Applied(_) | Step::Passed(_) | Step::Doubtful => Ok(()),
        }
    }

    fn show_batch(&mut self, mut batch: Batch, show: Show) -> Result<(), Broken> {
        if show == Show::Withheld {
            let entries = batch.records.len();
            self.status.withhold(entries);
            tracing::error!(
                entries,
                first_offset = batch.first_offset,
                "entries are not shown by this node: their offsets are below what it has shown, \
                 because the stream lost its end and clocks were wrong"
            );
        }
        if let Some(window) = &mut self.window {
            window.publish(&batch, Instant::now());
        }
        if show != Show::New {
            self.entries.change(&batch.logs);
            return Ok(());
        }
        let is_shown = self.fanout.publish_batch(&mut batch);
        if let Some(window) = &self.window {
            self.fanout.count_duplicates(&batch, window.len());
        }
        if is_shown { Ok(()) } else { Err(Broken::Closed) }
    }
}

/// The sequencer's end of what is shown: the member shows batches before they count as committed, so
/// only the logs remain to be told.
#[derive(Debug)]
pub(super) struct ShownByMember {
    pub(super) hub: Arc<Hub<MessageStream>>,
    pub(super) status: FeedFanout,
}

impl Fanout for ShownByMember {
    type Ticket = Ticket;

    fn show(&mut self, committed: Committed<Ticket>) -> bool {
        let Committed { batch, tickets, remembered, .. } = committed;
        if let Some(remembered) = remembered {
            self.status.count_duplicates(&batch, remembered);
        }
        return_tickets(batch.advances, tickets, self.hub.head().unwrap_or(0));
        true
    }

    fn refused(&mut self, ticket: Ticket, position: u64) {
        ticket.log.refused(position);
    }

    fn readers(&self) -> usize {
        self.hub.stats().readers
    }
}
