//! Reading what is missing of some logs.

use client::text::shown;
use follow::{Backfill, BackfillError, Fleet, Published};
use record::LogIdentity;

use super::missing::{Missing, OfLog};

/// The parts that a job needs.
#[derive(Debug)]
pub(crate) struct Job<'j, P> {
    pub(crate) missing: &'j Missing,
    pub(crate) published: &'j P,
    /// Finds what reads a log; `None` if the log is not followed.
    pub(crate) fleet: &'j Fleet,
}

impl<P: Published> Job<'_, P> {
    /// Reads what is missing of the logs with these names, URLs or ids, with what `prepare` makes of
    /// their readers. Calls `note` with lines about the progress. Returns what was done.
    ///
    /// # Errors
    /// If a log is not known or not followed, or what is missing cannot be read; the text is for the
    /// operator. What was read until then is committed.
    pub(crate) async fn run(
        &self,
        names: &[String],
        prepare: impl Fn(&LogIdentity, Backfill) -> Backfill,
        note: impl Fn(String),
    ) -> Result<String, String> {
        let mut lines = Vec::new();
        for log in self.missing.select(names)? {
            let read = match self.fleet.backfill(&log.identity) {
                Some(reader) => self.of_log(&log, &prepare(&log.identity, reader), &note).await,
                None => Err(not_followed(&log.identity)),
            };
            match read {
                Ok(line) => lines.push(line),
                Err(problem) => {
                    // Those before are done.
                    lines.push(problem);
                    return Err(lines.join("\n"));
                }
            }
        }
        Ok(lines.join("\n"))
    }

    async fn of_log(
        &self,
        log: &OfLog,
        reader: &Backfill,
        note: &impl Fn(String),
    ) -> Result<String, String> {
        let (name, wanted) = (&shown(&log.identity.name), log.count());
        let mut read = 0_u64;
        note(format!("{name}: reading {wanted} entries that are missing"));
        let ranges: Vec<_> = log.gaps.iter().map(|gap| gap.range.clone()).collect();
        let done = |count| {
            read = read.saturating_add(count);
            note(format!("{name}: {read} of {wanted} entries read"));
        };
        let filled = reader.fill(&ranges, self.published, done).await;
        filled.map_err(|error| failed(name, read, wanted, &error))?;
        let gaps = self.missing.of_log(log.identity.id, &log.identity.url);
        let left = OfLog { identity: log.identity.clone(), gaps }.count();
        tracing::info!(log = name, read, left, "entries that were missing are in the journal");
        Ok(match left {
            0 => format!("{name}: {read} entries read, none is missing any more"),
            left => format!("{name}: {read} entries read, {left} are still missing; see /api/logs"),
        })
    }
}

fn failed(name: &str, read: u64, wanted: u64, error: &BackfillError) -> String {
    let again = match error {
        BackfillError::Contradiction(_) => {
            "nothing more of the log is read; its alarm is open until it is acknowledged"
        }
        BackfillError::Stopped => "see its alarms",
        _ => "run the command again, and it continues there",
    };
    format!("{name}: {read} of {wanted} entries read, then: {error}; {again}")
}

fn not_followed(log: &LogIdentity) -> String {
    format!(
        "{}: the log is not followed at present; it has left the log list, or the configuration \
         excludes it. Name it in custom_logs or static_logs to read it",
        shown(&log.name)
    )
}
