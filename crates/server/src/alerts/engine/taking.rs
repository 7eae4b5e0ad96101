//! Taking a page of the stream: each match becomes an alert that waits or is kept, before the position moves
//! past the page.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use std::vec;

use alerts::outbox::{Decided, Route, Waiting};
use alerts::{Alert, State};
use sinks::Position;
use tokio::time::{Instant, timeout_at};

use super::{Engine, SHOW};
use crate::alerts::matching::{self, Again, Matched, Page};
use crate::alerts::settings::Settings;
use crate::alerts::status::{RuleFigures, now};
use crate::alerts::{Task, delivering};

/// Reason of an alert for which there is no room.
const FULL: &str = "too many alerts wait for the receiver";
/// Time for which the alerts of a page for which there is no room may be made again: nothing else happens
/// meanwhile.
const MAKE: Duration = Duration::from_secs(2);
/// Pause before an alert that can neither wait nor be kept is tried again.
const PAUSE: Duration = Duration::from_secs(10);

/// The log line about a rule that is at its limit.
const AT_LIMIT: &str = "the rule has reached its limit of alerts an hour; others are only counted";

/// The log line about a rule with more matches than a page may have.
const TOO_MANY: &str = "too many certificates match at a time; some are only counted";

/// A page that is being taken.
pub(super) struct Taking {
    matches: vec::IntoIter<Matched>,
    suppressed: HashMap<Arc<str>, u64>,
    settings: Arc<Settings>,
    end: Position,
    /// An alert that can neither wait nor be kept. The rest of the page, and what follows it, comes later.
    held: Option<Placing>,
    /// The time at which that is tried again.
    pub(super) again: Instant,
}

/// An alert that is to wait or to be kept for its receivers.
struct Placing {
    rule: Arc<str>,
    waiting: Waiting,
    /// The receivers for which it does neither yet.
    receivers: Vec<Arc<str>>,
    /// True if it is among the newest alerts.
    is_listed: bool,
}

impl Engine {
    /// Takes a page: its matches are alerts, are known, or are over a limit.
    pub(super) async fn take(&mut self, page: Page) {
        let Page { matches, suppressed, settings, end } = page;
        let (matches, again) = (matches.into_iter(), Instant::now());
        self.take_rest(Taking { matches, suppressed, settings, end, held: None, again }).await;
    }

    /// Continues with a page of which an alert was held.
    pub(super) async fn take_again(&mut self) {
        if let Some(taking) = self.taking.take() {
            self.take_rest(taking).await;
        }
    }

    async fn take_rest(&mut self, mut taking: Taking) {
        let settings = Arc::clone(&taking.settings);
        let deadline = Instant::now() + MAKE;
        loop {
            if let Some(placing) = taking.held.take()
                && let Err(held) = self.place(placing, &settings, deadline).await
            {
                taking.held = Some(held);
                return self.hold(taking);
            }
            let Some(matched) = taking.matches.next() else { break };
            taking.held = self.decide(matched, &settings, deadline).await;
        }
        if self.task.status.set_held(false) {
            tracing::info!("certificates are compared with the rules for alerts again");
        }
        for (rule, count) in taking.suppressed {
            let Some(terms) = settings.terms(&rule) else { continue };
            self.outbox.suppress(&rule, terms.limit, count);
            let figures = self.task.status.rule(&rule);
            count_suppressed(&figures, &rule, terms.limit, count, TOO_MANY);
        }
        self.outbox.move_to(taking.end);
        if self.is_continued() {
            self.saving.later();
        }
        self.show.get_or_insert_with(|| Instant::now() + SHOW);
    }

    /// Leaves the rest of a page for later. After a restart, the whole page comes again, so the alert must
    /// not be known then; meanwhile, its final certificate may be an alert again, with the same identity.
    fn hold(&mut self, mut taking: Taking) {
        if let Some(Placing { waiting, .. }) = &taking.held {
            self.outbox.forget(waiting.key);
        }
        if !self.task.status.set_held(true) {
            tracing::error!(
                "certificates are not compared with the rules for alerts: an alert can neither wait nor \
                 be kept in the file of dead letters"
            );
        }
        taking.again = Instant::now() + PAUSE;
        self.taking = Some(taking);
        self.show.get_or_insert_with(|| Instant::now() + SHOW);
    }

    /// Decides on a match. Returns an alert that is to be placed.
    async fn decide(
        &mut self,
        matched: Matched,
        settings: &Arc<Settings>,
        deadline: Instant,
    ) -> Option<Placing> {
        let terms = settings.terms(&matched.rule)?;
        let Matched { rule, key, seen, .. } = &matched;
        let figures = self.task.status.rule(rule);
        match self.outbox.decide(rule, terms.limit, *key, *seen) {
            Decided::Known => self.meet_again(&matched, settings, deadline).await,
            Decided::Suppressed => count_suppressed(&figures, rule, terms.limit, 1, AT_LIMIT),
            Decided::Alert { suppressed } => {
                figures.add_match();
                let Matched { rule, key, offset, alert, .. } = matched;
                let alert = alert.map(|alert| Arc::new(Alert { suppressed, ..*alert }));
                let waiting = Waiting { offset, key, matched: now(), suppressed, alert };
                let receivers = terms.receivers.clone();
                return Some(Placing { rule, waiting, receivers, is_listed: false });
            }
        }
        None
    }

    /// Notes a certificate of a known alert. If that waits, and has to be read again and is not where it was,
    /// it is read from here. Otherwise it is of the entry that was first, such as the precertificate.
    async fn meet_again(&mut self, matched: &Matched, settings: &Arc<Settings>, deadline: Instant) {
        let Matched { rule, key, offset, .. } = matched;
        let Some(waiting) = self.outbox.unread(rule, *key) else { return };
        let (stream, settings) = (self.task.stream(), Arc::clone(settings));
        let again = matching::again(stream, settings, Arc::clone(rule), waiting);
        let is_there =
            matches!(timeout_at(deadline, again).await, Ok(Again::Alert(_) | Again::NoMatch(_)));
        if !is_there {
            self.outbox.meet_again(rule, *key, *offset);
        }
    }

    /// Lets an alert wait for its receivers, or keeps it among the dead letters if there is no room. The error
    /// is an alert for which neither is possible now.
    async fn place(
        &mut self,
        mut placing: Placing,
        settings: &Arc<Settings>,
        deadline: Instant,
    ) -> Result<(), Placing> {
        let Placing { rule, waiting, receivers, is_listed } = &mut placing;
        let refused = self.outbox.put(rule, waiting, receivers);
        let mut is_gone = false;
        if waiting.alert.is_none() && refused.is_empty() {
            // Its delivery makes it.
            self.unlisted.insert(waiting.key);
        } else if waiting.alert.is_none() {
            let (stream, settings) = (self.task.stream(), Arc::clone(settings));
            let again = matching::again(stream, settings, Arc::clone(rule), waiting);
            match timeout_at(deadline, again).await {
                Ok(Again::Alert(alert)) => waiting.alert = Some(Arc::new(alert)),
                Ok(Again::NoMatch(_) | Again::Gone) => is_gone = true,
                Ok(Again::NotNow) | Err(_) => {}
            }
        }
        let status = Arc::clone(&self.task.status);
        if let Some(alert) = waiting.alert.as_ref().filter(|_| !*is_listed) {
            status.recent.push(Arc::clone(alert));
            *is_listed = true;
        }
        for receiver in receivers.iter().filter(|receiver| !refused.contains(receiver)) {
            if let Some(alert) = &waiting.alert {
                status.recent.set_state(&alert.id, receiver, State::Waiting);
            }
            let route = Route { rule: Arc::clone(rule), receiver: Arc::clone(receiver) };
            self.deliver_next(&route);
        }
        placing.receivers = keep(&self.task, &placing, refused, is_gone).await;
        if placing.receivers.is_empty() { Ok(()) } else { Err(placing) }
    }
}

/// Keeps an alert among the dead letters of receivers. Returns those for which that is not possible now. If
/// its certificate cannot be read again later, it is lost.
async fn keep(
    task: &Task,
    placing: &Placing,
    receivers: Vec<Arc<str>>,
    is_gone: bool,
) -> Vec<Arc<str>> {
    let (status, Placing { rule, waiting, .. }) = (&task.status, placing);
    let mut left = Vec::new();
    for receiver in receivers {
        let given_up = status.given_up(&receiver);
        let Some(alert) = &waiting.alert else {
            if task.can_reread && !is_gone {
                left.push(receiver);
            } else {
                delivering::lose(status, rule, &receiver, waiting.offset);
            }
            continue;
        };
        if given_up.keep(alert, FULL.to_owned()).await.is_some() {
            status.recent.set_state(&alert.id, &receiver, State::DeadLetter);
        } else if task.can_reread {
            left.push(receiver);
        } else {
            status.recent.set_state(&alert.id, &receiver, State::DeadLetter);
            given_up.figures.add_lost();
        }
    }
    left
}

/// Counts alerts of a rule that are only counted, and logs why.
fn count_suppressed(figures: &RuleFigures, rule: &str, limit: u32, count: u64, why: &str) {
    for _ in 0..count {
        figures.add_suppressed();
    }
    if figures.is_log_due() {
        tracing::warn!(rule, limit, count, "{why}");
    }
}
