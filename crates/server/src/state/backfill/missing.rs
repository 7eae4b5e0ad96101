//! The entries of each log that are missing, as of the last committed batch.

use std::collections::BTreeSet;

use client::text::shown;
use ct::LogId;
use parking_lot::RwLock;
use record::{Batch, Gap, LogChange, LogIdentity, LogNumber, State};

/// The most names that are suggested in place of an unknown one.
const SUGGESTIONS: usize = 3;

/// The gaps of all logs.
#[derive(Debug)]
pub struct Missing {
    /// By number.
    logs: RwLock<Vec<OfLog>>,
}

/// The gaps of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfLog {
    pub(crate) identity: LogIdentity,
    /// In the order of their indexes.
    pub(crate) gaps: Vec<Gap>,
}

impl OfLog {
    /// Returns the number of entries in the gaps.
    pub(crate) fn count(&self) -> u64 {
        self.gaps.iter().map(|gap| gap.range.end.saturating_sub(gap.range.start)).sum()
    }

    /// Reports whether `name` is the log's name in any case, its URL or its id.
    fn is_named(&self, name: &str) -> bool {
        let LogIdentity { id, url, name: own, .. } = &self.identity;
        own.eq_ignore_ascii_case(name)
            || url == name.trim_end_matches('/')
            || id.is_some_and(|id| id.to_string() == name)
    }

    /// Describes the gaps, one a line.
    pub(crate) fn describe(&self) -> String {
        let gap = |gap: &Gap| {
            let last = gap.range.end.saturating_sub(1);
            format!("\n  {} to {last}: {}", gap.range.start, reason(gap.reason))
        };
        let gaps: String = self.gaps.iter().map(gap).collect();
        let (name, count) = (shown(&self.identity.name), self.count());
        let entries = if count == 1 { "entry is" } else { "entries are" };
        format!("{name}: {count} {entries} missing{gaps}")
    }
}

/// Returns the name of a reason.
pub(crate) const fn reason(reason: record::GapReason) -> &'static str {
    match reason {
        record::GapReason::Skipped => "skipped",
        record::GapReason::Unreadable => "unreadable",
        record::GapReason::TooLarge => "too_large",
        record::GapReason::Damaged => "damaged",
    }
}

impl Missing {
    /// Creates the table for a stream in this state.
    #[must_use]
    pub fn of(state: &State) -> Self {
        let missing = Self { logs: RwLock::default() };
        missing.replace(state);
        missing
    }

    /// Replaces everything by what is missing in a state.
    pub(crate) fn replace(&self, state: &State) {
        let of_log = |(_, log): (_, &record::LogState)| OfLog {
            identity: log.identity.clone(),
            gaps: log.gaps.clone(),
        };
        *self.logs.write() = state.logs().map(of_log).collect();
    }

    /// Applies a batch that was read, with the state after it.
    pub(crate) fn follow(&self, batch: &Batch, state: &State) {
        let records = batch.records.iter().filter(|record| record.is_backfilled);
        let sightings = batch.sightings.iter();
        let sightings =
            sightings.filter(|sighting| batch.is_backfilled(sighting.log, sighting.index));
        let filled = records.map(|record| record.log).chain(sightings.map(|sighting| sighting.log));
        let changed: BTreeSet<_> = filled.chain(batch.gaps.iter().map(|gap| gap.log)).collect();
        let gaps = |number| Some((number, state.log(number)?.gaps.clone()));
        self.change(&batch.logs, changed.into_iter().filter_map(gaps).collect());
    }

    /// Applies a committed batch: its changes of the log table, and the gaps that it has changed.
    pub(crate) fn change(&self, rows: &[LogChange], gaps: Vec<(LogNumber, Vec<Gap>)>) {
        if rows.is_empty() && gaps.is_empty() {
            return;
        }
        let mut logs = self.logs.write();
        for LogChange { number, identity } in rows {
            match logs.get_mut(place(*number)) {
                Some(log) => log.identity = identity.clone(),
                // Numbers are given in order.
                None => logs.push(OfLog { identity: identity.clone(), gaps: Vec::new() }),
            }
        }
        for (number, gaps) in gaps {
            if let Some(log) = logs.get_mut(place(number)) {
                log.gaps = gaps;
            }
        }
    }

    /// Returns the gaps of a log; of one that took the place of another, those of the newest.
    pub(crate) fn of_log(&self, id: Option<LogId>, url: &str) -> Vec<Gap> {
        let is_it = |log: &&OfLog| match log.identity.id.zip(id) {
            Some((one, two)) => one == two,
            None => log.identity.url == url,
        };
        self.logs.read().iter().rfind(is_it).map(|log| log.gaps.clone()).unwrap_or_default()
    }

    /// Returns the logs of which entries are missing.
    pub(crate) fn all(&self) -> Vec<OfLog> {
        self.logs.read().iter().filter(|log| !log.gaps.is_empty()).cloned().collect()
    }

    /// Returns the logs with these names, URLs or ids.
    ///
    /// # Errors
    /// If one is not known or lacks nothing; the text says what there is.
    pub(crate) fn select(&self, names: &[String]) -> Result<Vec<OfLog>, String> {
        let logs = self.logs.read();
        let mut selected: Vec<OfLog> = Vec::new();
        for name in names {
            let named: Vec<&OfLog> = logs.iter().filter(|log| log.is_named(name)).collect();
            if named.is_empty() {
                return Err(unknown(name, &logs));
            }
            let with_gaps: Vec<_> = named.into_iter().filter(|log| !log.gaps.is_empty()).collect();
            if with_gaps.is_empty() {
                return Err(format!("{name}: no entry is missing. {}", overview(&logs)));
            }
            for log in with_gaps {
                if !selected.contains(log) {
                    selected.push(log.clone());
                }
            }
        }
        Ok(selected)
    }
}

/// Says that there is no such log, and names those that may be meant.
fn unknown(name: &str, logs: &[OfLog]) -> String {
    let lower = name.to_lowercase();
    let distance = |log: &&OfLog| {
        let own = log.identity.name.to_lowercase();
        if own.contains(&lower) { 0 } else { strsim::levenshtein(&own, &lower) }
    };
    let is_near = |log: &&OfLog| distance(log) <= name.chars().count() / 3;
    let mut near: Vec<&OfLog> = logs.iter().filter(is_near).collect();
    near.sort_by_key(distance);
    let names = near.iter().take(SUGGESTIONS).map(|log| format!("{:?}", log.identity.name));
    let names = names.collect::<Vec<_>>().join(" or ");
    if names.is_empty() {
        return format!("there is no log named {name:?}. {}", overview(logs));
    }
    format!("there is no log named {name:?}; did you mean {names}?")
}

/// Says of which logs entries are missing.
fn overview(logs: &[OfLog]) -> String {
    let lacking = logs.iter().filter(|log| !log.gaps.is_empty());
    let lines: Vec<String> = lacking.map(OfLog::describe).collect();
    if lines.is_empty() {
        return "No log lacks an entry".to_owned();
    }
    format!("Missing are:\n{}", lines.join("\n"))
}

fn place(number: LogNumber) -> usize {
    usize::try_from(number.0).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use record::{GapReason, Protocol, StreamId};

    use super::*;

    fn missing() -> Missing {
        let missing = Missing::of(&State::new(StreamId::from_random(1)));
        let row = |number: u32| LogChange {
            number: LogNumber(number),
            identity: LogIdentity {
                id: Some(LogId([number as u8; 32])),
                url: format!("https://ct{number}.example/log"),
                name: format!("Example Log 203{number}"),
                operator: String::new(),
                protocol: Protocol::Rfc6962,
            },
        };
        let gap = |range| Gap { log: LogNumber(1), range, reason: GapReason::Skipped };
        missing.change(&[row(0), row(1)], vec![(LogNumber(1), vec![gap(5..9), gap(12..13)])]);
        missing
    }

    #[test]
    fn logs_are_found_by_name_url_and_id() {
        let missing = missing();
        let id = LogId([1; 32]);
        for name in ["example log 2031", "https://ct1.example/log/", &id.to_string()] {
            let selected = missing.select(&[name.to_owned()]).unwrap();
            assert_eq!(selected, missing.all(), "{name}");
            assert_eq!(selected[0].count(), 5);
        }
        let twice = missing.select(&["Example Log 2031".to_owned(), id.to_string()]).unwrap();
        assert_eq!(twice.len(), 1);
        assert_eq!(missing.of_log(Some(id), "elsewhere").len(), 2);
        assert_eq!(missing.of_log(None, "https://ct0.example/log"), []);
    }

    #[test]
    fn what_cannot_be_selected_says_what_there_is() {
        let missing = missing();
        let error = |name: &str| missing.select(&[name.to_owned()]).unwrap_err();
        assert_eq!(
            error("Exampel Log 2031"),
            "there is no log named \"Exampel Log 2031\"; did you mean \"Example Log 2031\" or \
             \"Example Log 2030\"?"
        );
        let there = "Missing are:\nExample Log 2031: 5 entries are missing\n  5 to 8: skipped\n  12 \
                     to 12: skipped";
        assert_eq!(error("other"), format!("there is no log named \"other\". {there}"));
        let none = error("Example Log 2030");
        assert_eq!(none, format!("Example Log 2030: no entry is missing. {there}"));
        missing.change(&[], vec![(LogNumber(1), Vec::new())]);
        assert!(error("Example Log 2031").ends_with("No log lacks an entry"));
    }

    #[test]
    fn a_name_does_not_control_a_terminal() {
        let mut log = missing().all().remove(0);
        log.identity.name = "Log\u{1b}[2J\n".to_owned();
        assert!(log.describe().starts_with("Log [2J : 5 entries"), "{}", log.describe());
    }
}
