//! The task of alerts: takes the matches of the stream, has them delivered, and saves the state.
//!
//! One task has the state, so whatever is saved is consistent: a page of the stream is taken as a whole,
//! with the dead letters that it makes, before the position moves past it.

mod taking;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use alerts::State;
use alerts::delivery::Delivery;
use alerts::outbox::{Bounds, Key, Outbox, Route};
use sinks::Position;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use self::taking::Taking;
use super::Task;
use super::delivering::{self, Ended, Next};
use super::matching::{self, Page};
use super::saving::{Saved, Saving};
use super::settings::Settings;
use super::status::Oldest;

/// Pages that wait to be taken.
const PAGES: usize = 2;
/// Time between two updates of the figures of what waits.
const SHOW: Duration = Duration::from_millis(500);
/// Time between two looks at the certificates that the journal is about to delete.
const LOOK: Duration = Duration::from_secs(5);

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
    /// The page of which an alert is held.
    taking: Option<Taking>,
    /// One delivery for each route with waiting alerts.
    deliveries: JoinSet<Ended>,
    running: HashMap<Route, Running>,
    /// The time at which the journal is looked at again, if there is one.
    look: Option<Instant>,
    /// The offset before which the journal is about to delete certificates.
    leaving: u64,
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

/// A delivery under way.
struct Running {
    /// Ends it.
    stop: watch::Sender<bool>,
    /// True if the journal is about to delete the certificate.
    is_leaving: bool,
}

/// Something that happens.
enum Event {
    Stop,
    Changed,
    Page(Option<Page>),
    AgainDue,
    LookDue,
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
            taking: None,
            deliveries: JoinSet::new(),
            running: HashMap::new(),
            look: None,
            leaving: 0,
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
        self.look();
        let waiting: Vec<_> = self.outbox.routes().cloned().collect();
        for route in waiting {
            self.deliver_next(&route);
        }
        if self.is_continued() {
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
        let Self { saving, pages, deliveries, show, look, .. } = self;
        let again = self.taking.as_ref().map(|taking| taking.again);
        let is_stopping = self.is_stopping;
        let is_ended = self.is_ended || again.is_some();
        let (is_idle, due) = (deliveries.is_empty(), saving.due());
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop), if !is_stopping => Event::Stop,
            Ok(()) = changed.changed(), if !is_stopping => Event::Changed,
            Some(ended) = deliveries.join_next(), if !is_idle => Event::Ended(ended),
            saved = saving.ended() => Event::Saved(saved),
            () = until(due) => Event::SaveDue,
            () = until(*show) => Event::ShowDue,
            () = until(*look), if !is_stopping => Event::LookDue,
            () = until(again), if !is_stopping => Event::AgainDue,
            page = pages.recv(), if !is_ended => Event::Page(page),
        }
    }

    async fn handle(&mut self, event: Event) -> Result<(), Overtaken> {
        match event {
            Event::Stop => self.stop(),
            Event::Changed => self.change(),
            Event::Page(Some(page)) => self.take(page).await,
            Event::Page(None) => self.matching_ended().await,
            Event::AgainDue => self.take_again().await,
            Event::LookDue => self.look(),
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
        for Running { stop, .. } in self.running.values() {
            stop.send_replace(true);
        }
    }

    /// Uses other rules and receivers. Deliveries to receivers that are as before continue.
    fn change(&mut self) {
        let settings = self.task.in_use.load_full();
        let before = std::mem::replace(&mut self.settings, settings);
        let bounds = self.bounds();
        self.outbox.set_bounds(bounds);
        if self.is_continued() {
            self.saving.now();
        }
        self.forget_limits();
        let settings = &self.settings;
        for (route, Running { stop, .. }) in &self.running {
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

    /// Reports whether a later start continues at the position of this one. Without rules, that is so if a
    /// state exists: the certificates passed meanwhile are not to be compared then.
    fn is_continued(&self) -> bool {
        self.saving.is_durable() && (self.saving.exists() || !self.settings.names.is_empty())
    }

    fn bounds(&self) -> Bounds {
        Bounds::new(self.settings.receivers.len(), self.task.can_reread)
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
        let is_leaving = waiting.offset < self.leaving;
        self.running.insert(route.clone(), Running { stop, is_leaving });
        let is_unlisted = self.unlisted.remove(&waiting.key);
        let next = Next { route: route.clone(), waiting: waiting.clone(), is_unlisted, is_leaving };
        self.deliveries.spawn(delivering::deliver(task, settings, next, stopping));
    }

    /// Ends deliveries of alerts whose certificates the journal is about to delete: they are to be kept instead.
    /// After a restart, they could not be read again.
    fn look(&mut self) {
        let Some(kept) = &self.task.kept else { return };
        self.look = Some(Instant::now() + LOOK);
        self.leaving = kept.leaving();
        for (route, Running { stop, is_leaving }) in &self.running {
            let is_first_leaving =
                self.outbox.next(route).is_some_and(|first| first.offset < self.leaving);
            if is_first_leaving && !is_leaving {
                stop.send_replace(true);
            }
        }
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
