use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sinks::Resume;

use super::document::Restored;
use super::recent::MAX_SAVED;
use super::*;
use crate::alert::tests::alert;

const STREAM: &str = "abcdefgh";

/// A certificate that matches a rule.
#[derive(Clone, Copy)]
struct Matched<'a> {
    rule: &'a str,
    offset: u64,
    certificate: u64,
    seen: u64,
}

impl Matched<'_> {
    fn id(self) -> String {
        crate::alert::hex(&ct::sha256(format!("{} {}", self.rule, self.certificate).as_bytes()))
    }

    fn key(self) -> Key {
        Key::of(&self.id())
    }
}

fn matched(rule: &str, offset: u64, certificate: u64) -> Matched<'_> {
    Matched { rule, offset, certificate, seen: 1_000 }
}

fn names(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| (*name).into()).collect()
}

fn route(rule: &str, receiver: &str) -> Route {
    Route { rule: rule.into(), receiver: receiver.into() }
}

fn outbox(receivers: usize) -> Outbox {
    Outbox::new(Position::default(), Bounds::new(receivers, true))
}

/// Decides on a certificate, and puts the alert into the outbox. Returns the number of receivers that it
/// does not wait for.
fn offer(
    outbox: &mut Outbox,
    receivers: &[Arc<str>],
    matched: Matched<'_>,
) -> Result<usize, Decided> {
    let Matched { rule, offset, seen, .. } = matched;
    let key = matched.key();
    match outbox.decide(rule, 10_000, key, seen) {
        Decided::Alert { suppressed } => {
            let alert = Alert { id: matched.id(), ..alert(rule) };
            let alert = Some(Arc::new(alert));
            let waiting = Waiting { offset, key, matched: 5_000, suppressed, alert };
            Ok(outbox.put(&rule.into(), &waiting, receivers).len())
        }
        other => Err(other),
    }
}

fn restored(outbox: &Outbox) -> Restored {
    let document = outbox.write(STREAM).unwrap();
    Outbox::read(&document, STREAM, outbox.bounds).unwrap()
}

#[test]
fn only_an_alert_without_contents_is_read_again_where_its_certificate_is_met_again() {
    let (mut outbox, receivers) = (outbox(2), names(&["ops", "mail"]));
    let (rule, key) = (Arc::from("a"), matched("a", 7, 1).key());
    assert_eq!(offer(&mut outbox, &receivers, matched("a", 7, 1)), Ok(0));
    assert!(outbox.unread(&rule, key).is_none(), "its contents are in memory");
    let mut outbox = restored(&outbox).outbox;
    assert_eq!(outbox.unread(&rule, key).map(|waiting| waiting.offset), Some(7));
    assert!(outbox.unread(&"b".into(), key).is_none(), "another rule");
    assert!(outbox.unread(&rule, matched("a", 7, 2).key()).is_none(), "another certificate");
    outbox.meet_again(&rule, key, 9);
    for receiver in ["ops", "mail"] {
        assert_eq!(outbox.next(&route("a", receiver)).map(|waiting| waiting.offset), Some(9));
    }
}

#[test]
fn a_certificate_is_one_alert_for_each_receiver() {
    let (mut outbox, receivers) = (outbox(2), names(&["ops", "mail"]));
    assert_eq!(offer(&mut outbox, &receivers, matched("a", 7, 1)), Ok(0));
    assert_eq!(outbox.waiting(), 2);
    let known = Err(Decided::Known);
    assert_eq!(offer(&mut outbox, &receivers, matched("a", 8, 1)), known);
    assert_eq!(offer(&mut outbox, &receivers, matched("b", 8, 1)), Ok(0));
    let ops = route("a", "ops");
    let next = outbox.next(&ops).unwrap();
    assert_eq!((next.offset, next.matched, next.alert.is_some()), (7, 5_000, true));
    let key = next.key;
    assert!(outbox.settle(&ops, key));
    assert!(!outbox.settle(&ops, key), "it is settled once");
    assert!(outbox.next(&ops).is_none());
    assert!(outbox.next(&route("a", "mail")).is_some(), "the other receiver has not got it");
    assert_eq!(offer(&mut outbox, &receivers, matched("a", 9, 1)), known);
    assert_eq!(offer(&mut restored(&outbox).outbox, &receivers, matched("a", 9, 1)), known);
}

#[test]
fn a_certificate_is_known_after_very_many_alerts_and_while_its_alert_waits() {
    let (mut outbox, receivers) = (outbox(2), names(&["ops", "mail"]));
    let (first, known) = (matched("a", 0, 0), Err(Decided::Known));
    assert_eq!(offer(&mut outbox, &receivers, first), Ok(0));
    for number in 1..3 * MAX_SAVED as u64 {
        let rule = ["b", "c", "d"][(number % 3) as usize];
        assert_eq!(offer(&mut outbox, &receivers[..1], matched(rule, number, number)), Ok(0));
        assert!(outbox.settle(&route(rule, "ops"), matched(rule, number, number).key()));
    }
    assert_eq!(offer(&mut outbox, &receivers, matched("c", 1, 1)), known, "it is one of 30,000");
    let mut outbox = restored(&outbox).outbox;
    assert_eq!(offer(&mut outbox, &receivers, first), known, "it waits");
    assert!(outbox.settle(&route("a", "ops"), first.key()));
    outbox.forget(first.key());
    let mut outbox = restored(&outbox).outbox;
    assert_eq!(offer(&mut outbox, &receivers, first), Ok(0), "one receiver has not got it");
}

#[test]
fn a_rule_at_its_limit_counts_and_the_next_alert_has_the_number() {
    let mut outbox = outbox(1);
    let at = |outbox: &mut Outbox, seen, certificate| {
        let key = matched("a", certificate, certificate).key();
        outbox.decide("a", 2, key, seen)
    };
    let deliver = |suppressed| Decided::Alert { suppressed };
    assert_eq!(at(&mut outbox, 1_000, 0), deliver(0));
    assert_eq!(at(&mut outbox, 1_000, 1), deliver(0));
    assert_eq!(at(&mut outbox, 2_000, 2), Decided::Suppressed);
    let mut outbox = restored(&outbox).outbox;
    assert_eq!(at(&mut outbox, 2_001, 3), Decided::Suppressed, "it is saved");
    assert_eq!(at(&mut outbox, 1_200 + 3_600, 4), deliver(2), "an hour later");
    // A clock that was years ahead does not silence the rule for years.
    assert_eq!(at(&mut outbox, 1 << 40, 5), deliver(0));
    assert_eq!(at(&mut outbox, 1 << 40, 6), deliver(0));
    assert_eq!(at(&mut outbox, 9_000, 7), deliver(0));
}

#[test]
fn a_receiver_that_is_down_takes_no_room_from_others() {
    let (mut outbox, receivers) = (outbox(2), names(&["down", "up"]));
    let mut over = 0;
    for certificate in 0..3_700 {
        let rule = if certificate < 2_700 { "a" } else { "b" };
        let decided = offer(&mut outbox, &receivers, matched(rule, certificate, certificate));
        over += decided.unwrap();
        let up = route(rule, "up");
        let key = outbox.next(&up).expect("there is room for it").key;
        assert!(outbox.settle(&up, key));
    }
    assert_eq!(over, 200, "a rule has half of the receiver's share");
    assert_eq!(outbox.waiting(), 3_500);
    // Its share of all, with very many rules.
    let over: usize = (0..9_000)
        .map(|rule| {
            let rule = format!("rule {rule}");
            offer(&mut outbox, &receivers[..1], matched(&rule, rule.len() as u64, 0)).unwrap()
        })
        .sum();
    assert_eq!(outbox.waiting(), MAX_WAITING / 2);
    assert_eq!(over, 9_000 - 1_500);
    assert_eq!(offer(&mut outbox, &receivers, matched("c", 1, 1)), Ok(1));
    assert!(outbox.next(&route("c", "up")).is_some());
}

#[test]
fn contents_in_memory_are_bounded() {
    let receivers = names(&["ops"]);
    for can_reread in [true, false] {
        let bounds = Bounds { receivers: 1, can_reread, content_bytes: 10_000 };
        let mut outbox = Outbox::new(Position::default(), bounds);
        let over: usize =
            (0..9).map(|n| offer(&mut outbox, &receivers, matched("a", n, n)).unwrap()).sum();
        assert_eq!(over > 0, !can_reread);
        assert!(outbox.content_bytes <= 10_000);
        let ops = route("a", "ops");
        let mut kept = 0;
        while let Some(next) = outbox.next(&ops) {
            kept += usize::from(next.alert.is_some());
            let key = next.key;
            assert!(outbox.settle(&ops, key));
        }
        assert!((1..9).contains(&kept), "{kept}");
        assert_eq!((outbox.content_bytes, outbox.names_bytes, outbox.waiting()), (0, 0, 0));
    }
}

#[test]
fn the_largest_document_fits_in_a_message_of_nats() {
    let mut outbox = outbox(1);
    outbox.move_to(Position { next: 1 << 53, entries: Some(1 << 53) });
    let receivers = names(&["ops"]);
    for number in 0..20_000_u64 {
        let rule = if number < 5_000 { format!("{number:0>100}") } else { format!("{number:0>9}") };
        for seen in [0, 700, 1300] {
            let offset = (1 << 40) + number;
            let matched = Matched { seen: 1_795_000_000 + seen, ..matched(&rule, offset, seen) };
            let _decided = offer(&mut outbox, &receivers, matched);
        }
    }
    assert!(outbox.names_bytes <= MAX_NAMES_BYTES && outbox.names_bytes > MAX_NAMES_BYTES - 100);
    assert!(outbox.waiting() >= 3_000);
    assert_eq!(outbox.recent.to_texts().0.len(), MAX_SAVED * 16);
    let bytes = outbox.write(STREAM).unwrap().len();
    assert!((300_000..1_000_000).contains(&bytes), "{bytes}");
    // As many alerts as there may be, each of a rule of its own.
    let mut outbox = self::outbox(1);
    for number in 0..20_000_u64 {
        let rule = format!("{number:0>8}");
        let matched = matched(&rule, (1 << 40) + number, 0);
        offer(&mut outbox, &receivers, Matched { seen: 1_795_000_000, ..matched }).unwrap();
    }
    assert_eq!(outbox.waiting(), MAX_WAITING);
    let bytes = outbox.write(STREAM).unwrap().len();
    assert!((600_000..1_000_000).contains(&bytes), "{bytes}");
}

#[test]
fn a_document_of_another_stream_has_no_offsets() {
    let (mut outbox, receivers) = (outbox(1), names(&["ops"]));
    offer(&mut outbox, &receivers, matched("a", 7, 1)).unwrap();
    outbox.move_to(Position { next: 8, entries: Some(3) });
    let document = outbox.write(STREAM).unwrap();
    let read = |stream| Outbox::read(&document, stream, outbox.bounds).unwrap();
    let same = read(STREAM);
    assert_eq!((same.resume, same.lost), (Resume::At(outbox.position()), 0));
    assert_eq!(same.outbox.next(&route("a", "ops")).unwrap().offset, 7);
    let mut other = read("ABCDEFGH");
    assert_eq!((other.resume, other.lost, other.outbox.waiting()), (Resume::Oldest, 1, 0));
    assert_eq!(
        offer(&mut other.outbox, &receivers, matched("a", 2, 1)),
        Ok(0),
        "it had not arrived"
    );
    let arrived = matched("a", 7, 1).key();
    outbox.settle(&route("a", "ops"), arrived);
    let document = outbox.write(STREAM).unwrap();
    let mut other = Outbox::read(&document, "ABCDEFGH", outbox.bounds).unwrap();
    assert_eq!(offer(&mut other.outbox, &receivers, matched("a", 2, 1)), Err(Decided::Known));
    outbox.move_to(Position::default());
    assert_eq!(restored(&outbox).resume, Resume::Oldest, "as an operator writes it");
}

#[test]
fn an_alert_that_cannot_be_read_again_is_one_again_where_it_is_met_next() {
    let (mut outbox, receivers) = (outbox(1), names(&["ops"]));
    for certificate in 1..4 {
        offer(&mut outbox, &receivers, matched("a", certificate, certificate)).unwrap();
    }
    let gone = matched("a", 2, 2).key();
    outbox.forget(gone);
    let mut outbox = restored(&outbox).outbox;
    let known = Err(Decided::Known);
    assert_eq!(offer(&mut outbox, &receivers, matched("a", 11, 1)), known);
    assert_eq!(offer(&mut outbox, &receivers, matched("a", 12, 2)), Ok(0));
    assert_eq!(offer(&mut outbox, &receivers, matched("a", 13, 2)), known);
    assert_eq!(offer(&mut outbox, &receivers, matched("a", 14, 3)), known);
}

#[test]
fn no_more_wait_in_total_whatever_receivers_there_were() {
    let mut outbox = outbox(2);
    let fill = |outbox: &mut Outbox, receiver: &str| -> usize {
        let offers = (0..MAX_WAITING as u64).map(|number| {
            let rule = format!("{receiver}{}", number % 4);
            offer(outbox, &names(&[receiver]), matched(&rule, number, number)).unwrap()
        });
        offers.sum()
    };
    assert_eq!(fill(&mut outbox, "former"), MAX_WAITING / 2);
    // The receivers have other names now, and there is one.
    outbox.set_bounds(Bounds::new(1, true));
    assert_eq!(fill(&mut outbox, "new"), MAX_WAITING / 2);
    assert_eq!(outbox.waiting(), MAX_WAITING);
}

#[test]
fn alerts_that_are_suppressed_together_are_counted() {
    let (mut outbox, key) = (outbox(1), matched("a", 1, 1).key());
    outbox.suppress("a", 2, 7);
    assert_eq!(outbox.decide("a", 2, key, 1_000), Decided::Alert { suppressed: 7 });
}

#[test]
fn damaged_and_newer_documents_are_refused() {
    let (mut outbox, receivers) = (outbox(1), names(&["ops"]));
    offer(&mut outbox, &receivers, matched("a", 7, 1)).unwrap();
    let document = String::from_utf8(outbox.write(STREAM).unwrap()).unwrap();
    for (from, to, expected) in [
        ("\"version\":1", "\"version\":2", "of a newer program"),
        ("\"version\":1", "\"version\":", "expected value"),
        ("[[0,0,[", "[[1,0,[", "has no name"),
        ("[[7,\"", "[[7,\"A", "an identity is damaged"),
        ("\"recent\":\"", "\"recent\":\"AA", "an identity is damaged"),
    ] {
        let damaged = document.replace(from, to);
        assert_ne!(damaged, document, "{from}");
        let error = Outbox::read(damaged.as_bytes(), STREAM, outbox.bounds).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

/// A step of the model.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The next entry of the stream is matched.
    Match,
    /// The first alert of a route arrives.
    Arrive(usize),
    /// The outbox is saved.
    Save,
    /// The process is killed, and continues with the last document.
    Kill,
    /// The power fails: the same, and the stream has lost so many of its last entries. They are read again,
    /// and get other offsets.
    PowerCut(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Match),
        4 => (0..4_usize).prop_map(Step::Arrive),
        2 => Just(Step::Save),
        1 => Just(Step::Kill),
        1 => (0..8_usize).prop_map(Step::PowerCut),
    ];
    prop::collection::vec(step, 0..120)
}

/// The identities that a receiver of a rule got, in order.
type Arrived = BTreeMap<Route, Vec<Key>>;

struct Model {
    /// The rule and the certificate of each offset; none for a hole.
    stream: Vec<Option<(usize, u64)>>,
    /// The number of entries that were matched at some time.
    matched: usize,
    outbox: Outbox,
    document: Vec<u8>,
    arrived: Arrived,
    /// The alerts that the outbox knows to have arrived, and those at the last save: none may arrive again.
    settled: BTreeSet<(Route, Key)>,
    saved: BTreeSet<(Route, Key)>,
    /// Those that were to be delivered while their entries were not read again yet: they are matched anew.
    gone: BTreeSet<Key>,
}

impl Model {
    /// Matches the entry at the position.
    fn match_next(&mut self, receivers: &[Arc<str>]) {
        let next = self.outbox.position().next;
        let Some(entry) = self.stream.get(next as usize) else { return };
        if let Some((rule, certificate)) = entry {
            let matched = matched(["a", "b"][*rule], next, *certificate);
            match offer(&mut self.outbox, receivers, matched) {
                Err(Decided::Known) => {
                    self.outbox.meet_again(&matched.rule.into(), matched.key(), next);
                }
                decided => assert_eq!(decided, Ok(0)),
            }
        }
        self.outbox.move_to(Position { next: next + 1, entries: Some(next + 1) });
        self.matched = self.matched.max(next as usize + 1);
    }

    fn arrive(&mut self, route: &Route) {
        let Some(next) = self.outbox.next(route) else { return };
        let key = next.key;
        if next.alert.is_none() && self.stream[next.offset as usize].is_none() {
            assert!(self.outbox.settle(route, key));
            self.outbox.forget(key);
            self.gone.insert(key);
            return;
        }
        if self.gone.contains(&key) {
            self.settled.remove(&(route.clone(), key));
        }
        assert!(self.settled.insert((route.clone(), key)), "it is known to have arrived");
        self.arrived.entry(route.clone()).or_default().push(key);
        assert!(self.outbox.settle(route, key));
    }

    fn save(&mut self) {
        self.document = self.outbox.write(STREAM).unwrap();
        self.saved.clone_from(&self.settled);
    }

    fn kill(&mut self) {
        self.settled.clone_from(&self.saved);
        let bounds = self.outbox.bounds;
        self.outbox = Outbox::read(&self.document, STREAM, bounds).unwrap().outbox;
    }

    fn cut_power(&mut self, lost: usize) {
        let (end, begin) = (self.matched, self.matched.saturating_sub(lost));
        let again: Vec<_> = self.stream[begin..end].iter_mut().map(Option::take).collect();
        self.stream.splice(end..end, again);
        self.kill();
    }
}

proptest! {
    /// Whenever the process is killed or the power fails, each receiver of each rule gets every alert, for
    /// the first time in the order of the stream, and none again that it had got before the last save. The
    /// order and the last do not hold for those that are to be delivered before they are read again.
    #[test]
    fn nothing_is_lost_or_repeated_however_often_the_process_is_killed(
        stream in prop::collection::vec((0..2_usize, 0..30_u64), 0..60),
        steps in steps(),
    ) {
        let receivers = names(&["ops", "mail"]);
        let routes: Vec<Route> = ["a", "b"]
            .into_iter()
            .flat_map(|rule| ["ops", "mail"].map(|receiver| route(rule, receiver)))
            .collect();
        let outbox = outbox(2);
        let document = outbox.write(STREAM).unwrap();
        let entries = stream.iter().copied().map(Some).collect();
        let (arrived, settled, saved, gone) = Default::default();
        let mut model = Model {
            stream: entries, matched: 0, outbox, document, arrived, settled, saved, gone,
        };
        for step in steps {
            match step {
                Step::Match => model.match_next(&receivers),
                Step::Arrive(number) => model.arrive(&routes[number]),
                Step::Save => model.save(),
                Step::Kill => model.kill(),
                Step::PowerCut(lost) => model.cut_power(lost),
            }
        }
        while model.outbox.position().next < model.stream.len() as u64 {
            model.match_next(&receivers);
        }
        for route in &routes {
            while model.outbox.next(route).is_some() {
                model.arrive(route);
            }
            let of_rule = stream.iter().filter(|(rule, _)| ["a", "b"][*rule] == &*route.rule);
            let mut expected = Vec::new();
            for (_, certificate) in of_rule {
                let key = matched(&route.rule, 0, *certificate).key();
                if !expected.contains(&key) {
                    expected.push(key);
                }
            }
            let mut arrived = Vec::new();
            for key in model.arrived.get(route).into_iter().flatten() {
                if !arrived.contains(key) {
                    arrived.push(*key);
                }
            }
            let all: [BTreeSet<Key>; 2] = [&arrived, &expected].map(|all| all.iter().copied().collect());
            prop_assert_eq!(&all[0], &all[1]);
            for keys in [&mut arrived, &mut expected] {
                keys.retain(|key| !model.gone.contains(key));
            }
            prop_assert_eq!(arrived, expected);
        }
        prop_assert_eq!(model.outbox.waiting(), 0);
        prop_assert_eq!((model.outbox.names_bytes, model.outbox.content_bytes), (0, 0));
    }
}
