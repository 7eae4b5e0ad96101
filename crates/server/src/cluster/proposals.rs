//! The stream as commit log of the sequencer: its thread proposes batches, and the member publishes
//! them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use ingest::{CommitError, CommitLog};
use parking_lot::Mutex;
use record::{Batch, BatchHash};
use tokio::sync::{mpsc, oneshot};

/// A batch for the stream.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) batch: Batch,
    /// Gets the hash; dropped if the batch cannot be proposed.
    pub(super) accepted: oneshot::Sender<BatchHash>,
}

/// The sequencer's end.
#[derive(Debug)]
pub(super) struct StreamLog {
    proposals: mpsc::Sender<Proposal>,
    committed: Arc<Committed>,
}

/// The member's end.
#[derive(Debug)]
pub(super) struct Proposals {
    pub(super) waiting: mpsc::Receiver<Proposal>,
    committed: Arc<Committed>,
}

/// The last committed batch.
#[derive(Debug, Default)]
struct Committed {
    number: AtomicU64,
    waker: Mutex<Option<Waker>>,
}

/// The end of a term, for the sequencer.
const ENDED: &str = "this node does not lead any more";

/// Creates the two ends for a term whose begin has this number.
pub(super) fn channel(begin: u64) -> (StreamLog, Proposals) {
    let (proposals, waiting) = mpsc::channel(1);
    let committed = Arc::new(Committed { number: begin.into(), waker: Mutex::default() });
    (StreamLog { proposals, committed: Arc::clone(&committed) }, Proposals { waiting, committed })
}

impl Proposals {
    /// Notes that everything up to a batch is committed and shown.
    pub(super) fn commit(&self, number: u64) {
        if self.committed.number.fetch_max(number, Ordering::AcqRel) < number {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.committed.waker.lock().take() {
            waker.wake();
        }
    }
}

impl Drop for Proposals {
    /// A sequencer that waits learns that the term has ended.
    fn drop(&mut self) {
        self.waiting.close();
        self.wake();
    }
}

impl CommitLog for StreamLog {
    fn append(&mut self, batch: &Batch) -> Result<BatchHash, CommitError> {
        let ended = || CommitError(ENDED.to_owned());
        let (accepted, hash) = oneshot::channel();
        let proposal = Proposal { batch: batch.clone(), accepted };
        self.proposals.blocking_send(proposal).map_err(|_| ended())?;
        hash.blocking_recv().map_err(|_| ended())
    }

    fn poll_committed(
        &mut self,
        after: u64,
        context: &mut Context<'_>,
    ) -> Poll<Result<u64, CommitError>> {
        *self.committed.waker.lock() = Some(context.waker().clone());
        // Read after the waker is in place, so that no change is missed.
        let number = self.committed.number.load(Ordering::Acquire);
        if number > after {
            return Poll::Ready(Ok(number));
        }
        if self.proposals.is_closed() {
            return Poll::Ready(Err(CommitError(ENDED.to_owned())));
        }
        Poll::Pending
    }

    fn depth(&self) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use record::{BatchHash, State, StreamId};

    use super::*;

    fn batch() -> Batch {
        let state = State::new(StreamId::from_random(1));
        Batch::new(state.next_header(), state.next_offset())
    }

    fn poll(log: &mut StreamLog, after: u64) -> Poll<Option<u64>> {
        log.poll_committed(after, &mut Context::from_waker(Waker::noop())).map(Result::ok)
    }

    #[test]
    fn a_batch_is_committed_once_the_member_says_so() {
        let (mut log, mut proposals) = channel(4);
        let member = thread::spawn(move || {
            let proposal = proposals.waiting.blocking_recv().expect("a batch is proposed");
            proposal.accepted.send(BatchHash(7)).expect("the sequencer waits");
            proposals
        });
        assert_eq!(log.append(&batch()).expect("accepted"), BatchHash(7));
        assert_eq!(poll(&mut log, 4), Poll::Pending);
        let proposals = member.join().expect("no panic");
        proposals.commit(5);
        assert_eq!(poll(&mut log, 4), Poll::Ready(Some(5)));
    }

    #[test]
    fn the_end_of_a_term_fails_what_is_not_committed() {
        let (mut log, proposals) = channel(4);
        drop(proposals);
        assert!(log.append(&batch()).is_err());
        assert_eq!(poll(&mut log, 4), Poll::Ready(None));
    }
}
