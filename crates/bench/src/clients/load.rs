//! The load client, a process of its own: many clients that read and count.
//!
//! It costs little: one thread, one read buffer, and a message is looked into (and inflated) only
//! on every so many connections; all others follow frame headers, or over SSE count bytes. It says
//! what it does in lines of JSON on standard output: `connected`, `measuring`, `done`.

mod body;
mod connection;
mod events;
mod frames;
mod handshake;
mod message;
mod messages;
mod options;
mod sequence;
mod socket;
mod tally;

use std::fs::File;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::ArgMatches;
use serde_json::json;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::Instant;

use crate::clients::events::emit;
use crate::figures::delays::Delays;
use connection::{Connection, Shared};
pub(crate) use options::{Encoding, LoadOptions, NAME, command};
use tally::{Sample, Tally};

/// Most connections opened at a time; a server's backlog holds more.
const OPENING: usize = 1000;
/// Files open besides connections.
const OTHER_FILES: u64 = 50;
/// Between two looks at the messages that clients have, and the wait for more than are expected.
const LOOK: Duration = Duration::from_millis(100);
const MORE: Duration = Duration::from_secs(2);

pub(crate) fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let options = LoadOptions::read(matches)?;
    let limit = rlimit::increase_nofile_limit(u64::MAX).context("the limit of open files")?;
    let wanted = options.clients as u64 + OTHER_FILES;
    ensure!(limit >= wanted, "{wanted} open files are needed and {limit} allowed (ulimit -Hn)");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, load(options))
}

async fn load(options: LoadOptions) -> anyhow::Result<()> {
    let record = options.record.as_ref().map(File::create).transpose()?;
    let mut tally = Tally::new(options.encoding.is_framed(), record);
    if options.expect.is_some() {
        tally = tally.following(options.sampled);
    }
    let shared = Rc::new(Shared::new(&options, tally)?);
    let mut numbers = 0..options.clients;
    let mut opening = JoinSet::new();
    let mut delays = Delays::default();
    loop {
        while opening.len() < OPENING
            && let Some(client) = numbers.next()
        {
            let sample = (client < options.sampled).then(|| Sample::new(client));
            opening.spawn_local(Connection::open(Rc::clone(&shared), client, client, sample));
        }
        let Some(opened) = opening.join_next().await else { break };
        let (connection, took) = opened??;
        delays.add(u64::try_from(took.as_micros())?);
        if options.reconnect {
            tokio::task::spawn_local(connection.read_and_reconnect());
        } else {
            tokio::task::spawn_local(connection.read_to_end());
        }
    }
    emit("connected", json!({ "p50_ms": delays.quantile(0.5), "max_ms": delays.quantile(1.0) }));
    tokio::time::sleep(options.warmup).await;
    shared.tally.borrow_mut().restart();
    emit("measuring", json!({}));
    match options.expect {
        Some(count) => wait_until_all_have(count, &shared, options.time).await,
        None => tokio::time::sleep(options.time).await,
    }
    let report = shared.tally.borrow_mut().report()?;
    emit("done", report);
    Ok(())
}

/// Waits until every client has so many messages, but no longer than `longest`.
async fn wait_until_all_have(count: u64, shared: &Shared, longest: Duration) {
    let deadline = Instant::now() + longest;
    while !shared.tally.borrow().have(count) && Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
    }
    // There are no more of them.
    tokio::time::sleep(MORE).await;
}
