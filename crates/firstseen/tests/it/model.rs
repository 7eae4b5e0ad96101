//! The model: entries with random domains, crashes and failures at any call, against a list of what was
//! committed. Whatever happens to the set, its decisions are those of a set that forgets nothing.

use std::collections::{HashMap, HashSet};

use firstseen::{Set, Settings};
use journal::storage::simulated::Simulated;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{SMALL, decide, flush, open, time, used};

#[derive(Debug, Clone)]
enum Step {
    /// Entries with these domains are decided and committed.
    Commit(Vec<Vec<u16>>),
    /// Everything committed becomes durable, and then what is in memory a run.
    Flush,
    /// The process dies after so many calls of the next flush.
    DieIn(u64),
    /// The machine loses what is not durable.
    LosePower,
    /// One of so many calls fails, from now on.
    Fail(u64),
    /// Memory is forgotten, and applied again.
    Forget,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let entries = vec(vec(0..400_u16, 0..4), 1..40);
    let step = prop_oneof![
        8 => entries.prop_map(Step::Commit),
        4 => Just(Step::Flush),
        2 => (1..60_u64).prop_map(Step::DieIn),
        1 => Just(Step::LosePower),
        1 => prop_oneof![Just(0), 3..30_u64].prop_map(Step::Fail),
        1 => Just(Step::Forget),
    ];
    vec(step, 1..40)
}

/// The stream: the domains of each entry with the decision, by offset.
#[derive(Debug, Default)]
struct Stream {
    entries: Vec<(Vec<u16>, bool)>,
    /// Entries that a loss of power does not take back.
    durable: usize,
}

impl Stream {
    /// Applies what the set does not have.
    fn catch_up(&self, set: &Set) {
        let begin = usize::try_from(set.end()).expect("small");
        assert!(begin <= self.entries.len(), "the set remembers what the stream has lost");
        for (offset, (domains, _)) in self.entries.iter().enumerate().skip(begin) {
            decide(set, offset as u64, domains);
        }
    }

    /// Compares all decisions, and all answers, with those of a set that forgets nothing.
    fn check(&self, set: &Set) {
        let mut seen: HashMap<u16, u64> = HashMap::new();
        for (offset, (domains, is_new)) in (0..).zip(&self.entries) {
            let news: HashSet<&u16> =
                domains.iter().filter(|one| !seen.contains_key(one)).collect();
            assert_eq!(*is_new, !news.is_empty(), "the decision at {offset}");
            for domain in news {
                seen.insert(*domain, offset);
            }
        }
        for domain in 0..400_u16 {
            let found = set.find(set.key(&domain.to_string())).expect("readable");
            let first = found.map(|found| (found.first.offset, found.first.time));
            let expected = seen.get(&domain).map(|offset| (*offset, time(*offset)));
            assert_eq!(first, expected, "domain {domain}");
        }
    }
}

fn run(seed: u64, steps: &[Step]) {
    let disk = Simulated::new(seed);
    let (mut stream, mut set) = (Stream::default(), open(&disk, SMALL));
    let mut fails = 0;
    for step in steps {
        match step {
            Step::Commit(entries) => {
                for domains in entries {
                    let is_new = decide(&set, stream.entries.len() as u64, domains);
                    stream.entries.push((domains.clone(), is_new));
                }
            }
            Step::Flush => {
                stream.durable = stream.entries.len();
                assert!(flush(&set).is_ok() || fails > 0);
            }
            Step::DieIn(calls) => {
                stream.durable = stream.entries.len();
                disk.die_after(*calls);
                drop(flush(&set));
                disk.kill();
                (set, fails) = (reopen(&disk), 0);
                stream.catch_up(&set);
            }
            Step::LosePower => {
                disk.lose_power();
                stream.entries.truncate(stream.durable);
                (set, fails) = (reopen(&disk), 0);
                stream.catch_up(&set);
            }
            Step::Fail(one_of) => {
                fails = *one_of;
                disk.fail_one_of(fails);
            }
            Step::Forget => {
                set.forget_unwritten();
                stream.catch_up(&set);
            }
        }
    }
    stream.check(&set);
    disk.fail_one_of(0);
    stream.durable = stream.entries.len();
    flush(&set).expect("nothing fails");
    stream.check(&set);
    // What was set aside before is written first, and the rest applied again.
    let set = reopen(&disk);
    stream.catch_up(&set);
    stream.check(&set);
}

fn reopen(disk: &Simulated) -> Set {
    disk.fail_one_of(0);
    open(disk, SMALL)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn decisions_after_any_crash_agree_with_the_stream(seed: u64, steps in steps()) {
        run(seed, &steps);
    }
}

/// A set whose files are limited to so little that it forgets.
const TINY: Settings = Settings { max_bytes: 1 << 19, fresh: 16 };

#[test]
fn files_stay_within_their_limit_and_a_domain_in_use_is_not_forgotten() {
    let disk = Simulated::new(1);
    let set = open(&disk, TINY);
    let is_first =
        |key: u64| set.find(set.key(&format!("often-{key}"))).expect("readable").is_none();
    let mut forgot_rare = false;
    for round in 0..500_u64 {
        // Seen every 8 rounds, and new only in the first of them.
        let often = round % 8;
        assert_eq!(is_first(often), round < 8, "round {round}");
        let keys = (0..150).map(|one| format!("rare-{round}-{one}"));
        let keys: Vec<String> = keys.chain([format!("often-{often}")]).collect();
        let first = firstseen::First { offset: round, time: time(round) };
        let added =
            keys.iter().filter_map(|name| match set.find(set.key(name)).expect("readable") {
                None => Some((set.key(name), first)),
                Some(found) => found.is_fading.then_some((set.key(name), found.first)),
            });
        let added: Vec<_> = added.collect();
        set.add(added, &crate::support::batch(round, 1));
        flush(&set).expect("no failure");
        assert!(used(&disk) <= TINY.max_bytes, "{} bytes", used(&disk));
        forgot_rare |= set.find(set.key("rare-0-0")).expect("readable").is_none();
    }
    let stats = set.stats();
    assert!(stats.forgotten > 0 && forgot_rare, "the oldest domains make room");
    assert!(stats.runs < 32 && stats.since > Some(time(0)), "{stats:?}");
}
