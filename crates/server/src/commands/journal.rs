//! `certstream-server journal`: what a journal has, its verification, and its export. It changes
//! nothing, whether the server is running or not.

mod export;
mod moment;
mod progress;
mod verify;

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use config::{Config, JournalCommand};
use jiff::Timestamp;
use journal::storage::Disk;
use journal::{Directory, System};

use crate::options;

/// Does the command with the journal in this directory, and returns what to print at the end.
///
/// # Errors
/// If the journal cannot be read, or something in it is wrong.
pub fn run(
    config: &Config,
    directory: Option<&Path>,
    command: &JournalCommand,
) -> anyhow::Result<String> {
    let directory = directory.or(config.data_dir.as_deref());
    let directory = directory.context("no directory is named: give one, or set data_dir")?;
    let opened = Directory::open(Arc::new(Disk), &System::new(), directory);
    let journal =
        opened.with_context(|| format!("cannot read the journal in {}", directory.display()))?;
    match command {
        JournalCommand::Info => Ok(info(&journal, config)),
        JournalCommand::Verify => verify::run(&journal),
        JournalCommand::Export(wanted) => export::run(&journal, config, wanted),
    }
}

fn info(journal: &Directory, config: &Config) -> String {
    let stats = journal.stats(&options::journal(config));
    let time = |millis: Option<u64>| millis.map_or_else(|| "none".to_owned(), text_of);
    let offset = |offset: Option<u64>| offset.map_or_else(|| "none".to_owned(), |o| o.to_string());
    let mut text = format!("stream      {}\n", journal.stream());
    let state = if journal.is_running() { "in use by a server" } else { "not in use" };
    let mut line = |name: &str, value: &str| {
        text.push_str(&format!("{name:<11} {value}\n"));
    };
    line("state", state);
    line("entries", &stats.entries.to_string());
    line("offsets", &format!("{} to {}", offset(stats.first_offset), offset(stats.last_offset)));
    line("seen", &format!("{} to {}", time(stats.first_time), time(stats.last_time)));
    line("bytes", &stats.bytes.to_string());
    line("segments", &stats.segments.to_string());
    line("logs", &journal.state().logs().len().to_string());
    line("damage", &journal.damage().len().to_string());
    line("set aside", &stats.set_aside.to_string());
    for segment in journal.segments() {
        let sealed = if segment.is_sealed { "" } else { ", open" };
        line(
            "",
            &format!(
                "{} from {}, {} bytes{sealed}",
                segment.name, segment.first_offset, segment.bytes
            ),
        );
    }
    text
}

/// Returns a time in milliseconds since 1970 as text.
fn text_of(millis: u64) -> String {
    let time = i64::try_from(millis).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| millis.to_string(), |time| time.to_string())
}

/// Returns the time in milliseconds since 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
