//! The model: a stream that loses and refuses, two nodes that may lead, two edges, and clients that move
//! between them, in random interleavings.
//!
//! `RELAY_SEQUENCES=20000 cargo test -p relay model` runs more of them; `RELAY_SEED=N` runs one.
//!
//! The stream: publishes are delayed, lost, delivered twice and after everything else; outcomes are lost;
//! refusals speak of messages that do not exist; reads miss the newest messages, and what was requested
//! before a loss arrives after it; the server restarts and forgets the id of its last message; the end of
//! the stream is lost, of any length; a backup that the stream has long departed from is restored;
//! retention deletes the beginning; damage removes a part of the middle; others publish to it, also copies
//! of our messages. All of this happens between any two requests of a node.
//!
//! The nodes: they are killed and begin without memory at any checkpoint, sleep, lead without a lease,
//! keep few of their messages, hand over, and have clocks that are wrong and step backwards.
//!
//! An [oracle](oracle) folds what is stored, by the definition of the list alone. An
//! [observer](observer) sees everything that any node, replay or client is ever shown.
//!
//! Assumed: a request is not answered with a state from before the last loss; where clocks are wrong, the
//! begin of the newest term is not lost; and a mark is delivered once, because no node sends one twice.

mod client;
mod node;
mod observer;
mod oracle;
mod run;
mod server;
mod settling;
mod world;

use self::run::Run;
use self::world::{Rules, Tally};

const SEQUENCES: u64 = 1_000;
/// Events that must happen in these sequences; otherwise the model tests less than it says.
const EVENTS: [&str; 21] = [
    "backup restored",
    "batch repeated",
    "batch shown",
    "batch withheld",
    "begin",
    "client: ahead",
    "client: connected",
    "client: other stream",
    "client: replay",
    "client: without gaps",
    "copy of ours",
    "creation",
    "damage",
    "deposed",
    "expiry",
    "handover accepted",
    "hole passed",
    "loss",
    "publish stored",
    "verified",
    "void or read again",
];

/// Runs one sequence; returns what happened, or the broken invariant.
fn run(seed: u64, rules: Rules) -> Result<Tally, String> {
    Run::new(seed, rules).all().map_err(|broken| format!("seed {seed}: {broken}"))
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn every_interleaving_keeps_the_invariants() {
    if let Some(seed) = number("RELAY_SEED") {
        run(seed, Rules::of(seed)).unwrap();
        return;
    }
    let mut tally = Tally::new();
    for seed in 0..number("RELAY_SEQUENCES").unwrap_or(SEQUENCES) {
        let events = run(seed, Rules::of(seed)).expect("run it again with RELAY_SEED");
        for (event, count) in events {
            *tally.entry(event).or_default() += count;
        }
    }
    let absent = EVENTS.iter().find(|event| !tally.contains_key(*event));
    assert_eq!(absent, None, "{tally:#?}");
}

/// Runs sequences with a rule broken until the model notices it; returns the broken invariant.
fn notices(broken: impl Fn(Rules) -> Rules) -> Option<String> {
    (0..SEQUENCES).find_map(|seed| run(seed, broken(Rules::of(seed))).err())
}

#[test]
fn the_model_notices_publishes_that_do_not_wait_for_the_one_before() {
    assert_ne!(notices(|rules| Rules { pipelines: true, ..rules }), None);
}

#[test]
fn the_model_notices_leaders_that_do_not_look_where_servers_do_not_compare_ids() {
    let rules = |rules| Rules { replicated: true, losses: true, looks: false, ..rules };
    assert_ne!(notices(rules), None);
    assert_eq!(notices(|rules| Rules { replicated: true, ..rules }), None);
}
