//! The beginning of a log's proof, and the end of a run.

use ct::head::TreeHead;
use ctclient::{
    AlarmKind, Contradiction, Evidence, FetchError, Frontier, Point, Served, Source, SourceError,
    jitter,
};
use tokio::time::Instant;

use super::Follower;
use super::error::FollowError;
use crate::options::Verification;
use crate::status::counters::add;

impl<S: Source> Follower<S> {
    /// Reports whether nothing may be delivered before it is proved.
    pub(super) fn enforces(&self) -> bool {
        self.options.verification == Verification::Enforce
    }

    /// Makes sure that there is a tree of the entries below `next`, and proves it to be the beginning
    /// of the head's.
    ///
    /// # Errors
    /// With `enforce`, if there is none.
    pub(super) async fn find_frontier(
        &mut self,
        next: u64,
        head: &TreeHead,
    ) -> Result<(), FollowError> {
        if self.options.verification == Verification::Off || next > head.size {
            return Ok(());
        }
        if self.frontier.as_ref().is_some_and(|frontier| frontier.read().size() == next) {
            return Ok(());
        }
        self.frontier = None;
        self.heads.pass_over(next);
        let now = Instant::now();
        let waits = self.verifying.asks_again.is_some_and(|at| now < at);
        if waits && !self.enforces() {
            return Ok(());
        }
        match self.source.frontier(next, head).await {
            Ok(range) => {
                let log = &self.status.log.name;
                tracing::debug!(log, index = next, size = head.size, "proving begins");
                self.heads.remember(Point::of_head(head));
                let frontier = Frontier::new(range);
                self.status.set_proved(Ok(frontier.from()..next));
                self.frontier = Some(frontier);
                self.verifying.inconsistent = false;
                self.verifying.failing.success();
                Ok(())
            }
            Err(error) if error.is_no_room() => {
                self.status.note_no_room(&error);
                if self.enforces() { Err(error.into()) } else { Ok(()) }
            }
            Err(error) => {
                add(&self.status.counters.proof_errors, 1);
                self.status.set_proved(Err(error.to_string()));
                let asked = error.fetch().and_then(FetchError::retry_after);
                let wait = self.verifying.failing.failure(asked, jitter());
                self.verifying.asks_again = Some(Instant::now() + wait);
                let log = &self.status.log.name;
                tracing::warn!(log, index = next, %error, "the log's entries are not being \
                                                           verified");
                if matches!(error, SourceError::Proof { .. }) {
                    self.inconsistent_proof(next, &error).await;
                }
                if self.enforces() { Err(error.into()) } else { Ok(()) }
            }
        }
    }

    /// Raises an alarm because the log's own hashes do not lead to the head it has signed: once, until
    /// they do.
    async fn inconsistent_proof(&mut self, next: u64, error: &SourceError) {
        if std::mem::replace(&mut self.verifying.inconsistent, true) {
            return;
        }
        let head = self.heads.newest_served().map(|head| (**head).clone());
        let end = head.as_ref().map_or(next, |head| head.signed.head.size);
        let text = format!("the log cannot prove its signed head: {error}");
        let evidence = Evidence {
            heads: head.into_iter().collect(),
            ..Evidence::new(&self.status.log, AlarmKind::Fork, text, next..end)
        };
        self.raise(evidence).await;
    }

    /// Ends a run: reports contradictions, forgets what could not be proved and was not emitted, and
    /// notes how far the log is proved.
    pub(super) async fn end_run(&mut self, found: Vec<Contradiction>, served: Vec<Served>) {
        for found in found {
            self.report_violation(found, served.clone()).await;
        }
        if let Some(frontier) = &mut self.frontier {
            if frontier.read().size() != frontier.emitted().size() {
                frontier.rewind();
            }
            self.status.set_proved(Ok(frontier.from()..frontier.proved().size));
        }
    }
}
