//! Alarms of a log that contradicts itself: finding the entries concerned, evidence, reminders.

use std::time::Duration;

use ctclient::{AlarmKind, Contradiction, Evidence, Point, Served, Source, explain};
use tokio::time::Instant;

use super::Follower;
use super::error::FollowError;
use crate::alarm::{self, Alarm};

/// The time between two reminders of an alarm that is not acknowledged.
const REMIND_EVERY: Duration = Duration::from_secs(3600);

impl<S: Source> Follower<S> {
    /// Logs the alarms that are not acknowledged, now and then.
    ///
    /// # Errors
    /// If the log has to stop until they are.
    pub(super) fn check_alarms(&mut self) -> Result<(), FollowError> {
        if !self.status.has_alarms() {
            self.verifying.raised.clear();
            self.verifying.inconsistent = false;
            self.verifying.reminded = None;
            return Ok(());
        }
        let now = Instant::now();
        if self.verifying.reminded.is_none_or(|last| now >= last + REMIND_EVERY) {
            self.verifying.reminded = Some(now);
            for Alarm { kind, text, evidence, .. } in self.status.snapshot().alarms {
                let log = &self.status.log.name;
                tracing::error!(log, %kind, text, evidence, "verification alarm, not acknowledged");
            }
        }
        if self.enforces() { Err(FollowError::Stopped) } else { Ok(()) }
    }

    /// Raises the alarm of a contradiction, after asking the log which entries are concerned.
    pub(super) async fn report_violation(&mut self, found: Contradiction, served: Vec<Served>) {
        let kind = found.kind;
        let first_time = self.is_new_subject(kind, Point::of_head(&found.head.signed.head));
        let mut first = found.head.signed.head.size;
        let mut evidence = None;
        if first_time {
            let (source, log) = (&*self.source, &self.status.log);
            let frontier = self.frontier.as_ref();
            let found = explain(source, log, &self.heads, frontier, found, served).await;
            first = found.entries.start;
            evidence = Some(found);
        }
        if kind == AlarmKind::Mismatch {
            self.reset_proof(first);
        }
        if let Some(evidence) = evidence {
            self.raise(evidence).await;
        }
    }

    /// Forgets the tree of what was read, after a mismatch: with `report` proving begins anew, with
    /// `enforce` reading does, once the alarm has been acknowledged.
    fn reset_proof(&mut self, from: u64) {
        if self.enforces() {
            if let Some(frontier) = &mut self.frontier {
                frontier.rewind();
            }
            return;
        }
        if let Some(frontier) = self.frontier.take() {
            self.status.reset_proof(frontier.proved().size);
        }
        self.status.set_proved(Err(format!("entries from {from} on contradict a signed head")));
    }

    /// Notes the subject of an alarm; returns whether it is new.
    fn is_new_subject(&mut self, kind: AlarmKind, head: Point) -> bool {
        const REMEMBERED: usize = 64;
        let raised = &mut self.verifying.raised;
        if raised.contains(&(kind, head)) {
            return false;
        }
        if raised.len() == REMEMBERED {
            raised.remove(0);
        }
        raised.push((kind, head));
        true
    }

    /// Writes the evidence and raises the alarm.
    pub(super) async fn raise(&mut self, evidence: Evidence) {
        self.verifying.reminded = Some(Instant::now());
        let folder = self.options.evidence_dir.clone();
        alarm::raise(&self.status, &self.pages, folder, evidence).await;
    }
}
