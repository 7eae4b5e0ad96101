//! Clients that behave badly, a process of its own: one that never reads, one that reads a byte a
//! second, many that connect and vanish, and handshakes that are never finished.
//!
//! It says `started` once all of them are there, and at the end `done` with what they did.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Arg, ArgMatches, Command as Cli};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::events::emit;
use super::{loopback, request};

pub(crate) const NAME: &str = "hostile-clients";

/// The path of the stream that they request.
const PATH: &str = "/";
/// The length of an unfinished handshake.
const UNFINISHED: usize = 60;
/// Handshakes that are never finished.
const HALF_OPEN: usize = 200;
/// Clients a second that connect and vanish.
const VANISHING: u64 = 300;
/// The number of them at a time; more only if the server does not keep up.
const VANISHING_AT_ONCE: u64 = 2000;
/// The time after which some of them vanish.
const LINGER: Duration = Duration::from_millis(20);
/// The receive buffer of those that hardly read: small, so that it fills soon.
const SMALL_BUFFER: u32 = 4096;
/// A server gives up on a client that takes nothing; then the next one comes.
const STALL: Duration = Duration::from_secs(35);
/// Before connecting again.
const AGAIN: Duration = Duration::from_millis(100);
/// The longest wait for all to be there.
const PATIENCE: Duration = Duration::from_secs(30);

/// The kinds of clients come from addresses of their own: numbers of their first connections.
const FIRST_STALLED: usize = 20_000;
const FIRST_SLOW: usize = 20_100;
const FIRST_HALF_OPEN: usize = 21_000;
const FIRST_VANISHING: usize = 25_000;
/// As many connections that vanish until an address is used again.
const VANISHING_SOURCES: u64 = 15_000;

/// The counts of their actions.
#[derive(Default)]
struct Counts {
    stalled: Cell<u64>,
    slow: Cell<u64>,
    slow_bytes: Cell<u64>,
    half_open: Cell<u64>,
    half_open_now: Cell<u64>,
    vanished: Cell<u64>,
    vanishing_now: Cell<u64>,
    refused: Cell<u64>,
}

fn add(cell: &Cell<u64>) {
    cell.set(cell.get() + 1);
}

fn subtract(cell: &Cell<u64>) {
    cell.set(cell.get().saturating_sub(1));
}

pub(crate) fn command() -> Cli {
    let text = ["address", "time-ms"].map(|name| Arg::new(name).long(name).required(true));
    Cli::new(NAME).hide(true).about("Clients that behave badly").args(text)
}

/// The command line for [`run`].
pub(crate) fn arguments(address: &str, time: Duration) -> Vec<String> {
    let time = time.as_millis();
    vec![NAME.to_owned(), format!("--address={address}"), format!("--time-ms={time}")]
}

pub(crate) fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let text = |name: &str| matches.get_one::<String>(name).context("missing");
    let address = text("address")?.parse()?;
    let time = Duration::from_millis(text("time-ms")?.parse()?);
    let limit = rlimit::increase_nofile_limit(u64::MAX)?;
    let wanted = HALF_OPEN as u64 + VANISHING_AT_ONCE + 50;
    ensure!(limit >= wanted, "{wanted} open files are needed and {limit} allowed (ulimit -Hn)");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, misbehave(address, time))
}

async fn misbehave(address: SocketAddr, time: Duration) -> anyhow::Result<()> {
    let counts = Rc::new(Counts::default());
    spawn_local(stalled(address, Rc::clone(&counts)));
    spawn_local(slow(address, Rc::clone(&counts)));
    for number in 0..HALF_OPEN {
        spawn_local(half_open(address, number, Rc::clone(&counts)));
    }
    let all_there = async {
        while counts.half_open_now.get() < HALF_OPEN as u64
            || counts.stalled.get() == 0
            || counts.slow.get() == 0
        {
            sleep(AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, all_there).await.context("the server takes no connections")?;
    spawn_local(vanishing(address, Rc::clone(&counts)));
    emit("started", json!({}));
    sleep(time).await;
    let Counts { stalled, slow, slow_bytes, half_open, half_open_now, vanished, refused, .. } =
        &*counts;
    let done = json!({
        "stalled": stalled.get(),
        "slow": slow.get(),
        "slow_bytes": slow_bytes.get(),
        "half_open": half_open.get(),
        "half_open_now": half_open_now.get(),
        "vanished": vanished.get(),
        "refused": refused.get(),
    });
    emit("done", done);
    Ok(())
}

/// Asks for the stream and never reads, one connection after the other.
async fn stalled(address: SocketAddr, counts: Rc<Counts>) {
    loop {
        let mut kept = None;
        let opened = request::open(address, FIRST_STALLED, PATH, Some(SMALL_BUFFER)).await;
        if let Ok(stream) = opened {
            add(&counts.stalled);
            kept = Some(stream);
        }
        sleep(if kept.is_some() { STALL } else { AGAIN }).await;
    }
}

/// Asks for the stream and reads a byte a second, one connection after the other.
async fn slow(address: SocketAddr, counts: Rc<Counts>) {
    loop {
        let opened = request::open(address, FIRST_SLOW, PATH, Some(SMALL_BUFFER)).await;
        if let Ok(mut stream) = opened {
            add(&counts.slow);
            while stream.read_u8().await.is_ok() {
                add(&counts.slow_bytes);
                sleep(Duration::from_secs(1)).await;
            }
        }
        sleep(AGAIN).await;
    }
}

/// Begins a handshake and leaves it at that until the server closes; then begins again.
async fn half_open(address: SocketAddr, number: usize, counts: Rc<Counts>) {
    loop {
        if let Ok(mut stream) = begin_handshake(address, FIRST_HALF_OPEN + number).await {
            add(&counts.half_open);
            add(&counts.half_open_now);
            // To its end, whatever the server says before.
            let mut rest = Vec::new();
            let _closed = stream.read_to_end(&mut rest).await;
            subtract(&counts.half_open_now);
        }
        sleep(AGAIN).await;
    }
}

/// Many clients a second that come and go.
async fn vanishing(address: SocketAddr, counts: Rc<Counts>) {
    let mut due = interval(Duration::from_secs(1) / u32::try_from(VANISHING).unwrap_or(1));
    due.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 0.. {
        due.tick().await;
        if counts.vanishing_now.get() >= VANISHING_AT_ONCE {
            add(&counts.refused);
            continue;
        }
        let counts = Rc::clone(&counts);
        add(&counts.vanishing_now);
        spawn_local(async move {
            let outcome = vanish(address, number).await;
            add(if outcome.is_ok() { &counts.vanished } else { &counts.refused });
            subtract(&counts.vanishing_now);
        });
    }
}

/// Connects and sends the first part of a handshake.
async fn begin_handshake(address: SocketAddr, number: usize) -> io::Result<TcpStream> {
    let mut stream = loopback::connect(address, number, None).await?;
    let request = request::get("localhost", PATH, request::UPGRADE);
    stream.write_all(&request.as_bytes()[..UNFINISHED]).await?;
    Ok(stream)
}

/// Connects and disconnects. Every other client resets its connection; every other pair leaves while
/// it is being served, the others in the middle of the handshake.
async fn vanish(address: SocketAddr, number: u64) -> io::Result<()> {
    let source = FIRST_VANISHING + usize::try_from(number % VANISHING_SOURCES).unwrap_or(0);
    let is_served = number % 4 < 2;
    let stream = if is_served {
        request::open(address, source, PATH, None).await?
    } else {
        begin_handshake(address, source).await?
    };
    if number.is_multiple_of(2) {
        stream.set_zero_linger()?;
    }
    if is_served {
        sleep(LINGER).await;
    }
    Ok(())
}
