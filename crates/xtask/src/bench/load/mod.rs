//! The load client, a process of its own: many WebSocket clients that read and count.
//!
//! It costs little: one thread, one read buffer, and a message is looked into only on every so many
//! connections. It says what it does in lines of JSON on standard output: `connected`, `measuring`,
//! `done`.

mod connection;
mod delays;
mod frames;
mod message;
mod tally;

use std::cell::RefCell;
use std::fs::File;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Arg, ArgAction, ArgMatches, Command as Cli, value_parser};
use serde_json::{Value, json};
use tokio::task::{JoinSet, LocalSet};

use connection::{Connection, READ_BUFFER, Sample, Shared};
pub(super) use delays::Delays;
use tally::Tally;

pub(super) const NAME: &str = "bench-load";

/// What the load client is to do.
#[derive(Debug, Clone)]
pub(super) struct LoadOptions {
    /// Host and port.
    pub(super) address: String,
    pub(super) path: String,
    pub(super) clients: usize,
    /// How many of them look into their messages.
    pub(super) sampled: usize,
    /// Between the last connection and the measurement.
    pub(super) warmup: Duration,
    /// The measurement.
    pub(super) time: Duration,
    /// Where to record what sampled clients got.
    pub(super) record: Option<PathBuf>,
    /// Connect again, with `since`, when the server is gone.
    pub(super) reconnect: bool,
}

impl LoadOptions {
    /// The command line that says so.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![NAME.to_owned()];
        let mut add = |name: &str, value: String| arguments.push(format!("--{name}={value}"));
        add("address", self.address.clone());
        add("path", self.path.clone());
        add("clients", self.clients.to_string());
        add("sampled", self.sampled.to_string());
        add("warmup-ms", self.warmup.as_millis().to_string());
        add("time-ms", self.time.as_millis().to_string());
        if let Some(record) = &self.record {
            add("record", record.display().to_string());
        }
        if self.reconnect {
            arguments.push("--reconnect".to_owned());
        }
        arguments
    }

    fn read(matches: &ArgMatches) -> anyhow::Result<Self> {
        let text = |name: &str| {
            let value = matches.get_one::<String>(name).cloned();
            value.with_context(|| format!("--{name} is missing"))
        };
        let number = |name: &str| -> anyhow::Result<u64> { Ok(text(name)?.parse()?) };
        Ok(Self {
            address: text("address")?,
            path: text("path")?,
            clients: usize::try_from(number("clients")?)?,
            sampled: usize::try_from(number("sampled")?)?,
            warmup: Duration::from_millis(number("warmup-ms")?),
            time: Duration::from_millis(number("time-ms")?),
            record: matches.get_one::<PathBuf>("record").cloned(),
            reconnect: matches.get_flag("reconnect"),
        })
    }
}

pub(super) fn command() -> Cli {
    let text = ["address", "path", "clients", "sampled", "warmup-ms", "time-ms"];
    Cli::new(NAME)
        .hide(true)
        .about("The load client of the benchmarks")
        .args(text.map(|name| Arg::new(name).long(name).required(true)))
        .arg(Arg::new("record").long("record").value_parser(value_parser!(PathBuf)))
        .arg(Arg::new("reconnect").long("reconnect").action(ArgAction::SetTrue))
}

pub(super) fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let options = LoadOptions::read(matches)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, load(options))
}

async fn load(options: LoadOptions) -> anyhow::Result<()> {
    let record = options.record.as_ref().map(File::create).transpose()?;
    let shared = Rc::new(Shared {
        address: options.address,
        path: options.path,
        tally: RefCell::new(Tally::recorded(record)),
        buffer: RefCell::new(vec![0; READ_BUFFER]),
    });
    let mut opening = JoinSet::new();
    for number in 0..options.clients {
        let sample = (number < options.sampled).then(Sample::default);
        opening.spawn_local(Connection::open(Rc::clone(&shared), sample));
    }
    let mut delays = Delays::default();
    while let Some(opened) = opening.join_next().await {
        let (connection, took) = opened??;
        delays.add(u64::try_from(took.as_micros())?);
        if options.reconnect {
            tokio::task::spawn_local(connection.read_and_reconnect());
        } else {
            tokio::task::spawn_local(connection.read_to_end());
        }
    }
    say("connected", json!({ "p50_ms": delays.quantile(0.5), "max_ms": delays.quantile(1.0) }));
    tokio::time::sleep(options.warmup).await;
    shared.tally.borrow_mut().restart();
    say("measuring", json!({}));
    tokio::time::sleep(options.time).await;
    let report = shared.tally.borrow_mut().report()?;
    say("done", report);
    Ok(())
}

fn say(event: &str, mut values: Value) {
    values["event"] = event.into();
    println!("{values}");
}
