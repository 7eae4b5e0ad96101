//! The task of alerts: takes the matches of the stream, has them delivered, and saves the state.
//!
//! One task has the state, so whatever is saved is consistent: a page of the stream is taken as a whole,
//! with the dead letters that it makes, before the position moves past it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use alerts::delivery::Delivery;
use alerts::outbox::{Bounds, Decided, Key, Outbox, Route, Waiting};
use alerts::{Alert, State};
use sinks::Position;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Task;
use super::delivering::{self, Ended, Next};
use super::matching::{self, Again, Matched, Page};
use super::saving::{Saved, Saving};
use super::settings::Settings;
use super::status::{Oldest, RuleFigures, now};

/// Pages that wait to be taken.
const PAGES: usize = 2;
/// Time between two updates of the figures of what waits.
const SHOW: Duration = Duration::from_millis(500);
/// Reason of an alert for which there is no room.
const FULL: &str = "too many alerts wait for the receiver";
/// Time for which the alerts of a page for which there is no room may be made again: nothing else happens
/// meanwhile.
const MAKE: Duration = Duration::from_secs(2);

/// The log line about a rule that is at its limit.
const AT_LIMIT: &str = "the rule has reached its limit of alerts an hour; others are only counted";

/// The log line about a rule with more matches than a page may have.
const TOO_MANY: &str = "too many certificates match at a time; some are only counted";

/// Another node delivers now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overtaken;

/// The running task.
pub(super) struct Engine {
    task: Arc<Task>,
    settings: Arc<Settings>,
    outbox: Outbox,
    saving: Saving,
    /// Compares the stream with the rules.
    matching: JoinSet<()>,
    pages: mpsc::Receiver<Page>,
    /// One delivery for each route with waiting alerts.
    deliveries: JoinSet<Ended>,
    /// Ends each of them.
    running: HashMap<Route, watch::Sender<bool>>,
    /// Routes whose next delivery begins once the end of the last one is saved: after a crash, no more than
    /// one alert of a route arrives again.
    unsaved: HashSet<Route>,
    /// Those whose save is under way.
    being_saved: HashSet<Route>,
    /// Waiting alerts that are not among the newest ones, because they are to be made yet.
    unlisted: HashSet<Key>,
    /// The time at which the figures are to be updated.
    show: Option<Instant>,
    /// True if nothing more of the stream is to be taken.
    is_ended: bool,
    is_stopping: bool,
}

/// Something that happens.
enum Event {
    Stop,
    Changed,
    Page(Option<Page>),
    Ended(Result<Ended, JoinError>),
    Saved(Saved),
    SaveDue,
    ShowDue,
}

impl Engine {
    /// Makes the task of a state, and begins to compare the stream with the rules.
    pub(super) fn new(task: Arc<Task>, outbox: Outbox, saving: Saving, begin: Position) -> Self {
        let (sender, pages) = mpsc::channel(PAGES);
        let mut matching = JoinSet::new();
        let (in_use, status) = (Arc::clone(&task.in_use), Arc::clone(&task.status));
        matching.spawn(matching::run(task.stream(), begin, in_use, status, sender));
        Self {
            settings: task.in_use.load_full(),
            task,
            outbox,
            saving,
            matching,
            pages,
            deliveries: JoinSet::new(),
            running: HashMap::new(),
            unsaved: HashSet::new(),
            being_saved: HashSet::new(),
            unlisted: HashSet::new(),
            show: None,
            is_ended: false,
            is_stopping: false,
        }
    }

    /// Runs until `stop` is true, and then until the attempts under way have ended.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), Overtaken> {
        let _runs = self.task.status.run();
        let mut changed = self.task.changed.subscribe();
        self.show();
        self.forget_limits();
        let waiting: Vec<_> = self.outbox.routes().cloned().collect();
        for route in waiting {
            self.deliver_next(&route);
        }
        if !self.settings.names.is_empty() {
            // What has begun continues here after a restart.
            self.saving.now();
        }
        while !(self.is_stopping && self.deliveries.is_empty()) {
            let event = self.next_event(&mut stop, &mut changed).await;
            self.handle(event).await?;
        }
        self.finish().await
    }

    async fn next_event(
        &mut self,
        stop: &mut watch::Receiver<bool>,
        changed: &mut watch::Receiver<()>,
    ) -> Event {
        let Self { saving, pages, deliveries, show, .. } = self;
        let (is_stopping, is_ended) = (self.is_stopping, self.is_ended);
        let (is_idle, due) = (deliveries.is_empty(), saving.due());
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop), if !is_stopping => Event::Stop,
            Ok(()) = changed.changed(), if !is_stopping => Event::Changed,
            Some(ended) = deliveries.join_next(), if !is_idle => Event::Ended(ended),
            saved = saving.ended() => Event::Saved(saved),
            () = until(due) => Event::SaveDue,
            () = until(*show) => Event::ShowDue,
            page = pages.recv(), if !is_ended => Event::Page(page),
        }
    }

    async fn handle(&mut self, event: Event) -> Result<(), Overtaken> {
        match event {
            Event::Stop => self.stop(),
            Event::Changed => self.change(),
            Event::Page(Some(page)) => self.take(page).await,
            Event::Page(None) => self.matching_ended().await,
            Event::Ended(Ok(ended)) => self.settle(&ended),
            Event::Ended(Err(error)) => resume(error),
            Event::Saved(saved) => return self.note(&saved),
            Event::SaveDue => self.save(),
            Event::ShowDue => self.show(),
        }
        Ok(())
    }

    /// Begins no attempt any more, and reads nothing.
    fn stop(&mut self) {
        (self.is_stopping, self.is_ended) = (true, true);
        self.matching.abort_all();
        for stop in self.running.values() {
            stop.send_replace(true);
        }
    }

    /// Uses other rules and receivers. Deliveries to receivers that are as before continue.
    fn change(&mut self) {
        let settings = self.task.in_use.load_full();
        let before = std::mem::replace(&mut self.settings, settings);
        let bounds = self.bounds();
        self.outbox.set_bounds(bounds);
        if !self.settings.names.is_empty() {
            self.saving.now();
        }
        self.forget_limits();
        let settings = &self.settings;
        for (route, stop) in &self.running {
            let receivers = (before.receiver(route), settings.receiver(route));
            let is_same =
                matches!(receivers, (Some(before), Some(now)) if Arc::ptr_eq(before, now));
            if !is_same {
                stop.send_replace(true);
            }
        }
    }

    /// Forgets the limits of rules that do not exist any more.
    fn forget_limits(&mut self) {
        let Self { outbox, settings, .. } = self;
        outbox.retain_limits(|rule| settings.terms(rule).is_some());
    }

    fn bounds(&self) -> Bounds {
        Bounds::new(self.settings.receivers.len(), self.task.can_reread)
    }

    /// Takes a page: its matches are alerts, are known, or are over a limit.
    async fn take(&mut self, page: Page) {
        let Page { matches, suppressed, settings, end } = page;
        let deadline = Instant::now() + MAKE;
        for matched in matches {
            let Some(terms) = settings.terms(&matched.rule) else { continue };
            let Matched { rule, key, seen, .. } = &matched;
            let figures = self.task.status.rule(rule);
            match self.outbox.decide(rule, terms.limit, *key, *seen) {
                Decided::Known => self.meet_again(&matched, &settings, deadline).await,
                Decided::Suppressed => {
                    count_suppressed(&figures, rule, terms.limit, 1, AT_LIMIT);
                }
                Decided::Alert { suppressed } => {
                    figures.add_match();
                    self.put(matched, suppressed, &settings, deadline).await;
                }
            }
        }
        for (rule, count) in suppressed {
            let Some(terms) = settings.terms(&rule) else { continue };
            self.outbox.suppress(&rule, terms.limit, count);
            let figures = self.task.status.rule(&rule);
            count_suppressed(&figures, &rule, terms.limit, count, TOO_MANY);
        }
        self.outbox.move_to(end);
        if self.saving.is_durable() && !self.settings.names.is_empty() {
            self.saving.later();
        }
        self.show.get_or_insert_with(|| Instant::now() + SHOW);
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

    /// Lets a new alert wait for its receivers.
    async fn put(
        &mut self,
        matched: Matched,
        suppressed: u64,
        settings: &Arc<Settings>,
        deadline: Instant,
    ) {
        let Matched { rule, key, offset, alert, .. } = matched;
        let Some(terms) = settings.terms(&rule) else { return };
        let alert = alert.map(|alert| Arc::new(Alert { suppressed, ..*alert }));
        let mut waiting = Waiting { offset, key, matched: now(), suppressed, alert };
        let status = Arc::clone(&self.task.status);
        let refused = self.outbox.put(&rule, &waiting, &terms.receivers);
        if waiting.alert.is_none() {
            if refused.is_empty() {
                // Its delivery makes it.
                self.unlisted.insert(key);
            } else {
                let again = matching::again(
                    self.task.stream(),
                    Arc::clone(settings),
                    Arc::clone(&rule),
                    &waiting,
                );
                let again = timeout_at(deadline, again).await;
                waiting.alert = match again {
                    Ok(Again::Alert(alert)) => Some(Arc::new(alert)),
                    Ok(Again::NoMatch(_) | Again::Gone | Again::NotNow) | Err(_) => None,
                };
            }
        }
        if let Some(alert) = &waiting.alert {
            status.recent.push(Arc::clone(alert));
        }
        for receiver in &terms.receivers {
            let is_refused = refused.contains(receiver);
            let state = if is_refused { State::DeadLetter } else { State::Waiting };
            if let Some(alert) = &waiting.alert {
                status.recent.set_state(&alert.id, receiver, state);
                if is_refused {
                    // If the file takes nothing either, that is logged and counted.
                    status.given_up(receiver).keep_or_lose(alert, FULL).await;
                }
            } else if is_refused {
                delivering::lose(&status, &rule, receiver, offset);
            }
            if !is_refused {
                let route = Route { rule: Arc::clone(&rule), receiver: Arc::clone(receiver) };
                self.deliver_next(&route);
            }
        }
    }

    /// Begins to deliver the first alert of a route, unless a delivery is under way.
    fn deliver_next(&mut self, route: &Route) {
        let is_pending = self.unsaved.contains(route) || self.being_saved.contains(route);
        if self.is_stopping || is_pending || self.running.contains_key(route) {
            return;
        }
        let Some(waiting) = self.outbox.next(route) else { return };
        let (stop, stopping) = watch::channel(false);
        let (task, settings) = (Arc::clone(&self.task), Arc::clone(&self.settings));
        self.running.insert(route.clone(), stop);
        let is_unlisted = self.unlisted.remove(&waiting.key);
        let next = Next { route: route.clone(), waiting: waiting.clone(), is_unlisted };
        self.deliveries.spawn(delivering::deliver(task, settings, next, stopping));
    }

    /// Notes the end of a delivery, and begins the next one of its route.
    fn settle(&mut self, ended: &Ended) {
        let Ended { route, key, id, delivery, gone } = ended;
        self.running.remove(route);
        if gone.is_some_and(|offset| self.has_moved(route, *key, offset)) {
            return self.deliver_next(route);
        }
        let state = match delivery {
            Delivery::Arrived => Some(State::Arrived),
            Delivery::Kept | Delivery::Lost => Some(State::DeadLetter),
            Delivery::Stopped => None,
        };
        let Some(state) = state else { return self.deliver_next(route) };
        self.outbox.settle(route, *key);
        if let Some(offset) = *gone {
            delivering::lose(&self.task.status, &route.rule, &route.receiver, offset);
            // After a crash, the certificate may come again, at another offset.
            self.outbox.forget(*key);
        }
        if let Some(id) = id {
            self.task.status.recent.set_state(id, &route.receiver, state);
        }
        self.show.get_or_insert_with(|| Instant::now() + SHOW);
        self.saving.now();
        if self.saving.is_durable() {
            self.unsaved.insert(route.clone());
        } else {
            self.deliver_next(route);
        }
    }

    /// Reports whether the certificate of the alert that a route delivers was met again elsewhere.
    fn has_moved(&self, route: &Route, key: Key, offset: u64) -> bool {
        self.outbox.next(route).is_some_and(|next| next.key == key && next.offset != offset)
    }

    fn note(&mut self, saved: &Saved) -> Result<(), Overtaken> {
        match saved {
            Saved::Yes => {}
            Saved::Failed => {
                self.task.status.add_save_error();
                if self.saving.is_awaited() {
                    self.unsaved.extend(self.being_saved.drain());
                }
                // A disk that is full delays no alert.
            }
            Saved::Overtaken => return Err(Overtaken),
        }
        for route in std::mem::take(&mut self.being_saved) {
            self.deliver_next(&route);
        }
        Ok(())
    }

    fn save(&mut self) {
        self.being_saved.extend(self.unsaved.drain());
        match self.outbox.write(self.task.stream.as_str()) {
            Ok(document) => self.saving.begin(document),
            // It does not happen.
            Err(error) => tracing::error!(%error, "the state of alerts cannot be written"),
        }
    }

    /// Updates the figures of what waits.
    fn show(&mut self) {
        self.show = None;
        let oldest = self.outbox.oldest().map(|(route, waiting)| {
            let receiver = self.settings.receiver(route);
            Oldest {
                rule: Arc::clone(&route.rule),
                receiver: Arc::clone(&route.receiver),
                matched: waiting.matched,
                problem: receiver.and_then(|receiver| receiver.deliverer.problem()),
            }
        });
        if oldest.is_some() {
            self.show = Some(Instant::now() + SHOW);
        }
        self.task.status.set_waiting(self.outbox.waiting_by_receiver(), oldest);
    }

    /// Waits for what compares the stream with the rules: the stream has ended.
    async fn matching_ended(&mut self) {
        self.is_ended = true;
        while let Some(ended) = self.matching.join_next().await {
            match ended {
                Err(error) if error.is_panic() => resume(error),
                _ => {}
            }
        }
    }

    /// Saves a last time.
    async fn finish(mut self) -> Result<(), Overtaken> {
        if self.saving.is_running() {
            let saved = self.saving.ended().await;
            self.note(&saved)?;
        }
        let waiting = self.outbox.waiting();
        if !self.saving.is_durable() {
            if waiting > 0 {
                tracing::warn!(waiting, "alerts have not arrived and are lost, without data_dir");
            }
            return Ok(());
        }
        if waiting > 0 {
            tracing::info!(waiting, "alerts have not arrived yet; the next start continues");
        }
        if self.saving.due().is_some() {
            self.save();
            let saved = self.saving.ended().await;
            self.note(&saved)?;
        }
        Ok(())
    }
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

/// Continues the panic of a part of the task.
fn resume(error: JoinError) {
    if let Ok(panic) = error.try_into_panic() {
        std::panic::resume_unwind(panic);
    }
}

/// Waits until a time; forever if there is none.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
