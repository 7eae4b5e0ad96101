//! Numbers of what is written, durable and committed, and the waiting for them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::error::WriteError;

/// Numbers of what is written, durable and committed.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    committed: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    written: u64,
    synced: u64,
    is_closed: bool,
    fatal: Option<WriteError>,
    waker: Option<Waker>,
}

impl Progress {
    pub(crate) fn update(
        &self,
        written: u64,
        synced: u64,
        committed: u64,
        fatal: Option<&WriteError>,
    ) {
        let mut state = self.state.lock();
        (state.written, state.synced) = (written, synced);
        if state.fatal.is_none() {
            state.fatal = fatal.cloned();
        }
        self.committed.store(committed, Ordering::Release);
    }

    /// Wakes those who wait.
    pub(crate) fn wake(&self) {
        let waker = self.state.lock().waker.take();
        self.changed.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn close(&self) {
        self.state.lock().is_closed = true;
        self.wake();
    }

    /// Returns the numbers of the last message written and of the last one durable.
    pub(crate) fn numbers(&self) -> (u64, u64) {
        let state = self.state.lock();
        (state.written, state.synced)
    }

    pub(crate) fn poll(&self, after: u64, context: &Context<'_>) -> Poll<Result<u64, WriteError>> {
        let mut state = self.state.lock();
        let committed = self.committed.load(Ordering::Acquire);
        if committed > after {
            return Poll::Ready(Ok(committed));
        }
        if let Some(error) = &state.fatal {
            return Poll::Ready(Err(error.clone()));
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Waits until something is to be synced; `false` once nothing more will be.
    pub(crate) fn wait_for_work(&self) -> bool {
        let mut state = self.state.lock();
        loop {
            if state.is_closed || state.fatal.is_some() {
                return false;
            }
            if state.written > state.synced {
                return true;
            }
            self.changed.wait(&mut state);
        }
    }

    /// Waits for a time, or until nothing more will be synced: then it returns `false`.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        let mut state = self.state.lock();
        let is_over = |state: &mut State| !(state.is_closed || state.fatal.is_some());
        self.changed.wait_while_for(&mut state, is_over, time).timed_out()
    }

    pub(crate) fn fatal(&self) -> Option<WriteError> {
        self.state.lock().fatal.clone()
    }
}
