//! A commit log that delays, fails and forgets, by script.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use record::encoding::Encoder;
use record::{Batch, BatchHash};

use crate::commit_log::{CommitError, CommitLog};

/// The effect of one poll of the model's commit log.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// Commits nothing yet.
    Delay,
    /// Commits the oldest batch in flight.
    CommitOne,
    /// Commits all.
    CommitAll,
    /// Commits the oldest batch and loses the rest.
    FailAfterOne,
    /// Loses all.
    Fail,
}

/// A commit log by script. Appending fails at the next failure of the script too.
#[derive(Debug, Clone)]
pub(super) struct ModelLog(Arc<Mutex<ModelState>>);

#[derive(Debug)]
pub(super) struct ModelState {
    depth: usize,
    script: Vec<Step>,
    /// Encodes as a journal would; what is lost takes its context with it.
    encoder: Encoder,
    /// The encoder after the last committed batch.
    committed_encoder: Encoder,
    in_flight: VecDeque<(Batch, Encoder)>,
    pub(super) committed: Vec<Batch>,
    last: u64,
    pub(super) most_in_flight: usize,
}

impl ModelLog {
    /// Creates a log that takes `depth` batches in flight and follows a script, last step first.
    /// `last` is the number of the begin.
    pub(super) fn new(depth: usize, script: Vec<Step>, last: u64) -> Self {
        Self(Arc::new(Mutex::new(ModelState {
            depth,
            script,
            encoder: Encoder::new(),
            committed_encoder: Encoder::new(),
            in_flight: VecDeque::new(),
            committed: Vec::new(),
            last,
            most_in_flight: 0,
        })))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, ModelState> {
        self.0.lock().expect("no panic")
    }
}

impl ModelState {
    fn commit_one(&mut self) {
        if let Some((batch, encoder)) = self.in_flight.pop_front() {
            self.last = batch.header.number;
            self.committed_encoder = encoder;
            self.committed.push(batch);
        }
    }

    fn fail(&mut self) -> CommitError {
        self.in_flight.clear();
        self.encoder = self.committed_encoder.clone();
        CommitError("by script".to_owned())
    }
}

impl CommitLog for ModelLog {
    fn append(&mut self, batch: &Batch) -> Result<BatchHash, CommitError> {
        let mut state = self.state();
        if let Some(Step::Fail | Step::FailAfterOne) = state.script.last() {
            if matches!(state.script.pop(), Some(Step::FailAfterOne)) {
                state.commit_one();
            }
            return Err(state.fail());
        }
        let hash = state.encoder.batch(batch, &mut Vec::new()).expect("within the limits");
        let encoder = state.encoder.clone();
        state.in_flight.push_back((batch.clone(), encoder));
        state.most_in_flight = state.most_in_flight.max(state.in_flight.len());
        Ok(hash)
    }

    fn poll_committed(
        &mut self,
        after: u64,
        context: &mut Context<'_>,
    ) -> Poll<Result<u64, CommitError>> {
        let mut state = self.state();
        match state.script.pop().unwrap_or(Step::CommitAll) {
            Step::Delay => {}
            Step::CommitOne => state.commit_one(),
            Step::CommitAll => {
                while !state.in_flight.is_empty() {
                    state.commit_one();
                }
            }
            Step::FailAfterOne => {
                state.commit_one();
                state.script.push(Step::Fail);
            }
            // What is committed is reported before.
            Step::Fail if state.last > after => state.script.push(Step::Fail),
            Step::Fail => return Poll::Ready(Err(state.fail())),
        }
        if state.last > after {
            return Poll::Ready(Ok(state.last));
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn depth(&self) -> usize {
        self.state().depth
    }
}
