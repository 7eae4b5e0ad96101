//! Comparing certificates with the rules.

use std::sync::Arc;

use alerts::outbox::{Key, Waiting};
use alerts::{Alert, Candidate, Match, Reason, Sighting};
use arc_swap::ArcSwap;
use feed::{Begin, Hub, Stream as _};
use jiff::Timestamp;
use sinks::Position;
use tokio::sync::mpsc;
use wire::EntryKind;
use wire::filter::Subject;

use super::settings::Settings;
use super::status::Status;
use crate::publish::messages::{Message, MessageStream, RingEntry};
use crate::publish::reading::{Reading, Take};

/// Alerts of a page that are made at once. The limits leave out most of any more, and the others are made
/// again from the stream.
const MOST_MADE: usize = 1_000;

/// A certificate that matches a rule.
#[derive(Debug)]
pub(super) struct Matched {
    pub(super) rule: Arc<str>,
    pub(super) key: Key,
    pub(super) offset: u64,
    /// The time at which the server saw it, in Unix seconds.
    pub(super) seen: u64,
    /// None if it has to be [made](again) yet.
    pub(super) alert: Option<Alert>,
}

/// The matches of a page of the stream.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) matches: Vec<Matched>,
    /// The rules that were compared.
    pub(super) settings: Arc<Settings>,
    /// The place after the page.
    pub(super) end: Position,
}

/// The stream that is compared with the rules.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) hub: Arc<Hub<MessageStream>>,
    pub(super) messages: Arc<MessageStream>,
}

/// Compares the stream with the rules, from a place on, until it ends or nobody takes the matches.
pub(super) async fn run(
    stream: Stream,
    begin: Position,
    in_use: Arc<ArcSwap<Settings>>,
    status: Arc<Status>,
    pages: mpsc::Sender<Page>,
) {
    let Stream { hub, messages } = stream;
    let (subject, found, matches) = (Subject::default(), Vec::new(), Vec::new());
    let settings = in_use.load_full();
    let matching = Matching { messages, settings, subject, found, matches };
    let begin = Begin::At(begin.next, begin.entries);
    let mut reading = Reading::new(&hub, begin, matching);
    status.set_behind(reading.behind());
    while reading.ready().await {
        let settings = in_use.load_full();
        reading.user().settings = Arc::clone(&settings);
        if settings.names.is_empty() {
            // Without rules, no certificate is missed.
            reading.skip();
        } else {
            status.add_missed(reading.read().await);
        }
        let matches = std::mem::take(&mut reading.user().matches);
        let page = Page { matches, settings, end: reading.position() };
        status.set_behind(reading.behind());
        if pages.send(page).await.is_err() {
            return;
        }
    }
}

/// The matches of what is read.
struct Matching {
    messages: Arc<MessageStream>,
    settings: Arc<Settings>,
    subject: Subject,
    found: Vec<Match>,
    matches: Vec<Matched>,
}

impl Take for Matching {
    fn take(&mut self, offset: u64, entry: &RingEntry) {
        // An entry that was missing for long is no news.
        if entry.record.is_backfilled {
            return;
        }
        let Self { messages, settings, subject, found, matches } = self;
        let message = messages.read(offset, entry);
        message.describe(subject);
        found.clear();
        settings.rules.lock().matching(&candidate(subject, entry), found);
        for Match { rule, reasons } in found.drain(..) {
            let Some(rule) = settings.names.get(rule) else { continue };
            let id = identity(settings.merge_entries, rule, &message, entry);
            let is_made = matches.len() < MOST_MADE;
            matches.push(Matched {
                rule: Arc::clone(rule),
                key: Key::of(&id),
                offset,
                seen: entry.record.seen / 1_000,
                alert: is_made.then(|| Alert {
                    id,
                    ..alert(settings, rule, &reasons, offset, &message, entry)
                }),
            });
        }
    }
}

fn candidate<'a>(subject: &'a Subject, entry: &'a RingEntry) -> Candidate<'a> {
    let record = &entry.record;
    Candidate { subject, der: &record.certificate, sha256: &record.fingerprint }
}

fn identity(merged: bool, rule: &str, message: &Message<'_>, entry: &RingEntry) -> String {
    let kind = EntryKind::from(entry.record.kind);
    Alert::identity(rule, message.certificate(), (!merged).then_some(kind))
}

fn alert(
    settings: &Settings,
    rule: &str,
    reasons: &[Reason],
    offset: u64,
    message: &Message<'_>,
    entry: &RingEntry,
) -> Alert {
    let seen = i64::try_from(entry.record.seen).ok();
    let sighting = Sighting {
        log: entry.source.name().to_owned(),
        url: entry.source.url().to_owned(),
        index: entry.record.index,
        seen: seen.and_then(|seen| Timestamp::from_millisecond(seen).ok()).unwrap_or_default(),
    };
    let kind = EntryKind::from(entry.record.kind);
    let link = settings.link.as_ref().map(|link| format!("{link}{offset}"));
    Alert { link, ..Alert::new(rule, reasons, message.certificate(), kind, sighting) }
}

/// An alert that was made again.
#[derive(Debug)]
pub(super) enum Again {
    /// It is as it was.
    Alert(Alert),
    /// The rule does not match the certificate any more, or does not exist. The alert has no reasons.
    NoMatch(Alert),
    /// The certificate is not kept any more, or cannot be read.
    Gone,
}

/// Makes an alert of a rule again, from the certificate at its offset. May be cancelled.
pub(super) async fn again(
    stream: Stream,
    settings: Arc<Settings>,
    rule: Arc<str>,
    waiting: &Waiting,
) -> Again {
    let Waiting { offset, key, suppressed, .. } = *waiting;
    let Stream { hub, messages } = stream;
    let making = Making { messages, settings, rule, offset, key, made: Again::Gone };
    let mut reading = Reading::new(&hub, Begin::At(offset, None), making);
    while reading.position().next <= offset && reading.ready().await {
        // It is missed if it is gone.
        let _missed = reading.read().await;
    }
    match std::mem::replace(&mut reading.user().made, Again::Gone) {
        Again::Alert(alert) => Again::Alert(Alert { suppressed, ..alert }),
        Again::NoMatch(alert) => Again::NoMatch(Alert { suppressed, ..alert }),
        Again::Gone => Again::Gone,
    }
}

/// The alert that is made again.
struct Making {
    messages: Arc<MessageStream>,
    settings: Arc<Settings>,
    rule: Arc<str>,
    offset: u64,
    key: Key,
    made: Again,
}

impl Take for Making {
    fn take(&mut self, offset: u64, entry: &RingEntry) {
        if offset != self.offset {
            return;
        }
        let Self { messages, settings, rule, key, .. } = self;
        let message = messages.read(offset, entry);
        let mut subject = Subject::default();
        message.describe(&mut subject);
        let mut found = Vec::new();
        settings.rules.lock().matching(&candidate(&subject, entry), &mut found);
        let reasons = found
            .into_iter()
            .find(|found| settings.names.get(found.rule).is_some_and(|name| name == rule))
            .map(|found| found.reasons);
        // Which entries are one alert may have been set differently since.
        let ids = [true, false].map(|merged| identity(merged, rule, &message, entry));
        let id = ids.into_iter().find(|id| Key::of(id) == *key);
        let made = |reasons: &[Reason]| {
            let alert = alert(settings, rule, reasons, offset, &message, entry);
            Alert { id: id.unwrap_or_else(|| alert.id.clone()), ..alert }
        };
        self.made = match reasons {
            Some(reasons) => Again::Alert(made(&reasons)),
            None => Again::NoMatch(made(&[])),
        };
    }
}
