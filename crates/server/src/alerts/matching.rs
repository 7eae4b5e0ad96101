//! Comparing certificates with the rules.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use alerts::outbox::{Key, Waiting};
use alerts::{Alert, Candidate, Match, Reason, Sighting};
use arc_swap::ArcSwap;
use feed::{Begin, Hub, Stream as _};
use jiff::Timestamp;
use sinks::Position;
use tokio::sync::mpsc;
use tokio::time::timeout;
use wire::EntryKind;
use wire::filter::Subject;

use super::settings::Settings;
use super::status::Status;
use crate::publish::messages::{Message, MessageStream, RingEntry};
use crate::publish::reading::{Reading, Take};

/// Alerts of a page that are made at once. The limits leave out most of any more, and the others are made
/// again from the stream.
const MOST_MADE: usize = 1_000;
/// Matches of a page at most, apart from the share of each rule. All others are only counted.
const MOST_KEPT: usize = 50_000;
/// Time between two updates of the figure of what is behind, while nothing is taken.
const SHOW: Duration = Duration::from_secs(1);

/// A certificate that matches a rule.
#[derive(Debug)]
pub(super) struct Matched {
    pub(super) rule: Arc<str>,
    pub(super) key: Key,
    pub(super) offset: u64,
    /// The time at which the server saw it, in Unix seconds.
    pub(super) seen: u64,
    /// None if it has to be [made](again) yet.
    pub(super) alert: Option<Box<Alert>>,
}

/// The matches of a page of the stream.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) matches: Vec<Matched>,
    /// The number of matches of rules that are only counted. Of these, a certificate that was an alert
    /// before counts too, and twice if its precertificate is among them.
    pub(super) suppressed: HashMap<Arc<str>, u64>,
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
    let (subject, found, matches) = (Subject::default(), Vec::new(), Matches::default());
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
        let Matches { kept, suppressed, .. } = std::mem::take(&mut reading.user().matches);
        let page = Page { matches: kept, suppressed, settings, end: reading.position() };
        let Some(place) = place(&pages, &reading, &status).await else { return };
        place.send(page);
    }
}

/// Waits for a place for a page, and shows meanwhile how far the reading is behind; none if nobody takes pages.
async fn place<'p>(
    pages: &'p mpsc::Sender<Page>,
    reading: &Reading<Matching>,
    status: &Status,
) -> Option<mpsc::Permit<'p, Page>> {
    loop {
        status.set_behind(reading.behind());
        if let Ok(place) = timeout(SHOW, pages.reserve()).await {
            return place.ok();
        }
    }
}

/// The matches of what is read.
struct Matching {
    messages: Arc<MessageStream>,
    settings: Arc<Settings>,
    subject: Subject,
    found: Vec<Match>,
    matches: Matches,
}

/// The matches of a page, bounded in number.
#[derive(Debug, Default)]
struct Matches {
    kept: Vec<Matched>,
    /// Those of each rule that are kept.
    of_rules: HashMap<Arc<str>, usize>,
    suppressed: HashMap<Arc<str>, u64>,
}

impl Matches {
    /// Counts a match of one of so many rules, and reports whether it is to be kept. A rule that matches
    /// everything takes no room from one that matches little: each has a share of its own, so twice
    /// [`MOST_KEPT`] are kept at most.
    fn has_room(&mut self, rule: &Arc<str>, rules: usize) -> bool {
        let share = (MOST_KEPT / rules.max(1)).max(1);
        let of_rule = self.of_rules.entry(Arc::clone(rule)).or_default();
        let is_kept =
            self.kept.len() < MOST_KEPT || (*of_rule < share && self.kept.len() < 2 * MOST_KEPT);
        if is_kept {
            *of_rule += 1;
        } else {
            *self.suppressed.entry(Arc::clone(rule)).or_default() += 1;
        }
        is_kept
    }
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
            if !matches.has_room(rule, settings.names.len()) {
                continue;
            }
            let id = identity(settings.merge_entries, rule, &message, entry);
            let is_made = matches.kept.len() < MOST_MADE;
            matches.kept.push(Matched {
                rule: Arc::clone(rule),
                key: Key::of(&id),
                offset,
                seen: entry.record.seen / 1_000,
                alert: is_made.then(|| {
                    let alert = alert(settings, rule, &reasons, offset, &message, entry);
                    Box::new(Alert { id, ..alert })
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
    /// The certificate is not kept any more.
    Gone,
    /// The stream cannot be read at present.
    NotNow,
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
    while reading.position().next <= offset {
        if !reading.ready().await {
            return Again::NotNow;
        }
        // It is missed if it is gone.
        let _missed = reading.read().await;
        // A history that can be read elsewhere may have nothing but a hole here.
        if reading.is_unreadable() && !is_readable(&hub).await {
            return Again::NotNow;
        }
    }
    match std::mem::replace(&mut reading.user().made, Again::Gone) {
        Again::Alert(alert) => Again::Alert(Alert { suppressed, ..alert }),
        Again::NoMatch(alert) => Again::NoMatch(Alert { suppressed, ..alert }),
        other @ (Again::Gone | Again::NotNow) => other,
    }
}

/// Reports whether the oldest certificates that are kept can be read.
async fn is_readable(hub: &Arc<Hub<MessageStream>>) -> bool {
    let mut reading = Reading::new(hub, Begin::Oldest, Nothing);
    let _missed = reading.read().await;
    !reading.is_unreadable()
}

/// Takes entries for nothing.
struct Nothing;

impl Take for Nothing {
    fn take(&mut self, _: u64, _: &RingEntry) {}
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
        // After a crash, another certificate may have its offset.
        let Some(id) = ids.into_iter().find(|id| Key::of(id) == *key) else { return };
        let made = |reasons: &[Reason]| Alert {
            id,
            ..alert(settings, rule, reasons, offset, &message, entry)
        };
        self.made = match reasons {
            Some(reasons) => Again::Alert(made(&reasons)),
            None => Again::NoMatch(made(&[])),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(rule: &Arc<str>) -> Matched {
        let rule = Arc::clone(rule);
        Matched { rule, key: Key::of("00"), offset: 0, seen: 0, alert: None }
    }

    #[test]
    fn matches_of_a_page_are_bounded_and_each_rule_has_a_share() {
        let names: Vec<Arc<str>> = (0..5_000).map(|number| number.to_string().into()).collect();
        let (rare, frequent) = names.split_first().unwrap();
        let mut matches = Matches::default();
        let mut offered = 0;
        for _ in 0..30 {
            for rule in frequent {
                offered += 1;
                if matches.has_room(rule, names.len()) {
                    matches.kept.push(matched(rule));
                }
            }
        }
        assert!(matches.kept.len() <= 2 * MOST_KEPT, "{}", matches.kept.len());
        let suppressed: u64 = matches.suppressed.values().sum();
        assert_eq!(suppressed + matches.kept.len() as u64, offered);
        for number in 0..20 {
            assert_eq!(matches.has_room(rare, names.len()), number < 10);
        }
        assert_eq!(matches.suppressed[rare], 10);
    }

    #[test]
    fn a_match_without_its_alert_is_small() {
        assert!(size_of::<Matched>() <= 64, "{}", size_of::<Matched>());
    }
}
