//! Faults of the log list: its logs are followed as before, or read to their end.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use ctsim::fault::{Fault, Scope, Times};
use ctsim::{Config, LogHandle, Sim};

use super::lines::Lines;
use super::trial::{Followers, eventually, grow};
use super::{AT_ONCE, next, on_this_thread};
use crate::harness::{simulate, still, url_of};

/// One fault of the log list.
pub(super) struct Row {
    pub(super) fault: &'static str,
    make: fn(&Sim),
    /// Text of a line of the server's log, besides that the list was read.
    pub(super) line: Option<&'static str>,
    pub(super) does: &'static str,
    /// The effect on the first log on the list; the second is not affected.
    first: Fate,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Followed,
    ReadToItsEnd,
}

/// Text of the line for a list in use that an edit has made.
const READ: &str = "edition=version 1.11";

/// The table.
pub(super) const ROWS: &[Row] = &[
    failing("the list cannot be fetched", "status 503", |sim| {
        answer(sim, Fault::Status { code: 503, retry_after: None });
    }),
    failing("an HTML page instead of the list", "an HTML page instead of data", |sim| {
        answer(sim, Fault::Html { code: 200 });
    }),
    failing("a list with an invalid signature", "the signature does not verify", |sim| {
        sim.edit_list(|draft| draft.well_signed = false).expect("signs");
    }),
    failing("a list older than the one in use", "is older than", |sim| {
        sim.edit_list(|draft| draft.version = 1).expect("signs");
    }),
    leaving("a log leaves the list", |sim| {
        sim.edit_list(|draft| draft.logs[0].listed = false).expect("signs");
    }),
    Row {
        fault: "an entry of the list is damaged",
        make: |sim| sim.edit_list(|draft| draft.logs[0].broken = true).expect("signs"),
        line: Some("cannot read an entry of the log list"),
        does: "skips that entry; continues to follow a log that it already follows",
        first: Fate::Followed,
    },
    Row {
        does: "the same, as for every state that is not in `ct_log.states`",
        ..leaving("a log is retired", |sim| {
            sim.edit_list(|draft| draft.logs[0].state = Some("retired")).expect("signs");
        })
    },
    Row {
        does: "the same",
        ..leaving("a log without a state", |sim| {
            sim.edit_list(|draft| draft.logs[0].state = None).expect("signs");
        })
    },
    Row {
        fault: "a log without a description",
        make: |sim| sim.edit_list(|draft| draft.logs[0].described = false).expect("signs"),
        line: None,
        does: "continues to follow it; uses the URL as the name of a new log",
        first: Fate::Followed,
    },
];

/// A list that is not used.
const fn failing(fault: &'static str, line: &'static str, make: fn(&Sim)) -> Row {
    let does = "keeps the current list, reports this in `/health/deep`, and retries after 5 s, then with \
         increasing delays of at most 5 minutes";
    Row { fault, make, line: Some(line), does, first: Fate::Followed }
}

/// A list that the first log is not on as it should be.
const fn leaving(fault: &'static str, make: fn(&Sim)) -> Row {
    let line = "log left the list; reading it to its end";
    let does = "reads the log to the end of its last head, then stops; resumes there if the log is listed \
         again";
    Row { fault, make, line: Some(line), does, first: Fate::ReadToItsEnd }
}

fn answer(sim: &Sim, fault: Fault) {
    sim.list_faults().inject(Scope::Every, fault, Times::UntilCleared);
}

#[test]
fn faults_of_the_list_lose_no_entry() {
    let rows = Mutex::new(ROWS.iter());
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(row) = next(&rows) {
                    let lines = Lines::default();
                    if let Err(reason) = on_this_thread(&lines, try_row(row, &lines)) {
                        let mut failed = failed.lock().expect("no panic");
                        failed.push(format!("{}: {reason}\n{}", row.fault, lines.text()));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no panic");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

async fn try_row(row: &Row, lines: &Lines) -> Result<(), String> {
    let sim = simulate(Config { rfc6962: 1, static_ct: 1, ..still(600) }).await;
    let [first, second] = sim.logs() else { return Err("two logs".to_owned()) };
    sim.edit_list(|draft| draft.version = 10).map_err(|error| error.to_string())?;
    let followers = Followers::start(&sim, Duration::from_secs(600));
    let whole = |log: &LogHandle| followers.count(log) == log.size();
    let followed = |log| followers.status(log).is_some();
    eventually("both logs are read", &[], || whole(first) && whole(second)).await?;

    (row.make)(&sim);
    eventually("it is noticed", &[second], || lines.say(row.line.unwrap_or(READ), "")).await?;
    match row.first {
        Fate::ReadToItsEnd => eventually("it stops", &[second], || !followed(first)).await?,
        Fate::Followed => {
            grow(&[first], 300);
            eventually("the first log is followed", &[], || whole(first)).await?;
        }
    }
    eventually("the second log is followed", &[], || whole(second)).await?;

    sim.list_faults().clear();
    let well = |draft: &mut ctsim::ListDraft| {
        draft.version = 20;
        draft.well_signed = true;
        draft.logs[0] = draft.logs[1].clone();
    };
    sim.edit_list(well).map_err(|error| error.to_string())?;
    grow(&[first, second], 300);
    let again = || followed(first) && whole(first) && whole(second);
    eventually("both logs are read on", &[], again).await?;
    let wrong = followers.wrong();
    followers.stop().await;
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!("{}: out of order: {wrong:?}", url_of(first))),
    }
}
